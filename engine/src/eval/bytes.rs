//! Tests and values on the packet's bytes: raw payload, options, extension headers, `u32`, `bpf`, `string`.

use std::ops::Range;

use super::{Eval, Image, Tri, View, image, layout};
use crate::fact::Fact;
use crate::field::{Field, Value};
use crate::model::{Base, BpfInsn, ChunkMatch, Program, ProgramId, U32Op, U32Term};
use crate::packet::{Got, Packet};

/// The fact that stands for payload bytes that nobody gave.
const PAYLOAD: Fact = Fact::Other("payload");

fn open() -> Eval {
    Eval::Ask(PAYLOAD)
}

/// `bits` bits at bit `offset` of a header.
pub(super) fn at(view: View, base: Base, offset: u32, bits: u32) -> Eval {
    if base == Base::Link {
        return link(view, offset, bits);
    }
    if let Some(field) = stood_in(view.packet, base, offset..offset.saturating_add(bits)) {
        return super::read(view, field);
    }
    let image = image(view.packet);
    let start = match base {
        Base::Network => 0,
        Base::Transport => image.transport,
        Base::Inner => match inner(view.packet, &image) {
            Some(start) => start,
            None => return Eval::Absent,
        },
        Base::Link => return Eval::Absent,
    };
    match image.bits(start, offset as usize, bits as usize) {
        Ok(v) => Eval::Value(v),
        Err(false) => Eval::Absent,
        Err(true) => match view.facts.get(&PAYLOAD) {
            // The declared answer "not the bytes that a rule looks for": read as zero.
            Some(_) => Eval::Value(0),
            None => open(),
        },
    }
}

/// A field among these bits for which a default stands in: it has to be asked for.
fn stood_in(p: &Packet, base: Base, bits: Range<u32>) -> Option<Field> {
    layout::fields_at(p, base, bits).map(|(_, field)| field).find(|field| p.default_of(*field).is_some())
}

/// Where nft sees what a packet carries (`nft_payload_inner_offset`): behind TCP, UDP and GRE, and in IPIP.
fn inner(p: &Packet, image: &Image) -> Option<usize> {
    match p.or_zero(Field::Proto) {
        _ if p.is_later_fragment() => None,
        6 | 17 => Some(image.payload),
        4 => Some(image.transport),
        47 => {
            let flags = image.bits(image.transport, 0, 16).ok()?;
            let optional = [0x8000, 0x2000, 0x1000].iter().filter(|bit| flags & **bit != 0).count();
            let version = flags & 7;
            (version == 0).then_some(image.transport + 4 + 4 * optional)
        }
        _ => None,
    }
}

/// The Ethernet header, where there is one.
fn link(view: View, offset: u32, bits: u32) -> Eval {
    let (src, dst) = match (super::read(view, Field::EtherSaddr), super::read(view, Field::EtherDaddr)) {
        (Eval::Value(src), Eval::Value(dst)) => (src, dst),
        (ask @ Eval::Ask(_), _) | (_, ask @ Eval::Ask(_)) => return ask,
        _ => return Eval::Absent,
    };
    let header = dst << 64 | src << 16 | view.packet.or_zero(Field::EtherType);
    if offset + bits > 112 || bits == 0 {
        return Eval::Absent;
    }
    Eval::Value(header >> (112 - offset - bits) & crate::model::ones(bits))
}

/// The options of a list of (kind, length, data); a broken one ends it.
fn options(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let len = match rest {
            [0 | 1, ..] => 1,
            [_, len, ..] if *len > 0 => usize::from(*len),
            _ => return None,
        };
        let (option, behind) = rest.split_at_checked(len)?;
        rest = behind;
        Some(option)
    })
}

/// Bits of an option found in a list.
fn option(list: &[u8], kind: u8, offset: u16, bits: u16) -> Eval {
    let found = options(list).find(|o| o[0] == kind);
    found.map_or(Eval::Absent, |option| slice_bits(option, offset, bits))
}

fn slice_bits(bytes: &[u8], offset: u16, bits: u16) -> Eval {
    if bits == 0 {
        return Eval::Value(1);
    }
    let image = Image { bytes: bytes.to_vec(), length: bytes.len(), ..Image::default() };
    image.bits(0, offset.into(), bits.into()).map_or(Eval::Absent, Eval::Value)
}

/// A TCP option's bits, or its existence.
pub(super) fn tcp_option(view: View, kind: u8, offset: u16, bits: u16) -> Eval {
    let p = view.packet;
    if p.or_zero(Field::Proto) != 6 || p.is_later_fragment() {
        return Eval::Absent;
    }
    // Where nobody gave options, whether there are some is asked for by the one that has a field.
    if p.told(Field::TcpMss) == Got::Unknown {
        return super::read(view, Field::TcpMss);
    }
    option(&tcp_options(p), kind, offset, bits)
}

