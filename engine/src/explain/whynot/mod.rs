//! Why a rule did nothing: one of few coded reasons, each with the event or the condition that proves it.
//!
//! `-A INPUT -p tcp --dport 31002 -j DROP` for a NodePort's packet: *hook-not-on-path*, for routing after the DNAT sent it
//! to FORWARD; and even in INPUT *condition-failed*, for dport is 8200 since the DNAT. The codes are stable and documented
//! in `docs/reference/why-not.md`. Left out: choosing among several outcomes; the caller asks for each trace.

mod conditions;
mod judge;
mod misses;
mod path;
mod words;

use std::cell::RefCell;
use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::World;
use crate::field::{Field, Value};
use crate::graph;
use crate::model::{ChainId, ChainKind, Effect, Hook, Model, Op, RuleId, Test, Verdict};
use crate::packet::Packet;
use crate::trace::{By, Cause, Event, Fate, Moment, Step, Trace};

use super::names::Labels;
pub use conditions::{Stood, conditions};
use judge::{End, Recall};
pub use misses::{Miss, Misses, NEAR, Unmet};
pub use words::rule_name;

/// Why a rule did nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct WhyNot {
    /// The rule.
    pub rule: RuleId,
    /// The reason.
    pub reason: Reason,
}

/// The coded reasons.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// It did: this event is the rule's match, and it decided the packet's fate or ended its base chain.
    Decided {
        /// The match.
        event: usize,
    },
    /// It matched, and something else decided.
    MatchedNotDeciding {
        /// The match.
        event: usize,
        /// What decided: the last event of a rule or policy.
        then: Option<usize>,
    },
    /// A condition failed.
    ConditionFailed(Failed),
    /// The chain was left before the rule's turn, or the packet dropped before the rule's hook.
    EndedBefore {
        /// What ended it.
        event: usize,
    },
    /// Its chain was not entered: this jump was not taken.
    ChainNotEntered {
        /// The rule that leads towards the chain.
        jump: RuleId,
        /// Why it did not.
        because: Box<Reason>,
    },
    /// The packet does not pass the hooks that lead to the rule.
    HookNotOnPath {
        /// Those hooks.
        hooks: Vec<Hook>,
        /// The decision that led elsewhere: a [`Event::Route`].
        decision: Option<usize>,
        /// What would fail even there, with the packet as it ends.
        even_there: Option<Failed>,
    },
    /// NAT rules are only asked for a connection's first packet, and only until one of them decided.
    NatAlreadyDecided {
        /// The rule's match that decided in this hook; none: the connection is not new, or not tracked.
        event: Option<usize>,
    },
    /// Nothing can lead a packet of this kind to it.
    NotHooked(NotHooked),
}

/// Why nothing leads to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHooked {
    /// No base chain leads to its chain.
    NoBase,
    /// Its table is dormant.
    Dormant,
    /// Its table is for the other address family.
    Family,
    /// Its chain is for other devices.
    Device,
    /// It is in no chain any more (`--without`).
    Removed,
}

/// A condition that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// The event before which it was evaluated.
    pub event: usize,
    /// The op in the rule, from 0.
    pub op: usize,
    /// The field that it is about.
    pub field: Option<Field>,
    /// What was wanted, in words: `dport 31002`.
    pub wanted: String,
    /// What the field was, in words: `8200`.
    pub had: String,
    /// The event that gave the field this value; none: it had it from the start.
    pub since: Option<usize>,
    /// The event (a base chain's begin) at which all of the rule's conditions held.
    pub matched_at: Option<usize>,
}

impl Reason {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Decided { .. } => "decided",
            Reason::MatchedNotDeciding { .. } => "matched-not-deciding",
            Reason::ConditionFailed(_) => "condition-failed",
            Reason::EndedBefore { .. } => "ended-before",
            Reason::ChainNotEntered { .. } => "chain-not-entered",
            Reason::HookNotOnPath { .. } => "hook-not-on-path",
            Reason::NatAlreadyDecided { .. } => "nat-already-decided",
            Reason::NotHooked(_) => "not-hooked",
        }
    }

    /// The hooks that the reason says are not on the packet's way.
    pub fn hooks_off(&self) -> &[Hook] {
        match self {
            Reason::HookNotOnPath { hooks, .. } => hooks,
            _ => &[],
        }
    }
}

/// A stretch of a chain that was looked at: `from..to` did not match.
#[derive(Clone, Copy, Debug)]
struct Pass {
    event: usize,
    from: u32,
    to: u32,
}

/// A finished walk, prepared for questions about any of its rules.
pub struct Inquiry<'a> {
    recall: Recall<'a>,
    passes: FxHashMap<ChainId, Vec<Pass>>,
    matches: FxHashMap<RuleId, Vec<usize>>,
    entered: FxHashSet<ChainId>,
    callers: OnceLock<FxHashMap<ChainId, Vec<RuleId>>>,
    labels: Labels<'a>,
    moment: RefCell<Moment>,
}

