//! A walk of 10,000 steps through 700,000 rules, and words that count how often they are asked.

#![allow(clippy::default_trait_access)] // spans are a type of the grammar, which this crate does not know

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nettrace_engine::field::Field;
use nettrace_engine::model::{BaseChain, ChainKind, Dialect, Draft, Family, Hook, Model, Op, RuleId, Verdict};
use nettrace_engine::packet::{Got, Packet};
use nettrace_engine::trace::{Cause, Event, Fate, Trace};
use nettrace_tui::{Condition, Place, Request, Session, State, Theme, Way, Words};

/// How often words were asked for.
pub static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Rules in the model.
pub const RULES: u32 = 700_000;
/// Matches of the walk; each also marks the packet.
pub const MATCHES: u32 = 5_000;

struct Counting;

impl Words for Counting {
    fn rule(&self, rule: RuleId) -> Cow<'_, str> {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Cow::Owned(format!(
            "-A CHAIN -d 10.{}.0.1/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark {}",
            rule.0 % 250,
            rule.0
        ))
    }

    fn place(&self, rule: RuleId) -> Option<Place> {
        Some(Place { file: "iptables-save".to_string(), line: rule.0 })
    }

    fn conditions(&self, _: usize, _: usize, rule: RuleId) -> Vec<Condition> {
        ASKED.fetch_add(1, Ordering::Relaxed);
        vec![Condition { wanted: format!("daddr 10.{}.0.1", rule.0 % 250), had: "10.0.0.9".into(), holds: Some(false) }]
    }

    fn why(&self, _: usize, event: usize) -> Vec<String> {
        vec![format!("Step {event} marks the packet.")]
    }

    fn why_not(&self, _: usize, _: RuleId) -> Vec<String> {
        Vec::new()
    }

    fn mark(&self, _: u32) -> Vec<String> {
        Vec::new()
    }

    fn command(&self) -> String {
        String::new()
    }
}

/// The stepper on that walk.
pub fn state(size: (u16, u16)) -> State {
    let mut model = Model::default();
    let table = model.add_table(Family::Ip, "mangle", Dialect::Legacy, Default::default());
    let base = BaseChain {
        hook: Hook::Prerouting,
        kind: ChainKind::Filter,
        priority: -150,
        policy: Verdict::Accept,
        told: true,
        devices: Vec::new(),
        order: 0,
    };
    let chain = model.add_chain(table, "PREROUTING", Some(base), Default::default());
    let draft = Draft { ops: vec![Op::Verdict(Verdict::Continue)], ..Draft::default() };
    for _ in 0..RULES {
        model.append_rule(chain, &draft, Default::default());
    }
    let mut start = Packet::default();
    start.set(Field::Family, 2);
    let mut events = vec![Event::Hook(Hook::Prerouting), Event::Enter(chain)];
    let mut from = 0;
    for n in 0..MATCHES {
        let index = n * (RULES / MATCHES) + 70;
        events.push(Event::Rule { rule: RuleId(index), index, from, verdict: Verdict::Continue, depth: 0 });
        let (old, new) = (Got::Value(u128::from(n)), Got::Value(u128::from(n) + 1));
        events.push(Event::Write { field: Field::Mark, old, new, by: Cause::Rule(RuleId(index)) });
        from = index + 1;
    }
    events.push(Event::Policy { chain, from, verdict: Verdict::Accept });
    events.push(Event::HookEnd(Hook::Prerouting));
    events.push(Event::Fate(Fate::Out { oif: None, also_local: false }));
    let trace = Trace { start, events, given: std::sync::Arc::default(), taken: Vec::new() };
    let way = Way { trace, odds: None, summary: "leaves".to_string(), skipped: Vec::new() };
    let session = Session {
        title: "large".to_string(),
        model: Arc::new(model),
        ways: vec![way],
        before: Vec::new(),
        legs: Vec::new(),
        request: Request::default(),
        words: Arc::new(Counting),
    };
    State::new(session, Theme::Colour, size).expect("the session has a way")
}
