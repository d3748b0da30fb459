//! The whole command over a bundle: every format, `--why-not`, `--want`, `--with`, `--reply`, and what may come out.
//!
//! The first piece holds arguments, one a line; the others are files as of the target `loader`. Arguments that name files
//! are left out.
#![no_main]

use std::ffi::OsString;

use libfuzzer_sys::fuzz_target;
use nettrace_fuzz::{Scratch, command};

fuzz_target!(|text: &str| {
    let mut pieces = text.split('\x0c');
    let lines = pieces.next().unwrap_or("").lines().take(24);
    let names = |line: &str| line.contains('/') && line.starts_with(['/', '.']) || line.starts_with("--pack") || line == "-";
    let mut args: Vec<OsString> = lines.filter(|l| !names(l)).map(OsString::from).collect();
    let scratch = Scratch::new();
    for piece in pieces.take(8) {
        let (name, content) = piece.split_once('\n').unwrap_or((piece, ""));
        scratch.write(name, content.as_bytes());
    }
    args.insert(args.len().min(1), scratch.path().as_os_str().to_owned());
    command(args);
});
