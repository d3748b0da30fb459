//! Which tuple a connection gets: the address of a range, then a port that nobody else has (`get_unique_tuple` of
//! `net/netfilter/nf_nat_core.c`; semantics.md 4).
//!
//! `10.0.0.9:40000` masqueraded to `192.0.2.1` stays at port 40000 while that is free. Left out: what the packet gets of it.

use super::{Manip, Range};
use crate::eval::{jhash2, scale, words6};
use crate::fact::Fact;
use crate::field::Value;
use crate::state::{Tuple, Zone};
use crate::tuple;
use crate::walk::Machine;

impl Machine<'_> {
    /// Whether another connection has the answers to this tuple already.
    fn is_used(&self, tuple: Tuple, zone: Zone) -> bool {
        self.state.conns.find(tuple.inverse(), zone).is_some()
    }

    /// `get_unique_tuple`: the address, then the port.
    pub(super) fn unique_tuple(&mut self, manip: Manip, range: Range, orig: Tuple, zone: Zone) -> Tuple {
        let randomised = range.random || range.fully_random;
        if manip == Manip::Src && !randomised {
            if in_range(orig, range) && !self.is_used(orig, zone) {
                return orig;
            }
            if let Some(same) = self.existing_mapping(orig, range, zone) {
                return same;
            }
        }
        let mut tuple = with_address(manip, range, orig, zone);
        if randomised {
            return self.random_port(manip, range, tuple, zone);
        }
        if let Some((lo, hi)) = range.port {
            let port = port_of(tuple, manip);
            if range.base.is_none() && (lo..=hi).contains(&port) && (lo == hi || !self.is_used(tuple, zone)) {
                return tuple;
            }
        } else if !self.is_used(tuple, zone) {
            return tuple;
        }
        let Some((lo, hi)) = port_range(manip, range, tuple) else { return tuple };
        let size = u32::from(hi - lo) + 1;
        let offset = match range.base {
            Some(base) => u32::from(port_of(tuple, manip).wrapping_sub(base)),
            None if manip == Manip::Dst || size == 1 => 0,
            None => return self.random_port(manip, range, tuple, zone),
        };
        for i in 0..size.min(u32::from(u16::MAX)) {
            set_port(&mut tuple, manip, lo + ((offset + i) % size) as u16);
            if !self.is_used(tuple, zone) {
                break;
            }
        }
        tuple
    }

    /// A port that the kernel picks at random: the original one stands for it, as a listed assumption.
    fn random_port(&mut self, manip: Manip, range: Range, tuple: Tuple, zone: Zone) -> Tuple {
        let Some((lo, hi)) = port_range(manip, range, tuple) else { return tuple };
        let mut out = tuple;
        if !(lo..=hi).contains(&port_of(out, manip)) {
            set_port(&mut out, manip, lo);
        }
        while self.is_used(out, zone) && port_of(out, manip) < hi {
            let next = port_of(out, manip) + 1;
            set_port(&mut out, manip, next);
        }
        self.answer(Fact::Other("nat-port"));
        out
    }

    /// SNAT reuses the address that another connection of the same source got.
    fn existing_mapping(&self, orig: Tuple, range: Range, zone: Zone) -> Option<Tuple> {
        let same =
            |t: &Tuple| (t.saddr, t.sport, t.proto, t.family) == (orig.saddr, orig.sport, orig.proto, orig.family);
        self.state.conns.iter().filter(|(_, c)| c.zone.number(false) == zone.number(false) && same(&c.orig)).find_map(
            |(_, c)| {
                let mapped = c.reply.inverse();
                let tuple = Tuple { saddr: mapped.saddr, sport: mapped.sport, ..orig };
                (in_range(tuple, range) && !self.is_used(tuple, zone)).then_some(tuple)
            },
        )
    }
}

fn port_of(t: Tuple, manip: Manip) -> u16 {
    if manip == Manip::Src || matches!(t.proto, 1 | 58) { t.sport } else { t.dport }
}

fn set_port(t: &mut Tuple, manip: Manip, port: u16) {
    if manip == Manip::Src || matches!(t.proto, 1 | 58) {
        t.sport = port;
    } else {
        t.dport = port;
    }
}

