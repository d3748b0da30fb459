//! THE table of fields: everything a rule can read of a packet, its connection, its devices or its socket.
//!
//! Every field's value is one `u128`: an address is its number, a device name its 16 bytes (big endian, padded with
//! zeros, so that a prefix such as `eth+` is a mask), a set of flags its bits. A field is declared once, here: its name,
//! its width and how it is shown. Fields with arguments (`fib`, `tcp option N`, raw bytes) are expressions instead
//! ([`crate::model::Expr`]).

mod text;

pub use text::*;

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
    /// Length of the packet as the kernel holds it where the rule stands: at egress the Ethernet header counts too.
    SeenLength "packet length" 16 Dec;
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
    /// Kinds of the TCP options that rules have removed, as bits.
    TcpStripped "tcp options removed" 128 Hex;
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
    /// Drop eligible indicator of a tagged frame.
    VlanDei "vlan dei" 1 Bool;
    /// 0 host (unicast), 1 broadcast, 2 multicast, 3 other host.
    PktType "pkttype" 8 PktType;
    /// Whether it is the copy of a broadcast of this host that came in again (`PACKET_LOOPBACK`).
    Looped "looped back" 1 Bool;
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
    /// Conntrack zone of the original direction.
    CtOrigZone "ct original zone" 16 Dec;
    /// Conntrack zone of the answers.
    CtReplZone "ct reply zone" 16 Dec;
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
    /// Operating system that the SYN's fingerprint is taken for (`osf name`), as a device name's bytes.
    OsfName "osf name" 128 Dev;
    /// Request id of the IPsec policy that the packet came or will go through.
    IpsecReqid "ipsec reqid" 32 Dec;
    /// Security parameter index of that policy's association.
    IpsecSpi "ipsec spi" 32 Hex;
}

/// How many fields there are.
pub const FIELDS: usize = Field::IpsecSpi as usize + 1;

impl Field {
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
                | SeenLength
                | PktType
                | Iif
                | Oif
                | SdifName
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
}
