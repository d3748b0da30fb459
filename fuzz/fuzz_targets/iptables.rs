//! Lexes, parses and prints `iptables-save` text. What prints must be a fixed point: printed text parses without an error and prints the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_grammar::{Sources, iptables};

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let Ok(source) = sources.add("fuzz", text).cloned() else { return };
    iptables::count_tokens(&source);
    let (tree, diagnostics) = iptables::parse(&source);
    for d in &diagnostics {
        sources.locate(d.span);
    }
    let mut printed = String::new();
    iptables::print(&tree, &mut printed);
    let Ok(again) = sources.add("printed", printed.clone()).cloned() else { return };
    let (tree, diagnostics) = iptables::parse(&again);
    assert!(diagnostics.is_empty(), "printed text has errors: {diagnostics:?}\n{printed:?}");
    let mut twice = String::new();
    iptables::print(&tree, &mut twice);
    assert_eq!(printed, twice);
});
