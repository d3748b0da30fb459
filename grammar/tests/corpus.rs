//! Every dump of `../shared/corpus` that the kernel's own tools accept is read without a diagnostic and prints back:
//! canonical listings byte for byte, others to a fixed point. Skipped where `../shared` is not there.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use nettrace_grammar::{Diagnostic, Severity, Source, Sources, ipset, iptables};

fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if path.join("MANIFEST.tsv").is_file() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// Name, text and format of every manifest row whose columns say that it is valid, and their canonical listings.
fn files(root: &Path, valid: &dyn Fn(&[&str]) -> bool, canonical: &[&str]) -> Vec<(String, String, bool)> {
    let manifest = fs::read_to_string(root.join("MANIFEST.tsv")).unwrap();
    let mut out = Vec::new();
    for row in manifest.lines().skip(1).map(|l| l.split('\t').collect::<Vec<_>>()) {
        if !valid(&row) {
            continue;
        }
        let mut add = |name: String, canonical: bool| {
            if let Ok(bytes) = fs::read(root.join(&name)) {
                out.push((name, String::from_utf8_lossy(&bytes).into_owned(), canonical));
            }
        };
        add(row[0].to_owned(), false);
        for suffix in canonical.iter().filter(|s| row[12].split(' ').any(|c| c == **s)) {
            add(format!("{}{suffix}", row[0]), true);
        }
    }
    out
}

fn source(name: &str, text: &str) -> Source {
    Sources::default().add(name, text).unwrap().clone()
}

/// Prints what `text` parses to, with the diagnostics.
type Round = fn(&str, &str) -> (String, Vec<Diagnostic>);

fn check(files: &[(String, String, bool)], round: Round) {
    let mut wrong = Vec::new();
    for (name, text, canonical) in files {
        let (once, diagnostics) = round(name, text);
        if let Some(d) = diagnostics.iter().find(|d| d.severity == Severity::Error) {
            let at = d.span.start as usize - 1;
            wrong.push(format!("{name}: {} near {:?}", d.message, text.get(at..(at + 60).min(text.len()))));
        } else if *canonical && once != *text {
            let line = once.lines().zip(text.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{name}: differs: {line:?}"));
        } else if round(name, &once).0 != once {
            wrong.push(format!("{name}: no fixed point"));
        }
    }
    let canonical = files.iter().filter(|f| f.2).count();
    println!("{} files, {canonical} of them canonical, {} wrong", files.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn iptables_dumps() {
    let Some(root) = corpus() else { return };
    let valid = |row: &[&str]| row[3].starts_with("iptables-save") && (row[6] == "yes" || row[7] == "yes");
    let files = files(&root, &valid, &[".canonical-nft.save", ".canonical-legacy-c.save"]);
    check(&files, |name, text| {
        let source = source(name, text);
        let (tree, diagnostics) = iptables::parse(&source);
        let mut out = String::new();
        iptables::print(&tree, &mut out);
        (out, diagnostics)
    });
}

#[test]
fn ipset_dumps() {
    let Some(root) = corpus() else { return };
    let files = files(&root, &|row| row[9] == "yes", &[".canonical.ipset"]);
    check(&files, |name, text| {
        let source = source(name, text);
        let (tree, diagnostics) = ipset::parse(&source);
        let mut out = String::new();
        ipset::print(&tree, &mut out);
        (out, diagnostics)
    });
}
