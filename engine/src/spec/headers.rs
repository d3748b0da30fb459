//! A described packet's IPv6 extension headers, and its clock.
//!
//! Left out: what the headers' options ask of the stack; AH, which nft takes for layer 4 and ip6tables looks through.

use super::complete::{SpecError, parse_hex};
use super::{ExtHeaderSpec, PacketSpec};
use crate::field::{Field, Value, moment, month_day};
use crate::packet::{Got, Packet};

const FRAGMENT: u8 = 44;
/// Protocol numbers of extension headers by their bit in [`Field::ExtHeaders`].
const BITS: [u8; 4] = [0, 60, 43, FRAGMENT];

/// Each header with its bytes, in the order of the packet, before a layer 4 header of this protocol.
pub(super) fn extension(spec: &PacketSpec, proto: u8) -> Result<Vec<(u8, Vec<u8>)>, SpecError> {
    let mut list = Vec::new();
    for ExtHeaderSpec { header, hex } in spec.ext_headers.iter().flatten() {
        let bytes = parse_hex(hex)?;
        if !BITS.contains(header) {
            return Err(SpecError(format!("{header} is no extension header: 0, 43, 44 or 60")));
        }
        if bytes.len() < 8 || bytes.len() % 8 != 0 || bytes.len() > 2048 {
            return Err(SpecError("an extension header takes a multiple of 8 bytes".to_string()));
        }
        list.push((*header, bytes));
    }
    let (offset, more) = (spec.frag_offset.unwrap_or(0) & 0x1fff, spec.more_fragments.unwrap_or(false));
    if (offset != 0 || more) && !list.iter().any(|h| h.0 == FRAGMENT) {
        let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
        list.push((FRAGMENT, vec![0, 0, high, low, 0, 0, 0, 1]));
    }
    let following: Vec<u8> = list.iter().skip(1).map(|h| h.0).chain([proto]).collect();
    for ((_, bytes), next) in list.iter_mut().zip(following) {
        bytes[0] = next;
    }
    Ok(list)
}

/// Writes what the headers say of the packet as a whole.
pub(super) fn describe(packet: &mut Packet, headers: &[(u8, Vec<u8>)]) {
    let bits = BITS.iter().enumerate().filter(|(_, b)| headers.iter().any(|h| h.0 == **b));
    packet.set(Field::ExtHeaders, bits.fold(0, |all, (bit, _)| all | 1 << bit));
    if let Some((first, _)) = headers.first() {
        packet.set(Field::NextHeader, (*first).into());
    }
    if let Some((_, b)) = headers.iter().find(|h| h.0 == FRAGMENT) {
        packet.set(Field::FragOffset, Value::from(u16::from_be_bytes([b[2], b[3]]) >> 3));
        packet.set(Field::FragFlags, Value::from(b[3] & 1));
    }
}

/// Where a layer 4 header's fields end in it.
const ENDS: [(Field, Value); 12] = [
    (Field::Sport, 2),
    (Field::Dport, 4),
    (Field::TcpSeq, 8),
    (Field::TcpAck, 12),
    (Field::TcpFlags, 14),
    (Field::TcpWindow, 16),
    (Field::IcmpType, 1),
    (Field::IcmpCode, 2),
    (Field::IcmpId, 6),
    (Field::IcmpSeq, 8),
    (Field::SctpVtag, 8),
    (Field::DccpType, 9),
];

/// A packet has no fields behind its end.
pub(super) fn cut_short(packet: &mut Packet) {
    let length = packet.or_zero(Field::ThLength);
    ENDS.iter().filter(|(_, end)| *end > length).for_each(|(field, _)| packet.put(*field, Got::Absent));
}

/// Writes the clock.
pub(super) fn clock(packet: &mut Packet, text: &str) -> Result<(), SpecError> {
    let seconds = moment(text).ok_or_else(|| SpecError(format!("`{text}` is no time: 2026-11-29 22:30:00")))?;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    packet.set(Field::Time, Value::from(seconds) * 1_000_000_000);
    packet.set(Field::Hour, second.into());
    packet.set(Field::Day, ((day + 4) % 7).into()); // 1970 began on a Thursday
    packet.set(Field::MonthDay, month_day(day));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_follow_each_other_and_a_fragment_has_one() {
        let hop = ExtHeaderSpec { header: 0, hex: "ff00010400000000".to_string() };
        let spec = PacketSpec {
            ext_headers: Some(vec![hop]),
            frag_offset: Some(2),
            more_fragments: Some(true),
            ..PacketSpec::default()
        };
        let list = extension(&spec, 17).unwrap_or_default();
        assert_eq!(list[0], (0, vec![44, 0, 1, 4, 0, 0, 0, 0]));
        assert_eq!(list[1], (44, vec![17, 0, 0, 17, 0, 0, 0, 1]));
        let mut p = Packet::default();
        describe(&mut p, &list);
        let read = [Field::ExtHeaders, Field::NextHeader, Field::FragOffset, Field::FragFlags].map(|f| p.or_zero(f));
        assert_eq!(read, [0b1001, 0, 2, 1]);
    }

    #[test]
    fn the_clock_is_told_in_four_ways() {
        let mut p = Packet::default();
        assert!(clock(&mut p, "2026-11-29 22:30").is_ok());
        let read = [Field::Hour, Field::Day, Field::MonthDay].map(|f| p.or_zero(f));
        assert_eq!(read, [22 * 3600 + 30 * 60, 0, 29]);
        assert!(clock(&mut p, "soon").is_err());
    }
}
