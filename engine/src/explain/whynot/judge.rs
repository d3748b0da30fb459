//! How far a rule comes with a packet: which of its ops is the first that says no.
//!
//! Asks the walk's own evaluator ([`crate::eval::decide`]) again, with the packet as it was and the walk's answers. Rule
//! state (limits, quotas) is not evaluated again: the trace tells how its test went.

use rustc_hash::FxHashMap;

use crate::World;
use crate::eval::{self, Eval, Facts, Hit, Need, Tri, View};
use crate::fact::Fact;
use crate::field::Field;
use crate::model::{Effect, Expr, ExprId, Hook, LookupId, LookupKey, Op, RuleId, Side, Test};
use crate::packet::{Got, Packet};
use crate::state::State;
use crate::trace::{Event, Trace};

/// The answers that a walk got, to evaluate again with.
pub(super) struct Recall<'a> {
    pub(super) world: World<'a>,
    pub(super) trace: &'a Trace,
    facts: Facts,
    state: State,
    /// The hooks, each with the event that enters it.
    hooks: Vec<(usize, Hook)>,
    /// Random draws of each op: the event of the answer, and the number of the evaluation.
    draws: FxHashMap<u32, Vec<(usize, u32)>>,
}

/// How a rule ends for a packet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// All its conditions hold.
    Holds,
    /// The op at this index of the rule says no.
    Fails(usize),
    /// The inputs don't tell, and the walk did not ask.
    Open,
}

impl<'a> Recall<'a> {
    pub(super) fn new(world: World<'a>, trace: &'a Trace) -> Self {
        let (mut facts, mut draws, mut hooks) = (Facts::default(), FxHashMap::<u32, Vec<_>>::default(), Vec::new());
        for (i, event) in trace.events.iter().enumerate() {
            if let Event::Hook(hook) = event {
                hooks.push((i, *hook));
            }
            if let Event::Answer { fact, value, .. } = event {
                facts.put(fact.clone(), *value);
                if let Fact::Chance { site, at, .. } = fact {
                    draws.entry(*site).or_default().push((i, *at));
                }
            }
        }
        Recall { world, trace, facts, state: State::default(), hooks, draws }
    }

    /// What a test or an expression of the op `site` looks at, before event `event`.
    fn view<'b>(&'b self, packet: &'b Packet, site: u32, event: usize) -> View<'b> {
        let drawn = self.draws.get(&site).map_or(&[][..], Vec::as_slice);
        let drawn = &drawn[..drawn.partition_point(|(e, _)| *e <= event)];
        View {
            world: self.world,
            packet,
            hook: self.hook_at(event),
            facts: &self.facts,
            state: &self.state,
            site,
            at: drawn.last().map_or(0, |(_, at)| *at),
        }
    }

    /// The hook that an event happened in.
    fn hook_at(&self, event: usize) -> Hook {
        let entered = self.hooks.partition_point(|(at, _)| *at <= event);
        entered.checked_sub(1).and_then(|i| self.hooks.get(i)).map_or(Hook::Prerouting, |(_, hook)| *hook)
    }

    /// Whether a test holds for a packet at an event; `None` when the inputs don't tell.
    pub(super) fn holds(&self, test: Test, packet: &Packet, site: u32, event: usize) -> Option<bool> {
        match eval::decide(self.view(packet, site, event), test) {
            Tri::Yes => Some(true),
            Tri::No => Some(false),
            Tri::Ask(_) => None,
        }
    }

    /// How a rule ends for a packet at an event.
    pub(super) fn judge(&self, rule: RuleId, packet: &Packet, event: usize) -> End {
        let ops = self.world.model.rule_ops(rule);
        let first = self.world.model.rule(rule).ops.start;
        let mut open = false;
        for (i, op) in ops.iter().enumerate() {
            match self.op(rule, *op, packet, (first + i as u32, event)) {
                Some(true) => {}
                Some(false) => return End::Fails(i),
                None => open = true,
            }
        }
        if open { End::Open } else { End::Holds }
    }

