//! What the SET target does: adding a packet's key to a set and taking it out, as a change beside the dump.
//!
//! Example: `SET --add-set scanners src` on a packet from 10.0.0.9. In a set of networks the new entry gets the longest
//! prefix length in use, else that of a single host, as the kernel does. Left out: which entry a full `forceadd` set
//! gives up.

use crate::field::Value;
use crate::model::ones;
use crate::state::SetDelta;

use super::{Dimension, Ext, Ipset, Lengths, SetType};

/// When an entry is added, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adding {
    /// The time, in ms behind the dump.
    pub now: u64,
    /// `--timeout`: seconds; the set's own where it is not given.
    pub left: Option<u32>,
    /// `--exist`: an entry that is there is replaced.
    pub refresh: bool,
    /// The packet's length: a new entry has counted it.
    pub bytes: u64,
}

impl Ipset {
    /// The entry that a packet's key (see [`Ipset::key`]) would be added as.
    pub fn entry_for(&self, key: &[Value], changes: &Lengths) -> Vec<Value> {
        let host = self.host_length();
        let mut entry = Vec::with_capacity(6);
        for (i, (dimension, value)) in self.kind.dimensions().iter().zip(key).enumerate() {
            match dimension {
                Dimension::Net => {
                    let length = self.lengths.longest(self.net_number(i), changes).unwrap_or(host);
                    entry.extend([value & !ones(u32::from(host.saturating_sub(length))), length.into()]);
                }
                Dimension::Iface => entry.extend([*value, 0]),
                Dimension::Mac if self.kind == SetType::BitmapIpMac => {}
                _ => entry.push(*value),
            }
        }
        entry
    }

    /// Adds the key to the changes; `false`: nothing happens, for the set is full or has the entry. `--exist` puts a new entry in
    /// its place, and a `bitmap:ip,mac` does so where the entry has no address yet.
    pub fn add(&self, key: &[Value], how: Adding, delta: &mut SetDelta) -> bool {
        let entry = self.entry_for(key, &delta.lengths);
        let mac = if self.kind == SetType::BitmapIpMac { key.get(1).copied() } else { None };
        let mut new = Ext { timeout: self.ends(how), mac, ..Ext::default() };
        if self.counters {
            new.count(how.bytes);
        }
        if let Some(there) = self.current(&entry, Some(delta)).filter(|ext| !ext.is_over(how.now)) {
            let learns = mac.is_some() && there.mac.is_none();
            if learns && how.left.is_none() {
                new = self.completed(&there, mac, how.bytes);
            } else if !learns && !how.refresh {
                return false;
            }
            delta.put(entry, Some(new.data()));
            return true;
        }
        if self.max != 0 && delta.size(self.len()) >= self.max as usize && !self.force_add {
            return false;
        }
        self.kind.count_lengths(&entry, 1, &mut delta.lengths);
        delta.add(entry, new.data());
        true
    }

    /// What an entry of a `bitmap:ip,mac` carries once a packet brought its address; only its time goes on.
    pub(super) fn completed(&self, there: &Ext, mac: Option<Value>, bytes: u64) -> Ext {
        let mut new = Ext { timeout: there.timeout, mac, ..Ext::default() };
        if self.counters {
            new.count(bytes);
        }
        new
    }

    /// When an entry that is added now ends (see [`Ext::timeout`]).
    fn ends(&self, how: Adding) -> u32 {
        let left = how.left.or(self.timeout).filter(|left| *left != 0 && self.timeout.is_some());
        left.map_or(0, |left| left.saturating_add((how.now / 1000) as u32))
    }

    /// Takes the key out; `false`: it was not there.
    pub fn remove(&self, key: &[Value], delta: &mut SetDelta) -> bool {
        let entry = self.entry_for(key, &delta.lengths);
        if self.current(&entry, Some(delta)).is_none() {
            return false;
        }
        self.kind.count_lengths(&entry, -1, &mut delta.lengths);
        delta.remove(entry, true);
        true
    }
}
