//! The one place where state changes: `update(state, message) -> effect`. Pure; what needs files, a terminal, parsing or
//! a new walk is handed out as an [`Effect`], and its result comes back as a message.
//!
//! Left out: which key means what ([`crate::keymap`]), windows ([`crate::popup`]) and moving ([`crate::moves`]).

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, MouseEvent};

use crate::keymap::{Action, Context, lookup};
use crate::line::Line;
use crate::moves;
use crate::session::{Place, Request, Session};
use crate::state::{Break, Pane, Popup, State, Typing, Waiting};
use crate::timeline::Mark;
use crate::{compare, export, mouse, popup};

/// Something that happened.
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// The answer to [`Effect::Walk`]; or why there is none.
    Walked(Box<Result<Session, String>>),
    /// Another effect was carried out: what to say about it.
    Done(String),
}

/// Something that the root has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// End, and print this.
    Quit(Option<String>),
    /// Walk again and answer with [`Msg::Walked`].
    Walk(Request),
    /// Open the file at the line in `$EDITOR`.
    Edit(Place),
    /// Put the text on the clipboard.
    Copy(String),
    /// Write the text to a file of this name.
    Save(String, String),
}

impl State {
    /// Where keys go now.
    pub fn context(&self) -> Context {
        match self.popups.last() {
            None => Context::Main,
            Some(Popup::Prompt(..)) => Context::Prompt,
            Some(_) => Context::List,
        }
    }

    /// Says something in place of the footer.
    pub fn say(&mut self, text: impl Into<String>) {
        self.message = Some(text.into());
    }

    /// Asks the root for another walk.
    pub fn ask(&mut self, request: Request, waiting: Waiting) -> Effect {
        self.waiting = Some(waiting);
        self.say("walking …");
        Effect::Walk(request)
    }
}

/// Takes in what happened and says what is to be done.
pub fn update(state: &mut State, msg: Msg) -> Effect {
    match msg {
        Msg::Key(key) if key.kind == KeyEventKind::Release => Effect::None,
        Msg::Key(key) => press(state, key),
        Msg::Mouse(event) => mouse::update(state, event),
        Msg::Resize(columns, rows) => {
            state.size = (columns, rows);
            Effect::None
        }
        Msg::Walked(answer) => {
            walked(state, *answer);
            Effect::None
        }
        Msg::Done(text) => {
            state.say(text);
            Effect::None
        }
    }
}

fn press(state: &mut State, key: KeyEvent) -> Effect {
    let context = state.context();
    state.message = None;
    match lookup(context, &key) {
        Some(Action::Quit) => Effect::Quit(None),
        Some(action) if context == Context::Main => act(state, action),
        Some(action) => popup::act(state, action, key),
        None => {
            if let (Some(Popup::Prompt(_, line)), KeyCode::Char(c)) = (state.popups.last_mut(), key.code) {
                line.insert(c);
            }
            Effect::None
        }
    }
}

/// Carries out what a key of the main screen asks for.
pub fn act(state: &mut State, action: Action) -> Effect {
    use Action::*;
    match action {
        Forward | Back | Over | OverBack | Into | Out | First | Last => moves::step(state, action),
        NextVerdict => moves::seek(state, Mark::Verdict, true),
        PreviousVerdict => moves::seek(state, Mark::Verdict, false),
        NextRewrite => moves::seek(state, Mark::Rewrite, true),
        PreviousRewrite => moves::seek(state, Mark::Rewrite, false),
        NextHook => moves::seek(state, Mark::Hook, true),
        PreviousHook => moves::seek(state, Mark::Hook, false),
        Continue => moves::run(state, true),
        ContinueBack => moves::run(state, false),
        Down | Up | PageDown | PageUp | Top | Bottom => moves::scroll(state, action),
        FocusNext => focus(state, 1),
        FocusPrevious => focus(state, Pane::ALL.len() - 1),
        FocusPath => set_focus(state, Pane::Path),
        FocusChain => set_focus(state, Pane::Chain),
        FocusPacket => set_focus(state, Pane::Packet),
        FocusWhy => set_focus(state, Pane::Why),
        Go => moves::go(state),
        Fold => moves::fold(state),
        FoldAll => moves::fold_all(state),
        FindNext => moves::find(state, true),
        FindPrevious => moves::find(state, false),
        Theme => {
            state.theme = state.theme.next();
            state.say(format!("theme: {}", state.theme.name()));
        }
        Close => state.search.clear(),
        Break => set_break(state),
        BreakChain => break_chain(state),
        _ => return ask_for(state, action),
    }
    Effect::None
}

