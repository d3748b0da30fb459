//! The addresses that MASQUERADE and REDIRECT take.
//!
//! MASQUERADE: an address of the outgoing device for the next hop, whatever source the route prefers. REDIRECT: the
//! first address of the incoming device, or the loopback address for what is generated here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addr::Scope;
use super::{Assumed, Family, Host, Known};

impl Host {
    /// The source MASQUERADE gives a packet to `dst` that leaves by `dev` to `next_hop`.
    pub fn masquerade_address(
        &self,
        dev: &str,
        dst: IpAddr,
        next_hop: IpAddr,
        assumed: &mut Vec<Assumed>,
    ) -> Known<IpAddr> {
        match (dst, next_hop) {
            (IpAddr::V6(dst), _) => self.select_addr6(dev, dst),
            (_, IpAddr::V4(hop)) => self.select_addr4(dev, Some(hop), Scope::GLOBAL, assumed),
            (_, IpAddr::V6(_)) => self.select_addr4(dev, None, Scope::GLOBAL, assumed),
        }
    }

    /// The destination REDIRECT gives a packet to `dst` that came in by `iif` (`None`: generated here); `Ok(None)` when
    /// the device has no address, and the packet is dropped.
    pub fn redirect_address(&self, iif: Option<&str>, dst: IpAddr) -> Known<Option<IpAddr>> {
        let Some(iif) = iif else {
            return Ok(Some(match dst {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            }));
        };
        let addresses = self.addresses_of(iif, Family::of(dst))?;
        let reaches = |ip: IpAddr| match (ip, dst) {
            (IpAddr::V6(ip), IpAddr::V6(dst)) => fits6(ip, dst),
            _ => true,
        };
        Ok(addresses.into_iter().find(|a| !a.tentative && reaches(a.ip)).map(|a| a.ip))
    }
}

/// An IPv6 address can stand in for another of its scope; for a global one any does.
fn fits6(own: Ipv6Addr, dst: Ipv6Addr) -> bool {
    let scope = |a: Ipv6Addr| match a.segments()[0] {
        _ if a.is_loopback() => 0x10,
        first if first & 0xffc0 == 0xfe80 => 0x20,
        first if first & 0xffc0 == 0xfec0 => 0x40,
        _ => 0,
    };
    own.to_ipv4_mapped().is_none() && (scope(dst) == 0 || scope(own) & scope(dst) != 0)
}
