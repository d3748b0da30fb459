//! The rules that were looked at and did not match on the way to a step, each with the condition that failed.
//!
//! `KUBE-NODEPORTS #12 wants dport 31003, has 31002`. A chain can have 100,000 rules: of a stretch that is longer than
//! wanted, those are told that name the packet's addresses and ports, then those nearest to the step, and the others are
//! counted. Left out: since when the packet is as it is ([`Inquiry::why_not`] tells it for one rule).

use std::cmp::Reverse;
use std::ops::Range;

use super::Inquiry;
use super::judge::End;
use crate::explain::unasked::{names, worth};
use crate::explain::way::ChainStep;
use crate::field::Field;
use crate::model::{Op, RuleId, Test};
use crate::packet::Packet;

/// Rules told of a stretch, unless all are asked for.
pub const NEAR: usize = 4;

/// A rule that was looked at and did not match.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    /// The rule.
    pub rule: RuleId,
    /// Its position in the chain, from 1.
    pub number: u32,
    /// The condition that failed; none where the inputs don't tell which.
    pub failed: Option<Unmet>,
}

/// A condition that a packet does not meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmet {
    /// The field that it is about, if it is about one.
    pub field: Option<Field>,
    /// What was wanted, in words: `dport 31003`.
    pub wanted: String,
    /// What the packet had there, in words: `31002`; empty where that is not a value.
    pub had: String,
}

/// The rules of a stretch that did not match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Misses {
    /// Those that are told, in the chain's order.
    pub list: Vec<Miss>,
    /// How many others there are.
    pub more: usize,
}

impl Inquiry<'_> {
    /// The rules that were looked at without matching right before a step; at most `most` are told.
    pub fn misses(&self, step: &ChainStep, most: usize) -> Misses {
        let all = step.looked(self.recall.world.model);
        if all.is_empty() {
            return Misses::default();
        }
        let told = self.nearest(step, all.clone(), most);
        let mut packet = (step.event, self.packet_at(step.event));
        let mut list = Vec::with_capacity(told.len());
        let mut at = told.first().map_or(step.event, |first| self.moment(step.event, *first));
        for index in told {
            while at < step.event && !self.is_later(at, index) {
                at += 1;
            }
            if at != packet.0 {
                packet = (at, self.packet_at(at));
            }
            let Some(rule) = self.rule_at(step, index) else { continue };
            list.push(Miss { rule, number: index + 1, failed: self.unmet(rule, &packet.1, at) });
        }
        let more = all.len().saturating_sub(list.len());
        Misses { list, more }
    }

    fn rule_at(&self, step: &ChainStep, index: u32) -> Option<RuleId> {
        self.recall.world.model.chain(step.chain).rules.get(index as usize)
    }

    /// The indices of the rules that are told, ascending.
    fn nearest(&self, step: &ChainStep, all: Range<u32>, most: usize) -> Vec<u32> {
        if all.len() <= most {
            return all.collect();
        }
        let packet = self.packet_at(step.event);
        let score = |i: u32| self.rule_at(step, i).map_or(0, |rule| self.named(rule, &packet, step.event));
        let mut ranked: Vec<(u32, u32)> = all.map(|i| (score(i), i)).collect();
        ranked.sort_unstable_by_key(|r| Reverse(*r));
        let mut told: Vec<u32> = ranked.into_iter().take(most).map(|(_, i)| i).collect();
        told.sort_unstable();
        told
    }

    /// How closely a rule names the packet by conditions that hold.
    fn named(&self, rule: RuleId, packet: &Packet, event: usize) -> u32 {
        let model = self.recall.world.model;
        let first = model.rule(rule).ops.start;
        let worth = |(i, op): (usize, &Op)| match op {
            Op::Test(test) => names(model, *test)
                .filter(|_| self.recall.holds(*test, packet, first + i as u32, event) == Some(true))
                .map_or(0, |(field, exact)| worth(field) * if exact { 2 } else { 1 }),
            _ => 0,
        };
        model.rule_ops(rule).iter().enumerate().map(worth).sum()
    }

    /// The first condition of a rule that fails for a packet at an event.
    fn unmet(&self, rule: RuleId, packet: &Packet, at: usize) -> Option<Unmet> {
        let End::Fails(op) = self.recall.judge(rule, packet, at) else { return None };
        Some(self.unmet_op(rule, op, packet, at))
    }

    /// What op `op` of a rule wanted, and what a packet at an event had.
    pub(super) fn unmet_op(&self, rule: RuleId, op: usize, packet: &Packet, at: usize) -> Unmet {
        let model = self.recall.world.model;
        let family = packet.family();
        let (field, wanted) = match model.rule_ops(rule)[op] {
            Op::Test(test) => {
                let test = self.recall.culprit(test, packet, model.rule(rule).ops.start + op as u32, at);
                if let Test::Lookup { lookup, .. } = test
                    && let Some(had) = self.recall.key(lookup, packet, at)
                {
                    return Unmet { field: None, wanted: self.wanted(test, family), had };
                }
                (self.recall.field(test), self.wanted(test, family))
            }
            Op::VerdictMap(lookup) => {
                let l = model.lookup(lookup);
                let wanted = format!("{} in {}", model.show_key(&l.key, family), model.show_set(l.set, family));
                return Unmet { field: None, wanted, had: self.recall.key(lookup, packet, at).unwrap_or_default() };
            }
            other => (None, model.show_op(other, family)),
        };
        let had = field.map_or_else(String::new, |f| self.recall.had(f, packet, at));
        Unmet { field, wanted, had }
    }
}
