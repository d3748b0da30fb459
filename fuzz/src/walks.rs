//! Dumps to a model and a host, and packets through them.

use nettrace_engine::World;
use nettrace_engine::explore::{Pins, explore};
use nettrace_engine::host::{Family as HostFamily, Host, Part, Parts};
use nettrace_engine::lower::{iptables as xt, nft as nf};
use nettrace_engine::model::{Dialect, Family, Model};
use nettrace_engine::sets;
use nettrace_engine::spec::{PacketSpec, ProtoName, complete, connections};
use nettrace_engine::state::State;
use nettrace_engine::walk::walk;
use nettrace_grammar::{Source, Sources, ipset, iptables, nft};

use crate::{place, source};

/// What is read of a host.
#[derive(Clone, Default)]
pub struct Bench {
    /// The texts.
    pub sources: Sources,
    /// The rules.
    pub model: Model,
    /// What is known of the host besides.
    pub parts: Parts,
}

impl Bench {
    /// Reads a dump; `kind` says what it is.
    pub fn read(&mut self, kind: u8, text: &str) {
        let source = source(&mut self.sources, text);
        let diagnostics = match kind % 12 {
            0 => self.rules(&source, Family::Ip, Dialect::Legacy),
            1 => self.rules(&source, Family::Ip, Dialect::IptablesNft),
            2 => self.rules(&source, Family::Ip6, Dialect::Legacy),
            3 | 4 => nf::lower(&nft::parse(&source).tree, &mut self.model),
            5 => sets::lower(&ipset::parse(&source).0, &mut self.model),
            6 => self.parts.read(Part::Addresses, &source),
            7 => self.parts.read(Part::Routes(None), &source),
            8 => self.parts.read(Part::Rules(HostFamily::V4), &source),
            9 => self.parts.read(Part::Links, &source),
            10 => self.parts.read(Part::BridgeLinks, &source),
            _ => self.parts.read(Part::Sysctls, &source),
        };
        place(&self.sources, &diagnostics);
    }

    fn rules(&mut self, source: &Source, family: Family, dialect: Dialect) -> Vec<nettrace_grammar::Diagnostic> {
        xt::lower(&iptables::parse(source).0, xt::Options { family, dialect }, &mut self.model)
    }

    /// Walks a packet, in four ways at most.
    pub fn walk(&self, spec: &PacketSpec) {
        let host = Host::new(self.parts.clone());
        let world = World { model: &self.model, host: &host };
        let Ok(start) = complete(spec, world) else { return };
        let state = State { conns: connections(spec).unwrap_or_default(), ..State::default() };
        explore(4, &Pins::default(), |ask| walk(world, &start, &mut state.clone(), ask));
    }

    /// Walks packets that arrive and packets that are made here.
    pub fn walk_some(&self) {
        for (family, origin, proto, dport) in
            [("ip", "client", 6, Some(80)), ("ip", "node", 17, Some(53)), ("ip6", "client", 58, None)]
        {
            let (family, origin) = (Some(family.to_string()), Some(origin.to_string()));
            let proto = Some(ProtoName::Number(proto));
            self.walk(&PacketSpec { family, origin, proto, dport, ..PacketSpec::default() });
        }
    }
}
