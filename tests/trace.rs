//! `--format trace` beside what the three programs printed for the same packets: the kernel's log of iptables-legacy, `xtables-monitor
//! --trace` and `nft monitor trace`, byte for byte.
//!
//! `tests/trace/KIND/` holds a ruleset and `packets.jsonl`, a line a packet: its description and the program's lines, all of them
//! (`whole`) or the first ones. The trace id is 00000001 and a rule's handle 0x0 in them: no dump tells either.

// A test's helpers fail like the test itself.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// What `--format trace` prints for a packet.
fn traced(kind: &str, packet: &Path) -> Vec<String> {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let folder = |name: &str| OsString::from(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace").join(name));
    let mut args: Vec<OsString> = ["nettrace", "explain"].map(OsString::from).into();
    args.extend([folder("host"), folder(kind), "--packet".into(), packet.into()]);
    args.extend(
        ["--format", "trace", "--backend", if kind.starts_with("xt") { "nft" } else { "legacy" }].map(OsString::from),
    );
    let status = nettrace::run(args, &mut out, &mut notes);
    assert!(status < 2, "{kind}: {}", String::from_utf8_lossy(&notes));
    String::from_utf8(out).unwrap().lines().map(without_handle).collect()
}

/// A line with its rule's handle as 0x0.
fn without_handle(line: &str) -> String {
    match line.split_once(":rule:0x") {
        Some((head, rest)) => format!("{head}:rule:0x0{}", rest.trim_start_matches(|c: char| c.is_ascii_hexdigit())),
        None => line.trim_end_matches('\n').to_owned(),
    }
}

fn check(kind: &str) {
    let cases =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace").join(kind).join("packets.jsonl"));
    let packet = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trace-{kind}.json"));
    let mut lines = 0;
    for case in cases.unwrap().lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        fs::write(&packet, case["packet"].to_string()).unwrap();
        let expect: Vec<&str> = case["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        let mut got = traced(kind, &packet);
        if case["whole"] == false {
            got.truncate(expect.len());
        }
        assert_eq!(got, expect, "{kind}: {}", case["packet"]);
        lines += expect.len();
    }
    assert!(lines > 20, "{kind}: {lines} lines");
}

#[test]
fn iptables_legacy_logs_like_the_kernel() {
    ["leg4", "leg6"].into_iter().for_each(check);
}

#[test]
fn iptables_nft_traces_like_xtables_monitor() {
    ["xt4", "xt6"].into_iter().for_each(check);
}

#[test]
fn nft_traces_like_its_monitor() {
    ["nft4", "nft6"].into_iter().for_each(check);
}
