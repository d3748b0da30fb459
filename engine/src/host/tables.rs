//! The routing tables of one family, indexed for longest-prefix lookups; table `local` derived from the addresses where
//! the dump has none.
//!
//! `ip route` alone shows table `main` only: then what the other tables hold is unknown, and `local` is what the kernel
//! makes of the addresses (10.0.1.1/24 on eth0: local 10.0.1.1, broadcast 10.0.1.255). Left out: connected routes, which
//! a dump of `main` always has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};

use super::addr::{Address, Scope};
use super::rule::LEGACY_TOS;
use super::{Dev, Family, Parts, Route, RouteKind, Table};

/// How a lookup in one table ended.
pub(super) enum Found {
    /// At this route.
    Route(usize),
    /// At none, or a `throw`.
    Nothing,
}

/// What a lookup in one table goes by.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub dst: IpAddr,
    pub src: Option<IpAddr>,
    pub tos: u8,
    /// Only routes by this device.
    pub dev: Option<&'a str>,
}

#[derive(Clone, Debug, Default)]
struct Index {
    /// The prefix lengths there are, longest first.
    lengths: Vec<u8>,
    /// The routes of a prefix, in the order they are tried.
    at: FxHashMap<(u8, u128), Vec<usize>>,
}

/// The tables of one family.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub routes: Vec<Route>,
    index: FxHashMap<Table, Index>,
    /// Table `local` has all the host's addresses.
    pub local_complete: bool,
    /// The routes were given.
    pub given: bool,
    /// The dump was of all tables.
    all: bool,
    /// IPv4: without rules of its own a host keeps `local` and `main` in one table.
    merged: bool,
    /// From here on in `routes`: addresses that only count as local.
    assumed_from: usize,
}

impl Tables {
    pub fn new(parts: &Parts, family: Family) -> Tables {
        let given = if family == Family::V4 { &parts.routes4 } else { &parts.routes6 };
        let mut routes = given.clone().unwrap_or_default();
        let all = routes.iter().any(|r| r.table == Table::Local);
        let mut assumed_from = routes.len();
        if !all {
            match &parts.addresses {
                Some(addresses) => derive(parts, addresses, family, &mut routes),
                None => partial(&mut routes, family),
            }
            assumed_from = routes.len();
        }
        let local_complete = all || parts.addresses.is_some();
        if !local_complete {
            let assumed = parts.assumed_local.iter().flatten().filter(|(ip, _)| Family::of(*ip) == family);
            routes.extend(assumed.map(|(ip, dev)| local(*ip, dev.clone())));
        }
        let index = index(&routes);
        routes.extend((!local_complete).then(|| Route { dst: everything(family), ..local(UNSPECIFIED, None) }));
        let own_rules = parts.rules4.iter().flatten().any(|r| !r.is_default());
        let merged = family == Family::V4 && given.is_some() && local_complete && !own_rules;
        Tables { routes, index, local_complete, given: given.is_some(), all, merged, assumed_from }
    }

    /// Whether the content of a table is known.
    pub fn knows(&self, table: &Table) -> bool {
        match table {
            Table::Local => true,
            // A dump of `main` alone: the nearly always empty `default` counts as empty.
            Table::Main | Table::Default => self.given,
            Table::Other(_) => self.given && (self.all || self.index.contains_key(table)),
        }
    }

    /// Whether the route is a mere assumption.
    pub fn is_assumed(&self, route: usize) -> bool {
        route >= self.assumed_from
    }

    /// Stands for the route to an address that somebody says is local.
    pub fn stand_in(&self) -> Option<&Route> {
        self.routes.last()
    }

    /// The best route of a table: longest prefix, then type of service, then metric.
    pub fn lookup(&self, table: &Table, key: Key) -> Found {
        let found = match table {
            Table::Local | Table::Main if self.merged => {
                let (local, main) = (self.best(&Table::Local, key), self.best(&Table::Main, key));
                // The longer prefix; of two that are as long the one of `local`.
                match (local, main) {
                    (Some(l), Some(m)) if self.length(m) > self.length(l) => Some(m),
                    (local, main) => local.or(main),
                }
            }
            _ => self.best(table, key),
        };
        match found.and_then(|i| self.routes.get(i).map(|r| (i, r.kind))) {
            None | Some((_, RouteKind::Throw)) => Found::Nothing,
            Some((i, _)) => Found::Route(i),
        }
    }

