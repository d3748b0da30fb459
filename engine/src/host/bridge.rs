//! Bridges: their ports from `bridge -j link` (or `ip -d -j link`) and what they learned from `bridge -j fdb`.
//!
//! Example: `{"ifname":"veth1","master":"cni0","state":"forwarding","hairpin":true}`. This tells by which port a bridged
//! packet leaves. Left out: VLAN filtering, spanning tree beyond a port's state, multicast snooping.

use nettrace_grammar::{Diagnostic, Source};
use serde::Deserialize;

use super::link::Mac;
use super::merge::merge;
use super::{Dev, Host, Known, Missing, Parts, json, text};

/// A port of a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgePort {
    /// The port's device.
    pub dev: Dev,
    /// The bridge.
    pub bridge: Dev,
    /// May send a frame back out of the port it came in by; `None` when not told.
    pub hairpin: Option<bool>,
    /// Frames for unknown addresses are sent here too; `None` when not told.
    pub flood: Option<bool>,
    /// Does not exchange frames with other isolated ports; `None` when not told.
    pub isolated: Option<bool>,
    /// `forwarding`, `disabled`, `blocking`, …; `None` when not told.
    pub state: Option<Box<str>>,
}

/// An address a bridge knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FdbEntry {
    /// The address.
    pub mac: Mac,
    /// The device: a port, or the bridge itself.
    pub dev: Dev,
    /// The bridge; `None` for what a device filters by itself (`self`).
    pub bridge: Option<Dev>,
    /// One of the host's own (`permanent`), not learned.
    pub permanent: bool,
}

/// Where a bridge sends a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortLookup {
    /// Out of this port.
    Port(Dev),
    /// To the host itself.
    Host,
    /// The address is not known: out of all of these ports.
    Flood(Vec<Dev>),
    /// Nowhere: the port it came in by has no hairpin mode, or is not forwarding.
    Nowhere,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PortFlags {
    hairpin: Option<bool>,
    flood: Option<bool>,
    isolated: Option<bool>,
    state: Option<Box<str>>,
}

impl PortFlags {
    pub(super) fn port(&self, dev: Dev, bridge: Dev) -> BridgePort {
        let state = self.state.clone();
        BridgePort { dev, bridge, hairpin: self.hairpin, flood: self.flood, isolated: self.isolated, state }
    }
}

#[derive(Deserialize)]
struct PortEntry {
    ifname: Dev,
    master: Option<Dev>,
    #[serde(flatten)]
    flags: PortFlags,
}

pub(super) fn read_ports(parts: &mut Parts, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let entries = json::entries::<PortEntry>(source, text::bridge_links, &mut diagnostics).into_iter();
    let ports = entries.filter_map(|(_, entry)| Some(entry.flags.port(entry.ifname, entry.master?)));
    add_ports(parts.ports.get_or_insert_default(), ports);
    diagnostics
}

/// Takes ports in; of one that is there already only what is new.
pub(super) fn add_ports(ports: &mut Vec<BridgePort>, new: impl Iterator<Item = BridgePort>) {
    ports.extend(new);
    merge(ports, |p| p.dev.clone(), update);
}

fn update(old: &mut BridgePort, new: BridgePort) {
    *old = BridgePort {
        hairpin: new.hairpin.or(old.hairpin),
        flood: new.flood.or(old.flood),
        isolated: new.isolated.or(old.isolated),
        state: new.state.clone().or_else(|| old.state.clone()),
        ..new
    };
}

#[derive(Deserialize)]
struct FdbJson {
    mac: Option<String>,
    ifname: Option<Dev>,
    master: Option<Dev>,
    state: Option<String>,
}

