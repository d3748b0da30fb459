//! The routing decision for a packet generated here, before OUTPUT, and again where OUTPUT changed it.
//!
//! Example: to 10.43.0.1: by eth0 to the gateway 192.168.1.254, from 192.168.1.201; to an own address: by `lo`. Left
//! out: whether the source is an own address (a raw socket may send from any).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addr::Scope;
use super::fib::{By, Errno, Fib, FibQuery, Way, ways};
use super::input::realm;
use super::{Assumed, Dev, Family, Host, Known, Missing, Route, RouteKind, Table};

/// What kind of destination it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputKind {
    /// Another host.
    Unicast,
    /// This host: the packet leaves by `lo` and comes back in.
    Local,
    /// All hosts of a link.
    Broadcast,
    /// A group.
    Multicast,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputRoute<'h> {
    /// Sent.
    Send {
        /// To what.
        kind: OutputKind,
        /// By one of these ways; mostly there is one.
        ways: Vec<Way>,
        /// The source address: the one given, or the one chosen.
        src: Known<IpAddr>,
        /// A copy is delivered here too (broadcasts, and groups the host is in).
        loops_back: bool,
        /// The route, if there is one.
        route: Option<&'h Route>,
        /// The realm of the destination.
        realm: Option<u32>,
    },
    /// Not for this host; where to would need more.
    Elsewhere(Missing),
    /// The sender gets an error.
    Error {
        /// Which.
        errno: Errno,
        /// The route or rule, if one says so.
        by: By<'h>,
    },
}

