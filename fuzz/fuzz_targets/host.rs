//! Reads `ip -j addr`, `link`, `route`, `rule`, `neigh`, `bridge -j link`, `fdb` and sysctls, and looks up in what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_engine::host::{Family, Host, Part, Parts};
use nettrace_grammar::Sources;

const PARTS: [Part; 8] = [
    Part::Addresses,
    Part::Links,
    Part::Routes(None),
    Part::Rules(Family::V4),
    Part::Neighbours,
    Part::BridgeLinks,
    Part::Fdb,
    Part::Sysctls,
];

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let mut parts = Parts::default();
    // Inputs are separated by a form feed; the first character of each says what it is.
    for piece in text.split('\x0c') {
        let Some(kind) = piece.bytes().next() else { continue };
        if !piece.is_char_boundary(1) {
            continue;
        }
        let Ok(source) = sources.add("fuzz", &piece[1..]).cloned() else { return };
        parts.read(PARTS[usize::from(kind) % PARTS.len()], &source);
    }
    let host = Host::new(parts);
    host.is_loopback("lo");
    let _ = host.addresses_of("eth0", Family::V4);
});
