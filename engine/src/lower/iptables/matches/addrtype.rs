//! `-m addrtype --dst-type LOCAL`: what kind of address it is for this host. IPv4 looks in table `local` only; IPv6 does a
//! real route lookup and ANDs scope types (UNICAST, MULTICAST) with the others.

use crate::field::{Field, Value};
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, flag, opt};
use crate::lower::iptables::values;
use crate::model::{BinOp, Expr, Fib, FibResult, Side, Test, Values, ones};

/// `-m addrtype`.
pub const MATCH: Extension = Extension::of_match(
    "addrtype",
    &[opt("--src-type").neg(), opt("--dst-type").neg(), flag("--limit-iface-in"), flag("--limit-iface-out")],
    lower,
);

/// Types with their rtnetlink numbers.
const TYPES: &[(Value, &str)] = &[
    (0, "UNSPEC"),
    (1, "UNICAST"),
    (2, "LOCAL"),
    (3, "BROADCAST"),
    (4, "ANYCAST"),
    (5, "MULTICAST"),
    (6, "BLACKHOLE"),
    (7, "UNREACHABLE"),
    (8, "PROHIBIT"),
    (9, "THROW"),
    (10, "NAT"),
    (11, "XRESOLVE"),
];

/// Where an answer is limited to a device.
#[derive(Clone, Copy)]
struct Limit {
    iif: bool,
    oif: bool,
}

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let limit = Limit { iif: given.has("--limit-iface-in"), oif: given.has("--limit-iface-out") };
    if limit.iif && limit.oif {
        return Err(given.bad("only one of `--limit-iface-in` and `--limit-iface-out` is allowed"));
    }
    let mut typed = 0;
    for arg in given.args() {
        let side = match arg.opt.name {
            "--src-type" => Side::Src,
            "--dst-type" => Side::Dst,
            _ => continue,
        };
        typed += 1;
        let read: Option<Vec<_>> = arg.text().split(',').map(|t| values::shortened(t, TYPES)).collect();
        let types = read.ok_or_else(|| arg.bad_value(arg.text()))?;
        if cx.v6() { v6(cx, arg, side, limit, &types)? } else { v4(cx, arg.neg, side, limit, &types) }
    }
    if typed == 0 { Err(given.bad("`--src-type` or `--dst-type` is missing")) } else { Ok(()) }
}

fn v4(cx: &mut Cx<'_>, neg: bool, side: Side, limit: Limit, types: &[Value]) {
    let fib = Fib { side, mark: false, iif: limit.iif, oif: limit.oif, result: FibResult::Type };
    let expr = cx.model.push_expr(Expr::Fib(fib));
    let test = cx.model.expr_test(expr, neg, Values::new(types.iter().map(|t| (*t, *t))));
    cx.test(test);
}

/// The types that ip6tables gets from a route lookup, as bits of [`Expr::AddrType6`].
const ROUTED: [Value; 3] = [2, 4, 7];

fn v6(cx: &mut Cx<'_>, arg: &Arg<'_>, side: Side, limit: Limit, types: &[Value]) -> Result<(), Bad> {
    if let Some(bad) = types.iter().find(|t| matches!(t, 3 | 6 | 8 | 9 | 10 | 11)) {
        let name = TYPES.iter().find(|t| t.0 == *bad).map_or("", |t| t.1);
        return Err(arg.bad(format!("ip6tables has no type `{name}`")));
    }
    let field = if side == Side::Src { Field::Saddr } else { Field::Daddr };
    let multicast = (0xff << 120, 0xff << 120);
    let mut tests = Vec::new();
    for kind in types {
        match kind {
            0 => tests.push(cx.model.masked_test(field, false, ones(128), 0)),
            1 => {
                tests.push(cx.model.masked_test(field, true, multicast.1, multicast.0));
                tests.push(cx.model.masked_test(field, true, ones(128), 0));
            }
            5 => tests.push(cx.model.masked_test(field, false, multicast.1, multicast.0)),
            _ => {}
        }
    }
    let bits = types.iter().filter(|t| ROUTED.contains(t)).fold(0, |all, t| all | 1 << t);
    if bits != 0 {
        let of = cx.model.push_expr(Expr::AddrType6 { side, iif: limit.iif, oif: limit.oif });
        let mask = cx.model.const_expr(bits);
        let masked = cx.model.bin_expr(BinOp::And, of, mask);
        tests.push(cx.model.expr_test(masked, true, Values::one(0)));
    }
    let test = if tests.is_empty() { Test::Const(true) } else { cx.model.all_of(&tests) };
    cx.loose(arg.neg, test);
    Ok(())
}
