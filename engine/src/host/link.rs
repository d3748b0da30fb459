//! Devices, from `ip -j link` or `ip -j addr`: `{"ifindex":3,"ifname":"eth0","flags":["UP"],"master":"br0", …}`.
//!
//! `-d` adds the kind (`veth`, `bridge`, `vrf`) and what a bridge port needs. Left out: queues, offloads, statistics.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use nettrace_grammar::{Diagnostic, Source};
use serde::Deserialize;

use super::bridge::{self, BridgePort};
use super::merge::merge;
use super::{Dev, Parts, Table, json, text};

/// A 48-bit link-layer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address as the value of a packet's field ([`crate::field::Field::EtherSaddr`]).
    pub fn value(self) -> crate::field::Value {
        self.0.iter().fold(0, |v, b| v << 8 | crate::field::Value::from(*b))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.map(|b| format!("{b:02x}"));
        f.write_str(&bytes.join(":"))
    }
}

impl FromStr for Mac {
    type Err = ();

    fn from_str(text: &str) -> Result<Mac, ()> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| (1..=2).contains(&p.len())).ok_or(())?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| ())?;
        }
        if parts.next().is_none() { Ok(Mac(bytes)) } else { Err(()) }
    }
}

/// The flags of a device that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFlags {
    /// Set up by the administrator.
    pub up: bool,
    /// A loopback device.
    pub loopback: bool,
    /// Can broadcast.
    pub broadcast: bool,
    /// Can multicast.
    pub multicast: bool,
    /// Promiscuous.
    pub promisc: bool,
    /// No neighbour resolution.
    pub noarp: bool,
    /// Others belong to it: a bond or a VRF.
    pub master: bool,
}

impl LinkFlags {
    pub(super) fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> LinkFlags {
        let mut flags = LinkFlags::default();
        for name in names {
            match name {
                "UP" => flags.up = true,
                "LOOPBACK" => flags.loopback = true,
                "BROADCAST" => flags.broadcast = true,
                "MULTICAST" => flags.multicast = true,
                "PROMISC" => flags.promisc = true,
                "NOARP" => flags.noarp = true,
                "MASTER" => flags.master = true,
                _ => {}
            }
        }
        flags
    }
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Interface index, 0 when not told.
    pub index: u32,
    /// Name.
    pub name: Dev,
    /// Alternative names.
    pub altnames: Vec<Dev>,
    /// Link-layer address, for devices that have a 48-bit one.
    pub mac: Option<Mac>,
    /// MTU.
    pub mtu: Option<u32>,
    /// Flags.
    pub flags: LinkFlags,
    /// Link type: `ether`, `loopback`, `none`; `None` when not told.
    pub link_type: Option<Arc<str>>,
    /// Device group; `None` when not told or a name that only the host can resolve.
    pub group: Option<u32>,
    /// Device group as printed: `default`, `5`.
    pub group_name: Option<Arc<str>>,
    /// Kind (`veth`, `bridge`, …); empty for a device without one, `None` when not told (no `-d`).
    pub kind: Option<Arc<str>>,
    /// The bridge, bond or VRF it belongs to.
    pub master: Option<Dev>,
    /// The table of a VRF device.
    pub vrf_table: Option<Table>,
}

impl Link {
    /// Whether `name` is its name or one of its alternative names.
    pub fn is_called(&self, name: &str) -> bool {
        &*self.name == name || self.altnames.iter().any(|a| &**a == name)
    }
}

#[derive(Deserialize)]
pub(super) struct LinkEntry {
    #[serde(default)]
    ifindex: u32,
    pub(super) ifname: Dev,
    #[serde(default)]
    altnames: Vec<Dev>,
    address: Option<String>,
    mtu: Option<u32>,
    #[serde(default)]
    flags: Vec<String>,
    link_type: Option<Arc<str>>,
    group: Option<Arc<str>>,
    master: Option<Dev>,
    promiscuity: Option<u32>,
    linkinfo: Option<LinkInfo>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LinkInfo {
    #[serde(rename = "info_kind")]
    kind: Option<Arc<str>>,
    #[serde(rename = "info_data")]
    data: Option<InfoData>,
    #[serde(rename = "info_slave_kind")]
    port_kind: Option<Arc<str>>,
    #[serde(rename = "info_slave_data")]
    port_data: Option<bridge::PortFlags>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InfoData {
    table: Option<serde_json::Value>,
}

pub(super) fn read(parts: &mut Parts, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let entries = json::entries::<LinkEntry>(source, text::links, &mut diagnostics);
    add(parts, entries.iter().map(|(_, entry)| entry));
    diagnostics
}

/// Takes devices in; of one that is there already only what is new.
pub(super) fn add<'e>(parts: &mut Parts, entries: impl Iterator<Item = &'e LinkEntry> + Clone) {
    let links = parts.links.get_or_insert_default();
    links.extend(entries.clone().map(link));
    merge(links, |l| l.name.clone(), update);
    let mut ports = entries.filter_map(port).peekable();
    if ports.peek().is_some() {
        bridge::add_ports(parts.ports.get_or_insert_default(), ports);
    }
}

fn update(old: &mut Link, new: Link) {
    let known = old.clone();
    *old = Link {
        index: if new.index == 0 { known.index } else { new.index },
        flags: if new.index == 0 && new.flags == LinkFlags::default() { known.flags } else { new.flags },
        altnames: if new.altnames.is_empty() { known.altnames } else { new.altnames },
        mac: new.mac.or(known.mac),
        mtu: new.mtu.or(known.mtu),
        link_type: new.link_type.or(known.link_type),
        group: new.group.or(known.group),
        group_name: new.group_name.or(known.group_name),
        kind: new.kind.or(known.kind),
        master: new.master.or(known.master),
        vrf_table: new.vrf_table.or(known.vrf_table),
        ..new
    };
}

fn port(entry: &LinkEntry) -> Option<BridgePort> {
    let info = entry.linkinfo.as_ref()?;
    let flags = info.port_data.as_ref().filter(|_| info.port_kind.as_deref() == Some("bridge"))?;
    Some(flags.port(entry.ifname.clone(), entry.master.clone()?))
}

fn link(entry: &LinkEntry) -> Link {
    let info = entry.linkinfo.as_ref();
    let kind = info.and_then(|i| i.kind.clone());
    let detailed = info.is_some() || entry.promiscuity.is_some();
    let table = info.and_then(|i| i.data.as_ref()?.table.as_ref());
    Link {
        index: entry.ifindex,
        name: entry.ifname.clone(),
        altnames: entry.altnames.clone(),
        mac: entry.address.as_deref().and_then(|m| m.parse().ok()),
        mtu: entry.mtu,
        flags: LinkFlags::from_names(entry.flags.iter().map(String::as_str)),
        link_type: entry.link_type.clone(),
        group: entry.group.as_deref().and_then(group_number),
        group_name: entry.group.clone(),
        vrf_table: table.filter(|_| kind.as_deref() == Some("vrf")).map(table_of),
        kind: kind.or_else(|| detailed.then(|| "".into())),
        master: entry.master.clone(),
    }
}

/// The number of a device group: `default` is 0, other names are the host's own.
pub(super) fn group_number(text: &str) -> Option<u32> {
    if text == "default" { Some(0) } else { text.parse().ok() }
}

fn table_of(value: &serde_json::Value) -> Table {
    value.as_str().map_or_else(|| Table::named(&value.to_string()), Table::named)
}