    /// Whether an op lets the rule go on.
    fn op(&self, rule: RuleId, op: Op, packet: &Packet, (site, event): (u32, usize)) -> Option<bool> {
        match op {
            Op::Test(test) => self.holds(test, packet, site, event),
            Op::Need(header) => Some(eval::need(packet, header) != Need::Fails),
            Op::Set { field, expr, miss: true } => {
                let there = field.is_total() || field == Field::CtMark || packet.get(field) != Got::Absent;
                match eval::value(self.view(packet, site, event), expr) {
                    Eval::Value(_) => Some(there),
                    Eval::Absent => Some(false),
                    Eval::Ask(_) => None,
                }
            }
            Op::VerdictMap(lookup) => match eval::find(self.view(packet, site, event), lookup) {
                Hit::Element(_) | Hit::Added(_) => Some(true),
                Hit::None | Hit::Absent => Some(false),
                Hit::Ask(_) => None,
            },
            Op::Effect(id) if matches!(self.world.model.effect(id), Effect::Stateful(_)) => {
                let said = self.trace.events[..event.min(self.trace.events.len())].iter().rev().find_map(|e| match e {
                    Event::State { rule: r, held, .. } if *r == rule => Some(*held),
                    _ => None,
                });
                Some(said.unwrap_or(true))
            }
            _ => Some(true),
        }
    }

    /// The innermost test that makes a test fail: the first failing member of a conjunction.
    pub(super) fn culprit(&self, test: Test, packet: &Packet, site: u32, event: usize) -> Test {
        if let Test::AllOf(list) = test {
            let model = self.world.model;
            let members = model.test_lists[list.range()].iter().map(|id| model.test(*id));
            for member in members {
                if self.holds(member, packet, site, event) == Some(false) {
                    return self.culprit(member, packet, site, event);
                }
            }
        }
        test
    }

    /// The field that a test is about, if it is about one.
    pub(super) fn field(&self, test: Test) -> Option<Field> {
        let model = self.world.model;
        match test {
            Test::Masked { field, .. } | Test::Range { field, .. } | Test::Wide { field, .. } => Some(field),
            Test::In { expr, .. } | Test::Exists(expr) => model.expr_field(expr).or_else(|| match model.expr(expr) {
                Expr::Fib(f) => Some(side_field(f.side)),
                _ => None,
            }),
            Test::Lookup { lookup, .. } => match &model.lookup(lookup).key {
                LookupKey::Exprs(exprs) => exprs.first().and_then(|e| model.expr_field(*e)),
                LookupKey::Dims { dims, .. } => dims.first().map(|side| side_field(*side)),
            },
            Test::Not(inner) => self.field(model.test(inner)),
            _ => None,
        }
    }

    /// The value that a field had, in words.
    pub(super) fn had(&self, field: Field, packet: &Packet, event: usize) -> String {
        match eval::read(self.view(packet, 0, event), field) {
            Eval::Value(v) => field.print(v, packet.family()),
            Eval::Absent => "none".to_string(),
            Eval::Ask(_) => "unknown".to_string(),
        }
    }
}

impl Recall<'_> {
    /// What a packet had for a lookup of several parts, in words: `10.0.0.9 . tcp . 80`.
    pub(super) fn key(&self, lookup: LookupId, packet: &Packet, event: usize) -> Option<String> {
        let model = self.world.model;
        let LookupKey::Exprs(parts) = &model.lookup(lookup).key else { return None };
        let part = |expr: &ExprId| match model.expr_field(*expr) {
            Some(field) => self.had(field, packet, event),
            None => match eval::value(self.view(packet, 0, event), *expr) {
                Eval::Value(v) => v.to_string(),
                Eval::Absent => "none".to_string(),
                Eval::Ask(_) => "unknown".to_string(),
            },
        };
        (parts.len() > 1).then(|| parts.iter().map(part).collect::<Vec<_>>().join(" . "))
    }
}

fn side_field(side: Side) -> Field {
    match side {
        Side::Src => Field::Saddr,
        Side::Dst => Field::Daddr,
    }
}
