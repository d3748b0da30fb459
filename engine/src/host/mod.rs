//! What the rules do not tell: addresses, links, routes, neighbours, bridges and sysctls of the host, and the lookups the
//! kernel makes in them.
//!
//! Every part is optional, and "not given" differs from "empty": with `ip -j addr` but no `ip -j route` it is known which
//! addresses are local, and unknown where other packets leave. A lookup gives a definite answer or names what is
//! [`Missing`]; what it took as given instead (a sysctl's default, the usual `ip rule`s) it adds to a list of [`Assumed`].
//!
//! ```
//! use nettrace_engine::host::{Host, Part, Parts};
//! use nettrace_grammar::Sources;
//!
//! let mut sources = Sources::default();
//! let text = r#"[{"ifname":"eth0","addr_info":[{"family":"inet","local":"10.0.1.1","prefixlen":24}]}]"#;
//! let mut parts = Parts::default();
//! assert!(parts.read(Part::Addresses, sources.add("ip-addr.json", text).unwrap()).is_empty());
//! let host = Host::new(parts);
//! assert_eq!(host.is_local("10.0.1.1".parse().unwrap(), &mut Vec::new()), Ok(true));
//! ```
//!
//! Every part is read as JSON (`ip -j addr`) or as plain text (`ip addr`).
//!
//! Left out: reading files, resolving names, and the hop limit (the walk's business).

mod addr;
mod addrtype;
mod bridge;
mod conntrack;
mod expect;
mod fib;
mod input;
mod json;
mod link;
mod merge;
mod nat;
mod neigh;
mod output;
mod route;
mod rule;
mod select;
mod source;
mod sysctl;
mod tables;
mod text;
mod vrf;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use nettrace_grammar::{Diagnostic, Source};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::field::Field;

pub use addr::{Address, Scope};
pub use addrtype::{AddrType6, FibType};
pub use bridge::{BridgePort, FdbEntry, PortLookup};
pub use conntrack::{connections, connections_of_json};
pub use expect::expectations;
pub use fib::{By, Errno, Fib, FibQuery, Way};
pub use input::{Delivery, DropReason, InputQuery, InputRoute};
pub use link::{Link, LinkFlags, Mac};
pub use neigh::Neighbour;
pub use output::{OutputKind, OutputRoute};
pub use route::{NextHop, Route, RouteKind, Table};
pub use rule::{PolicyRule, RuleAction};
pub use source::{FibOif, RpFilter};
pub use sysctl::{Conf4, SysctlKey, Sysctls};
pub(crate) use tables::routes_of;

/// A device's name; cheap to clone.
pub type Dev = Arc<str>;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(addr: IpAddr) -> Family {
        if addr.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Family::V4 { "IPv4" } else { "IPv6" })
    }
}

/// An input that a lookup would have needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// `ip addr`.
    Addresses,
    /// `ip addr`: whether this is one of the host's own. An [`Assumed::Local`] in the list that a lookup is handed
    /// answers that.
    Local(IpAddr),
    /// `ip link` (or `ip addr`), or a device in it.
    Link(Dev),
    /// `ip route` of a family.
    Routes(Family),
    /// Whether this device is a VRF: its kind, which `ip -d link` has.
    Kind(Dev),
    /// A routing table that a rule names and the dump leaves out; `ip route show table all` has it.
    Table(Table),
    /// The device of a route.
    RouteDevice,
    /// `ip neigh` has no such entry, or is missing.
    Neighbour(IpAddr),
    /// `bridge link` (or `ip -d link`).
    BridgePorts,
    /// `bridge fdb`.
    Fdb,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Addresses => f.write_str("the host's addresses (`ip addr`)"),
            Missing::Local(ip) => write!(f, "whether {ip} is an address of this host (`ip addr`)"),
            Missing::Link(dev) => write!(f, "the device {dev} (`ip link`)"),
            Missing::Kind(dev) => write!(f, "whether {dev} is a VRF (`ip -d link`)"),
            Missing::Routes(Family::V4) => f.write_str("the IPv4 routes (`ip route show table all`)"),
            Missing::Routes(Family::V6) => f.write_str("the IPv6 routes (`ip -6 route show table all`)"),
            Missing::Table(table) => write!(f, "routing table {table} (`ip route show table all`)"),
            Missing::RouteDevice => f.write_str("the device of the route"),
            Missing::Neighbour(ip) => write!(f, "the link-layer address of {ip} (`ip neigh`)"),
            Missing::BridgePorts => f.write_str("the bridge ports (`bridge link`)"),
            Missing::Fdb => f.write_str("the bridge's forwarding table (`bridge fdb`)"),
        }
    }
}

/// A definite answer, or the input it would take.
pub type Known<T> = Result<T, Missing>;

/// What a lookup took as given because no input told it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Assumed {
    /// A sysctl has this value.
    Sysctl {
        /// The key, `net.ipv4.conf.eth0.rp_filter`.
        key: SysctlKey,
        /// The value used.
        value: i64,
    },
    /// `ip rule` is what a host starts with: local, main, default.
    DefaultRules(Family),
    /// The address is (or is not) one of the host's own.
    Local(IpAddr, bool),
    /// The device does not check where sources belong (`rp_filter`); a check would refuse the packet.
    SourceCheckOff(Dev),
    /// The group was not joined on the device.
    NotJoined(IpAddr, Dev),
    /// What the packet has in this field, which a policy rule asked for.
    Packet(Field),
}

