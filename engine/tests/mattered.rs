//! What mattered is all that mattered: a field that is not among what an answer depended on may have any value, and the
//! walk is the same, rule by rule. Held for every recorded packet of every sample.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{Sample, sample};
use nettrace_engine::explain::mattered::mattered;
use nettrace_engine::explore::{Pins, explore};
use nettrace_engine::fact::Chooser;
use nettrace_engine::field::{Field, Value, device};
use nettrace_engine::packet::Got;
use nettrace_engine::spec::Start;
use nettrace_engine::state::State;
use nettrace_engine::trace::{Event, Trace};
use nettrace_engine::walk::walk;

/// Fields that a packet brings along. Without the family and the protocol, which decide what other fields there are.
const BROUGHT: &[Field] = &[
    Field::Saddr,
    Field::Daddr,
    Field::Sport,
    Field::Dport,
    Field::Tos,
    Field::Ttl,
    Field::Length,
    Field::IpId,
    Field::FlowLabel,
    Field::TcpFlags,
    Field::TcpSeq,
    Field::TcpAck,
    Field::TcpWindow,
    Field::IcmpType,
    Field::IcmpCode,
    Field::IcmpId,
    Field::EtherSaddr,
    Field::EtherDaddr,
    Field::Mark,
    Field::Iif,
    Field::PhysIn,
    Field::SkUid,
    Field::SkGid,
    Field::Priority,
];

/// What happened, without values.
fn shape(trace: &Trace) -> Vec<String> {
    let told = |e: &Event| match e {
        Event::Hook(_) | Event::Enter(_) | Event::Rule { .. } | Event::Return { .. } | Event::Policy { .. } => {
            Some(format!("{e:?}"))
        }
        // Where to is a value of the packet's; by which device is not.
        Event::Route(d) => Some(format!("{d:?}")),
        Event::Fate(f) => Some(format!("{f:?}")),
        _ => None,
    };
    trace.events.iter().filter_map(told).collect()
}

fn run(s: &Sample, start: &Start) -> Trace {
    let go = |ask: &mut dyn Chooser| walk(s.world(), start, &mut State::default(), ask);
    explore(1, &Pins::default(), go).list.swap_remove(0).result
}

/// A generator that needs no crate: the next of a sequence (xorshift).
fn next(seed: &mut u64) -> Value {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    Value::from(*seed) << 64 | Value::from(seed.rotate_left(29))
}

/// Another value for a field.
fn other(s: &Sample, start: &Start, field: Field, seed: &mut u64) -> Value {
    let random = next(seed);
    match field {
        Field::Iif | Field::PhysIn => {
            let links: Vec<_> = s.parts.links.iter().flatten().collect();
            links.get(random as usize % links.len().max(1)).map_or(random & 0xff, |l| device(&l.name))
        }
        Field::Saddr | Field::Daddr if start.packet.family() == 2 => {
            nettrace_engine::field::address(std::net::Ipv4Addr::from(random as u32).into())
        }
        _ if field.bits() >= 128 => random,
        _ => random & ((1 << field.bits()) - 1),
    }
}

/// How many fields of a packet were changed.
fn unlisted_fields_are_free(s: &Sample, name: &str, packet: &str) -> usize {
    let start = s.start(packet);
    let trace = run(s, &start);
    let listed = mattered(s.world(), &trace).fields;
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut changed = 0;
    for field in BROUGHT.iter().filter(|f| !listed.contains(f) && matches!(start.packet.get(**f), Got::Value(_))) {
        for _ in 0..6 {
            let mut twin = start.clone();
            twin.packet.set(*field, other(s, &start, *field, &mut seed));
            let again = run(s, &twin);
            let value = field.print(twin.packet.or_zero(*field), start.packet.family());
            assert_eq!(shape(&trace), shape(&again), "{name}: {} as {value} changes the walk", field.name());
            changed += 1;
        }
    }
    changed
}

#[test]
fn a_field_that_did_not_matter_may_have_any_value() {
    for name in
        ["nodeport-drop", "k3s-netpol", "ignite-egress", "ipv6-nodeport", "firewalld-nft", "kube-proxy-nftables"]
    {
        let s = sample(name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples").join(name).join("packets");
        let mut packets: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        packets.sort();
        assert!(!packets.is_empty());
        for path in packets {
            let text = std::fs::read_to_string(&path).unwrap();
            let title = format!("{name}/{}", path.file_name().unwrap().to_string_lossy());
            // Not everything matters: ports, identification, sequence numbers and the like are free somewhere.
            assert!(unlisted_fields_are_free(&s, &title, &text) >= 12, "{title}: nearly everything is listed");
        }
    }
}
