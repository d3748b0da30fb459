//! `-j HMARK` (`xt_HMARK.c`): a mark out of a hash of the packet's addresses, ports and protocol, or of its connection's.
//!
//! Both directions of a flow get the same mark: the higher address and the higher port count as the first. An ICMP error
//! counts as what it quotes. Left out: of a quoted packet, IPv6 extension headers and whether it is a
//! fragment.

use super::{Eval, View, jhash2, read, scale, value};
use crate::fact::Fact;
use crate::field::{Field, Value};
use crate::model::{ExprId, HashKind};
use crate::tuple;

/// What is hashed.
#[derive(Clone, Copy)]
struct Tuple {
    saddr: Value,
    daddr: Value,
    proto: u8,
    /// Source and destination port in one word, or a security parameter index; `None`: nothing of that kind.
    ports: Option<u32>,
}

/// What of it counts, as the rule says.
#[derive(Clone, Copy)]
struct Masks {
    saddr: Value,
    daddr: Value,
    proto: u32,
    ports: u32,
    set: u32,
}

/// The parts of an `HMARK` expression: the fields of its tuple, as they stand behind each other.
const FIELDS: usize = 5;

/// The hash of an `HMARK`, scaled; absent where the mark stays as it is. `parts` are the fields of the tuple (addresses,
/// protocol, ports) and behind them the masks.
pub(super) fn mark(view: View, kind: HashKind, parts: &[ExprId], seed: u32, modulus: u32) -> Eval {
    let (Some(fields), Some(masks)) = (parts.get(..FIELDS), parts.get(FIELDS..)) else { return Eval::Absent };
    let values = |list: &[ExprId]| {
        let mut out = Vec::with_capacity(list.len());
        for e in list {
            match value(view, *e) {
                Eval::Value(v) => out.push(Some(v)),
                Eval::Absent => out.push(None),
                ask @ Eval::Ask(_) => return Err(ask),
            }
        }
        Ok(out)
    };
    let (fields, masks) = match (values(fields), values(masks)) {
        (Ok(fields), Ok(masks)) => (fields, masks),
        (Err(ask), _) | (_, Err(ask)) => return ask,
    };
    let [Some(saddr), Some(daddr), Some(proto), sport, dport] = fields[..] else { return Eval::Absent };
    let [Some(s), Some(d), Some(p), Some(ports), Some(set)] = masks[..] else { return Eval::Absent };
    let masks = Masks { saddr: s, daddr: d, proto: p as u32, ports: ports as u32, set: set as u32 };
    let proto = proto as u8;
    let both = sport.zip(dport).map(|(s, d)| (s << 16 | d) as u32);
    let tuple = if kind == HashKind::HmarkCt {
        Some(Tuple { saddr, daddr, proto, ports: of_connection(view, proto, both) })
    } else {
        match of_packet(view, Tuple { saddr, daddr, proto, ports: both }) {
            Ok(tuple) => tuple,
            Err(ask) => return ask,
        }
    };
    tuple.map_or(Eval::Absent, |t| Eval::Value(scale(hash(&t, masks, seed), modulus)))
}

/// A connection has ports of some kind unless it is one of ICMP; ICMPv6 has its identifier there.
fn of_connection(view: View, proto: u8, ports: Option<u32>) -> Option<u32> {
    let id = view.packet.or_zero(Field::IcmpId) as u32;
    match proto {
        1 => None,
        58 => Some(id << 16 | id),
        _ => Some(ports.unwrap_or(0)),
    }
}

