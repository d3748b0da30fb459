//! The traffic that a candidate is walked with: the packet from every origin, and bystanders that it might catch too.
//!
//! Origins of a NodePort's packet: a remote client, this host by 127.0.0.1 and by its address, a pod. Bystanders: the same
//! service by its cluster address, the pod reached directly, other pods behind the same port, other hosts' port.

use std::net::IpAddr;

use rustc_hash::FxHashSet;

use crate::field::{Field, device_name, to_address};
use crate::graph;
use crate::host::RouteKind;
use crate::model::{ChainId, Effect, Expr, ExprId, Model, NatKind, Op, RuleId};
use crate::packet::Packet;
use crate::spec::{PacketSpec, ProtoName, Start, complete};
use crate::trace::{Event, Trace};

use super::candidates::translated;
use super::{Ground, Want};
use crate::explain::names::Labels;
use crate::explain::whynot::writer;

/// A packet to walk, with a name for it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who sends it.
    pub name: String,
    /// The packet.
    pub start: Start,
}

/// What all packets have in common.
fn spec(packet: &Packet) -> PacketSpec {
    PacketSpec {
        proto: Some(ProtoName::Number(packet.or_zero(Field::Proto) as u8)),
        dport: packet.value(Field::Dport).and_then(|p| u16::try_from(p).ok()),
        icmp_type: packet.value(Field::IcmpType).and_then(|t| u8::try_from(t).ok()),
        daddr: Some(to_address(packet.or_zero(Field::Daddr), packet.family()).to_string()),
        ..PacketSpec::default()
    }
}

fn origin(ground: Ground, name: &str, spec: &PacketSpec) -> Option<Origin> {
    let start = complete(spec, ground.world).ok()?;
    Some(Origin { name: name.to_string(), start })
}

/// The packet that was asked about, and the same from the other origins.
pub(super) fn origins(ground: Ground, start: &Start, labels: &Labels) -> Vec<Origin> {
    let common = spec(&start.packet);
    let daddr = to_address(start.packet.or_zero(Field::Daddr), start.packet.family());
    let own = own_address(ground, daddr);
    let target = if daddr.is_loopback() { own } else { Some(daddr) };
    let local = |addr: IpAddr| PacketSpec {
        origin: Some("node".to_string()),
        saddr: (addr.is_loopback() || Some(addr) == own).then(|| addr.to_string()),
        daddr: Some(addr.to_string()),
        ..common.clone()
    };
    let from = |saddr: Option<IpAddr>| PacketSpec {
        saddr: saddr.map(|a| a.to_string()),
        daddr: target.map(|d| d.to_string()),
        ..common.clone()
    };
    let asked = |name: String| Origin { name, start: start.clone() };
    let remote = origin(ground, "a remote client", &from(None));
    let device = |s: &Start| s.packet.value(Field::Iif);
    let outside = remote.as_ref().and_then(|r| device(&r.start));
    let is_remote = !start.local && (device(start) == outside || remote.is_none());
    let mut out = Vec::new();
    out.extend(if is_remote { Some(asked("a remote client".to_string())) } else { remote });
    if own.is_some() && (own == target || target.is_none()) {
        let loopback: IpAddr =
            if daddr.is_ipv6() { std::net::Ipv6Addr::LOCALHOST.into() } else { std::net::Ipv4Addr::LOCALHOST.into() };
        let name = format!("this host, to {loopback}");
        let same = start.local && daddr == loopback;
        out.extend(if same { Some(asked(name)) } else { origin(ground, &name, &local(loopback)) });
    }
    if let Some(addr) = target {
        let name = format!("this host, to {addr}");
        let same = start.local && daddr == addr;
        out.extend(if same { Some(asked(name)) } else { origin(ground, &name, &local(addr)) });
    }
    if !start.local && !is_remote {
        let saddr = to_address(start.packet.or_zero(Field::Saddr), start.packet.family());
        out.push(asked(inside(labels, saddr, device(start))));
    } else if let Some(addr) = target {
        let all = pods(ground, addr);
        let own = start_target(ground, start);
        // Best one that no service leads to: a packet that was lost early does not tell which pod it was for.
        let serves = |p: &IpAddr| dnats(ground.world.model).any(|(_, a, _)| a == *p);
        let other = |p: &&IpAddr| Some(**p) != own;
        let free = all.iter().filter(other).find(|p| !serves(p));
        let pod = free.or_else(|| all.iter().find(other)).or(all.first()).copied();
        let from_pod = pod.and_then(|p| Some((p, origin(ground, "", &from(Some(p)))?)));
        out.extend(from_pod.map(|(p, o)| Origin { name: inside(labels, p, device(&o.start)), ..o }));
    }
    out
}

