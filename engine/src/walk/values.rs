//! The answers to "what is the packet's incoming device (hour, CPU, ...)": the values that the rules tell apart.
//!
//! `-i eth0` and `iifname vmap { "eth1" : drop }` give `eth0`, `eth1` and "another device"; `meta hour "08:00"-"18:00"`
//! gives three stretches of the day. Left out: what is computed from the field before it is compared.

use std::collections::BTreeSet;

use super::options::OTHER_DEVICE;
use crate::World;
use crate::fact::{Choice, Options};
use crate::field::{Field, Show, Value, device, device_name};
use crate::model::*;
use crate::packet::Packet;

/// How many answers are listed for a field at most.
const ANSWERS: usize = 64;

/// The values of an unknown field that the rules tell apart, and one that none of them names.
pub(super) fn of(world: World, packet: &Packet, field: Field) -> Options {
    let mut ends = Ends { model: world.model, field, starts: BTreeSet::new() };
    ends.collect();
    let top = ones(field.bits());
    let mut starts: Vec<Value> = ends.starts.into_iter().filter(|v| *v <= top).collect();
    let open = starts.len() > ANSWERS;
    starts.truncate(ANSWERS);
    let family = packet.family();
    let choices = match field.show() {
        Show::Dev => devices(world, field, &starts),
        Show::Bool => [0, 1].map(|v| Choice::new(v, field.print(v, family))).into(),
        Show::Dec | Show::Clock | Show::Weekday => {
            let top = match field {
                Field::Hour => 86_399,
                Field::Day => 6,
                Field::MonthDay => 31,
                _ => top,
            };
            starts.retain(|s| *s <= top);
            stretches(field, &starts, top, family)
        }
        _ => {
            let other = (0..=ANSWERS as Value + 1).find(|v| !starts.contains(v)).unwrap_or(0);
            // Most values are none that a rule names, so that answer comes first.
            let mut choices = vec![Choice::new(other, "another value")];
            choices.extend(starts.iter().map(|v| Choice::new(*v, field.print(*v, family))));
            if field == Field::EtherSaddr {
                choices.sort_by_key(|c| !starts.contains(&c.value) || !numbered_alike(world, packet, c.value));
            }
            choices
        }
    };
    Options { open, ..Options::of(choices) }
}

/// Whether an address that a rule names was numbered by hand along with the one of the device that the frame came in by
/// (`02:00:00:00:01:02` beside `02:00:00:00:01:01`): then it is more likely a station there than one that nobody names.
fn numbered_alike(world: World, packet: &Packet, mac: Value) -> bool {
    const BY_HAND: Value = 1 << 41;
    let own = world.host.link(&device_name(packet.or_zero(Field::Iif))).ok().and_then(|l| l.mac);
    own.is_some_and(|own| own.value() >> 8 == mac >> 8 && own.value() != mac && mac & BY_HAND != 0)
}

/// Devices by name; one that no rule names stands for all others. What comes from or goes elsewhere never uses `lo`.
fn devices(world: World, field: Field, starts: &[Value]) -> Vec<Choice> {
    let mut names: Vec<Value> = starts.iter().copied().filter(|v| *v != 0 && *v != device("lo")).collect();
    if matches!(field, Field::Iif | Field::Oif) {
        let rules = world.host.parts().rules4.iter().chain(&world.host.parts().rules6).flatten();
        let told = rules.filter(|_| field == Field::Iif).filter_map(|r| r.iif.as_deref()).filter(|d| *d != "lo");
        names.extend(told.map(device));
        names.sort_unstable();
        names.dedup();
    }
    let mut choices: Vec<_> = names.iter().map(|v| Choice::new(*v, field.print(*v, 2))).collect();
    let other = match field {
        Field::PhysIn | Field::PhysOut => "another port",
        Field::OsfName => "another system",
        Field::CtHelper => "another helper",
        _ => "another device",
    };
    choices.push(Choice::new(device(OTHER_DEVICE), other));
    choices
}

