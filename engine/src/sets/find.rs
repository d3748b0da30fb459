//! Looking a packet up in a set: its key by the direction flags, then each prefix length in use, the longest first.
//!
//! Example: 10.1.2.3 in a `hash:net` of 10.0.0.0/8 and 10.1.0.0/16 nomatch: /16 is asked first, and its hole decides.
//! Counters are added to before they are compared, and an entry they refuse does not end the search.

use crate::field::{Field, Value};
use crate::model::{CounterTest, Dim, Relation, SetId, ones};
use crate::state::SetDelta;

use super::{Dimension, Ext, Iface, Ipset, PHYSDEV, SetType, WILDCARD, names};

/// What a match asks besides the key.
#[derive(Clone, Copy, Default)]
pub struct Ask<'a> {
    /// `--packets-gt` and the like.
    pub counters: &'a [CounterTest],
    /// A hit is counted; not with `! --update-counters`.
    pub count: bool,
    /// The packet's length.
    pub bytes: u64,
    /// `--return-nomatch`.
    pub return_nomatch: bool,
    /// The time, in ms behind the dump: entries run out.
    pub now: u64,
}

/// The entry that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its key.
    pub entry: Vec<Value>,
    /// What it carries, after the packet was counted.
    pub ext: Ext,
}

/// How a lookup ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether the set matches; `None`: some entries of the set could not be read, and none of the others decides.
    pub matches: Option<bool>,
    /// The entry that decided, also when it is a `nomatch` one.
    pub hit: Option<Hit>,
    /// What the lookup changes: counters, and a link-layer address learned.
    pub changes: Vec<(Vec<Value>, Vec<Value>)>,
}

impl Ipset {
    /// The packet's key for a match with these direction flags, one value a dimension; `Ok(None)`: it has none, and
    /// the set does not match.
    ///
    /// # Errors
    /// Whatever `read` gives for a field that is not known.
    pub fn key<E>(
        &self,
        dims: &[Dim],
        mut read: impl FnMut(Field) -> Result<Option<Value>, E>,
    ) -> Result<Option<Vec<Value>>, E> {
        if dims.len() < self.kind.needs_flags() {
            return Ok(None);
        }
        if self.family != 0 && read(Field::Family)? != Some(self.family.into()) {
            return Ok(None);
        }
        let mut key = Vec::with_capacity(3);
        for (dimension, dim) in self.kind.dimensions().iter().zip(dims) {
            match self.part(*dimension, *dim, &mut read)? {
                Some(value) => key.push(value),
                None => return Ok(None),
            }
        }
        Ok(Some(key))
    }

    fn part<E>(
        &self,
        dimension: Dimension,
        dim: Dim,
        read: &mut impl FnMut(Field) -> Result<Option<Value>, E>,
    ) -> Result<Option<Value>, E> {
        let source = dim == Dim::Src;
        let side = |src, dst| if source { src } else { dst };
        Ok(match dimension {
            Dimension::Ip => read(side(Field::Saddr, Field::Daddr))?.and_then(|a| self.masked(a)),
            Dimension::Net => {
                let mask = if self.kind == SetType::HashNetNet { self.mask } else { Value::MAX };
                read(side(Field::Saddr, Field::Daddr))?.map(|a| a & mask)
            }
            Dimension::ProtoPort => proto_port(source, read)?,
            Dimension::Port => {
                let Some(port) = proto_port(source, read)? else { return Ok(None) };
                // A bitmap of ports knows these two only, unlike the ports of other sets.
                let with_ports = matches!(port >> 16, 6 | 17);
                let port = port & 0xffff;
                (with_ports && (self.range.0..=self.range.1).contains(&port)).then_some(port)
            }
            Dimension::Mac => read(side(Field::EtherSaddr, Field::EtherDaddr))?.filter(|m| *m != 0),
            Dimension::Mark => read(Field::Mark)?.map(|m| m & Value::from(self.mark_mask)),
            Dimension::Iface => read(side(Field::Iif, Field::Oif))?.filter(|d| *d != 0),
            Dimension::Set => None,
        })
    }

