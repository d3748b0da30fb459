//! The candidates for a DROP: hooks and tables, times the ways to name the traffic, as commands in the host's dialect.
//!
//! `iptables -t mangle -I POSTROUTING -p tcp -m conntrack --ctorigdstport 31002 -j DROP`. Candidates that cannot match by
//! their nature are left out (conntrack is not there yet in raw; there is no output device before routing).

use crate::field::{Field, device_name, protocol_name, to_address};
use crate::model::{Dialect, Family, Hook, Model};
use crate::packet::Packet;
use crate::trace::{Event, Trace};

use super::Ground;
use super::bench::Trial;
use crate::explain::names::Labels;

/// A place for a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
}

impl Place {
    /// Places early on the way and usual ones first.
    pub(super) fn rank(&self) -> usize {
        let order = ["raw", "filter", "mangle"];
        order.iter().position(|t| *t == self.table).unwrap_or(order.len())
    }
}

/// How a candidate names the traffic, or what it changes; the most natural first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// By the command of the program that owns the chain.
    Owner,
    /// By an entry of a set that the rules look into.
    Member,
    /// By a sysctl or a route of the host.
    Host,
    /// By the port it was sent to.
    Original,
    /// By the port it was sent to, at an address of this host.
    OwnPort,
    /// By the port it was sent to, as conntrack remembers it.
    Conntrack,
    /// By the address and port that NAT gave it.
    Pod,
    /// By the port that NAT gave it, and the outgoing device.
    PortBy,
    /// By the port that NAT gave it.
    Port,
    /// Not at all: the rule that dropped it goes.
    Remove,
    /// Not at all: the policy that dropped it changes.
    Policy,
}

/// A candidate.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub commands: Vec<String>,
    /// What it is walked as.
    pub trials: Vec<Trial>,
    /// The same for reading, where it is not the commands.
    pub walked: Vec<String>,
    pub place: Place,
    pub way: Way,
}

impl Way {
    /// Ways of one kind, of which the best is enough to tell; the most lasting first.
    pub(super) fn kind(self) -> u8 {
        match self {
            Way::Owner => 0,
            Way::Host => 1,
            Way::Member => 2,
            Way::Remove => 4,
            Way::Policy => 5,
            _ => 3,
        }
    }
}

impl Candidate {
    /// Commands that are walked as they stand.
    pub(super) fn plain(commands: Vec<String>, place: Place, way: Way) -> Self {
        let trials = commands.iter().cloned().map(Trial::Command).collect();
        Candidate { commands, trials, walked: Vec::new(), place, way }
    }
}

/// Tables and hooks that are tried, with the hook's nft priority.
const PLACES: &[(&str, Hook, i32)] = &[
    ("raw", Hook::Prerouting, -300),
    ("mangle", Hook::Prerouting, -150),
    ("raw", Hook::Output, -300),
    ("mangle", Hook::Output, -150),
    ("filter", Hook::Input, 0),
    ("filter", Hook::Forward, 0),
    ("filter", Hook::Output, 0),
    ("mangle", Hook::Postrouting, -150),
];

/// What the traffic looks like on its way.
struct Traffic {
    v6: bool,
    proto: String,
    port: Option<u128>,
    daddr: String,
    /// The destination is an address of this host.
    own: bool,
    /// Destination address and port behind NAT, where it differs.
    translated: Option<(String, Option<u128>)>,
    /// Devices that it leaves by, and `lo` for packets of this host.
    devices: Vec<String>,
}

/// All candidates for the traffic of these walks (the first is the packet that was asked about).
pub(super) fn all(ground: Ground, traces: &[Trace]) -> Vec<Candidate> {
    let Some(traffic) = traffic(ground, traces) else { return Vec::new() };
    let nft = !has_iptables(ground.world.model, traffic.v6);
    let mut out = Vec::new();
    for (table, hook, priority) in PLACES {
        for (way, device) in ways(&traffic, table, *hook) {
            let commands = if nft {
                nft_commands(&traffic, (table, *hook, *priority), way, device.as_deref())
            } else {
                vec![iptables_command(&traffic, (table, *hook), way, device.as_deref())]
            };
            let place = Place { table: (*table).to_string(), chain: hook.name().to_uppercase() };
            out.push(Candidate::plain(commands, place, way));
        }
    }
    out
}

