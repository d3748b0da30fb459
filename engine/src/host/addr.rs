//! Addresses, from `ip -j addr`: `{"family":"inet","local":"10.0.1.1","prefixlen":24,"scope":"global","secondary":true}`.
//!
//! Left out: lifetimes, other than whether an address is deprecated.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use nettrace_grammar::{Diagnostic, Source, Span};
use serde::Deserialize;

use super::link::{self, LinkEntry};
use super::merge::merge;
use super::{Dev, Parts, json, text};

/// How far an address or route reaches; a greater number is narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scope(pub u8);

impl Scope {
    /// Everywhere.
    pub const GLOBAL: Scope = Scope(0);
    /// This link.
    pub const LINK: Scope = Scope(253);
    /// This host.
    pub const HOST: Scope = Scope(254);

    /// The scope called `name`, by name or number.
    pub fn named(name: &str) -> Option<Scope> {
        match name {
            "global" | "universe" => Some(Scope::GLOBAL),
            "site" => Some(Scope(200)),
            "link" => Some(Scope::LINK),
            "host" => Some(Scope::HOST),
            "nowhere" => Some(Scope(255)),
            number => number.parse().ok().map(Scope),
        }
    }
}

/// An address of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The device.
    pub dev: Dev,
    /// The address.
    pub ip: IpAddr,
    /// The other end, of a point-to-point address.
    pub peer: Option<IpAddr>,
    /// The prefix length.
    pub prefix_len: u8,
    /// The broadcast address set with it.
    pub broadcast: Option<Ipv4Addr>,
    /// The scope.
    pub scope: Scope,
    /// Not the first of its subnet on the device (IPv4), or temporary (IPv6).
    pub secondary: bool,
    /// IPv6: not usable yet, or found to be a duplicate.
    pub tentative: bool,
    /// IPv6: not for new connections.
    pub deprecated: bool,
    /// IPv6: a privacy address.
    pub temporary: bool,
    /// No route to the prefix comes with it.
    pub noprefixroute: bool,
    /// The label, `eth0:1`.
    pub label: Option<Dev>,
    /// Where it was given.
    pub span: Span,
}

impl Address {
    /// The subnet that is on the link: of the address, or of the other end.
    pub fn subnet(&self) -> Option<IpNet> {
        IpNet::new(self.peer.unwrap_or(self.ip), self.prefix_len).ok().map(|net| net.trunc())
    }

    /// Whether `addr` is on its subnet.
    pub fn covers(&self, addr: IpAddr) -> bool {
        self.subnet().is_some_and(|net| net.contains(&addr))
    }
}

#[derive(Deserialize)]
struct AddrEntry {
    #[serde(flatten)]
    link: LinkEntry,
    #[serde(default)]
    addr_info: Vec<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AddrInfo {
    family: String,
    local: Option<IpAddr>,
    address: Option<IpAddr>,
    prefixlen: u8,
    broadcast: Option<Ipv4Addr>,
    scope: Option<String>,
    label: Option<Dev>,
    secondary: bool,
    tentative: bool,
    dadfailed: bool,
    optimistic: bool,
    deprecated: bool,
    temporary: bool,
    noprefixroute: bool,
    preferred_life_time: Option<u64>,
}

pub(super) fn read(parts: &mut Parts, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let entries = json::entries::<AddrEntry>(source, text::links, &mut diagnostics);
    link::add(parts, entries.iter().map(|(_, entry)| &entry.link));
    let all = parts.addresses.get_or_insert_default();
    for (span, entry) in entries {
        for info in entry.addr_info.into_iter().filter(|i| i.as_object().is_some_and(|o| !o.is_empty())) {
            match address(&entry.link.ifname, info, span) {
                Ok(Some(address)) => all.push(address),
                Ok(None) => {}
                Err(why) => diagnostics.push(json::malformed(span, why)),
            }
        }
    }
    merge(all, |a| (a.dev.clone(), a.ip, a.prefix_len), |_, _| {});
    diagnostics
}

fn address(dev: &Dev, info: serde_json::Value, span: Span) -> Result<Option<Address>, String> {
    let info: AddrInfo =
        serde_json::from_value(info).map_err(|e| format!("an address of {dev} cannot be read: {e}"))?;
    if !matches!(info.family.as_str(), "inet" | "inet6" | "") {
        return Ok(None);
    }
    let Some(ip) = info.local.or(info.address) else {
        return Err(format!("an address of {dev} has neither `local` nor `address`"));
    };
    if IpNet::new(ip, info.prefixlen).is_err() {
        return Err(format!("{ip} cannot have the prefix length {}", info.prefixlen));
    }
    Ok(Some(Address {
        dev: dev.clone(),
        ip,
        peer: info.address.filter(|a| *a != ip),
        prefix_len: info.prefixlen,
        broadcast: info.broadcast,
        scope: info.scope.as_deref().and_then(Scope::named).unwrap_or_default(),
        secondary: info.secondary,
        tentative: (info.tentative && !info.optimistic) || info.dadfailed,
        deprecated: info.deprecated || info.preferred_life_time == Some(0),
        temporary: info.temporary,
        noprefixroute: info.noprefixroute,
        label: info.label,
        span,
    }))
}
