//! Which facts mattered: the fields that the answer depends on, so that a reader knows for which other packets it holds.
//!
//! `proto, daddr, dport, ct state` of a NodePort's packet: another source address or port gives the same walk. A field
//! matters when a condition of a rule that was looked at reads it as the packet arrived; one that is only read after a
//! rule wrote it does not. Left out: how far a field may change (for that, change it and ask again).

use rustc_hash::FxHashSet;

use crate::World;
use crate::field::Field;
use crate::model::{ChainId, Effect, Expr, ExprId, LookupKey, Model, Op, RuleId, Side, Test};
use crate::trace::{Decision, Event, Trace};

/// The fields that a walk depended on, in the order of the table of fields; and whether it depended on the routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mattered {
    /// Fields of the packet as it arrived.
    pub fields: Vec<Field>,
    /// A routing decision was made.
    pub routes: bool,
    /// Sets that were looked into, by name.
    pub sets: Vec<String>,
}

/// What a walk depended on.
pub fn mattered(world: World, trace: &Trace) -> Mattered {
    let mut seen =
        Reads { model: world.model, written: FxHashSet::default(), read: FxHashSet::default(), sets: Vec::new() };
    let mut routes = false;
    for event in &trace.events {
        match event {
            Event::Rule { rule, index, from, .. } => seen.stretch(world.model.rule(*rule).chain, *from, *index + 1),
            Event::Return { chain, from, .. } | Event::Policy { chain, from, .. } => {
                seen.stretch(*chain, *from, u32::MAX);
            }
            Event::Write { field, .. } => {
                seen.written.insert(*field);
            }
            Event::Route(decision) => {
                routes = true;
                seen.field(Field::Daddr);
                if matches!(decision, Decision::Output { .. } | Decision::Forward { .. }) {
                    seen.field(Field::Mark);
                }
            }
            _ => {}
        }
    }
    let mut fields: Vec<Field> = seen.read.into_iter().collect();
    fields.sort_unstable();
    Mattered { fields, routes, sets: seen.sets }
}

struct Reads<'a> {
    model: &'a Model,
    written: FxHashSet<Field>,
    read: FxHashSet<Field>,
    sets: Vec<String>,
}

impl Reads<'_> {
    fn stretch(&mut self, chain: ChainId, from: u32, to: u32) {
        let model = self.model;
        let rules = &model.chain(chain).rules;
        let to = (to as usize).min(rules.len());
        for rule in rules.get(from as usize..to).unwrap_or(&[]) {
            self.rule(*rule);
        }
    }

    fn rule(&mut self, rule: RuleId) {
        for op in self.model.rule_ops(rule) {
            match op {
                Op::Test(test) => self.test(*test),
                Op::VerdictMap(lookup) => self.lookup(*lookup),
                Op::Set { expr, .. } => self.expr(*expr),
                Op::Effect(id) => {
                    if let Effect::ObjectMap(lookup) = self.model.effect(*id) {
                        self.lookup(*lookup);
                    }
                }
                _ => {}
            }
        }
    }

    fn field(&mut self, field: Field) {
        if !self.written.contains(&field) {
            self.read.insert(field);
        }
    }

    fn test(&mut self, test: Test) {
        let model = self.model;
        match test {
            Test::Masked { field, .. } | Test::Range { field, .. } | Test::Wide { field, .. } => self.field(field),
            Test::In { expr, .. } | Test::Exists(expr) => self.expr(expr),
            Test::Relation { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            Test::Lookup { lookup, .. } => self.lookup(lookup),
            Test::Not(inner) => self.test(model.test(inner)),
            Test::AllOf(list) | Test::AnyOf(list) => {
                for id in &model.test_lists[list.range()] {
                    self.test(model.test(*id));
                }
            }
            Test::Const(_) | Test::Chance { .. } | Test::Bytes(_) | Test::Opaque(_) => {}
        }
    }

    fn lookup(&mut self, lookup: crate::model::LookupId) {
        let model = self.model;
        let found = model.lookup(lookup);
        if let Some(name) = model.set(found.set).name {
            let name = model.name(name).to_string();
            if !self.sets.contains(&name) {
                self.sets.push(name);
            }
        }
        match &found.key {
            LookupKey::Exprs(exprs) => exprs.iter().for_each(|e| self.expr(*e)),
            LookupKey::Dims { dims, .. } => {
                for (i, side) in dims.iter().enumerate() {
                    let fields = match side {
                        Side::Src => [Field::Saddr, Field::Sport],
                        Side::Dst => [Field::Daddr, Field::Dport],
                    };
                    self.field(fields[i.min(1)]);
                }
            }
        }
    }

    fn expr(&mut self, expr: ExprId) {
        let model = self.model;
        match model.expr(expr) {
            Expr::Field(field) => self.field(field),
            Expr::Bin(_, a, b) => {
                self.expr(a);
                self.expr(b);
            }
            Expr::Swap(e, _) | Expr::Exists(e) | Expr::Hash { of: e, .. } => self.expr(e),
            Expr::Concat(list) => model.expr_lists[list.range()].iter().for_each(|e| self.expr(*e)),
            Expr::Map { lookup, .. } => self.lookup(lookup),
            Expr::Fib(fib) => self.field(if fib.side == Side::Src { Field::Saddr } else { Field::Daddr }),
            Expr::AddrType6 { side, .. } => self.field(if side == Side::Src { Field::Saddr } else { Field::Daddr }),
            Expr::RpFilter(_) => {
                self.field(Field::Saddr);
                self.field(Field::Iif);
            }
            _ => {}
        }
    }
}
