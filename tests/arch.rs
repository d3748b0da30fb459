//! The dependency rules of docs/ARCHITECTURE.md, held by reading the four manifests and the sources.
//!
//! Example of what it refuses: `clap = "4"` in engine/Cargo.toml, or `std::fs::read` in engine/src/host/mod.rs. Test code inside a
//! source file (from `#[cfg(test)]` on) may do what it likes; comments and documentation are not read.

// A test's helpers fail like the test itself.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file without its tests that still passes; the aim is 400 lines.
const LONGEST: usize = 550;
/// Above this a file is named in the test's output.
const LONG: usize = 400;

struct Package {
    dir: &'static str,
    /// The project's own packages it may use.
    may_use: &'static [&'static str],
    /// Crates it must not use.
    never: &'static [&'static str],
    /// Words that must not stand in its sources.
    absent: &'static [&'static str],
}

const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::env::",
    "std::process::",
    "std::net::Tcp",
    "std::net::Udp",
    "SystemTime::now",
    "Instant::now",
    "println!",
    "print!",
    "dbg!",
    "static mut",
];

const PACKAGES: &[Package] = &[
    Package {
        dir: "grammar",
        may_use: &[],
        never: &["ipnet", "petgraph", "serde_json", "serde", "clap", "ratatui", "crossterm"],
        absent: OUTSIDE,
    },
    Package {
        dir: "engine",
        may_use: &["nettrace-grammar"],
        never: &["clap", "ratatui", "crossterm"],
        absent: OUTSIDE,
    },
    Package {
        dir: "tui",
        may_use: &["nettrace-engine"],
        never: &["clap", "lalrpop-util", "logos", "petgraph"],
        absent: &["nettrace_grammar", "std::fs", "engine::walk::walk(", "explore("],
    },
    Package {
        dir: "",
        may_use: &["nettrace-grammar", "nettrace-engine", "nettrace-tui"],
        never: &["lalrpop-util", "logos"],
        absent: &["static mut", "dbg!"],
    },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names under `[dependencies]` (not those for tests and build scripts).
fn dependencies(dir: &str) -> Vec<String> {
    let text =
        fs::read_to_string(root().join(dir).join("Cargo.toml")).expect("a manifest of this repository can be read");
    let section = text.split("\n[dependencies]\n").nth(1).unwrap_or("");
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split(['.', ' ', '=']).next()?.to_owned())).filter(|n| !n.is_empty()).collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources(dir: &str) -> Vec<PathBuf> {
    rust_files(&root().join(dir).join("src"))
}

/// The lines of a source file without its tests.
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a source of this repository can be read");
    text.lines().take_while(|line| !line.trim_start().starts_with("#[cfg(test)]")).map(str::to_owned).collect()
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|c| c.as_os_str() == "tests") || path.file_name().is_some_and(|n| n == "tests.rs")
}

#[test]
fn dependencies_run_one_way() {
    for package in PACKAGES {
        for name in dependencies(package.dir) {
            let own = name.starts_with("nettrace-");
            assert!(!own || package.may_use.contains(&name.as_str()), "{}/ must not use {name}", package.dir);
            assert!(!package.never.contains(&name.as_str()), "{}/ must not use the crate {name}", package.dir);
        }
    }
}

#[test]
fn only_the_command_touches_the_outside() {
    for package in PACKAGES {
        for path in sources(package.dir).iter().filter(|p| !is_test_file(p)) {
            for (n, line) in code(path).iter().enumerate() {
                let line = line.split("//").next().unwrap_or("");
                for word in package.absent {
                    assert!(!line.contains(word), "{}:{}: `{word}` has no place here", path.display(), n + 1);
                }
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    for package in PACKAGES {
        for path in sources(package.dir) {
            let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            let lines = code(&path);
            assert!(lines.first().is_some_and(|l| l.starts_with("//!")), "{name} does not open with `//!`");
            if is_test_file(&path) {
                continue;
            }
            assert!(lines.len() <= LONGEST, "{name} has {} lines: split it", lines.len());
            if lines.len() > LONG {
                println!("long: {name} has {} lines", lines.len());
            }
        }
    }
}

/// What must stay short or stay out: the architecture is readable in one sitting and never links line numbers.
#[test]
fn the_architecture_is_written_down() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 200, "docs/ARCHITECTURE.md is longer than 200 lines");
    assert!(text.matches("Architecture Invariant:").count() >= 8);
    for package in PACKAGES.iter().filter(|p| !p.dir.is_empty()) {
        assert!(text.contains(&format!("`{}/`", package.dir)), "docs/ARCHITECTURE.md does not name {}/", package.dir);
    }
}

/// Files and folders that the page names in full exist; a name without a slash is looked up in the editor.
#[test]
fn the_architecture_names_files_that_exist() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let named = text.split('`').skip(1).step_by(2);
    let paths: Vec<_> = named.filter(|p| p.contains('/') && !p.contains(['{', ' ']) && !p.starts_with('/')).collect();
    assert!(paths.len() > 10, "the page names its files: {paths:?}");
    for path in paths {
        let places = ["", "engine/src", "grammar/src", "tui/src", "tests"].map(|dir| root().join(dir).join(path));
        assert!(places.iter().any(|place| place.exists()), "docs/ARCHITECTURE.md names `{path}`, which is not there");
    }
}
