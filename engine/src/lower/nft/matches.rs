//! Comparisons: `tcp dport { 22, 80-90 }`, `ct state established,related`, `ip saddr != @s`, `tcp flags syn / fin,syn`.

use nettrace_grammar::nft::tree::{self, Expr as Written, ExprId as WrittenId, Rel};

use super::cx::{Cx, DataKind, has_ports};
use super::expr::{Operand, Shape};
use super::kind::Kind;
use crate::field::{Field, Value};
use crate::model::*;

impl Cx<'_> {
    /// Adds the tests of a comparison; `None` when a part of it is not understood.
    pub(super) fn comparison(&mut self, lhs: WrittenId, op: Rel, rhs: WrittenId) -> Option<()> {
        let rhs = self.resolve(rhs);
        let neg = matches!(op, Rel::Ne | Rel::Not);
        let by_set =
            matches!(self.tree.expr(rhs), Written::SetRef(_)) || matches!(self.tree.expr(lhs), Written::Concat(_));
        if by_set || self.has_options(rhs) {
            let lookup = self.set_lookup(lhs, rhs)?;
            self.test(Test::Lookup { neg, lookup });
            return Some(());
        }
        if let Some(test) = self.random_chance(lhs, op, rhs) {
            self.test(test);
            return Some(());
        }
        let mut left = self.operand(lhs)?;
        if let Some(test) = self.existence(&left, op, rhs) {
            self.test(test);
            return Some(());
        }
        if left.kind == Kind::Ifindex {
            left = self.by_index(left, rhs)?;
        }
        let test = match self.plain(&left, op, rhs) {
            Some(test) => test,
            None => self.relation(left, op, rhs)?,
        };
        self.note(&left, test);
        self.test(test);
        Some(())
    }

    /// `meta random < 1000`, `meta random & 7 == 0`: a chance, whose odds are the share of the numbers that fit.
    fn random_chance(&mut self, lhs: WrittenId, op: Rel, rhs: WrittenId) -> Option<Test> {
        let (selector, top) = match self.tree.expr(lhs) {
            Written::Bin(tree::BinOp::And, _, a, mask) => (a, self.constant(Kind::Int, mask)?),
            _ => (lhs, ones(32)),
        };
        let Written::Sel(name) = self.tree.expr(selector) else { return None };
        let low_bits = top & (top + 1) == 0;
        if self.text(name) != "meta random" || !low_bits {
            return None;
        }
        let values = self.values(Kind::Int, rhs)?;
        let values = match op {
            Rel::Implicit | Rel::Eq | Rel::Ne | Rel::Not => values,
            _ => ordered(op, values.single()?, top),
        };
        let fit = |(lo, hi): &(Value, Value)| (top + 1).min(hi + 1).saturating_sub(*lo);
        let share = values.ranges().iter().map(fit).sum::<Value>() * (1 << 31) / (top + 1);
        Some(Test::Chance { neg: matches!(op, Rel::Ne | Rel::Not), odds: u32::try_from(share).ok()? })
    }

    /// Elements with statements or comments need a set of their own; plain ones are a set of values.
    fn has_options(&self, rhs: WrittenId) -> bool {
        match self.tree.expr(rhs) {
            Written::Set(run) => run.of(&self.tree.elements).iter().any(|e| {
                let more = e.opts.of(&self.tree.stmts).iter();
                more.clone().count() > 0 || matches!(self.tree.expr(e.key), Written::Star)
            }),
            _ => false,
        }
    }

    fn set_lookup(&mut self, lhs: WrittenId, rhs: WrittenId) -> Option<LookupId> {
        if matches!(self.tree.expr(rhs), Written::Set(_) | Written::SetRef(_)) {
            return self.lookup(lhs, rhs, &DataKind::None);
        }
        let parts = self.operands(lhs)?;
        let kinds: Vec<Kind> = parts.iter().map(|p| p.kind).collect();
        let set = self.single_element_set(&kinds, rhs)?;
        let key = LookupKey::Exprs(parts.iter().map(|p| self.expr(p.shape)).collect());
        Some(self.model.push_lookup(Lookup { set, key }))
    }

    /// `… exists`, `… missing`.
    fn existence(&mut self, left: &Operand, op: Rel, rhs: WrittenId) -> Option<Test> {
        let wanted = self.asks_existence(rhs)? != matches!(op, Rel::Ne | Rel::Not);
        match self.presence(left.shape, rhs) {
            Shape::Exists(e) if wanted => Some(Test::Exists(e)),
            Shape::Exists(e) => Some(self.model.not(Test::Exists(e))),
            Shape::Expr(e) if left.kind == Kind::Ifindex || left.kind == Kind::Ifname => {
                let named = matches!(self.tree.expr(rhs), Written::Word(_));
                let Expr::Fib(fib) = self.model.expr(e) else { return None };
                if !named {
                    return None;
                }
                let present = self.model.push_expr(Expr::Fib(Fib { result: FibResult::Present, ..fib }));
                Some(self.model.expr_test(present, false, Values::one(wanted.into())))
            }
            Shape::Field(f) if left.kind == Kind::Bool => {
                Some(self.model.field_test(f, false, Values::one(wanted.into())))
            }
            Shape::Expr(e) if left.kind == Kind::Bool => {
                Some(self.model.expr_test(e, false, Values::one(wanted.into())))
            }
            _ => None,
        }
    }

    /// JSON has `tcp option 255 missing` as if its first byte were `missing`.
    fn presence(&mut self, shape: Shape, rhs: WrittenId) -> Shape {
        if let Shape::Expr(e) = shape
            && let Expr::TcpOption { kind, offset: 0, bits: 8 } = self.model.expr(e)
            && matches!(self.tree.expr(rhs), Written::Word(_))
        {
            return Shape::Exists(self.model.push_expr(Expr::TcpOption { kind, offset: 0, bits: 0 }));
        }
        shape
    }

    /// `iif "eth0"` is compared by name, `iif 2` by index.
    fn by_index(&mut self, left: Operand, rhs: WrittenId) -> Option<Operand> {
        let first = match self.tree.expr(rhs) {
            Written::Set(run) => run.of(&self.tree.elements).first().map_or(rhs, |e| e.key),
            _ => rhs,
        };
        let numbers = matches!(self.tree.expr(first), Written::Num(_) | Written::Range(..));
        let shape = match left.shape {
            Shape::Field(Field::Iif) if numbers => Shape::Field(Field::IifIndex),
            Shape::Field(Field::Oif) if numbers => Shape::Field(Field::OifIndex),
            Shape::Field(Field::SdifName) if numbers => return None,
            Shape::Expr(e) if !numbers => match self.model.expr(e) {
                Expr::Fib(fib) => {
                    Shape::Expr(self.model.push_expr(Expr::Fib(Fib { result: FibResult::OifName, ..fib })))
                }
                _ => left.shape,
            },
            other => other,
        };
        let (kind, bits) = if numbers { (Kind::Int, 32) } else { (Kind::Ifname, 128) };
        Some(Operand { shape, kind, bits })
    }

    /// A comparison with constants.
    fn plain(&mut self, left: &Operand, op: Rel, rhs: WrittenId) -> Option<Test> {
        if let Written::Masked(value, mask) = self.tree.expr(rhs) {
            let (value, mask) = (self.constant(left.kind, value)?, self.constant(left.kind, mask)?);
            return Some(self.masked(left.shape, op == Rel::Ne, mask, value));
        }
        let neg = matches!(op, Rel::Ne | Rel::Not);
        let set = matches!(self.tree.expr(rhs), Written::Set(_) | Written::Range(..) | Written::Prefix(..));
        if left.kind.is_bitmask() && !set && matches!(op, Rel::Implicit | Rel::Not) {
            let bits = self.constant(left.kind, rhs)?;
            return Some(self.masked(left.shape, op == Rel::Implicit, bits, 0));
        }
        let values = match self.tree.expr(rhs) {
            Written::List(run) if !left.kind.is_bitmask() => {
                let mut all = Vec::new();
                for e in run.of(&self.tree.lists) {
                    all.extend(self.ranges(left.kind, *e)?);
                }
                Values::new(all)
            }
            Written::Sel(_) => return None,
            _ => self.values(left.kind, rhs)?,
        };
        let top = ones(left.bits);
        let values = match op {
            Rel::Implicit | Rel::Eq | Rel::Ne | Rel::Not => values,
            _ => ordered(op, values.single()?, top),
        };
        Some(self.in_values(left, neg, values))
    }

    fn in_values(&mut self, left: &Operand, neg: bool, values: Values) -> Test {
        match (left.shape, values.single()) {
            (Shape::Field(f), None) if left.kind == Kind::Ifname => match prefix(&values) {
                Some((mask, value)) => self.model.masked_test(f, neg, mask, value),
                None => self.model.field_test(f, neg, values),
            },
            (Shape::Field(f), _) => self.model.field_test(f, neg, values),
            (Shape::Masked(f, mask), Some(v)) if v & !mask == 0 => self.model.masked_test(f, neg, mask, v),
            (Shape::Part(f, shift, bits), Some(v)) if v <= ones(bits) => {
                self.model.masked_test(f, neg, ones(bits) << shift, v << shift)
            }
            (shape, _) => {
                let e = self.expr(shape);
                self.model.expr_test(e, neg, values)
            }
        }
    }

    /// `(left & mask) == value`.
    fn masked(&mut self, left: Shape, neg: bool, mask: Value, value: Value) -> Test {
        match left {
            Shape::Field(f) => self.model.masked_test(f, neg, mask, value),
            Shape::Masked(f, inner) => self.model.masked_test(f, neg, mask & inner, value),
            other => {
                let (l, m) = (self.expr(other), self.model.const_expr(mask));
                let e = self.model.bin_expr(BinOp::And, l, m);
                self.model.expr_test(e, neg, Values::one(value))
            }
        }
    }

    /// A comparison with something that is read too.
    fn relation(&mut self, left: Operand, op: Rel, rhs: WrittenId) -> Option<Test> {
        let rel = match op {
            Rel::Implicit | Rel::Eq => Relation::Eq,
            Rel::Ne | Rel::Not => Relation::Ne,
            Rel::Lt | Rel::LtWord => Relation::Lt,
            Rel::Le => Relation::Le,
            Rel::Gt | Rel::GtWord => Relation::Gt,
            Rel::Ge => Relation::Ge,
        };
        if !matches!(self.tree.expr(rhs), Written::Sel(_) | Written::Bin(..) | Written::Hash(_) | Written::Map(..)) {
            return None;
        }
        let right = self.value_expr(left.kind, rhs)?;
        let left = self.expr(left.shape);
        Some(Test::Relation { rel, left, right })
    }

    /// Remembers what a comparison settles for what follows in the rule.
    fn note(&mut self, left: &Operand, test: Test) {
        match (left.shape, test) {
            (Shape::Field(field), Test::Masked { neg: false, mask, value, .. })
                if Value::from(mask) & ones(field.bits()) == ones(field.bits()) =>
            {
                self.known.push((field, value.into()));
                self.has_ports |= field == Field::Proto && has_ports(value.into());
            }
            (Shape::Field(Field::Proto), Test::In { neg: false, values, .. }) => {
                let ranges = self.model.values[values.0 as usize].ranges();
                self.has_ports |= ranges.iter().all(|(lo, hi)| hi - lo < 8 && (*lo..=*hi).all(has_ports));
            }
            _ => {}
        }
    }
}

/// The values on one side of a bound.
fn ordered(op: Rel, bound: Value, top: Value) -> Values {
    let range = match op {
        Rel::Lt | Rel::LtWord => bound.checked_sub(1).map(|hi| (0, hi)),
        Rel::Le => Some((0, bound)),
        Rel::Gt | Rel::GtWord => bound.checked_add(1).map(|lo| (lo, top)),
        _ => Some((bound, top)),
    };
    Values::new(range)
}

/// Mask and value of a set that is one aligned prefix, as `"eth*"` is.
fn prefix(values: &Values) -> Option<(Value, Value)> {
    let [(lo, hi)] = values.ranges() else { return None };
    let host = lo ^ hi;
    (host & host.wrapping_add(1) == 0 && lo & host == 0).then_some((!host, *lo))
}
