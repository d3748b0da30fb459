//! Reads `ip addr`, `link`, `route`, `rule`, `neigh`, `bridge link`, `fdb` as text and JSON, and sysctls, and looks up in
//! what was read.
//!
//! Inputs are separated by a form feed; the first character of each says what it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_engine::host::{Family, Host, Part, Parts};
use nettrace_fuzz::walks::Bench;
use nettrace_fuzz::{place, source};

const PARTS: [Part; 10] = [
    Part::Addresses,
    Part::Links,
    Part::Routes(None),
    Part::Rules(Family::V4),
    Part::Neighbours,
    Part::BridgeLinks,
    Part::Fdb,
    Part::Sysctls,
    Part::Routes(Some(Family::V6)),
    Part::Rules(Family::V6),
];

fuzz_target!(|text: &str| {
    let mut bench = Bench { parts: Parts::default(), ..Bench::default() };
    for piece in text.split('\x0c') {
        let Some((kind, rest)) = piece.split_at_checked(1) else { continue };
        let source = source(&mut bench.sources, rest);
        let found = bench.parts.read(PARTS[usize::from(kind.as_bytes()[0]) % PARTS.len()], &source);
        place(&bench.sources, &found);
    }
    let host = Host::new(bench.parts.clone());
    host.is_loopback("lo");
    let _ = host.addresses_of("eth0", Family::V4);
    bench.walk_some();
});
