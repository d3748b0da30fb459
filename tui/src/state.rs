//! What the stepper knows at one moment: the answer, the step, the cursors, what is folded, which windows are open.
//!
//! Only [`crate::update::update`] changes it. Everything that is shown is computed from it when it is drawn.

use std::collections::BTreeSet;

use nettrace_engine::field::Field;
use nettrace_engine::model::{ChainId, Hook, Model, RuleId};
use nettrace_engine::packet::Packet;
use nettrace_engine::trace::{Event, Trace};

use crate::lesson::Course;
use crate::line::Line;
use crate::rows::{Cursor, Folds, Pass, Rows};
use crate::session::{Asked, Request, Session, Way};
use crate::theme::Theme;
use crate::timeline::Timeline;

/// A pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pane {
    /// Hooks and tables.
    Path,
    /// The rules of a chain.
    Chain,
    /// The packet.
    Packet,
    /// The explanation.
    Why,
}

impl Pane {
    /// All panes in the order of the Tab key.
    pub const ALL: [Pane; 4] = [Pane::Path, Pane::Chain, Pane::Packet, Pane::Why];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Pane::Path => "Path",
            Pane::Chain => "Chain",
            Pane::Packet => "Packet",
            Pane::Why => "Why",
        }
    }
}

/// Where continuing stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Break {
    /// The rule matches.
    Rule(RuleId),
    /// The chain is entered.
    Chain(ChainId),
    /// The field changes.
    Field(Field),
}

/// What a typed line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    /// A text to look for.
    Search,
    /// A command that edits the rules.
    Command,
    /// The value of a packet field in the form below.
    Field(usize),
    /// The name of a file.
    File,
    /// The name of a chain to look at.
    Chain,
}

/// What a row of a list does when it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Shows another outcome.
    Way(usize),
    /// Answers a fact.
    Pin(String, String),
    /// Shows a chain without going there.
    Look(ChainId),
}

/// A window over the panes.
#[derive(Clone, Debug)]
pub enum Popup {
    /// All keys.
    Help(usize),
    /// A text: title, lines, first line shown.
    Text(String, Vec<String>, usize),
    /// A choice: title, rows with what they do, cursor.
    Choice(String, Vec<(String, Pick)>, usize),
    /// A question of a lesson, cursor.
    Quiz(usize),
    /// The packet's fields, cursor.
    Form(Vec<Asked>, usize),
    /// A line being typed.
    Prompt(Typing, Line),
    /// Without and with the what-if, cursor.
    Compare(usize),
}

/// What the root was asked for and has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A walk for a new request.
    Walk,
    /// A walk for the request before.
    Undo,
    /// Another packet of the conversation.
    Packet,
}

/// The stepper's state.
#[derive(Clone)]
pub struct State {
    /// The answer.
    pub session: Session,
    /// Which of its ways is shown.
    pub way: usize,
    /// Its places.
    pub timeline: Timeline,
    /// The step: an event of the walk.
    pub at: usize,
    /// The pane with the cursor.
    pub focus: Pane,
    /// The other pane shown beside the chain on a small screen.
    pub tab: Pane,
    /// Row of the path; `None` follows the step.
    pub path: Option<usize>,
    /// All steps are shown in the path.
    pub all_steps: bool,
    /// Cursor of the chain; `None` follows the step.
    pub rule: Option<Cursor>,
    /// A chain that is looked at instead of the step's.
    pub look: Option<ChainId>,
    /// What is folded in the chain.
    pub folds: Folds,
    /// Row of the packet.
    pub field: usize,
    /// All fields are shown in the packet.
    pub all_fields: bool,
    /// First line of the explanation shown.
    pub why: usize,
    /// Windows, the last on top.
    pub popups: Vec<Popup>,
    /// Breakpoints.
    pub breaks: BTreeSet<Break>,
    /// What is looked for.
    pub search: String,
    /// Said in place of the footer until the next key.
    pub message: Option<String>,
    /// Looks.
    pub theme: Theme,
    /// Only ASCII characters are drawn.
    pub ascii: bool,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Requests before this one.
    pub history: Vec<Request>,
    /// What the root is to answer.
    pub waiting: Option<Waiting>,
    /// The lesson.
    pub course: Option<Course>,
}

