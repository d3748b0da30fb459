//! Does the source of a packet belong where it came in: the kernel's own check, `-m rpfilter`, and nft's
//! `fib saddr . iif oif`.
//!
//! Example: 10.0.2.7 coming in by eth1 while the route to 10.0.2.0/24 is by eth0: refused with `rp_filter` 1, and
//! `fib saddr . iif oif` is missing.

use std::net::{IpAddr, Ipv4Addr};

use super::fib::{Fib, FibQuery};
use super::input::InputQuery;
use super::sysctl::{Combine, Conf4};
use super::{Assumed, Dev, DropReason, Family, Host, Known, Parts, RouteKind};

/// Options of `-m rpfilter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RpFilter {
    /// `--loose`: a route by any device will do.
    pub loose: bool,
    /// `--validmark`: the lookup uses the packet's mark.
    pub valid_mark: bool,
    /// `--accept-local`: one's own addresses are fine.
    pub accept_local: bool,
}

/// What nft's `fib … oif` looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FibOif<'a> {
    /// The packet.
    pub packet: InputQuery<'a>,
    /// `saddr` instead of `daddr`.
    pub of_source: bool,
    /// `. mark`.
    pub mark: bool,
    /// The device of `. iif` or `. oif` that the route has to use.
    pub by: Option<&'a str>,
    /// The rule is at the prerouting or input hook.
    pub arriving: bool,
    /// The packet is a copy of this host's own that came in again.
    pub looped: bool,
}

impl Host {
    /// The kernel's source check on an IPv4 packet that came in: why it is not let pass, if so. `oif` is the device it
    /// would be forwarded by.
    pub(super) fn refused_source4(
        &self,
        q: &InputQuery,
        dst: IpAddr,
        oif: Option<&str>,
        assumed: &mut Vec<Assumed>,
    ) -> Known<Option<DropReason>> {
        let rp_filter = self.conf4(q.iif, Conf4::RpFilter, Combine::Max, assumed);
        if rp_filter == 0 {
            self.note_unchecked(q, dst, oif, assumed);
        }
        let same_dev = oif == Some(q.iif);
        let redirects = same_dev && self.conf4(q.iif, Conf4::SendRedirects, Combine::Or, assumed) > 0;
        let accept_local = self.conf4(q.iif, Conf4::AcceptLocal, Combine::Or, assumed) > 0;
        if rp_filter == 0 && !redirects && accept_local {
            return Ok(None);
        }
        if rp_filter == 0 && !redirects && !self.custom_routing {
            return Ok(self.is_own_address(q.src, assumed)?.then_some(DropReason::OwnSource));
        }
        let loose = Ok(Some(DropReason::WayBack).filter(|_| rp_filter != 0));
        let Fib::Route { route, .. } = self.fib(&self.way_back(q, dst, oif, assumed), assumed)? else { return loose };
        match route.kind {
            RouteKind::Unicast => {}
            RouteKind::Local if accept_local => {}
            RouteKind::Local => return Ok(Some(DropReason::OwnSource)),
            _ => return Ok(Some(DropReason::MartianSource)),
        }
        if self.leads_by(route, q.iif) || (route.kind == RouteKind::Local && self.is_loopback(q.iif)) {
            return Ok(None);
        }
        if self.addresses_of(q.iif, Family::V4).is_ok_and(|a| a.is_empty()) {
            return loose;
        }
        Ok((rp_filter == 1).then_some(DropReason::WayBack))
    }

    /// Notes that the check is off only because nothing tells that it is on, where it would refuse the packet.
    fn note_unchecked(&self, q: &InputQuery, dst: IpAddr, oif: Option<&str>, assumed: &mut Vec<Assumed>) {
        let told = |of| self.given4(of, Conf4::RpFilter).is_some();
        if told("all") && (told(q.iif) || told("default")) {
            return;
        }
        let mut unlisted = Vec::new();
        let strays = match self.fib(&self.way_back(q, dst, oif, &mut unlisted), &mut unlisted) {
            Ok(Fib::Route { route, .. }) => route.kind == RouteKind::Unicast && !self.leads_by(route, q.iif),
            Ok(Fib::Error { .. }) => true,
            Err(_) => false,
        };
        let note = Assumed::SourceCheckOff(q.iif.into());
        if strays && !assumed.contains(&note) {
            assumed.push(note);
        }
    }

