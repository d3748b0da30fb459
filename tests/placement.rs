//! The placement advice against the running kernel: every candidate is carried out and connected through, from every
//! origin (`tests/kernel/placement.py`). Skipped where network namespaces cannot be made.

#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::Command;

fn ask_the_kernel(more: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/placement.py");
    let run = Command::new("python3").arg(script).arg(env!("CARGO_BIN_EXE_nettrace")).args(more).output();
    let Ok(done) = run else {
        return println!("skipped: there is no python3");
    };
    let said = String::from_utf8_lossy(&done.stdout);
    match done.status.code() {
        Some(0 | 77) => println!("{said}"),
        _ => panic!("{said}{}", String::from_utf8_lossy(&done.stderr)),
    }
}

#[test]
fn iptables_candidates_do_what_they_are_said_to_do() {
    ask_the_kernel(&[]);
}

#[test]
fn ways_back_from_a_loss_lead_back() {
    ask_the_kernel(&["--accept"]);
    ask_the_kernel(&["--accept", "--nft"]);
}

#[test]
fn nft_candidates_do_what_they_are_said_to_do() {
    ask_the_kernel(&["--nft"]);
}
