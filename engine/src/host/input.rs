//! The routing decision for a packet that came in, after PREROUTING: for this host, to be forwarded, or refused.
//!
//! The order of the questions is the kernel's: martian addresses, the lookup, forwarding, the source check. Left out:
//! the hop limit, frames that were not sent to the host's own link-layer address (never forwarded), and packets on `lo`,
//! which keep the decision made when they were sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fib::{By, Errno, Fib, FibQuery, Way, ways};
use super::sysctl::{Combine, Conf4};
use super::{Assumed, Family, Host, Known, Missing, Route, RouteKind};

/// What the decision goes by: the packet as PREROUTING left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputQuery<'a> {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// The device it came in by, as the IP layer sees it (a bridge, not its port).
    pub iif: &'a str,
    /// Mark.
    pub mark: u32,
    /// The whole type-of-service byte.
    pub tos: u8,
    /// Protocol number.
    pub proto: u8,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination port.
    pub dport: Option<u16>,
}

impl<'a> InputQuery<'a> {
    /// A packet without mark, type of service and ports.
    pub fn new(src: IpAddr, dst: IpAddr, iif: &'a str) -> InputQuery<'a> {
        InputQuery { src, dst, iif, mark: 0, tos: 0, proto: 0, sport: None, dport: None }
    }

    /// The lookup of `dst` for this packet.
    pub(super) fn fib(&self, dst: IpAddr) -> FibQuery<'a> {
        FibQuery {
            src: Some(self.src),
            mark: Some(self.mark),
            tos: self.tos,
            iif: Some(self.iif),
            proto: self.proto,
            sport: self.sport,
            dport: self.dport,
            ..FibQuery::to(dst)
        }
    }
}

/// As what a packet is delivered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// To an address of the host.
    Unicast,
    /// As a broadcast.
    Broadcast,
    /// To a group the host is in.
    Multicast,
    /// To an anycast address of the host.
    Anycast,
}

/// Why a packet is dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The source cannot be one (multicast, broadcast, `0.0.0.0`, loopback from outside).
    MartianSource,
    /// The destination cannot be one (`0.0.0.0`, loopback from outside).
    MartianDestination,
    /// The source is an address of this host.
    OwnSource,
    /// The way back to the source is by another device, or there is none (`rp_filter`).
    WayBack,
    /// The device does not forward.
    ForwardingOff,
    /// A group the host did not join on this device.
    NotJoined,
    /// A group that no input tells of (`ip maddr`): as if the host did not join it.
    MaybeJoined,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputRoute<'h> {
    /// Delivered here.
    Local {
        /// As what.
        delivery: Delivery,
        /// The route that says so; none for broadcasts and groups.
        route: Option<&'h Route>,
    },
    /// Forwarded.
    Forward {
        /// By one of these ways; mostly there is one.
        ways: Vec<Way>,
        /// The route.
        route: &'h Route,
        /// The realm of the destination.
        realm: Option<u32>,
    },
    /// Not for this host, and to be forwarded; where to would need more.
    Elsewhere(Missing),
    /// Dropped silently.
    Drop(DropReason),
    /// Dropped silently, for this says so.
    Blackhole(By<'h>),
    /// Dropped, and the sender is told.
    Error {
        /// ICMP or `ICMPv6` type.
        icmp_type: u8,
        /// Its code.
        icmp_code: u8,
        /// The route or rule, if one says so.
        by: By<'h>,
    },
}

