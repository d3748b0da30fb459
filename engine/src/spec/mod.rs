//! A packet as people and files describe it: every part optional, in the words of a case's `packets/NN.json`.
//!
//! [`PacketSpec`] is what `--packet FILE` and the command line's packet flags fill. Completing it with defaults, each of
//! them a listed assumption, gives the packet that is walked. The names of the command line's flags (`src`, `flags`) are
//! understood too.

mod addresses;
mod complete;
mod conns;
mod fields;
mod headers;
mod reply;

use serde::{Deserialize, Serialize};

use crate::field::Field;

pub use complete::{SpecError, Start, complete, protocol_number};
pub use conns::{connection, connections, tcp_state};
pub use fields::meant;
pub use reply::reply_to;

/// What a description may leave out without a word, with the flag that gives it: a default stands in, and is listed where
/// a rule asks for it. Nothing but an answer by hand gives those without a flag.
const DEFAULTS: &[(Field, &str)] = &[
    (Field::Ttl, "--ttl"),
    (Field::Tos, "--tos"),
    (Field::Length, "--length"),
    (Field::ThLength, "--length"),
    (Field::Mark, "--mark"),
    (Field::SockMark, "--mark"),
    (Field::TcpSeq, "seq in --packet"),
    (Field::TcpAck, "ack_seq in --packet"),
    (Field::TcpMss, "mss or tcp_options_hex in --packet"),
    (Field::IcmpId, "--icmp-id"),
    (Field::IcmpSeq, "icmp_seq in --packet"),
    (Field::TcpWindow, "window in --packet"),
    (Field::IpId, "ip_id in --packet"),
    (Field::FragFlags, "df in --packet"),
    (Field::FlowLabel, "flow_label in --packet"),
    (Field::CtState, "--ct-state"),
];

/// The flag that gives a field for which a default stands in.
pub(crate) fn flag_of(field: Field) -> &'static str {
    DEFAULTS.iter().find(|d| d.0 == field).map_or("", |d| d.1)
}

/// A protocol by name or number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProtoName {
    /// By number.
    Number(u8),
    /// By name.
    Name(String),
}

/// An IPv6 extension header in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtHeaderSpec {
    /// Its protocol number: 0 hop-by-hop, 43 routing, 44 fragment, 60 destination options.
    pub header: u8,
    /// Its bytes as hex digits; the first, which says what follows, is filled in.
    pub hex: String,
}

/// One direction of a connection in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TupleSpec {
    /// Source address.
    pub saddr: String,
    /// Destination address.
    pub daddr: String,
    /// Layer 4 protocol number.
    pub proto: u8,
    /// Source port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sport: Option<u16>,
    /// Destination port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dport: Option<u16>,
    /// ICMP identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_id: Option<u16>,
    /// ICMP type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// ICMP code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// Number of a zone that counts in this direction only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<u16>,
}

/// A connection that exists before the packet, in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnSpec {
    /// Original direction.
    pub orig: TupleSpec,
    /// Reply direction.
    pub reply: TupleSpec,
    /// `confirmed`, `seen_reply`, `assured`, `snat`, `dnat`, …
    pub status: Vec<String>,
    /// Connection mark.
    pub mark: u32,
    /// Zone.
    pub zone: u16,
    /// `syn_sent`, `established`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_state: Option<String>,
}

/// A packet as described; what is `None` gets a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacketSpec {
    /// `ip` or `ip6`; else by the addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// `node` for a packet of this host; anything else arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Device it arrives by.
    #[serde(alias = "in", skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    /// Bridge port it arrives by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physin: Option<String>,
    /// Protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proto: Option<ProtoName>,
    /// Source address.
    #[serde(alias = "src", skip_serializing_if = "Option::is_none")]
    pub saddr: Option<String>,
    /// Destination address.
    #[serde(alias = "dst", skip_serializing_if = "Option::is_none")]
    pub daddr: Option<String>,
    /// Source port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sport: Option<u16>,
    /// Destination port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dport: Option<u16>,
    /// `syn`, `ack`, `fin`, `rst`, `psh`, `urg`, `ece`, `cwr`.
    #[serde(alias = "flags", skip_serializing_if = "Option::is_none")]
    pub tcp_flags: Option<Vec<String>>,
    /// TCP sequence number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u32>,
    /// TCP acknowledgment number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_seq: Option<u32>,
    /// TCP window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u16>,
    /// TCP option: maximum segment size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mss: Option<u16>,
    /// ICMP type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// ICMP code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// ICMP echo identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_id: Option<u16>,
    /// ICMP echo sequence number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_seq: Option<u16>,
    /// IPv4 identification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_id: Option<u16>,
    /// IPv4's "do not fragment".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub df: Option<bool>,
    /// IPv6 flow label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_label: Option<u32>,
    /// TTL or hop limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
    /// TOS byte or traffic class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos: Option<u8>,
    /// Length of the IP packet in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u16>,
    /// Fragment offset in units of 8 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frag_offset: Option<u16>,
    /// More fragments follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_fragments: Option<bool>,
    /// IPv4 options, as hex digits; a multiple of four bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_options_hex: Option<String>,
    /// IPv6 extension headers, in order. A fragment header follows from `frag_offset` and `more_fragments`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext_headers: Option<Vec<ExtHeaderSpec>>,
    /// TCP options, as hex digits; a multiple of four bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_options_hex: Option<String>,
    /// The layer 4 checksum is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_checksum: Option<bool>,
    /// Packet mark (of the socket, for a packet of this host).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// User id of the sending socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group id of the sending socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Source MAC address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_mac: Option<String>,
    /// Destination MAC address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_mac: Option<String>,
    /// Layer 4 payload, as hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_hex: Option<String>,
    /// The packet that an ICMP error quotes, as hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_hex: Option<String>,
    /// Conntrack state given by hand instead of looked up: `new`, `established`, `related`, `invalid`, `untracked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ct_state: Option<String>,
    /// Number of the flow that the packet belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<u32>,
    /// Position in its flow; 1 starts with an empty connection table and fresh rule state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// The clock when it is sent, UTC: `2026-11-29 22:30:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// When it is sent, in milliseconds behind the dumps: rates refill, timeouts run down. Not given: no time has passed
    /// since the packet before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    /// The connection table that the packet meets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<Vec<ConnSpec>>,
}