/// Whether the source lies in the range already.
fn in_range(t: Tuple, range: Range) -> bool {
    let addr = range.addr.is_none_or(|(lo, hi)| lo <= t.saddr && t.saddr <= hi);
    let has_ports = !matches!(t.proto, 1 | 58) || range.port.is_none();
    addr && (!has_ports || range.port.is_none_or(|(lo, hi)| (lo..=hi).contains(&t.sport)))
}

/// `find_best_ips_proto`: the address of a range by a hash of the source.
fn with_address(manip: Manip, range: Range, orig: Tuple, zone: Zone) -> Tuple {
    let Some((lo, hi)) = range.addr else { return orig };
    let old = if manip == Manip::Src { orig.saddr } else { orig.daddr };
    let new = if range.prefix {
        let host = lo ^ hi;
        (old & host) | (lo & !host)
    } else if lo == hi {
        lo
    } else if orig.family == 10 {
        pick6(manip, orig, (lo, hi), (zone, range.persistent))
    } else {
        let seed = if range.persistent { 0 } else { (orig.daddr as u32).swap_bytes() ^ u32::from(zone.id) };
        let hash = jhash2(&[(orig.saddr as u32).swap_bytes(), 0, 0, 0], seed);
        lo + scale(hash, (hi.saturating_sub(lo) as u32).saturating_add(1))
    };
    if manip == Manip::Src { Tuple { saddr: new, ..orig } } else { Tuple { daddr: new, ..orig } }
}

/// An IPv6 address, word by word. The kernel writes each one into the tuple before it goes on, so where the destination is
/// picked the next words depend on it.
fn pick6(manip: Manip, orig: Tuple, (lo, hi): (Value, Value), (zone, persistent): (Zone, bool)) -> Value {
    let dst = words6(orig.daddr);
    let mut hash = jhash2(&words6(orig.saddr), if persistent { 0 } else { dst[3] ^ u32::from(zone.id) });
    let word = |v: Value, i: u32| (v >> (96 - 32 * i)) as u32;
    let (mut out, mut full): (Value, bool) = (0, false);
    for i in 0..4 {
        let (min, dist) =
            if full { (0, u32::MAX) } else { (word(lo, i), word(hi, i).wrapping_sub(word(lo, i)).wrapping_add(1)) };
        let part = min.wrapping_add(scale(hash, dist) as u32);
        full |= part != word(hi, i);
        out = out << 32 | Value::from(part);
        if !persistent {
            hash ^= if manip == Manip::Dst { part.swap_bytes() } else { dst[i as usize] };
        }
    }
    out
}

/// The ports that may be tried; `None`: the port stays.
fn port_range(manip: Manip, range: Range, t: Tuple) -> Option<(u16, u16)> {
    if !tuple::has_ports(t.proto) && !matches!(t.proto, 1 | 58) {
        return None;
    }
    if let Some((lo, hi)) = range.port {
        return Some((lo.min(hi), hi.max(lo)));
    }
    if matches!(t.proto, 1 | 58) {
        return Some((0, u16::MAX));
    }
    match (manip, t.sport) {
        (Manip::Dst, _) => None,
        (_, 0..512) => Some((1, 511)),
        (_, 512..1024) => Some((600, 1023)),
        _ => Some((1024, u16::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(saddr: Value, sport: u16) -> Tuple {
        Tuple { family: 2, saddr, daddr: 0x0a00_0002, proto: 6, sport, dport: 80 }
    }

    #[test]
    fn netmap_keeps_the_host_part() {
        let range = Range { addr: Some((0xac10_0500, 0xac10_05ff)), prefix: true, ..Range::default() };
        assert_eq!(with_address(Manip::Dst, range, tuple(1, 1), Zone::default()).daddr, 0xac10_0502);
        assert_eq!(with_address(Manip::Src, range, tuple(0x0102_0304, 1), Zone::default()).saddr, 0xac10_0504);
    }

    #[test]
    fn ports_without_a_range_stay_in_their_class() {
        let check = |sport, expect| assert_eq!(port_range(Manip::Src, Range::default(), tuple(1, sport)), Some(expect));
        check(53, (1, 511));
        check(600, (600, 1023));
        check(40000, (1024, 65535));
        assert_eq!(port_range(Manip::Dst, Range::default(), tuple(1, 1)), None);
    }
}