/// Whether a packet has a TCP option.
pub fn has_tcp_option(p: &Packet, kind: u8) -> bool {
    options(&tcp_options(p)).any(|o| o[0] == kind)
}

/// A packet's TCP options with what rules made of them: the segment size changed, or put in front of the others; removed
/// ones are padding.
pub(super) fn tcp_options(p: &Packet) -> Vec<u8> {
    const SEGMENT: u8 = 2;
    let mss = p.value(Field::TcpMss).map(|mss| (mss as u16).to_be_bytes());
    let gone = |kind: u8| p.or_zero(Field::TcpStripped).checked_shr(kind.into()).is_some_and(|bits| bits & 1 == 1);
    let mut out = Vec::with_capacity(p.bytes.tcp_options.len() + 4);
    if let Some([high, low]) = mss
        && !options(&p.bytes.tcp_options).any(|o| o[0] == SEGMENT)
    {
        out.extend([SEGMENT, 4, high, low]);
    }
    let mut read = 0;
    for option in options(&p.bytes.tcp_options) {
        read += option.len();
        match (option[0], mss) {
            (SEGMENT, Some([high, low])) => out.extend([SEGMENT, 4, high, low]),
            (SEGMENT, None) => out.resize(out.len() + option.len(), 1),
            (kind, _) if gone(kind) => out.resize(out.len() + option.len(), 1),
            _ => out.extend_from_slice(option),
        }
    }
    out.extend_from_slice(p.bytes.tcp_options.get(read..).unwrap_or(&[]));
    out
}

/// An IPv4 option's bits, or its existence.
pub(super) fn ip_option(p: &Packet, kind: u8, offset: u16, bits: u16) -> Eval {
    if p.family() == 2 { option(&p.bytes.ip_options, kind, offset, bits) } else { Eval::Absent }
}

/// An IPv6 extension header's bits, or its existence.
pub(super) fn ext_header(p: &Packet, kind: u8, offset: u16, bits: u16) -> Eval {
    let found = p.bytes.ext_headers.iter().find(|h| h.0 == kind);
    found.map_or(Eval::Absent, |(_, bytes)| slice_bits(bytes, offset, bits))
}