/// Whether the host's own dialect for a family is iptables.
pub(super) fn has_iptables(model: &Model, v6: bool) -> bool {
    let family = if v6 { Family::Ip6 } else { Family::Ip };
    let of_family = model.tables.iter().any(|t| t.dialect != Dialect::Nft && t.family == family);
    of_family || model.tables.iter().all(|t| t.dialect != Dialect::Nft)
}

fn traffic(ground: Ground, traces: &[Trace]) -> Option<Traffic> {
    let first = traces.first()?;
    let (start, end) = (&first.start, translated(first));
    let changed =
        end.value(Field::Daddr) != start.value(Field::Daddr) || end.value(Field::Dport) != start.value(Field::Dport);
    let mut devices: Vec<String> = traces
        .iter()
        .flat_map(|t| &t.events)
        .filter_map(|e| match e {
            Event::Write { field: Field::Oif, new, .. } => {
                new.value().filter(|v| *v != 0).map(|v| device_name(v).to_string())
            }
            _ => None,
        })
        .collect();
    devices.sort_unstable();
    devices.dedup();
    let daddr = to_address(start.or_zero(Field::Daddr), start.family());
    Some(Traffic {
        own: ground.world.host.is_local(daddr, &mut Vec::new()).unwrap_or(false),
        v6: start.family() == 10,
        proto: protocol_name(start.or_zero(Field::Proto)),
        port: start.value(Field::Dport),
        daddr: daddr.to_string(),
        translated: changed
            .then(|| (to_address(end.or_zero(Field::Daddr), end.family()).to_string(), end.value(Field::Dport))),
        devices,
    })
}

/// The packet with the destination that NAT gave it.
pub(super) fn translated(trace: &Trace) -> Packet {
    trace.last_packet()
}

/// The ways to name the traffic that make sense in a place, with the device for [`Way::PortBy`].
fn ways(traffic: &Traffic, table: &str, hook: Hook) -> Vec<(Way, Option<String>)> {
    let mut out = vec![(Way::Original, None)];
    if hook == Hook::Prerouting && traffic.own && traffic.port.is_some() {
        out.push((Way::OwnPort, None));
    }
    if table != "raw" && traffic.port.is_some() {
        out.push((Way::Conntrack, None));
    }
    if traffic.translated.is_none() {
        return out;
    }
    out.push((Way::Pod, None));
    if traffic.port.is_some() {
        out.push((Way::Port, None));
        if matches!(hook, Hook::Forward | Hook::Output | Hook::Postrouting) {
            out.extend(traffic.devices.iter().map(|d| (Way::PortBy, Some(d.clone()))));
        }
    }
    out
}

fn iptables_command(traffic: &Traffic, (table, hook): (&str, Hook), way: Way, device: Option<&str>) -> String {
    let program = if traffic.v6 { "ip6tables" } else { "iptables" };
    let proto = if traffic.proto == "icmpv6" { "ipv6-icmp" } else { &traffic.proto };
    let table = if table == "filter" { String::new() } else { format!("-t {table} ") };
    let (addr, port) = traffic.translated.clone().unwrap_or((traffic.daddr.clone(), traffic.port));
    let dport = |p: Option<u128>| p.map(|p| format!(" --dport {p}")).unwrap_or_default();
    let matches = match way {
        Way::Original if traffic.port.is_none() => format!("-d {} -p {proto}", traffic.daddr),
        Way::Original => format!("-p {proto}{}", dport(traffic.port)),
        Way::OwnPort => format!("-p {proto}{} -m addrtype --dst-type LOCAL", dport(traffic.port)),
        Way::Conntrack => format!("-p {proto} -m conntrack --ctorigdstport {}", traffic.port.unwrap_or(0)),
        Way::Pod => format!("-d {addr} -p {proto}{}", dport(port)),
        Way::PortBy => format!("-o {} -p {proto}{}", device.unwrap_or("lo"), dport(port)),
        _ => format!("-p {proto}{}", dport(port)),
    };
    format!("{program} {table}-I {} {matches} -j DROP", hook.name().to_uppercase())
}

