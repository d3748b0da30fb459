//! A packet's bytes, put together from its lanes: what `u32`, `bpf`, `string` and nft's raw payload read.
//!
//! Left out: what has no lane (checksums of layer 4, sequence numbers of ESP and AH, headers of other protocols), which is not
//! known, and the payload where nobody gave one.

use std::ops::Range;

use crate::field::{Field, Value};
use crate::packet::Packet;

/// The bytes of a packet from the IP header on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The bytes that are known, but for the gap.
    pub bytes: Vec<u8>,
    /// Those of them that have no lane: zero here, and not known.
    pub gap: Range<usize>,
    /// Where the layer 4 header begins.
    pub transport: usize,
    /// Where the layer 4 payload begins; for a non-first fragment where the layer 4 header begins.
    pub payload: usize,
    /// How long the packet really is: bytes between `bytes.len()` and this exist but are not known.
    pub length: usize,
}

/// The packet's bytes.
pub fn image(p: &Packet) -> Image {
    let mut bytes = if p.family() == 10 { ip6(p) } else { ip4(p) };
    let transport = bytes.len();
    if !p.is_later_fragment() {
        layer4(p, &mut bytes);
    }
    let payload = bytes.len();
    if let Some(more) = &p.bytes.payload {
        bytes.extend_from_slice(more);
    }
    let length = p.value(Field::Length).map_or(bytes.len(), |l| l as usize);
    bytes.truncate(length);
    let gap = if p.is_later_fragment() { 0..0 } else { gap(p.or_zero(Field::Proto)) };
    Image { bytes, gap: transport + gap.start..transport + gap.end, transport, payload, length }
}

/// Which bytes of a layer 4 header have no lane.
fn gap(proto: Value) -> Range<usize> {
    match proto {
        1 | 58 => 2..4,
        6 => 16..18,
        17 | 136 => 6..8,
        33 => 4..8,
        50 => 4..8,
        51 => 8..12,
        108 => 0..2,
        132 => 8..12,
        _ => 0..8,
    }
}

fn byte(p: &Packet, f: Field) -> u8 {
    p.or_zero(f) as u8
}

fn word(p: &Packet, f: Field) -> [u8; 2] {
    (p.or_zero(f) as u16).to_be_bytes()
}

fn long(p: &Packet, f: Field) -> [u8; 4] {
    (p.or_zero(f) as u32).to_be_bytes()
}

fn ip4(p: &Packet) -> Vec<u8> {
    let options = &p.bytes.ip_options;
    let words = 5 + options.len().div_ceil(4);
    let mut b = vec![0x40 | (words.min(15) as u8), byte(p, Field::Tos)];
    b.extend(word(p, Field::Length));
    b.extend(word(p, Field::IpId));
    let frag = (p.or_zero(Field::FragFlags) << 13 | p.or_zero(Field::FragOffset)) as u16;
    b.extend(frag.to_be_bytes());
    b.extend([byte(p, Field::Ttl), byte(p, Field::NextHeader), 0, 0]);
    b.extend(long(p, Field::Saddr));
    b.extend(long(p, Field::Daddr));
    b.extend_from_slice(options);
    b.resize(words * 4, 0);
    let sum = checksum(&b);
    b[10..12].copy_from_slice(&sum.to_be_bytes());
    b
}

fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |b| u32::from(*b))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

fn ip6(p: &Packet) -> Vec<u8> {
    let first = 6 << 28 | (p.or_zero(Field::Tos) as u32) << 20 | p.or_zero(Field::FlowLabel) as u32;
    let mut b = first.to_be_bytes().to_vec();
    b.extend((p.or_zero(Field::Length).saturating_sub(40) as u16).to_be_bytes());
    b.extend([byte(p, Field::NextHeader), byte(p, Field::Ttl)]);
    b.extend(p.or_zero(Field::Saddr).to_be_bytes());
    b.extend(p.or_zero(Field::Daddr).to_be_bytes());
    for (_, header) in &p.bytes.ext_headers {
        b.extend_from_slice(header);
    }
    b
}

