//! A folder of files with arbitrary names and contents, and one of them named besides: what is read of it, in each
//! subcommand that loads.
//!
//! Pieces are separated by a form feed: a name, a line feed, the content. Bytes need not be UTF-8.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettrace_fuzz::{Scratch, command};

fuzz_target!(|bytes: &[u8]| {
    let scratch = Scratch::new();
    let mut last = None;
    for piece in bytes.split(|b| *b == 0x0c).take(8) {
        let end = piece.iter().position(|b| *b == b'\n').unwrap_or(piece.len());
        let name = String::from_utf8_lossy(&piece[..end]);
        last = scratch.write(&name, piece.get(end + 1..).unwrap_or(&[])).or(last);
    }
    let folder = scratch.path().as_os_str().to_owned();
    command(["chains".into(), folder.clone()]);
    let Some(file) = last else { return };
    command(["explain".into(), folder.clone(), file.clone().into(), "--short".into()]);
    command(["explain".into(), file.clone().into(), "--short".into()]);
    command(["replay".into(), folder, "--packets".into(), file.into()]);
});
