//! THE table of nft's selectors: `tcp dport` reads a field of the packet, and asks for TCP first.
//!
//! A row is a selector's spelling, where its value is, how its words are read, and what nft tests in front of it
//! ([`Needs`], semantics.md 9.2). Selectors with arguments (`fib`, `numgen`, options) are in [`super::special`].

use super::kind::Kind;
use crate::field::Field;
use crate::model::Base;

/// Where a selector's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field.
    Field(Field),
    /// So many bits of a field, from a shift on: DSCP is six bits of the TOS byte.
    Part(Field, u32, u32),
    /// Bits of a header.
    Bytes(Base, u32, u32),
    /// The sum of two fields: `ct packets` of both directions.
    Sum(Field, Field),
    /// The sum of the first fields through the sum of the second: bytes a packet.
    Average(&'static [Field], &'static [Field]),
}

/// What must hold before the value is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// This layer 4 protocol.
    pub proto: Option<u8>,
    /// This family of the packet, 2 or 10.
    pub family: Option<u8>,
    /// An Ethernet device.
    pub ether: bool,
    /// A connection of this family.
    pub ct_family: Option<u8>,
    /// Connection tracking.
    pub ct: bool,
    /// A route: the packet was routed already.
    pub route: bool,
    /// An ARP packet.
    pub arp: bool,
    /// One of these types of ICMP: what stands in its header depends on them.
    pub icmp: &'static [u8],
}

/// A selector.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// How it is written.
    pub text: &'static str,
    /// Where its value is.
    pub source: Source,
    /// How its values are written.
    pub kind: Kind,
    /// What is tested in front of it.
    pub needs: Needs,
}

const NONE: Needs =
    Needs { proto: None, family: None, ether: false, ct_family: None, ct: false, route: false, arp: false, icmp: &[] };
const CT: Needs = Needs { ct: true, ..NONE };
const CT4: Needs = Needs { ct: true, ct_family: Some(2), ..NONE };
const CT6: Needs = Needs { ct: true, ct_family: Some(10), ..NONE };
const IP: Needs = Needs { family: Some(2), ..NONE };
const IP6: Needs = Needs { family: Some(10), ..NONE };
const ROUTE: Needs = Needs { route: true, ..NONE };
const ARP: Needs = Needs { arp: true, ..NONE };
const ETHER: Needs = Needs { ether: true, ..NONE };
const ICMP: Needs = Needs { family: Some(2), proto: Some(1), ..NONE };
const IGMP: Needs = Needs { family: Some(2), proto: Some(2), ..NONE };
const ICMP6: Needs = Needs { family: Some(10), proto: Some(58), ..NONE };

const fn icmp(icmp: &'static [u8]) -> Needs {
    Needs { icmp, ..ICMP }
}

const fn icmp6(icmp: &'static [u8]) -> Needs {
    Needs { icmp, ..ICMP6 }
}

const fn l4(proto: u8) -> Needs {
    Needs { proto: Some(proto), ..NONE }
}

macro_rules! rows {
    ($($text:literal $source:expr, $kind:ident, $needs:expr;)*) => {
        /// All rows.
        pub const ROWS: &[Row] = &[$(Row { text: $text, source: $source, kind: Kind::$kind, needs: $needs },)*];
    };
}

const fn f(field: Field) -> Source {
    Source::Field(field)
}

const fn nh(offset: u32, bits: u32) -> Source {
    Source::Bytes(Base::Network, offset, bits)
}

const fn th(offset: u32, bits: u32) -> Source {
    Source::Bytes(Base::Transport, offset, bits)
}

const fn ll(offset: u32, bits: u32) -> Source {
    Source::Bytes(Base::Link, offset, bits)
}

use Field::*;