/// A packet's own tuple; `Ok(None)`: it quotes another one, which is cut off.
fn of_packet(view: View, own: Tuple) -> Result<Option<Tuple>, Eval> {
    let p = view.packet;
    let fragment = p.is_later_fragment() || p.or_zero(Field::FragFlags) & 1 != 0;
    let kind = p.or_zero(Field::IcmpType);
    let quotes = match own.proto {
        1 => matches!(kind, 3 | 4 | 5 | 11 | 12),
        58 => !fragment && (1..128).contains(&kind),
        _ => false,
    };
    if quotes {
        let Some(bytes) = &p.bytes.payload else {
            let payload = Fact::Other("payload");
            return if view.facts.get(&payload).is_some() { Ok(None) } else { Err(Eval::Ask(payload)) };
        };
        let quoted = tuple::quoted(bytes).map(|t| Tuple {
            saddr: t.saddr,
            daddr: t.daddr,
            proto: t.proto,
            ports: has_ports(t.proto).then_some(u32::from(t.sport) << 16 | u32::from(t.dport)),
        });
        return Ok(quoted);
    }
    let ports = match own.proto {
        _ if fragment => None,
        50 | 51 => match read(view, Field::Spi) {
            Eval::Value(v) => Some(v as u32),
            Eval::Absent => None,
            ask @ Eval::Ask(_) => return Err(ask),
        },
        proto if has_ports(proto) => own.ports,
        _ => None,
    };
    Ok(Some(Tuple { ports, ..own }))
}

/// Whether `proto_ports_offset` finds ports at the start of the header.
fn has_ports(proto: u8) -> bool {
    matches!(proto, 6 | 17 | 33 | 132 | 136)
}

fn hash(t: &Tuple, m: Masks, seed: u32) -> u32 {
    let (s, d) = (fold(t.saddr & m.saddr), fold(t.daddr & m.daddr));
    let ports = t.ports.map_or(0, |ports| {
        let ports = ports & m.ports | m.set;
        let (s, d) = (ports >> 16, ports & 0xffff);
        s.max(d) << 16 | s.min(d)
    });
    jhash2(&[s.min(d), s.max(d), ports], seed) ^ (u32::from(t.proto) & m.proto)
}

/// An address as one word: an IPv6 one's four, one over the other.
fn fold(addr: Value) -> u32 {
    (addr ^ addr >> 32 ^ addr >> 64 ^ addr >> 96) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::address;

    /// What a kernel (6.18) put into the mark with `--hmark-rnd 0xfeedcafe --hmark-mod 1000 --hmark-offset 5`.
    fn check(daddr: &str, proto: u8, ports: Option<u32>, m: Masks, expect: Value) {
        let saddr = if daddr.contains(':') { "fd00::1" } else { "10.1.1.1" };
        let address = |text: &str| address(text.parse().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()));
        let t = Tuple { saddr: address(saddr), daddr: address(daddr), proto, ports };
        assert_eq!(scale(hash(&t, m, 0xfeed_cafe), 1000) + 5, expect, "{daddr} {proto} {ports:?}");
    }

    #[test]
    fn the_marks_are_the_kernels() {
        const ALL: Masks = Masks { saddr: Value::MAX, daddr: Value::MAX, proto: 0xffff, ports: u32::MAX, set: 0 };
        let ports = |s: u32, d: u32| Some(s << 16 | d);
        check("10.1.2.3", 17, ports(4000, 53), ALL, 527);
        check("10.1.0.3", 17, ports(53, 5300), Masks { proto: 0, ..ALL }, 305);
        let some = Masks { saddr: 0xffff_0000, daddr: 0xffff_ff00, proto: 0x10, ports: 0xff00_00f0, set: 0 };
        check("10.1.2.3", 17, ports(4000, 53), some, 117);
        let set = Masks { daddr: 0, proto: 0, ports: 0, set: 0xff00_00ff, ..ALL };
        check("10.1.2.3", 17, ports(4000, 53), set, 897);
        check("10.1.2.3", 1, None, Masks { set: 7 << 16, ..ALL }, 102);
        check("10.1.2.3", 47, None, Masks { set: 7 << 16, ..ALL }, 102);
        check("10.1.2.3", 50, Some(0x1234_5678), ALL, 948);
        check("10.1.2.3", 51, Some(0x1234_5678), ALL, 948);
        // Of the connection, which has ports of some kind: 0.
        check("10.1.2.3", 47, Some(0), Masks { set: 7 << 16, ..ALL }, 874);
        check("fd00::77", 17, ports(4000, 53), ALL, 28);
    }
}
