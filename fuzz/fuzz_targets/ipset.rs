//! Lexes, parses and prints `ipset save` and `ipset list` text. What prints must be a fixed point.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_fuzz::{fixed_point, place, source};
use nettrace_grammar::{Diagnostic, Source, Sources, ipset};

fn parse(source: &Source) -> (Vec<Diagnostic>, String) {
    let (tree, diagnostics) = ipset::parse(source);
    let mut printed = String::new();
    ipset::print(&tree, &mut printed);
    (diagnostics, printed)
}

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let source = source(&mut sources, text);
    ipset::count_tokens(&source);
    let (diagnostics, printed) = parse(&source);
    place(&sources, &diagnostics);
    fixed_point(printed, parse);
});
