//! The generated parts of the reference: the tables of iptables' extensions, of nft and of limits equal what the code
//! says, and every code of a diagnostic has its line.
//!
//! `UPDATE_DOCS=1 cargo test --test reference` writes the table.

// A test's helpers fail like the test itself.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use nettrace_engine::limits;
use nettrace_engine::lower::iptables::registry::{self, For, Kind, Status};
use nettrace_engine::lower::nft;

const HEAD: &str = "# Matches and targets of iptables\n\nEvery extension of iptables 1.8.9, as the registry has it. \
    *computed*: its effect follows from packet, host and state.\n*assumed*: it needs input that is often missing; a \
    declared default stands in, or a fact is asked for.\n*text*: it is kept as text, a fact to ask for.\n";

fn status(status: Status) -> &'static str {
    match status {
        Status::Full => "computed",
        Status::Assumed => "assumed",
        Status::Opaque => "text",
    }
}

fn families(families: For) -> &'static str {
    match families {
        For::Both => "",
        For::V4 => "IPv4",
        For::V6 => "IPv6",
    }
}

fn section(title: &str, kind: Kind, out: &mut String) {
    let _ = write!(out, "\n## {title}\n\n| name | | status | options | note |\n|---|---|---|---|---|\n");
    let mut rows: Vec<_> = registry::table().into_iter().filter(|r| r.kind == kind).collect();
    rows.sort_by_key(|r| (r.name.to_ascii_lowercase(), families(r.families)));
    for row in rows {
        let options: Vec<_> = row.options.iter().map(|o| format!("`{o}`")).collect();
        let (options, family) = (options.join(" "), families(row.families));
        let _ = writeln!(out, "| {} | {family} | {} | {options} | {} |", row.name, status(row.status), row.note);
    }
}

/// The page is `text`; with `UPDATE_DOCS` it is written first.
fn is_written(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "{page}: run `UPDATE_DOCS=1 cargo test --test reference`");
}

#[test]
fn the_table_of_extensions_is_the_registrys() {
    let mut table = HEAD.to_owned();
    section("Matches", Kind::Match, &mut table);
    section("Targets", Kind::Target, &mut table);
    is_written("docs/reference/extensions.md", &table);
}

const NFT_HEAD: &str = "# Expressions and statements of nft\n\nEverything that is understood of nft's language, as the registries \
    have it; the words *computed*, *assumed* and\n*text* mean what they mean for [iptables](extensions.md).\n";

#[test]
fn the_table_of_nft_is_the_registrys() {
    let mut table = NFT_HEAD.to_owned();
    for (title, statements) in [("Expressions", false), ("Statements", true)] {
        let _ = write!(table, "\n## {title}\n\n| form | status | note |\n|---|---|---|\n");
        for c in nft::constructs().into_iter().filter(|c| c.statement == statements) {
            let status = match c.status {
                nft::Status::Computed => "computed",
                nft::Status::Assumed => "assumed",
                nft::Status::Text => "text",
            };
            let _ = writeln!(table, "| `{}` | {status} | {} |", c.form.replace('|', "\\|"), c.note.replace('|', "\\|"));
        }
    }
    is_written("docs/reference/nft.md", &table);
}

/// Adds the codes in the string literals of a folder's sources.
fn codes(folder: &Path, out: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            codes(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            out.extend(text.split('"').filter(|s| s.len() == 5 && s.starts_with("NT")).map(str::to_owned));
        }
    }
}

#[test]
fn every_code_has_its_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reference/diagnostics.md")).unwrap();
    let mut all = BTreeSet::new();
    for folder in ["grammar/src", "engine/src", "src"] {
        codes(&root.join(folder), &mut all);
    }
    assert!(all.len() > 20, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|c| !page.contains(&format!("`{c}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

const CLI_HEAD: &str = "# Every flag\n\nWhat `nettrace help COMMAND` prints.\n";

#[test]
fn every_flag_has_its_line() {
    let help = |words: &[&str]| {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_nettrace")).args(words).output().unwrap();
        assert!(run.status.success(), "{words:?}");
        String::from_utf8(run.stdout).unwrap().lines().map(str::trim_end).fold(String::new(), |all, l| all + l + "\n")
    };
    let mut page = CLI_HEAD.to_owned();
    for command in ["explain", "step", "replay", "chains", "lesson", "completions", "man"] {
        let _ = write!(page, "\n## nettrace {command}\n\n```text\n{}\n```\n", help(&["help", command]).trim_end());
    }
    let _ = write!(page, "\n## nettrace\n\n```text\n{}\n```\n", help(&["help"]).trim_end());
    is_written("docs/reference/cli.md", &page);
}

const LIMITS_HEAD: &str = "# Limits\n\nInputs are not trusted: a dump may be broken, or made to do harm. Every limit is a constant in \
    `engine/src/limits.rs` (those of\nthe parsers in `grammar/src/limits.rs`), and `tests/limits.rs` hits it. What is within the \
    limits is not lost when something else is not.\n\n| limit | value | of | when it is hit |\n|---|---|---|---|\n";
const LIMITS_FOOT: &str = "\nBesides: a file of a folder must be a regular file (a named one may be a pipe: `nettrace explain \
    <(iptables-save)`). Compressed\nfiles and UTF-16 are refused with the command that converts them; a byte order mark is skipped; \
    bytes that are no UTF-8 are shown\nas U+FFFD. Included files are not read, and JSON may nest 128 deep. Time has no limit of its \
    own: it is bounded by the rules and events\nthat are looked at.\n";

#[test]
fn the_page_of_limits_is_the_table() {
    let mut page = LIMITS_HEAD.to_owned();
    for l in limits::ALL {
        let _ = writeln!(page, "| `{}` | {} | {} | {} |", l.name, l.value, l.of, l.then);
    }
    is_written("docs/reference/limits.md", &(page + LIMITS_FOOT));
}