impl<'a> Inquiry<'a> {
    /// Prepares a walk for questions.
    pub fn new(world: World<'a>, trace: &'a Trace) -> Self {
        let mut it = Inquiry {
            recall: Recall::new(world, trace),
            passes: FxHashMap::default(),
            matches: FxHashMap::default(),
            entered: FxHashSet::default(),
            callers: OnceLock::new(),
            labels: Labels::build(world.model),
            moment: RefCell::new(Moment::start(trace)),
        };
        for (i, event) in trace.events.iter().enumerate() {
            it.read(i, event);
        }
        it
    }

    fn read(&mut self, event: usize, what: &Event) {
        let model = self.recall.world.model;
        let mut pass = |chain: ChainId, from, to| self.passes.entry(chain).or_default().push(Pass { event, from, to });
        match what {
            Event::Enter(base) => drop(self.entered.insert(*base)),
            Event::Rule { rule, index, from, verdict, .. } => {
                pass(model.rule(*rule).chain, *from, *index);
                self.matches.entry(*rule).or_default().push(event);
                if let Verdict::Jump(to) | Verdict::Goto(to) = verdict {
                    self.entered.insert(*to);
                }
            }
            Event::Return { chain, from, .. } | Event::Policy { chain, from, .. } => {
                pass(*chain, *from, model.chain(*chain).rules.len() as u32);
            }
            Event::Fate(Fate::Drop { by: By::Rule { rule, hotdrop: true, .. }, .. }) => {
                let chain = model.rule(*rule).chain;
                let to = model.position(*rule).map_or(0, |p| p - 1);
                pass(chain, 0, to);
            }
            _ => {}
        }
    }