/// The chunks of an SCTP packet: (type, flags, bytes).
fn chunks(p: &Packet) -> Option<Vec<&[u8]>> {
    let mut rest = p.bytes.payload.as_deref()?;
    let mut out = Vec::new();
    while rest.len() >= 4 {
        let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if len < 4 {
            break;
        }
        out.push(&rest[..len.min(rest.len())]);
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Some(out)
}

/// An SCTP chunk's bits, or its existence.
pub(super) fn sctp_chunk(view: View, kind: u8, offset: u16, bits: u16) -> Eval {
    if view.packet.or_zero(Field::Proto) != 132 {
        return Eval::Absent;
    }
    let Some(list) = chunks(view.packet) else {
        return if view.facts.get(&PAYLOAD).is_some() { Eval::Absent } else { open() };
    };
    list.iter().find(|c| c[0] == kind).map_or(Eval::Absent, |c| slice_bits(c, offset, bits))
}

/// Whether a byte program holds.
pub(super) fn holds(view: View, id: ProgramId) -> Tri {
    let image = image(view.packet);
    let all = image.bytes.len() >= image.length && image.gap.is_empty();
    let program = &view.world.model.programs[id.0 as usize];
    // A search in bytes that nobody gave has an answer of its own; for other programs they count as zero once the payload
    // fact is answered.
    let asked = if matches!(program, Program::Str { .. }) { Fact::Payload(id) } else { PAYLOAD };
    let given = image.bytes.len();
    let mut bytes = image.bytes.clone();
    bytes.resize(image.length.max(given), 0);
    let (holds, sure) = match program {
        Program::U32(terms) => terms.iter().map(|t| u32_term(t, &bytes, &image)).fold((true, true), both),
        Program::Bpf(code) => bpf(code, &bytes, &image),
        Program::Str { pattern, from, to, icase } => find(pattern, (*from, *to), *icase, (&bytes, given)),
        Program::Ipv6Options { header, options, strict } => {
            (ipv6_options(view.packet, *header, options, *strict), true)
        }
        Program::RtAddrs { addrs, strict } => (rt_addrs(view.packet, addrs, *strict), true),
        Program::Segment { next, value, mask, neg } => {
            (segment(view.packet, *next, *mask).is_some_and(|s| (s == *value) != *neg), true)
        }
        Program::SctpChunks { match_kind, chunks: wanted } => match chunks(view.packet) {
            Some(list) => (sctp_chunks(&list, *match_kind, wanted), true),
            None => (false, false),
        },
    };
    match view.facts.get(&asked) {
        _ if sure || all => holds.into(),
        Some(answer) if asked != PAYLOAD => (answer != 0).into(),
        Some(_) => holds.into(),
        None => Tri::Ask(asked),
    }
}

/// A result and whether it depends on given bytes only.
type Sure = (bool, bool);

fn both(a: Sure, b: Sure) -> Sure {
    // A sure failure decides alone.
    if (a == (false, true)) || (b == (false, true)) { (false, true) } else { (a.0 && b.0, a.1 && b.1) }
}

fn load(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

/// One location (`net/netfilter/xt_u32.c`): `@` moves the base by the value and loads at the next number from there.
fn u32_term(term: &U32Term, bytes: &[u8], image: &Image) -> Sure {
    let word = |at: usize| at..at.saturating_add(4);
    let (mut base, mut sure) = (0usize, image.knows(&word(term.start as usize)));
    let Some(mut value) = load(bytes, term.start as usize) else { return (false, true) };
    for (op, n) in &term.ops {
        match op {
            U32Op::And => value &= n,
            U32Op::Shl => value = value.checked_shl(*n).unwrap_or(0),
            U32Op::Shr => value = value.checked_shr(*n).unwrap_or(0),
            U32Op::At => {
                base = base.saturating_add(value as usize);
                let at = base.saturating_add(*n as usize);
                let Some(next) = load(bytes, at) else { return (false, sure) };
                sure &= image.knows(&word(at));
                value = next;
            }
        }
    }
    (term.ranges.iter().any(|(lo, hi)| *lo <= value && value <= *hi), sure)
}

fn bpf(code: &[BpfInsn], bytes: &[u8], image: &Image) -> Sure {
    let (mut a, mut x, mut pc, mut sure) = (0u32, 0u32, 0usize, true);
    let mut mem = [0u32; 16];
    for _ in 0..4096 {
        let Some(insn) = code.get(pc) else { return (false, sure) };
        pc += 1;
        let class = insn.code & 7;
        let operand = if insn.code & 8 != 0 { x } else { insn.k };
        match class {
            0 | 1 => {
                let Some(v) = bpf_load(*insn, bytes, x, &mem) else { return (false, sure) };
                sure &= v.1.is_empty() || image.knows(&v.1);
                *(if class == 0 { &mut a } else { &mut x }) = v.0;
            }
            2 => mem[(insn.k & 15) as usize] = a,
            3 => mem[(insn.k & 15) as usize] = x,
            4 => match bpf_alu(insn.code, a, operand) {
                Some(v) => a = v,
                None => return (false, sure),
            },
            5 => {
                let taken = match insn.code & 0xf0 {
                    0x00 => {
                        pc = pc.saturating_add(insn.k as usize);
                        continue;
                    }
                    0x10 => a == operand,
                    0x20 => a > operand,
                    0x30 => a >= operand,
                    _ => a & operand != 0,
                };
                pc += usize::from(if taken { insn.jt } else { insn.jf });
            }
            6 => return ((if insn.code & 0x18 == 0x10 { a } else { insn.k }) != 0, sure),
            _ if insn.code & 0xf8 == 0x80 => a = x,
            _ => x = a,
        }
    }
    (false, sure)
}

/// A load instruction: the value, and the bytes that were read.
fn bpf_load(i: BpfInsn, bytes: &[u8], x: u32, mem: &[u32; 16]) -> Option<(u32, Range<usize>)> {
    let at = match i.code & 0xe0 {
        0x00 => return Some((i.k, 0..0)),
        0x60 => return Some((mem[(i.k & 15) as usize], 0..0)),
        0x80 => return Some((bytes.len() as u32, 0..0)),
        0x20 | 0xa0 => i.k as usize,
        _ => (i.k as usize).checked_add(x as usize)?,
    };
    if i.code & 0xe0 == 0xa0 {
        return bytes.get(at).map(|b| (u32::from(b & 15) * 4, at..at + 1));
    }
    let size = match i.code & 0x18 {
        0x08 => 2,
        0x10 => 1,
        _ => 4,
    };
    let slice = bytes.get(at..at.checked_add(size)?)?;
    Some((slice.iter().fold(0, |v, b| v << 8 | u32::from(*b)), at..at + size))
}

fn bpf_alu(code: u16, a: u32, k: u32) -> Option<u32> {
    Some(match code & 0xf0 {
        0x00 => a.wrapping_add(k),
        0x10 => a.wrapping_sub(k),
        0x20 => a.wrapping_mul(k),
        0x30 => a.checked_div(k)?,
        0x40 => a | k,
        0x50 => a & k,
        0x60 => a.checked_shl(k).unwrap_or(0),
        0x70 => a.checked_shr(k).unwrap_or(0),
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(k)?,
        _ => a ^ k,
    })
}

/// Looks for a pattern that starts at one of the offsets `from..=to` (counted from the IP header).
fn find(pattern: &[u8], (from, to): (u32, u32), icase: bool, (bytes, given): (&[u8], usize)) -> Sure {
    let (from, to) = (from as usize, (to as usize).min(bytes.len()));
    let fits = |at: usize, end: usize| {
        bytes
            .get(at..at + pattern.len())
            .filter(|_| at + pattern.len() <= end)
            .is_some_and(|s| if icase { s.eq_ignore_ascii_case(pattern) } else { s == pattern })
    };
    if (from..=to).any(|at| fits(at, given)) {
        return (true, true);
    }
    // Unknown bytes could hold it only when enough of them lie in the window.
    let possible = bytes.len() > given && bytes.len().saturating_sub(from) >= pattern.len() && given <= to;
    (false, !possible)
}

fn ipv6_options(p: &Packet, header: u8, wanted: &[(u8, Option<u8>)], strict: bool) -> bool {
    let Some((_, bytes)) = p.bytes.ext_headers.iter().find(|h| h.0 == header) else { return false };
    let mut rest = bytes.get(2..).unwrap_or(&[]);
    let mut found = Vec::new();
    while let [kind, tail @ ..] = rest {
        let len = if *kind == 0 { 0 } else { tail.first().copied().unwrap_or(0) };
        found.push((*kind, len));
        rest = rest.get(if *kind == 0 { 1 } else { 2 + usize::from(len) }..).unwrap_or(&[]);
    }
    let fits = |w: &(u8, Option<u8>), f: &(u8, u8)| w.0 == f.0 && w.1.is_none_or(|l| l == f.1);
    if strict {
        return found.len() >= wanted.len() && wanted.iter().zip(&found).all(|(w, f)| fits(w, f));
    }
    let mut next = wanted.iter().peekable();
    for f in &found {
        if next.peek().is_some_and(|w| fits(w, f)) {
            next.next();
        }
    }
    next.peek().is_none()
}

fn rt_addrs(p: &Packet, wanted: &[Value], strict: bool) -> bool {
    let Some((_, bytes)) = p.bytes.ext_headers.iter().find(|h| h.0 == 43) else { return false };
    let list: Vec<Value> = bytes
        .get(8..)
        .unwrap_or(&[])
        .chunks_exact(16)
        .map(|c| c.iter().fold(0, |v, b| v << 8 | Value::from(*b)))
        .collect();
    if strict {
        return list.len() == wanted.len() && list == wanted;
    }
    let mut next = wanted.iter().peekable();
    for a in &list {
        if next.peek() == Some(&a) {
            next.next();
        }
    }
    next.peek().is_none()
}

/// The segment beside the current one of a segment routing header, masked: counted from the end, as `segments_left` is.
fn segment(p: &Packet, next: bool, mask: Value) -> Option<Value> {
    let (_, bytes) = p.bytes.ext_headers.iter().find(|h| h.0 == 43)?;
    let (left, last) = (*bytes.get(3)?, *bytes.get(4)?);
    let at = if next { left.checked_sub(1)? } else { left.checked_add(1).filter(|_| left != last)? };
    let at = 8 + usize::from(at) * 16;
    let address = bytes.get(at..at + 16)?;
    Some(address.iter().fold(0, |v, b| v << 8 | Value::from(*b)) & mask)
}

fn sctp_chunks(list: &[&[u8]], how: ChunkMatch, wanted: &[(u8, u8, u8)]) -> bool {
    let fits = |c: &[u8], w: &(u8, u8, u8)| c[0] == w.0 && c[1] & w.1 == w.2;
    let is_wanted = |c: &&[u8]| wanted.iter().any(|w| fits(c, w));
    let is_there = |w: &(u8, u8, u8)| list.iter().any(|c| fits(c, w));
    match how {
        ChunkMatch::All => wanted.iter().all(is_there),
        ChunkMatch::Any => wanted.iter().any(is_there),
        ChunkMatch::Only => list.iter().all(is_wanted),
    }
}
