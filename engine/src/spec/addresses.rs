//! A described packet's addresses, and what stands in for those that it leaves out.

use std::net::IpAddr;

use super::complete::{Completer, SpecError};
use crate::field::{Field, Value, address, to_address};
use crate::host::{Dev, Family, FibQuery, OutputRoute};

impl Completer<'_> {
    pub(super) fn addresses(&mut self) -> Result<(), SpecError> {
        let src = self.spec.saddr.as_deref().map(parse_addr).transpose()?;
        let dst = self.spec.daddr.as_deref().map(parse_addr).transpose()?;
        let family = self.family(&[src, dst])?;
        self.set(Field::Family, family);
        let dst = match dst {
            Some(dst) => dst,
            None => self.default_destination(family == 10)?,
        };
        self.set(Field::Daddr, address(dst));
        let src = src.unwrap_or_else(|| self.default_source(dst));
        self.set(Field::Saddr, address(src));
        Ok(())
    }

    /// An address of this host: the one on the device of the default route, else its first.
    fn default_destination(&mut self, six: bool) -> Result<IpAddr, SpecError> {
        let far: IpAddr = if six { [0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into() } else { [203, 0, 113, 7].into() };
        let found = self.own_address(six, self.device_towards(far).as_ref());
        if found.is_none() && self.world.host.parts().addresses.as_ref().is_some_and(|a| !a.is_empty()) {
            let family = if six { "IPv6" } else { "IPv4" };
            return Err(SpecError(format!(
                "this host has no {family} address that others reach: give the destination (--dst)"
            )));
        }
        let dst = found.unwrap_or(example(six));
        let why = if found.is_some() { "an address of this host" } else { "an address for examples; none was given" };
        self.assume("destination", dst.to_string(), why, "--dst");
        Ok(dst)
    }

    /// This host's address on a device, else its first.
    fn own_address(&self, six: bool, dev: Option<&Dev>) -> Option<IpAddr> {
        let own = self.world.host.parts().addresses.iter().flatten();
        let fits = |a: &&crate::host::Address| a.ip.is_ipv6() == six && !a.ip.is_loopback() && !link_local(a.ip);
        let mut all: Vec<(IpAddr, Option<&Dev>)> = own.filter(fits).map(|a| (a.ip, Some(&a.dev))).collect();
        let family = if six { Family::V6 } else { Family::V4 };
        all.extend(self.world.host.named_by_routes(family).filter(|(ip, _)| !ip.is_loopback()));
        all.iter().find(|(_, of)| of.is_some() && *of == dev).or(all.first()).map(|(ip, _)| *ip)
    }

    /// Whether a packet's end may count as this host where no address was given: not where its routes name others.
    pub(super) fn may_be_own(&self, end: Value) -> bool {
        let end = to_address(end, self.packet.family());
        let mut named = self.world.host.named_by_routes(Family::of(end)).map(|(ip, _)| ip).peekable();
        self.local || named.peek().is_none() || named.any(|ip| ip == end)
    }

    /// A remote client, or for a packet of this host the address that the kernel chooses.
    fn default_source(&mut self, dst: IpAddr) -> IpAddr {
        if self.local {
            let query = FibQuery { src: None, ..FibQuery::to(dst) };
            if let Ok(OutputRoute::Send { src: Ok(src), .. }) = self.world.host.output_route(&query, &mut Vec::new()) {
                self.assume("source", src.to_string(), "what the kernel chooses for this destination", "--src");
                return src;
            }
            let own = self.own_address(dst.is_ipv6(), None);
            let src = if dst.is_loopback() { dst } else { own.unwrap_or(example(dst.is_ipv6())) };
            self.assume("source", src.to_string(), "no route to the destination was given", "--src");
            return src;
        }
        let far: IpAddr =
            if dst.is_ipv6() { [0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into() } else { [203, 0, 113, 7].into() };
        let known = !self.world.host.has_routes(crate::host::Family::of(dst));
        let src = if known || self.device_towards(far).is_some() { far } else { self.neighbour_of(dst).unwrap_or(far) };
        self.assume("source", src.to_string(), "a remote client", "--src");
        src
    }

    /// Another address in the subnet of one of the host's own.
    fn neighbour_of(&self, dst: IpAddr) -> Option<IpAddr> {
        let own = self.world.host.parts().addresses.iter().flatten();
        let mut list = own.filter(|a| a.ip.is_ipv6() == dst.is_ipv6() && !a.ip.is_loopback() && a.subnet().is_some());
        let a = list.clone().find(|a| a.ip == dst).or_else(|| list.next())?;
        let next = |ip: IpAddr, by: u8| match ip {
            IpAddr::V4(v) => IpAddr::V4((v.to_bits() ^ u32::from(by)).into()),
            IpAddr::V6(v) => IpAddr::V6((v.to_bits() ^ u128::from(by)).into()),
        };
        (8..=24).step_by(8).map(|by| next(a.ip, by)).find(|ip| a.covers(*ip) && *ip != a.ip)
    }

    /// The device by which a packet to `dst` leaves.
    pub(super) fn device_towards(&self, dst: IpAddr) -> Option<Dev> {
        match self.world.host.output_route(&FibQuery::to(dst), &mut Vec::new()) {
            Ok(OutputRoute::Send { ways, .. }) => ways.first().map(|w| w.dev.clone()),
            _ => None,
        }
    }
}

fn parse_addr(text: &str) -> Result<IpAddr, SpecError> {
    text.parse().map_err(|_| SpecError(format!("`{text}` is not an IP address")))
}

/// An address for examples, which stands for one of this host.
fn example(six: bool) -> IpAddr {
    if six { [0x2001, 0xdb8, 0, 0, 0, 0, 0, 10].into() } else { [192, 0, 2, 10].into() }
}

fn link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(a) if a.is_unicast_link_local())
}