impl State {
    /// Starts at the first step. A session without a way cannot be shown.
    pub fn new(session: Session, theme: Theme, size: (u16, u16)) -> Option<State> {
        let timeline = Timeline::new(&session.model, &session.ways.first()?.trace);
        let at = timeline.stops().first().copied().unwrap_or(0);
        Some(State {
            session,
            way: 0,
            timeline,
            at,
            focus: Pane::Chain,
            tab: Pane::Path,
            path: None,
            all_steps: false,
            rule: None,
            look: None,
            folds: Folds::default(),
            field: 0,
            all_fields: false,
            why: 0,
            popups: Vec::new(),
            breaks: BTreeSet::new(),
            search: String::new(),
            message: None,
            theme,
            ascii: false,
            size,
            history: Vec::new(),
            waiting: None,
            course: None,
        })
    }

    /// The same for a terminal that may know ASCII only.
    #[must_use]
    pub fn drawn_in(mut self, ascii: bool) -> State {
        self.ascii = ascii;
        self
    }

    /// The same as a lesson, which begins with its introduction.
    #[must_use]
    pub fn teach(mut self, course: Course) -> State {
        let mut lines = Vec::new();
        for text in &course.lesson.intro {
            lines.extend([text.clone(), String::new()]);
        }
        lines.push("Step with →. Before some steps you are asked what comes.".to_string());
        self.popups.push(Popup::Text(course.lesson.title.clone(), lines, 0));
        self.course = Some(Course { shown: self.at, ..course });
        self
    }

    /// The rules.
    pub fn model(&self) -> &Model {
        &self.session.model
    }

    /// The way shown. There always is one: `way` is set only to ways of the session.
    pub fn shown(&self) -> &Way {
        &self.session.ways[self.way.min(self.session.ways.len() - 1)]
    }

    /// The walk shown.
    pub fn trace(&self) -> &Trace {
        &self.shown().trace
    }

    /// The event of the step.
    pub fn event(&self) -> Option<&Event> {
        self.trace().events.get(self.at)
    }

    /// The packet behind the step before, and behind this step.
    pub fn packets(&self) -> (Packet, Packet) {
        let before = self.timeline.previous(self.at, |_| true).map_or(0, |i| i + 1);
        (self.trace().packet_at(before), self.trace().packet_at(self.at + 1))
    }

    /// The last event that may be shown: in a lesson what lies ahead stays hidden.
    pub fn horizon(&self) -> usize {
        self.course.as_ref().map_or(usize::MAX, |c| c.shown)
    }

    /// The chain of the step, or the one that is looked at.
    pub fn chain(&self) -> Option<ChainId> {
        self.look.or_else(|| self.timeline.spot(self.at)?.chain)
    }

    /// The packet of the conversation: `packet 2/3 synack`; none where there is one only.
    pub fn leg(&self) -> Option<String> {
        let (legs, at) = (&self.session.legs, self.session.request.leg);
        legs.get(at).filter(|_| legs.len() > 1).map(|name| format!("packet {}/{} {name}", at + 1, legs.len()))
    }

    /// The hook of the step.
    pub fn hook(&self) -> Option<Hook> {
        self.timeline.spot(self.at)?.hook
    }

    /// What the pass through the step's chain did up to it; nothing for a chain that is only looked at.
    pub fn pass(&self) -> Pass {
        if self.look.is_some() {
            return Pass::default();
        }
        Pass::new(self.model(), self.trace(), &self.timeline, self.at)
    }

    /// The chain pane's cursor.
    pub fn cursor(&self, chain: ChainId, pass: &Pass) -> Cursor {
        let rules = self.model().chain(chain).rules.len() as u32;
        let follow = if pass.ended { rules } else { pass.current.unwrap_or(0) };
        let cursor = self.rule.unwrap_or(Cursor { index: follow, fold: false });
        Cursor { index: cursor.index.min(rules), ..cursor }
    }

    /// The rows of the chain pane.
    pub fn rows(&self, chain: ChainId, pass: &Pass) -> Rows {
        Rows::new(self.model(), chain, pass, Some(self.cursor(chain, pass)), &self.folds)
    }

    /// The rule under the chain pane's cursor.
    pub fn rule_at_cursor(&self) -> Option<RuleId> {
        let chain = self.chain()?;
        let cursor = self.cursor(chain, &self.pass());
        self.model().chain(chain).rules.get(cursor.index as usize).filter(|_| !cursor.fold)
    }
}