fn layer4(p: &Packet, b: &mut Vec<u8>) {
    match p.or_zero(Field::Proto) {
        6 => tcp(p, b),
        17 | 136 => {
            b.extend(word(p, Field::Sport));
            b.extend(word(p, Field::Dport));
            b.extend(word(p, Field::ThLength));
            b.extend([0, 0]);
        }
        132 => {
            b.extend(word(p, Field::Sport));
            b.extend(word(p, Field::Dport));
            b.extend(long(p, Field::SctpVtag));
            b.extend([0; 4]);
        }
        33 => {
            b.extend(word(p, Field::Sport));
            b.extend(word(p, Field::Dport));
            b.extend([4, 0, 0, 0, byte(p, Field::DccpType) << 1, 0, 0, 0]);
        }
        1 | 58 => {
            b.extend([byte(p, Field::IcmpType), byte(p, Field::IcmpCode), 0, 0]);
            b.extend(word(p, Field::IcmpId));
            b.extend(word(p, Field::IcmpSeq));
        }
        50 => {
            b.extend(long(p, Field::Spi));
            b.extend([0; 4]);
        }
        51 => {
            b.extend([0; 4]);
            b.extend(long(p, Field::Spi));
            b.extend([0; 4]);
        }
        108 => {
            b.extend([0, 0]);
            b.extend(word(p, Field::Cpi));
        }
        // A header of another kind: eight bytes, of which nothing is known.
        _ => b.extend([0; 8]),
    }
}

fn tcp(p: &Packet, b: &mut Vec<u8>) {
    let options = super::bytes::tcp_options(p);
    let words = 5 + options.len().div_ceil(4);
    let start = b.len();
    b.extend(word(p, Field::Sport));
    b.extend(word(p, Field::Dport));
    b.extend(long(p, Field::TcpSeq));
    b.extend(long(p, Field::TcpAck));
    b.extend([(words.min(15) as u8) << 4, byte(p, Field::TcpFlags)]);
    b.extend(word(p, Field::TcpWindow));
    b.extend([0; 4]);
    b.extend_from_slice(&options);
    b.resize(start + words * 4, 0);
}

impl Image {
    /// Whether the bytes of a range are known.
    pub fn knows(&self, range: &Range<usize>) -> bool {
        range.end <= self.bytes.len() && (range.end <= self.gap.start || self.gap.end <= range.start)
    }

    /// `bits` bits at bit `offset` from `start`; `Err(true)` when the packet has them but their value is not known.
    pub fn bits(&self, start: usize, offset: usize, bits: usize) -> Result<Value, bool> {
        let (first, last) = (start + offset / 8, start + (offset + bits).div_ceil(8));
        let Some(slice) = self.bytes.get(first..last) else { return Err(last <= self.length) };
        if !self.knows(&(first..last)) {
            return Err(true);
        }
        if slice.len() > 17 {
            return Err(false);
        }
        let mut value: Value = 0;
        let mut have = 0;
        for (i, b) in slice.iter().enumerate() {
            let skip = if i == 0 { offset % 8 } else { 0 };
            let part = Value::from(b & (0xff >> skip));
            let take = (8 - skip).min(bits - have);
            value = value << take | part >> (8 - skip - take);
            have += take;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_become_bytes_and_bits_come_back() {
        let mut p = Packet::default();
        for (f, v) in [
            (Field::Family, 2),
            (Field::Saddr, 0x0a00_0001),
            (Field::Daddr, 0x0a00_0002),
            (Field::Proto, 6),
            (Field::NextHeader, 6),
            (Field::Ttl, 64),
            (Field::Length, 40),
            (Field::Dport, 31002),
            (Field::TcpFlags, 2),
        ] {
            p.set(f, v);
        }
        let i = image(&p);
        assert_eq!((i.bytes.len(), i.transport, i.payload), (40, 20, 40));
        assert_eq!(i.bits(0, 72, 8), Ok(6));
        assert_eq!(i.bits(i.transport, 16, 16), Ok(31002));
        assert_eq!(i.bits(0, 4, 4), Ok(5));
        assert_eq!(i.bits(i.transport, 100, 12), Ok(2));
        assert_eq!(i.bits(i.payload, 0, 8), Err(false));
        assert_eq!(checksum(&i.bytes[..20]), 0);
        assert_eq!((i.bits(i.transport, 112, 16), i.bits(i.transport, 128, 16)), (Ok(0), Err(true)));
        p.set(Field::Length, 60);
        assert_eq!(image(&p).bits(40, 0, 8), Err(true));
    }
}