/// nft: a table of our own, so that no owner of another one overwrites it.
fn nft_commands(
    traffic: &Traffic,
    (table, hook, priority): (&str, Hook, i32),
    way: Way,
    device: Option<&str>,
) -> Vec<String> {
    let (family, ip) = if traffic.v6 { ("ip6", "ip6") } else { ("ip", "ip") };
    let proto = &traffic.proto;
    let chain = format!("{table}-{}", hook.name());
    let (addr, port) = traffic.translated.clone().unwrap_or((traffic.daddr.clone(), traffic.port));
    let dport = |p: Option<u128>| p.map_or_else(|| format!("meta l4proto {proto}"), |p| format!("{proto} dport {p}"));
    let matches = match way {
        Way::Original if traffic.port.is_none() => format!("{ip} daddr {} meta l4proto {proto}", traffic.daddr),
        Way::Original => dport(traffic.port),
        Way::OwnPort => format!("fib daddr type local {}", dport(traffic.port)),
        Way::Conntrack => format!("meta l4proto {proto} ct original proto-dst {}", traffic.port.unwrap_or(0)),
        Way::Pod => format!("{ip} daddr {addr} {}", dport(port)),
        Way::PortBy => format!("oifname \"{}\" {}", device.unwrap_or("lo"), dport(port)),
        _ => dport(port),
    };
    vec![
        format!("nft add table {family} guard"),
        format!("nft add chain {family} guard {chain} '{{ type filter hook {} priority {priority}; }}'", hook.name()),
        format!("nft add rule {family} guard {chain} {matches} drop"),
    ]
}

/// Whether the place is a chain that a program keeps for itself.
pub(super) fn owned(labels: &Labels, model: &Model, place: &Place) -> bool {
    let chains = (0..model.chains.len() as u32).map(crate::model::ChainId);
    chains.into_iter().any(|c| {
        let here = model.chain_name(c) == place.chain && model.name(model.table_of(c).name) == place.table;
        here && labels.owner(c).is_some()
    })
}

/// Owners that keep the chain in order, or put their jumps in front of what others insert.
pub(super) fn warnings(labels: &Labels, model: &Model, candidate: &Candidate) -> Vec<String> {
    if matches!(candidate.way, Way::Owner | Way::Host) {
        return Vec::new();
    }
    let place = &candidate.place;
    if candidate.way == Way::Member {
        let set = (0..model.sets.len() as u32)
            .map(crate::model::SetId)
            .find(|s| model.set(*s).name.is_some_and(|n| model.name(n) == place.chain));
        let label = set.and_then(|s| labels.set(s));
        return label.map(|l| format!("this set is {l}: its owner fills it again when it syncs")).into_iter().collect();
    }
    let chains = (0..model.chains.len() as u32).map(crate::model::ChainId);
    let here =
        chains.filter(|c| model.chain_name(*c) == place.chain && model.name(model.table_of(*c).name) == place.table);
    let mut out = Vec::new();
    for chain in here {
        out.extend(labels.rewrites(chain));
        for rule in model.chain(chain).rules.iter() {
            let owner = crate::graph::jumps(model, rule).next().and_then(|c| labels.owner(c));
            if let Some(owner) = owner.filter(|o| TOP.contains(o) && labels.owner(chain) != Some(o)) {
                let text = format!("{owner} puts its jump in front of it again when it syncs");
                if !out.contains(&text) {
                    out.push(text);
                }
            }
        }
    }
    out
}

/// Owners that insert their jumps at the top of built-in filter chains again and again.
const TOP: &[&str] = &["kube-router", "Docker", "kube-proxy", "Calico"];

/// What cannot be done.
pub(super) fn notes(model: &Model) -> Vec<String> {
    let nat = model.tables.iter().any(|t| model.name(t.name) == "nat" && t.dialect != Dialect::Nft);
    nat.then(|| "nat PREROUTING -j DROP is refused by iptables: the nat table is not for filtering".to_string())
        .into_iter()
        .collect()
}
