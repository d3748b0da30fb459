//! The JSON of `replay` and `explain --json`: schema `nettrace.trace/1`, one object a packet.
//!
//! `{"schema":"nettrace.trace/1","packet":{…},"outcomes":[{"odds":0.5,"path":[…],"hooks":[…],"fate":{…},"far":{…}}]}`.
//! The fields are documented in `docs/`. Everything is drawn from the trace.

mod brief;
mod fate;
mod header;

use nettrace_engine::World;
use nettrace_engine::explain::names::Labels;
use nettrace_engine::explain::way::{ChainStep, Change, HookPart, Pass, Way, What};
use nettrace_engine::explain::whynot::{Inquiry, Miss};
use nettrace_engine::explore::{Outcome, Outcomes};
use nettrace_engine::fact::Assumption;
use nettrace_engine::field::{Field, Value};
use nettrace_engine::model::{Model, RuleId, Verdict};
use nettrace_engine::packet::Got;
use nettrace_engine::trace::{self, Fate, Trace};
use nettrace_grammar::Sources;
use serde::Serialize;
use serde_json::{Value as Json, json};

pub use brief::Brief;
use header::{Header, OrNull};

/// What the renderer reads besides the trace.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    /// The rules.
    pub model: &'a Model,
    /// Their text.
    pub sources: &'a Sources,
    /// Names people know.
    pub labels: &'a Labels<'a>,
    /// Rules that did not match are listed too: against this world, at most so many before each step.
    pub misses: Option<(World<'a>, usize)>,
}

/// The schema's name and version.
const SCHEMA: &str = "nettrace.trace/1";

/// What every answer begins with.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    /// Which host it is of, and which of its packets, where there are many.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<usize>,
    packet: Option<Header>,
}

impl<'a> Head<'a> {
    /// Of the packet that these outcomes are of: of the host and with the number of `place`, made here if `local`.
    fn new(schema: &'static str, local: bool, outcomes: &Outcomes<Trace>, place: Option<(&'a str, usize)>) -> Self {
        let (bundle, number) = place.unzip();
        let packet = outcomes.list.first().map(|o| Header::of_start(&o.result.start, local));
        Head { schema, bundle, number, packet }
    }
}

/// A whole answer.
#[derive(Serialize)]
pub struct Answer<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    assumptions: Vec<Assumption>,
    complete: bool,
    outcomes: Vec<OutcomeJson<'a>>,
    /// What is said of rules beyond the way ([`super::reasons`]); `replay` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Json>,
}

/// The line of a host among many that cannot be answered for.
pub fn error(bundle: &str, why: &str) -> String {
    json!({"schema": SCHEMA, "bundle": bundle, "error": why}).to_string()
}

impl Answer<'_> {
    /// The same with what is said of rules.
    pub fn with_reasons(self, rules: Option<Json>) -> Self {
        Answer { rules, ..self }
    }
}

#[derive(PartialEq, Serialize)]
struct OutcomeJson<'a> {
    odds: Option<f64>,
    choices: Vec<ChoiceJson>,
    /// Other answers that lead to the same.
    #[serde(rename = "or", skip_serializing_if = "Vec::is_empty")]
    others: Vec<Vec<ChoiceJson>>,
    path: Vec<PassJson<'a>>,
    hooks: Vec<HookJson>,
    fate: Json,
    far: Option<Header>,
    replies: Vec<Header>,
}

#[derive(PartialEq, Serialize)]
struct ChoiceJson {
    reason: String,
    options: usize,
    took: String,
    at: String,
}

/// A run of a base chain.
#[derive(PartialEq, Serialize)]
struct PassJson<'a> {
    chain: &'a str,
    entry: Header,
    family: &'static str,
    hook: &'static str,
    prio: Option<i32>,
    steps: Vec<StepJson<'a>>,
    table: &'a str,
}

/// A step of such a run.
#[derive(PartialEq, Serialize)]
struct StepJson<'a> {
    chain: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<ChangeJson>,
    depth: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missed: Vec<MissJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed_more: Option<usize>,
    rule: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    verdict: String,
}

