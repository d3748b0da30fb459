//! THE table of fields: everything a rule can read of a packet, its connection, its devices or its socket.
//!
//! Every field's value is one `u128`: an address is its number, a device name its 16 bytes (big endian, padded with
//! zeros, so that a prefix such as `eth+` is a mask), a set of flags its bits. A field is declared once, here: its name,
//! its width and how it is shown. Fields with arguments (`fib`, `tcp option N`, raw bytes) are expressions instead
//! ([`crate::model::Expr`]).

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A field's value.
pub type Value = u128;

/// How a field's value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// An IP address of the packet's family.
    Addr,
    /// Decimal.
    Dec,
    /// `0x4000`.
    Hex,
    /// A device name.
    Dev,
    /// A layer 4 protocol.
    Proto,
    /// `02:00:00:00:01:01`.
    Mac,
    /// `SYN,ACK`.
    TcpFlags,
    /// `NEW`, `ESTABLISHED`, …: [`ct_state`] bits.
    CtState,
    /// `SEEN_REPLY`, …: [`ct_status`] bits.
    CtStatus,
    /// `ORIGINAL` or `REPLY`.
    CtDir,
    /// `unicast`, `broadcast`, `multicast`, `other`.
    PktType,
    /// `ip` or `ip6`.
    Family,
    /// yes or no.
    Bool,
    /// `08:00:00`.
    Clock,
    /// `Monday`.
    Weekday,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $id:ident $name:literal $bits:literal $show:ident;)*) => {
        /// Something a rule can read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field { $($(#[$doc])* $id,)* }

        impl Field {
            /// All fields, in the order of their numbers.
            pub const ALL: &'static [Field] = &[$(Field::$id,)*];

            /// The field's name in the field's words: `dport`, `ct state`.
            pub fn name(self) -> &'static str {
                match self { $(Field::$id => $name,)* }
            }

            /// A list of this field alone.
            pub fn alone(self) -> &'static [Field] {
                match self { $(Field::$id => &[Field::$id],)* }
            }

            /// Width in bits.
            pub fn bits(self) -> u32 {
                match self { $(Field::$id => $bits,)* }
            }

            /// How its values are shown.
            pub fn show(self) -> Show {
                match self { $(Field::$id => Show::$show,)* }
            }
        }
    };
}

