//! Lowers what it reads as iptables, ip6tables, nft and ipset dumps into one model, and walks packets through it.
//!
//! Inputs are separated by a form feed; the first character of each says what it is. Twenty outcomes at most are explored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_engine::World;
use nettrace_engine::fact::{Pins, explore};
use nettrace_engine::host::{Host, Part, Parts};
use nettrace_engine::lower::{iptables as xt, nft as nf};
use nettrace_engine::model::{Dialect, Family, Model};
use nettrace_engine::sets;
use nettrace_engine::spec::{PacketSpec, complete};
use nettrace_engine::state::State;
use nettrace_engine::walk::walk;
use nettrace_grammar::{Source, Sources, ipset, iptables, nft};

fn read(kind: u8, source: &Source, model: &mut Model, parts: &mut Parts) {
    let mut rules = |family, dialect| {
        xt::lower(&iptables::parse(source).0, xt::Options { family, dialect }, model);
    };
    match kind % 8 {
        0 => rules(Family::Ip, Dialect::Legacy),
        1 => rules(Family::Ip, Dialect::IptablesNft),
        2 => rules(Family::Ip6, Dialect::Legacy),
        3 | 4 => {
            nf::lower(&nft::parse(source).tree, model);
        }
        5 => {
            sets::lower(&ipset::parse(source).0, model);
        }
        6 => {
            parts.read(Part::Addresses, source);
        }
        _ => {
            parts.read(Part::Routes(None), source);
        }
    }
}

fuzz_target!(|text: &str| {
    let (mut sources, mut model, mut parts) = (Sources::default(), Model::default(), Parts::default());
    for piece in text.split('\x0c') {
        let Some(kind) = piece.bytes().next() else { continue };
        let Some(rest) = piece.get(1..) else { continue };
        let Ok(source) = sources.add("fuzz", rest).cloned() else { return };
        read(kind, &source, &mut model, &mut parts);
    }
    let host = Host::new(parts);
    let world = World { model: &model, host: &host };
    for (family, origin) in [("ip", "client"), ("ip", "node"), ("ip6", "client")] {
        let spec = PacketSpec { family: Some(family.into()), origin: Some(origin.into()), dport: Some(80), ..PacketSpec::default() };
        let Ok(start) = complete(&spec, world) else { continue };
        explore(20, &Pins::default(), |ask| walk(world, &start, &mut State::default(), ask));
    }
});
