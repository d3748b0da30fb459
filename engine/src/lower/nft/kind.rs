//! Kinds of values: how a word such as `established`, `cs1`, `0x4000`, `eth*` or `1h` becomes a number.
//!
//! One kind for each type of nft's language that a set can be declared with or that a selector has. Left out: names that
//! only the host knows (users, groups, realms beyond the default), which make a condition opaque.

use std::net::IpAddr;

use super::names;
use crate::field::{self, Value, ct_state, ct_status};
use crate::model::ones;

/// How the words of a value are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A number of up to 32 bits.
    Int,
    /// A number of any width.
    Wide,
    /// An IPv4 address.
    Ip4,
    /// An IPv6 address.
    Ip6,
    /// A MAC address.
    Mac,
    /// A device name, `eth*` for a prefix.
    Ifname,
    /// A device, by name or index.
    Ifindex,
    /// A port or its service.
    Port,
    /// A layer 4 protocol.
    Proto,
    /// `ipv4`, `ipv6`.
    NfProto,
    /// `ip`, `ip6`, `arp`, `vlan`.
    EtherType,
    /// `established`, …
    CtState,
    /// `dnat`, …
    CtStatus,
    /// `original`, `reply`.
    CtDir,
    /// Labels, by number.
    CtLabel,
    /// IGMP type.
    IgmpType,
    /// Type of a mobility header.
    MhType,
    /// Subtype of a multipath TCP option.
    MptcpSubtype,
    /// ICMP type.
    IcmpType,
    /// ICMP code.
    IcmpCode,
    /// ICMPv6 type.
    Icmp6Type,
    /// ICMPv6 code.
    Icmp6Code,
    /// ICMPX code.
    IcmpxCode,
    /// `syn`, …
    TcpFlags,
    /// `cs1`, `ef`, …
    Dscp,
    /// `ce`, …
    Ecn,
    /// `host`, …
    PktType,
    /// `local`, …
    FibType,
    /// `ether`, `loopback`, …
    IfType,
    /// Seconds.
    Time,
    /// Weekday.
    Day,
    /// Second of the day.
    Hour,
    /// A date and time, in nanoseconds since 1970, read as UTC.
    Clock,
    /// `request`, …
    ArpOp,
    /// DCCP packet type.
    DccpType,
    /// `1:9`, `none`.
    ClassId,
    /// User or group.
    User,
    /// `exists`, `missing`.
    Bool,
    /// A name: helpers, link kinds.
    Name,
    /// A device group or realm: `default` or a number.
    Group,
    /// Whatever the word looks like: elements of a set whose type is not known.
    Any,
}

impl Kind {
    /// Whether it is a set of bits, so that a bare value means "has one of them".
    pub fn is_bitmask(self) -> bool {
        matches!(self, Kind::TcpFlags | Kind::CtState | Kind::CtStatus | Kind::CtLabel)
    }

    /// Width of its values in bits.
    pub fn bits(self) -> u32 {
        match self {
            Kind::Ip6 | Kind::Ifname | Kind::Name | Kind::CtLabel | Kind::Wide | Kind::Any => 128,
            Kind::Clock => 64,
            Kind::Mac => 48,
            Kind::Port | Kind::EtherType | Kind::ArpOp => 16,
            Kind::Ip4 | Kind::Int | Kind::Ifindex | Kind::CtState | Kind::CtStatus | Kind::ClassId => 32,
            Kind::User | Kind::Group | Kind::Time | Kind::Hour | Kind::FibType => 32,
            Kind::Dscp => 6,
            Kind::Ecn => 2,
            Kind::Bool | Kind::CtDir => 1,
            _ => 8,
        }
    }