/// The same with the packet that was asked about as the first.
pub(super) fn this_packet_first(ground: Ground, start: &Start, labels: &Labels) -> Vec<Origin> {
    let mut all = origins(ground, start, labels);
    all.retain(|o| o.start.packet != start.packet || o.start.local != start.local);
    all.insert(0, Origin { name: "this packet".to_string(), start: start.clone() });
    all
}

/// A sender behind a device that is not the one to the outside: a pod where something here runs pods.
fn inside(labels: &Labels, addr: IpAddr, device: Option<u128>) -> String {
    const PODS: &[&str] =
        &["kube-proxy", "kube-router", "Calico", "OVN-Kubernetes", "CRI-O", "portmap", "Cilium", "flannel"];
    let owners = labels.owners();
    let virtual_device = device.map(device_name).is_some_and(|d| {
        let kind = ["veth", "cali", "cni", "lxc", "br", "docker", "kube-bridge", "ovn"];
        kind.iter().any(|k| d.starts_with(k))
    });
    match device.map(device_name) {
        _ if owners.iter().any(|o| PODS.contains(o)) => format!("a pod ({addr})"),
        _ if virtual_device => format!("a container ({addr})"),
        Some(device) => format!("a host behind {device} ({addr})"),
        None => addr.to_string(),
    }
}

/// The pod that the packet is for, after NAT.
fn start_target(ground: Ground, start: &Start) -> Option<IpAddr> {
    let mut state = ground.state.clone();
    let run = |ask: &mut dyn crate::fact::Chooser| crate::walk::walk(ground.world, start, &mut state, ask);
    let end = crate::explore::explore(1, ground.pins, run).list.into_iter().next()?.result.last_packet();
    Some(to_address(end.or_zero(Field::Daddr), end.family()))
}

/// The address of this host that the packet goes to, or that stands for 127.0.0.1 outside.
fn own_address(ground: Ground, daddr: IpAddr) -> Option<IpAddr> {
    let mine = ground.world.host.parts().addresses.iter().flatten();
    if !daddr.is_loopback() {
        return mine.map(|a| a.ip).find(|a| *a == daddr);
    }
    let family = if daddr.is_ipv6() { "ip6" } else { "ip" };
    let any = PacketSpec { family: Some(family.to_string()), dport: Some(1), ..PacketSpec::default() };
    let found = complete(&any, ground.world).ok()?.packet;
    Some(to_address(found.or_zero(Field::Daddr), found.family()))
}

/// Pods on this host: NAT targets that are reached by another device than remote clients are.
fn pods(ground: Ground, towards: IpAddr) -> Vec<IpAddr> {
    let device = |saddr: Option<IpAddr>| {
        let spec = PacketSpec {
            saddr: saddr.map(|a| a.to_string()),
            daddr: Some(towards.to_string()),
            dport: Some(1),
            ..PacketSpec::default()
        };
        complete(&spec, ground.world).ok().and_then(|s| s.packet.value(Field::Iif))
    };
    let outside = device(None);
    let mut seen = FxHashSet::default();
    let targets = dnats(ground.world.model).filter(|(_, a, _)| a.is_ipv4() == towards.is_ipv4() && seen.insert(*a));
    let mine = |a: &IpAddr| ground.world.host.parts().addresses.iter().flatten().any(|own| own.ip == *a);
    // Pods without a service are known by the routes to single addresses, or as neighbours.
    let routes =
        if towards.is_ipv4() { &ground.world.host.parts().routes4 } else { &ground.world.host.parts().routes6 };
    let single = routes
        .iter()
        .flatten()
        .filter(|r| r.kind == RouteKind::Unicast && r.dst.prefix_len() == r.dst.max_prefix_len());
    let neighbours = ground.world.host.parts().neighbours.iter().flatten().map(|n| n.ip);
    let others = single.map(|r| r.dst.addr()).chain(neighbours).filter(|a| a.is_ipv4() == towards.is_ipv4());
    targets
        .map(|(_, a, _)| a)
        .chain(others)
        .take(400)
        .filter(|a| !mine(a))
        .filter(|a| device(Some(*a)).is_some_and(|d| Some(d) != outside))
        .take(8)
        .collect()
}