    /// The walk.
    pub fn trace(&self) -> &'a Trace {
        self.recall.trace
    }

    /// The packet just before an event; asking in the order of the events is cheap.
    fn packet_at(&self, event: usize) -> Packet {
        self.moment.borrow_mut().go(self.recall.trace, event).clone()
    }

    fn events(&self) -> &'a [Event] {
        &self.recall.trace.events
    }

    /// Why a rule did nothing.
    pub fn why_not(&self, rule: RuleId) -> WhyNot {
        WhyNot { rule, reason: self.reason(rule, 4) }
    }

    fn reason(&self, rule: RuleId, depth: u32) -> Reason {
        let model = self.recall.world.model;
        let Some(index) = model.position(rule) else { return Reason::NotHooked(NotHooked::Removed) };
        if let Some(events) = self.matches.get(&rule) {
            return self.matched(rule, events);
        }
        if self.is_hotdrop(rule) {
            return Reason::Decided { event: self.events().len().saturating_sub(1) };
        }
        let chain = model.rule(rule).chain;
        if !self.entered.contains(&chain) {
            return self.not_entered(rule, depth);
        }
        self.failed(rule, index - 1).unwrap_or_else(|| self.ended_before(chain, index - 1))
    }

    fn is_hotdrop(&self, rule: RuleId) -> bool {
        matches!(
            self.events().last(),
            Some(Event::Fate(Fate::Drop { by: By::Rule { rule: r, hotdrop: true, .. }, .. })) if *r == rule
        )
    }

    fn matched(&self, rule: RuleId, events: &[usize]) -> Reason {
        let fate = self.recall.trace.fate();
        let last = events.last().copied().unwrap_or(0);
        let ends = |e: &&usize| matches!(self.events().get(**e), Some(Event::Rule { verdict, .. }) if is_end(*verdict));
        match fate {
            Fate::Drop { by: By::Rule { rule: r, .. }, .. } | Fate::Stolen { rule: r, .. } if r == rule => {
                Reason::Decided { event: last }
            }
            Fate::Drop { .. } | Fate::Stolen { .. } => Reason::MatchedNotDeciding { event: last, then: self.decider() },
            _ => match events.iter().find(ends) {
                Some(event) => Reason::Decided { event: *event },
                None => Reason::MatchedNotDeciding { event: last, then: None },
            },
        }
    }

    /// The last rule or policy with a say.
    fn decider(&self) -> Option<usize> {
        self.events().iter().rposition(|e| match e {
            Event::Rule { verdict, .. } => is_end(*verdict),
            Event::Policy { .. } => true,
            _ => false,
        })
    }

    /// The evaluation in which the rule came furthest.
    fn failed(&self, rule: RuleId, index: u32) -> Option<Reason> {
        let passes = self.passes.get(&self.recall.world.model.rule(rule).chain)?;
        let looked = passes.iter().filter(|p| (p.from..p.to).contains(&index));
        let mut best: Option<Failed> = None;
        for pass in looked {
            let at = self.moment(pass.event, index);
            let found = self.fail_at(rule, &self.recall.trace.packet_at(at), at);
            if found.as_ref().is_some_and(|f| best.as_ref().is_none_or(|b| f.op > b.op)) {
                best = found;
            }
        }
        best.map(Reason::ConditionFailed)
    }

    /// The index of the event before which the rule at `index` was evaluated, in a stretch that ended with `event`:
    /// writes and answers of rules behind it came later.
    fn moment(&self, event: usize, index: u32) -> usize {
        let mut at = event;
        while at.checked_sub(1).is_some_and(|before| self.is_later(before, index)) {
            at -= 1;
        }
        at
    }

    /// Whether an event is what a rule behind the one at `index` wrote or read.
    fn is_later(&self, event: usize, index: u32) -> bool {
        let Some(Event::Write { by: Cause::Rule(r), .. } | Event::State { rule: r, .. }) = self.events().get(event)
        else {
            return false;
        };
        self.recall.world.model.position(*r).is_some_and(|p| p > index)
    }

    /// The condition that fails for a packet at an event, with its provenance.
    fn fail_at(&self, rule: RuleId, packet: &Packet, at: usize) -> Option<Failed> {
        let End::Fails(op) = self.recall.judge(rule, packet, at) else { return None };
        let Unmet { field, wanted, had } = self.unmet_op(rule, op, packet, at);
        let since = field.and_then(|f| self.recall.trace.since(f, at));
        let matched_at = since.and_then(|s| self.held_before(rule, s));
        Some(Failed { event: at, op, field, wanted, had, since, matched_at })
    }

    /// A condition in words, with the label of the set that it looks into.
    fn wanted(&self, test: Test, family: Value) -> String {
        let model = self.recall.world.model;
        let label = match test {
            Test::Lookup { lookup, .. } => self.labels.set(model.lookup(lookup).set),
            _ => None,
        };
        let shown = model.show_test(test, family);
        label.map_or_else(|| shown.clone(), |l| format!("{shown} ({l})"))
    }

    /// The last base chain before an event at whose begin all conditions of the rule held.
    fn held_before(&self, rule: RuleId, event: usize) -> Option<usize> {
        let model = self.recall.world.model;
        let filters = |c: &ChainId| model.chain(*c).base.as_ref().is_some_and(|b| b.kind != ChainKind::Nat);
        let mut begins = (0..event).rev().filter(|i| matches!(&self.events()[*i], Event::Enter(c) if filters(c)));
        begins.find(|i| self.recall.judge(rule, &self.recall.trace.packet_at(*i), *i) == End::Holds)
    }

    /// What left the chain before the rule at `index`.
    fn ended_before(&self, chain: ChainId, index: u32) -> Reason {
        let model = self.recall.world.model;
        let before = |e: &Event| match e {
            Event::Rule { rule, index: i, .. } => model.rule(*rule).chain == chain && *i < index,
            Event::Enter(c) => *c == chain,
            _ => false,
        };
        let start = self.events().iter().rposition(before).or_else(|| {
            let leads = |e: &Event| matches!(e, Event::Rule { verdict: Verdict::Jump(c) | Verdict::Goto(c), .. } if *c == chain);
            self.events().iter().rposition(leads)
        });
        let start = start.unwrap_or(0);
        let ends = |e: &Event| match e {
            Event::Rule { verdict, .. } => is_end(*verdict) || matches!(verdict, Verdict::Return),
            Event::Policy { .. } | Event::Fate(_) => true,
            _ => false,
        };
        let own_goto = matches!(self.events().get(start), Some(Event::Rule { verdict: Verdict::Goto(_), .. }));
        if own_goto {
            return Reason::EndedBefore { event: start };
        }
        let found = (start..self.events().len()).find(|i| self.events().get(*i).is_some_and(ends));
        Reason::EndedBefore { event: found.unwrap_or(start) }
    }

    /// The rules in force that lead to a chain.
    fn callers(&self, chain: ChainId) -> &[RuleId] {
        let all = self.callers.get_or_init(|| graph::callers(self.recall.world.model));
        all.get(&chain).map_or(&[], Vec::as_slice)
    }
}

/// Whether a rule translates addresses.
pub(super) fn is_nat(model: &Model, rule: RuleId) -> bool {
    let nat = |op: &Op| matches!(op, Op::Effect(e) if matches!(model.effect(*e), Effect::Nat(_)));
    model.rule_ops(rule).iter().any(nat)
}

/// The rule behind a write: the one that wrote, or the NAT rule whose mapping was applied.
pub fn writer(model: &Model, trace: &Trace, event: usize) -> Option<RuleId> {
    match trace.events.get(event)? {
        Event::Write { by: Cause::Rule(rule), .. } => Some(*rule),
        Event::Write { by: Cause::Step(Step::Nat), .. } => {
            let before = trace.events[..event].iter().rev();
            // A mapping that no rule of this hook decided is an older one of the connection.
            let here = before.take_while(|e| !matches!(e, Event::Hook(_)));
            here.filter_map(|e| match e {
                Event::Rule { rule, .. } => Some(*rule),
                _ => None,
            })
            .find(|r| is_nat(model, *r))
        }
        _ => None,
    }
}

/// Whether a verdict ends the base chain.
fn is_end(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Accept | Verdict::Drop | Verdict::Queue { .. })
}
