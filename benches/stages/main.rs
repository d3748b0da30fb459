//! How long each stage takes, next to a memchr scan of the same bytes: scan, lex, parse, lower and walk, run in turns; and
//! how much memory what is read takes.
//!
//!     cargo bench --bench stages              100,000 rules
//!     cargo bench --bench stages -- 1000000   and the growth from a tenth of that
//!     cargo bench --bench stages -- walk      only packets a second
//!
//! Prints medians and ratios: machines differ, and a shared one drifts; the ratios stay. Each figure that
//! docs/performance.md promises has a line with its floor and goal; a floor that is missed ends the run with status 1.

// A benchmark prints its figures.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

#[allow(dead_code)]
#[path = "../dumps/mod.rs"]
mod dumps;
mod table;
mod walk;

use std::process::ExitCode;
use std::time::Duration;

use dumps::Size;
use nettrace_engine::lower::nft as lower_nft;
use nettrace_engine::model::{Contents, Model};
use nettrace_grammar::iptables::tree::Item;
use nettrace_grammar::{Source, Sources, Span, ipset, iptables, nft};
use table::{Figures, growth, interleaved, ratio, report, time};

/// Entries of sets that memory is measured with.
const ENTRIES: usize = 1_000_000;

fn source(sources: &mut Sources, text: String) -> &Source {
    sources.add("bench", text).expect("a benchmark's input fits the position space")
}

fn lines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

/// Parses a dump and reads every word of every rule, as lowering does.
fn parse_words(source: &Source) -> usize {
    let (tree, _) = iptables::parse(source);
    let words = |(item, _): (Item, Span)| match item {
        Item::Rule(rule) => tree.words(rule.words).map(|w| w.text.len()).sum(),
        _ => 0,
    };
    tree.items.iter().map(words).sum()
}

/// The times of parsing a dump with all its words, of lexing it and of scanning it.
fn measure_iptables(title: &str, text: String) -> [Duration; 3] {
    let mut sources = Sources::default();
    let source = source(&mut sources, text);
    let tree = iptables::parse(source).0;
    let rows = interleaved(&[
        ("memchr", Box::new(|| lines(&source.text))),
        ("lex", Box::new(|| iptables::count_tokens(source))),
        ("lines", Box::new(|| iptables::parse(source).1.len())),
        ("parse", Box::new(|| parse_words(source))),
        ("lower", Box::new(|| walk::lowered(&tree).rules.len())),
    ]);
    report(title, source.text.len(), source.text.matches("\n-A ").count(), &rows);
    ["parse", "lex", "memchr"].map(|name| time(&rows, name))
}

fn measure_nft(title: &str, text: String, units: usize) -> [Duration; 2] {
    let mut sources = Sources::default();
    let source = source(&mut sources, text);
    let tree = nft::parse(source).tree;
    let lower = || {
        let mut model = Model::default();
        lower_nft::lower(&tree, &mut model);
        model.rules.len()
    };
    let rows = interleaved(&[
        ("memchr", Box::new(|| lines(&source.text))),
        ("lex", Box::new(|| nft::count_tokens(source))),
        ("parse", Box::new(|| nft::parse(source).diagnostics.len())),
        ("lower", Box::new(lower)),
    ]);
    report(title, source.text.len(), units, &rows);
    ["parse", "lex"].map(|name| time(&rows, name))
}

fn measure_ipset(title: &str, text: String) {
    let mut sources = Sources::default();
    let source = source(&mut sources, text);
    let tree = ipset::parse(source).0;
    let rows = interleaved(&[
        ("memchr", Box::new(|| lines(&source.text))),
        ("lex", Box::new(|| ipset::count_tokens(source))),
        ("parse", Box::new(|| ipset::parse(source).1.len())),
        ("lower", Box::new(|| lowered_sets(&tree).sets.len())),
    ]);
    report(title, source.text.len(), lines(&source.text), &rows);
}

fn lowered_sets(tree: &ipset::Tree) -> Model {
    let mut model = Model::default();
    nettrace_engine::sets::lower(tree, &mut model);
    model
}

/// Bytes that a tree's lines and a model of kube-proxy's rules take, the latter by how the process grows: measured first, while
/// nothing that was freed is used again.
fn measure_memory(figures: &mut Figures, rules: usize) {
    let mut sources = Sources::default();
    let dump = source(&mut sources, dumps::kube(Size::Rules(rules)));
    let tree = iptables::parse(dump).0;
    figures.at_most("kube-proxy, tree: bytes a rule", tree.items.bytes() as f64 / rules as f64, 200.0, 130.0);
    let (model, bytes) = growth(|| walk::lowered(&tree));
    println!("{:<52} {:>12.2}", "kube-proxy, model: bytes a rule", bytes as f64 / model.rules.len().max(1) as f64);
}

/// Bytes that the entries of ipsets take in the model, as the sets themselves tell it.
fn measure_set_memory(figures: &mut Figures) {
    let mut sources = Sources::default();
    let dump = source(&mut sources, dumps::policies(ENTRIES).1);
    let model = lowered_sets(&ipset::parse(dump).0);
    let sets = model.sets.iter().filter_map(|s| if let Contents::Ipset(set) = &s.contents { Some(set) } else { None });
    let (bytes, entries) = sets.fold((0, 0), |(bytes, entries), s| (bytes + s.bytes(), entries + s.len()));
    figures.at_most("a million ipset entries, model: bytes an entry", bytes as f64 / entries as f64, 16.0, 6.0);
}

fn main() -> ExitCode {
    let n = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(100_000);
    let mut figures = Figures::default();
    if !std::env::args().any(|a| a == "walk") {
        measure_reading(&mut figures, n);
    }
    walk::measure(&mut figures);
    if figures.missed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything up to the model, and how much memory it takes.
fn measure_reading(figures: &mut Figures, n: usize) {
    measure_memory(figures, n);
    measure_set_memory(figures);
    let small = measure_iptables("kube-proxy, a tenth", dumps::kube(Size::Rules(n / 10)));
    let [parse, lex, scan] = measure_iptables("kube-proxy", dumps::kube(Size::Rules(n)));
    figures.at_most("kube-proxy, parse: x memchr", ratio(parse, scan), 60.0, 30.0);
    figures.at_most("kube-proxy, parse: x lex", ratio(parse, lex), 6.0, 3.0);
    figures.at_most("kube-proxy, parse: growth for 10 times the rules", ratio(parse, small[0]), 15.0, 12.0);
    measure_iptables("one flat chain", dumps::flat(n));
    let [parse, lex] = measure_nft("one flat nft chain", dumps::flat_nft(n), n);
    figures.at_most("one flat nft chain, parse: x lex", ratio(parse, lex), 8.0, 4.0);
    measure_nft("kube-proxy in nftables mode", dumps::kube_nft(Size::Services(n / 10)), n);
    measure_nft("large nft sets", dumps::sets_nft(n), n);
    measure_ipset("ipset save", dumps::policies(n).1);
}
