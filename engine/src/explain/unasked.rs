//! Rules that somebody wrote for this very packet and that never had a say.
//!
//! `-A INPUT -p tcp --dport 31002 -j DROP` names the packet's port, holds for the packet as it arrived, would drop it, and
//! never matched: the reader should hear of it without asking. The same of a rule that would have translated the packet's
//! port, when the packet was delivered as it came. At most three such rules are told, best first.
//!
//! Left out, for they are meant for others: rules whose verdict is the packet's fate anyway, that name nothing of the packet
//! by a positive test, that are for the other address family, that count or limit, and those of a hook where a packet from
//! there to there is not expected (an ACCEPT in OUTPUT for one that arrives), unless its destination was rewritten.

use crate::World;
use crate::eval::{self, Eval, Facts, Hit, Need, Tri, View};
use crate::field::{Field, Value, to_address};
use crate::graph;
use crate::model::{
    Base, ChainId, Contents, Data, Effect, Expr, ExprId, Family, Hook, LookupId, LookupKey, Model, NatKind, Op, RuleId,
    Test, Verdict,
};
use crate::packet::Packet;
use crate::state::State;
use crate::trace::{Cause, Event, Fate, Step, Trace};

use super::names::Labels;
use super::whynot::{Inquiry, Reason, WhyNot};

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
    let mut found: Vec<(u32, RuleId)> = candidates(world, &arrived, wanted, !rewritten(trace) && delivered(trace));
    found.retain(|(_, rule)| !matched(trace, *rule) && !others.iter().any(|t| matched(t, *rule)));
    if !found.is_empty() {
        let expected = expected(world, trace);
        let hooks = graph::Hooks::new(world.model);
        found.retain(|(_, rule)| hooks.of(world.model.rule(*rule).chain).iter().any(|h| expected.contains(h)));
    }
    let labels = Labels::build(world.model);
    // A rule that no generator wrote is one that somebody means; theirs count when they name the packet exactly.
    let own = |rule: RuleId| labels.owner(world.model.rule(rule).chain).is_none();
    found.retain(|(_, rule)| own(*rule) || exact(world.model, *rule));
    for (score, rule) in &mut found {
        *score = *score * 2 + u32::from(own(*rule));
    }
    found.sort_by_key(|(score, rule)| (std::cmp::Reverse(*score), *rule));
    let told = found.into_iter().map(|(score, rule)| Unasked { why: inquiry.why_not(rule), verdict: wanted, score });
    told.filter(|u| exact(world.model, u.why.rule) || !comes_later(&u.why.reason)).take(MOST).collect()
}

