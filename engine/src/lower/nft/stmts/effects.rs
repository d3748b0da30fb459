//! Statements that are one effect: `log`, `notrack`, `tproxy`, `dup`, `fwd`, `queue`, `synproxy`, `flow add`, `reset`.

#![allow(clippy::unnecessary_wraps)] // The registry's type: a statement may be not understood.

use nettrace_grammar::nft::tree::{Expr as Written, ExprId as WrittenId};

use super::super::cx::Cx;
use super::super::kind::Kind;
use crate::field::Field;
use crate::model::*;

pub(super) fn nothing(_: &mut Cx, _: &[WrittenId]) -> Option<()> {
    Some(())
}

pub(super) fn comment(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    let text = args.first().and_then(|a| cx.tree.word(*a))?;
    cx.draft.comment = Some(cx.model.names.intern(text));
    Some(())
}

pub(super) fn log(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    let prefix = cx.after(args, "prefix").and_then(|p| cx.tree.word(cx.resolve(p)));
    let prefix = prefix.map(|p| cx.model.names.intern(p));
    let kind = cx.model.names.intern(if cx.after(args, "group").is_some() { "NFLOG" } else { "LOG" });
    let op = cx.model.effect_op(Effect::Log { kind, prefix });
    cx.op(op);
    Some(())
}

pub(super) fn notrack(cx: &mut Cx, _: &[WrittenId]) -> Option<()> {
    let op = cx.model.effect_op(Effect::Notrack);
    cx.op(op);
    Some(())
}

pub(super) fn synproxy(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    cx.need_conntrack();
    if let Some(Written::Map(key, map)) = cx.target_of(args).map(|name| cx.tree.expr(name)) {
        cx.object_of(ObjectKind::Other, key, map)?;
    }
    let op = cx.model.effect_op(Effect::Synproxy { loose: true });
    cx.op(op);
    Some(())
}

pub(super) fn flow(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    let Written::SetRef(name) = cx.tree.expr(*args.first()?) else { return None };
    cx.need_conntrack();
    let table = cx.model.names.intern(cx.text(name));
    let op = cx.model.effect_op(Effect::Offload { table });
    cx.op(op);
    Some(())
}

pub(super) fn reset(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    let Written::Sel(name) = cx.tree.expr(*args.first()?) else { return None };
    let operand = cx.special(cx.text(name))?;
    let super::super::expr::Shape::Exists(id) = operand.shape else { return None };
    let Expr::TcpOption { kind, .. } = cx.model.expr(id) else { return None };
    // Whether the option is there does not matter, but TCP's header has to be.
    cx.need(Field::Proto, 6);
    let whole = cx.model.masked_test(Field::FragOffset, false, 0x1fff, 0);
    cx.test(whole);
    cx.op(Op::Need(Header::TcpOrFail));
    let op = cx.model.effect_op(Effect::Strip(vec![kind]));
    cx.op(op);
    Some(())
}

/// The kind of addresses that `ip` or `ip6` among the words, or the table, tells.
fn address_kind(cx: &Cx, args: &[WrittenId]) -> Kind {
    let words = cx.words(args);
    match cx.family {
        _ if words.contains(&"ip") => Kind::Ip4,
        _ if words.contains(&"ip6") => Kind::Ip6,
        Family::Ip => Kind::Ip4,
        Family::Ip6 => Kind::Ip6,
        _ => Kind::Any,
    }
}

pub(super) fn tproxy(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    let kind = address_kind(cx, args);
    let (addr, port) = match cx.target_of(args).map(|t| (t, cx.tree.expr(t))) {
        Some((_, Written::AddrPort(a, p))) => (Some(a), Some(p)),
        Some((_, Written::Port(p))) => (None, Some(p)),
        Some((t, _)) => (Some(t), None),
        None => return None,
    };
    let families = match kind {
        Kind::Ip4 => 1,
        Kind::Ip6 => 2,
        _ => 3,
    };
    cx.model.need_defrag(families & cx.families());
    match kind {
        Kind::Ip4 => cx.need_family(2),
        Kind::Ip6 => cx.need_family(10),
        _ => {}
    }
    let addr = addr.map(|a| cx.value_expr(kind, a));
    let port = port.map(|p| cx.value_expr(Kind::Port, p));
    if addr == Some(None) || port == Some(None) {
        return None;
    }
    let effect = Effect::Tproxy { addr: addr.flatten(), port: port.flatten(), mark: None, drops: false };
    let op = cx.model.effect_op(effect);
    cx.op(op);
    Some(())
}

/// The argument behind `device`.
fn device(cx: &mut Cx, args: &[WrittenId]) -> Option<ExprId> {
    let device = cx.after(args, "device")?;
    cx.value_expr(Kind::Ifname, device)
}

pub(super) fn dup(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    let target = cx.target_of(args)?;
    let netdev = cx.family == Family::Netdev;
    let kind = if netdev { Kind::Ifname } else { address_kind(cx, args) };
    let to = cx.value_expr(kind, target);
    let device = device(cx, args);
    let effect = if netdev { Effect::Dup { to: None, device: to } } else { Effect::Dup { to, device } };
    let op = cx.model.effect_op(effect);
    cx.op(op);
    Some(())
}

pub(super) fn fwd(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    let target = cx.target_of(args)?;
    let device = match device(cx, args) {
        Some(device) => device,
        None => cx.value_expr(Kind::Ifname, target)?,
    };
    let op = cx.model.effect_op(Effect::Fwd { device });
    cx.op(op);
    Some(())
}

pub(super) fn queue(cx: &mut Cx, args: &[WrittenId]) -> Option<()> {
    let bypass = cx.words(args).contains(&"bypass");
    let direct = args.iter().find(|a| matches!(cx.tree.expr(**a), Written::Num(_) | Written::Range(..))).copied();
    let num = cx.target_of(args).or(direct).and_then(|t| cx.ranges(Kind::Int, t));
    let num = num.and_then(|r| r.first().and_then(|r| u16::try_from(r.0).ok())).unwrap_or(0);
    cx.op(Op::Verdict(Verdict::Queue { num, bypass }));
    Some(())
}
