//! Address translation: `dnat ip to 10.0.0.1:8080`, `snat to 1.2.3.4-1.2.3.9 persistent`, `dnat to tcp dport map { … }`,
//! `masquerade to :1024-2048 random`, `redirect to :8080`.

use nettrace_grammar::nft::tree::{Expr as Written, ExprId as WrittenId};

use super::super::changed::Changed;
use super::super::cx::{Cx, DataKind};
use super::super::kind::Kind;
use crate::field::Value;
use crate::model::*;

/// The ends of an address or port range.
type Ends = (ExprId, ExprId);

pub(super) fn snat(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    nat(cx, NatKind::Snat, args)
}

pub(super) fn dnat(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    nat(cx, NatKind::Dnat, args)
}

pub(super) fn masquerade(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    nat(cx, NatKind::Masquerade, args)
}

pub(super) fn redirect(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    nat(cx, NatKind::Redirect, args)
}

fn nat(cx: &mut Cx, kind: NatKind, args: &[WrittenId]) -> Option<()> {
    let words: Vec<String> = cx.words(args).into_iter().map(str::to_owned).collect();
    let has = |w: &str| words.iter().any(|x| x == w);
    let known = ["ip", "ip6", "prefix", "interval", "addr . port", "random", "fully-random", "persistent"];
    if words.iter().any(|w| !known.contains(&w.as_str())) {
        return None;
    }
    let mut out = Nat {
        kind,
        addr: None,
        port: None,
        port_base: None,
        prefix: has("prefix"),
        random: has("random"),
        fully_random: has("fully-random"),
        persistent: has("persistent"),
        family: 0,
    };
    let mut family = if has("ip") {
        2
    } else if has("ip6") {
        10
    } else {
        0
    };
    let target = cx.target_of(args);
    if family == 0 && matches!(kind, NatKind::Dnat | NatKind::Snat) {
        family = target.map_or(0, |t| literal_family(cx, t));
    }
    cx.need_nat_conntrack(family);
    let addr_kind = match (family, cx.family) {
        (10, _) | (0, Family::Ip6) => Kind::Ip6,
        (2, _) | (0, Family::Ip) => Kind::Ip4,
        _ => Kind::Any,
    };
    if let Some(target) = target {
        fill(cx, &mut out, target, addr_kind)?;
    }
    out.family = if matches!(cx.family, Family::Ip | Family::Ip6) { 0 } else { family };
    let op = cx.model.effect_op(Effect::Nat(out));
    cx.op(op);
    Some(())
}

/// The family of a literal address, 0 for none.
fn literal_family(cx: &Cx, id: WrittenId) -> u8 {
    match cx.tree.expr(cx.resolve(id)) {
        Written::Ip4(_) => 2,
        Written::Bracket(_) => 10,
        Written::Range(a, _) | Written::Prefix(a, _) | Written::AddrPort(a, _) => literal_family(cx, a),
        Written::Word(n) if cx.text(n).contains("::") => 10,
        Written::Word(n) if cx.text(n).matches(':').count() == 7 => 10,
        _ => 0,
    }
}

fn fill(cx: &mut Cx, nat: &mut Nat, target: WrittenId, kind: Kind) -> Option<()> {
    if let Some((addr, port)) = prefix_with_port(cx, target, kind) {
        let mut both = |(lo, hi)| (cx.model.const_expr(lo), cx.model.const_expr(hi));
        (nat.addr, nat.port) = (Some(both(addr)), Some(both((port, port))));
        return Some(());
    }
    let (addr, port) = match cx.tree.expr(target) {
        Written::AddrPort(a, p) => (Some(a), Some(p)),
        Written::Port(p) => (None, Some(p)),
        _ if matches!(nat.kind, NatKind::Redirect | NatKind::Masquerade) => (None, Some(target)),
        _ => (Some(target), None),
    };
    if let Some(port) = port {
        nat.port = Some(ends(cx, Kind::Port, port)?);
    }
    let Some(addr) = addr else { return Some(()) };
    if let Written::Map(key, map) = cx.tree.expr(addr) {
        return mapped(cx, nat, (key, map), kind);
    }
    if let Written::Concat(run) = cx.tree.expr(addr)
        && let [a, p] = *run.of(&cx.tree.lists)
    {
        nat.port = Some(ends(cx, Kind::Port, p)?);
        nat.addr = Some(ends(cx, kind, a)?);
        return Some(());
    }
    nat.addr = Some(ends(cx, kind, addr)?);
    Some(())
}

/// `192.168.1.100/31:80`: nft 1.0.6 lists the range 192.168.1.100-192.168.1.101 with a port so (and does not read it back).
fn prefix_with_port(cx: &mut Cx, target: WrittenId, kind: Kind) -> Option<((Value, Value), Value)> {
    let Written::Prefix(addr, behind) = cx.tree.expr(target) else { return None };
    let (length, port) = cx.tree.word(behind)?.split_once(':')?;
    let host = ones(kind.bits().checked_sub(length.parse().ok()?)?);
    let addr = cx.constant(kind, addr)?;
    let (port, _) = Kind::Port.word(port)?;
    Some(((addr & !host, addr | host), port))
}

/// `dnat to KEY map { … : ADDR [. PORT] }`.
fn mapped(cx: &mut Cx, nat: &mut Nat, (key, map): (WrittenId, WrittenId), kind: Kind) -> Option<()> {
    let lookup = cx.lookup(key, map, &DataKind::Values(vec![kind, Kind::Port]))?;
    let set = cx.model.lookup(lookup).set;
    let (parts, intervals) = shape(cx, set);
    let mut end = |part, upper| cx.model.push_expr(Expr::Map { lookup, part, upper });
    let mut both = |part| {
        let lower = end(part, false);
        (lower, if intervals { end(part, true) } else { lower })
    };
    nat.addr = Some(both(0));
    if parts > 1 {
        nat.port = Some(both(1));
    }
    Some(())
}

/// How many parts the data of a map has, and whether some are ranges.
fn shape(cx: &Cx, set: SetId) -> (usize, bool) {
    let declared = cx.types.get(&set).map_or(1, |t| match &t.data {
        DataKind::Values(kinds) => kinds.len(),
        _ => 1,
    });
    let listed = match &cx.model.set(set).contents {
        Contents::Elements(elements) => elements.shape(),
        Contents::Unknown | Contents::Ipset(_) => (0, false),
    };
    let added = cx.changed.get(&set).map_or((0, false), Changed::shape);
    (declared.max(listed.0).max(added.0), listed.1 || added.1)
}

/// The lower and the upper end of what is written.
fn ends(cx: &mut Cx, kind: Kind, id: WrittenId) -> Option<Ends> {
    if !matches!(cx.tree.expr(id), Written::Sel(_))
        && let Some([(lo, hi)]) = cx.ranges(kind, id).as_deref()
    {
        let (lo, hi) = (*lo, *hi);
        let low = cx.model.const_expr(lo);
        let high = if lo == hi { low } else { cx.model.const_expr(hi) };
        return Some((low, high));
    }
    let value = cx.value_expr(kind, id)?;
    Some((value, value))
}

impl Cx<'_> {
    /// NAT asks for connection tracking of its family.
    fn need_nat_conntrack(&mut self, family: u8) {
        match (self.family, family) {
            (Family::Inet, 2) => self.model.need_conntrack(1),
            (Family::Inet, 10) => self.model.need_conntrack(2),
            _ => self.need_conntrack(),
        }
    }
}
