//! The steps of one way, in the order of the walk, as the page tells them: the same rows as in text, one step each.
//!
//! `PREROUTING`, `nat`, `KUBE-SERVICES #35 → KUBE-NODEPORTS`, … Left out: drawing them.

use nettrace_engine::explain::answer::{Answer, Ending, Kept, Routed, Row, Stage, Told};
use nettrace_engine::explain::way::What;
use nettrace_engine::explain::whynot::{Misses, Stood};
use nettrace_engine::field::Value;
use nettrace_engine::model::{ChainId, RuleId};
use nettrace_engine::trace::{Event, Trace};

use crate::render::text::{self, Scene, Tone, built_lines, hook_name, parts, quiet_words};

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The packet as it starts.
    Start,
    /// A hook.
    Hook,
    /// A rule, a chain's end or a policy.
    Rule,
    /// A routing decision.
    Route,
    /// A built-in step.
    Built,
    /// The verdict.
    End,
}

impl Kind {
    /// Its class.
    pub fn class(self) -> &'static str {
        match self {
            Kind::Start => "start",
            Kind::Hook => "hook",
            Kind::Rule => "rules",
            Kind::Route => "route",
            Kind::Built => "built",
            Kind::End => "end",
        }
    }
}

/// A step.
pub struct Step<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its event in the trace.
    pub event: usize,
    /// The event behind everything that it changed.
    pub until: usize,
    /// Where it happens: `PREROUTING`, `nat`.
    pub place: Vec<String>,
    /// `KUBE-SEP-VKIPXDQHDOL5KL3V #2`.
    pub name: String,
    /// `DNAT`.
    pub does: String,
    /// Whether that is good or bad for the packet.
    pub tone: Tone,
    /// What its program says of it.
    pub label: Option<String>,
    /// The rule.
    pub rule: Option<RuleId>,
    /// How many jumps deep.
    pub depth: u16,
    /// `dst a => b`.
    pub rewrites: Vec<String>,
    /// Facts and rule state, in words.
    pub notes: Vec<String>,
    /// The rule's conditions as they stood.
    pub conditions: &'a [Stood],
    /// Rules that were looked at before it without matching.
    pub misses: Option<&'a Misses>,
}

/// An entry of the path.
pub enum Entry<'a> {
    /// A step.
    Step(Box<Step<'a>>),
    /// A base chain begins: its table.
    Table(String),
    /// Base chains without effect.
    Quiet(String),
}

/// The path of an ending.
pub fn path<'a>(scene: &Scene, answer: &Answer, ending: &'a Ending, trace: &Trace) -> Vec<Entry<'a>> {
    let mut path = Path { scene, family: ending.start.family(), hook: None, out: Vec::new() };
    path.out.push(Entry::Step(Box::new(Step {
        does: text::packet_line(scene, &ending.start),
        until: 0,
        notes: vec![if answer.local { "As this host makes it." } else { "As it arrives." }.to_string()],
        ..plain(Kind::Start, 0, "The packet".to_string())
    })));
    for stage in &ending.stages {
        path.stage(stage);
    }
    let last = trace.events.iter().rposition(|e| matches!(e, Event::Fate(_)));
    let last = last.unwrap_or_else(|| trace.events.len().saturating_sub(1));
    path.out.push(Entry::Step(Box::new(Step {
        does: text::one_line(scene, answer, ending),
        tone: text::tone(answer, ending),
        until: trace.events.len(),
        ..plain(Kind::End, last, "Verdict".to_string())
    })));
    path.out
}

/// A step that only says what it is.
fn plain<'a>(kind: Kind, event: usize, name: String) -> Step<'a> {
    Step {
        kind,
        event,
        until: event + 1,
        place: Vec::new(),
        name,
        does: String::new(),
        tone: Tone::Plain,
        label: None,
        rule: None,
        depth: 0,
        rewrites: Vec::new(),
        notes: Vec::new(),
        conditions: &[],
        misses: None,
    }
}

struct Path<'s, 'a> {
    scene: &'s Scene<'s>,
    family: Value,
    hook: Option<String>,
    out: Vec<Entry<'a>>,
}

impl<'a> Path<'_, 'a> {
    fn push(&mut self, mut step: Step<'a>) {
        let hook = self.hook.iter().filter(|_| step.kind != Kind::Hook).cloned();
        step.place = hook.chain(step.place).collect();
        self.out.push(Entry::Step(Box::new(step)));
    }

    fn stage(&mut self, stage: &'a Stage) {
        match stage {
            Stage::Hook { event, hook, rows } => {
                self.hook = Some(hook_name(*hook));
                self.push(plain(Kind::Hook, *event, hook_name(*hook)));
                for row in rows {
                    self.row(row);
                }
                self.hook = None;
            }
            Stage::Route(routed) => self.route(routed),
            Stage::Built(told) => self.built(told),
        }
    }

    fn row(&mut self, row: &'a Row) {
        match row {
            Row::Pass { base, steps, .. } => {
                let table = self.table(*base);
                self.out.push(Entry::Table(table.clone()));
                for step in steps {
                    let step = self.kept(step, &table);
                    self.push(step);
                }
            }
            Row::Quiet { bases, rules } => {
                let (tables, said) = quiet_words(self.scene, bases, *rules);
                self.out.push(Entry::Quiet(format!("{tables}: {said}")));
            }
            Row::Built(told) => self.built(told),
            Row::Route(routed) => self.route(routed),
        }
    }

    fn table(&self, base: ChainId) -> String {
        let model = self.scene.model;
        self.scene.paint.text(model.name(model.table_of(base).name))
    }

    fn kept(&self, step: &'a Kept, table: &str) -> Step<'a> {
        let p = parts(self.scene, step, self.family);
        let rule = match step.what {
            What::Rule { rule, .. } | What::Missed { rule } => Some(rule),
            What::Return | What::Policy { .. } => None,
        };
        Step {
            until: step.until,
            place: vec![table.to_string()],
            does: p.action,
            tone: p.tone,
            label: p.label,
            rule,
            depth: step.depth,
            rewrites: p.rewrites,
            notes: step.notes.clone(),
            conditions: &step.conditions,
            misses: Some(&step.misses),
            ..plain(Kind::Rule, step.event, p.rule)
        }
    }

    fn route(&mut self, routed: &Routed) {
        let does = text::route(self.scene, routed);
        self.push(Step { does, ..plain(Kind::Route, routed.event, "Routing".to_string()) });
    }

    fn built(&mut self, told: &Told) {
        let (name, lines) = built_lines(told, self.family);
        // Devices and the like follow from the decision; what connection tracking finds is worth a step.
        if lines.is_empty() && told.step != nettrace_engine::trace::Step::Conntrack {
            return;
        }
        let (rewrites, notes): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(tone, _)| *tone == Tone::Change);
        let texts = |list: Vec<(Tone, String)>| list.into_iter().map(|(_, said)| said).collect::<Vec<_>>();
        let (rewrites, notes) = (texts(rewrites), texts(notes));
        let until = told.until;
        let does = rewrites.first().or(notes.first()).cloned().unwrap_or_default();
        self.push(Step { until, does, rewrites, notes, ..plain(Kind::Built, told.event, name.to_string()) });
    }
}
