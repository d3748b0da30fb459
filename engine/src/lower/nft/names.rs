//! Names that nft knows by itself: ICMP types and codes, DSCP classes, address types, protocols, services.

use super::kind::Kind;
use crate::field::{PROTOCOLS, Value};
use crate::lower::iptables::names::SERVICES;

type Names = &'static [(&'static str, u32)];

const ICMP_TYPES: Names = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];

const ICMP_CODES: Names = &[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("frag-needed", 4),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
];

const IGMP_TYPES: Names = &[
    ("membership-query", 0x11),
    ("membership-report-v1", 0x12),
    ("membership-report-v2", 0x16),
    ("leave-group", 0x17),
    ("membership-report-v3", 0x22),
];

const MH_TYPES: Names = &[
    ("binding-refresh-request", 0),
    ("home-test-init", 1),
    ("careof-test-init", 2),
    ("home-test", 3),
    ("careof-test", 4),
    ("binding-update", 5),
    ("binding-acknowledgement", 6),
    ("binding-error", 7),
    ("fast-binding-update", 8),
    ("fast-binding-acknowledgement", 9),
    ("fast-binding-advertisement", 10),
    ("experimental-mobility-header", 11),
    ("home-agent-switch-message", 12),
];

const MPTCP_SUBTYPES: Names = &[
    ("mp-capable", 0),
    ("mp-join", 1),
    ("dss", 2),
    ("add-addr", 3),
    ("remove-addr", 4),
    ("mp-prio", 5),
    ("mp-fail", 6),
    ("mp-fastclose", 7),
    ("mp-tcprst", 8),
];

const ICMP6_TYPES: Names = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];

const ICMP6_CODES: Names = &[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
];

const ICMPX_CODES: Names =
    &[("no-route", 0), ("port-unreachable", 1), ("host-unreachable", 2), ("admin-prohibited", 3)];

const DSCP: Names = &[
    ("df", 0),
    ("be", 0),
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("lephb", 1),
    ("le", 1),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("va", 44),
    ("ef", 46),
];

const FIB_TYPES: Names = &[
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
    ("throw", 9),
    ("nat", 10),
    ("xresolve", 11),
];

const IF_TYPES: Names = &[
    ("ether", 1),
    ("ppp", 512),
    ("ipip", 768),
    ("ipip6", 769),
    ("loopback", 772),
    ("sit", 776),
    ("ipgre", 778),
    ("none", 65534),
];

const DAYS: Names =
    &[("Sunday", 0), ("Monday", 1), ("Tuesday", 2), ("Wednesday", 3), ("Thursday", 4), ("Friday", 5), ("Saturday", 6)];

const ARP_OPS: Names =
    &[("request", 1), ("reply", 2), ("rrequest", 3), ("rreply", 4), ("inrequest", 8), ("inreply", 9), ("nak", 10)];

const DCCP_TYPES: Names = &[
    ("request", 0),
    ("response", 1),
    ("data", 2),
    ("ack", 3),
    ("dataack", 4),
    ("closereq", 5),
    ("close", 6),
    ("reset", 7),
    ("sync", 8),
    ("syncack", 9),
];

const ETHER_TYPES: Names =
    &[("ip", 0x0800), ("arp", 0x0806), ("ip6", 0x86dd), ("8021q", 0x8100), ("vlan", 0x8100), ("8021ad", 0x88a8)];

fn table(kind: Kind) -> Names {
    match kind {
        Kind::IgmpType => IGMP_TYPES,
        Kind::MhType => MH_TYPES,
        Kind::MptcpSubtype => MPTCP_SUBTYPES,
        Kind::IcmpType => ICMP_TYPES,
        Kind::IcmpCode => ICMP_CODES,
        Kind::Icmp6Type => ICMP6_TYPES,
        Kind::Icmp6Code => ICMP6_CODES,
        Kind::IcmpxCode => ICMPX_CODES,
        Kind::Dscp => DSCP,
        Kind::FibType => FIB_TYPES,
        Kind::IfType => IF_TYPES,
        Kind::Day => DAYS,
        Kind::ArpOp => ARP_OPS,
        Kind::DccpType => DCCP_TYPES,
        Kind::EtherType => ETHER_TYPES,
        Kind::Ecn => &[("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)],
        Kind::PktType => &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)],
        Kind::NfProto => &[("ipv4", 2), ("ip", 2), ("ipv6", 10), ("ip6", 10)],
        Kind::CtDir => &[("original", 0), ("reply", 1)],
        Kind::Bool => &[("exists", 1), ("missing", 0)],
        Kind::ClassId => &[("none", 0), ("root", 0xffff_ffff)],
        Kind::Group => &[("default", 0), ("cosmos", 0)],
        Kind::User => &[("root", 0)],
        _ => &[],
    }
}

/// The value behind a name of a kind.
pub fn symbol(kind: Kind, name: &str) -> Option<Value> {
    table(kind).iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| (*v).into())
}

/// The name that a listing has for a value of these selectors.
pub fn value_name(selector: &str, value: Value) -> Option<&'static str> {
    let table = match selector {
        "icmp type" => ICMP_TYPES,
        "icmp code" => ICMP_CODES,
        "icmpv6 type" => ICMP6_TYPES,
        "icmpv6 code" => ICMP6_CODES,
        "igmp type" => IGMP_TYPES,
        _ => return None,
    };
    table.iter().find(|(_, v)| Value::from(*v) == value).map(|(name, _)| *name)
}

/// Protocols beside [`PROTOCOLS`] that `/etc/protocols` names, from which a listing takes its words, and second names.
const OTHER_PROTOCOLS: Names = &[
    ("hopopt", 0),
    ("ggp", 3),
    ("st", 5),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("idrp", 45),
    ("rsvp", 46),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("ax.25", 93),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("comp", 108),
    ("l2tp", 115),
    ("isis", 124),
    ("fc", 133),
    ("mobility-header", 135),
    ("mpls-in-ip", 137),
    ("manet", 138),
    ("hip", 139),
    ("shim6", 140),
    ("wesp", 141),
    ("rohc", 142),
    ("ethernet", 143),
];

/// The number of a layer 4 protocol.
pub fn protocol(name: &str) -> Option<Value> {
    let common = PROTOCOLS.iter().find(|(_, n)| *n == name).map(|(v, _)| (*v).into());
    common.or_else(|| OTHER_PROTOCOLS.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).into()))
}

/// The port of a service.
pub fn service(name: &str) -> Option<Value> {
    SERVICES.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).into())
}