    /// An address as the set keeps it: in a bitmap's range, masked; the null address is in no `hash:ip`.
    pub(super) fn masked(&self, addr: Value) -> Option<Value> {
        if self.kind.is_bitmap() && !(self.range.0..=self.range.1).contains(&addr) {
            return None;
        }
        let addr = addr & self.mask;
        (addr != 0 || self.kind != SetType::HashIp).then_some(addr)
    }

    /// What a `list:set` says about a member that matched: whether it is still there and its counters fit.
    pub fn find_member(&self, member: SetId, ask: Ask, delta: Option<&SetDelta>) -> Found {
        let key = vec![Value::from(member.0)];
        let mut found = Found { matches: Some(false), ..Found::default() };
        let mut ext = self.current(&key, delta).unwrap_or_default();
        if ext.is_over(ask.now) {
            return found;
        }
        if self.counters && ask.count {
            ext.count(ask.bytes);
            found.changes.push((key.clone(), ext.data()));
        }
        found.matches = Some(!self.counters || ask.counters.iter().all(|t| compare(t, &ext)));
        found.hit = Some(Hit { entry: key, ext });
        found
    }

    /// Looks a key up.
    pub fn find(&self, key: &[Value], ask: Ask, delta: Option<&SetDelta>) -> Found {
        let mut found = Found::default();
        let mac = if self.kind == SetType::BitmapIpMac { key.get(1).copied() } else { None };
        let hit = self.candidates(0, key, &mut Vec::with_capacity(6), delta, &mut |entry| {
            let mut ext = self.current(entry, delta).filter(|ext| !ext.is_over(ask.now))?;
            match (mac, ext.mac) {
                (Some(seen), Some(own)) if seen != own => return None,
                (Some(_), None) => {
                    // The entry is completed as the SET target would, and matches as it is.
                    ext = self.completed(&ext, mac, ask.bytes);
                    found.changes.push((entry.to_vec(), ext.data()));
                    return Some(Hit { entry: entry.to_vec(), ext });
                }
                _ => {}
            }
            if self.counters && ask.count {
                ext.count(ask.bytes);
                found.changes.push((entry.to_vec(), ext.data()));
            }
            let fits = !self.counters || ask.counters.iter().all(|t| compare(t, &ext));
            fits.then(|| Hit { entry: entry.to_vec(), ext })
        });
        let answer = |hit: &Hit| hit.ext.nomatch == (ask.return_nomatch && self.kind.has_nomatch());
        found.matches = match &hit {
            Some(hit) => Some(answer(hit)),
            None => (!self.incomplete).then_some(false),
        };
        found.hit = hit;
        found
    }

    /// Tries the keys that an entry for the packet may have, the most specific first.
    fn candidates<R>(
        &self,
        dimension: usize,
        key: &[Value],
        entry: &mut Vec<Value>,
        delta: Option<&SetDelta>,
        visit: &mut dyn FnMut(&[Value]) -> Option<R>,
    ) -> Option<R> {
        let dimensions = self.kind.dimensions();
        let own = self.kind == SetType::BitmapIpMac && dimension == 1;
        let (Some(kind), Some(value), false) = (dimensions.get(dimension), key.get(dimension), own) else {
            return visit(entry);
        };
        let start = entry.len();
        let choices: Vec<[Value; 2]> = match kind {
            Dimension::Net => self.networks_of(*value, dimension, delta),
            Dimension::Iface => self.ifaces_of(*value),
            _ => vec![[*value, 0]],
        };
        let width = if matches!(kind, Dimension::Net | Dimension::Iface) { 2 } else { 1 };
        for choice in choices {
            entry.extend_from_slice(&choice[..width]);
            let found = self.candidates(dimension + 1, key, entry, delta, visit);
            let last = self.kind == SetType::HashNetIface && dimension == 0 && self.has_network(entry, delta);
            entry.truncate(start);
            if found.is_some() || last {
                return found;
            }
        }
        None
    }

