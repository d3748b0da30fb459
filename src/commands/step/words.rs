//! What the stepper is told about rules and steps: texts through their spans, and explanations by the engine's own
//! `explain`, so that stepper and `nettrace explain` cannot disagree.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::TalkArgs;
use nettrace_engine::World;
use nettrace_engine::explain::names::Labels;
use nettrace_engine::explain::step::Teller;
use nettrace_engine::explain::whynot::{self, Inquiry};
use nettrace_engine::explore::Outcomes;
use nettrace_engine::host::Host;
use nettrace_engine::model::{Model, RuleId};
use nettrace_engine::trace::Trace;
use nettrace_grammar::Sources;
use nettrace_tui::{Asked, Condition, Place, Words, label};

/// Answers kept of the last questions; a screen asks for some fifty.
const KEPT: usize = 4096;

/// Way, event and rule.
type Asking = (usize, usize, RuleId);
/// Way and event, with what was said about it.
type Explained = ((usize, usize), Vec<String>);

/// Answers about one set of walks.
pub struct Told {
    model: Arc<Model>,
    host: Arc<Host>,
    sources: Arc<Sources>,
    traces: Vec<Trace>,
    command: String,
    /// Conditions of rules at events: the same ones are asked for each time the screen is drawn.
    conditions: Mutex<HashMap<Asking, Vec<Condition>>>,
    /// The explanation of the last step asked for.
    why: Mutex<Option<Explained>>,
    /// Whose the bits of marks are.
    marks: Mutex<HashMap<u32, Vec<String>>>,
}

impl Told {
    /// For these walks through these rules.
    pub fn new(model: Arc<Model>, host: Arc<Host>, sources: Arc<Sources>, outcomes: &Outcomes<Trace>) -> Self {
        let traces = outcomes.list.iter().map(|o| o.result.clone()).collect();
        let (conditions, why, marks) = (Mutex::default(), Mutex::default(), Mutex::default());
        Told { model, host, sources, traces, command: String::new(), conditions, why, marks }
    }

    /// With the command that gives the same answer.
    pub fn commanded(mut self, inputs: &[String], packet: &[Asked], with: &[String], talk: &TalkArgs) -> Self {
        let mut words = vec!["nettrace".to_string(), "explain".to_string()];
        words.extend(inputs.iter().map(|t| quoted(t)));
        for Asked { name, text, .. } in packet.iter().filter(|f| !f.text.is_empty()) {
            match *name {
                "local" => words.push("--local".to_string()),
                _ => words.extend([format!("--{name}"), quoted(text)]),
            }
        }
        words.extend(with.iter().flat_map(|w| ["--with".to_string(), quoted(w)]));
        if talk.reply {
            words.push("--reply".to_string());
        }
        if !talk.packets.is_empty() {
            words.extend(["--packets".to_string(), quoted(&talk.packets.join(","))]);
        }
        self.command = words.join(" ");
        self
    }

    fn world(&self) -> World<'_> {
        World { model: &self.model, host: &self.host }
    }

    /// `nat KUBE-SEP-… #2 (iptables-save:1420)`.
    fn cite(&self, rule: RuleId) -> String {
        let place = self.place(rule).map_or_else(String::new, |p| format!(" ({p})"));
        format!("{}{place}", label::rule(&self.model, rule))
    }

    fn tell(&self, way: usize, event: usize) -> Vec<String> {
        let Some(trace) = self.traces.get(way) else { return Vec::new() };
        let labels = Labels::build(&self.model);
        let teller = Teller { model: &self.model, labels: &labels, trace, cite: &|r| self.cite(r) };
        teller.tell(event)
    }

    fn judge(&self, way: usize, event: usize, rule: RuleId) -> Vec<Condition> {
        let Some(trace) = self.traces.get(way) else { return Vec::new() };
        let told = whynot::conditions(self.world(), trace, rule, event);
        told.into_iter().map(|c| Condition { wanted: c.wanted, had: c.had, holds: c.holds }).collect()
    }
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

impl Words for Told {
    fn rule(&self, rule: RuleId) -> Cow<'_, str> {
        let text = self.sources.text(self.model.rule(rule).span).trim();
        if text.contains('\n') {
            return Cow::Owned(text.split('\n').map(str::trim).collect::<Vec<_>>().join(" "));
        }
        Cow::Borrowed(text)
    }

    fn place(&self, rule: RuleId) -> Option<Place> {
        let at = self.sources.locate(self.model.rule(rule).span)?;
        Some(Place { file: at.name.to_string(), line: at.line })
    }

    fn conditions(&self, way: usize, event: usize, rule: RuleId) -> Vec<Condition> {
        let key = (way, event, rule);
        let mut kept = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&key) {
            return known.clone();
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let told = self.judge(way, event, rule);
        kept.insert(key, told.clone());
        told
    }

    fn why(&self, way: usize, event: usize) -> Vec<String> {
        let mut kept = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((key, lines)) if *key == (way, event) => lines.clone(),
            _ => {
                let lines = self.tell(way, event);
                *kept = Some(((way, event), lines.clone()));
                lines
            }
        }
    }

    fn why_not(&self, way: usize, rule: RuleId) -> Vec<String> {
        let Some(trace) = self.traces.get(way) else { return Vec::new() };
        let inquiry = Inquiry::new(self.world(), trace);
        let why = inquiry.why_not(rule);
        vec![format!("{}:", why.reason.code()), inquiry.words(&why, &|r| self.cite(r))]
    }

    fn mark(&self, mark: u32) -> Vec<String> {
        let mut kept = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entry(mark).or_insert_with(|| Labels::build(&self.model).mark(mark)).clone()
    }

    fn command(&self) -> String {
        self.command.clone()
    }
}
