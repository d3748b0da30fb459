//! What the SET target does: adding a packet's key to a set and taking it out, as a change beside the dump.
//!
//! Example: `SET --add-set scanners src` on a packet from 10.0.0.9. In a set of networks the new entry gets the longest
//! prefix length in use, else that of a single host, as the kernel does. Left out: which entry a full `forceadd` set
//! gives up.

use crate::field::Value;
use crate::model::ones;
use crate::state::SetDelta;

use super::{Dimension, Ext, Ipset, SetType};

/// When an entry is added, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adding {
    /// The time, in ms behind the dump.
    pub now: u64,
    /// `--timeout`: seconds; the set's own where it is not given.
    pub left: Option<u32>,
    /// `--exist`: the time of an entry that is there begins anew.
    pub refresh: bool,
}

impl Ipset {
    /// The entry that a packet's key (see [`Ipset::key`]) would be added as.
    pub fn entry_for(&self, key: &[Value]) -> Vec<Value> {
        let host = self.host_length();
        let mut entry = Vec::with_capacity(6);
        for (i, (dimension, value)) in self.kind.dimensions().iter().zip(key).enumerate() {
            match dimension {
                Dimension::Net => {
                    let length = self.lengths[self.net_number(i)].first().copied().unwrap_or(host);
                    entry.extend([value & !ones(u32::from(host.saturating_sub(length))), length.into()]);
                }
                Dimension::Iface => entry.extend([*value, 0]),
                Dimension::Mac if self.kind == SetType::BitmapIpMac => {}
                _ => entry.push(*value),
            }
        }
        entry
    }

    /// Adds the key to the changes; `false`: the set is full, and nothing happens. An entry that is there stays as it is,
    /// but that `--exist` lets its time begin anew, and a `bitmap:ip,mac` may learn an address.
    pub fn add(&self, key: &[Value], how: Adding, delta: &mut SetDelta) -> bool {
        let entry = self.entry_for(key);
        let left = how.left.or(self.timeout).filter(|left| *left != 0 && self.timeout.is_some());
        let timeout = left.map_or(0, |left| left.saturating_add((how.now / 1000) as u32));
        let mac = if self.kind == SetType::BitmapIpMac { key.get(1).copied() } else { None };
        if let Some(there) = self.current(&entry, Some(delta)).filter(|ext| !ext.is_over(how.now)) {
            // An entry without a link-layer address gets one; `--exist` puts the packet's in its place (`bitmap_ipmac_do_add`).
            let mac = if how.refresh { mac.or(there.mac) } else { there.mac.or(mac) };
            let timeout = if how.refresh && self.timeout.is_some() { timeout } else { there.timeout };
            if mac != there.mac || timeout != there.timeout {
                delta.put(entry, Some(Ext { timeout, mac, ..there }.data()));
            }
            return true;
        }
        if self.max != 0 && delta.size(self.len()) >= self.max as usize && !self.force_add {
            return false;
        }
        delta.add(entry, Ext { timeout, mac, ..Ext::default() }.data());
        true
    }

    /// Takes the key out; `false`: it was not there.
    pub fn remove(&self, key: &[Value], delta: &mut SetDelta) -> bool {
        let entry = self.entry_for(key);
        if self.current(&entry, Some(delta)).is_none() {
            return false;
        }
        delta.remove(entry, true);
        true
    }
}