    /// The lookup that the check makes.
    fn way_back<'q>(
        &self,
        q: &InputQuery<'q>,
        dst: IpAddr,
        oif: Option<&'q str>,
        assumed: &mut Vec<Assumed>,
    ) -> FibQuery<'q> {
        let vmark = q.mark != 0 && self.conf4(q.iif, Conf4::SrcValidMark, Combine::Or, assumed) > 0;
        FibQuery {
            src: Some(dst),
            mark: vmark.then_some(q.mark),
            iif: Some(oif.unwrap_or("lo")),
            vrf: Some(q.iif),
            sport: q.dport,
            dport: q.sport,
            ..q.fib(q.src)
        }
    }

    /// Whether an address is configured on a device (a local route to a prefix does not make its addresses so).
    fn is_own_address(&self, addr: IpAddr, assumed: &mut Vec<Assumed>) -> Known<bool> {
        match &self.parts.addresses {
            Some(_) => Ok(self.own.contains(&addr)),
            None => self.is_local(addr, assumed),
        }
    }

    /// `-m rpfilter` without `--invert`.
    pub fn rpfilter(&self, q: &InputQuery, options: RpFilter, assumed: &mut Vec<Assumed>) -> Known<bool> {
        if self.is_loopback(q.iif) || skips_check(q) || (q.src.is_ipv6() && q.src.is_unspecified()) {
            return Ok(true);
        }
        let mark = options.valid_mark.then_some(q.mark);
        // IPv4's match does not tell policy rules the protocol (`ipt_rpfilter.c`).
        let proto = if q.src.is_ipv6() { q.proto } else { 0 };
        let query = FibQuery { mark, proto, ..reverse(q) };
        let Fib::Route { route, .. } = self.fib(&query, assumed)? else { return Ok(false) };
        Ok(match (route.kind, q.src) {
            (RouteKind::Unicast, _) => options.loose || self.leads_by(route, q.iif),
            (RouteKind::Local, IpAddr::V4(_)) => options.accept_local && (options.loose || route.uses(q.iif)),
            (RouteKind::Local, IpAddr::V6(_)) => options.accept_local,
            _ => false,
        })
    }

    /// nft's `fib … oif`: the device, `None` when it is missing.
    pub fn fib_oif(&self, ask: &FibOif, assumed: &mut Vec<Assumed>) -> Known<Option<Dev>> {
        let q = &ask.packet;
        let unresolved = |dst: IpAddr| matches!(dst, IpAddr::V6(a) if a.is_unicast_link_local());
        let solicits = q.src.is_ipv6() && q.src.is_unspecified() && q.proto == 58 && unresolved(q.dst);
        if (ask.arriving && (ask.looped || self.is_loopback(q.iif))) || skips_check(q) || solicits {
            return Ok(Some(q.iif.into()));
        }
        let mut query = if ask.of_source { reverse(q) } else { FibQuery { src: usable(q.src), ..q.fib(q.dst) } };
        query.mark = ask.mark.then_some(q.mark);
        (query.iif, query.sport, query.dport) = (None, None, None);
        if unresolved(query.dst) {
            query.oif = Some(ask.by.unwrap_or(q.iif));
        }
        let Fib::Route { route, .. } = self.fib(&query, assumed)? else { return Ok(None) };
        let v6_special = q.src.is_ipv6() && route.kind == RouteKind::Anycast;
        if route.kind == RouteKind::Local || v6_special {
            return Ok(None);
        }
        match ask.by {
            Some(dev) => Ok(route.uses(dev).then(|| dev.into())),
            None => Ok(super::fib::ways(route, None)?.first().map(|w| w.dev.clone())),
        }
    }
}

/// Rules or local routes that an administrator added make the kernel look more closely.
pub(super) fn has_custom_routing(parts: &Parts) -> bool {
    let rules = parts.rules4.iter().flatten().any(|r| !r.is_default());
    let by_hand = |p: &Option<std::sync::Arc<str>>| p.as_deref() != Some("kernel");
    rules || parts.routes4.iter().flatten().any(|r| r.kind == RouteKind::Local && by_hand(&r.protocol))
}

/// The lookup of the way back.
fn reverse<'a>(q: &InputQuery<'a>) -> FibQuery<'a> {
    let link_local = matches!(q.src, IpAddr::V6(a) if a.is_unicast_link_local());
    let oif = link_local.then_some(q.iif);
    let src = usable(q.dst);
    FibQuery { src, iif: None, oif, vrf: Some(q.iif), strict_iif: false, sport: None, dport: None, ..q.fib(q.src) }
}

/// A DHCP client's first packets have no source to check.
fn skips_check(q: &InputQuery) -> bool {
    let local_group = |dst: Ipv4Addr| dst.is_multicast() && dst.octets()[..3] == [224, 0, 0];
    matches!((q.src, q.dst), (IpAddr::V4(src), IpAddr::V4(dst))
        if src.is_unspecified() && (dst.is_broadcast() || local_group(dst)))
}

/// The address if it can be a source.
fn usable(addr: IpAddr) -> Option<IpAddr> {
    let broadcast = matches!(addr, IpAddr::V4(a) if a.is_broadcast());
    (!addr.is_multicast() && !addr.is_unspecified() && !broadcast).then_some(addr)
}
