//! What kind of address an address is for this host: `-m addrtype` and nft's `fib daddr type`.
//!
//! IPv4 asks table `local` only: 10.0.1.1 is local, 10.0.1.255 broadcast, and everything that is not in it unicast, even
//! where a blackhole route leads. IPv6 asks all routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fib::{Errno, Fib, FibQuery};
use super::{Assumed, Host, Known, RouteKind, Table};

/// What `fib … type` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FibType {
    /// As a route of that kind; `throw` cannot occur.
    Kind(RouteKind),
    /// No kind at all.
    Unspec,
}

/// What `-m addrtype` of ip6tables can tell apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddrType6 {
    /// `::`.
    pub unspec: bool,
    /// Not multicast and not `::`.
    pub unicast: bool,
    /// Multicast.
    pub multicast: bool,
    /// One of the host's own (with a device: on that device).
    pub local: bool,
    /// An anycast address of the host.
    pub anycast: bool,
    /// No route, or one that refuses (with a device: none by it).
    pub unreachable: bool,
}

impl AddrType6 {
    /// Whether an option naming these types holds: `unspec`, `unicast` and `multicast` all have to, of the others one.
    #[must_use]
    pub fn is(self, wanted: AddrType6) -> bool {
        let scope = (!wanted.unspec || self.unspec)
            && (!wanted.unicast || self.unicast)
            && (!wanted.multicast || self.multicast);
        let asks = wanted.local || wanted.anycast || wanted.unreachable;
        let routed = (wanted.local && self.local)
            || (wanted.anycast && self.anycast)
            || (wanted.unreachable && self.unreachable);
        scope && (!asks || routed)
    }
}

impl Host {
    /// Whether packets to `addr` are this host's own.
    pub fn is_local(&self, addr: IpAddr, assumed: &mut Vec<Assumed>) -> Known<bool> {
        let route = self.in_table(&Table::Local, &FibQuery::to(addr), assumed)?;
        Ok(route.is_some_and(|r| r.kind == RouteKind::Local))
    }

    /// The type of an IPv4 address; with a device only what table `local` says of that device counts.
    pub fn addr_type4(&self, addr: Ipv4Addr, dev: Option<&str>, assumed: &mut Vec<Assumed>) -> Known<RouteKind> {
        if addr.is_unspecified() || addr.is_broadcast() {
            return Ok(RouteKind::Broadcast);
        }
        if addr.is_multicast() {
            return Ok(RouteKind::Multicast);
        }
        let found = self.in_table(&Table::Local, &FibQuery::to(IpAddr::V4(addr)), assumed)?;
        let found = found.filter(|r| dev.is_none_or(|dev| r.uses(dev))).map(|r| r.kind);
        Ok(match found {
            Some(RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit) | None => RouteKind::Unicast,
            Some(kind) => kind,
        })
    }

    /// The types of an IPv6 address for `-m addrtype`, with `--limit-iface-*` for a device.
    pub fn addr_type6(&self, addr: Ipv6Addr, dev: Option<&str>, assumed: &mut Vec<Assumed>) -> Known<AddrType6> {
        let mut found = AddrType6 {
            unspec: addr.is_unspecified(),
            multicast: addr.is_multicast(),
            unicast: !addr.is_unspecified() && !addr.is_multicast(),
            ..AddrType6::default()
        };
        if let Some(dev) = dev {
            found.local = self.is_local_on(addr, dev, assumed)?;
        }
        match self.fib(&FibQuery { oif: dev, ..FibQuery::to(IpAddr::V6(addr)) }, assumed)? {
            Fib::Error { .. } => found.unreachable = true,
            Fib::Route { route, .. } => {
                found.local |= dev.is_none() && route.kind == RouteKind::Local;
                found.anycast = route.kind == RouteKind::Anycast;
            }
        }
        Ok(found)
    }

    /// nft's `fib … type`; `dev` is the device of `. iif` or `. oif`, `iif` the one a link-local address belongs to.
    pub fn fib_type(&self, query: &FibQuery, dev: Option<&str>, assumed: &mut Vec<Assumed>) -> Known<FibType> {
        let addr = match query.dst {
            IpAddr::V4(addr) => return self.addr_type4(addr, dev, assumed).map(FibType::Kind),
            IpAddr::V6(addr) => addr,
        };
        if let Some(dev) = dev
            && self.is_local_on(addr, dev, assumed)?
        {
            return Ok(FibType::Kind(RouteKind::Local));
        }
        let link = addr.is_unicast_link_local().then(|| dev.or(query.iif)).flatten();
        let found = self.fib(&FibQuery { iif: None, oif: link, strict_iif: false, ..*query }, assumed)?;
        Ok(match found {
            Fib::Error { errno: Errno::Einval, .. } => FibType::Kind(RouteKind::Blackhole),
            Fib::Error { errno: Errno::Eacces, .. } => FibType::Kind(RouteKind::Prohibit),
            Fib::Error { .. } => FibType::Kind(RouteKind::Unreachable),
            Fib::Route { route, .. } if route.kind == RouteKind::Anycast => FibType::Kind(RouteKind::Anycast),
            Fib::Route { route, .. } if dev.is_none() && route.kind == RouteKind::Local => {
                FibType::Kind(RouteKind::Local)
            }
            Fib::Route { .. } if addr.is_multicast() => FibType::Kind(RouteKind::Multicast),
            Fib::Route { .. } if addr.is_unspecified() => FibType::Unspec,
            Fib::Route { .. } => FibType::Kind(RouteKind::Unicast),
        })
    }

    /// Whether an IPv6 address is one of the device's.
    fn is_local_on(&self, addr: Ipv6Addr, dev: &str, assumed: &mut Vec<Assumed>) -> Known<bool> {
        let query = FibQuery { oif: Some(dev), ..FibQuery::to(IpAddr::V6(addr)) };
        Ok(self.in_table(&Table::Local, &query, assumed)?.is_some_and(|r| r.kind == RouteKind::Local))
    }
}
