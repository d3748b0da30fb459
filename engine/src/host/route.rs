//! Routes, from `ip -j route`, any family and table:
//! `{"dst":"10.5.0.0/16","gateway":"10.0.0.2","dev":"eth0","table":"100","metric":50,"flags":[]}`.
//!
//! Left out: routes with an encapsulation that takes packets out of netfilter's way (`encap seg6`), and metrics other than the MTU.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use nettrace_grammar::{Diagnostic, Source, Span};
use serde::Deserialize;
use serde_json::Value;

use super::addr::Scope;
use super::merge::merge;
use super::{Dev, Family, Parts, json, text};

/// A routing table, by name where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// 255.
    Local,
    /// 254.
    Main,
    /// 253.
    Default,
    /// Any other, by number or by the name `/etc/iproute2/rt_tables` gives it.
    Other(Arc<str>),
}

impl Table {
    /// The table as written, by name or number.
    pub fn named(text: &str) -> Table {
        match text {
            "local" | "255" => Table::Local,
            "main" | "254" => Table::Main,
            "default" | "253" => Table::Default,
            other => Table::Other(other.into()),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Table::Local => "local",
            Table::Main => "main",
            Table::Default => "default",
            Table::Other(name) => name,
        })
    }
}

/// What a route does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteKind {
    /// Sends it to the next hop.
    Unicast,
    /// Delivers it here.
    Local,
    /// Delivers it here, as a broadcast.
    Broadcast,
    /// Delivers it here, as one of several hosts.
    Anycast,
    /// A group of hosts.
    Multicast,
    /// Drops it silently.
    Blackhole,
    /// Drops it and tells the sender that the host is unreachable.
    Unreachable,
    /// Drops it and tells the sender that this is prohibited.
    Prohibit,
    /// Ends the lookup in this table.
    Throw,
}

impl RouteKind {
    /// The kind called `name`, as `ip route` writes it.
    pub fn named(name: &str) -> Option<RouteKind> {
        use RouteKind::*;
        let kinds = [Unicast, Local, Broadcast, Anycast, Multicast, Blackhole, Unreachable, Prohibit, Throw];
        kinds.into_iter().find(|k| k.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Broadcast => "broadcast",
            RouteKind::Anycast => "anycast",
            RouteKind::Multicast => "multicast",
            RouteKind::Blackhole => "blackhole",
            RouteKind::Unreachable => "unreachable",
            RouteKind::Prohibit => "prohibit",
            RouteKind::Throw => "throw",
        }
    }
}

/// One way out of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct NextHop {
    /// The gateway, if there is one; it may be of the other family.
    pub via: Option<IpAddr>,
    /// The device.
    pub dev: Option<Dev>,
    /// Its share among several.
    pub weight: u32,
    /// Not usable (its device is down).
    pub dead: bool,
    /// Its device has no carrier.
    pub linkdown: bool,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// What it does.
    pub kind: RouteKind,
    /// The destinations it is for.
    pub dst: IpNet,
    /// IPv6: the sources it is for.
    pub src: Option<IpNet>,
    /// The table it stands in.
    pub table: Table,
    /// The ways out; empty for kinds that have none.
    pub hops: Vec<NextHop>,
    /// The source address for packets that have none yet.
    pub prefsrc: Option<IpAddr>,
    /// Of equal routes the one with the smallest is taken.
    pub metric: u32,
    /// Scope.
    pub scope: Scope,
    /// Only for packets with this type of service, if not 0.
    pub tos: u8,
    /// The realm of the destination.
    pub realm: Option<u32>,
    /// IPv6 router preference: 1 high, 0 medium, -1 low.
    pub preference: i8,
    /// The MTU set for it.
    pub mtu: Option<u32>,
    /// Who made it: `kernel`, `bird`, `80`; `None` when not told.
    pub protocol: Option<Arc<str>>,
    /// Where it was given; of a derived route the address it comes from.
    pub span: Span,
}

