//! The JSON of `replay` and `explain --json`: schema `nettrace.trace/1`, one object a packet.
//!
//! `{"schema":"nettrace.trace/1","packet":{…},"outcomes":[{"odds":0.5,"path":[…],"hooks":[…],"fate":{…},"far":{…}}]}`.
//! The fields are documented in `docs/`. Everything is drawn from the trace.

use nettrace_engine::World;
use nettrace_engine::explain::names::Labels;
use nettrace_engine::explain::way::{ChainStep, Change, HookPart, Pass, Way, What};
use nettrace_engine::explain::whynot::{Inquiry, Miss};
use nettrace_engine::explore::{Outcome, Outcomes};
use nettrace_engine::fact::Assumption;
use nettrace_engine::field::{Field, TCP_FLAGS, Value, device_name, protocol_name};
use nettrace_engine::model::{ChainId, Model, RuleId, Verdict};
use nettrace_engine::packet::{Got, Packet};
use nettrace_engine::trace::{By, Fate, Trace};
use nettrace_grammar::Sources;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

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

/// A whole answer.
#[derive(Serialize)]
pub struct Answer {
    schema: &'static str,
    /// Which host it is of, and which of its packets, where there are many.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<usize>,
    packet: Json,
    assumptions: Vec<Assumption>,
    complete: bool,
    outcomes: Vec<OutcomeJson>,
    /// What is said of rules beyond the way ([`super::reasons`]); `replay` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Json>,
}

/// The line of a host among many that cannot be answered for.
pub fn error(bundle: &str, why: &str) -> String {
    json!({"schema": SCHEMA, "bundle": bundle, "error": why}).to_string()
}

impl Answer {
    /// The same with the host and the packet's number that it is of.
    pub fn of(mut self, place: Option<(&str, usize)>) -> Self {
        (self.bundle, self.number) = place.map(|(bundle, number)| (bundle.to_string(), number)).unzip();
        self
    }

    /// The same with what is said of rules.
    pub fn with_reasons(mut self, reasons: Option<Json>) -> Self {
        self.rules = reasons;
        self
    }
}

#[derive(PartialEq, Serialize)]
struct OutcomeJson {
    odds: Option<f64>,
    choices: Vec<ChoiceJson>,
    /// Other answers that lead to the same.
    #[serde(rename = "or", skip_serializing_if = "Vec::is_empty")]
    others: Vec<Vec<ChoiceJson>>,
    path: Vec<Json>,
    hooks: Vec<Json>,
    fate: Json,
    far: Option<Json>,
    replies: Vec<Json>,
}

#[derive(PartialEq, Serialize)]
struct ChoiceJson {
    reason: String,
    options: usize,
    took: String,
    at: Option<Json>,
}

/// The answer for the traces of one packet.
pub fn answer(texts: Texts, local: bool, outcomes: &Outcomes<Trace>) -> Answer {
    let mut assumptions: Vec<Assumption> = Vec::new();
    for a in outcomes.list.iter().flat_map(|o| o.result.assumptions(texts.model)) {
        if !assumptions.contains(&a) {
            assumptions.push(a);
        }
    }
    let start = outcomes.list.first().map(|o| &o.result.start);
    Answer {
        schema: SCHEMA,
        bundle: None,
        number: None,
        packet: start.map_or(Json::Null, |p| start_packet(p, local)),
        assumptions,
        complete: outcomes.complete,
        outcomes: merged(outcomes.list.iter().map(|o| outcome(texts, o))),
        rules: None,
    }
}

/// Outcomes that differ only in answers that changed nothing are one.
fn merged(all: impl Iterator<Item = OutcomeJson>) -> Vec<OutcomeJson> {
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

fn outcome(texts: Texts, outcome: &Outcome<Trace>) -> OutcomeJson {
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
        far: matches!(fate, Fate::Out { .. } | Fate::Local { .. } | Fate::Bridged { .. })
            .then(|| header(&trace.last_packet())),
        fate: fate_json(texts, &fate),
        replies: way.replies.iter().map(|(_, p)| header(p)).collect(),
    }
}

fn choices(texts: Texts, outcome: &Outcome<Trace>) -> Vec<ChoiceJson> {
    let facts = outcome.result.facts(texts.model);
    let question = |key: &String| Some(facts.get(key)?.question(texts.model, outcome.result.start.family()));
    let one = |(key, took, options): &(String, String, usize)| ChoiceJson {
        reason: question(key).unwrap_or_else(|| key.clone()),
        options: *options,
        took: took.clone(),
        at: Some(json!(key)),
    };
    outcome.choices.iter().map(one).collect()
}

/// Tells which rules did not match before a step.
struct Missed<'a> {
    inquiry: Inquiry<'a>,
    most: usize,
}

