//! Reads `conntrack -L`, and connections as a packet's JSON has them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_engine::host::{connections, connections_of_json};
use nettrace_engine::state::State;
use nettrace_fuzz::{place, source};
use nettrace_grammar::Sources;

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let (conns, diagnostics) = connections(&source(&mut sources, text));
    place(&sources, &diagnostics);
    let json = serde_json::from_str(text).ok().and_then(|json| connections_of_json(&json).ok());
    let mut state = State::default();
    for conn in conns.into_iter().chain(json.into_iter().flatten()) {
        state.conns.insert(conn);
    }
});
