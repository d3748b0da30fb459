//! Which bits of a header are which field: the reading and writing of raw bytes (`@nh,64,8`, `th dport set 80`) goes by it.
//!
//! Left out: bits that have no field (checksums, header lengths), options, and what an unfragmented header would be in a later fragment.

use std::ops::Range;

use crate::field::{Field, Value};
use crate::model::{Base, ones};
use crate::packet::Packet;

type Layout = &'static [(Range<u32>, Field)];

const LINK: Layout = &[(0..48, Field::EtherDaddr), (48..96, Field::EtherSaddr)];
const IP4: Layout = &[
    (8..16, Field::Tos),
    (16..32, Field::Length),
    (32..48, Field::IpId),
    (48..51, Field::FragFlags),
    (51..64, Field::FragOffset),
    (64..72, Field::Ttl),
    (72..80, Field::Proto),
    (96..128, Field::Saddr),
    (128..160, Field::Daddr),
];
const IP6: Layout = &[
    (4..12, Field::Tos),
    (12..32, Field::FlowLabel),
    (32..48, Field::Length),
    (56..64, Field::Ttl),
    (64..192, Field::Saddr),
    (192..320, Field::Daddr),
];
const TCP: Layout = &[
    (0..16, Field::Sport),
    (16..32, Field::Dport),
    (32..64, Field::TcpSeq),
    (64..96, Field::TcpAck),
    (104..112, Field::TcpFlags),
    (112..128, Field::TcpWindow),
];
const PORTS: Layout = &[(0..16, Field::Sport), (16..32, Field::Dport)];
const ICMP: Layout =
    &[(0..8, Field::IcmpType), (8..16, Field::IcmpCode), (32..48, Field::IcmpId), (48..64, Field::IcmpSeq)];

/// The fields that lie in these bits of a header, each with its own bits.
pub fn fields_at(p: &Packet, base: Base, bits: Range<u32>) -> impl Iterator<Item = (Range<u32>, Field)> {
    let layout: Layout = match (base, p.family(), p.or_zero(Field::Proto)) {
        (Base::Link, ..) => LINK,
        (Base::Network, 2, _) => IP4,
        (Base::Network, 10, _) => IP6,
        (Base::Transport, ..) if p.is_later_fragment() => &[],
        (Base::Transport, _, 6) => TCP,
        (Base::Transport, _, 17 | 33 | 132 | 136) => PORTS,
        (Base::Transport, _, 1 | 58) => ICMP,
        _ => &[],
    };
    layout.iter().filter(move |(at, _)| at.start < bits.end && bits.start < at.end).cloned()
}

/// A field's value once `value` is written over `bits` of its header, of which the field has those of `at`.
pub fn spliced(old: Value, at: &Range<u32>, value: Value, bits: &Range<u32>) -> Value {
    let (start, end) = (at.start.max(bits.start), at.end.min(bits.end));
    let part = value.checked_shr(bits.end - end).unwrap_or(0) & ones(end - start);
    let shift = at.end - end;
    old & !(ones(end - start) << shift) | part << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_written_where_they_overlap() {
        let check =
            |old, at, value, bits, expect| assert_eq!(spliced(old, &at, value, &bits), expect, "{at:?} {bits:?}");
        check(0x40, 64..72, 77, 64..72, 77);
        check(0x1f90, 16..32, 81, 16..32, 81);
        check(2, 48..51, 0x21, 48..56, 1);
        check(0, 51..64, 0x21, 48..56, 0x100);
        check(0x1234, 16..32, 0xff, 24..32, 0x12ff);
        check(0x1234, 16..32, 0xaabb_ccdd, 0..32, 0xccdd);
    }
}
