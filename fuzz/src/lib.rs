//! What the targets share: pieces of an input, a scratch folder, and what must hold of everything that is printed.
//!
//! An input is text in pieces, separated by form feeds, so that a seed is a dump (or a few) with a word in front.

pub mod walks;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use nettrace_grammar::{Diagnostic, Severity, Source, Sources};

/// A text as a source of its own.
pub fn source(sources: &mut Sources, text: &str) -> Source {
    sources.add("fuzz", text).cloned().expect("a fuzzer's input is smaller than 4 GiB")
}

/// Diagnostics have places, and can be drawn.
pub fn place(sources: &Sources, diagnostics: &[Diagnostic]) {
    for d in diagnostics {
        sources.locate(d.span);
        sources.text(d.span);
    }
}

/// Printed text parses without an error, and prints the same. `parse` gives the diagnostics and the printed text.
pub fn fixed_point(printed: String, parse: impl Fn(&Source) -> (Vec<Diagnostic>, String)) {
    let source = source(&mut Sources::default(), &printed);
    let (diagnostics, twice) = parse(&source);
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "printed text has errors: {errors:?}\n{printed:?}");
    assert_eq!(printed, twice);
}

/// A folder in memory for a bundle's files, gone with the value.
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty one for this process.
    pub fn new() -> Self {
        let root = Some(PathBuf::from("/dev/shm")).filter(|p| p.is_dir()).unwrap_or_else(std::env::temp_dir);
        let path = root.join(format!("nettrace-fuzz-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Scratch(path)
    }

    /// Writes a file; a name that is none for a file here is left out.
    pub fn write(&self, name: &str, content: &[u8]) -> Option<PathBuf> {
        let plain = !name.is_empty() && name.len() < 200 && !name.contains(['/', '\0']) && name != "." && name != "..";
        let path = self.0.join(name);
        (plain && fs::write(&path, content).is_ok()).then_some(path)
    }

    /// Where it is.
    pub fn path(&self) -> &PathBuf {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the command and holds what it writes against what never may come out.
pub fn command(args: impl IntoIterator<Item = OsString>) {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let args = std::iter::once(OsString::from("nettrace")).chain(args);
    let status = nettrace::run(args, &mut out, &mut notes);
    assert!(status == 0 || status == 2, "status {status}");
    assert!(status == 0 || !notes.is_empty(), "no answer, and nobody says why");
    for written in [&out, &notes] {
        let text = std::str::from_utf8(written).expect("what is printed is UTF-8");
        if let Some(c) = text.chars().find(|c| nettrace_engine::visible::is_hidden(*c) && *c != '\n') {
            panic!("{c:?} was printed raw: {text:?}");
        }
    }
}
