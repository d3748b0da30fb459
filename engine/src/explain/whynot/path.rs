//! Why a rule's chain was not entered: a jump on the way was not taken, or none of its hooks is on the packet's way.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::{Inquiry, NotHooked, Reason, is_nat};
use crate::field::Field;
use crate::model::{BaseChain, ChainId, ChainKind, Family, Hook, RuleId};
use crate::trace::{By, Decision, Event, Fate};

impl Inquiry<'_> {
    /// The chain of `rule` was not entered.
    pub(super) fn not_entered(&self, rule: RuleId, depth: u32) -> Reason {
        let model = self.recall.world.model;
        let chain = model.rule(rule).chain;
        if let Some(reason) = self.table_is_off(chain) {
            return reason;
        }
        let (jumps, bases) = self.upwards(chain);
        let mut best: Option<(usize, Reason)> = None;
        for jump in jumps {
            let Some(left) = depth.checked_sub(1) else { break };
            let because = self.reason(jump, left);
            let progress = match &because {
                Reason::ConditionFailed(f) => f.op + 2,
                Reason::MatchedNotDeciding { .. } | Reason::Decided { .. } => 1,
                _ => 0,
            };
            if best.as_ref().is_none_or(|(p, _)| progress > *p) {
                best = Some((progress, Reason::ChainNotEntered { jump, because: Box::new(because) }));
            }
        }
        best.map_or_else(|| self.no_base_entered(rule, &bases), |(_, reason)| reason)
    }

    /// The nearest jumps towards a chain that stand in chains that were entered; all base chains that lead to it.
    fn upwards(&self, chain: ChainId) -> (Vec<RuleId>, Vec<ChainId>) {
        let model = self.recall.world.model;
        let (mut jumps, mut bases) = (Vec::new(), Vec::new());
        let mut seen = FxHashSet::from_iter([chain]);
        let mut todo = VecDeque::from([chain]);
        while let Some(at) = todo.pop_front() {
            if model.chain(at).base.is_some() {
                bases.push(at);
            }
            for jump in self.callers(at) {
                let above = model.rule(*jump).chain;
                if self.entered.contains(&above) {
                    jumps.push(*jump);
                } else if seen.insert(above) {
                    todo.push_back(above);
                }
            }
        }
        (jumps, bases)
    }

    fn table_is_off(&self, chain: ChainId) -> Option<Reason> {
        let table = self.recall.world.model.table_of(chain);
        let family = self.recall.trace.start.family();
        let other = match table.family {
            Family::Ip => family == 10,
            Family::Ip6 => family == 2,
            Family::Arp => true,
            Family::Inet | Family::Netdev | Family::Bridge => false,
        };
        match (other, table.dormant) {
            (true, _) => Some(Reason::NotHooked(NotHooked::Family)),
            (_, true) => Some(Reason::NotHooked(NotHooked::Dormant)),
            _ => None,
        }
    }

    /// None of the base chains that lead to the rule was entered.
    fn no_base_entered(&self, rule: RuleId, bases: &[ChainId]) -> Reason {
        let model = self.recall.world.model;
        let bases: Vec<&BaseChain> = bases.iter().filter_map(|b| model.chain(*b).base.as_deref()).collect();
        if bases.is_empty() {
            return Reason::NotHooked(NotHooked::NoBase);
        }
        let passed = |h: Hook| self.events().iter().any(|e| matches!(e, Event::Hook(x) if *x == h));
        if let Some(base) = bases.iter().find(|b| passed(b.hook)) {
            return self.passed_without(base);
        }
        let end = self.end_hook();
        if let Some((hook, event)) = end
            && bases.iter().any(|b| self.may_follow(hook, b.hook))
        {
            return Reason::EndedBefore { event };
        }
        let mut hooks: Vec<Hook> = bases.iter().map(|b| b.hook).collect();
        hooks.sort_unstable();
        hooks.dedup();
        let decision = self.events().iter().rposition(|e| matches!(e, Event::Route(_)));
        let at = self.events().len();
        let even_there = self.fail_at(rule, &self.recall.trace.last_packet(), at);
        Reason::HookNotOnPath { hooks, decision, even_there }
    }

    /// The hook was passed, this base chain of it was not.
    fn passed_without(&self, base: &BaseChain) -> Reason {
        let in_hook = |i: usize| self.recall.trace.hook_at(i) == Some(base.hook);
        if let Some((hook, event)) = self.end_hook()
            && hook == base.hook
        {
            return Reason::EndedBefore { event };
        }
        if base.kind == ChainKind::Nat {
            let nat = |e: &Event| matches!(e, Event::Rule { rule, .. } if is_nat(self.recall.world.model, *rule));
            let event = (0..self.events().len()).rev().find(|i| in_hook(*i) && nat(&self.events()[*i]));
            return Reason::NatAlreadyDecided { event };
        }
        Reason::NotHooked(NotHooked::Device)
    }

    /// The hook in which (or behind which) the packet was lost, and the event that lost it.
    fn end_hook(&self) -> Option<(Hook, usize)> {
        let last = self.events().len().checked_sub(1)?;
        match self.recall.trace.fate() {
            Fate::Drop { hook, by } => {
                let at = |e: &Event| match (&by, e) {
                    (By::Rule { rule, .. }, Event::Rule { rule: r, .. }) => r == rule,
                    (By::Policy(c), Event::Policy { chain, .. }) => chain == c,
                    _ => false,
                };
                Some((hook, self.events().iter().rposition(at).unwrap_or(last)))
            }
            Fate::DropInHook { hook, .. } => Some((hook, last)),
            Fate::StackDrop { after: Some(hook), .. } => Some((hook, last)),
            Fate::Stolen { rule, .. } => {
                let at = self.events().iter().rposition(|e| matches!(e, Event::Rule { rule: r, .. } if *r == rule));
                let at = at.unwrap_or(last);
                Some((self.recall.trace.hook_at(at)?, at))
            }
            _ => None,
        }
    }

    /// Whether the packet could still have come to `later` behind `hook`.
    fn may_follow(&self, hook: Hook, later: Hook) -> bool {
        let packet = self.recall.trace.last_packet();
        let loops = self.recall.world.host.is_loopback(&crate::field::device_name(packet.or_zero(Field::Oif)));
        let decided = self.events().iter().rev().find_map(|e| match e {
            Event::Route(d) => Some(d),
            _ => None,
        });
        match hook {
            Hook::Ingress => later != Hook::Output,
            Hook::Prerouting => match decided {
                None => matches!(later, Hook::Input | Hook::Forward | Hook::Postrouting | Hook::Egress),
                Some(Decision::Local) => later == Hook::Input,
                Some(Decision::Output { .. }) => later == Hook::Input,
                Some(_) => matches!(later, Hook::Forward | Hook::Postrouting | Hook::Egress),
            },
            Hook::Forward => matches!(later, Hook::Postrouting | Hook::Egress),
            Hook::Output if loops => matches!(later, Hook::Postrouting | Hook::Prerouting | Hook::Input),
            Hook::Output => matches!(later, Hook::Postrouting | Hook::Egress),
            Hook::Postrouting if loops => matches!(later, Hook::Prerouting | Hook::Input),
            Hook::Postrouting => later == Hook::Egress,
            Hook::Input | Hook::Egress => false,
        }
    }
}
