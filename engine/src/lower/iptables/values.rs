//! Values as iptables' parsers take them: numbers in any base, marks with masks, addresses, ports and services.
//!
//! `0x4000/0x4000`, `10.0.0.0/255.0.0.0`, `1024:`, `http`. Left out: host names, which need a resolver.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::field::Value;
use crate::model::{Family, ones};

use super::names::{PROTOCOL_NAMES, SERVICES};

/// A text in front of the first `at` and behind it.
pub fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    // Values are short: this is quicker than `split_once`, which prepares for long texts.
    let i = text.bytes().position(|b| b == at)?;
    Some((text.get(..i)?, text.get(i + 1..)?))
}

/// A number as C's `strtoul` with base 0 takes it: `10`, `0x1f`, `017`.
pub fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.is_empty() || digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A number up to `max`.
pub fn number_to(text: &str, max: u64) -> Option<u64> {
    number(text).filter(|n| *n <= max)
}

/// `LO:HI`, `LO:`, `:HI`, `:` or `N`, each read by `one`; an end left out is 0 or `max`. `None` when the ends are turned around.
pub fn range_by(text: &str, sep: u8, max: u64, one: impl Fn(&str) -> Option<u64>) -> Option<(u64, u64)> {
    let (lo, hi) = if let Some((lo, hi)) = cut(text, sep) {
        (if lo.is_empty() { 0 } else { one(lo)? }, if hi.is_empty() { max } else { one(hi)? })
    } else {
        let n = one(text)?;
        (n, n)
    };
    (lo <= hi && hi <= max).then_some((lo, hi))
}

/// A range of numbers up to `max`.
pub fn range(text: &str, max: u64) -> Option<(u64, u64)> {
    range_by(text, b':', max, number)
}

/// `VALUE` or `VALUE/MASK`, both up to `max`; without a mask all its bits count.
pub fn masked(text: &str, max: u64) -> Option<(u32, u32)> {
    let (value, mask) = match cut(text, b'/') {
        Some((value, mask)) => (number_to(value, max)?, number_to(mask, max)?),
        None => (number_to(text, max)?, max),
    };
    Some((value as u32, mask as u32))
}

/// A protocol's number by name or number: `tcp`, `ipv6-icmp`, `47`, `all`.
pub fn protocol(text: &str) -> Option<u8> {
    if let Some(n) = number(text) {
        return u8::try_from(n).ok();
    }
    PROTOCOL_NAMES.iter().find(|p| p.0.eq_ignore_ascii_case(text)).map(|p| p.1)
}

/// A port's number by number or service name.
pub fn port(text: &str) -> Option<u64> {
    match number(text) {
        Some(n) => (n <= 0xffff).then_some(n),
        None => SERVICES.binary_search_by_key(&text, |s| s.0).ok().map(|i| u64::from(SERVICES[i].1)),
    }
}

/// A range of ports: `80`, `1024:`, `ssh:http`.
pub fn ports(text: &str) -> Option<(u64, u64)> {
    range_by(text, b':', 0xffff, port)
}

/// An address of the family; an IPv4 one may be short, as iptables takes it (`10.1` is 10.1.0.0).
pub fn addr(text: &str, family: Family) -> Option<Value> {
    if family == Family::Ip6 {
        return text.parse::<Ipv6Addr>().ok().map(Ipv6Addr::to_bits);
    }
    // As it is nearly always written; what iptables takes beyond that follows.
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(address.to_bits().into());
    }
    let mut out: u32 = 0;
    let mut count = 0;
    for part in text.split('.') {
        out = out << 8 | u32::try_from(number_to(part, 255)?).ok()?;
        count += 1;
    }
    (1..=4).contains(&count).then(|| (u64::from(out) << (8 * (4 - count))) as u32).map(Value::from)
}

/// Width of an address of the family in bits.
pub fn addr_bits(family: Family) -> u32 {
    if family == Family::Ip6 { 128 } else { 32 }
}

