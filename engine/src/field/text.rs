//! Values of fields as people write them, and back: `10.0.0.1`, `eth0`, `tcp`, `SYN,ACK`, `08:30`.
//!
//! Left out: which field has which form; that is in the table of fields.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use serde::Serialize;

use super::{Field, Show, Value};

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
    let kept = name.len().min(15);
    bytes[..kept].copy_from_slice(&name.as_bytes()[..kept]);
    u128::from_be_bytes(bytes)
}

/// A device's name, held in place: a walk makes many. Reads as text.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceName([u8; 16]);

impl Deref for DeviceName {
    type Target = str;

    /// The text up to the first zero; a character that was cut at the end is left out.
    fn deref(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(16);
        let text = &self.0[..end];
        let valid = std::str::from_utf8(text).map_err(|e| &text[..e.valid_up_to()]);
        valid.unwrap_or_else(|valid| std::str::from_utf8(valid).unwrap_or_default())
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for DeviceName {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self)
    }
}

/// The device name behind a value.
pub fn device_name(value: Value) -> DeviceName {
    DeviceName(value.to_be_bytes())
}

/// The value of an address.
pub fn address(addr: IpAddr) -> Value {
    match addr {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// The address behind a value, in the family `10` (IPv6) or any other (IPv4). What is too large for IPv4 is an IPv6 next hop of an
/// IPv4 route.
pub fn to_address(value: Value, family: Value) -> IpAddr {
    if family == 10 || value >> 32 != 0 {
        IpAddr::V6(Ipv6Addr::from_bits(value))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(value as u32))
    }
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

/// `2024-05-03 17:30:00` in seconds since 1970, taken for UTC.
pub fn moment(text: &str) -> Option<u64> {
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let mut parts = date.splitn(3, '-').map(|p| p.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970, counting years from March (Howard Hinnant's civil calendar).
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + u64::try_from(clock(time)?).ok()?)
}

/// The day of its month of a day since 1970.
pub fn month_day(day: u64) -> Value {
    let of_era = (day + 719_468) % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    Value::from(of_year - (153 * month + 2) / 5 + 1)
}

impl Field {
    /// The value as people write it; addresses are shown in `family` (2 or 10).
    pub fn print(self, value: Value, family: Value) -> String {
        match self.show() {
            Show::Addr => to_address(value, family).to_string(),
            Show::Dec => value.to_string(),
            Show::Hex => format!("{value:#x}"),
            Show::Dev if value == 0 => "none".to_string(),
            Show::Dev => device_name(value).to_string(),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_days_of_the_month() {
        assert_eq!(moment("2024-05-03 00:00:01"), Some(1_714_694_401));
        assert_eq!(moment("2024-05-03T24:00"), None);
        for (text, day) in
            [("1970-01-01", 1), ("2024-02-29", 29), ("2023-03-01", 1), ("2026-11-30", 30), ("2000-12-31", 31)]
        {
            assert_eq!(moment(text).map(|s| month_day(s / 86_400)), Some(day), "{text}");
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
