//! Expressions: selectors with what they need in front, operators, maps, and values to be written.

use nettrace_grammar::nft::tree::{self, Expr as Written, ExprId as WrittenId};

use super::cx::{Cx, DataKind};
use super::fields::{Needs, Row, Source};
use super::kind::Kind;
use crate::field::{Field, Value};
use crate::model::*;

/// The left side of a comparison, or a part of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) shape: Shape,
    pub(super) kind: Kind,
    pub(super) bits: u32,
}

/// What it reads, in the most telling form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A field.
    Field(Field),
    /// A field with a mask.
    Masked(Field, Value),
    /// Bits of a field: the field, the shift, the number of bits.
    Part(Field, u32, u32),
    /// Whether something exists.
    Exists(ExprId),
    /// Anything else.
    Expr(ExprId),
}

impl Cx<'_> {
    /// Reads an operand and adds the tests that it needs.
    pub(super) fn operand(&mut self, id: WrittenId) -> Option<Operand> {
        match self.tree.expr(id) {
            Written::Sel(name) => match self.row(name) {
                Some(row) => Some(self.selected(row)),
                None => self.special(self.text(name)),
            },
            Written::Bin(op, _, a, b) => self.binary(op, a, b),
            Written::Paren(inner) => self.operand(inner),
            Written::Hash(run) => self.jhash(run),
            _ => None,
        }
    }

    fn selected(&mut self, row: &Row) -> Operand {
        self.needs(row.needs);
        let shape = match row.source {
            Source::Field(f) => Shape::Field(f),
            Source::Part(f, shift, bits) => Shape::Part(f, shift, bits),
            Source::Bytes(Base::Transport, offset @ (0 | 16), 16) if row.kind == Kind::Port && self.has_ports => {
                Shape::Field(if offset == 0 { Field::Sport } else { Field::Dport })
            }
            Source::Bytes(base, offset, bits) => Shape::Expr(self.model.push_expr(Expr::Bytes { base, offset, bits })),
            Source::Sum(a, b) => Shape::Expr(self.sum(&[a, b])),
            Source::Average(bytes, packets) => {
                let (bytes, packets) = (self.sum(bytes), self.sum(packets));
                Shape::Expr(self.model.bin_expr(BinOp::Div, bytes, packets))
            }
        };
        let bits = match row.source {
            Source::Field(f) | Source::Sum(f, _) => f.bits(),
            Source::Average(..) => 64,
            Source::Part(_, _, bits) | Source::Bytes(_, _, bits) => bits,
        };
        Operand { shape, kind: row.kind, bits }
    }

    fn sum(&mut self, fields: &[Field]) -> ExprId {
        let exprs: Vec<ExprId> = fields.iter().map(|f| self.model.field_expr(*f)).collect();
        let add = |a, b| self.model.bin_expr(BinOp::Add, a, b);
        exprs.into_iter().reduce(add).unwrap_or_else(|| self.model.const_expr(0))
    }

    /// The tests that nft puts in front (semantics.md 9.2).
    pub(super) fn needs(&mut self, needs: Needs) {
        if needs.ct {
            self.need_conntrack();
        }
        if needs.ether && !matches!(self.family, Family::Bridge | Family::Netdev) {
            self.need(Field::IifType, 1);
        }
        if let Some(family) = needs.family {
            self.need_family(family);
        }
        if let Some(proto) = needs.proto {
            self.need(Field::Proto, proto.into());
        }
        if !needs.icmp.is_empty() {
            let types = Values::new(needs.icmp.iter().map(|t| (Value::from(*t), Value::from(*t))));
            let test = self.model.field_test(Field::IcmpType, false, types);
            self.test(test);
        }
        if needs.arp && self.family != Family::Arp {
            self.need(Field::EtherType, 0x0806);
        }
        if needs.route {
            let realm = self.model.field_expr(Field::Realm);
            self.test(Test::Exists(realm));
        }
        if let Some(family) = needs.ct_family {
            self.need(Field::CtL3Proto, family.into());
        }
    }

    fn binary(&mut self, op: tree::BinOp, a: WrittenId, b: WrittenId) -> Option<Operand> {
        let left = self.operand(a)?;
        if let Some(constant) = self.constant(left.kind, b) {
            if op == tree::BinOp::And
                && let Shape::Field(f) = left.shape
            {
                return Some(Operand { shape: Shape::Masked(f, constant), ..left });
            }
            let (l, r) = (self.expr(left.shape), self.model.const_expr(constant));
            return Some(Operand { shape: Shape::Expr(self.model.bin_expr(bin_op(op)?, l, r)), ..left });
        }
        let right = self.operand(b)?;
        let (l, r) = (self.expr(left.shape), self.expr(right.shape));
        Some(Operand { shape: Shape::Expr(self.model.bin_expr(bin_op(op)?, l, r)), ..left })
    }

    /// The operand as an expression.
    pub(super) fn expr(&mut self, shape: Shape) -> ExprId {
        match shape {
            Shape::Field(f) => self.model.field_expr(f),
            Shape::Masked(f, mask) => {
                let (f, mask) = (self.model.field_expr(f), self.model.const_expr(mask));
                self.model.bin_expr(BinOp::And, f, mask)
            }
            Shape::Part(f, shift, bits) => {
                let mut e = self.model.field_expr(f);
                if shift > 0 {
                    let by = self.model.const_expr(shift.into());
                    e = self.model.bin_expr(BinOp::Shr, e, by);
                }
                if shift + bits < f.bits() {
                    let mask = self.model.const_expr(ones(bits));
                    e = self.model.bin_expr(BinOp::And, e, mask);
                }
                e
            }
            Shape::Exists(e) => self.model.push_expr(Expr::Exists(e)),
            Shape::Expr(e) => e,
        }
    }

    /// The parts of a key as expressions. What a set's type tells lets constants stand among them: `ip saddr . "lo" @s`.
    fn key_parts(&mut self, id: WrittenId, set: Option<SetId>) -> Option<(Vec<Kind>, Vec<ExprId>)> {
        let Written::Concat(run) = self.tree.expr(id) else {
            let one = self.operand(id)?;
            return Some((vec![one.kind], vec![self.expr(one.shape)]));
        };
        let declared = set.and_then(|s| self.types.get(&s)).map(|t| t.key.clone()).unwrap_or_default();
        let mut parts = (Vec::new(), Vec::new());
        for (i, part) in run.of(&self.tree.lists).iter().enumerate() {
            let (kind, expr) = if let Some(one) = self.operand(*part) {
                (one.kind, self.expr(one.shape))
            } else {
                let kind = *declared.get(i)?;
                let value = self.constant(kind, *part)?;
                (kind, self.model.const_expr(value))
            };
            parts.0.push(kind);
            parts.1.push(expr);
        }
        Some(parts)
    }

    /// The parts of a key: one operand, or a concatenation's.
    pub(super) fn operands(&mut self, id: WrittenId) -> Option<Vec<Operand>> {
        match self.tree.expr(id) {
            Written::Concat(run) => run.of(&self.tree.lists).iter().map(|e| self.operand(*e)).collect(),
            _ => Some(vec![self.operand(id)?]),
        }
    }

    /// `key map { … }`: a lookup in an anonymous or named map.
    pub(super) fn lookup(&mut self, key: WrittenId, map: WrittenId, data: &DataKind) -> Option<LookupId> {
        let map = self.resolve(map);
        let named = match self.tree.expr(map) {
            Written::SetRef(name) => Some(self.set_named(name)?),
            _ => None,
        };
        let (kinds, parts) = self.key_parts(key, named)?;
        let set = match (named, self.tree.expr(map)) {
            (Some(set), _) => set,
            (None, Written::Set(run)) => self.anonymous_set(&kinds, data, run),
            _ => return None,
        };
        let key = LookupKey::Exprs(parts);
        Some(self.model.push_lookup(Lookup { set, key }))
    }

    /// A value to be written or compared with.
    pub(super) fn value_expr(&mut self, kind: Kind, id: WrittenId) -> Option<ExprId> {
        if let Some(value) = self.constant(kind, id).filter(|_| !matches!(self.tree.expr(id), Written::Sel(_))) {
            return Some(self.model.const_expr(value));
        }
        match self.tree.expr(id) {
            Written::Map(key, map) => {
                let lookup = self.lookup(key, map, &DataKind::Values(vec![kind]))?;
                Some(self.model.push_expr(Expr::Map { lookup, part: 0, upper: false }))
            }
            Written::Bin(op, _, a, b) => {
                let (a, b) = (self.value_expr(kind, a)?, self.value_expr(kind, b)?);
                Some(self.model.bin_expr(bin_op(op)?, a, b))
            }
            Written::Paren(inner) => self.value_expr(kind, inner),
            Written::Var(_) => {
                let value = self.resolve(id);
                (value != id).then(|| self.value_expr(kind, value)).flatten()
            }
            _ => {
                let operand = self.operand(id)?;
                Some(self.expr(operand.shape))
            }
        }
    }

    /// Whether an expression has always a value.
    pub(super) fn is_total(&self, id: ExprId) -> bool {
        match self.model.expr(id) {
            Expr::Const(_) | Expr::Exists(_) | Expr::Fib(_) | Expr::Numgen { .. } => true,
            Expr::Field(f) => f.is_total(),
            Expr::Bin(_, a, b) => self.is_total(a) && self.is_total(b),
            _ => false,
        }
    }
}

fn bin_op(op: tree::BinOp) -> Option<BinOp> {
    Some(match op {
        tree::BinOp::And => BinOp::And,
        tree::BinOp::Or => BinOp::Or,
        tree::BinOp::Xor => BinOp::Xor,
        tree::BinOp::Shl => BinOp::Shl,
        tree::BinOp::Shr => BinOp::Shr,
        tree::BinOp::Add | tree::BinOp::Sub => return None,
    })
}
