//! A walk as something to move in: which events are steps, and in which hook, base chain and chain each happened.
//!
//! `KUBE-SERVICES #97 → KUBE-NODEPORTS` at level 3 has everything in `KUBE-NODEPORTS` at level 4 behind it, so "over" is
//! the next step at the same level or above. Built once for a walk; moving is then a search in a list.

use nettrace_engine::field::Field;
use nettrace_engine::model::{ChainId, Hook, Model, RuleId, Verdict};
use nettrace_engine::packet::Got;
use nettrace_engine::trace::{Cause, Event, Fate, Step, Trace};

/// Where one event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// 0 a hook or a routing decision, 1 a base chain or a built-in step, 2 and more inside of chains.
    pub level: u16,
    /// The hook.
    pub hook: Option<Hook>,
    /// The base chain.
    pub base: Option<ChainId>,
    /// The chain.
    pub chain: Option<ChainId>,
    /// The event by which the chain was entered: a base chain's beginning or a jump.
    pub visit: usize,
}

/// The events of a walk with their places.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    spots: Vec<Spot>,
    stops: Vec<usize>,
}

/// What a step can be looked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A hook.
    Hook,
    /// A field changes.
    Rewrite,
    /// Something is decided: accept, drop, a policy, the end.
    Verdict,
}

struct Builder<'a> {
    model: &'a Model,
    hook: Option<Hook>,
    base: Option<ChainId>,
    stack: Vec<(ChainId, usize)>,
}

impl Builder<'_> {
    /// Makes `chain` the innermost one: back to it when it was left by returning, else one level deeper.
    fn go_to(&mut self, chain: ChainId, event: usize) {
        match self.stack.iter().rposition(|s| s.0 == chain) {
            Some(i) => self.stack.truncate(i + 1),
            None => self.stack.push((chain, event)),
        }
    }

    fn rule(&mut self, rule: RuleId, event: usize) -> u16 {
        self.go_to(self.model.rule(rule).chain, event);
        self.inside()
    }

    fn inside(&self) -> u16 {
        1 + self.stack.len() as u16
    }

    /// Leaves the innermost chain; the base chain stays, its policy is still to come.
    fn pop(&mut self) {
        if self.stack.len() > 1 {
            self.stack.pop();
        }
    }

    fn leave(&mut self) {
        self.stack.clear();
        self.base = None;
    }

    /// Takes the event in and returns its level.
    fn before(&mut self, event: &Event, i: usize) -> u16 {
        match event {
            Event::Hook(h) => {
                self.leave();
                self.hook = Some(*h);
                0
            }
            Event::Route(_) => {
                self.leave();
                0
            }
            Event::Fate(f) => {
                if !matches!(f, Fate::Drop { .. } | Fate::Stolen { .. }) {
                    self.leave();
                }
                0
            }
            // The mapping that a rule made is carried out behind it: still the rule's doing.
            Event::Write { by: Cause::Step(Step::Nat), .. } if !self.stack.is_empty() => self.inside(),
            Event::HookEnd(_) | Event::Note { .. } | Event::Write { by: Cause::Step(_), .. } => {
                self.leave();
                1
            }
            Event::Enter(chain) => {
                self.leave();
                self.base = Some(*chain);
                self.stack.push((*chain, i));
                1
            }
            Event::Rule { rule, .. } | Event::State { rule, .. } | Event::Reply { rule, .. } => self.rule(*rule, i),
            Event::Write { by: Cause::Rule(rule), .. } => self.rule(*rule, i),
            Event::Return { chain, .. } | Event::Policy { chain, .. } => {
                self.go_to(*chain, i);
                self.inside()
            }
            Event::Answer { .. } => self.inside(),
        }
    }

    /// What the event leads to.
    fn after(&mut self, event: &Event, i: usize) {
        match event {
            Event::Rule { verdict: Verdict::Jump(c), .. } => self.stack.push((*c, i)),
            Event::Rule { verdict: Verdict::Goto(c), .. } => {
                self.pop();
                self.stack.push((*c, i));
            }
            Event::Return { .. } | Event::Rule { verdict: Verdict::Return, .. } => self.pop(),
            _ => {}
        }
    }
}

impl Timeline {
    /// The timeline of a walk.
    pub fn new(model: &Model, trace: &Trace) -> Self {
        let mut b = Builder { model, hook: None, base: None, stack: Vec::new() };
        let mut timeline = Timeline::default();
        for (i, event) in trace.events.iter().enumerate() {
            let level = b.before(event, i);
            let (chain, visit) = b.stack.last().map_or((None, i), |s| (Some(s.0), s.1));
            timeline.spots.push(Spot { level, hook: b.hook, base: b.base, chain, visit });
            if is_stop(event) {
                timeline.stops.push(i);
            }
            b.after(event, i);
        }
        timeline
    }