    /// Whether a `hash:net,iface` set has this very network, by whatever device that its dump names: it ends the search then.
    fn has_network(&self, network: &[Value], delta: Option<&SetDelta>) -> bool {
        // Entries for bridge ports lie elsewhere in the kernel's table and are not seen.
        let mut seen = self.ifaces.iter().filter(|i| i.flags & PHYSDEV == 0);
        seen.any(|i| self.current(&[network, &[i.name, i.flags]].concat(), delta).is_some())
    }

    /// The networks around an address that entries may have, the smallest first.
    fn networks_of(&self, addr: Value, dimension: usize, delta: Option<&SetDelta>) -> Vec<[Value; 2]> {
        let host = self.host_length();
        let lengths = self.lengths.tried(self.net_number(dimension), delta.map(|d| &d.lengths));
        let network = |len: u8| [addr & !ones(u32::from(host.saturating_sub(len))), Value::from(len)];
        lengths.map(network).collect()
    }

    /// Whether a network dimension is the first or the second of its kind.
    pub(super) fn net_number(&self, dimension: usize) -> usize {
        let before = self.kind.dimensions().iter().take(dimension);
        before.filter(|d| **d == Dimension::Net).count().min(1)
    }

    /// The names that an entry may have for a device. Entries for bridge ports are not among them: the kernel asks for
    /// those only where a rule could say so, and none can.
    fn ifaces_of(&self, name: Value) -> Vec<[Value; 2]> {
        let begins = |prefix: Value| {
            let shown = 128 - prefix.trailing_zeros() / 8 * 8;
            prefix == 0 || shown == 0 || name.checked_shr(128 - shown) == prefix.checked_shr(128 - shown)
        };
        let fits =
            |i: &&Iface| i.flags & PHYSDEV == 0 && (i.name == name || (i.flags & WILDCARD != 0 && begins(i.name)));
        let mut found: Vec<_> = self.ifaces.iter().filter(fits).map(|i| [i.name, i.flags]).collect();
        if !found.contains(&[name, 0]) {
            found.push([name, 0]);
        }
        found
    }
}

/// `protocol << 16 | port`; for ICMP type and code stand in for the port, other protocols have port 0. A later fragment and a header
/// that is cut off have none.
fn proto_port<E>(source: bool, read: &mut impl FnMut(Field) -> Result<Option<Value>, E>) -> Result<Option<Value>, E> {
    let Some(proto) = read(Field::Proto)? else { return Ok(None) };
    let has_ports = names::WITH_PORTS.contains(&(proto as u8));
    let later = read(Field::FragOffset)?.is_some_and(|o| o != 0);
    let v6 = read(Field::Family)? == Some(10);
    let short = read(Field::ThLength)?.is_some_and(|there| there < header_length(proto));
    let port = match proto {
        _ if short => None,
        _ if later && (has_ports || proto == 1 || v6) => None,
        1 | 58 => {
            let (kind, code) = (read(Field::IcmpType)?, read(Field::IcmpCode)?);
            kind.zip(code).map(|(kind, code)| kind << 8 | code)
        }
        _ if has_ports => read(if source { Field::Sport } else { Field::Dport })?,
        _ => Some(0),
    };
    Ok(port.map(|port| proto << 16 | port))
}

/// How many bytes of a protocol's header must be there before its port or type is read (`ip_set_get_port`).
fn header_length(proto: Value) -> Value {
    match proto {
        6 => 20,
        132 => 12,
        1 | 17 | 58 | 136 => 8,
        _ => 0,
    }
}

fn compare(test: &CounterTest, ext: &Ext) -> bool {
    let had = if test.bytes { ext.bytes } else { ext.packets };
    Relation::holds(test.rel, had.into(), test.value.into())
}