/// A rule that did not match.
#[derive(PartialEq, Serialize)]
struct MissJson<'a> {
    /// The field of the condition that it failed at, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<OrNull<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    had: Option<OrNull<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    rule: u32,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<String>,
}

/// A field that changed.
#[derive(PartialEq, Serialize)]
struct ChangeJson {
    field: &'static str,
    new: Option<String>,
    old: Option<String>,
}

/// A hook that was passed.
#[derive(PartialEq, Serialize)]
struct HookJson {
    entry: Header,
    exit: Option<Header>,
    hook: &'static str,
}

/// The answer for the traces of one packet, with the host and the number that it is of where there are many.
pub fn answer<'a>(
    texts: Texts<'a>,
    local: bool,
    outcomes: &Outcomes<Trace>,
    place: Option<(&'a str, usize)>,
) -> Answer<'a> {
    Answer {
        head: Head::new(SCHEMA, local, outcomes, place),
        assumptions: assumptions(texts.model, outcomes),
        complete: outcomes.complete,
        outcomes: merged(outcomes.list.iter().map(|o| outcome(texts, o))),
        rules: None,
    }
}

/// What all ways together take for granted, each once.
fn assumptions(model: &Model, outcomes: &Outcomes<Trace>) -> Vec<Assumption> {
    let all = trace::assumptions(model, outcomes.list.iter().map(|o| &o.result));
    all.into_iter().map(|(told, _)| told).collect()
}

/// The packet as it leaves or is delivered.
fn far(trace: &Trace, fate: &Fate) -> Option<Header> {
    let arrives = matches!(fate, Fate::Out { .. } | Fate::Local { .. } | Fate::Bridged { .. });
    arrives.then(|| Header::of(&trace.last_packet()))
}

/// Outcomes that differ only in answers that changed nothing are one.
fn merged<'a>(all: impl Iterator<Item = OutcomeJson<'a>>) -> Vec<OutcomeJson<'a>> {
    let mut list: Vec<OutcomeJson> = Vec::new();
    for one in all {
        let same = |o: &&mut OutcomeJson| {
            o.fate == one.fate
                && o.far == one.far
                && o.path == one.path
                && o.hooks == one.hooks
                && o.replies == one.replies
        };
        match list.iter_mut().find(same) {
            Some(known) => {
                known.odds = known.odds.zip(one.odds).map(|(a, b)| a + b);
                if known.choices != one.choices && !known.others.contains(&one.choices) {
                    known.others.push(one.choices);
                }
            }
            None => list.push(one),
        }
    }
    list.sort_by(|a, b| b.odds.unwrap_or(0.0).total_cmp(&a.odds.unwrap_or(0.0)));
    list
}

fn outcome<'a>(texts: Texts<'a>, outcome: &Outcome<Trace>) -> OutcomeJson<'a> {
    let trace = &outcome.result;
    let way = Way::of(texts.model, trace);
    let fate = trace.fate();
    let missed = texts.misses.map(|(world, most)| Missed { inquiry: Inquiry::new(world, trace), most });
    OutcomeJson {
        odds: outcome.odds,
        choices: choices(texts, outcome),
        others: Vec::new(),
        path: way.passes().map(|p| pass(texts, missed.as_ref(), p)).collect(),
        hooks: way.hooks().map(hook).collect(),
        far: far(trace, &fate),
        fate: fate::fate(texts.model, &fate),
        replies: way.replies.iter().map(|(_, p)| Header::of(p)).collect(),
    }
}

fn choices(texts: Texts, outcome: &Outcome<Trace>) -> Vec<ChoiceJson> {
    let facts = outcome.result.facts(texts.model);
    let question = |key: &String| Some(facts.get(key)?.question(texts.model, outcome.result.start.family()));
    let one = |(key, took, options): &(String, String, usize)| ChoiceJson {
        reason: question(key).unwrap_or_else(|| key.clone()),
        options: *options,
        took: took.clone(),
        at: key.clone(),
    };
    outcome.choices.iter().map(one).collect()
}

