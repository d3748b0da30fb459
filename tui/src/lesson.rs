//! Lessons: a walk in which the reader predicts the next hook, chain or verdict before it is shown.
//!
//! A lesson is data beside its sample (`samples/nodeport-drop/lesson.json`); the right answers come from the walk itself,
//! so a lesson cannot teach something that the walk does not do. Left out: reading the file and walking the packet.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use nettrace_engine::model::{Hook, Model, Op, Verdict};
use nettrace_engine::spec::PacketSpec;
use nettrace_engine::trace::{Event, Fate, Trace};
use serde::{Deserialize, Serialize};

use crate::label;
use crate::timeline::{Mark, Timeline, is};

/// A lesson as its file holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// Its title.
    pub title: String,
    /// What it is about, in one line.
    pub about: String,
    /// What the reader should know before; one paragraph each.
    pub intro: Vec<String>,
    /// The packet.
    pub packet: PacketSpec,
    /// Commands that edit the rules before the walk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// The questions, in the order of the walk.
    pub questions: Vec<Question>,
    /// What the reader should know now; one paragraph each.
    pub end: Vec<String>,
}

/// What is to be predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predict {
    /// The next hook.
    Hook,
    /// The chain that the next jump leads to.
    Chain,
    /// The next verdict of a rule or a policy.
    Verdict,
    /// The next change of the packet.
    Rewrite,
    /// What routing decides.
    Route,
    /// What becomes of the packet.
    Fate,
}

/// A question of a lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is to be predicted.
    pub predict: Predict,
    /// From where on: `hook forward`, `chain KUBE-NODEPORTS` (a `*` at the end stands for anything); else behind the
    /// question before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
    /// The question, if it is to differ from the usual one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ask: String,
    /// Answers besides the right one; without any the usual ones are offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Why the right answer is right.
    pub explain: String,
}

/// A question that is ready to be asked about a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The event that answers it.
    pub at: usize,
    /// The question.
    pub ask: String,
    /// The answers.
    pub choices: Vec<String>,
    /// Index of the right one.
    pub right: usize,
    /// Why.
    pub explain: String,
    /// What the reader took.
    pub taken: Option<usize>,
}

/// A lesson over one walk.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// The lesson.
    pub lesson: Lesson,
    /// Its questions.
    pub items: Vec<Item>,
    /// The furthest event that was shown.
    pub shown: usize,
}

impl Course {
    /// The lesson's questions on this walk; `Err` names the first question that the walk does not answer.
    ///
    /// # Errors
    /// The number of the question, from 1, and what was looked for.
    pub fn new(lesson: Lesson, model: &Model, trace: &Trace) -> Result<Course, String> {
        let timeline = Timeline::new(model, trace);
        let (mut items, mut from) = (Vec::new(), 0);
        for (i, question) in lesson.questions.iter().enumerate() {
            let start = if question.after.is_empty() { Some(from) } else { anchor(&question.after, model, trace) };
            let find = |start| target(question.predict, trace, &timeline, start);
            let at = start.and_then(find).filter(|at| *at >= from);
            let Some(at) = at else { return Err(format!("question {}: nothing to predict there", i + 1)) };
            items.push(item(question, at, model, trace));
            from = at;
        }
        Ok(Course { lesson, items, shown: 0 })
    }

    /// The first question that is still open.
    pub fn open(&self) -> Option<&Item> {
        self.items.iter().find(|i| i.taken.is_none())
    }

    /// Takes an answer to the first open question, and says in words whether it was right and why.
    pub fn answer(&mut self, choice: usize) -> Vec<String> {
        let Some(item) = self.items.iter_mut().find(|i| i.taken.is_none()) else { return Vec::new() };
        let choice = choice.min(item.choices.len().saturating_sub(1));
        item.taken = Some(choice);
        let right = &item.choices[item.right];
        let first = if choice == item.right {
            format!("✓ Right: {right}.")
        } else {
            format!("✗ Not {}: {right}.", item.choices[choice])
        };
        vec![first, String::new(), item.explain.clone()]
    }

    /// How many answers were right, and how many questions there are.
    pub fn score(&self) -> (usize, usize) {
        (self.items.iter().filter(|i| i.taken == Some(i.right)).count(), self.items.len())
    }

    /// The lesson's end in words.
    pub fn end(&self) -> Vec<String> {
        let (right, of) = self.score();
        let mut lines = vec![format!("{right} of {of} right.")];
        for text in &self.lesson.end {
            lines.extend([String::new(), text.clone()]);
        }
        lines
    }

    /// The whole lesson as text, with the answers at the end.
    pub fn text(&self, model: &Model, trace: &Trace) -> String {
        let mut out = format!("{}\n{}\n", self.lesson.title, "=".repeat(crate::text::width(&self.lesson.title)));
        for text in &self.lesson.intro {
            let _ = write!(out, "\n{}\n", crate::text::wrap(text, 80, 0).join("\n"));
        }
        let _ = write!(out, "\nThe packet: {}\n", label::packet(&trace.start));
        let timeline = Timeline::new(model, trace);
        let mut from = 0;
        for (i, item) in self.items.iter().enumerate() {
            out.push_str(&way(model, trace, &timeline, from..item.at));
            from = item.at;
            let ask = format!("Question {}. {}", i + 1, item.ask);
            let _ = write!(out, "\n{}\n", crate::text::wrap(&ask, 80, 0).join("\n"));
            for (n, choice) in item.choices.iter().enumerate() {
                let _ = writeln!(out, "  {}) {choice}", n + 1);
            }
        }
        out.push_str(&way(model, trace, &timeline, from..trace.events.len()));
        out.push_str("\nAnswers\n-------\n");
        for (i, item) in self.items.iter().enumerate() {
            let answer = format!("{}. {}) {}. {}", i + 1, item.right + 1, item.choices[item.right], item.explain);
            let _ = writeln!(out, "{}", crate::text::wrap(&answer, 80, 3).join("\n"));
        }
        for text in &self.lesson.end {
            let _ = write!(out, "\n{}\n", crate::text::wrap(text, 80, 0).join("\n"));
        }
        out
    }
}