/// A mask: a prefix length or an address.
pub fn mask(text: &str, family: Family) -> Option<Value> {
    let width = addr_bits(family);
    if let Some(bits) = number_to(text, u64::from(width)) {
        return Some(ones(width) & !ones(width - bits as u32));
    }
    if family == Family::Ip6 { addr(text, family) } else { text.parse::<Ipv4Addr>().ok().map(|a| a.to_bits().into()) }
}

/// `ADDRESS[/MASK]` as value and mask, the value masked.
pub fn network(text: &str, family: Family) -> Option<(Value, Value)> {
    let (address, bits) = match cut(text, b'/') {
        Some((address, bits)) => (address, mask(bits, family)?),
        None => (text, ones(addr_bits(family))),
    };
    Some((addr(address, family)? & bits, bits))
}

/// `A-B` or `A`, inclusive; the ends as they are written.
pub fn addr_range(text: &str, family: Family) -> Option<(Value, Value)> {
    match cut(text, b'-') {
        Some((lo, hi)) => Some((addr(lo, family)?, addr(hi, family)?)),
        None => addr(text, family).map(|one| (one, one)),
    }
}

/// The bits of comma-separated names, in any case; a name may be shortened as `strncasecmp` in the tools lets one.
pub fn bits(text: &str, names: &[(Value, &str)]) -> Option<Value> {
    let mut out = 0;
    for part in text.split(',') {
        out |= shortened(part, names)?;
    }
    Some(out)
}

/// The value of one name, in any case, perhaps shortened; the first that fits.
pub fn shortened(text: &str, names: &[(Value, &str)]) -> Option<Value> {
    let fits = |name: &str| name.get(..text.len()).is_some_and(|n| n.eq_ignore_ascii_case(text));
    let exact = names.iter().find(|n| n.1.eq_ignore_ascii_case(text));
    exact.or_else(|| names.iter().find(|n| !text.is_empty() && fits(n.1))).map(|n| n.0)
}

/// The value of one name, in any case.
pub fn named(text: &str, names: &[(Value, &str)]) -> Option<Value> {
    names.iter().find(|n| n.1.eq_ignore_ascii_case(text)).map(|n| n.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges() {
        let check = |text, expect| assert_eq!(number(text), expect, "{text}");
        check("10", Some(10));
        check("0x1F", Some(31));
        check("017", Some(15));
        check("0", Some(0));
        check("-1", None);
        check("", None);
        check("+1", None);
        assert_eq!(range("1024:", 65535), Some((1024, 65535)));
        assert_eq!(range(":", 65535), Some((0, 65535)));
        assert_eq!(range("4:3", 65535), None);
        assert_eq!(ports("ssh:http"), Some((22, 80)));
        assert_eq!(masked("0x10/0xf0", u64::from(u32::MAX)), Some((16, 240)));
        assert_eq!(masked("0x100000000", u64::from(u32::MAX)), None);
    }

    #[test]
    fn addresses_and_protocols() {
        assert_eq!(network("10.11.12.13/255.0.255.0", Family::Ip), Some((0x0a00_0c00, 0xff00_ff00)));
        assert_eq!(network("10.1/16", Family::Ip), Some((0x0a01_0000, 0xffff_0000)));
        assert_eq!(network("fd00::1/64", Family::Ip6), Some((0xfd00 << 112, Value::MAX << 64)));
        assert_eq!(network("10.0.0.1/33", Family::Ip), None);
        assert_eq!(network("::1", Family::Ip), None);
        assert_eq!(
            (protocol("TCP"), protocol("ipv6-icmp"), protocol("all"), protocol("xx")),
            (Some(6), Some(58), Some(0), None)
        );
        assert_eq!(addr_range("1.1.1.1-1.1.1.9", Family::Ip), Some((0x0101_0101, 0x0101_0109)));
    }
}
