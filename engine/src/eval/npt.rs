//! IPv6 prefix translation (RFC 6296, `net/ipv6/netfilter/ip6t_NPT.c`): `fd00:1::/64` becomes `2001:db8::/64`, and one
//! 16-bit word behind the prefix takes up the difference, so that no checksum changes.
//!
//! Left out: the ICMP error for the one host part that has no such word.

use crate::field::Value;
use crate::model::ones;

/// The address with prefix `from` exchanged for `to`; `None` when its host part is all ones.
pub(super) fn translated(addr: Value, (from, to): (Value, Value), length: u8) -> Option<Value> {
    let rest = ones(128 - u32::from(length.min(64)));
    let new = addr & rest | to & !rest;
    let word = |at: u32| (new >> (112 - 16 * at)) as u16;
    // Behind a /48 there is a whole word of subnet numbers; else it has to be one of the interface identifier.
    let at = if length <= 48 { 3 } else { (4..8).find(|at| word(*at) != 0xffff)? };
    let sum = match add(word(at), difference(from, to)) {
        0xffff => 0,
        sum => sum,
    };
    let shift = 112 - 16 * at;
    Some(new & !(0xffff << shift) | Value::from(sum) << shift)
}

/// What has to be added for the checksum to stay.
fn difference(from: Value, to: Value) -> u16 {
    add(checksum(from), !checksum(to))
}

fn checksum(addr: Value) -> u16 {
    (0..8).fold(0, |sum, at| add(sum, (addr >> (16 * at)) as u16))
}

/// The ones' complement sum.
fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6296, 3.1, and what a kernel did.
    #[test]
    fn prefixes_are_exchanged() {
        let parse = |text: &str| crate::field::address(text.parse().unwrap());
        let check = |addr: &str, from: &str, to: &str, length: u8, expect: Option<&str>| {
            assert_eq!(
                translated(parse(addr), (parse(from), parse(to)), length),
                expect.map(parse),
                "{addr} {from} {to}"
            );
        };
        check("fd01:203:405:1::1234", "fd01:203:405::", "2001:db8:1::", 48, Some("2001:db8:1:d550::1234"));
        check("2001:db8:1:d550::1234", "2001:db8:1::", "fd01:203:405::", 48, Some("fd01:203:405:1::1234"));
        check("fd00:1:2:3::5", "fd00:1:2:3::", "2001:db8:9:8::", 64, Some("2001:db8:9:8:cf3c::5"));
        check("fd00:1:2:3:ffff::5", "fd00:1:2:3::", "2001:db8:9:8::", 64, Some("2001:db8:9:8:ffff:cf3c:0:5"));
        check("fd00:1:2:301::7", "fd00:1:2:300::", "2001:db8:9:800::", 56, Some("2001:db8:9:801:ca41::7"));
        check("fd00:1::ffff:ffff:ffff:ffff", "fd00:1::", "fd00:2::", 64, None);
    }
}