fields! {
    /// The IP family that the hook works on: 2 IPv4, 10 IPv6, 0 neither (ARP, other bridged frames).
    Family "family" 8 Family;
    /// Source address.
    Saddr "saddr" 128 Addr;
    /// Destination address.
    Daddr "daddr" 128 Addr;
    /// Final layer 4 protocol (IPv6: behind the extension headers).
    Proto "proto" 8 Proto;
    /// IPv4 TOS or IPv6 traffic class, the whole byte.
    Tos "tos" 8 Hex;
    /// TTL or hop limit.
    Ttl "ttl" 8 Dec;
    /// Length of the whole IP packet in bytes, header included.
    Length "length" 16 Dec;
    /// IPv4 identification.
    IpId "id" 16 Dec;
    /// Fragment offset in units of 8 bytes.
    FragOffset "frag offset" 13 Dec;
    /// IPv4 flag bits: 4 reserved, 2 DF, 1 MF; for an IPv6 fragment 1 is "more".
    FragFlags "frag flags" 3 Hex;
    /// IPv4 header length in bytes.
    IpHdrLen "header length" 8 Dec;
    /// IPv6 flow label.
    FlowLabel "flow label" 20 Hex;
    /// IPv6: the first next-header byte; IPv4: the protocol byte.
    NextHeader "next header" 8 Proto;
    /// IPv6 extension headers present: bit 0 hop-by-hop, 1 destination, 2 routing, 3 fragment, 4 AH, 5 ESP, 6 none.
    ExtHeaders "extension headers" 8 Hex;
    /// Bytes from the start of the layer 4 header to the packet's end.
    ThLength "layer 4 length" 16 Dec;
    /// Source port (TCP, UDP, SCTP, DCCP, UDP-Lite).
    Sport "sport" 16 Dec;
    /// Destination port.
    Dport "dport" 16 Dec;
    /// TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    TcpFlags "tcp flags" 8 TcpFlags;
    /// TCP sequence number.
    TcpSeq "tcp seq" 32 Dec;
    /// TCP acknowledgment number.
    TcpAck "tcp ack" 32 Dec;
    /// TCP window.
    TcpWindow "tcp window" 16 Dec;
    /// TCP option "maximum segment size".
    TcpMss "tcp mss" 16 Dec;
    /// ICMP or ICMPv6 type.
    IcmpType "icmp type" 8 Dec;
    /// ICMP or ICMPv6 code.
    IcmpCode "icmp code" 8 Dec;
    /// ICMP echo identifier.
    IcmpId "icmp id" 16 Dec;
    /// ICMP echo sequence number.
    IcmpSeq "icmp seq" 16 Dec;
    /// ESP or AH security parameter index.
    Spi "spi" 32 Hex;
    /// IPComp parameter index.
    Cpi "cpi" 16 Hex;
    /// DCCP packet type.
    DccpType "dccp type" 4 Dec;
    /// SCTP verification tag.
    SctpVtag "sctp vtag" 32 Hex;
    /// Whether the packet is an ARP packet: its operation.
    ArpOp "arp operation" 16 Dec;
    /// ARP sender address.
    ArpSaddr "arp saddr" 32 Addr;
    /// ARP target address.
    ArpDaddr "arp daddr" 32 Addr;
    /// Source MAC address, where the packet has an Ethernet header.
    EtherSaddr "ether saddr" 48 Mac;
    /// Destination MAC address.
    EtherDaddr "ether daddr" 48 Mac;
    /// Ethernet type behind VLAN tags: what `meta protocol` reads; present for local packets too.
    EtherType "ether type" 16 Hex;
    /// VLAN id of a tagged frame.
    VlanId "vlan id" 12 Dec;
    /// VLAN priority of a tagged frame.
    VlanPcp "vlan pcp" 3 Dec;
    /// 0 host (unicast), 1 broadcast, 2 multicast, 3 other host.
    PktType "pkttype" 8 PktType;
    /// Incoming device; the empty name when there is none.
    Iif "iif" 128 Dev;
    /// Outgoing device; the empty name when there is none.
    Oif "oif" 128 Dev;
    /// Bridge port the frame came in by; absent without bridge information.
    PhysIn "physin" 128 Dev;
    /// Bridge port the frame leaves by.
    PhysOut "physout" 128 Dev;
    /// Whether the frame is bridged (not routed) here.
    IsBridged "bridged" 1 Bool;
    /// Packet mark.
    Mark "mark" 32 Hex;
    /// skb priority (`CLASSIFY`, `meta priority`).
    Priority "priority" 32 Hex;
    /// Whether the packet is traced.
    NfTrace "nftrace" 1 Bool;
    /// SELinux mark, as the number of its context.
    Secmark "secmark" 32 Hex;
    /// User id of the sending socket.
    SkUid "uid" 32 Dec;
    /// Group id of the sending socket.
    SkGid "gid" 32 Dec;
    /// Whether the packet belongs to a full socket.
    SkExists "socket" 1 Bool;
    /// net_cls class id of the socket.
    Cgroup "cgroup" 32 Hex;
    /// Result of a socket lookup: its transparent flag; absent when there is no socket.
    SockTransparent "socket transparent" 1 Bool;
    /// Result of a socket lookup: its mark.
    SockMark "socket mark" 32 Hex;
    /// Result of a socket lookup: bound to the wildcard address.
    SockWildcard "socket wildcard" 1 Bool;
    /// CPU number.
    Cpu "cpu" 32 Dec;
    /// The clock in nanoseconds since 1970, UTC.
    Time "time" 64 Dec;
    /// Day of the week, 0 Sunday.
    Day "day" 8 Weekday;
    /// Day of the month, from 1.
    MonthDay "month day" 5 Dec;
    /// Second of the day.
    Hour "hour" 32 Clock;
    /// Whether the packet came or will go through IPsec.
    Ipsec "ipsec" 1 Bool;
    /// Whether IPVS handled the packet.
    Ipvs "ipvs" 1 Bool;
    /// Routing realm of the route taken.
    Realm "realm" 32 Dec;
    /// Next hop of the route taken.
    RtNexthop "rt nexthop" 128 Addr;
    /// TCP MSS of the route taken (`rt mtu`).
    RtMtu "rt mtu" 16 Dec;
    /// Connection state bits, see [`ct_state`]; INVALID without a connection.
    CtState "ct state" 32 CtState;
    /// Connection status bits, see [`ct_status`].
    CtStatus "ct status" 32 CtStatus;
    /// 0 original, 1 reply.
    CtDir "ct direction" 1 CtDir;
    /// Connection mark.
    CtMark "ct mark" 32 Hex;
    /// Connection labels.
    CtLabel "ct label" 128 Hex;
    /// Conntrack zone.
    CtZone "ct zone" 16 Dec;
    /// Connection id.
    CtId "ct id" 32 Dec;
    /// Name of the connection's helper, as a device name's bytes; 0 for none.
    CtHelper "ct helper" 128 Dev;
    /// Seconds until the connection expires.
    CtExpiration "ct expiration" 32 Dec;
    /// Layer 3 protocol of the connection (2, 10).
    CtL3Proto "ct l3proto" 8 Family;
    /// Layer 4 protocol of the connection.
    CtProto "ct proto" 8 Proto;
    /// Original direction: source.
    CtOrigSrc "ct original saddr" 128 Addr;
    /// Original direction: destination.
    CtOrigDst "ct original daddr" 128 Addr;
    /// Original direction: source port.
    CtOrigSport "ct original sport" 16 Dec;
    /// Original direction: destination port.
    CtOrigDport "ct original dport" 16 Dec;
    /// Reply direction: source.
    CtReplSrc "ct reply saddr" 128 Addr;
    /// Reply direction: destination.
    CtReplDst "ct reply daddr" 128 Addr;
    /// Reply direction: source port.
    CtReplSport "ct reply sport" 16 Dec;
    /// Reply direction: destination port.
    CtReplDport "ct reply dport" 16 Dec;
    /// Packets in the original direction.
    CtOrigPackets "ct original packets" 64 Dec;
    /// Bytes in the original direction.
    CtOrigBytes "ct original bytes" 64 Dec;
    /// Packets in the reply direction.
    CtReplPackets "ct reply packets" 64 Dec;
    /// Bytes in the reply direction.
    CtReplBytes "ct reply bytes" 64 Dec;
    /// Index of the incoming device, 0 for none. Derived from [`Field::Iif`] and the host's links.
    IifIndex "iif index" 32 Dec;
    /// Index of the outgoing device, 0 for none.
    OifIndex "oif index" 32 Dec;
    /// ARPHRD type of the incoming device; absent without one.
    IifType "iif type" 16 Dec;
    /// ARPHRD type of the outgoing device.
    OifType "oif type" 16 Dec;
    /// Group of the incoming device.
    IifGroup "iif group" 32 Dec;
    /// Group of the outgoing device.
    OifGroup "oif group" 32 Dec;
    /// rtnl kind (`veth`, `bridge`) of the incoming device.
    IifKind "iif kind" 128 Dev;
    /// rtnl kind of the outgoing device.
    OifKind "oif kind" 128 Dev;
    /// The bridge that the incoming device is a port of.
    IbrName "ibrname" 128 Dev;
    /// The bridge that the outgoing device is a port of.
    ObrName "obrname" 128 Dev;
    /// L3 slave device (VRF), name.
    SdifName "sdifname" 128 Dev;
}