/// One kind of input about the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `ip addr`: addresses, and the links with them.
    Addresses,
    /// `ip link`, with or without `-d`.
    Links,
    /// `ip route`, any table; the family where the caller knows it (an entry's own addresses decide otherwise).
    Routes(Option<Family>),
    /// `ip rule` of a family.
    Rules(Family),
    /// `ip neigh`.
    Neighbours,
    /// `bridge link`.
    BridgeLinks,
    /// `bridge fdb`.
    Fdb,
    /// `sysctl -a` as text or as a JSON object.
    Sysctls,
}

/// What was given about a host, part by part.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Devices.
    pub links: Option<Vec<Link>>,
    /// Addresses, in the order of the dump (which is the kernel's).
    pub addresses: Option<Vec<Address>>,
    /// IPv4 routes.
    pub routes4: Option<Vec<Route>>,
    /// IPv6 routes.
    pub routes6: Option<Vec<Route>>,
    /// IPv4 policy rules, in order.
    pub rules4: Option<Vec<PolicyRule>>,
    /// IPv6 policy rules, in order.
    pub rules6: Option<Vec<PolicyRule>>,
    /// Neighbours.
    pub neighbours: Option<Vec<Neighbour>>,
    /// Bridge ports.
    pub ports: Option<Vec<BridgePort>>,
    /// The bridges' forwarding tables.
    pub fdb: Option<Vec<FdbEntry>>,
    /// Sysctls.
    pub sysctls: Option<Sysctls>,
    /// The addresses that count as local, and on which device, where neither addresses nor table `local` were given;
    /// every other address then counts as remote. `None`: that is unknown.
    pub assumed_local: Option<Vec<(IpAddr, Option<Dev>)>>,
}

impl Parts {
    /// Reads one input. What was read before stays; a malformed entry is left out and leaves a diagnostic.
    pub fn read(&mut self, part: Part, source: &Source) -> Vec<Diagnostic> {
        match part {
            Part::Addresses => addr::read(self, source),
            Part::Links => link::read(self, source),
            Part::Routes(family) => route::read(self, family, source),
            Part::Rules(family) => rule::read(self, family, source),
            Part::Neighbours => neigh::read(self, source),
            Part::BridgeLinks => bridge::read_ports(self, source),
            Part::Fdb => bridge::read_fdb(self, source),
            Part::Sysctls => sysctl::read(self, source),
        }
    }

    fn routes_mut(&mut self, family: Family) -> &mut Option<Vec<Route>> {
        if family == Family::V4 { &mut self.routes4 } else { &mut self.routes6 }
    }
}

/// A host as far as it is known, ready for lookups.
#[derive(Clone, Debug, Default)]
pub struct Host {
    parts: Parts,
    fib4: tables::Tables,
    fib6: tables::Tables,
    /// Where each device stands in the parts' links, by its name and by alternative names.
    links: FxHashMap<Dev, usize>,
    /// The addresses on devices.
    own: FxHashSet<IpAddr>,
    /// An administrator added policy rules or local routes: the kernel then looks at sources more closely.
    custom_routing: bool,
    vrfs: bool,
}

impl Host {
    /// Prepares the lookups: where table `local` was not given it is derived from the addresses.
    pub fn new(parts: Parts) -> Host {
        let fib4 = tables::Tables::new(&parts, Family::V4);
        let fib6 = tables::Tables::new(&parts, Family::V6);
        let own = parts.addresses.iter().flatten().map(|a| a.ip).collect();
        let (links, custom_routing) = (by_name(&parts), source::has_custom_routing(&parts));
        let vrfs = vrf::may_be(&parts);
        Host { parts, fib4, fib6, links, own, custom_routing, vrfs }
    }

    /// What was given.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// What was given, to change it and build another host.
    pub fn into_parts(self) -> Parts {
        self.parts
    }

    /// The device called `name` (or having it as an alternative name).
    pub fn link(&self, name: &str) -> Known<&Link> {
        let found = self.links.get(name).and_then(|i| self.parts.links.as_ref()?.get(*i));
        found.ok_or_else(|| Missing::Link(name.into()))
    }

    /// Whether the device is a loopback device. `lo` always is.
    pub fn is_loopback(&self, dev: &str) -> bool {
        dev == "lo" || self.link(dev).is_ok_and(|l| l.flags.loopback)
    }

    /// The addresses of a device in the kernel's order.
    pub fn addresses_of<'h>(&'h self, dev: &str, family: Family) -> Known<Vec<&'h Address>> {
        let all = self.parts.addresses.as_ref().ok_or(Missing::Addresses)?;
        Ok(all.iter().filter(|a| &*a.dev == dev && Family::of(a.ip) == family).collect())
    }

    /// Addresses of this host that its routes name (`src 10.0.1.1`), with the devices, where its addresses were not given.
    pub fn named_by_routes(&self, family: Family) -> impl Iterator<Item = (IpAddr, Option<&Dev>)> {
        let routes = if family == Family::V4 { &self.parts.routes4 } else { &self.parts.routes6 };
        let routes = routes.iter().flatten().filter(|_| self.parts.addresses.is_none());
        routes.filter_map(|r| Some((r.prefsrc?, r.hops.first().and_then(|h| h.dev.as_ref()))))
    }

    fn tables(&self, family: Family) -> &tables::Tables {
        if family == Family::V4 { &self.fib4 } else { &self.fib6 }
    }
}

/// The places of the devices; a name comes before an alternative name, and of two that are alike the first one counts.
fn by_name(parts: &Parts) -> FxHashMap<Dev, usize> {
    let links = || parts.links.iter().flatten().enumerate();
    let mut places = FxHashMap::default();
    for (i, link) in links() {
        places.entry(link.name.clone()).or_insert(i);
    }
    for (i, name) in links().flat_map(|(i, link)| link.altnames.iter().map(move |name| (i, name))) {
        places.entry(name.clone()).or_insert(i);
    }
    places
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