    /// The kind that a set's `type` names.
    pub fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "ipv4_addr" => Kind::Ip4,
            "ipv6_addr" => Kind::Ip6,
            "ether_addr" => Kind::Mac,
            "inet_proto" => Kind::Proto,
            "inet_service" => Kind::Port,
            "mark" | "integer" | "time_t" | "ct_id" | "bitmask" => Kind::Int,
            "ifname" => Kind::Ifname,
            "iface_index" => Kind::Ifindex,
            "iface_type" => Kind::IfType,
            "devgroup" | "realm" => Kind::Group,
            "ct_state" => Kind::CtState,
            "ct_status" => Kind::CtStatus,
            "ct_dir" => Kind::CtDir,
            "ct_label" => Kind::CtLabel,
            "icmp_type" => Kind::IcmpType,
            "icmp_code" => Kind::IcmpCode,
            "icmpv6_type" => Kind::Icmp6Type,
            "icmpv6_code" => Kind::Icmp6Code,
            "icmpx_code" => Kind::IcmpxCode,
            "tcp_flag" => Kind::TcpFlags,
            "dscp" => Kind::Dscp,
            "ecn" => Kind::Ecn,
            "pkt_type" => Kind::PktType,
            "fib_addrtype" => Kind::FibType,
            "nf_proto" => Kind::NfProto,
            "ether_type" => Kind::EtherType,
            "arp_op" => Kind::ArpOp,
            "igmp_type" => Kind::IgmpType,
            "mh_type" => Kind::MhType,
            "dccp_pkttype" => Kind::DccpType,
            "classid" => Kind::ClassId,
            "uid" | "gid" => Kind::User,
            "day" => Kind::Day,
            "hour" => Kind::Hour,
            "boolean" => Kind::Bool,
            "ifkind" | "string" => Kind::Name,
            "time" => Kind::Clock,
            _ => return None,
        })
    }

    /// The ends of what an unquoted or quoted word stands for.
    pub fn word(self, text: &str) -> Option<(Value, Value)> {
        let one = |v: Value| Some((v, v));
        match self {
            Kind::Ifname | Kind::Ifindex => Some(device(text)),
            Kind::Name => one(field::device(text)),
            Kind::Any => Some(guess(text)),
            _ => match self.symbol(text).or_else(|| self.literal(text)) {
                Some(v) => one(v),
                None => None,
            },
        }
    }

    /// A name of this kind.
    fn symbol(self, text: &str) -> Option<Value> {
        let lower = |list: &[(Value, &str)]| {
            let wanted = text.replace('-', "_");
            list.iter().find(|(_, n)| n.eq_ignore_ascii_case(&wanted)).map(|p| p.0)
        };
        match self {
            Kind::CtState => lower(ct_state::ALL),
            Kind::CtStatus => lower(ct_status::ALL),
            Kind::TcpFlags if text == "ecn" => Some(64),
            Kind::TcpFlags => lower(field::TCP_FLAGS),
            Kind::Proto => names::protocol(text),
            Kind::Port => names::service(text),
            _ => names::symbol(self, text),
        }
    }

    /// A number, an address, a time: what needs no name.
    fn literal(self, text: &str) -> Option<Value> {
        match self {
            Kind::Ip4 | Kind::Ip6 => text.parse::<IpAddr>().ok().map(field::address),
            Kind::Mac => field::mac(text),
            Kind::ClassId => text.split_once(':').and_then(|(major, minor)| {
                let part = |t: &str| if t.is_empty() { Some(0) } else { Value::from_str_radix(t, 16).ok() };
                Some(part(major)? << 16 | part(minor)?)
            }),
            Kind::Time => duration_ms(text).map(|ms| Value::from(ms / 1000)),
            Kind::Hour => hour(text),
            // A listing shows the time of its reader's zone; it is taken for UTC.
            Kind::Clock => field::moment(text).map(|s| Value::from(s) * 1_000_000_000),
            Kind::CtLabel => number(text).and_then(|n| (n < 128).then(|| 1 << n)),
            _ => None,
        }
        .or_else(|| number(text).filter(|_| self != Kind::CtLabel))
        .filter(|v| *v <= ones(self.bits().max(32)))
    }
}

/// What a word looks like: an address, a number, a protocol, a service, else a device.
fn guess(text: &str) -> (Value, Value) {
    let address = text.parse::<IpAddr>().ok().map(field::address);
    let v = address.or_else(|| field::mac(text)).or_else(|| number(text)).or_else(|| names::protocol(text));
    v.or_else(|| names::service(text)).map_or_else(|| device(text), |v| (v, v))
}

/// A device name; one that ends in `*` stands for all that begin so.
pub fn device(text: &str) -> (Value, Value) {
    match text.strip_suffix('*') {
        Some(head) if !head.ends_with('\\') => {
            let value = field::device(head);
            (value, value | ones(128 - 8 * (head.len().min(15) as u32)))
        }
        Some(head) => {
            let value = field::device(&format!("{}*", head.trim_end_matches('\\')));
            (value, value)
        }
        None => (field::device(text), field::device(text)),
    }
}

/// A decimal or hexadecimal number, also as nft 1.0.6 prints ports of a connection: `0x50 [invalid type]`.
pub fn number(text: &str) -> Option<Value> {
    let text = text.strip_suffix(" [invalid type]").unwrap_or(text);
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => Value::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `1d2h3m4s5ms` in milliseconds; a bare number counts seconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let (mut rest, mut total) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|n| *n > 0)?;
        let (n, tail) = rest.split_at(digits);
        let length = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(length);
        let ms = match unit {
            "w" => 604_800_000,
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            "us" => 0,
            _ => return None,
        };
        total = total.checked_add(n.parse::<u64>().ok()?.checked_mul(ms)?)?;
        rest = next;
    }
    Some(total)
}

/// `17:30` or `17:30:15` as seconds of the day.
fn hour(text: &str) -> Option<Value> {
    let mut seconds = 0;
    let mut parts = 0;
    for part in text.split(':') {
        seconds = seconds * 60 + part.parse::<Value>().ok()?;
        parts += 1;
    }
    match parts {
        2 => Some(seconds * 60),
        3 => Some(seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_each_kind() {
        let check = |kind: Kind, text: &str, value: Value| assert_eq!(kind.word(text), Some((value, value)), "{text}");
        check(Kind::CtState, "established", 2);
        check(Kind::CtStatus, "seen-reply", 2);
        check(Kind::TcpFlags, "syn", 2);
        check(Kind::Proto, "ipv6-icmp", 58);
        check(Kind::Proto, "47", 47);
        check(Kind::Dscp, "ef", 46);
        check(Kind::Int, "0x00004000", 0x4000);
        check(Kind::ClassId, "1:9", 0x1_0009);
        check(Kind::ClassId, "none", 0);
        check(Kind::Ip6, "::1", 1);
        check(Kind::Time, "1m30s", 90);
        check(Kind::Hour, "01:00", 3600);
        check(Kind::Clock, "2024-05-03 00:00:01", 1_714_694_401_000_000_000);
        check(Kind::Icmp6Type, "nd-router-solicit", 133);
        check(Kind::CtLabel, "5", 32);
        assert_eq!(Kind::Int.word("nonsense"), None);
        let (lo, hi) = Kind::Ifname.word("eth*").unwrap();
        assert!(lo <= field::device("eth0") && field::device("ethernet") <= hi && field::device("etx") > hi);
    }
}