/// How many fields there are.
pub const FIELDS: usize = Field::SdifName as usize + 1;

/// Bits of [`Field::CtState`], as nft numbers them, with xt's two status states above.
pub mod ct_state {
    /// No connection was found or made, or conntrack refused the packet.
    pub const INVALID: u128 = 1;
    /// Part of a connection that has seen both directions.
    pub const ESTABLISHED: u128 = 2;
    /// Belongs to another connection: an ICMP error or an expected connection.
    pub const RELATED: u128 = 4;
    /// First packets of a connection.
    pub const NEW: u128 = 8;
    /// Exempted by `notrack`.
    pub const UNTRACKED: u128 = 64;
    /// xt `--ctstate SNAT`: the connection's source is translated. Never set in the field; lowered to a status test.
    pub const ALL: &[(u128, &str)] = &[
        (INVALID, "INVALID"),
        (NEW, "NEW"),
        (RELATED, "RELATED"),
        (ESTABLISHED, "ESTABLISHED"),
        (UNTRACKED, "UNTRACKED"),
    ];
}

/// Bits of [`Field::CtStatus`] (`include/uapi/linux/netfilter/nf_conntrack_common.h`).
pub mod ct_status {
    /// Made by an expectation.
    pub const EXPECTED: u128 = 1;
    /// A reply was seen.
    pub const SEEN_REPLY: u128 = 2;
    /// Will not be dropped early.
    pub const ASSURED: u128 = 4;
    /// In the table (after its first packet left).
    pub const CONFIRMED: u128 = 8;
    /// Source is translated.
    pub const SRC_NAT: u128 = 16;
    /// Destination is translated.
    pub const DST_NAT: u128 = 32;
    /// Source manipulation was decided (perhaps to nothing).
    pub const SRC_NAT_DONE: u128 = 128;
    /// Destination manipulation was decided.
    pub const DST_NAT_DONE: u128 = 256;
    /// About to go.
    pub const DYING: u128 = 512;
    /// Names as `--ctstatus` and nft use them.
    pub const ALL: &[(u128, &str)] = &[
        (EXPECTED, "EXPECTED"),
        (SEEN_REPLY, "SEEN_REPLY"),
        (ASSURED, "ASSURED"),
        (CONFIRMED, "CONFIRMED"),
        (SRC_NAT, "SNAT"),
        (DST_NAT, "DNAT"),
        (SRC_NAT_DONE, "SNAT_DONE"),
        (DST_NAT_DONE, "DNAT_DONE"),
        (DYING, "DYING"),
    ];
}

