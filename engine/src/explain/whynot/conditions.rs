//! The conditions of a rule one by one, as they stood against the packet at an event: what the stepper shows beside a
//! rule. The same evaluator and the same recall of the walk's answers as [`super::Inquiry::why_not`].

use super::Inquiry;
use super::judge::Recall;
use crate::World;
use crate::model::{Model, Op, RuleId, Test};
use crate::packet::Packet;
use crate::trace::Trace;

/// A condition and how it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stood {
    /// In words: `dport 31002`.
    pub wanted: String,
    /// What the packet had, in words; empty for a condition on more than one field.
    pub had: String,
    /// Whether it held; `None` when the inputs don't tell.
    pub holds: Option<bool>,
}

/// The rule's conditions in order, up to the first that failed; as of just before event `event` of the walk.
pub fn conditions(world: World, trace: &Trace, rule: RuleId, event: usize) -> Vec<Stood> {
    stood(&Recall::new(world, trace), &trace.packet_at(event), rule, event)
}

impl Inquiry<'_> {
    /// The same as [`conditions`], for one rule after the other.
    pub fn conditions(&self, rule: RuleId, event: usize) -> Vec<Stood> {
        stood(&self.recall, &self.packet_at(event), rule, event)
    }
}

fn stood(recall: &Recall, packet: &Packet, rule: RuleId, event: usize) -> Vec<Stood> {
    let model = recall.world.model;
    let first = model.rule(rule).ops.start;
    let mut out = Vec::new();
    for (i, op) in model.rule_ops(rule).iter().enumerate() {
        let Op::Test(test) = *op else { continue };
        let site = first + i as u32;
        for test in members(model, test) {
            let holds = recall.holds(test, packet, site, event);
            let had = recall.field(test).map_or_else(String::new, |f| recall.had(f, packet, event));
            out.push(Stood { wanted: model.show_test(test, packet.family()), had, holds });
            if holds == Some(false) {
                return out;
            }
        }
    }
    out
}

/// The members of a conjunction, or the test itself.
fn members(model: &Model, test: Test) -> Vec<Test> {
    match test {
        Test::AllOf(list) => model.test_lists[list.range()].iter().map(|id| model.test(*id)).collect(),
        Test::Const(true) => Vec::new(),
        other => vec![other],
    }
}
