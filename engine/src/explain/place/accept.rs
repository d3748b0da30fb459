//! The candidates for letting a packet pass: an ACCEPT in front of what drops it, named by what the packet is there.
//!
//! Where several base chains drop it, accepting in one is not enough (an ACCEPT ends its own base chain only); the walk
//! of the candidate tells, and the candidates for all of them together are tried too.

use crate::field::{Field, device_name, protocol_name, to_address};
use crate::model::{ChainId, Dialect, Family, Model};
use crate::packet::Packet;
use crate::trace::{By, Event, Fate, Trace};

use super::candidates::{Candidate, Place, Way};
use super::{Ground, dropper};

/// All candidates for the packet of these walks.
pub(super) fn all(ground: Ground, traces: &[Trace]) -> Vec<Candidate> {
    let Some(trace) = traces.first() else { return Vec::new() };
    let model = ground.world.model;
    let Some((base, at)) = dropped_at(model, trace) else { return Vec::new() };
    let packet = trace.packet_at(at);
    let mut out = Vec::new();
    for chain in [Some(base), rule_chain(model, trace)].into_iter().flatten() {
        if out.iter().any(|c: &Candidate| c.place.chain == model.chain_name(chain)) {
            continue;
        }
        for (way, device) in [(Way::Pod, true), (Way::Port, false)] {
            let Some(command) = command(model, chain, &packet, (way, device), position(model, trace, chain)) else {
                continue;
            };
            let table = model.name(model.table_of(chain).name).to_string();
            let place = Place { table, chain: model.chain_name(chain).to_string() };
            out.push(Candidate { commands: vec![command], place, way });
        }
    }
    out
}

/// The base chain that dropped the packet, and the event.
fn dropped_at(model: &Model, trace: &Trace) -> Option<(ChainId, usize)> {
    let Fate::Drop { by, .. } = trace.fate() else { return None };
    let base = match by {
        By::Rule { base, .. } | By::Policy(base) => base,
    };
    let _ = model;
    let at = trace.events.iter().rposition(|e| matches!(e, Event::Enter(b) if *b == base))?;
    Some((base, at))
}

fn rule_chain(model: &Model, trace: &Trace) -> Option<ChainId> {
    dropper(trace).map(|(rule, _)| model.rule(rule).chain)
}

/// The number of the rule that dropped, when it stands in `chain`: the ACCEPT goes in front of it.
fn position(model: &Model, trace: &Trace, chain: ChainId) -> Option<u32> {
    let (rule, _) = dropper(trace)?;
    (model.rule(rule).chain == chain).then(|| model.position(rule)).flatten()
}

/// The command that accepts the packet in a chain: by address and port, or by port alone.
fn command(
    model: &Model,
    chain: ChainId,
    packet: &Packet,
    (way, narrow): (Way, bool),
    at: Option<u32>,
) -> Option<String> {
    let table = model.table_of(chain);
    let (family, name) = (packet.family(), model.name(table.name));
    let proto = protocol_name(packet.or_zero(Field::Proto));
    let addr = |f| to_address(packet.or_zero(f), family).to_string();
    let dport = packet.value(Field::Dport);
    if way == Way::Port && dport.is_none() {
        return None;
    }
    if table.dialect == Dialect::Nft {
        let ip = if family == 10 { "ip6" } else { "ip" };
        let port = dport.map_or_else(|| format!("meta l4proto {proto}"), |p| format!("{proto} dport {p}"));
        let who = if narrow {
            format!("{ip} saddr {} {ip} daddr {} ", addr(Field::Saddr), addr(Field::Daddr))
        } else {
            String::new()
        };
        let place = format!("{} {name} {}", table.family.name(), model.chain_name(chain));
        let index = at.filter(|n| *n > 1).map(|n| format!("index {} ", n - 1)).unwrap_or_default();
        return Some(format!("nft insert rule {place} {index}{who}{port} accept"));
    }
    let program = if table.family == Family::Ip6 { "ip6tables" } else { "iptables" };
    let table_flag = if name == "filter" { String::new() } else { format!("-t {name} ") };
    let port = dport.map(|p| format!(" --dport {p}")).unwrap_or_default();
    let who = if narrow { format!("-s {} -d {} ", addr(Field::Saddr), addr(Field::Daddr)) } else { String::new() };
    let iif = packet.value(Field::Iif).filter(|v| *v != 0 && narrow).map(|v| format!("-i {} ", device_name(v)));
    let number = at.map(|n| format!(" {n}")).unwrap_or_default();
    let place = format!("{}{number}", model.chain_name(chain));
    Some(format!("{program} {table_flag}-I {place} {}{who}-p {proto}{port} -j ACCEPT", iif.unwrap_or_default()))
}
