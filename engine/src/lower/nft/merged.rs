//! Comparisons that nft 1.0.6 loads as one: `tcp sport != 5 tcp dport != 6` holds there when either port differs, and is listed
//! as the two all the same.
//!
//! It does so with two fields that are neighbours in a header, wherever in the rule they stand, when both are compared with
//! `!=` and one value (`payload_can_merge`; each pair was tried). Two fields of 32 bits at most are left alone when they are
//! wider together. Left out: raw bytes, which are listed as one where they were loaded as one.

use nettrace_grammar::nft::print::stmt_text;
use nettrace_grammar::nft::tree::{Expr as Written, Rel, Rule, Stmt, StmtKind};

use super::cx::Cx;

/// Fields that are neighbours, with their widths in bits.
const NEIGHBOURS: &[&[(&str, u32)]] = &[
    &[("ether daddr", 48), ("ether saddr", 48), ("ether type", 16)],
    &[
        ("arp htype", 16),
        ("arp ptype", 16),
        ("arp hlen", 8),
        ("arp plen", 8),
        ("arp operation", 16),
        ("arp saddr ether", 48),
    ],
    &[("arp saddr ether", 48), ("arp saddr ip", 32), ("arp daddr ether", 48), ("arp daddr ip", 32)],
    &[("ip length", 16), ("ip id", 16), ("ip frag-off", 16), ("ip ttl", 8), ("ip protocol", 8), ("ip checksum", 16)],
    &[("ip6 length", 16), ("ip6 nexthdr", 8), ("ip6 hoplimit", 8)],
    &[("tcp sport", 16), ("tcp dport", 16)],
    &[("tcp flags", 8), ("tcp window", 16), ("tcp checksum", 16), ("tcp urgptr", 16)],
    &[("udp sport", 16), ("udp dport", 16), ("udp length", 16), ("udp checksum", 16)],
    &[("udplite sport", 16), ("udplite dport", 16)],
    &[("sctp sport", 16), ("sctp dport", 16)],
    &[("dccp sport", 16), ("dccp dport", 16)],
    &[("icmp type", 8), ("icmp code", 8), ("icmp checksum", 16), ("icmp id", 16), ("icmp sequence", 16)],
    &[("icmpv6 type", 8), ("icmpv6 code", 8), ("icmpv6 checksum", 16), ("icmpv6 id", 16), ("icmpv6 sequence", 16)],
    &[("ah nexthdr", 8), ("ah hdrlength", 8), ("ah reserved", 16)],
    &[("comp nexthdr", 8), ("comp flags", 8), ("comp cpi", 16)],
];

/// Whether two neighbours of these widths become one.
fn merges(a: u32, b: u32) -> bool {
    a + b <= if a > 32 || b > 32 { 128 } else { 32 }
}

impl Cx<'_> {
    /// Warns of the first two comparisons of a rule that may be loaded as one.
    pub(super) fn warn_of_merged(&mut self, rule: &Rule) {
        let negated = |s: &&Stmt| matches!(s.kind, StmtKind::Match { op: Rel::Ne | Rel::Not, .. });
        let negated = rule.stmts.of(&self.tree.stmts).iter().filter(negated);
        if negated.clone().count() < 2 {
            return;
        }
        let differ: Vec<(&str, &Stmt)> = negated.filter_map(|s| self.differs(s)).collect();
        let of = |field: &str| differ.iter().find(|d| d.0 == field).map(|d| d.1);
        let mut pairs = NEIGHBOURS.iter().flat_map(|header| header.windows(2)).filter(|w| merges(w[0].1, w[1].1));
        if let Some((a, b)) = pairs.find_map(|w| of(w[0].0).zip(of(w[1].0))) {
            let (one, other) = (stmt_text(self.tree, a), stmt_text(self.tree, b));
            let text = format!(
                "`{one}` and `{other}` must both hold here; nft 1.0.6 loads them as one comparison, which holds when either does"
            );
            self.warn_as("NT303", b.span, text);
        }
    }

    /// The selector of a statement that compares a field with one value.
    fn differs<'s>(&mut self, stmt: &'s Stmt) -> Option<(&'static str, &'s Stmt)> {
        let StmtKind::Match { lhs, rhs, .. } = stmt.kind else { return None };
        let Written::Sel(name) = self.tree.expr(lhs) else { return None };
        let row = self.row(name)?;
        let rhs = self.resolve(rhs);
        let single = !matches!(self.tree.expr(rhs), Written::Set(_) | Written::SetRef(_))
            && matches!(self.ranges(row.kind, rhs).as_deref(), Some([(lo, hi)]) if lo == hi);
        single.then_some((row.text, stmt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::nft::fields;

    #[test]
    fn neighbours_are_selectors() {
        for (name, _) in NEIGHBOURS.iter().flat_map(|header| header.iter()) {
            assert!(fields::row(name).is_some(), "{name}");
        }
    }
}
