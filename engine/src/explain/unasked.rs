//! Rules that somebody wrote for this very packet and that never had a say.
//!
//! `-A INPUT -p tcp --dport 31002 -j DROP` names the packet's port, holds for the packet as it arrived, would drop it, and
//! never matched: the reader should hear of it without asking. At most three such rules are told, best first. A rule
//! whose verdict is the packet's fate anyway, or that names nothing of the packet by a positive test, is left out.

use crate::World;
use crate::eval::{self, Eval, Facts, Tri, View};
use crate::field::{Field, Value};
use crate::model::{Effect, Expr, Hook, Model, Op, RuleId, Test, Verdict};
use crate::packet::Packet;
use crate::state::State;
use crate::trace::{Cause, Event, Fate, Step, Trace};

use super::names::Labels;
use super::whynot::{Inquiry, WhyNot};

/// How many rules are told.
pub const MOST: usize = 3;

/// A rule that was meant for the packet and had no say.
#[derive(Clone, Debug, PartialEq)]
pub struct Unasked {
    /// The rule, and why it did nothing.
    pub why: WhyNot,
    /// What it would do: accept or drop.
    pub verdict: Verdict,
    /// How closely it names the packet; higher is closer.
    pub score: u32,
}

/// The rules that name the packet, would decide otherwise and never matched; at most [`MOST`], best first.
/// A rule that matched in any of the `others` is not one.
pub fn unasked(inquiry: &Inquiry, world: World, trace: &Trace, others: &[&Trace]) -> Vec<Unasked> {
    let Some(wanted) = opposite(&trace.fate()) else { return Vec::new() };
    let arrived = arrived(trace);
    let mut found: Vec<(u32, RuleId)> = candidates(world, &arrived, wanted);
    found.retain(|(_, rule)| !matched(trace, *rule) && !others.iter().any(|t| matched(t, *rule)));
    let labels = Labels::build(world.model);
    // A rule that no generator wrote is one that somebody means; theirs count when they name the packet exactly.
    let own = |rule: RuleId| labels.owner(world.model.rule(rule).chain).is_none();
    found.retain(|(_, rule)| own(*rule) || exact(world.model, *rule));
    for (score, rule) in &mut found {
        *score = *score * 2 + u32::from(own(*rule));
    }
    found.sort_by_key(|(score, rule)| (std::cmp::Reverse(*score), *rule));
    found.truncate(MOST);
    found.into_iter().map(|(score, rule)| Unasked { why: inquiry.why_not(rule), verdict: wanted, score }).collect()
}

fn matched(trace: &Trace, rule: RuleId) -> bool {
    trace.events.iter().any(|e| matches!(e, Event::Rule { rule: r, .. } if *r == rule))
}

/// The verdict that a rule must have to be worth telling.
fn opposite(fate: &Fate) -> Option<Verdict> {
    match fate {
        Fate::Out { .. } | Fate::Local { .. } | Fate::Bridged { .. } => Some(Verdict::Drop),
        Fate::Drop { .. } => Some(Verdict::Accept),
        _ => None,
    }
}

/// The packet as it arrived: with what conntrack and the first routing said of it, before any rule or NAT changed it.
fn arrived(trace: &Trace) -> Packet {
    let mut packet = trace.start.clone();
    for event in &trace.events {
        match event {
            Event::Write { by: Cause::Rule(_) | Cause::Step(Step::Nat | Step::RouteIn), .. } => break,
            Event::Write { field, new, .. } => packet.put(*field, *new),
            _ => {}
        }
    }
    packet
}

/// Rules in force with this verdict that name the packet and hold for it, with their scores.
fn candidates(world: World, packet: &Packet, wanted: Verdict) -> Vec<(u32, RuleId)> {
    let (facts, state) = (Facts::default(), State::default());
    let view = View { world, packet, hook: Hook::Prerouting, facts: &facts, state: &state, site: 0, at: 0 };
    let rules = world.model.chains.iter().flat_map(|c| &c.rules);
    let score = |rule: &RuleId| {
        let ops = world.model.rule_ops(*rule);
        if !says(world.model, ops, wanted) {
            return None;
        }
        let named = named(view, ops)?;
        holds(view, ops).then_some((named, *rule))
    };
    rules.filter_map(score).collect()
}

/// Whether the rule's verdict is the wanted one.
fn says(model: &Model, ops: &[Op], wanted: Verdict) -> bool {
    match ops.last() {
        Some(Op::Verdict(v)) => *v == wanted,
        Some(Op::Effect(e)) => wanted == Verdict::Drop && matches!(model.effect(*e), Effect::Reject(_)),
        _ => false,
    }
}

/// What naming each field is worth.
pub(super) fn worth(field: Field) -> u32 {
    match field {
        Field::Dport | Field::CtOrigDport => 4,
        Field::Daddr | Field::CtOrigDst => 3,
        Field::Saddr | Field::CtOrigSrc => 2,
        Field::Sport => 1,
        _ => 0,
    }
}

/// The sum of what the rule names of the packet by positive tests; `None` when it names nothing, or another.
fn named(view: View, ops: &[Op]) -> Option<u32> {
    let mut sum = 0;
    for op in ops {
        let Op::Test(test) = op else { continue };
        let Some((field, exact)) = names(view.world.model, *test) else { continue };
        let worth = worth(field);
        if worth == 0 {
            continue;
        }
        if eval::decide(view, *test) == Tri::No {
            return None;
        }
        sum += if exact { 2 * worth } else { worth };
    }
    (sum > 0).then_some(sum)
}

/// Whether a rule names one port or address.
fn exact(model: &Model, rule: RuleId) -> bool {
    model.rule_ops(rule).iter().any(|op| match op {
        Op::Test(test) => names(model, *test).is_some_and(|(field, exact)| exact && worth(field) > 0),
        _ => false,
    })
}

/// The field that a positive test names, and whether it names one value.
pub(super) fn names(model: &Model, test: Test) -> Option<(Field, bool)> {
    match test {
        Test::Masked { field, neg: false, mask, .. } if mask != 0 => Some((field, mask == u32::MAX)),
        Test::Wide { field, neg: false, wide } => {
            let mask = model.wides.get(wide.0 as usize)?.0;
            (mask != 0).then_some((field, mask & Value::from(u32::MAX) == Value::from(u32::MAX)))
        }
        Test::Range { field, neg: false, lo, hi } => (hi - lo < 60_000).then_some((field, false)),
        Test::In { neg: false, expr, .. } => match model.expr(expr) {
            Expr::Field(field) => Some((field, false)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether all of the rule's tests hold; one that the inputs don't decide does not.
fn holds(view: View, ops: &[Op]) -> bool {
    ops.iter().all(|op| match op {
        Op::Test(test) => eval::decide(view, *test) == Tri::Yes,
        Op::Need(_) => !view.packet.is_later_fragment(),
        Op::Set { expr, miss: true, .. } => matches!(eval::value(view, *expr), Eval::Value(_)),
        _ => true,
    })
}
