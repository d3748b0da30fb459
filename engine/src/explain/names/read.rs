//! What labels read out of rules: comments, the chain that is jumped to, a DNAT's target, the port that is asked for.

use crate::field::{Field, Value, to_address};
use crate::model::{BinOp, ChainId, Effect, Expr, ExprId, Family, Model, NatKind, Op, RuleId, Test, Verdict};

use super::Labels;

impl<'m> Labels<'m> {
    /// The model.
    pub(crate) fn model(&self) -> &'m Model {
        self.model
    }

    /// A chain's name.
    pub(super) fn name(&self, chain: ChainId) -> &'m str {
        self.model.chain_name(chain)
    }

    /// A rule's comment, empty without one.
    pub(super) fn comment(&self, rule: RuleId) -> &'m str {
        self.model.rule(rule).comment.map_or("", |c| self.model.name(c))
    }

    /// The comments of a chain's rules, then those of the rules that lead to it.
    pub(super) fn comments(&self, chain: ChainId) -> impl Iterator<Item = &'m str> {
        let own = self.model.chain(chain).rules.iter();
        let callers = std::iter::once_with(move || self.callers(chain)).flatten().copied();
        own.chain(callers).map(|r| self.comment(r)).filter(|c| !c.is_empty())
    }

    /// The rules that lead to a chain.
    pub(super) fn callers_of(&self, chain: ChainId) -> &[RuleId] {
        self.callers(chain)
    }

    /// The chain that a rule jumps or goes to by itself, not by a map.
    pub(super) fn jump(&self, rule: RuleId) -> Option<ChainId> {
        self.model.rule_ops(rule).iter().find_map(|op| match op {
            Op::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) => Some(*to),
            _ => None,
        })
    }

    /// The target of the first DNAT in a chain: `10.244.166.136:8200`.
    pub(super) fn endpoint(&self, chain: ChainId) -> Option<String> {
        self.model.chain(chain).rules.iter().find_map(|r| self.dnat(r))
    }

    /// The target of a rule's DNAT.
    pub(super) fn dnat(&self, rule: RuleId) -> Option<String> {
        let nat = self.model.rule_ops(rule).iter().find_map(|op| match op {
            Op::Effect(e) => match self.model.effect(*e) {
                Effect::Nat(n) if n.kind == NatKind::Dnat => Some(n),
                _ => None,
            },
            _ => None,
        })?;
        let addr = self.constant(nat.addr?.0)?;
        let shown = to_address(addr, self.family(rule));
        let port = nat.port.and_then(|(low, _)| self.constant(low));
        Some(match (port, shown.is_ipv6()) {
            (Some(port), true) => format!("[{shown}]:{port}"),
            (Some(port), false) => format!("{shown}:{port}"),
            (None, _) => shown.to_string(),
        })
    }

    /// 10 when the rule stands in an IPv6 table, else 2.
    fn family(&self, rule: RuleId) -> Value {
        let table = self.model.table_of(self.model.rule(rule).chain);
        if table.family == Family::Ip6 { 10 } else { 2 }
    }

    fn constant(&self, expr: ExprId) -> Option<Value> {
        match self.model.expr(expr) {
            Expr::Const(v) => Some(v),
            _ => None,
        }
    }

    /// The single value that a rule asks a field to have.
    pub(super) fn wanted(&self, rule: RuleId, field: Field) -> Option<Value> {
        self.model.wanted(rule, field)
    }

    /// The incoming device that a rule asks for.
    pub(super) fn wanted_device(&self, rule: RuleId) -> Option<Value> {
        self.model.rule_ops(rule).iter().find_map(|op| match op {
            Op::Test(Test::Wide { field: Field::Iif, neg: false, wide }) => {
                self.model.wides.get(wide.0 as usize).map(|(_, value)| *value)
            }
            _ => None,
        })
    }

    /// Whether a rule asks for a source address.
    pub(super) fn asks_source(&self, rule: RuleId) -> bool {
        self.model.rule_ops(rule).iter().any(|op| match op {
            Op::Test(Test::Masked { field, .. } | Test::Wide { field, .. } | Test::Range { field, .. }) => {
                *field == Field::Saddr
            }
            _ => false,
        })
    }

    /// The mark bits that a rule sets; `None` when it writes no mark.
    pub(super) fn mark_bits(&self, rule: RuleId) -> Option<u32> {
        self.model.rule_ops(rule).iter().find_map(|op| match op {
            Op::Set { field: Field::Mark, expr, .. } => self.set_bits(*expr),
            _ => None,
        })
    }

    fn set_bits(&self, expr: ExprId) -> Option<u32> {
        match self.model.expr(expr) {
            Expr::Const(v) => u32::try_from(v).ok(),
            Expr::Bin(BinOp::Or, _, bits) => self.constant(bits).and_then(|v| u32::try_from(v).ok()),
            // `(mark & keep) ^ bits`: what is kept and flipped is no setting.
            Expr::Bin(BinOp::Xor, kept, bits) => {
                let keep = match self.model.expr(kept) {
                    Expr::Bin(BinOp::And, _, keep) => self.constant(keep)?,
                    _ => Value::MAX,
                };
                self.constant(bits).and_then(|v| u32::try_from(v & !keep).ok())
            }
            _ => None,
        }
    }
}

/// The first word that is `namespace/name`, `namespace/name:port` or the like.
pub(super) fn namespaced(comment: &str) -> Option<&str> {
    let plain = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let named = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:_".contains(&b));
    let word = |w: &&str| w.split_once('/').is_some_and(|(ns, name)| plain(ns) && named(name));
    comment.split(' ').find(word)
}

/// The text between two marks: `between("a POD name:x y", "name:", " ")` is `x`.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after).map_or(rest, |(found, _)| found).trim())
}
