//! Lowers what it reads as iptables, ip6tables, nft and ipset dumps into one model, and walks packets through it.
//!
//! Inputs are separated by a form feed; the first character of each says what it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_fuzz::walks::Bench;

fuzz_target!(|text: &str| {
    let mut bench = Bench::default();
    for piece in text.split('\x0c') {
        let Some((kind, rest)) = piece.split_at_checked(1) else { continue };
        bench.read(kind.as_bytes()[0], rest);
    }
    bench.walk_some();
});
