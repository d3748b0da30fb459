//! ipsets: what `ipset save` says of a set, and the lookups that rules make in it.
//!
//! `create blocked hash:net` and `add blocked 10.0.0.0/8 nomatch` become an [`Ipset`]: keys packed into sorted lists (four
//! bytes an entry for IPv4 `hash:ip`), looked up for each prefix length in use, the longest first, as the kernel does.
//! What packets change (the SET target, counters) is a [`SetDelta`] beside it.
//!
//! An entry with a timeout is there until a replay's clock has run past it.

mod entry;
mod find;
mod lengths;
mod lower;
mod names;
mod store;
#[cfg(test)]
mod tests;
mod update;

use rustc_hash::FxHashMap;

use crate::field::{Value, device_name, to_address};
use crate::model::SetId;
use crate::state::SetDelta;

pub use find::{Ask, Found, Hit};
pub use lengths::Lengths;
pub use lower::lower;
pub use store::Ext;
use store::Store;
pub use update::Adding;

/// A type of set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum SetType {
    BitmapIp,
    BitmapIpMac,
    BitmapPort,
    HashIp,
    HashMac,
    HashIpMac,
    HashIpMark,
    HashIpPort,
    HashIpPortIp,
    HashIpPortNet,
    HashNet,
    HashNetNet,
    HashNetPort,
    HashNetPortNet,
    HashNetIface,
    List,
}

/// What one dimension of a set is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// An address.
    Ip,
    /// A network.
    Net,
    /// A protocol and a port.
    ProtoPort,
    /// A port.
    Port,
    /// A link-layer address.
    Mac,
    /// A packet mark.
    Mark,
    /// A device.
    Iface,
    /// A set.
    Set,
}

impl SetType {
    const ALL: [(SetType, &'static str, &'static str, &'static [Dimension]); 16] = {
        use Dimension::*;
        [
            (SetType::BitmapIp, "bitmap:ip", "ipmap", &[Ip]),
            (SetType::BitmapIpMac, "bitmap:ip,mac", "macipmap", &[Ip, Mac]),
            (SetType::BitmapPort, "bitmap:port", "portmap", &[Port]),
            (SetType::HashIp, "hash:ip", "iphash", &[Ip]),
            (SetType::HashMac, "hash:mac", "machash", &[Mac]),
            (SetType::HashIpMac, "hash:ip,mac", "ipmachash", &[Ip, Mac]),
            (SetType::HashIpMark, "hash:ip,mark", "ipmarkhash", &[Ip, Mark]),
            (SetType::HashIpPort, "hash:ip,port", "ipporthash", &[Ip, ProtoPort]),
            (SetType::HashIpPortIp, "hash:ip,port,ip", "ipportiphash", &[Ip, ProtoPort, Ip]),
            (SetType::HashIpPortNet, "hash:ip,port,net", "ipportnethash", &[Ip, ProtoPort, Net]),
            (SetType::HashNet, "hash:net", "nethash", &[Net]),
            (SetType::HashNetNet, "hash:net,net", "netnethash", &[Net, Net]),
            (SetType::HashNetPort, "hash:net,port", "netporthash", &[Net, ProtoPort]),
            (SetType::HashNetPortNet, "hash:net,port,net", "netportnethash", &[Net, ProtoPort, Net]),
            (SetType::HashNetIface, "hash:net,iface", "netifacehash", &[Net, Iface]),
            (SetType::List, "list:set", "setlist", &[Set]),
        ]
    };

    /// The type of this name (or its old name).
    pub fn named(text: &str) -> Option<SetType> {
        Self::ALL.iter().find(|t| t.1 == text || t.2 == text).map(|t| t.0)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|t| t.0 == self).map_or("", |t| t.1)
    }

    /// Its dimensions.
    pub fn dimensions(self) -> &'static [Dimension] {
        Self::ALL.iter().find(|t| t.0 == self).map_or(&[], |t| t.3)
    }

    /// Whether the number of flags that a match gives is enough; a `list:set` takes any.
    pub fn needs_flags(self) -> usize {
        self.dimensions().len()
    }

    /// Whether entries can say `nomatch`.
    fn has_nomatch(self) -> bool {
        self.dimensions().contains(&Dimension::Net)
    }

    /// Counts the prefix lengths of so many entries more (or fewer) of this key.
    fn count_lengths(self, key: &[Value], more: i64, lengths: &mut Lengths) {
        let (mut at, mut which) = (0, 0);
        for dimension in self.dimensions() {
            if *dimension == Dimension::Net {
                lengths.count(which, key.get(at + 1).copied().unwrap_or(0) as u8, more);
                which = 1;
                at += 1;
            }
            at += 1;
        }
    }

    fn is_bitmap(self) -> bool {
        matches!(self, SetType::BitmapIp | SetType::BitmapIpMac | SetType::BitmapPort)
    }
}

/// A device that entries of a `hash:net,iface` set name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Iface {
    /// The name, as in [`crate::field::device`].
    name: Value,
    /// [`PHYSDEV`] and [`WILDCARD`].
    flags: Value,
}

/// Flag of a device in a key: it is a bridge port.
const PHYSDEV: Value = 1;
/// Flag of a device in a key: the beginning of a name.
const WILDCARD: Value = 2;