/// Tells which rules did not match before a step.
struct Missed<'a> {
    inquiry: Inquiry<'a>,
    most: usize,
}

impl Missed<'_> {
    fn before<'a>(&self, texts: Texts<'a>, step: &ChainStep) -> (Vec<MissJson<'a>>, Option<usize>) {
        let misses = self.inquiry.misses(step, self.most);
        let one = |miss: &Miss| {
            let Place { text, file, line } = Place::of(texts, miss.rule);
            let failed = miss.failed.as_ref();
            MissJson {
                field: failed.map(|unmet| OrNull(unmet.field.map(Field::name))),
                file,
                had: failed.map(|unmet| OrNull(Some(unmet.had.clone()).filter(|h| !h.is_empty()))),
                line,
                rule: miss.number,
                text,
                wanted: failed.map(|unmet| unmet.wanted.clone()),
            }
        };
        (misses.list.iter().map(one).collect(), Some(misses.more).filter(|n| *n > 0))
    }
}

fn pass<'a>(texts: Texts<'a>, missed: Option<&Missed>, pass: &Pass) -> PassJson<'a> {
    let model = texts.model;
    let table = model.table_of(pass.base);
    PassJson {
        chain: model.chain_name(pass.base),
        entry: Header::of(&pass.entry),
        family: table.family.name(),
        hook: pass.hook.name(),
        prio: model.chain(pass.base).base.as_ref().map(|b| b.priority),
        steps: pass.steps.iter().filter_map(|s| step(texts, missed, s, pass.entry.family())).collect(),
        table: model.name(table.name),
    }
}

fn step<'a>(texts: Texts<'a>, missed: Option<&Missed>, step: &ChainStep, family: Value) -> Option<StepJson<'a>> {
    let model = texts.model;
    let (kind, number, verdict) = match step.what {
        What::Rule { number, verdict, .. } => ("rule", Some(number), verdict_text(model, verdict)),
        What::Return => ("return", None, "return".to_string()),
        What::Policy { verdict } => ("policy", None, verdict_text(model, verdict)),
        What::Missed { .. } => return None,
    };
    let rule = if let What::Rule { rule, .. } = step.what { Some(rule) } else { None };
    let place = rule.map(|rule| Place::of(texts, rule));
    let (missed, missed_more) = missed.map_or_else(Default::default, |m| m.before(texts, step));
    Some(StepJson {
        chain: model.chain_name(step.chain),
        changes: step.changes.iter().map(|c| change(c, family)).collect(),
        depth: step.depth,
        file: place.and_then(|p| p.file),
        kind,
        label: rule.and_then(|rule| texts.labels.rule(rule)),
        line: place.and_then(|p| p.line),
        missed,
        missed_more,
        rule: number,
        text: place.map(|p| p.text),
        verdict,
    })
}

/// Text, file and line of a rule.
#[derive(Clone, Copy)]
struct Place<'a> {
    text: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
}

impl<'a> Place<'a> {
    fn of(texts: Texts<'a>, rule: RuleId) -> Self {
        let span = texts.model.rule(rule).span;
        let (file, line) = texts.sources.locate(span).map(|at| (at.name, at.line)).unzip();
        Place { text: texts.sources.text(span), file, line }
    }
}

fn change(change: &Change, family: Value) -> ChangeJson {
    let got = |g: Got| match g {
        Got::Value(v) => Some(change.field.print(v, family)),
        Got::Absent => None,
        Got::Unknown => Some("unknown".to_string()),
    };
    ChangeJson { field: change.field.name(), new: got(change.new), old: got(change.old) }
}

fn hook(part: &HookPart) -> HookJson {
    HookJson { entry: Header::of(&part.entry), exit: part.exit.as_ref().map(Header::of), hook: part.hook.name() }
}

/// A verdict as the kernel's trace names it: a queue's and a continue's too.
fn verdict_text(model: &Model, verdict: Verdict) -> String {
    model.show_verdict(verdict)
}
