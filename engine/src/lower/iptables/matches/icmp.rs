//! `-m icmp --icmp-type 3/4`, `-m icmp6 --icmpv6-type echo-request`: a type, and perhaps a code.

use crate::field::Field;
use crate::lower::iptables::args::Given;
use crate::lower::iptables::cx::{Cx, Lowered};
use crate::lower::iptables::registry::{Extension, opt};
use crate::lower::iptables::values;
use crate::model::{Header, Test, Values};

/// `-m icmp`.
pub const ICMP: Extension = Extension::of_match("icmp", &[opt("--icmp-type").neg().must()], lower).v4().protos(&[1]);

/// `-m icmp6`.
pub const ICMP6: Extension =
    Extension::of_match("icmp6", &[opt("--icmpv6-type").alias("--icmp6-type").neg().must()], lower)
        .alias("icmpv6")
        .v6()
        .protos(&[58]);

/// Name, type, lowest and highest code.
type Row = (&'static str, u8, u8, u8);

const ANY: u8 = 255;

const TYPES4: &[Row] = &[
    ("any", ANY, 0, 255),
    ("echo-reply", 0, 0, 255),
    ("pong", 0, 0, 255),
    ("destination-unreachable", 3, 0, 255),
    ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1),
    ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3),
    ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5),
    ("network-unknown", 3, 6, 6),
    ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9),
    ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11),
    ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13),
    ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15),
    ("source-quench", 4, 0, 255),
    ("redirect", 5, 0, 255),
    ("network-redirect", 5, 0, 0),
    ("host-redirect", 5, 1, 1),
    ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3),
    ("echo-request", 8, 0, 255),
    ("ping", 8, 0, 255),
    ("router-advertisement", 9, 0, 255),
    ("router-solicitation", 10, 0, 255),
    ("time-exceeded", 11, 0, 255),
    ("ttl-exceeded", 11, 0, 255),
    ("ttl-zero-during-transit", 11, 0, 0),
    ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 255),
    ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1),
    ("timestamp-request", 13, 0, 255),
    ("timestamp-reply", 14, 0, 255),
    ("address-mask-request", 17, 0, 255),
    ("address-mask-reply", 18, 0, 255),
];

const TYPES6: &[Row] = &[
    ("destination-unreachable", 1, 0, 255),
    ("no-route", 1, 0, 0),
    ("communication-prohibited", 1, 1, 1),
    ("beyond-scope", 1, 2, 2),
    ("address-unreachable", 1, 3, 3),
    ("port-unreachable", 1, 4, 4),
    ("failed-policy", 1, 5, 5),
    ("reject-route", 1, 6, 6),
    ("packet-too-big", 2, 0, 255),
    ("time-exceeded", 3, 0, 255),
    ("ttl-exceeded", 3, 0, 255),
    ("ttl-zero-during-transit", 3, 0, 0),
    ("ttl-zero-during-reassembly", 3, 1, 1),
    ("parameter-problem", 4, 0, 255),
    ("bad-header", 4, 0, 0),
    ("unknown-header-type", 4, 1, 1),
    ("unknown-option", 4, 2, 2),
    ("echo-request", 128, 0, 255),
    ("ping", 128, 0, 255),
    ("echo-reply", 129, 0, 255),
    ("pong", 129, 0, 255),
    ("mld-listener-query", 130, 0, 255),
    ("mld-listener-report", 131, 0, 255),
    ("mld-listener-done", 132, 0, 255),
    ("mld-listener-reduction", 132, 0, 255),
    ("router-solicitation", 133, 0, 255),
    ("router-advertisement", 134, 0, 255),
    ("neighbour-solicitation", 135, 0, 255),
    ("neighbor-solicitation", 135, 0, 255),
    ("neighbour-advertisement", 136, 0, 255),
    ("neighbor-advertisement", 136, 0, 255),
    ("redirect", 137, 0, 255),
];

/// The types with names for all their codes, of ICMP or ICMPv6.
pub fn type_names(six: bool) -> impl Iterator<Item = (&'static str, u8)> {
    let names = if six { TYPES6 } else { TYPES4 };
    names.iter().filter(|r| r.1 != ANY && (r.2, r.3) == (0, 255)).map(|r| (r.0, r.1))
}

/// Type and code range of `8`, `3/4`, `echo-request`; a name may be shortened while it is unique.
fn read(text: &str, names: &[Row]) -> Option<(u8, u8, u8)> {
    let (kind, code) = text.split_once('/').map_or((text, None), |(k, c)| (k, Some(c)));
    if let Some(kind) = values::number_to(kind, 255) {
        return match code {
            None => Some((kind as u8, 0, 255)),
            Some(code) => values::number_to(code, 255).map(|c| (kind as u8, c as u8, c as u8)),
        };
    }
    let fits = |r: &&Row| r.0.get(..text.len()).is_some_and(|n| n.eq_ignore_ascii_case(text));
    let exact = names.iter().find(|r| r.0.eq_ignore_ascii_case(text));
    let mut near = names.iter().filter(fits);
    let row = exact.or_else(|| near.next().filter(|first| near.all(|r| r.1 == first.1 && r.2 == first.2)))?;
    Some((row.1, row.2, row.3))
}

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let names = if cx.v6() { TYPES6 } else { TYPES4 };
    cx.need(Header::Icmp);
    for arg in given.args() {
        let (kind, lo, hi) = arg.value(|t| read(t, names))?;
        if kind == ANY && !cx.v6() {
            if arg.neg {
                cx.test(Test::Const(false));
            }
            continue;
        }
        pair(cx, arg.neg, kind, (lo, hi));
    }
    Ok(())
}

fn pair(cx: &mut Cx<'_>, neg: bool, kind: u8, (lo, hi): (u8, u8)) {
    let kind = u64::from(kind);
    if (lo, hi) == (0, 255) {
        cx.range(Field::IcmpType, neg, (kind, kind));
        return;
    }
    let code = (u64::from(lo), u64::from(hi));
    if !neg {
        cx.range(Field::IcmpType, false, (kind, kind));
        cx.range(Field::IcmpCode, false, code);
        return;
    }
    let ranges = [(Field::IcmpType, (kind, kind)), (Field::IcmpCode, code)];
    let tests = ranges.map(|(field, (lo, hi))| cx.model.field_test(field, true, Values::new([(lo.into(), hi.into())])));
    let test = cx.model.any_of(&tests);
    cx.test(test);
}