impl Route {
    /// A route of a kind to a prefix, with nothing else set.
    pub fn new(kind: RouteKind, dst: IpNet, table: Table) -> Route {
        Route {
            kind,
            dst,
            src: None,
            table,
            hops: Vec::new(),
            prefsrc: None,
            metric: 0,
            scope: Scope::GLOBAL,
            tos: 0,
            realm: None,
            preference: 0,
            mtu: None,
            protocol: None,
            span: Span::default(),
        }
    }

    /// The same with one way out.
    #[must_use]
    pub fn by(mut self, dev: Option<Dev>, via: Option<IpAddr>) -> Route {
        self.hops = vec![NextHop { via, dev, weight: 1, ..NextHop::default() }];
        self
    }

    /// Whether one of its ways leads out of the device.
    pub fn uses(&self, dev: &str) -> bool {
        self.hops.iter().any(|h| h.dev.as_deref() == Some(dev))
    }
}

#[derive(Deserialize)]
struct RouteEntry {
    #[serde(rename = "type")]
    kind: Option<String>,
    dst: String,
    from: Option<String>,
    src: Option<String>,
    table: Option<Value>,
    encap: Option<String>,
    #[serde(flatten)]
    hop: HopEntry,
    #[serde(default)]
    nexthops: Vec<HopEntry>,
    prefsrc: Option<IpAddr>,
    #[serde(default)]
    metric: u32,
    scope: Option<Value>,
    tos: Option<String>,
    flow: Option<Value>,
    pref: Option<String>,
    #[serde(default)]
    metrics: Vec<Value>,
    protocol: Option<Arc<str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HopEntry {
    gateway: Option<IpAddr>,
    via: Option<Via>,
    dev: Option<Dev>,
    weight: Option<u32>,
    flags: Vec<String>,
}

#[derive(Deserialize)]
struct Via {
    host: IpAddr,
}

impl HopEntry {
    fn hop(self) -> NextHop {
        let has = |flag: &str| self.flags.iter().any(|f| f == flag);
        NextHop {
            weight: self.weight.unwrap_or(1),
            dead: has("dead"),
            linkdown: has("linkdown"),
            via: self.gateway.or(self.via.as_ref().map(|v| v.host)),
            dev: self.dev,
        }
    }
}

pub(super) fn read(parts: &mut Parts, family: Option<Family>, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    if let Some(family) = family {
        parts.routes_mut(family).get_or_insert_default();
    }
    let found = json::entries::<RouteEntry>(source, text::routes, &mut diagnostics);
    if found.is_empty() && family.is_none() {
        parts.routes4.get_or_insert_default();
    }
    for (span, entry) in found {
        match route(entry, family, span) {
            Ok(route) => parts.routes_mut(Family::of(route.dst.addr())).get_or_insert_default().push(route),
            Err(why) => diagnostics.push(json::malformed(span, why)),
        }
    }
    // `table all` lists both families, and files overlap.
    let told = |r: &Route| Route { span: Span::default(), protocol: None, ..r.clone() };
    for all in [&mut parts.routes4, &mut parts.routes6].into_iter().flatten() {
        merge(all, told, |_, _| {});
    }
    diagnostics
}

fn route(entry: RouteEntry, family: Option<Family>, span: Span) -> Result<Route, String> {
    let kind = entry.kind.as_deref().unwrap_or("unicast");
    let kind = RouteKind::named(kind).ok_or_else(|| format!("`{kind}` is not a type of route"))?;
    // These put a header in front behind POSTROUTING; others send the packet on themselves.
    if let Some(encap) = entry.encap.as_deref().filter(|e| !matches!(*e, "mpls" | "ip" | "ip6")) {
        return Err(format!("routes with `encap {}` are not followed", encap.escape_debug()));
    }
    let family = family_of(&entry, family);
    let table = entry.table.as_ref().map_or(Table::Main, |t| Table::named(&as_text(t)));
    let hop = entry.hop.hop();
    let scope = entry.scope.as_ref().and_then(|s| Scope::named(&as_text(s)));
    let mut new = Route::new(kind, prefix(&entry.dst, family)?, table);
    new.src = entry.from.as_deref().or(entry.src.as_deref()).map(|s| prefix(s, family)).transpose()?;
    new.scope = scope.unwrap_or_default();
    new.hops = if entry.nexthops.is_empty() {
        if hop.dev.is_none() && hop.via.is_none() { Vec::new() } else { vec![hop] }
    } else {
        entry.nexthops.into_iter().map(HopEntry::hop).collect()
    };
    new.prefsrc = entry.prefsrc;
    new.metric = entry.metric;
    new.tos = entry.tos.as_deref().map_or(Ok(0), tos)?;
    new.realm = entry.flow.as_ref().and_then(realm);
    new.preference = match entry.pref.as_deref() {
        Some("high") => 1,
        Some("low") => -1,
        _ => 0,
    };
    new.mtu = entry.metrics.iter().find_map(|m| u32::try_from(m.get("mtu")?.as_u64()?).ok());
    new.protocol = entry.protocol;
    new.span = span;
    Ok(new)
}

fn family_of(entry: &RouteEntry, hint: Option<Family>) -> Family {
    let net = |text: &str| text.split('/').next().and_then(|a| a.parse::<IpAddr>().ok());
    let own = net(&entry.dst).or(entry.prefsrc).or(entry.hop.gateway);
    let of_hop = || entry.nexthops.iter().find_map(|h| h.gateway);
    match (own.or_else(of_hop), &entry.pref) {
        (Some(addr), _) => Family::of(addr),
        (None, Some(_)) => Family::V6,
        (None, None) => hint.unwrap_or(Family::V4),
    }
}

/// A prefix as `ip` writes it: `default`, `10.0.0.0/8`, `10.0.0.1`, and `10/8` in old versions.
pub(super) fn prefix(text: &str, family: Family) -> Result<IpNet, String> {
    let any = if family == Family::V4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    if matches!(text, "default" | "all" | "any" | "0/0") {
        return IpNet::new(any, 0).map_err(|e| e.to_string());
    }
    let wrong = || format!("`{text}` is not a prefix");
    let (addr, len) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let addr = addr.parse::<IpAddr>().or_else(|_| short_v4(addr).ok_or_else(wrong))?;
    let full = if addr.is_ipv4() { 32 } else { 128 };
    let len = len.map_or(Ok(full), |l| l.parse::<u8>().map_err(|_| wrong()))?;
    Ok(IpNet::new(addr, len).map_err(|_| wrong())?.trunc())
}

/// `10.5` for `10.5.0.0`, as old versions of `ip` print prefixes.
fn short_v4(text: &str) -> Option<IpAddr> {
    let mut bytes = [0; 4];
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    for (byte, part) in bytes.iter_mut().zip(parts) {
        *byte = part.parse().ok()?;
    }
    Some(IpAddr::from(bytes))
}

/// A type of service: `0x10`, `16`, or one of the names of `/etc/iproute2/rt_dsfield`.
pub(super) fn tos(text: &str) -> Result<u8, String> {
    let named = match text {
        "lowcost" => Some(0x02),
        "reliability" => Some(0x04),
        "throughput" => Some(0x08),
        "lowdelay" => Some(0x10),
        "default" | "CS0" => Some(0),
        "EF" => Some(0xb8),
        _ => None,
    };
    let class = || {
        let digits = text.strip_prefix("CS").or_else(|| text.strip_prefix("AF"))?.as_bytes();
        let digit = |b: &u8| b.checked_sub(b'0').filter(|d| *d < 8);
        match digits {
            [class] => Some(digit(class)? << 5),
            [class, drop] => Some(digit(class)? << 5 | digit(drop)? << 3),
            _ => None,
        }
    };
    let number = || text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |h| u8::from_str_radix(h, 16).ok());
    named.or_else(number).or_else(class).ok_or_else(|| format!("`{text}` is not a type of service"))
}

/// The destination realm of `"flow": {"from": "4", "to": "5"}`.
fn realm(flow: &Value) -> Option<u32> {
    as_text(flow.get("to")?).parse().ok()
}

/// A value that is printed as text by some versions and as a number by others.
pub(super) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
