//! A packet's tuple: what conntrack looks it up by, and the one of the packet that an ICMP error quotes.

use crate::field::{Field, Value};
use crate::packet::{Got, Packet};
use crate::state::Tuple;

/// Whether conntrack and NAT know a protocol's ports (those of DCCP no longer since Linux 6.16).
pub(crate) fn has_ports(proto: u8) -> bool {
    matches!(proto, 6 | 17 | 132 | 136)
}

/// The tuple of a packet.
pub(crate) fn of(p: &Packet) -> Tuple {
    let proto = p.or_zero(Field::Proto) as u8;
    let (sport, dport) = match proto {
        1 | 58 => (p.or_zero(Field::IcmpId), p.or_zero(Field::IcmpType) << 8 | p.or_zero(Field::IcmpCode)),
        _ if has_ports(proto) => (p.or_zero(Field::Sport), p.or_zero(Field::Dport)),
        _ => (0, 0),
    };
    Tuple {
        family: p.family() as u8,
        saddr: p.or_zero(Field::Saddr),
        daddr: p.or_zero(Field::Daddr),
        proto,
        sport: sport as u16,
        dport: dport as u16,
    }
}

/// Makes a packet one of this tuple.
pub(crate) fn put(p: &mut Packet, t: Tuple) {
    for (field, value) in [(Field::Saddr, t.saddr), (Field::Daddr, t.daddr), (Field::Proto, t.proto.into())] {
        p.set(field, value);
    }
    let icmp = matches!(t.proto, 1 | 58);
    let lanes: [(Field, u16, bool); 5] = [
        (Field::Sport, t.sport, !icmp),
        (Field::Dport, t.dport, !icmp),
        (Field::IcmpId, t.sport, icmp),
        (Field::IcmpType, t.dport >> 8, icmp),
        (Field::IcmpCode, t.dport & 0xff, icmp),
    ];
    for (field, value, there) in lanes {
        p.put(field, if there { Got::Value(value.into()) } else { Got::Absent });
    }
}

/// The tuple of the packet that an ICMP error quotes, from its bytes (IP header first).
pub(crate) fn quoted(bytes: &[u8]) -> Option<Tuple> {
    let version = bytes.first()? >> 4;
    let number = |b: &[u8]| b.iter().fold(0, |v: Value, x| v << 8 | Value::from(*x));
    let (family, proto, saddr, daddr, l4) = match version {
        4 => {
            let header = usize::from(bytes[0] & 15) * 4;
            (2, *bytes.get(9)?, number(bytes.get(12..16)?), number(bytes.get(16..20)?), bytes.get(header..)?)
        }
        6 => (10, *bytes.get(6)?, number(bytes.get(8..24)?), number(bytes.get(24..40)?), bytes.get(40..)?),
        _ => return None,
    };
    let word = |at: usize| l4.get(at..at + 2).map(|b| number(b) as u16);
    let (sport, dport) = match proto {
        1 | 58 => (word(4)?, word(0)?),
        _ if has_ports(proto) => (word(0)?, word(2)?),
        _ => (0, 0),
    };
    Some(Tuple { family, saddr, daddr, proto, sport, dport })
}
