//! The candidates for letting a packet pass: whatever dropped it, undone in every way that there is.
//!
//! An ACCEPT in front of what dropped it, in the base chain and in the chain of the rule; the owner's own command; an entry
//! of a set; the rule or the policy gone; and where the stack itself refused, a sysctl or a route. An ACCEPT ends its own
//! base chain only: where the next one drops the packet too, the candidate goes on with a remedy for that.

use crate::explain::names::{Labels, Wish};
use crate::field::{Field, device_name, protocol_name, to_address};
use crate::model::{ChainId, Dialect, Family, Hook, Model, RuleId, Verdict};
use crate::packet::Packet;
use crate::trace::{By, Event, Fate, Trace};

use super::bench::{Bench, Trial, passes};
use super::candidates::{Candidate, Place, Way};
use super::probe::Origin;
use super::{Ground, host, members};

/// How many things that drop a packet one candidate may undo.
const DEEPEST: usize = 4;

/// All candidates for the packet.
pub(super) fn all(ground: Ground, bench: &mut Bench, origin: &Origin, labels: &Labels) -> Vec<Candidate> {
    let Some(trace) = blocked(bench, origin) else { return Vec::new() };
    let found = remedies(ground, labels, &trace);
    found.into_iter().filter_map(|c| extended(bench, (origin, &trace), c)).collect()
}

/// The most likely walk in which the packet is lost.
fn blocked(bench: &Bench, origin: &Origin) -> Option<Trace> {
    bench.walks(&origin.start).into_iter().map(|(there, _)| there).find(|t| !passes(&t.fate()))
}

/// A candidate, with what else it takes until the packet passes; as it is when it undoes nothing, or nothing more helps.
fn extended(bench: &mut Bench, (origin, before): (&Origin, &Trace), mut candidate: Candidate) -> Option<Candidate> {
    let mut fate = before.fate();
    for _ in 1..DEEPEST {
        // Rules that the candidate added are in the way now: what is next is asked of the rules as they are then.
        let next = bench.with(&candidate.trials, |b| {
            let rest = blocked(b, origin)?;
            let more = remedies(b.ground(), &Labels::build(b.ground().world.model), &rest);
            Some((rest.fate(), more))
        })?;
        let Some((rest, mut more)) = next else { return Some(candidate) };
        if std::mem::replace(&mut fate, rest.clone()) == rest {
            return Some(candidate);
        }
        more.sort_by_key(|c| (c.way != candidate.way, c.way));
        let Some(next) = more.into_iter().find(|c| !candidate.trials.iter().any(|t| c.trials.contains(t))) else {
            return Some(candidate);
        };
        candidate.commands.extend(next.commands);
        candidate.trials.extend(next.trials);
        candidate.walked.extend(next.walked);
        candidate.way = candidate.way.max(next.way);
    }
    Some(candidate)
}

/// What could undo the end of a walk.
fn remedies(ground: Ground, labels: &Labels, trace: &Trace) -> Vec<Candidate> {
    let model = ground.world.model;
    let Fate::Drop { by, .. } = trace.fate() else { return host::all(ground, trace) };
    let (base, rule) = match by {
        By::Rule { base, rule, .. } => (base, Some(rule)),
        By::Policy(base) => (base, None),
    };
    let enter = trace.events.iter().rposition(|e| matches!(e, Event::Enter(b) if *b == base));
    let packet = trace.packet_at(enter.unwrap_or(0));
    let mut out = owners(labels, trace, &packet, rule);
    out.extend(members::all(ground.world, trace));
    let mut chains = vec![(base, rule.filter(|r| model.rule(*r).chain == base))];
    chains.extend(rule.filter(|r| model.rule(*r).chain != base).map(|r| (model.rule(r).chain, Some(r))));
    for (chain, before) in chains {
        for way in [Way::Pod, Way::Conntrack, Way::Port] {
            let at = before.and_then(|r| model.position(r));
            if let Some(command) = command(model, chain, &packet, (way, &trace.start), at) {
                out.push(Candidate::plain(vec![command], place(model, chain), way));
            }
        }
    }
    out.push(match rule {
        Some(rule) => removal(model, rule),
        None => Candidate::plain(vec![policy(model, base)], place(model, base), Way::Policy),
    });
    out
}

fn place(model: &Model, chain: ChainId) -> Place {
    let table = model.name(model.table_of(chain).name).to_string();
    Place { table, chain: model.chain_name(chain).to_string() }
}