    /// The place of an event.
    pub fn spot(&self, event: usize) -> Option<&Spot> {
        self.spots.get(event)
    }

    /// The events that are steps.
    pub fn stops(&self) -> &[usize] {
        &self.stops
    }

    /// The number of the step that `event` is or belongs to, from 0.
    pub fn number(&self, event: usize) -> usize {
        self.stops.partition_point(|s| *s <= event).saturating_sub(1)
    }

    /// The next step behind `at` for which `wanted` holds.
    pub fn next(&self, at: usize, mut wanted: impl FnMut(usize) -> bool) -> Option<usize> {
        let from = self.stops.partition_point(|s| *s <= at);
        self.stops[from..].iter().copied().find(|i| wanted(*i))
    }

    /// The last step before `at` for which `wanted` holds.
    pub fn previous(&self, at: usize, mut wanted: impl FnMut(usize) -> bool) -> Option<usize> {
        let end = self.stops.partition_point(|s| *s < at);
        self.stops[..end].iter().rev().copied().find(|i| wanted(*i))
    }

    /// The level of an event.
    pub fn level(&self, event: usize) -> u16 {
        self.spots.get(event).map_or(0, |s| s.level)
    }

    /// The next step that is not inside of what begins at `at`.
    pub fn over(&self, at: usize) -> Option<usize> {
        let level = self.level(at);
        self.next(at, |i| self.level(i) <= level)
    }

    /// The step before `at` that is not inside of something that ended there.
    pub fn over_back(&self, at: usize) -> Option<usize> {
        let level = self.level(at);
        self.previous(at, |i| self.level(i) <= level)
    }

    /// The first step inside of what begins at `at`.
    pub fn into(&self, at: usize) -> Option<usize> {
        self.next(at, |_| true).filter(|i| self.level(*i) > self.level(at))
    }

    /// The next step outside of the chain, base chain or hook of `at`.
    pub fn out(&self, at: usize) -> Option<usize> {
        let level = self.level(at);
        self.next(at, |i| self.level(i) < level)
    }

    /// The chains that are open at an event, outermost first, each with the event that entered it.
    pub fn stack(&self, event: usize) -> Vec<(ChainId, usize)> {
        let mut stack = Vec::new();
        let mut at = event;
        while let Some(Spot { chain: Some(chain), visit, .. }) = self.spots.get(at) {
            if stack.last().is_none_or(|s: &(ChainId, usize)| s.0 != *chain) {
                stack.push((*chain, *visit));
            }
            if *visit >= at {
                break;
            }
            at = *visit;
        }
        stack.reverse();
        stack
    }
}

/// Whether an event is one of the kind looked for.
pub fn is(event: &Event, mark: Mark) -> bool {
    match mark {
        Mark::Hook => matches!(event, Event::Hook(_)),
        Mark::Rewrite => is_stop(event) && matches!(event, Event::Write { field, by, .. } if is_rewrite(*field, *by)),
        Mark::Verdict => match event {
            Event::Rule { verdict, .. } => {
                matches!(verdict, Verdict::Accept | Verdict::Drop | Verdict::Queue { .. })
            }
            Event::Policy { .. } | Event::Fate(_) => true,
            _ => false,
        },
    }
}

/// Whether a change is one that a reader looks for: header and marks, not what routing and conntrack keep for themselves,
/// and not the TTL that forwarding counts down.
pub fn is_rewrite(field: Field, by: Cause) -> bool {
    use Field::*;
    match field {
        Ttl => matches!(by, Cause::Rule(_)),
        Saddr | Daddr | Sport | Dport | Tos | FlowLabel | TcpMss | TcpFlags | IcmpId | Mark | Priority | CtMark => true,
        CtLabel | EtherSaddr | EtherDaddr | VlanId | VlanPcp | Length => matches!(by, Cause::Rule(_)),
        _ => false,
    }
}

/// Whether an event is a step of its own; what is not shows in the packet at the next step.
pub fn is_stop(event: &Event) -> bool {
    match event {
        Event::HookEnd(_) => false,
        Event::Write { field, new, by, .. } => {
            let first_mark = *field == Field::CtMark && matches!(by, Cause::Step(_));
            let tracked = *field == Field::CtState && *new != Got::Absent;
            tracked || (is_rewrite(*field, *by) && !first_mark)
        }
        _ => true,
    }
}