impl Missed<'_> {
    fn put(&self, texts: Texts, step: &ChainStep, out: &mut Map<String, Json>) {
        let misses = self.inquiry.misses(step, self.most);
        let one = |miss: &Miss| {
            let mut out = Map::new();
            out.insert("rule".into(), json!(miss.number));
            place(texts, miss.rule, &mut out);
            if let Some(unmet) = &miss.failed {
                out.insert("field".into(), json!(unmet.field.map(Field::name)));
                out.insert("wanted".into(), json!(unmet.wanted));
                out.insert("had".into(), json!(Some(&unmet.had).filter(|h| !h.is_empty())));
            }
            Json::Object(out)
        };
        if !misses.list.is_empty() {
            out.insert("missed".into(), misses.list.iter().map(one).collect());
        }
        if misses.more > 0 {
            out.insert("missed_more".into(), json!(misses.more));
        }
    }
}

fn pass(texts: Texts, missed: Option<&Missed>, pass: &Pass) -> Json {
    let model = texts.model;
    let table = model.table_of(pass.base);
    let prio = model.chain(pass.base).base.as_ref().map(|b| b.priority);
    let steps: Vec<Json> = pass.steps.iter().filter_map(|s| step(texts, missed, s, pass.entry.family())).collect();
    json!({
        "family": table.family.name(),
        "table": model.name(table.name),
        "chain": model.chain_name(pass.base),
        "hook": pass.hook.name(),
        "prio": prio,
        "entry": header(&pass.entry),
        "steps": steps,
    })
}

fn step(texts: Texts, missed: Option<&Missed>, step: &ChainStep, family: Value) -> Option<Json> {
    let model = texts.model;
    let (kind, rule, verdict) = match step.what {
        What::Rule { number, verdict, .. } => ("rule", Some(number), verdict_text(model, verdict)),
        What::Return => ("return", None, "return".to_string()),
        What::Policy { verdict } => ("policy", None, verdict_text(model, verdict)),
        What::Missed { .. } => return None,
    };
    let mut out = Map::new();
    out.insert("chain".into(), json!(model.chain_name(step.chain)));
    out.insert("kind".into(), json!(kind));
    out.insert("rule".into(), json!(rule));
    out.insert("verdict".into(), json!(verdict));
    out.insert("depth".into(), json!(step.depth));
    if let What::Rule { rule, .. } = step.what {
        place(texts, rule, &mut out);
        if let Some(label) = texts.labels.rule(rule) {
            out.insert("label".into(), json!(label));
        }
    }
    if !step.changes.is_empty() {
        let changes: Vec<Json> = step.changes.iter().map(|c| change(c, family)).collect();
        out.insert("changes".into(), json!(changes));
    }
    if let Some(missed) = missed {
        missed.put(texts, step, &mut out);
    }
    Some(Json::Object(out))
}

/// Text, file and line of a rule.
fn place(texts: Texts, rule: RuleId, out: &mut Map<String, Json>) {
    let span = texts.model.rule(rule).span;
    out.insert("text".into(), json!(texts.sources.text(span)));
    if let Some(at) = texts.sources.locate(span) {
        out.insert("file".into(), json!(at.name));
        out.insert("line".into(), json!(at.line));
    }
}

fn change(change: &Change, family: Value) -> Json {
    let got = |g: Got| match g {
        Got::Value(v) => json!(change.field.print(v, family)),
        Got::Absent => Json::Null,
        Got::Unknown => json!("unknown"),
    };
    json!({"field": change.field.name(), "old": got(change.old), "new": got(change.new)})
}

fn hook(part: &HookPart) -> Json {
    json!({"hook": part.hook.name(), "entry": header(&part.entry), "exit": part.exit.as_ref().map(header)})
}

/// A verdict as the kernel's trace names it: a queue's and a continue's too.
fn verdict_text(model: &Model, verdict: Verdict) -> String {
    model.show_verdict(verdict)
}

/// The chain, its table and family.
fn chain_json(model: &Model, chain: ChainId, out: &mut Map<String, Json>) {
    let table = model.table_of(chain);
    out.insert("family".into(), json!(table.family.name()));
    out.insert("table".into(), json!(model.name(table.name)));
    out.insert("chain".into(), json!(model.chain_name(chain)));
}

