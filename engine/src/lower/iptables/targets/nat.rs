//! `-j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90`, `SNAT`, `MASQUERADE`, `REDIRECT`, `NETMAP`.

use crate::field::Value;
use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, flag, opt};
use crate::lower::iptables::values;
use crate::model::{Effect, ExprId, Family, Hook, Nat, NatKind};

const RANDOM: crate::lower::iptables::registry::Opt = flag("--random");
const RANDOM_FULLY: crate::lower::iptables::registry::Opt = flag("--random-fully");

/// `-j DNAT`.
pub const DNAT: Extension = Extension::of_target(
    "DNAT",
    &[opt("--to-destination").must(), RANDOM, RANDOM_FULLY, flag("--persistent")],
    |cx, given| to_address(cx, given, NatKind::Dnat, "--to-destination"),
)
.tables(&["nat"])
.hooks(&[Hook::Prerouting, Hook::Output]);

/// `-j SNAT`.
pub const SNAT: Extension = Extension::of_target(
    "SNAT",
    &[opt("--to-source").must(), RANDOM, RANDOM_FULLY, flag("--persistent")],
    |cx, given| to_address(cx, given, NatKind::Snat, "--to-source"),
)
.tables(&["nat"])
.hooks(&[Hook::Postrouting, Hook::Input]);

/// `-j MASQUERADE`.
pub const MASQUERADE: Extension =
    Extension::of_target("MASQUERADE", &[opt("--to-ports"), RANDOM, RANDOM_FULLY], |cx, given| {
        to_ports(cx, given, NatKind::Masquerade)
    })
    .tables(&["nat"])
    .hooks(&[Hook::Postrouting]);

/// `-j REDIRECT`.
pub const REDIRECT: Extension =
    Extension::of_target("REDIRECT", &[opt("--to-ports"), RANDOM, RANDOM_FULLY], |cx, given| {
        to_ports(cx, given, NatKind::Redirect)
    })
    .tables(&["nat"])
    .hooks(&[Hook::Prerouting, Hook::Output]);

/// `-j NETMAP`.
pub const NETMAP: Extension = Extension::of_target("NETMAP", &[opt("--to").must()], |cx, given| {
    let family = cx.family;
    let Some((net, mask)) = given.read("--to", |t| values::network(t, family))? else { return Ok(()) };
    let top = net | (crate::model::ones(values::addr_bits(family)) & !mask);
    let addr = pair(cx, (net, top));
    push(cx, given, Nat { addr: Some(addr), prefix: true, ..plain(NatKind::Netmap) });
    Ok(())
})
.tables(&["nat"]);

/// Protocols that have ports to translate.
const WITH_PORTS: [u8; 7] = [1, 6, 17, 33, 58, 132, 136];

fn plain(kind: NatKind) -> Nat {
    Nat {
        kind,
        addr: None,
        port: None,
        port_base: None,
        prefix: false,
        random: false,
        fully_random: false,
        persistent: false,
        family: 0,
    }
}

fn push(cx: &mut Cx<'_>, given: &Given<'_, '_>, nat: Nat) {
    cx.need_conntrack();
    cx.effect(Effect::Nat(Nat {
        random: given.has("--random"),
        fully_random: given.has("--random-fully"),
        persistent: given.has("--persistent"),
        ..nat
    }));
}

fn pair(cx: &mut Cx<'_>, (lo, hi): (Value, Value)) -> (ExprId, ExprId) {
    let low = cx.model.const_expr(lo);
    (low, if lo == hi { low } else { cx.model.const_expr(hi) })
}

/// What stands behind `--to-destination`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    addr: Option<(Value, Value)>,
    port: Option<(u64, u64)>,
    base: Option<u16>,
}