impl Host {
    /// Decides how a packet leaves that was generated here; `query.iif` is not looked at.
    ///
    /// # Errors
    /// What is missing, when not even this is known: whether it is for this host.
    pub fn output_route<'h>(&'h self, query: &FibQuery, assumed: &mut Vec<Assumed>) -> Known<OutputRoute<'h>> {
        let src = query.src.filter(|s| !s.is_unspecified());
        let query = FibQuery { iif: None, strict_iif: false, src, ..*query };
        match query.dst {
            IpAddr::V4(dst) => self.output4(&query, dst, assumed),
            IpAddr::V6(dst) => self.output6(&query, dst, assumed),
        }
    }

    fn output4<'h>(&'h self, query: &FibQuery, dst: Ipv4Addr, assumed: &mut Vec<Assumed>) -> Known<OutputRoute<'h>> {
        if matches!(query.src, Some(IpAddr::V4(src)) if src.is_multicast() || src.is_broadcast()) {
            return Ok(OutputRoute::Error { errno: Errno::Einval, by: By::NoRoute });
        }
        if dst.is_unspecified() {
            let own = query.oif.and_then(|dev| self.select_addr4(dev, None, Scope::HOST, assumed).ok());
            let src = query.src.or(own).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            return Ok(local(Ok(src), None));
        }
        if let Some(dev) = self.direct4(query, dst, assumed)? {
            let src = query.src.map_or_else(|| self.select_addr4(&dev, None, Scope::LINK, assumed), Ok);
            return Ok(self.made4(
                query,
                dst,
                Found { ways: vec![on_link(&dev)], src, route: None, realm: None },
                assumed,
            ));
        }
        let found = match self.fib(query, assumed) {
            Ok(found) => found,
            Err(missing @ Missing::Local(_)) => return Err(missing),
            Err(missing) => return Ok(OutputRoute::Elsewhere(missing)),
        };
        let route = match (&found, query.oif) {
            (Fib::Route { route, .. }, _) => *route,
            // With a device told, a destination without a route counts as being on its link.
            (Fib::Error { .. }, Some(dev)) => {
                let src = query.src.map_or_else(|| self.select_addr4(dev, None, Scope::LINK, assumed), Ok);
                let found = Found { ways: vec![on_link(dev)], src, route: None, realm: None };
                return Ok(self.made4(query, dst, found, assumed));
            }
            (Fib::Error { errno, by }, None) => return Ok(OutputRoute::Error { errno: *errno, by: by.clone() }),
        };
        if route.kind == RouteKind::Local {
            return Ok(local(Ok(query.src.or(route.prefsrc).unwrap_or(query.dst)), Some(route)));
        }
        let ways = match ways(route, query.oif) {
            Ok(ways) => ways,
            Err(missing) => return Ok(OutputRoute::Elsewhere(missing)),
        };
        let src = query.src.map_or_else(|| self.source4(route, &ways, assumed), Ok);
        Ok(self.made4(query, dst, Found { ways, src, route: Some(route), realm: realm(&found) }, assumed))
    }

    /// The device that a group or the limited broadcast is sent by without asking the routes.
    fn direct4(&self, query: &FibQuery, dst: Ipv4Addr, assumed: &mut Vec<Assumed>) -> Known<Option<Dev>> {
        let local_group = dst.is_multicast() && dst.octets()[..3] == [224, 0, 0];
        if let Some(oif) = query.oif {
            return Ok((local_group || dst.is_broadcast()).then(|| oif.into()));
        }
        let Some(src) = query.src.filter(|_| dst.is_multicast() || dst.is_broadcast()) else { return Ok(None) };
        let own = self.in_table(&Table::Local, &FibQuery::to(src), assumed)?;
        let own = own.filter(|r| r.kind == RouteKind::Local);
        Ok(own.and_then(|r| r.hops.first()).and_then(|h| h.dev.clone()))
    }

    /// The checks every packet passes once its device is known.
    fn made4<'h>(
        &'h self,
        query: &FibQuery,
        dst: Ipv4Addr,
        found: Found<'h>,
        assumed: &mut Vec<Assumed>,
    ) -> OutputRoute<'h> {
        let Found { mut ways, src, route, realm } = found;
        let from_loopback = matches!(src, Ok(IpAddr::V4(src)) if src.is_loopback());
        if let Some(way) = ways.first().filter(|_| from_loopback)
            && !self.is_loopback(&way.dev)
            && !self.route_localnet(&way.dev, assumed)
        {
            return OutputRoute::Error { errno: Errno::Einval, by: By::NoRoute };
        }
        let kind = match route.map(|r| r.kind) {
            _ if dst.is_broadcast() => OutputKind::Broadcast,
            _ if dst.is_multicast() => OutputKind::Multicast,
            Some(RouteKind::Broadcast) => OutputKind::Broadcast,
            _ => OutputKind::Unicast,
        };
        if kind != OutputKind::Unicast {
            for way in &mut ways {
                way.via = None;
            }
        }
        let loops_back = match kind {
            OutputKind::Broadcast => true,
            OutputKind::Multicast if dst == Ipv4Addr::new(224, 0, 0, 1) => true,
            OutputKind::Multicast => {
                assumed.extend(ways.first().map(|w| Assumed::NotJoined(query.dst, w.dev.clone())));
                false
            }
            _ => false,
        };
        OutputRoute::Send { kind, ways, src, loops_back, route, realm }
    }

    /// The source for a packet that has none: what the route prefers, else an address of the device.
    fn source4(&self, route: &Route, ways: &[Way], assumed: &mut Vec<Assumed>) -> Known<IpAddr> {
        if let Some(src) = route.prefsrc {
            return Ok(src);
        }
        let way = ways.first().ok_or(Missing::RouteDevice)?;
        let via = match way.via {
            Some(IpAddr::V4(via)) => Some(via),
            _ => None,
        };
        self.select_addr4(&way.dev, via, route.scope, assumed)
    }

    fn output6<'h>(&'h self, query: &FibQuery, dst: Ipv6Addr, assumed: &mut Vec<Assumed>) -> Known<OutputRoute<'h>> {
        let found = match self.fib(query, assumed) {
            Ok(found) => found,
            Err(missing @ Missing::Local(_)) => return Err(missing),
            Err(missing) => return Ok(OutputRoute::Elsewhere(missing)),
        };
        let route = match found {
            Fib::Route { route, .. } => route,
            Fib::Error { errno, by } => return Ok(OutputRoute::Error { errno, by }),
        };
        let ways = match ways(route, query.oif) {
            Ok(ways) => ways,
            Err(missing) => return Ok(OutputRoute::Elsewhere(missing)),
        };
        let dev = ways.first().map(|w| w.dev.clone()).ok_or(Missing::RouteDevice)?;
        let src = query.src.or(route.prefsrc).map_or_else(|| self.select_addr6(&dev, dst), Ok);
        if matches!(route.kind, RouteKind::Local | RouteKind::Anycast) {
            return Ok(local(src, Some(route)));
        }
        let multicast = dst.is_multicast();
        let loops_back = multicast && self.is_member6(dst, &dev, assumed)?;
        let kind = if multicast { OutputKind::Multicast } else { OutputKind::Unicast };
        Ok(OutputRoute::Send { kind, ways, src, loops_back, route: Some(route), realm: realm(&found) })
    }

    /// Whether a family's packets can be sent at all is not asked here; this tells whether any route was given.
    pub fn has_routes(&self, family: Family) -> bool {
        self.tables(family).given
    }
}

/// What was found before the last checks.
struct Found<'h> {
    ways: Vec<Way>,
    src: Known<IpAddr>,
    route: Option<&'h Route>,
    realm: Option<u32>,
}

fn on_link(dev: &str) -> Way {
    Way { dev: dev.into(), via: None, weight: 1 }
}

fn local(src: Known<IpAddr>, route: Option<&Route>) -> OutputRoute<'_> {
    let ways = vec![on_link("lo")];
    OutputRoute::Send {
        kind: OutputKind::Local,
        ways,
        src,
        loops_back: false,
        route,
        realm: route.and_then(|r| r.realm),
    }
}