rows! {
    "meta length" f(SeenLength), Int, NONE;
    "meta protocol" f(EtherType), EtherType, NONE;
    "meta nfproto" f(Family), NfProto, NONE;
    "meta l4proto" f(Proto), Proto, NONE;
    "meta priority" f(Priority), ClassId, NONE;
    "meta mark" f(Mark), Int, NONE;
    "meta iif" f(Iif), Ifindex, NONE;
    "meta iifname" f(Iif), Ifname, NONE;
    "meta iiftype" f(IifType), IfType, NONE;
    "meta oif" f(Oif), Ifindex, NONE;
    "meta oifname" f(Oif), Ifname, NONE;
    "meta oiftype" f(OifType), IfType, NONE;
    "meta skuid" f(SkUid), User, NONE;
    "meta skgid" f(SkGid), User, NONE;
    "meta nftrace" f(NfTrace), Int, NONE;
    "meta rtclassid" f(Realm), Group, NONE;
    "meta ibrname" f(IbrName), Ifname, NONE;
    "meta obrname" f(ObrName), Ifname, NONE;
    "meta ibridgename" f(IbrName), Ifname, NONE;
    "meta obridgename" f(ObrName), Ifname, NONE;
    "meta pkttype" f(PktType), PktType, NONE;
    "meta cpu" f(Cpu), Int, NONE;
    "meta iifgroup" f(IifGroup), Group, NONE;
    "meta oifgroup" f(OifGroup), Group, NONE;
    "meta cgroup" f(Cgroup), Int, NONE;
    "meta iifkind" f(IifKind), Name, NONE;
    "meta oifkind" f(OifKind), Name, NONE;
    "meta time" f(Time), Clock, NONE;
    "meta day" f(Day), Day, NONE;
    "meta hour" f(Hour), Hour, NONE;
    "meta ipsec" f(Ipsec), Bool, NONE;
    "meta secpath" f(Ipsec), Bool, NONE;
    "meta sdif" f(SdifName), Ifindex, NONE;
    "meta sdifname" f(SdifName), Ifname, NONE;
    "meta secmark" f(Secmark), Int, NONE;
    "ct state" f(CtState), CtState, CT;
    "ct direction" f(CtDir), CtDir, CT;
    "ct status" f(CtStatus), CtStatus, CT;
    "ct mark" f(CtMark), Int, CT;
    "ct expiration" f(CtExpiration), Time, CT;
    "ct helper" f(CtHelper), Name, CT;
    "ct label" f(CtLabel), CtLabel, CT;
    "ct zone" f(CtZone), Int, CT;
    "ct id" f(CtId), Int, CT;
    "ct l3proto" f(CtL3Proto), NfProto, CT;
    "ct protocol" f(CtProto), Proto, CT;
    "ct bytes" Source::Sum(CtOrigBytes, CtReplBytes), Wide, CT;
    "ct packets" Source::Sum(CtOrigPackets, CtReplPackets), Wide, CT;
    "ct avgpkt" Source::Average(&[CtOrigBytes, CtReplBytes], &[CtOrigPackets, CtReplPackets]), Wide, CT;
    "ct original bytes" f(CtOrigBytes), Wide, CT;
    "ct original packets" f(CtOrigPackets), Wide, CT;
    "ct original avgpkt" Source::Average(&[CtOrigBytes], &[CtOrigPackets]), Wide, CT;
    "ct original l3proto" f(CtL3Proto), NfProto, CT;
    "ct original protocol" f(CtProto), Proto, CT;
    "ct original ip saddr" f(CtOrigSrc), Ip4, CT4;
    "ct original ip daddr" f(CtOrigDst), Ip4, CT4;
    "ct original ip6 saddr" f(CtOrigSrc), Ip6, CT6;
    "ct original ip6 daddr" f(CtOrigDst), Ip6, CT6;
    "ct original saddr" f(CtOrigSrc), Any, CT;
    "ct original daddr" f(CtOrigDst), Any, CT;
    "ct original proto-src" f(CtOrigSport), Port, CT;
    "ct original proto-dst" f(CtOrigDport), Port, CT;
    "ct original zone" f(CtOrigZone), Int, CT;
    "ct reply bytes" f(CtReplBytes), Wide, CT;
    "ct reply packets" f(CtReplPackets), Wide, CT;
    "ct reply avgpkt" Source::Average(&[CtReplBytes], &[CtReplPackets]), Wide, CT;
    "ct reply l3proto" f(CtL3Proto), NfProto, CT;
    "ct reply protocol" f(CtProto), Proto, CT;
    "ct reply ip saddr" f(CtReplSrc), Ip4, CT4;
    "ct reply ip daddr" f(CtReplDst), Ip4, CT4;
    "ct reply ip6 saddr" f(CtReplSrc), Ip6, CT6;
    "ct reply ip6 daddr" f(CtReplDst), Ip6, CT6;
    "ct reply saddr" f(CtReplSrc), Any, CT;
    "ct reply daddr" f(CtReplDst), Any, CT;
    "ct reply proto-src" f(CtReplSport), Port, CT;
    "ct reply proto-dst" f(CtReplDport), Port, CT;
    "ct reply zone" f(CtReplZone), Int, CT;
    "rt classid" f(Realm), Group, NONE;
    "rt nexthop" f(RtNexthop), Any, NONE;
    "rt ip nexthop" f(RtNexthop), Ip4, IP;
    "rt ip6 nexthop" f(RtNexthop), Ip6, IP6;
    "rt mtu" f(RtMtu), Int, NONE;
    "rt ipsec" f(Ipsec), Bool, ROUTE;
    "socket transparent" f(SockTransparent), Int, NONE;
    "socket mark" f(SockMark), Int, NONE;
    "socket wildcard" f(SockWildcard), Int, NONE;
    "ether saddr" f(EtherSaddr), Mac, ETHER;
    "ether daddr" f(EtherDaddr), Mac, ETHER;
    "ether type" ll(96, 16), EtherType, ETHER;
    "vlan id" f(VlanId), Int, ETHER;
    "vlan pcp" f(VlanPcp), Int, ETHER;
    "vlan dei" f(VlanDei), Int, ETHER;
    "vlan cfi" f(VlanDei), Int, ETHER;
    "vlan type" f(EtherType), EtherType, ETHER;
    "arp htype" nh(0, 16), IfType, ARP;
    "arp ptype" nh(16, 16), EtherType, ARP;
    "arp hlen" nh(32, 8), Int, ARP;
    "arp plen" nh(40, 8), Int, ARP;
    "arp operation" f(ArpOp), ArpOp, NONE;
    "arp saddr ether" nh(64, 48), Mac, ARP;
    "arp daddr ether" nh(144, 48), Mac, ARP;
    "arp saddr ip" f(ArpSaddr), Ip4, NONE;
    "arp daddr ip" f(ArpDaddr), Ip4, NONE;
    "ip version" nh(0, 4), Int, IP;
    "ip hdrlength" nh(4, 4), Int, IP;
    "ip dscp" Source::Part(Tos, 2, 6), Dscp, IP;
    "ip ecn" Source::Part(Tos, 0, 2), Ecn, IP;
    "ip length" f(Length), Int, IP;
    "ip id" f(IpId), Int, IP;
    "ip frag-off" nh(48, 16), Int, IP;
    "ip ttl" f(Ttl), Int, IP;
    "ip protocol" f(NextHeader), Proto, IP;
    "ip checksum" nh(80, 16), Int, IP;
    "ip saddr" f(Saddr), Ip4, IP;
    "ip daddr" f(Daddr), Ip4, IP;
    "ip6 version" nh(0, 4), Int, IP6;
    "ip6 dscp" Source::Part(Tos, 2, 6), Dscp, IP6;
    "ip6 ecn" Source::Part(Tos, 0, 2), Ecn, IP6;
    "ip6 flowlabel" f(FlowLabel), Int, IP6;
    "ip6 length" nh(32, 16), Int, IP6;
    "ip6 nexthdr" f(NextHeader), Proto, IP6;
    "ip6 hoplimit" f(Ttl), Int, IP6;
    "ip6 saddr" f(Saddr), Ip6, IP6;
    "ip6 daddr" f(Daddr), Ip6, IP6;
    "icmp type" f(IcmpType), IcmpType, ICMP;
    "icmp code" f(IcmpCode), IcmpCode, ICMP;
    "icmp checksum" th(16, 16), Int, ICMP;
    "icmp id" f(IcmpId), Int, icmp(&[0, 8]);
    "icmp sequence" f(IcmpSeq), Int, icmp(&[0, 8]);
    "icmp gateway" th(32, 32), Int, icmp(&[5]);
    "icmp mtu" th(48, 16), Int, icmp(&[3]);
    "igmp type" th(0, 8), IgmpType, IGMP;
    "igmp mrt" th(8, 8), Int, IGMP;
    "igmp checksum" th(16, 16), Int, IGMP;
    "igmp group" th(32, 32), Ip4, IGMP;
    "icmpv6 type" f(IcmpType), Icmp6Type, ICMP6;
    "icmpv6 code" f(IcmpCode), Icmp6Code, ICMP6;
    "icmpv6 checksum" th(16, 16), Int, ICMP6;
    "icmpv6 parameter-problem" th(32, 32), Int, icmp6(&[4]);
    "icmpv6 packet-too-big" th(32, 32), Int, icmp6(&[2]);
    "icmpv6 mtu" th(32, 32), Int, icmp6(&[2]);
    "icmpv6 id" f(IcmpId), Int, icmp6(&[128, 129]);
    "icmpv6 sequence" f(IcmpSeq), Int, icmp6(&[128, 129]);
    "icmpv6 max-delay" th(32, 16), Int, icmp6(&[130]);
    "icmpv6 taddr" th(64, 128), Ip6, icmp6(&[130, 131, 132, 135, 136, 137]);
    "icmpv6 daddr" th(192, 128), Ip6, icmp6(&[137]);
    "tcp sport" f(Sport), Port, l4(6);
    "tcp dport" f(Dport), Port, l4(6);
    "tcp sequence" f(TcpSeq), Int, l4(6);
    "tcp ackseq" f(TcpAck), Int, l4(6);
    "tcp doff" th(96, 4), Int, l4(6);
    "tcp reserved" th(100, 4), Int, l4(6);
    "tcp flags" f(TcpFlags), TcpFlags, l4(6);
    "tcp window" f(TcpWindow), Int, l4(6);
    "tcp checksum" th(128, 16), Int, l4(6);
    "tcp urgptr" th(144, 16), Int, l4(6);
    "udp sport" f(Sport), Port, l4(17);
    "udp dport" f(Dport), Port, l4(17);
    "udp length" th(32, 16), Int, l4(17);
    "udp checksum" th(48, 16), Int, l4(17);
    "udplite sport" f(Sport), Port, l4(136);
    "udplite dport" f(Dport), Port, l4(136);
    "udplite csumcov" th(32, 16), Int, l4(136);
    "udplite checksum" th(48, 16), Int, l4(136);
    "sctp sport" f(Sport), Port, l4(132);
    "sctp dport" f(Dport), Port, l4(132);
    "sctp vtag" f(SctpVtag), Int, l4(132);
    "sctp checksum" th(64, 32), Int, l4(132);
    "dccp sport" f(Sport), Port, l4(33);
    "dccp dport" f(Dport), Port, l4(33);
    "dccp type" f(DccpType), DccpType, l4(33);
    "ah nexthdr" th(0, 8), Proto, l4(51);
    "ah hdrlength" th(8, 8), Int, l4(51);
    "ah reserved" th(16, 16), Int, l4(51);
    "ah spi" f(Spi), Int, l4(51);
    "ah sequence" th(64, 32), Int, l4(51);
    "esp spi" f(Spi), Int, l4(50);
    "esp sequence" th(32, 32), Int, l4(50);
    "comp nexthdr" th(0, 8), Proto, l4(108);
    "comp flags" th(8, 8), Int, l4(108);
    "comp cpi" f(Cpi), Int, l4(108);
    "vxlan flags" th(64, 8), Int, l4(17);
    "vxlan vni" th(96, 24), Int, l4(17);
    "geneve type" th(80, 16), EtherType, l4(17);
    "geneve vni" th(96, 24), Int, l4(17);
    "gre flags" th(0, 5), Int, l4(47);
    "gre version" th(13, 3), Int, l4(47);
    "gre protocol" th(16, 16), EtherType, l4(47);
    "th sport" th(0, 16), Port, NONE;
    "th dport" th(16, 16), Port, NONE;
}

/// The row of a selector; `mark` is `meta mark`.
pub fn row(text: &str) -> Option<&'static Row> {
    let exact = ROWS.iter().find(|r| r.text == text);
    exact.or_else(|| ROWS.iter().find(|r| r.text.strip_prefix("meta ") == Some(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_found_once() {
        for (i, r) in ROWS.iter().enumerate() {
            assert!(!ROWS[..i].iter().any(|o| o.text == r.text), "{} twice", r.text);
        }
        assert_eq!(row("mark").unwrap().text, "meta mark");
        assert_eq!(row("tcp dport").unwrap().needs.proto, Some(6));
        assert!(row("tcp nothing").is_none());
    }
}
