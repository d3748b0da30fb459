//! Lexes, parses and prints nft text. What prints must be a fixed point: printed text parses without an error and prints the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_grammar::{Sources, nft};

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let Ok(source) = sources.add("fuzz", text).cloned() else { return };
    nft::count_tokens(&source);
    let first = nft::parse(&source);
    for d in &first.diagnostics {
        sources.locate(d.span);
    }
    if !first.diagnostics.is_empty() {
        return;
    }
    let mut printed = String::new();
    nft::print::print(&first.tree, &mut printed);
    let Ok(again) = sources.add("printed", printed.clone()).cloned() else { return };
    let second = nft::parse(&again);
    assert!(second.diagnostics.is_empty(), "printed text has errors: {:?}\n{printed:?}", second.diagnostics);
    let mut twice = String::new();
    nft::print::print(&second.tree, &mut twice);
    assert_eq!(printed, twice);
});