/// The steps of a range, indented by level.
fn way(model: &Model, trace: &Trace, timeline: &Timeline, range: std::ops::Range<usize>) -> String {
    let family = trace.start.family();
    let mut out = String::from("\n");
    for i in timeline.stops().iter().copied().filter(|i| range.contains(i)) {
        let (text, _) = label::event(model, &trace.events[i], family);
        let indent = " ".repeat(usize::from(timeline.level(i)) * 2 + 2);
        let _ = writeln!(out, "{indent}{}", crate::text::clip(&text, 76));
    }
    if out.len() > 1 { out } else { String::new() }
}

fn glob(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// The event that `hook forward` or `chain KUBE-SEP-*` names.
fn anchor(text: &str, model: &Model, trace: &Trace) -> Option<usize> {
    let (kind, name) = text.split_once(' ')?;
    trace.events.iter().position(|event| match (kind, event) {
        ("hook", Event::Hook(h)) => h.name().eq_ignore_ascii_case(name),
        ("chain", Event::Enter(c) | Event::Rule { verdict: Verdict::Jump(c) | Verdict::Goto(c), .. }) => {
            glob(name, model.chain_name(*c))
        }
        _ => false,
    })
}

/// The next event that answers a question asked at `from`.
fn target(predict: Predict, trace: &Trace, timeline: &Timeline, from: usize) -> Option<usize> {
    timeline.next(from, |i| match (predict, &trace.events[i]) {
        (Predict::Hook, Event::Hook(_) | Event::Fate(_)) => true,
        (Predict::Chain, Event::Rule { verdict: Verdict::Jump(_) | Verdict::Goto(_), .. }) => true,
        (Predict::Verdict, Event::Fate(_)) => false,
        (Predict::Verdict, event) => is(event, Mark::Verdict),
        (Predict::Rewrite, event) => is(event, Mark::Rewrite),
        (Predict::Route, Event::Route(_)) => true,
        (Predict::Fate, Event::Fate(_)) => true,
        _ => false,
    })
}

fn item(question: &Question, at: usize, model: &Model, trace: &Trace) -> Item {
    let (right, ask, mut choices) = usual(question.predict, &trace.events[at], model, trace);
    if !question.choices.is_empty() {
        choices.clone_from(&question.choices);
    }
    if !choices.contains(&right) {
        choices.push(right.clone());
        choices.sort();
    }
    let right = choices.iter().position(|c| *c == right).unwrap_or(0);
    let ask = if question.ask.is_empty() { ask.to_string() } else { question.ask.clone() };
    Item { at, ask, choices, right, explain: question.explain.clone(), taken: None }
}

const ENDS: [&str; 3] = ["it leaves this host", "it is delivered to this host", "it is dropped"];

/// The right answer, the usual question and the usual answers.
fn usual(predict: Predict, event: &Event, model: &Model, trace: &Trace) -> (String, &'static str, Vec<String>) {
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let family = trace.start.family();
    match (predict, event) {
        (Predict::Hook, Event::Hook(h)) => (label::hook(*h), "Which hook is next?", hooks()),
        (Predict::Hook, _) => ("none: its way ends here".to_string(), "Which hook is next?", hooks()),
        (Predict::Chain, Event::Rule { rule, verdict: Verdict::Jump(c) | Verdict::Goto(c), .. }) => {
            let all = targets(model, model.rule(*rule).chain, model.chain_name(*c));
            (model.chain_name(*c).to_string(), "Which chain is next?", all)
        }
        (Predict::Verdict, Event::Rule { verdict, .. } | Event::Policy { verdict, .. }) => {
            let right = if *verdict == Verdict::Drop { "drop" } else { "accept" };
            (right.to_string(), "What is decided next?", strings(&["accept", "drop"]))
        }
        (Predict::Fate, Event::Fate(f)) => {
            let right = match f {
                Fate::Out { .. } | Fate::Bridged { .. } => ENDS[0],
                Fate::Local { .. } => ENDS[1],
                _ => ENDS[2],
            };
            (right.to_string(), "What becomes of the packet?", strings(&ENDS))
        }
        _ => {
            let ask = if predict == Predict::Route { "What does routing decide?" } else { "What changes next?" };
            (label::event(model, event, family).0, ask, Vec::new())
        }
    }
}

fn hooks() -> Vec<String> {
    let all = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
    all.into_iter().map(label::hook).chain(["none: its way ends here".to_string()]).collect()
}

/// Chains that the rules of a chain lead to, in order, at most five besides the right one.
fn targets(model: &Model, chain: nettrace_engine::model::ChainId, right: &str) -> Vec<String> {
    let mut names = BTreeSet::from([right.to_string()]);
    for rule in model.chain(chain).rules.iter() {
        for op in model.rule_ops(rule) {
            if let Op::Verdict(Verdict::Jump(c) | Verdict::Goto(c)) = op
                && names.len() < 6
            {
                names.insert(model.chain_name(*c).to_string());
            }
        }
    }
    names.into_iter().collect()
}
