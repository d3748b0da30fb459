//! A packet's tuple: what conntrack looks it up by.

use crate::field::{Field, Value};
use crate::packet::Packet;
use crate::state::Tuple;

/// The tuple of a packet.
pub(super) fn of(p: &Packet) -> Tuple {
    let proto = p.or_zero(Field::Proto) as u8;
    let (sport, dport) = match proto {
        1 | 58 => (p.or_zero(Field::IcmpId), p.or_zero(Field::IcmpType) << 8 | p.or_zero(Field::IcmpCode)),
        _ => (p.or_zero(Field::Sport), p.or_zero(Field::Dport)),
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

/// The tuple of the packet that an ICMP error quotes, from its bytes (IP header first).
pub(super) fn quoted(bytes: &[u8]) -> Option<Tuple> {
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
        6 | 17 | 33 | 132 | 136 => (word(0)?, word(2)?),
        _ => (0, 0),
    };
    Some(Tuple { family, saddr, daddr, proto, sport, dport })
}