    fn best(&self, table: &Table, key: Key) -> Option<usize> {
        let index = self.index.get(table)?;
        index.lengths.iter().find_map(|&length| {
            let bucket = index.at.get(&(length, bits(key.dst, length)))?;
            bucket.iter().copied().find(|r| self.fits(*r, key))
        })
    }

    fn length(&self, route: usize) -> u8 {
        self.routes.get(route).map_or(0, |r| r.dst.prefix_len())
    }

    fn fits(&self, route: usize, key: Key) -> bool {
        let Some(route) = self.routes.get(route) else { return false };
        let source = route.src.is_none_or(|net| key.src.map_or(net.prefix_len() == 0, |src| net.contains(&src)));
        let tos = route.tos == 0 || route.tos == key.tos & LEGACY_TOS;
        let usable = |h: &super::NextHop| !h.dead && key.dev.is_none_or(|dev| h.dev.as_deref() == Some(dev));
        // An IPv6 route that refuses stands on `lo`, an IPv4 one on no device.
        let error = key.dst.is_ipv4()
            && !matches!(
                route.kind,
                RouteKind::Unicast
                    | RouteKind::Local
                    | RouteKind::Broadcast
                    | RouteKind::Anycast
                    | RouteKind::Multicast
            );
        source && tos && (error || route.hops.iter().any(usable) || (route.hops.is_empty() && key.dev.is_none()))
    }
}

fn index(routes: &[Route]) -> FxHashMap<Table, Index> {
    let mut tables: FxHashMap<Table, Index> = FxHashMap::default();
    for (i, route) in routes.iter().enumerate() {
        let length = route.dst.prefix_len();
        let table = tables.entry(route.table.clone()).or_default();
        table.at.entry((length, bits(route.dst.addr(), length))).or_default().push(i);
        if !table.lengths.contains(&length) {
            table.lengths.push(length);
        }
    }
    for table in tables.values_mut() {
        table.lengths.sort_unstable_by(|a, b| b.cmp(a));
        for bucket in table.at.values_mut() {
            bucket.sort_by_key(|&i| routes.get(i).map(rank));
        }
    }
    tables
}

/// Routes of one prefix are tried in this order.
fn rank(route: &Route) -> impl Ord + use<> {
    let source = std::cmp::Reverse(route.src.map_or(0, |s| s.prefix_len()));
    (source, std::cmp::Reverse(route.tos), route.metric, std::cmp::Reverse(route.preference))
}

/// The first `length` bits of an address.
fn bits(addr: IpAddr, length: u8) -> u128 {
    let (value, width) = match addr {
        IpAddr::V4(a) => (u128::from(a.to_bits()), 32),
        IpAddr::V6(a) => (a.to_bits(), 128),
    };
    let cut = u32::from(width - length.min(width));
    value.checked_shr(cut).map_or(0, |v| v.checked_shl(cut).unwrap_or(0))
}

const UNSPECIFIED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn everything(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::V4(ipnet::Ipv4Net::default()),
        Family::V6 => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

fn host_net(ip: IpAddr) -> IpNet {
    IpNet::from(ip)
}

fn local(ip: IpAddr, dev: Option<Dev>) -> Route {
    let mut route = Route::new(RouteKind::Local, host_net(ip), Table::Local).by(dev, None);
    route.scope = Scope::HOST;
    route.protocol = Some("kernel".into());
    route
}

/// Without addresses: 127/8 and ::1, and every address that a route prefers as source, for it has to be local.
fn partial(routes: &mut Vec<Route>, family: Family) {
    let mut own: Vec<IpAddr> = routes.iter().filter_map(|r| r.prefsrc).filter(|ip| Family::of(*ip) == family).collect();
    own.sort_unstable();
    own.dedup();
    routes.extend(own.into_iter().map(|ip| local(ip, None)));
    loopback(routes, family);
}

/// The addresses of the loopback device that every host has.
fn loopback(routes: &mut Vec<Route>, family: Family) {
    let lo = || Some(Dev::from("lo"));
    if family == Family::V6 {
        routes.push(local(IpAddr::V6(Ipv6Addr::LOCALHOST), lo()));
    } else if let Ok(net) = IpNet::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8) {
        routes.push(Route { dst: net, ..local(IpAddr::V4(Ipv4Addr::LOCALHOST), lo()) });
    }
}

