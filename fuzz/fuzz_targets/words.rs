//! What people type: a packet as JSON, a rule as `--why-not` cites it, a command of `--with`; against samples' rules.
//!
//! The first character says which; a form feed separates several commands.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nettrace_engine::explain::rules;
use nettrace_engine::spec::PacketSpec;
use nettrace_engine::whatif;
use nettrace_fuzz::place;
use nettrace_fuzz::walks::Bench;

static SAMPLES: LazyLock<Bench> = LazyLock::new(|| {
    let mut bench = Bench::default();
    bench.read(5, include_str!("../../samples/nodeport-drop/ipset-save"));
    bench.read(0, include_str!("../../samples/nodeport-drop/iptables-save"));
    bench.read(3, include_str!("../../samples/firewalld-nft/nft-ruleset"));
    bench
});

/// Commands are carried out one after the other; what they leave must walk.
fn commands(text: &str) {
    let mut bench = SAMPLES.clone();
    for command in text.split('\x0c') {
        let Bench { sources, model, parts } = &mut bench;
        if let Err(found) = whatif::apply(model, parts, sources, command) {
            place(&bench.sources, &found);
        }
    }
    bench.walk_some();
}

fuzz_target!(|text: &str| {
    let Some((kind, rest)) = text.split_at_checked(1) else { return };
    match kind {
        "p" => {
            if let Ok(spec) = serde_json::from_str::<PacketSpec>(rest) {
                SAMPLES.walk(&spec);
            }
        }
        "w" => commands(rest),
        _ => {
            rules::find(&SAMPLES.model, &SAMPLES.sources, rest);
            rules::chains(&SAMPLES.model, rest);
        }
    }
});