pub(super) fn read_fdb(parts: &mut Parts, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let fdb = parts.fdb.get_or_insert_default();
    for (span, entry) in json::entries::<FdbJson>(source, text::fdb, &mut diagnostics) {
        let (Some(mac), Some(dev)) = (entry.mac, entry.ifname) else {
            diagnostics.push(json::malformed(span, "expected a link-layer address and a device"));
            continue;
        };
        match mac.parse() {
            Ok(mac) => {
                let permanent = entry.state.as_deref() == Some("permanent");
                fdb.push(FdbEntry { mac, dev, bridge: entry.master, permanent });
            }
            Err(()) => diagnostics.push(json::malformed(span, format!("`{mac}` is not a link-layer address"))),
        }
    }
    diagnostics
}

impl Host {
    /// The ports of a bridge. A port that only `ip link` names (`master br0`) has no flags.
    pub fn bridge_ports(&self, bridge: &str) -> Known<Vec<BridgePort>> {
        if let Some(ports) = &self.parts.ports {
            return Ok(ports.iter().filter(|p| &*p.bridge == bridge).cloned().collect());
        }
        let links = self.parts.links.as_ref().ok_or(Missing::BridgePorts)?;
        let members = links.iter().filter(|l| l.master.as_deref() == Some(bridge));
        Ok(members.map(|l| PortFlags::default().port(l.name.clone(), bridge.into())).collect())
    }

    /// Whether `dev` is a bridge: of that kind, or something's master in `bridge link`.
    pub fn is_bridge(&self, dev: &str) -> Known<bool> {
        if self.parts.ports.iter().flatten().any(|p| &*p.bridge == dev) {
            return Ok(true);
        }
        match self.link(dev)?.kind.as_deref() {
            Some(kind) => Ok(kind == "bridge"),
            None if self.parts.ports.is_some() => Ok(false),
            None => Err(Missing::BridgePorts),
        }
    }

    /// The bridge that `dev` is a port of, if any.
    pub fn bridge_of(&self, dev: &str) -> Known<Option<Dev>> {
        if let Some(port) = self.parts.ports.iter().flatten().find(|p| &*p.dev == dev) {
            return Ok(Some(port.bridge.clone()));
        }
        let Some(master) = self.link(dev)?.master.clone() else { return Ok(None) };
        Ok(self.is_bridge(&master)?.then_some(master))
    }

    /// Where `bridge` sends a frame for `mac` that came in by `from` (`None`: from the host itself).
    pub fn bridge_port(&self, bridge: &str, mac: Mac, from: Option<&str>) -> Known<PortLookup> {
        let ports = self.bridge_ports(bridge)?;
        if mac.0[0] & 1 == 0 {
            if self.link(bridge).ok().and_then(|l| l.mac) == Some(mac) {
                return Ok(PortLookup::Host);
            }
            let fdb = self.parts.fdb.as_ref().ok_or(Missing::Fdb)?;
            if let Some(entry) = fdb.iter().find(|e| e.mac == mac && e.bridge.as_deref() == Some(bridge)) {
                if entry.permanent {
                    return Ok(PortLookup::Host);
                }
                let to = ports.iter().find(|p| p.dev == entry.dev);
                let goes = to.map_or(Ok(true), |p| may_send(&ports, from, p))?;
                return Ok(if goes { PortLookup::Port(entry.dev.clone()) } else { PortLookup::Nowhere });
            }
        }
        let mut out = Vec::new();
        for port in ports.iter().filter(|p| p.flood != Some(false)) {
            if may_send(&ports, from, port)? {
                out.push(port.dev.clone());
            }
        }
        Ok(PortLookup::Flood(out))
    }
}

/// Whether a frame that came in by `from` may leave by `to`.
fn may_send(ports: &[BridgePort], from: Option<&str>, to: &BridgePort) -> Known<bool> {
    if to.state.as_deref().is_some_and(|s| s != "forwarding") {
        return Ok(false);
    }
    let Some(from) = from else { return Ok(true) };
    if &*to.dev == from {
        return to.hairpin.ok_or(Missing::BridgePorts);
    }
    let isolated = ports.iter().any(|p| &*p.dev == from && p.isolated == Some(true));
    Ok(!(isolated && to.isolated == Some(true)))
}
