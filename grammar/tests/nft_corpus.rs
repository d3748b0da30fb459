//! The nft listings and files of `../shared/corpus`: valid ones parse without an error, canonical ones print back byte for
//! byte, all others reach a fixed point.
//!
//! Left out: JSON listings, and meaning.

#![allow(clippy::print_stdout)] // The figures are the report.

use std::path::{Path, PathBuf};

use nettrace_grammar::nft::{self, Parsed};
use nettrace_grammar::{Severity, Sources};

/// An include is refused, not misread.
const REFUSED_INCLUDE: &str = "NT202";

fn corpus() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if dir.is_dir() {
        return Some(dir);
    }
    println!("skipped: {} is not there", dir.display());
    None
}

fn read(text: &str) -> (Parsed, Vec<String>) {
    let mut sources = Sources::default();
    let parsed = nft::parse(sources.add("t", text).expect("small"));
    let errors = parsed
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error && d.code != REFUSED_INCLUDE)
        .map(|d| {
            let at = sources.locate(d.span).map_or_else(String::new, |l| l.to_string());
            let line = at.split(':').nth(1).and_then(|l| l.parse().ok()).unwrap_or(1);
            let line = sources.line_span("t", line).map_or("", |s| sources.text(s));
            format!("{at}: {} | {}", d.message, line.trim())
        })
        .collect();
    (parsed, errors)
}

fn printed(parsed: &Parsed) -> String {
    let mut out = String::new();
    nft::print::print(&parsed.tree, &mut out);
    out
}

/// Path, `nft_valid` and the suffixes of the canonical forms of each nft text in the manifest.
fn listed(dir: &Path) -> Vec<(PathBuf, bool, String)> {
    let manifest = std::fs::read_to_string(dir.join("MANIFEST.tsv")).expect("the manifest");
    let mut found = Vec::new();
    for line in manifest.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [path, _, _, format, _, _, _, _, valid, _, _, _, canonical, ..] = columns[..] else { continue };
        let text = format.starts_with("nft list") || format.starts_with("nft script") || format.starts_with("nft -a");
        if text && !path.to_ascii_lowercase().ends_with("json") && !format.contains("fragment") {
            found.push((dir.join(path), valid == "yes", canonical.to_owned()));
        }
    }
    found
}

fn canonicals(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            canonicals(&path, found);
        } else if path.to_string_lossy().ends_with(".canonical.nft") {
            found.push(path);
        }
    }
}

#[test]
fn canonical_listings_print_back_byte_for_byte() {
    let Some(dir) = corpus() else { return };
    let mut files = Vec::new();
    canonicals(&dir, &mut files);
    files.sort();
    let mut bad = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("utf-8");
        let (parsed, errors) = read(&text);
        let out = printed(&parsed);
        if !errors.is_empty() {
            bad.push(format!("{}: {}", file.display(), errors[0]));
        } else if out != text {
            let differs = text.lines().zip(out.lines()).find(|(a, b)| a != b);
            bad.push(format!("{}: {differs:?}", file.display()));
        }
    }
    println!("canonical listings: {} of {} identical", files.len() - bad.len(), files.len());
    assert!(bad.is_empty(), "{} of {}:\n{}", bad.len(), files.len(), bad.join("\n"));
}

#[test]
fn valid_files_parse_and_reach_a_fixed_point() {
    let Some(dir) = corpus() else { return };
    let (mut valid, mut other, mut other_ok, mut bad) = (0, 0, 0, Vec::new());
    let mut newer = Vec::new();
    for (path, is_valid, _) in listed(&dir) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let (parsed, errors) = read(&text);
        let once = printed(&parsed);
        let (again, _) = read(&once);
        let twice = printed(&again);
        if once != twice {
            let differs = once.lines().zip(twice.lines()).find(|(a, b)| a != b);
            bad.push(format!("{}: no fixed point: {differs:?}", path.display()));
        }
        if is_valid {
            valid += 1;
            if let Some(e) = errors.first() {
                bad.push(format!("{}: {e}", path.display()));
            }
        } else {
            other += 1;
            other_ok += usize::from(errors.is_empty());
            newer.extend(errors.first().map(|e| format!("{}: {e}", path.display())));
        }
    }
    println!("valid files: {valid}; others: {other_ok} of {other} without an error\n{}", newer.join("\n"));
    assert!(bad.is_empty(), "{}:\n{}", bad.len(), bad.join("\n"));
}

/// One line of a `.t` list, `RULE;ok[;LISTED]`: the rule and how it is listed, `-` for as it stands.
fn test_line(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.split(';');
    let (rule, verdict, listed) = (parts.next()?, parts.next()?.trim(), parts.next());
    let skipped = rule.starts_with(['#', '*', ':', '!', '?', '-', '%']);
    (verdict == "ok" && !skipped && !rule.is_empty()).then_some((rule, listed.unwrap_or("-")))
}

#[test]
fn rules_of_the_upstream_lists_parse_and_print_as_listed() {
    let Some(dir) = corpus() else { return };
    let (mut rules, mut unread, mut other) = (0, Vec::new(), Vec::new());
    for entry in std::fs::read_dir(dir.join("B-nft/nftables-upstream-py")).expect("the lists").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "t") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("utf-8");
        for (rule, listed) in text.lines().filter_map(test_line) {
            rules += 1;
            let listed = if listed == "-" { rule } else { listed };
            for text in [rule, listed] {
                let (parsed, errors) = read(&format!("table ip t {{\n\tchain c {{\n\t\t{text}\n\t}}\n}}\n"));
                if let Some(e) = errors.first() {
                    unread.push(format!("{}: {e}", path.file_name().unwrap_or_default().display()));
                    break;
                }
                let out = parsed.tree.rules.last().map_or_else(String::new, |r| nft::print::rule_text(&parsed.tree, r));
                // The lists are not strict about blanks inside braces.
                let tight = |t: &str| t.replace(' ', "");
                if text == listed && tight(&out) != tight(listed) {
                    other.push(format!("{listed} | {out}"));
                }
            }
        }
    }
    println!("upstream lists: {rules} rules, {} unread, {} printed otherwise", unread.len(), other.len());
    println!("{}\n{}", unread.join("\n"), other.join("\n"));
    assert!(unread.is_empty() && other.is_empty(), "{} rules unread", unread.len());
}