impl Host {
    /// Decides what becomes of a packet that came in.
    ///
    /// # Errors
    /// What is missing, when not even this is known: whether it is for this host.
    pub fn input_route<'h>(&'h self, q: &InputQuery, assumed: &mut Vec<Assumed>) -> Known<InputRoute<'h>> {
        match (q.src, q.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.input4(q, src, dst, assumed),
            (_, IpAddr::V6(dst)) => self.input6(q, dst, assumed),
            (IpAddr::V6(_), IpAddr::V4(_)) => Ok(InputRoute::Drop(DropReason::MartianSource)),
        }
    }

    fn input4<'h>(
        &'h self,
        q: &InputQuery,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        assumed: &mut Vec<Assumed>,
    ) -> Known<InputRoute<'h>> {
        if dst.is_multicast() {
            return self.multicast4(q, src, dst, assumed);
        }
        if src.is_multicast() || src.is_broadcast() {
            return Ok(InputRoute::Drop(DropReason::MartianSource));
        }
        if dst.is_broadcast() || (src.is_unspecified() && dst.is_unspecified()) {
            return self.broadcast4(q, assumed);
        }
        if let Some(reason) = self.martian4(q, src, dst, assumed) {
            return Ok(InputRoute::Drop(reason));
        }
        let found = match self.fib(&q.fib(q.dst), assumed) {
            Ok(found) => found,
            Err(missing) => return self.elsewhere4(q, missing, assumed),
        };
        let route = match found {
            Fib::Route { route, .. } => route,
            Fib::Error { errno, by } => return Ok(self.refused4(q, errno, by, assumed)),
        };
        match route.kind {
            RouteKind::Broadcast if self.conf4(q.iif, Conf4::BcForwarding, Combine::And, assumed) == 0 => {
                self.broadcast4(q, assumed)
            }
            RouteKind::Local => Ok(match self.refused_source4(q, q.dst, None, assumed)? {
                None => InputRoute::Local { delivery: Delivery::Unicast, route: Some(route) },
                Some(reason) => InputRoute::Drop(reason),
            }),
            _ if !self.forwards(q.iif, Family::V4, assumed) => Ok(InputRoute::Drop(DropReason::ForwardingOff)),
            RouteKind::Unicast | RouteKind::Broadcast => self.forward4(q, &found, route, assumed),
            _ => Ok(InputRoute::Drop(DropReason::MartianDestination)),
        }
    }

    /// Addresses that no packet from outside may have.
    fn martian4(&self, q: &InputQuery, src: Ipv4Addr, dst: Ipv4Addr, assumed: &mut Vec<Assumed>) -> Option<DropReason> {
        if src.is_unspecified() {
            return Some(DropReason::MartianSource);
        }
        if dst.is_unspecified() {
            return Some(DropReason::MartianDestination);
        }
        let loopback = dst.is_loopback() || src.is_loopback();
        if !loopback || self.route_localnet(q.iif, assumed) {
            return None;
        }
        Some(if dst.is_loopback() { DropReason::MartianDestination } else { DropReason::MartianSource })
    }

    fn broadcast4(&self, q: &InputQuery, assumed: &mut Vec<Assumed>) -> Known<InputRoute<'_>> {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        if !q.src.is_unspecified()
            && let Some(reason) = self.refused_source4(q, any, None, assumed)?
        {
            return Ok(InputRoute::Drop(reason));
        }
        Ok(InputRoute::Local { delivery: Delivery::Broadcast, route: None })
    }

    fn multicast4(
        &self,
        q: &InputQuery,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        assumed: &mut Vec<Assumed>,
    ) -> Known<InputRoute<'_>> {
        let wrong =
            src.is_multicast() || src.is_broadcast() || (src.is_loopback() && !self.route_localnet(q.iif, assumed));
        if wrong {
            return Ok(InputRoute::Drop(DropReason::MartianSource));
        }
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        if !src.is_unspecified()
            && let Some(reason) = self.refused_source4(q, any, None, assumed)?
        {
            return Ok(InputRoute::Drop(reason));
        }
        if dst != Ipv4Addr::new(224, 0, 0, 1) {
            return Ok(InputRoute::Drop(DropReason::MaybeJoined));
        }
        Ok(InputRoute::Local { delivery: Delivery::Multicast, route: None })
    }

    fn refused4<'h>(&self, q: &InputQuery, errno: Errno, by: By<'h>, assumed: &mut Vec<Assumed>) -> InputRoute<'h> {
        if !self.forwards(q.iif, Family::V4, assumed) {
            return InputRoute::Drop(DropReason::ForwardingOff);
        }
        if errno == Errno::Einval {
            return InputRoute::Blackhole(by);
        }
        let icmp_code = match errno {
            Errno::Eacces => 13,
            Errno::Ehostunreach => 1,
            _ => 0,
        };
        InputRoute::Error { icmp_type: 3, icmp_code, by }
    }

    fn forward4<'h>(
        &'h self,
        q: &InputQuery,
        found: &Fib,
        route: &'h Route,
        assumed: &mut Vec<Assumed>,
    ) -> Known<InputRoute<'h>> {
        let ways = match ways(route, None) {
            Ok(ways) => ways,
            Err(missing) => return Ok(InputRoute::Elsewhere(missing)),
        };
        let same = ways.iter().find(|w| &*w.dev == q.iif).or(ways.first());
        if let Some(reason) = self.refused_source4(q, q.dst, same.map(|w| &*w.dev), assumed)? {
            return Ok(InputRoute::Drop(reason));
        }
        Ok(InputRoute::Forward { ways, route, realm: realm(found) })
    }

    /// The routes are not known, but the destination is not this host's: is there anything that can be said?
    fn elsewhere4(&self, q: &InputQuery, missing: Missing, assumed: &mut Vec<Assumed>) -> Known<InputRoute<'_>> {
        if matches!(missing, Missing::Local(_)) {
            return Err(missing);
        }
        if !self.forwards(q.iif, Family::V4, assumed) {
            return Ok(InputRoute::Drop(DropReason::ForwardingOff));
        }
        let own = self.is_local(q.src, assumed)?;
        if own && self.conf4(q.iif, Conf4::AcceptLocal, Combine::Or, assumed) == 0 {
            return Ok(InputRoute::Drop(DropReason::OwnSource));
        }
        Ok(InputRoute::Elsewhere(missing))
    }

    fn input6<'h>(&'h self, q: &InputQuery, dst: Ipv6Addr, assumed: &mut Vec<Assumed>) -> Known<InputRoute<'h>> {
        if dst.is_multicast() {
            let mut noted = Vec::new();
            let member = self.is_member6(dst, q.iif, &mut noted)?;
            let told = !noted.iter().any(|a| matches!(a, Assumed::NotJoined(..)));
            assumed.extend(noted.into_iter().filter(|_| told));
            return Ok(match (member, told) {
                (true, _) => InputRoute::Local { delivery: Delivery::Multicast, route: None },
                (false, true) => InputRoute::Drop(DropReason::NotJoined),
                (false, false) => InputRoute::Drop(DropReason::MaybeJoined),
            });
        }
        // From outside, ::1 is reached only when NAT gave it back as the destination; no route of `lo` counts then.
        let strict_iif = dst.is_unicast_link_local() || dst.is_loopback();
        let query = FibQuery { strict_iif, ..q.fib(q.dst) };
        let found = match self.fib(&query, assumed) {
            Err(missing @ Missing::Local(_)) => return Err(missing),
            Err(missing) => return Ok(self.forward6(q, None, assumed).unwrap_or(InputRoute::Elsewhere(missing))),
            Ok(found) => found,
        };
        let route = match found {
            Fib::Route { route, .. } => route,
            Fib::Error { errno: Errno::Einval, by } => return Ok(InputRoute::Blackhole(by)),
            Fib::Error { errno, by } => {
                return Ok(InputRoute::Error { icmp_type: 1, icmp_code: u8::from(errno == Errno::Eacces), by });
            }
        };
        match route.kind {
            RouteKind::Local => return Ok(InputRoute::Local { delivery: Delivery::Unicast, route: Some(route) }),
            RouteKind::Anycast => return Ok(InputRoute::Local { delivery: Delivery::Anycast, route: Some(route) }),
            _ => {}
        }
        let ways = match ways(route, None) {
            Ok(ways) => ways,
            Err(missing) => return Ok(InputRoute::Elsewhere(missing)),
        };
        let refused = self.forward6(q, ways.first(), assumed);
        Ok(refused.unwrap_or(InputRoute::Forward { ways, route, realm: realm(&found) }))
    }

    /// Why an IPv6 packet is not forwarded, if so.
    fn forward6(&self, q: &InputQuery, way: Option<&Way>, assumed: &mut Vec<Assumed>) -> Option<InputRoute<'static>> {
        if !self.forwards(q.iif, Family::V6, assumed) {
            return Some(InputRoute::Drop(DropReason::ForwardingOff));
        }
        let IpAddr::V6(src) = q.src else { return Some(InputRoute::Drop(DropReason::MartianSource)) };
        // A packet that leaves as it came gets a redirect instead of these checks.
        if way.is_some_and(|w| &*w.dev == q.iif) {
            return None;
        }
        if src.is_unspecified() || src.is_multicast() || src.is_loopback() {
            return Some(InputRoute::Drop(DropReason::MartianSource));
        }
        src.is_unicast_link_local().then_some(InputRoute::Error { icmp_type: 1, icmp_code: 2, by: By::NoRoute })
    }

    /// Whether the host is in an IPv6 group on a device, by itself: all nodes, all routers, and those of its addresses.
    pub(super) fn is_member6(&self, group: Ipv6Addr, dev: &str, assumed: &mut Vec<Assumed>) -> Known<bool> {
        let own = |scope: u16, id: u16| group == Ipv6Addr::new(0xff00 | scope, 0, 0, 0, 0, 0, 0, id);
        if own(1, 1) || own(2, 1) {
            return Ok(true);
        }
        if own(1, 2) || own(2, 2) || own(5, 2) {
            return Ok(self.forwards(dev, Family::V6, assumed));
        }
        let solicited = group.segments()[..7] == [0xff02, 0, 0, 0, 0, 1, 0xff00 | (group.segments()[6] & 0xff)];
        if solicited {
            let low = |a: Ipv6Addr| a.to_bits() & 0x00ff_ffff;
            let addresses = self.addresses_of(dev, Family::V6)?;
            let fits = |ip: IpAddr| matches!(ip, IpAddr::V6(a) if low(a) == low(group));
            return Ok(addresses.iter().any(|a| fits(a.ip)));
        }
        assumed.push(Assumed::NotJoined(IpAddr::V6(group), dev.into()));
        Ok(false)
    }
}

/// The realm of the destination: the route's, else the rule's.
pub(super) fn realm(found: &Fib) -> Option<u32> {
    match found {
        Fib::Route { route, rule_realm } => route.realm.or(*rule_realm),
        Fib::Error { .. } => None,
    }
}