fn fate_json(texts: Texts, fate: &Fate) -> Json {
    let mut out = Map::new();
    let device = |v: &Option<Value>| v.map(device_name);
    let mut put = |key: &str, value: Json| out.insert(key.to_string(), value);
    match fate {
        Fate::Out { oif, also_local } => {
            put("kind", json!("out"));
            put("oif", json!(device(oif)));
            if *also_local {
                put("also_local", json!(true));
            }
        }
        Fate::Local { iif } => {
            put("kind", json!("local"));
            put("iif", json!(Some(*iif).filter(|v| *v != 0).map(device_name)));
        }
        Fate::Drop { hook, by } => {
            put("kind", json!("drop"));
            put("hook", json!(hook.name()));
            dropped_by(texts.model, by, &mut out);
        }
        Fate::DropInHook { hook, why } => {
            put("kind", json!("drop_in_hook"));
            put("hook", json!(hook.name()));
            put("why", json!(why));
        }
        Fate::StackDrop { after, why } => {
            put("kind", json!("stack_drop"));
            put("after", json!(after.map(nettrace_engine::model::Hook::name)));
            put("why", json!(why));
        }
        Fate::Bridged { port } => {
            put("kind", json!("bridged"));
            put("port", json!(device(port)));
        }
        Fate::SendError { errno, why } => {
            put("kind", json!("send_error"));
            put("errno", json!(errno));
            put("why", json!(why));
        }
        Fate::Stolen { hook, rule } => {
            put("kind", json!("drop"));
            put("hook", json!(hook.name()));
            put("rule", json!(texts.model.position(*rule)));
            put("by", json!("rule"));
            put("stolen", json!(true));
            chain_json(texts.model, texts.model.rule(*rule).chain, &mut out);
        }
        Fate::Undetermined { reason } => {
            put("kind", json!("undetermined"));
            put("reason", json!(reason));
            put("oif", Json::Null);
        }
    }
    Json::Object(out)
}

fn dropped_by(model: &Model, by: &By, out: &mut Map<String, Json>) {
    match by {
        By::Rule { rule, base, hotdrop } => {
            chain_json(model, model.rule(*rule).chain, out);
            out.insert("rule".into(), json!(model.position(*rule)));
            out.insert("by".into(), json!("rule"));
            out.insert("base_chain".into(), json!(model.chain_name(*base)));
            if *hotdrop {
                out.insert("hotdrop".into(), json!(true));
            }
        }
        By::Policy(chain) => {
            chain_json(model, *chain, out);
            out.insert("rule".into(), Json::Null);
            out.insert("by".into(), json!("policy"));
        }
    }
}

/// A packet's header as `expected/NN.json` shows it.
pub fn header(packet: &Packet) -> Json {
    let family = packet.family();
    let mut out = Map::new();
    let got = |field: Field| match packet.get(field) {
        Got::Value(v) => Some(field.print(v, family)),
        Got::Absent => None,
        Got::Unknown => Some("unknown".to_string()),
    };
    let mut put = |key: &str, value: Json| out.insert(key.to_string(), value);
    put("saddr", json!(got(Field::Saddr)));
    put("daddr", json!(got(Field::Daddr)));
    for (key, field) in [("tos", Field::Tos), ("ttl", Field::Ttl), ("len", Field::Length)] {
        if let Some(v) = packet.value(field) {
            put(key, number(v));
        }
    }
    put("proto", packet.value(Field::Proto).map_or(Json::Null, proto));
    for (key, field) in [
        ("sport", Field::Sport),
        ("dport", Field::Dport),
        ("icmp_type", Field::IcmpType),
        ("icmp_code", Field::IcmpCode),
        ("icmp_id", Field::IcmpId),
    ] {
        if let Some(v) = packet.value(field) {
            put(key, number(v));
        }
    }
    if let Some(flags) = packet.value(Field::TcpFlags) {
        put("tcp_flags", json!(flag_names(flags)));
    }
    put("mark", number(packet.or_zero(Field::Mark)));
    let device = |field| packet.value(field).filter(|v| *v != 0).map(device_name);
    put("iif", json!(device(Field::Iif)));
    put("oif", json!(device(Field::Oif)));
    if let Some(state) = got(Field::CtState) {
        put("ct", json!(state.to_ascii_lowercase()));
    }
    if let Some(dir) = got(Field::CtDir) {
        put("ctdir", json!(dir.to_ascii_lowercase()));
    }
    Json::Object(out)
}

/// The packet as walked, in the words of `packets/NN.json`.
fn start_packet(packet: &Packet, local: bool) -> Json {
    let Json::Object(mut out) = header(packet) else { return Json::Null };
    out.remove("oif");
    out.remove("ct");
    out.remove("ctdir");
    if let Some(len) = out.remove("len") {
        out.insert("length".into(), len);
    }
    out.insert("family".into(), json!(Field::Family.print(packet.family(), 2)));
    out.insert("origin".into(), json!(if local { "node" } else { "remote" }));
    if let Some(port) = packet.value(Field::PhysIn) {
        out.insert("physin".into(), json!(device_name(port)));
    }
    Json::Object(out)
}

/// Numbers of headers fit 64 bits.
fn number(value: Value) -> Json {
    json!(u64::try_from(value).unwrap_or(u64::MAX))
}

fn proto(value: Value) -> Json {
    let name = protocol_name(value);
    name.parse::<u64>().map_or_else(|_| json!(name), |n| json!(n))
}

fn flag_names(flags: Value) -> Vec<String> {
    TCP_FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name.to_ascii_lowercase()).collect()
}
