//! Lexes, parses and prints `iptables-save` text. What prints must be a fixed point.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_fuzz::{fixed_point, place, source};
use nettrace_grammar::{Diagnostic, Source, Sources, iptables};

fn parse(source: &Source) -> (Vec<Diagnostic>, String) {
    let (tree, diagnostics) = iptables::parse(source);
    let mut printed = String::new();
    iptables::print(&tree, &mut printed);
    (diagnostics, printed)
}

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let source = source(&mut sources, text);
    iptables::count_tokens(&source);
    let (diagnostics, printed) = parse(&source);
    place(&sources, &diagnostics);
    fixed_point(printed, parse);
});