/// Whether something decided in front of the rule: that is how rules for many ports are written (the trusted first).
fn comes_later(reason: &Reason) -> bool {
    match reason {
        Reason::EndedBefore { .. } => true,
        Reason::ChainNotEntered { because, .. } => comes_later(because),
        _ => false,
    }
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

/// Whether a rule rewrote the packet's destination.
fn rewritten(trace: &Trace) -> bool {
    let wrote = |e: &Event| matches!(e, Event::Write { field: Field::Daddr | Field::Dport, .. });
    trace.events.iter().any(wrote)
}

fn delivered(trace: &Trace) -> bool {
    matches!(trace.fate(), Fate::Local { .. })
}

/// The hooks that a rule for this packet may be expected in: those it passed, and those that it seemed to be for when it
/// arrived; when it was lost, the one that lost it. A packet with another destination than it came with may be expected
/// anywhere.
fn expected(world: World, trace: &Trace) -> Vec<Hook> {
    use Hook::*;
    if rewritten(trace) {
        return vec![Ingress, Prerouting, Input, Forward, Output, Postrouting, Egress];
    }
    if let Fate::Drop { hook, .. } = trace.fate() {
        return vec![hook];
    }
    let daddr = to_address(trace.start.or_zero(Field::Daddr), trace.start.family());
    let own = world.host.is_local(daddr, &mut Vec::new()).unwrap_or(false);
    let passed = trace.events.iter().filter_map(|e| match e {
        Event::Hook(hook) => Some(*hook),
        _ => None,
    });
    passed.chain([if own { Input } else { Forward }]).collect()
}

/// Rules in force with this verdict (or that translate) that name the packet and hold for it, with their scores.
fn candidates(world: World, packet: &Packet, wanted: Verdict, translate: bool) -> Vec<(u32, RuleId)> {
    let (facts, state) = (Facts::default(), State::default());
    let view = View { world, packet, hook: Hook::Prerouting, facts: &facts, state: &state, site: 0, at: 0 };
    let other = if packet.family() == 10 { Family::Ip } else { Family::Ip6 };
    let chains = world.model.chains.iter().filter(|c| world.model.table(c.table).family != other);
    let score = |rule: RuleId| {
        let ops = world.model.rule_ops(rule);
        let says = says(view, ops, wanted);
        if !(says || translate && leads_on(ops)) {
            return None;
        }
        let named = named(view, ops)?;
        let translates = || exact(world.model, rule) && translates(view, ops, 4);
        (holds(view, ops) && (says || translates())).then_some((named, rule))
    };
    chains.flat_map(|c| c.rules.iter()).filter_map(score).collect()
}

/// The verdict that the map has for the packet.
fn mapped(view: View, lookup: LookupId) -> Option<Verdict> {
    let Hit::Element(element) = eval::find(view, lookup) else { return None };
    match &view.world.model.set(view.world.model.lookup(lookup).set).contents {
        Contents::Elements(elements) => match elements.data(element) {
            Data::Verdict(verdict) => Some(*verdict),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the rule's verdict is the wanted one.
fn says(view: View, ops: &[Op], wanted: Verdict) -> bool {
    match ops.last() {
        Some(Op::Verdict(v)) => *v == wanted,
        Some(Op::VerdictMap(lookup)) => mapped(view, *lookup) == Some(wanted),
        Some(Op::Effect(e)) => wanted == Verdict::Drop && matches!(view.world.model.effect(*e), Effect::Reject(_)),
        _ => false,
    }
}

/// Whether a rule leads to another chain, or has an effect that may be a translation.
fn leads_on(ops: &[Op]) -> bool {
    let last = ops.last();
    matches!(last, Some(Op::Verdict(Verdict::Jump(_) | Verdict::Goto(_)) | Op::VerdictMap(_) | Op::Effect(_)))
}

/// Whether a rule translates the destination, or leads to one that does.
fn translates(view: View, ops: &[Op], depth: u8) -> bool {
    let model = view.world.model;
    let dnat = |op: &Op| match op {
        Op::Effect(e) => {
            matches!(model.effect(*e), Effect::Nat(n) if matches!(n.kind, NatKind::Dnat | NatKind::Redirect))
        }
        _ => false,
    };
    let to = match ops.last() {
        Some(Op::Verdict(Verdict::Jump(to) | Verdict::Goto(to))) => Some(*to),
        Some(Op::VerdictMap(lookup)) => match mapped(view, *lookup) {
            Some(Verdict::Jump(to) | Verdict::Goto(to)) => Some(to),
            // The choice of an endpoint: any will do.
            _ => graph::map_targets(model, model.lookup(*lookup).set).next(),
        },
        _ => None,
    };
    let inside = |to: ChainId| {
        let mut rules = model.chain(to).rules.between(0, 16);
        depth > 0 && rules.any(|r| translates(view, model.rule_ops(r), depth - 1))
    };
    ops.iter().any(dnat) || to.is_some_and(inside)
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
        if let Op::VerdictMap(lookup) = op {
            sum += key_worth(view.world.model, *lookup);
            continue;
        }
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

/// What a verdict map names: its elements are single values mostly.
fn key_worth(model: &Model, lookup: LookupId) -> u32 {
    match &model.lookup(lookup).key {
        LookupKey::Exprs(exprs) => exprs.iter().map(|e| 2 * port_worth(model, *e)).sum(),
        LookupKey::Dims { .. } => 0,
    }
}

/// What an expression in a map's key is worth; `th dport` is bits of the layer 4 header.
fn port_worth(model: &Model, expr: ExprId) -> u32 {
    match model.expr(expr) {
        Expr::Field(field) => worth(field),
        Expr::Bytes { base: Base::Transport, offset: 16, bits: 16 } => worth(Field::Dport),
        Expr::Concat(list) => model.expr_lists[list.range()].iter().map(|e| port_worth(model, *e)).sum(),
        _ => 0,
    }
}

/// Whether a rule names one port or address.
fn exact(model: &Model, rule: RuleId) -> bool {
    model.rule_ops(rule).iter().any(|op| match op {
        Op::VerdictMap(lookup) => key_worth(model, *lookup) > 0,
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
        Test::Lookup { neg: false, lookup } => match &model.lookup(lookup).key {
            LookupKey::Exprs(exprs) => {
                let fields = exprs.iter().filter_map(|e| model.expr_field(*e));
                fields.max_by_key(|f| worth(*f)).map(|f| (f, false))
            }
            LookupKey::Dims { .. } => None,
        },
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
        Op::Need(header) => eval::need(view.packet, *header) != Need::Fails,
        Op::Set { expr, miss: true, .. } => matches!(eval::value(view, *expr), Eval::Value(_)),
        Op::VerdictMap(lookup) => matches!(eval::find(view, *lookup), Hit::Element(_)),
        // How much was counted, and when, is no matter of the packet.
        Op::Effect(id) => !matches!(view.world.model.effect(*id), Effect::Stateful(_)),
        _ => true,
    })
}