/// What the owners of the chains that were entered would type.
fn owners(labels: &Labels, trace: &Trace, packet: &Packet, rule: Option<RuleId>) -> Vec<Candidate> {
    let mut entered: Vec<ChainId> = Vec::new();
    for event in &trace.events {
        match event {
            Event::Enter(chain) => entered.push(*chain),
            Event::Rule { verdict: Verdict::Jump(chain) | Verdict::Goto(chain), .. } => entered.push(*chain),
            _ => {}
        }
    }
    let family = packet.family();
    let device = |f| packet.value(f).filter(|v| *v != 0).map(|v| device_name(v).to_string());
    let wish = Wish {
        hook: trace.hook_at(trace.events.len().saturating_sub(1)).unwrap_or(Hook::Input),
        proto: protocol_name(packet.or_zero(Field::Proto)),
        port: packet.value(Field::Dport).and_then(|p| u16::try_from(p).ok()),
        saddr: to_address(packet.or_zero(Field::Saddr), family),
        daddr: to_address(packet.or_zero(Field::Daddr), family),
        iif: device(Field::Iif),
        oif: device(Field::Oif),
        entered,
        dropper: rule,
    };
    let offered = labels.opens(&wish).into_iter();
    let one = |(chain, o): (ChainId, crate::explain::names::Opening)| Candidate {
        trials: o.rules.iter().cloned().map(Trial::Command).collect(),
        walked: if o.rules == o.commands { Vec::new() } else { o.rules },
        commands: o.commands,
        place: place(labels.model(), chain),
        way: Way::Owner,
    };
    offered.map(one).collect()
}

/// The rule that dropped it taken out.
fn removal(model: &Model, rule: RuleId) -> Candidate {
    let (chain, place) = (model.rule(rule).chain, place(model, model.rule(rule).chain));
    let table = model.table_of(chain);
    let number = model.position(rule).unwrap_or(0);
    if table.dialect != Dialect::Nft {
        let command = format!("{}-D {} {number}", iptables(table.family, &place.table), place.chain);
        return Candidate::plain(vec![command], place, Way::Remove);
    }
    let path = format!("{} {} {}", table.family.name(), place.table, place.chain);
    let handle = model.rule(rule).handle;
    let delete = |handle: &str| format!("nft delete rule {path} handle {handle}");
    let commands = if handle == 0 {
        vec![format!("nft -a list chain {path}   # shows the handle of rule {number}"), delete("HANDLE")]
    } else {
        vec![delete(&handle.to_string())]
    };
    let walked = vec![format!("without rule {number} of {path}")];
    Candidate { commands, trials: vec![Trial::Remove(rule)], walked, place, way: Way::Remove }
}

/// The base chain's policy turned round.
fn policy(model: &Model, base: ChainId) -> String {
    let (table, place) = (model.table_of(base), place(model, base));
    if table.dialect == Dialect::Nft {
        return format!("nft add chain {} {} {} '{{ policy accept; }}'", table.family.name(), place.table, place.chain);
    }
    format!("{}-P {} ACCEPT", iptables(table.family, &place.table), place.chain)
}

/// `ip6tables -t mangle `.
fn iptables(family: Family, table: &str) -> String {
    let program = if family == Family::Ip6 { "ip6tables" } else { "iptables" };
    let table = if table == "filter" { String::new() } else { format!("-t {table} ") };
    format!("{program} {table}")
}

/// The command that accepts the packet in a chain: by address and port, by the port it was sent to, or by port alone.
fn command(
    model: &Model,
    chain: ChainId,
    packet: &Packet,
    (way, start): (Way, &Packet),
    at: Option<u32>,
) -> Option<String> {
    let table = model.table_of(chain);
    let (family, name) = (packet.family(), model.name(table.name));
    let proto = protocol_name(packet.or_zero(Field::Proto));
    let addr = |f| to_address(packet.or_zero(f), family).to_string();
    let (dport, sent_to) = (packet.value(Field::Dport), start.value(Field::Dport));
    let useless = match way {
        Way::Port => dport.is_none(),
        Way::Conntrack => sent_to.is_none() || sent_to == dport || name == "raw",
        _ => false,
    };
    if useless || table.family == Family::Bridge {
        return None;
    }
    let sent_to = sent_to.unwrap_or(0);
    if table.dialect == Dialect::Nft {
        let ip = if family == 10 { "ip6" } else { "ip" };
        let port = dport.map_or_else(|| format!("meta l4proto {proto}"), |p| format!("{proto} dport {p}"));
        let named = match way {
            Way::Pod => format!("{ip} saddr {} {ip} daddr {} {port}", addr(Field::Saddr), addr(Field::Daddr)),
            Way::Conntrack => format!("meta l4proto {proto} ct original proto-dst {sent_to}"),
            _ => port,
        };
        let place = format!("{} {name} {}", table.family.name(), model.chain_name(chain));
        let index = at.filter(|n| *n > 1).map(|n| format!("index {} ", n - 1)).unwrap_or_default();
        return Some(format!("nft insert rule {place} {index}{named} accept"));
    }
    let proto = if proto == "icmpv6" { "ipv6-icmp" } else { &proto };
    let port = dport.map(|p| format!(" --dport {p}")).unwrap_or_default();
    let iif = packet.value(Field::Iif).filter(|v| *v != 0).map(|v| format!("-i {} ", device_name(v)));
    let named = match way {
        Way::Pod => {
            format!("{}-s {} -d {} -p {proto}{port}", iif.unwrap_or_default(), addr(Field::Saddr), addr(Field::Daddr))
        }
        Way::Conntrack => format!("-p {proto} -m conntrack --ctorigdstport {sent_to}"),
        _ => format!("-p {proto}{port}"),
    };
    let number = at.map(|n| format!(" {n}")).unwrap_or_default();
    let program = iptables(table.family, name);
    Some(format!("{program}-I {}{number} {named} -j ACCEPT", model.chain_name(chain)))
}
