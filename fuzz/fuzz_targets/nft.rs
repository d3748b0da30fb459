//! Lexes, parses and prints nft text. What prints without an error must be a fixed point.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_fuzz::{fixed_point, place, source};
use nettrace_grammar::{Diagnostic, Source, Sources, nft};

fn parse(source: &Source) -> (Vec<Diagnostic>, String) {
    let parsed = nft::parse(source);
    let mut printed = String::new();
    nft::print::print(&parsed.tree, &mut printed);
    (parsed.diagnostics, printed)
}

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let source = source(&mut sources, text);
    nft::count_tokens(&source);
    let (diagnostics, printed) = parse(&source);
    place(&sources, &diagnostics);
    if diagnostics.is_empty() {
        fixed_point(printed, parse);
    }
});