/// A set's options and entries.
///
/// An entry, in and out, is its key as values in a row: an address; an address and a prefix length for a network;
/// `protocol << 16 | port`; a device's name and flags.
#[derive(Clone, Debug)]
pub struct Ipset {
    /// The type.
    pub kind: SetType,
    /// 2 or 10; 0 for types that have none.
    pub family: u8,
    /// Addresses are masked by this first (`netmask`, `bitmask`).
    pub mask: Value,
    /// Marks likewise.
    pub mark_mask: u32,
    /// First and last address or port of a bitmap.
    pub range: (Value, Value),
    /// Most entries it takes; 0 for no limit.
    pub max: u32,
    /// A full set makes room for a new entry.
    pub force_add: bool,
    /// Seconds that a new entry stays, unless told otherwise; 0 for ever. `None`: entries have no timeouts.
    pub timeout: Option<u32>,
    /// Entries count packets and bytes.
    pub counters: bool,
    /// Entries can set mark, priority and queue.
    pub skbinfo: bool,
    /// The members of a `list:set`, in order.
    pub members: Vec<SetId>,
    /// Some entries could not be read: a miss is not certain.
    pub incomplete: bool,
    store: Store,
    /// The widths in bits of a key's parts as they are stored.
    widths: Box<[u8]>,
    lengths: Lengths,
    ifaces: Vec<Iface>,
    /// Their numbers.
    numbers: FxHashMap<Iface, usize>,
}

impl Ipset {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        if self.kind == SetType::List { self.members.len() } else { self.store.len() }
    }

    /// Bytes that its entries and members take in memory, with the room that is kept for more.
    pub fn bytes(&self) -> usize {
        self.store.bytes() + self.members.capacity() * size_of::<SetId>()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys of all entries; a `list:set` has members instead.
    pub fn entries(&self) -> impl Iterator<Item = Vec<Value>> + '_ {
        let stored = if self.kind == SetType::List { 0 } else { self.store.len() };
        (0..stored).filter_map(|i| self.store.key(i, &self.widths)).map(|key| self.unpacked(key))
    }

    /// An entry as `ipset save` writes it: `10.0.0.0/8,tcp:80`.
    pub fn show(&self, entry: &[Value]) -> String {
        let mut rest = entry.iter().copied();
        let mut next = || rest.next().unwrap_or(0);
        let host = self.host_length();
        let family = Value::from(self.family);
        let one = |dimension: &Dimension| match dimension {
            Dimension::Ip => to_address(next(), family).to_string(),
            Dimension::Net => {
                let (addr, len) = (to_address(next(), family), next());
                if len == Value::from(host) { addr.to_string() } else { format!("{addr}/{len}") }
            }
            Dimension::ProtoPort => names::show_port(next()),
            Dimension::Port => next().to_string(),
            Dimension::Mac => names::show_mac(next()),
            Dimension::Mark => format!("{:#x}", next()),
            Dimension::Iface => {
                let (name, flags) = (device_name(next()), next());
                let port = if flags & PHYSDEV != 0 { "physdev:" } else { "" };
                format!("{port}{name}")
            }
            Dimension::Set => next().to_string(),
        };
        let dimensions = match self.kind {
            SetType::BitmapIpMac => &[Dimension::Ip],
            kind => kind.dimensions(),
        };
        dimensions.iter().map(one).collect::<Vec<_>>().join(",")
    }

    /// A packet's key as the entry that holds it alone: networks, which have no length in it, are single hosts.
    pub fn show_host(&self, key: &[Value]) -> String {
        let (mut entry, mut at) = (key.to_vec(), 0);
        for dimension in self.kind.dimensions() {
            if *dimension == Dimension::Net
                && let Some(len) = entry.get_mut(at + 1)
            {
                *len = Value::from(self.host_length());
            }
            at += if matches!(dimension, Dimension::Net | Dimension::Iface) { 2 } else { 1 };
        }
        self.show(&entry)
    }

    /// The length of a single host's prefix.
    fn host_length(&self) -> u8 {
        if self.family == 10 { 128 } else { 32 }
    }

    /// What [`Ipset::widths`] is for this type and family.
    fn shape(&self) -> Box<[u8]> {
        let addr = self.host_length();
        let of = |dimension: &Dimension| match dimension {
            Dimension::Ip => vec![addr],
            Dimension::Net => vec![addr, 8],
            Dimension::ProtoPort => vec![24],
            Dimension::Port | Dimension::Iface => vec![16],
            Dimension::Mac if self.kind == SetType::BitmapIpMac => Vec::new(),
            Dimension::Mac => vec![48],
            Dimension::Mark | Dimension::Set => vec![32],
        };
        self.kind.dimensions().iter().flat_map(of).collect()
    }

    /// A stored key with the device's number replaced by its name and flags.
    fn unpacked(&self, mut key: Vec<Value>) -> Vec<Value> {
        if self.kind == SetType::HashNetIface
            && let Some(iface) = key.pop().and_then(|i| self.ifaces.get(i as usize))
        {
            key.extend([iface.name, iface.flags]);
        }
        key
    }

    /// The other way round; `None` when no entry names the device.
    fn packed(&self, key: &[Value]) -> Option<Vec<Value>> {
        let mut key = key.to_vec();
        if self.kind == SetType::HashNetIface {
            let (flags, name) = (key.pop()?, key.pop()?);
            key.push(*self.numbers.get(&Iface { name, flags })? as Value);
        }
        Some(key)
    }

    /// What the entry carries; `None` when it is not there.
    fn stored(&self, key: &[Value]) -> Option<Ext> {
        self.store.find(&self.packed(key)?, &self.widths)
    }

    /// The entry after what packets changed.
    fn current(&self, key: &[Value], delta: Option<&SetDelta>) -> Option<Ext> {
        match delta.and_then(|d| d.get(key)) {
            Some(Some(data)) => Some(self.stored(key).unwrap_or_default().changed(data)),
            Some(None) => None,
            None => self.stored(key),
        }
    }
}