/// `A`, `A-B`, `A:P`, `A-B:P-Q/BASE`, `:P`, `[V6]:P`.
fn target(text: &str, family: Family) -> Option<Target> {
    let (addrs, ports) = split_ports(text, family)?;
    let addr = match addrs {
        "" => None,
        addrs => {
            let range = match family {
                Family::Ip6 => values::addr_range(&addrs.replace(['[', ']'], ""), family),
                _ => values::addr_range(addrs, family),
            };
            Some(range.filter(|(lo, hi)| lo <= hi)?)
        }
    };
    let (port, base) = match ports {
        None => (None, None),
        Some(ports) => {
            let (ports, base) = values::cut(ports, b'/').map_or((ports, None), |(p, b)| (p, Some(b)));
            let base = match base {
                None => None,
                Some(base) => Some(values::port(base)? as u16),
            };
            let range = values::range_by(ports, b'-', 0xffff, |t| values::port(t).filter(|p| *p > 0))?;
            (Some(range), base)
        }
    };
    Some(Target { addr, port, base })
}

fn split_ports(text: &str, family: Family) -> Option<(&str, Option<&str>)> {
    if family != Family::Ip6 {
        return Some(values::cut(text, b':').map_or((text, None), |(a, p)| (a, Some(p))));
    }
    if let Some(ports) = text.strip_prefix(':').filter(|p| p.starts_with(|c: char| c.is_ascii_digit())) {
        return Some(("", Some(ports)));
    }
    match text.rfind(']') {
        None => Some((text, None)),
        Some(end) => match text.get(end + 1..)? {
            "" => Some((text, None)),
            rest => Some((text.get(..=end)?, Some(rest.strip_prefix(':')?))),
        },
    }
}

fn needs_ports(cx: &Cx<'_>, given: &Given<'_, '_>) -> Result<(), Bad> {
    match cx.proto {
        Some((proto, false)) if WITH_PORTS.contains(&proto) => Ok(()),
        _ => Err(given.bad("ports need a `-p` with ports, such as `-p tcp`")),
    }
}

fn to_address(cx: &mut Cx<'_>, given: &Given<'_, '_>, kind: NatKind, option: &str) -> Lowered {
    let family = cx.family;
    let Some(to) = given.read(option, |t| target(t, family))? else { return Ok(()) };
    if to.port.is_some() {
        needs_ports(cx, given)?;
    }
    let addr = to.addr.map(|a| pair(cx, a));
    let port = to.port.map(|(lo, hi)| pair(cx, (lo.into(), hi.into())));
    push(cx, given, Nat { addr, port, port_base: to.base, ..plain(kind) });
    Ok(())
}

fn to_ports(cx: &mut Cx<'_>, given: &Given<'_, '_>, kind: NatKind) -> Lowered {
    let number = |t: &str| values::number_to(t, 0xffff);
    let read = |t: &str| values::range_by(t, b'-', 0xffff, number).or_else(|| values::port(t).map(|p| (p, p)));
    let ports = given.read("--to-ports", read)?;
    if ports.is_some() {
        needs_ports(cx, given)?;
    }
    let port = ports.map(|(lo, hi)| pair(cx, (lo.into(), hi.into())));
    push(cx, given, Nat { port, ..plain(kind) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let check = |text, family, expect: Option<Target>| assert_eq!(target(text, family), expect, "{text}");
        let t = |addr, port, base| Some(Target { addr, port, base });
        check("1.1.1.1", Family::Ip, t(Some((0x0101_0101, 0x0101_0101)), None, None));
        check(
            "1.1.1.1-1.1.1.3:80-90/1000",
            Family::Ip,
            t(Some((0x0101_0101, 0x0101_0103)), Some((80, 90)), Some(1000)),
        );
        check(":9", Family::Ip, t(None, Some((9, 9)), None));
        check("[::1]:80", Family::Ip6, t(Some((1, 1)), Some((80, 80)), None));
        check("::1-::5", Family::Ip6, t(Some((1, 5)), None, None));
        check("[::1]-[::2]:1-2", Family::Ip6, t(Some((1, 2)), Some((1, 2)), None));
        check(":443", Family::Ip6, t(None, Some((443, 443)), None));
        check("1.1.1.1:65536", Family::Ip, None);
        check("", Family::Ip, t(None, None, None));
    }
}