/// Names of TCP flag bits, in the order of `iptables --tcp-flags`.
pub const TCP_FLAGS: &[(u128, &str)] =
    &[(1, "FIN"), (2, "SYN"), (4, "RST"), (8, "PSH"), (16, "ACK"), (32, "URG"), (64, "ECE"), (128, "CWR")];

/// Layer 4 protocols by the name that iptables and nft print.
pub const PROTOCOLS: &[(u8, &str)] = &[
    (0, "ip"),
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipencap"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "icmpv6"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (89, "ospf"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (132, "sctp"),
    (135, "mh"),
    (136, "udplite"),
];

/// The value of a device name; names longer than 15 bytes do not exist and are cut.
pub fn device(name: &str) -> Value {
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    u128::from_be_bytes(bytes)
}

/// The device name behind a value.
pub fn device_name(value: Value) -> String {
    let bytes = value.to_be_bytes();
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(16);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The value of an address.
pub fn address(addr: IpAddr) -> Value {
    match addr {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// The address behind a value, in the family `10` (IPv6) or any other (IPv4).
pub fn to_address(value: Value, family: Value) -> IpAddr {
    if family == 10 { IpAddr::V6(Ipv6Addr::from_bits(value)) } else { IpAddr::V4(Ipv4Addr::from_bits(value as u32)) }
}

/// The value of a MAC address in text; `None` when it is not one.
pub fn mac(text: &str) -> Option<Value> {
    let mut value = 0;
    let mut parts = 0;
    for part in text.split([':', '-']) {
        value = value << 8 | u128::from(u8::from_str_radix(part, 16).ok()?);
        parts += 1;
    }
    (parts == 6).then_some(value)
}

/// The name of a protocol number, or the number.
pub fn protocol_name(number: Value) -> String {
    PROTOCOLS.iter().find(|p| u128::from(p.0) == number).map_or_else(|| number.to_string(), |p| p.1.to_string())
}

/// The names of the set bits, joined by commas; unknown bits as one hex number, no bits as `none`.
pub fn bit_names(value: Value, names: &[(u128, &str)]) -> String {
    let mut out = String::new();
    let mut rest = value;
    for (bit, name) in names {
        if value & bit != 0 {
            rest &= !bit;
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(name);
        }
    }
    if rest != 0 {
        let _ = write!(out, "{}{rest:#x}", if out.is_empty() { "" } else { "," });
    }
    if out.is_empty() { "none".to_string() } else { out }
}

/// Days of the week by number.
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// `08:30` or `08:30:15` as seconds.
fn clock(text: &str) -> Option<Value> {
    let parts: Option<Vec<Value>> = text.split(':').map(|p| p.parse().ok()).collect();
    match parts?[..] {
        [h @ 0..24, m @ 0..60] => Some(h * 3600 + m * 60),
        [h @ 0..24, m @ 0..60, s @ 0..60] => Some(h * 3600 + m * 60 + s),
        _ => None,
    }
}

impl Field {
    /// The value as people write it; addresses are shown in `family` (2 or 10).
    pub fn print(self, value: Value, family: Value) -> String {
        match self.show() {
            Show::Addr => to_address(value, family).to_string(),
            Show::Dec => value.to_string(),
            Show::Hex => format!("{value:#x}"),
            Show::Dev if value == 0 => "none".to_string(),
            Show::Dev => device_name(value),
            Show::Proto => protocol_name(value),
            Show::Mac => {
                let b = value.to_be_bytes();
                b[10..].iter().map(|x| format!("{x:02x}")).collect::<Vec<_>>().join(":")
            }
            Show::TcpFlags => bit_names(value, TCP_FLAGS),
            Show::CtState => bit_names(value, ct_state::ALL),
            Show::CtStatus => bit_names(value, ct_status::ALL),
            Show::CtDir => if value == 0 { "ORIGINAL" } else { "REPLY" }.to_string(),
            Show::PktType => match value {
                0 => "unicast".to_string(),
                1 => "broadcast".to_string(),
                2 => "multicast".to_string(),
                _ => "other".to_string(),
            },
            Show::Family => match value {
                2 => "ip".to_string(),
                10 => "ip6".to_string(),
                other => other.to_string(),
            },
            Show::Bool => if value == 0 { "no" } else { "yes" }.to_string(),
            Show::Clock => format!("{:02}:{:02}:{:02}", value / 3600, value / 60 % 60, value % 60),
            Show::Weekday => WEEKDAYS.get(value as usize).map_or_else(|| value.to_string(), |d| (*d).to_string()),
        }
    }

    /// The value that people write so; `None` for what is no value of the field.
    pub fn parse(self, text: &str) -> Option<Value> {
        let number = || match text.strip_prefix("0x") {
            Some(hex) => Value::from_str_radix(hex, 16).ok(),
            None => text.parse::<Value>().ok(),
        };
        let value = match self.show() {
            Show::Addr => text.parse().ok().map(address),
            Show::Dev if text == "ask" || text.len() > 15 || text.contains(char::is_whitespace) => None,
            Show::Dev => Some(device(text)),
            Show::Mac => mac(text),
            Show::Proto => PROTOCOLS.iter().find(|p| p.1 == text).map(|p| Value::from(p.0)).or_else(number),
            Show::Clock => clock(text).or_else(number),
            Show::Weekday => {
                let day = WEEKDAYS.iter().position(|d| d.eq_ignore_ascii_case(text));
                day.map(|d| d as Value).or_else(number)
            }
            Show::Bool => [("no", 0), ("yes", 1)].iter().find(|b| b.0 == text).map(|b| b.1).or_else(number),
            _ => number(),
        };
        value.filter(|v| *v <= crate::model::ones(self.bits()))
    }

    /// Whether the field reads the connection that the packet belongs to.
    pub fn is_conntrack(self) -> bool {
        (Field::CtState as u8..=Field::CtReplBytes as u8).contains(&(self as u8))
    }

    /// Whether the field always has a value, so that `!` is the plain complement.
    pub fn is_total(self) -> bool {
        use Field::*;
        matches!(
            self,
            Family
                | Saddr
                | Daddr
                | Proto
                | Tos
                | Ttl
                | Length
                | PktType
                | Iif
                | Oif
                | IifIndex
                | OifIndex
                | Mark
                | Priority
                | NfTrace
                | CtState
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_fit_the_masks_of_a_packet() {
        const { assert!(FIELDS <= 128) };
        for (i, f) in Field::ALL.iter().enumerate() {
            assert_eq!(*f as usize, i);
        }
    }

    #[test]
    fn values_print_as_people_write_them() {
        let check = |field: Field, value, expect: &str| assert_eq!(field.print(value, 2), expect);
        check(Field::Saddr, 0x0a00_0001, "10.0.0.1");
        check(Field::Iif, device("eth0"), "eth0");
        check(Field::TcpFlags, 18, "SYN,ACK");
        check(Field::CtState, ct_state::NEW, "NEW");
        check(Field::EtherSaddr, mac("02:00:00:00:01:ff").unwrap(), "02:00:00:00:01:ff");
        check(Field::Mark, 0x4000, "0x4000");
        assert_eq!(Field::Daddr.print(1, 10), "::1");
        assert_eq!(device("eth0") >> 104, device("eth") >> 104);
    }
}
