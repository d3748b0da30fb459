//! Loads a sample's dumps and walks its packets, as the command does, for tests of explanations.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};

use nettrace_engine::World;
use nettrace_engine::explore::{Outcomes, Pins, explore};
use nettrace_engine::host::{Family as HostFamily, Host, Part, Parts};
use nettrace_engine::lower;
use nettrace_engine::model::{Dialect, Family, Model};
use nettrace_engine::spec::{PacketSpec, Start, complete};
use nettrace_engine::state::State;
use nettrace_engine::trace::Trace;
use nettrace_engine::walk::walk;
use nettrace_grammar::{Sources, ipset, iptables, nft};

/// A host as dumped.
pub struct Sample {
    pub sources: Sources,
    pub model: Model,
    pub parts: Parts,
    pub host: Host,
}

/// A sample of this repository.
pub fn sample(name: &str) -> Sample {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples").join(name), "")
}

/// A shared scenario with a variant of its dumps (`.input-drop`); `None` where the scenarios are not there.
pub fn scenario(name: &str, variant: &str) -> Option<Sample> {
    let dir: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/scenarios").join(name);
    if !dir.is_dir() {
        println!("skipped: {} is not there", dir.display());
        return None;
    }
    Some(load(&dir, variant))
}

/// Loads a folder; a file `NAME.VARIANT` goes before `NAME`.
pub fn load(dir: &Path, variant: &str) -> Sample {
    let (mut sources, mut model, mut parts) = (Sources::default(), Model::default(), Parts::default());
    let mut text = |name: &str| {
        let path = [dir.join(format!("{name}{variant}")), dir.join(name)].into_iter().find(|p| p.is_file())?;
        let text = std::fs::read_to_string(path).unwrap();
        Some(sources.add(name, text).unwrap().clone())
    };
    if let Some(s) = text("ipset-save") {
        nettrace_engine::sets::lower(&ipset::parse(&s).0, &mut model);
    }
    for (name, family) in [("iptables-save", Family::Ip), ("ip6tables-save", Family::Ip6)] {
        if let Some(s) = text(name) {
            let tree = iptables::parse(&s).0;
            let dialect = lower::iptables::detect(&tree).1.unwrap_or(Dialect::Legacy);
            lower::iptables::lower(&tree, lower::iptables::Options { family, dialect }, &mut model);
        }
    }
    if let Some(s) = text("nft-ruleset") {
        lower::nft::lower(&nft::parse(&s).tree, &mut model);
    }
    for (name, part) in [
        ("ip-addr.json", Part::Addresses),
        ("ip-route.json", Part::Routes(Some(HostFamily::V4))),
        ("ip6-route.json", Part::Routes(Some(HostFamily::V6))),
        ("ip-rule.json", Part::Rules(HostFamily::V4)),
        ("ip6-rule.json", Part::Rules(HostFamily::V6)),
        ("ip-neigh.json", Part::Neighbours),
        ("bridge-link.json", Part::BridgeLinks),
        ("bridge-fdb.json", Part::Fdb),
        ("sysctl", Part::Sysctls),
    ] {
        if let Some(s) = text(name) {
            parts.read(part, &s);
        }
    }
    let host = Host::new(parts.clone());
    Sample { sources, model, parts, host }
}

impl Sample {
    pub fn world(&self) -> World<'_> {
        World { model: &self.model, host: &self.host }
    }

    /// A packet described as JSON.
    pub fn start(&self, json: &str) -> Start {
        let spec: PacketSpec = serde_json::from_str(json).unwrap();
        complete(&spec, self.world()).unwrap()
    }

    /// All outcomes of a packet.
    pub fn outcomes(&self, start: &Start) -> Outcomes<Trace> {
        explore(16, &Pins::default(), |ask| walk(self.world(), start, &mut State::default(), ask))
    }

    /// The most likely walk of a packet described as JSON.
    pub fn walk(&self, json: &str) -> Trace {
        self.outcomes(&self.start(json)).list.swap_remove(0).result
    }
}
