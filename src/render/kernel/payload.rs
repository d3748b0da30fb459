//! A packet's layer 4 header as nft lists it field by field: `udp sport 40000 udp dport 53 udp length 40 @th,64,96 0x4e54…`.
//!
//! nft gets the first twenty bytes of the header; what it has no field for is printed raw. Left out: raw bytes that no
//! description gave.

use nettrace_engine::eval::Image;
use nettrace_engine::field::{TCP_FLAGS, protocol_name};
use nettrace_engine::lower::nft::value_name;

/// How a field's value is printed.
#[derive(Clone, Copy)]
enum How {
    Number,
    Hex,
    Protocol,
    Flags,
}

/// A header: its name, its fields in the order of the print with offset and length in bits, and where the raw rest begins.
struct Header {
    proto: u8,
    name: &'static str,
    fields: &'static [(&'static str, usize, usize, How)],
    rest: usize,
}

const HEADERS: &[Header] = {
    use How::*;
    const PORTS: [(&str, usize, usize, How); 2] = [("sport", 0, 16, Number), ("dport", 16, 16, Number)];
    const fn header(
        proto: u8,
        name: &'static str,
        rest: usize,
        fields: &'static [(&'static str, usize, usize, How)],
    ) -> Header {
        Header { proto, name, fields, rest }
    }
    &[
        header(6, "tcp", 160, &[PORTS[0], PORTS[1], ("flags", 104, 8, Flags), ("window", 112, 16, Number)]),
        header(17, "udp", 64, &[PORTS[0], PORTS[1], ("length", 32, 16, Number)]),
        header(136, "udplite", 64, &[PORTS[0], PORTS[1], ("csumcov", 32, 16, Number), ("checksum", 48, 16, Number)]),
        header(132, "sctp", 96, &[PORTS[0], PORTS[1], ("vtag", 32, 32, Number)]),
        header(33, "dccp", 32, &PORTS),
        header(
            1,
            "icmp",
            64,
            &[("type", 0, 8, Number), ("code", 8, 8, Number), ("id", 32, 16, Number), ("sequence", 48, 16, Number)],
        ),
        header(
            58,
            "icmpv6",
            64,
            &[("type", 0, 8, Number), ("code", 8, 8, Number), ("parameter-problem", 32, 32, Number)],
        ),
        header(2, "igmp", 16, &[("type", 0, 8, Number), ("mrt", 8, 8, Number)]),
        header(50, "esp", 64, &[("spi", 0, 32, Number), ("sequence", 32, 32, Number)]),
        header(51, "ah", 96, &[("spi", 32, 32, Number), ("hdrlength", 8, 8, Number), ("nexthdr", 0, 8, Protocol)]),
        header(108, "comp", 32, &[("flags", 8, 8, Hex), ("cpi", 16, 16, Number)]),
    ]
};

/// Bytes of the layer 4 header that nft gets to see.
const SEEN: usize = 20;

/// The print, and whether it tells the protocol.
pub(super) fn print(image: &Image, proto: u8) -> (String, bool) {
    let bits = image.length.saturating_sub(image.transport).min(SEEN) * 8;
    let mut out = String::new();
    let header = HEADERS.iter().find(|h| h.proto == proto).filter(|_| bits >= 8);
    let Some(header) = header else {
        raw(image, 0, bits, &mut out);
        return (out, false);
    };
    for (name, offset, length, how) in header.fields.iter().filter(|f| f.1 + f.2 <= bits) {
        let value = image.bits(image.transport, *offset, *length).unwrap_or(0);
        let selector = format!("{} {name}", header.name);
        let text = match how {
            How::Number => value_name(&selector, value).map_or_else(|| value.to_string(), str::to_owned),
            How::Hex => format!("{value:#x}"),
            How::Protocol => protocol_name(value),
            How::Flags => flags(value),
        };
        out.push_str(&format!("{selector} {text} "));
    }
    raw(image, header.rest, bits, &mut out);
    (out, true)
}

/// Bits that nft has no field for; none where the description does not hold all of them.
fn raw(image: &Image, from: usize, to: usize, out: &mut String) {
    let bytes = image.bytes.get(image.transport + from / 8..image.transport + to / 8);
    if let Some(bytes) = bytes.filter(|b| !b.is_empty()) {
        let hex = super::hex(bytes);
        let digits = hex.trim_start_matches('0');
        out.push_str(&format!("@th,{from},{} 0x{} ", to - from, if digits.is_empty() { "0" } else { digits }));
    }
}

/// A single flag has a name; nft prints combinations as a number.
fn flags(value: u128) -> String {
    let single = TCP_FLAGS.iter().find(|(bit, _)| *bit == value).map(|(_, name)| name.to_ascii_lowercase());
    format!("== {}", single.unwrap_or_else(|| format!("{value:#x}")))
}