/// Table `local` as the kernel makes it from the addresses. A device that is down has no entries.
fn derive(parts: &Parts, addresses: &[Address], family: Family, routes: &mut Vec<Route>) {
    let links = parts.links.iter().flatten();
    let down: FxHashSet<&Dev> = links.filter(|l| !l.flags.up && l.index != 0).map(|l| &l.name).collect();
    let own = addresses.iter().filter(|a| Family::of(a.ip) == family && !down.contains(&a.dev));
    let mut primary: FxHashMap<_, &Address> = FxHashMap::default();
    for address in own.clone().filter(|a| !a.secondary) {
        primary.entry((&address.dev, address.subnet())).or_insert(address);
    }
    for address in own.clone() {
        let from = routes.len();
        match family {
            Family::V4 => {
                let primary = primary.get(&(&address.dev, address.subnet()));
                derive4(address, primary.copied().unwrap_or(address), routes);
            }
            Family::V6 if !address.tentative => derive6(parts, address, routes),
            Family::V6 => {}
        }
        routes.iter_mut().skip(from).for_each(|r| r.span = address.span);
    }
    if family == Family::V6 {
        let mut devs: Vec<&Dev> = own.filter(|a| !a.ip.is_loopback()).map(|a| &a.dev).collect();
        devs.dedup();
        let groups = IpNet::new(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8);
        routes.extend(devs.into_iter().zip(groups.into_iter().cycle()).map(|(dev, net)| Route {
            metric: 256,
            ..Route::new(RouteKind::Multicast, net, Table::Local).by(Some(dev.clone()), None)
        }));
    }
}

/// The routes that come with an address: those of table `local`, and the connected one in `main`.
pub(crate) fn routes_of(parts: &Parts, address: &Address) -> Vec<Route> {
    let mut routes = Vec::new();
    let connected = !address.noprefixroute && !address.secondary;
    let shared = if address.ip.is_ipv4() { 32 } else { 128 };
    match address.subnet() {
        Some(net) if connected && (net.prefix_len() < shared || address.peer.is_some()) => {
            let mut route = Route::new(RouteKind::Unicast, net, Table::Main).by(Some(address.dev.clone()), None);
            route.scope = Scope::LINK;
            route.prefsrc = address.ip.is_ipv4().then_some(address.ip);
            route.metric = if address.ip.is_ipv4() { 0 } else { 256 };
            route.protocol = Some("kernel".into());
            routes.push(route);
        }
        _ => {}
    }
    if address.ip.is_ipv4() {
        derive4(address, address, &mut routes);
    } else {
        derive6(parts, address, &mut routes);
    }
    for route in &mut routes {
        route.span = address.span;
    }
    routes
}

fn derive4(address: &Address, primary: &Address, routes: &mut Vec<Route>) {
    let mut push = |kind, net, scope| {
        let mut route = Route::new(kind, net, Table::Local).by(Some(address.dev.clone()), None);
        route.scope = scope;
        route.prefsrc = Some(primary.ip);
        route.protocol = Some("kernel".into());
        routes.push(route);
    };
    push(RouteKind::Local, host_net(address.ip), Scope::HOST);
    if let Some(broadcast) = address.broadcast.filter(|b| *b != Ipv4Addr::BROADCAST) {
        push(RouteKind::Broadcast, host_net(IpAddr::V4(broadcast)), Scope::LINK);
    }
    let Some(IpNet::V4(net)) = address.subnet() else { return };
    if address.secondary || net.prefix_len() == 32 || net.network().is_unspecified() {
        return;
    }
    if address.ip.is_loopback() {
        push(RouteKind::Local, IpNet::V4(net), Scope::HOST);
    }
    if net.prefix_len() < 31 && address.broadcast != Some(net.broadcast()) {
        push(RouteKind::Broadcast, host_net(IpAddr::V4(net.broadcast())), Scope::LINK);
    }
}

fn derive6(parts: &Parts, address: &Address, routes: &mut Vec<Route>) {
    let dev = || Some(address.dev.clone());
    routes.push(local(address.ip, dev()));
    let key = format!("net.ipv6.conf.{}.forwarding", address.dev);
    let sysctl = |key: &str| parts.sysctls.as_ref().and_then(|s| s.number(key));
    let forwards = sysctl(&key).or_else(|| sysctl("net.ipv6.conf.all.forwarding")).is_some_and(|v| v > 0);
    if let (true, Some(net)) = (forwards && address.prefix_len < 127, address.subnet()) {
        routes.push(Route::new(RouteKind::Anycast, host_net(net.network()), Table::Local).by(dev(), None));
    }
}