/// The numbers between the ends of the rules' ranges: every number is in one of them.
fn stretches(field: Field, starts: &[Value], top: Value, family: Value) -> Vec<Choice> {
    // A device always has an index; 0 is none.
    let first = Value::from(matches!(field, Field::IifIndex | Field::OifIndex | Field::MonthDay));
    let from: Vec<Value> = std::iter::once(first).chain(starts.iter().copied().filter(|v| *v > first)).collect();
    let one = |(i, lo): (usize, &Value)| {
        let hi = from.get(i + 1).map_or(top, |next| next - 1);
        let text = |v| field.print(v, family);
        let label = match (*lo == hi, hi == top) {
            (true, _) => text(*lo),
            (false, true) if *lo == 0 => "any value".to_string(),
            (false, true) if !matches!(field, Field::Hour | Field::Day) => format!("{} or more", text(*lo)),
            (false, _) => format!("{}-{}", text(*lo), text(hi)),
        };
        Choice::new(*lo, label)
    };
    from.iter().enumerate().map(one).collect()
}

/// Collects where the answers of the rules' tests of a field change.
struct Ends<'a> {
    model: &'a Model,
    field: Field,
    starts: BTreeSet<Value>,
}

impl Ends<'_> {
    fn collect(&mut self) {
        let model = self.model;
        for op in &model.ops {
            if let Op::Test(t) = op {
                self.test(*t);
            }
        }
        for lookup in &model.lookups {
            self.lookup(lookup);
        }
        if matches!(self.field, Field::Iif | Field::Oif | Field::PhysIn | Field::PhysOut) {
            let bases = model.bases.iter().filter_map(|c| model.chain(*c).base.as_ref());
            self.starts.extend(bases.flat_map(|b| b.devices.iter().copied()));
        }
    }

    fn range(&mut self, lo: Value, hi: Value) {
        if self.starts.len() <= ANSWERS {
            self.starts.insert(lo);
            if self.field.show() != Show::Dev {
                self.starts.extend(hi.checked_add(1));
            }
        }
    }

    /// A masked comparison with all bits is one value; with fewer its value stands for what fits.
    fn masked(&mut self, mask: Value, value: Value) {
        if mask & ones(self.field.bits()) == ones(self.field.bits()) {
            self.range(value, value);
        } else {
            self.starts.insert(value);
        }
    }

    fn reads(&self, expr: ExprId) -> bool {
        match self.model.expr(expr) {
            Expr::Field(f) => f == self.field,
            Expr::Fib(fib) => match fib.result {
                FibResult::OifName => self.field == Field::Oif,
                FibResult::Oif => self.field == Field::OifIndex,
                FibResult::Present | FibResult::Type => false,
            },
            _ => false,
        }
    }

    fn test(&mut self, test: Test) {
        let model = self.model;
        match test {
            Test::Masked { field, mask, value, .. } if field == self.field => self.masked(mask.into(), value.into()),
            Test::Range { field, lo, hi, .. } if field == self.field => self.range(lo.into(), hi.into()),
            Test::Wide { field, wide, .. } if field == self.field => {
                let (mask, value) = model.wides[wide.0 as usize];
                self.masked(mask, value);
            }
            Test::In { expr, values, .. } if self.reads(expr) => {
                for (lo, hi) in model.values[values.0 as usize].ranges() {
                    self.range(*lo, *hi);
                }
            }
            Test::Relation { left, right, .. } => {
                for (a, b) in [(left, right), (right, left)] {
                    if let (true, Expr::Const(v)) = (self.reads(a), model.expr(b)) {
                        self.range(v, v);
                    }
                }
            }
            Test::Not(t) => self.test(model.test(t)),
            Test::AllOf(l) | Test::AnyOf(l) => {
                for t in &model.test_lists[l.range()] {
                    self.test(model.test(*t));
                }
            }
            _ => {}
        }
    }

    /// The part of the keys of a set or map that the field is looked up with.
    fn lookup(&mut self, lookup: &Lookup) {
        let model = self.model;
        let LookupKey::Exprs(exprs) = &lookup.key else { return };
        let mut parts = Vec::new();
        for e in exprs {
            match model.expr(*e) {
                Expr::Concat(list) => parts.extend_from_slice(&model.expr_lists[list.range()]),
                _ => parts.push(*e),
            }
        }
        let Contents::Elements(elements) = &model.set(lookup.set).contents else { return };
        let read: Vec<usize> = (0..parts.len()).filter(|i| self.reads(parts[*i])).collect();
        for i in read {
            for element in 0..elements.len() as u32 {
                match elements.key(element).get(i) {
                    Some((lo, hi)) if lo <= hi => self.range(*lo, *hi),
                    _ => {}
                }
                if self.starts.len() > ANSWERS {
                    return;
                }
            }
        }
    }
}