/// All rules in force that translate to a constant address, with address and port.
fn dnats(model: &Model) -> impl Iterator<Item = (RuleId, IpAddr, Option<u16>)> + '_ {
    let constant = |e: ExprId| match model.expr(e) {
        Expr::Const(v) => Some(v),
        _ => None,
    };
    let nat = move |rule: RuleId| {
        let ops = model.rule_ops(rule);
        let Some(Op::Effect(id)) = ops.last() else { return None };
        let Effect::Nat(nat) = model.effect(*id) else { return None };
        let addr = constant(nat.addr?.0).filter(|_| nat.kind == NatKind::Dnat)?;
        let v6 =
            model.table_of(model.rule(rule).chain).family == crate::model::Family::Ip6 || addr > u128::from(u32::MAX);
        let port = nat.port.and_then(|p| constant(p.0)).and_then(|p| u16::try_from(p).ok());
        Some((rule, to_address(addr, if v6 { 10 } else { 2 }), port))
    };
    model.chains.iter().flat_map(|c| c.rules.iter()).filter_map(nat)
}

/// Other traffic that a candidate might catch, or let pass.
pub(super) fn bystanders(ground: Ground, start: &Start, traces: &[Trace], labels: &Labels, want: Want) -> Vec<Origin> {
    let mut out = Vec::new();
    let Some(trace) = traces.first() else { return out };
    let common = spec(&start.packet);
    let model = ground.world.model;
    let daddr = to_address(start.packet.or_zero(Field::Daddr), start.packet.family());
    let end = translated(trace);
    let pod = to_address(end.or_zero(Field::Daddr), end.family());
    let port = end.value(Field::Dport).and_then(|p| u16::try_from(p).ok());
    let client = pods(ground, daddr).into_iter().find(|p| *p != pod).map(|p| p.to_string());
    let mut add = |name: String, saddr: Option<String>, daddr: IpAddr, dport: Option<u16>| {
        let spec = PacketSpec { saddr, daddr: Some(daddr.to_string()), dport, ..common.clone() };
        out.extend(origin(ground, &name, &spec));
    };
    if let Some(rule) = translator(model, trace) {
        add(format!("connections straight to {pod}:{}", port.unwrap_or(0)), client.clone(), pod, port);
        for (addr, p) in entrances(model, model.rule(rule).chain, start).into_iter().take(4) {
            add(format!("the same service at {addr}:{p}"), client.clone(), addr, Some(p));
        }
        let others = dnats(model).filter(|(_, a, p)| *p == port && *a != pod && a.is_ipv4() == pod.is_ipv4());
        for (rule, addr, _) in others.take(1) {
            let label = labels.chain(model.rule(rule).chain).map(|l| format!(" ({l})")).unwrap_or_default();
            add(format!("other pods behind port {}{label}", port.unwrap_or(0)), client.clone(), addr, port);
        }
        add(format!("port {} of other hosts, forwarded here", common.dport.unwrap_or(0)), None, pod, common.dport);
    }
    let saddr = to_address(start.packet.or_zero(Field::Saddr), start.packet.family());
    if want == Want::Accept && !start.local {
        add(format!("other senders, to {daddr}"), None, daddr, common.dport);
        let other = common.dport.map(|p| if p == 4321 { 4322 } else { 4321 });
        let from = |p: u16| format!("other ports of {daddr} (say {p})");
        if let Some(p) = other {
            add(from(p), Some(saddr.to_string()), daddr, other);
        }
    }
    out
}

/// The rule that gave the packet its new destination.
fn translator(model: &Model, trace: &Trace) -> Option<RuleId> {
    let wrote = |e: &Event| matches!(e, Event::Write { field: Field::Daddr | Field::Dport, .. });
    (0..trace.events.len()).filter(|i| wrote(&trace.events[*i])).find_map(|i| writer(model, trace, i))
}

/// Addresses and ports of rules that lead to a chain from above: a service's other addresses.
fn entrances(model: &Model, chain: ChainId, start: &Start) -> Vec<(IpAddr, u16)> {
    let callers = graph::callers(model);
    let (mut todo, mut seen, mut out) = (vec![chain], FxHashSet::from_iter([chain]), Vec::new());
    while let Some(at) = todo.pop() {
        for rule in callers.get(&at).map_or(&[][..], Vec::as_slice) {
            match (model.wanted(*rule, Field::Daddr), model.wanted(*rule, Field::Dport)) {
                (Some(addr), Some(port)) => {
                    let entry = (to_address(addr, start.packet.family()), port as u16);
                    if !out.contains(&entry) {
                        out.push(entry);
                    }
                }
                (None, Some(_)) => {}
                _ if seen.insert(model.rule(*rule).chain) => todo.push(model.rule(*rule).chain),
                _ => {}
            }
        }
    }
    let (daddr, dport) = (start.packet.value(Field::Daddr), start.packet.value(Field::Dport));
    out.retain(|(a, p)| Some(crate::field::address(*a)) != daddr || Some(u128::from(*p)) != dport);
    out
}
