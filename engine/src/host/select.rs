//! Choosing a source address: IPv4 by subnet and scope, IPv6 by the rules of RFC 6724.
//!
//! Example: eth0 has 10.0.1.1/24 and 172.16.0.1/24; for the next hop 172.16.0.9 that is 172.16.0.1. Left out: VRFs, and
//! preferences that a socket sets.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addr::{Address, Scope};
use super::{Assumed, Family, Host, Known, Missing};

impl Host {
    /// The address that IPv4 takes for a device: a primary one in the next hop's subnet, else the first primary one,
    /// else one of another device. Only addresses that reach as far as `scope` count.
    pub(super) fn select_addr4(
        &self,
        dev: &str,
        next_hop: Option<Ipv4Addr>,
        scope: Scope,
        assumed: &mut Vec<Assumed>,
    ) -> Known<IpAddr> {
        let primaries = self.addresses_of(dev, Family::V4)?.into_iter().filter(|a| !a.secondary);
        let mut wide_enough = |a: &&Address| {
            let narrowest = if a.scope > Scope::LINK && scope >= Scope::LINK && scope < Scope::HOST {
                if self.route_localnet(dev, assumed) { Scope::LINK } else { Scope::HOST }
            } else {
                Scope::HOST
            };
            a.scope.min(narrowest) <= scope
        };
        let usable: Vec<&Address> = primaries.filter(|a| wide_enough(a)).collect();
        let near = next_hop.and_then(|hop| usable.iter().find(|a| a.covers(IpAddr::V4(hop))));
        if let Some(address) = near.or(usable.first()) {
            return Ok(address.ip);
        }
        let all = self.parts.addresses.iter().flatten().filter(|a| a.ip.is_ipv4() && !a.secondary);
        let other = all.clone().find(|a| a.scope != Scope::LINK && a.scope <= scope);
        other.map(|a| a.ip).ok_or(Missing::Addresses)
    }

    /// The address that IPv6 takes for packets to `dst` by a device.
    pub(super) fn select_addr6(&self, dev: &str, dst: Ipv6Addr) -> Known<IpAddr> {
        let all = self.parts.addresses.as_ref().ok_or(Missing::Addresses)?;
        let own_only = dst.is_multicast() || scope6(dst) <= LINK_LOCAL;
        let mut best: Option<(Rank, &Address)> = None;
        for address in all.iter().filter(|a| !a.tentative && (!own_only || &*a.dev == dev)) {
            let IpAddr::V6(ip) = address.ip else { continue };
            let rank = rank(ip, address, dst, dev);
            if best.as_ref().is_none_or(|(best, _)| rank > *best) {
                best = Some((rank, address));
            }
        }
        best.map(|(_, address)| address.ip).ok_or(Missing::Addresses)
    }
}

/// Compared field by field; greater is better.
type Rank = (bool, (bool, Reverse<i16>), bool, bool, bool, bool, bool, u32);

/// How well an address suits, in the order of RFC 6724 section 5.
fn rank(ip: Ipv6Addr, address: &Address, dst: Ipv6Addr, dev: &str) -> Rank {
    let (own, wanted) = (scope6(ip), scope6(dst));
    let scope = if own >= wanted { (true, Reverse(own)) } else { (false, Reverse(-own)) };
    let orchid = |a: Ipv6Addr| a.to_bits() >> 100 == 0x0200_1001;
    let common = (ip.to_bits() ^ dst.to_bits()).leading_zeros();
    (
        ip == dst,
        scope,
        !address.deprecated,
        &*address.dev == dev,
        label(ip) == label(dst),
        !address.temporary,
        orchid(ip) == orchid(dst),
        common.min(u32::from(address.prefix_len)),
    )
}

const LINK_LOCAL: i16 = 0x02;

/// The scope of an address as in a multicast address's scope field.
fn scope6(addr: Ipv6Addr) -> i16 {
    let first = addr.segments()[0];
    match first {
        _ if addr.is_multicast() => i16::from((first & 0xf) as u8),
        _ if addr.is_loopback() || addr.is_unicast_link_local() => LINK_LOCAL,
        _ if first & 0xffc0 == 0xfec0 => 0x05,
        _ => 0x0e,
    }
}

/// The label of the kernel's default policy table.
fn label(addr: Ipv6Addr) -> u8 {
    let s = addr.segments();
    match s {
        [0, 0, 0, 0, 0, 0, 0, 1] => 0,
        [0, 0, 0, 0, 0, 0xffff, ..] => 4,
        [0, 0, 0, 0, 0, 0, ..] => 3,
        [0x2001, 0, ..] => 6,
        [0x2001, b, ..] if b & 0xfff0 == 0x10 => 7,
        [0x2002, ..] => 2,
        [0x3ffe, ..] => 12,
        [a, ..] if a & 0xffc0 == 0xfec0 => 11,
        [a, ..] if a & 0xfe00 == 0xfc00 => 5,
        _ => 1,
    }
}
