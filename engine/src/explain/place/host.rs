//! The candidates for a packet that the stack itself refused: forwarding switched off, a source or a 127/8 address that it
//! does not take, no route, or one that refuses.
//!
//! Each is tried as it stands; what does not help is not told. Left out: links that are down, and neighbours.

use crate::field::{Field, device_name, to_address};
use crate::host::{RouteKind, Table};
use crate::trace::{Event, Fate, Trace};

use super::Ground;
use super::candidates::{Candidate, Place, Way};

/// How many gateways and devices are tried for a route.
const MOST: usize = 4;

/// All candidates for the end of this walk.
pub(super) fn all(ground: Ground, trace: &Trace) -> Vec<Candidate> {
    let refused = matches!(trace.fate(), Fate::StackDrop { .. } | Fate::SendError { .. } | Fate::DropInHook { .. });
    if !refused {
        return Vec::new();
    }
    let one = |(kind, commands): (&str, Vec<String>)| {
        let place = Place { table: "host".to_string(), chain: kind.to_string() };
        Candidate::plain(commands, place, Way::Host)
    };
    sysctls(trace)
        .into_iter()
        .map(|c| ("sysctl", c))
        .chain(routes(ground, trace).into_iter().map(|c| ("route", c)))
        .map(one)
        .collect()
}

/// Devices that the packet was seen with.
fn devices(trace: &Trace) -> Vec<String> {
    let written = trace.events.iter().filter_map(|e| match e {
        Event::Write { field: Field::Iif | Field::Oif, new, .. } => new.value(),
        _ => None,
    });
    let mut out: Vec<String> = [Field::Iif, Field::Oif]
        .into_iter()
        .filter_map(|f| trace.start.value(f))
        .chain(written)
        .filter(|v| *v != 0)
        .map(|v| device_name(v).to_string())
        .collect();
    let mut seen = rustc_hash::FxHashSet::default();
    out.retain(|d| seen.insert(d.clone()));
    out
}

/// Settings that let the stack take packets which it refused.
fn sysctls(trace: &Trace) -> Vec<Vec<String>> {
    let set = |key: &str, value: u8| format!("sysctl -w {key}={value}");
    if trace.start.family() == 10 {
        return vec![vec![set("net.ipv6.conf.all.forwarding", 1)]];
    }
    let conf = |dev: &str, name: &str, value| set(&format!("net.ipv4.conf.{}.{name}", dev.replace('.', "/")), value);
    let mut out = vec![vec![set("net.ipv4.ip_forward", 1)]];
    for dev in devices(trace) {
        out.push(vec![conf(&dev, "forwarding", 1)]);
        out.push(vec![conf(&dev, "rp_filter", 2)]);
        out.push(vec![conf("all", "rp_filter", 0), conf(&dev, "rp_filter", 0)]);
        out.push(vec![conf(&dev, "route_localnet", 1)]);
        out.push(vec![conf(&dev, "accept_local", 1)]);
    }
    out
}

/// A route to where the packet goes (or from where it came), or the one that refuses it gone.
fn routes(ground: Ground, trace: &Trace) -> Vec<Vec<String>> {
    let end = trace.last_packet();
    let (to, from) =
        (to_address(end.or_zero(Field::Daddr), end.family()), to_address(end.or_zero(Field::Saddr), end.family()));
    let parts = ground.world.host.parts();
    let given = if to.is_ipv4() { &parts.routes4 } else { &parts.routes6 };
    let main: Vec<_> = given.iter().flatten().filter(|r| r.table == Table::Main).collect();
    let refuses =
        |k| matches!(k, RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw);
    let mut out: Vec<Vec<String>> = main
        .iter()
        .filter(|r| refuses(r.kind) && r.dst.contains(&to))
        .map(|r| vec![format!("ip route del {} {}", r.kind.name(), r.dst)])
        .collect();
    let mut ways: Vec<String> = Vec::new();
    for hop in main.iter().flat_map(|r| &r.hops) {
        let way = match (&hop.via, &hop.dev) {
            (Some(via), Some(dev)) => format!("via {via} dev {dev}"),
            (None, Some(dev)) if &**dev != "lo" => format!("dev {dev}"),
            _ => continue,
        };
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    // A gateway may know the way; a device alone only reaches its own link.
    ways.sort_by_key(|w| !w.starts_with("via"));
    for target in [to, from] {
        out.extend(ways.iter().take(MOST).map(|way| vec![format!("ip route add {target} {way}")]));
    }
    out
}
