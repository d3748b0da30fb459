//! Turns `nft -j list ruleset` into the listing that it stands for, and lowers that.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_engine::lower::{nft as nf, nft_json};
use nettrace_engine::model::Model;
use nettrace_fuzz::{place, source};
use nettrace_grammar::{Sources, nft};

fuzz_target!(|text: &str| {
    let Some(listing) = nft_json::listing(text) else { return };
    let mut sources = Sources::default();
    let parsed = nft::parse(&source(&mut sources, &listing));
    place(&sources, &parsed.diagnostics);
    place(&sources, &nf::lower(&parsed.tree, &mut Model::default()));
});
