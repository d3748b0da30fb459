//! Written values to ranges of numbers: `80-90`, `10.0.0.0/8`, `syn|ack`, `"eth*"`, `$lan`.

use nettrace_grammar::nft::tree::{BinOp, Expr, ExprId};

use super::cx::Cx;
use super::kind::{Kind, device};
use crate::field::Value;
use crate::limits;
use crate::model::{Values, ones};

type Range = (Value, Value);

impl Cx<'_> {
    /// The ranges that a value stands for; `None` when a part of it is not understood.
    pub(super) fn ranges(&mut self, kind: Kind, id: ExprId) -> Option<Vec<Range>> {
        let mut out = Vec::new();
        self.add_ranges(kind, id, &mut out)?;
        Some(out)
    }

    /// The same as a set of values.
    pub(super) fn values(&mut self, kind: Kind, id: ExprId) -> Option<Values> {
        Some(Values::new(self.ranges(kind, id)?))
    }

    fn add_ranges(&mut self, kind: Kind, id: ExprId, out: &mut Vec<Range>) -> Option<()> {
        if out.len() > limits::VALUES {
            return None;
        }
        match self.tree.expr(id) {
            Expr::Range(a, b) => match (self.bounds(kind, a)?.0, self.bounds(kind, b)?.1) {
                // Across midnight, in the zone of whoever listed it.
                (lo, hi) if lo > hi && kind == Kind::Hour => out.extend([(0, hi), (lo, 86_399)]),
                (lo, hi) if lo > hi => {
                    self.backwards = true;
                    return None;
                }
                range => out.push(range),
            },
            Expr::Prefix(a, b) => out.push(self.prefix(kind, a, b)?),
            Expr::Set(run) => {
                for element in run.of(&self.tree.elements) {
                    if element.data.is_some() || !element.opts.is_empty() {
                        return None;
                    }
                    self.add_ranges(kind, element.key, out)?;
                }
            }
            Expr::Var(_) => {
                let value = self.resolve(id);
                if value == id || self.depth >= limits::VARIABLES {
                    return None;
                }
                self.depth += 1;
                let done = self.add_ranges(kind, value, out);
                self.depth -= 1;
                return done;
            }
            _ => out.push(self.bounds(kind, id)?),
        }
        Some(())
    }

    /// A single value, or the ends of a device prefix.
    fn bounds(&mut self, kind: Kind, id: ExprId) -> Option<Range> {
        match self.tree.expr(id) {
            Expr::Num(n) if kind == Kind::Ifname => Some(device(&n.to_string())),
            Expr::Num(n) if kind == Kind::CtLabel => (n < 128).then(|| (1 << n, 1 << n)),
            Expr::Num(n) => Some((n.into(), n.into())),
            Expr::Ip4(n) => Some((n.into(), n.into())),
            Expr::Word(n) | Expr::Str(n) => kind.word(self.text(n)),
            // A value that looks like a selector; where anything goes it is one.
            Expr::Sel(n) if kind != Kind::Any => kind.word(self.text(n)),
            Expr::Bracket(e) | Expr::Paren(e) => self.bounds(kind, e),
            Expr::Var(_) => {
                let value = self.resolve(id);
                (value != id).then(|| self.bounds(kind, value)).flatten()
            }
            Expr::List(run) => {
                let mut all = 0;
                for e in run.of(&self.tree.lists) {
                    all |= self.bounds(kind, *e)?.0;
                }
                Some((all, all))
            }
            Expr::Bin(op, _, a, b) => {
                let (a, b) = (self.bounds(kind, a)?.0, self.bounds(kind, b)?.0);
                let v = match op {
                    BinOp::And => a & b,
                    BinOp::Or => a | b,
                    BinOp::Xor => a ^ b,
                    BinOp::Shl => a.checked_shl(b as u32)?,
                    BinOp::Shr => a.checked_shr(b as u32)?,
                    BinOp::Add => a.checked_add(b)?,
                    BinOp::Sub => a.checked_sub(b)?,
                };
                Some((v, v))
            }
            _ => None,
        }
    }

    /// One value.
    pub(super) fn constant(&mut self, kind: Kind, id: ExprId) -> Option<Value> {
        let (lo, hi) = self.bounds(kind, id)?;
        (lo == hi).then_some(lo)
    }

    /// `10.0.0.0/8`, `fe80::/64`, `0x80000000/1`, `10.0.0.0/255.0.0.0`.
    fn prefix(&mut self, kind: Kind, a: ExprId, b: ExprId) -> Option<Range> {
        let value = self.constant(kind, a)?;
        let width = match kind {
            Kind::Any if matches!(self.tree.expr(a), Expr::Ip4(_)) => 32,
            other => other.bits(),
        };
        let length = match self.tree.expr(self.resolve(b)) {
            Expr::Num(n) => n,
            Expr::Ip4(mask) if mask.leading_ones() + mask.trailing_zeros() == 32 => mask.leading_ones(),
            _ => return None,
        };
        let host = ones(width.checked_sub(length)?);
        Some((value & !host, value | host))
    }
}