/// The keys that open a window or need the root.
fn ask_for(state: &mut State, action: Action) -> Effect {
    match action {
        Action::Help => state.popups.push(Popup::Help(0)),
        Action::Search => state.popups.push(Popup::Prompt(Typing::Search, Line::default())),
        Action::Look => state.popups.push(Popup::Prompt(Typing::Chain, Line::default())),
        Action::AddRule => state.popups.push(Popup::Prompt(Typing::Command, Line::default())),
        Action::Save => state.popups.push(Popup::Prompt(Typing::File, Line::new("nettrace-session.md"))),
        Action::EditPacket => state.popups.push(Popup::Form(state.session.request.packet.clone(), 0)),
        Action::Choose => popup::choose(state),
        Action::WhyNot => popup::why_not(state),
        Action::Compare if state.session.before.is_empty() => {
            state.say("nothing to compare: a adds a rule, d takes one out");
        }
        Action::Compare => state.popups.push(Popup::Compare(compare::parting(state))),
        Action::Undo => {
            if let Some(request) = state.history.last().cloned() {
                return state.ask(request, Waiting::Undo);
            }
            state.say("nothing to take back");
        }
        Action::NextPacket => return packet(state, state.session.request.leg.checked_add(1)),
        Action::PreviousPacket => return packet(state, state.session.request.leg.checked_sub(1)),
        Action::RemoveRule => return remove(state),
        Action::CopyCommand => return Effect::Copy(state.session.words.command()),
        Action::QuitPrinting => return Effect::Quit(Some(export::path(state))),
        _ => return with_rule(state, action),
    }
    Effect::None
}

/// The keys that want a rule under the cursor and the root.
fn with_rule(state: &mut State, action: Action) -> Effect {
    let Some(rule) = state.rule_at_cursor() else {
        state.say("no rule under the cursor of the chain");
        return Effect::None;
    };
    let words = &state.session.words;
    match (action, words.place(rule)) {
        (Action::CopyRule, _) => return Effect::Copy(words.rule(rule).into_owned()),
        (Action::Open, Some(place)) => return Effect::Edit(place),
        (Action::Open, None) => state.say("this rule stands in no file"),
        _ => {}
    }
    Effect::None
}

fn remove(state: &mut State) -> Effect {
    let Some(rule) = state.rule_at_cursor() else {
        state.say("no rule under the cursor of the chain");
        return Effect::None;
    };
    let mut request = state.session.request.clone();
    request.without.push(rule);
    state.ask(request, Waiting::Walk)
}

/// Goes to another packet of the conversation.
fn packet(state: &mut State, leg: Option<usize>) -> Effect {
    let legs = state.session.legs.len();
    if let Some(leg) = leg.filter(|leg| *leg < legs) {
        let request = Request { leg, ..state.session.request.clone() };
        return state.ask(request, Waiting::Packet);
    }
    state.say(if legs > 1 { "no more packets there" } else { "one packet: step --packets walks several" });
    Effect::None
}

fn focus(state: &mut State, by: usize) {
    let at = Pane::ALL.iter().position(|p| *p == state.focus).unwrap_or(0);
    set_focus(state, Pane::ALL[(at + by) % Pane::ALL.len()]);
}

/// Moves the focus; a small screen then shows that pane.
pub fn set_focus(state: &mut State, pane: Pane) {
    state.focus = pane;
    if pane != Pane::Chain {
        state.tab = pane;
    }
}

fn set_break(state: &mut State) {
    let target = match state.focus {
        Pane::Packet => crate::panes::packet::field_at(state, state.field).map(Break::Field),
        _ => state.rule_at_cursor().map(Break::Rule),
    };
    toggle(state, target);
}

fn break_chain(state: &mut State) {
    let target = state.chain().map(Break::Chain);
    toggle(state, target);
}

fn toggle(state: &mut State, target: Option<Break>) {
    let Some(target) = target else { return state.say("nothing to stop at here") };
    let added = state.breaks.insert(target);
    if !added {
        state.breaks.remove(&target);
    }
    let what = match target {
        Break::Rule(r) => crate::label::rule(state.model(), r),
        Break::Chain(c) => crate::label::chain(state.model(), c),
        Break::Field(f) => f.name().to_string(),
    };
    state.say(format!("breakpoint {}: {what}", if added { "set" } else { "taken away" }));
}

/// Takes in the answer of the root; a refusal leaves everything as it was.
fn walked(state: &mut State, answer: Result<Session, String>) {
    let waiting = state.waiting.take();
    let session = match answer {
        Ok(session) if !session.ways.is_empty() => session,
        Ok(_) => return state.say("the walk gave no answer"),
        Err(why) => return state.popups.push(Popup::Text("That did not work".to_string(), vec![why], 0)),
    };
    let old = state.trace().events.clone();
    let request = std::mem::replace(&mut state.session, session).request;
    match waiting {
        Some(Waiting::Undo) => {
            state.history.pop();
        }
        Some(Waiting::Walk) => state.history.push(request),
        Some(Waiting::Packet) | None => {}
    }
    state.way = 0;
    moves::reload(state);
    if waiting == Some(Waiting::Packet) {
        state.at = state.timeline.stops().first().copied().unwrap_or(0);
        let summary = state.shown().summary.clone();
        return state.say(format!("{}: {summary}", state.leg().unwrap_or_default()));
    }
    let same = old.iter().zip(&state.trace().events).take_while(|(a, b)| moves::same(a, b)).count();
    state.at = state.timeline.stops().iter().rev().copied().find(|s| *s <= state.at.min(same)).unwrap_or(0);
    let summary = state.shown().summary.clone();
    state.say(format!("walked again: {summary}"));
}
