//! How `ipset` spells protocols, ports and link-layer addresses: `tcp:80`, `icmp:echo-request`, `02:00:00:00:00:0A`.

use crate::field::{PROTOCOLS, Value, protocol_name};

/// ICMP types and codes by name.
const ICMP: &[(&str, u8, u8)] = &[
    ("echo-reply", 0, 0),
    ("pong", 0, 0),
    ("network-unreachable", 3, 0),
    ("host-unreachable", 3, 1),
    ("protocol-unreachable", 3, 2),
    ("port-unreachable", 3, 3),
    ("fragmentation-needed", 3, 4),
    ("source-route-failed", 3, 5),
    ("network-unknown", 3, 6),
    ("host-unknown", 3, 7),
    ("network-prohibited", 3, 9),
    ("host-prohibited", 3, 10),
    ("TOS-network-unreachable", 3, 11),
    ("TOS-host-unreachable", 3, 12),
    ("communication-prohibited", 3, 13),
    ("host-precedence-violation", 3, 14),
    ("precedence-cutoff", 3, 15),
    ("source-quench", 4, 0),
    ("network-redirect", 5, 0),
    ("host-redirect", 5, 1),
    ("TOS-network-redirect", 5, 2),
    ("TOS-host-redirect", 5, 3),
    ("echo-request", 8, 0),
    ("ping", 8, 0),
    ("router-advertisement", 9, 0),
    ("router-solicitation", 10, 0),
    ("ttl-zero-during-transit", 11, 0),
    ("ttl-zero-during-reassembly", 11, 1),
    ("ip-header-bad", 12, 0),
    ("required-option-missing", 12, 1),
    ("timestamp-request", 13, 0),
    ("timestamp-reply", 14, 0),
    ("address-mask-request", 17, 0),
    ("address-mask-reply", 18, 0),
];

/// `ICMPv6` types and codes by name.
const ICMPV6: &[(&str, u8, u8)] = &[
    ("no-route", 1, 0),
    ("communication-prohibited", 1, 1),
    ("address-unreachable", 1, 3),
    ("port-unreachable", 1, 4),
    ("packet-too-big", 2, 0),
    ("ttl-zero-during-transit", 3, 0),
    ("ttl-zero-during-reassembly", 3, 1),
    ("bad-header", 4, 0),
    ("unknown-header-type", 4, 1),
    ("unknown-option", 4, 2),
    ("echo-request", 128, 0),
    ("ping", 128, 0),
    ("echo-reply", 129, 0),
    ("pong", 129, 0),
    ("router-solicitation", 133, 0),
    ("router-advertisement", 134, 0),
    ("neighbour-solicitation", 135, 0),
    ("neigbour-solicitation", 135, 0),
    ("neighbour-advertisement", 136, 0),
    ("neigbour-advertisement", 136, 0),
    ("redirect", 137, 0),
];

/// The protocols whose ports a set looks at.
pub(super) const WITH_PORTS: [u8; 4] = [6, 17, 132, 136];

fn names_of(proto: u8) -> Option<&'static [(&'static str, u8, u8)]> {
    match proto {
        1 => Some(ICMP),
        58 => Some(ICMPV6),
        _ => None,
    }
}

/// `protocol << 16 | port` as `ipset save` writes it.
pub(super) fn show_port(value: Value) -> String {
    let (proto, port) = ((value >> 16) as u8, value as u16);
    let [kind, code] = port.to_be_bytes();
    let shown = match names_of(proto) {
        Some(names) => {
            let name = names.iter().find(|n| n.1 == kind && n.2 == code);
            name.map_or_else(|| format!("{kind}/{code}"), |n| n.0.to_owned())
        }
        None => port.to_string(),
    };
    let proto = if proto == 58 { "ipv6-icmp".to_owned() } else { protocol_name(proto.into()) };
    format!("{proto}:{shown}")
}

pub(super) fn show_mac(value: Value) -> String {
    let bytes: Vec<_> = (0..6).rev().map(|i| format!("{:02X}", (value >> (8 * i)) as u8)).collect();
    bytes.join(":")
}

/// A protocol by name or number.
pub(super) fn protocol(text: &str) -> Option<u8> {
    let other = match text {
        "icmpv6" => Some(58),
        "igmp" => Some(2),
        "ipv6-icmp" => Some(58),
        "vrrp" => Some(112),
        "ospf" => Some(89),
        "pim" => Some(103),
        "ipip" => Some(94),
        "l2tp" => Some(115),
        "egp" => Some(8),
        "igp" => Some(9),
        "rsvp" => Some(46),
        "eigrp" => Some(88),
        _ => None,
    };
    let known = PROTOCOLS.iter().find(|p| p.1.eq_ignore_ascii_case(text)).map(|p| p.0);
    known.or(other).or_else(|| text.parse().ok())
}

/// The ports of `80`, `80-90`, `echo-request` or `8/0` of a protocol; a range is inclusive.
pub(super) fn ports(proto: u8, text: &str) -> Option<(u16, u16)> {
    if let Some(names) = names_of(proto) {
        let named = names.iter().find(|n| n.0.eq_ignore_ascii_case(text)).map(|n| (n.1, n.2));
        let numbered = || {
            let (kind, code) = text.split_once('/')?;
            Some((kind.parse().ok()?, code.parse().ok()?))
        };
        let (kind, code) = named.or_else(numbered)?;
        let port = u16::from_be_bytes([kind, code]);
        return Some((port, port));
    }
    port_range(text)
}

/// `80` or `80-90`, with the few services that people write by name.
pub(super) fn port_range(text: &str) -> Option<(u16, u16)> {
    let one = |text: &str| text.parse().ok().or_else(|| service(text));
    if let Some(port) = one(text) {
        return Some((port, port));
    }
    let (a, b) = text.split_once('-')?;
    let (a, b) = (one(a)?, one(b)?);
    Some((a.min(b), a.max(b)))
}

fn service(name: &str) -> Option<u16> {
    let known = [
        ("ftp", 21),
        ("ssh", 22),
        ("telnet", 23),
        ("smtp", 25),
        ("domain", 53),
        ("bootps", 67),
        ("tftp", 69),
        ("http", 80),
        ("pop3", 110),
        ("ntp", 123),
        ("imap2", 143),
        ("snmp", 161),
        ("https", 443),
        ("imaps", 993),
        ("pop3s", 995),
    ];
    known.iter().find(|k| k.0 == name).map(|k| k.1)
}
