//! Neighbours, from `ip -j neigh`: `{"dst":"10.0.0.2","dev":"br0","lladdr":"02:00:00:00:00:02","state":["PERMANENT"]}`.
//!
//! Left out: proxy entries, and what resolving an unknown neighbour would give.

use std::net::IpAddr;

use nettrace_grammar::{Diagnostic, Source};
use serde::Deserialize;

use super::link::Mac;
use super::{Dev, Host, Known, Missing, Parts, json, text};

/// A neighbour whose link-layer address was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub ip: IpAddr,
    /// The device it is reached by.
    pub dev: Dev,
    /// Its link-layer address, if resolved.
    pub mac: Option<Mac>,
    /// Resolving it failed.
    pub failed: bool,
}

#[derive(Deserialize)]
struct NeighEntry {
    dst: Option<IpAddr>,
    dev: Option<Dev>,
    lladdr: Option<String>,
    #[serde(default)]
    state: Vec<String>,
}

pub(super) fn read(parts: &mut Parts, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let all = parts.neighbours.get_or_insert_default();
    for (_, entry) in json::entries::<NeighEntry>(source, text::neighbours, &mut diagnostics) {
        let (Some(ip), Some(dev)) = (entry.dst, entry.dev) else { continue };
        let failed = entry.state.iter().any(|s| s == "FAILED");
        all.push(Neighbour { ip, dev, mac: entry.lladdr.and_then(|m| m.parse().ok()), failed });
    }
    diagnostics
}

impl Host {
    /// The link-layer address of the next hop, from the neighbours or, for an address of this host, from the links.
    pub fn next_hop_mac(&self, dev: &str, ip: IpAddr) -> Known<Mac> {
        let known = self.parts.neighbours.iter().flatten().find(|n| &*n.dev == dev && n.ip == ip);
        known.and_then(|n| n.mac).ok_or(Missing::Neighbour(ip))
    }
}
