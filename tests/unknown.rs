//! Hosts of which something was not dumped: small cases made by hand, each with the tree of outcomes that is right.
//!
//! A case is a file in `tests/unknown`: comment lines, then sections. `== iptables-save` (or any other name that a folder
//! is read by) is a dump; `== packet` the packet as JSON; `== args` more arguments, one a line; `== expect` the outcomes,
//! one a line (odds or `-`, fate, the answers that lead there), then `assumed` lines with their flags, `bound` when not
//! every way was explored, and `note` lines for standard error. Another case is another file.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

struct Case {
    args: Vec<String>,
    expect: String,
    folder: PathBuf,
}

fn read(path: &Path) -> Case {
    let name = path.file_stem().unwrap().to_str().unwrap().to_string();
    // The tests run side by side and read the same cases: each reading has a folder of its own.
    static READ: AtomicUsize = AtomicUsize::new(0);
    let own = READ.fetch_add(1, Ordering::Relaxed).to_string();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unknown").join(own).join(&name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let text = fs::read_to_string(path).unwrap();
    let mut case = Case { args: Vec::new(), expect: String::new(), folder };
    for section in text.split("\n== ").skip(1) {
        let (title, body) = section.split_once('\n').unwrap_or((section, ""));
        match title.trim() {
            "args" => case.args.extend(body.lines().filter(|l| !l.is_empty()).map(str::to_string)),
            "expect" => case.expect = body.trim().to_string(),
            "packet" => {
                fs::write(case.folder.join("packet"), body).unwrap();
                case.args.extend(["--packet".to_string(), case.folder.join("packet").display().to_string()]);
            }
            dump => fs::write(case.folder.join(dump), body).unwrap(),
        }
    }
    case
}

fn run(case: &Case, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nettrace"));
    command.arg("explain").arg(&case.folder).args(&case.args).args(more).output().unwrap()
}

fn json(case: &Case, more: &[&str]) -> (Value, String) {
    let out = run(case, &[&["--json"], more].concat());
    let notes = String::from_utf8_lossy(&out.stderr).into_owned();
    let none = serde_json::json!({"outcomes": [], "assumptions": []});
    let answer = if out.status.code() == Some(2) { Ok(none) } else { serde_json::from_slice(&out.stdout) };
    (answer.unwrap_or_else(|e| panic!("{}: {e}\n{notes}", case.folder.display())), notes)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

/// `drop filter INPUT 2`, `out eth1 to 10.0.0.9:80 from 192.0.2.1`, `local`, ...
fn fate(outcome: &Value) -> String {
    let (fate, far) = (&outcome["fate"], &outcome["far"]);
    let port = |key: &str| far.get(key).map_or(String::new(), |p| format!(":{p}"));
    let to = format!("to {}{} from {}{}", text(&far["daddr"]), port("dport"), text(&far["saddr"]), port("sport"));
    let device = |key: &str| if fate[key].is_null() { "?".to_string() } else { text(&fate[key]) };
    match text(&fate["kind"]).as_str() {
        "out" => format!("out {} {to}", device("oif")),
        "local" => format!("local {} {to}", device("iif")),
        "bridged" => format!("bridged {}", device("port")),
        "drop" => {
            let rule = if fate["rule"].is_null() { "policy".to_string() } else { text(&fate["rule"]) };
            format!("drop {} {} {rule}", text(&fate["table"]), text(&fate["chain"]))
        }
        "send_error" => format!("send_error {}", text(&fate["errno"])),
        kind => format!("{kind} {}", text(if fate["why"].is_null() { &fate["reason"] } else { &fate["why"] })),
    }
}

fn answers(list: &Value) -> String {
    let one = |c: &Value| format!("{}={}", text(&c["at"]), text(&c["took"]));
    let all: Vec<String> = list.as_array().unwrap().iter().map(one).filter(|c| !c.starts_with("chance:")).collect();
    all.join(", ")
}

fn shown(answer: &Value, notes: &str) -> String {
    let mut out = String::new();
    let outcomes = answer["outcomes"].as_array().unwrap();
    if outcomes.len() > 20 {
        let _ = writeln!(out, "{} outcomes", outcomes.len());
    }
    for o in outcomes.iter().filter(|_| outcomes.len() <= 20) {
        let odds = o["odds"].as_f64().map_or("-".to_string(), |p| format!("{p:.3}"));
        let mut ways = vec![answers(&o["choices"])];
        ways.extend(o["or"].as_array().into_iter().flatten().map(answers));
        ways.retain(|w| !w.is_empty());
        let mut seen = Vec::new();
        ways.retain(|w| {
            !seen.contains(w) && {
                seen.push(w.clone());
                true
            }
        });
        let how = if ways.is_empty() { String::new() } else { format!(" | {}", ways.join(" / ")) };
        let _ = writeln!(out, "{odds} {}{how}", fate(o));
    }
    // Each device's sysctls would only repeat themselves in every case; their flags are tested below.
    let plain = |a: &&Value| !text(&a["fact"]).starts_with("net.ipv4.conf.");
    for a in answer["assumptions"].as_array().unwrap().iter().filter(plain) {
        let _ = writeln!(out, "assumed {}: {} ({})", text(&a["fact"]), text(&a["value"]), text(&a["flag"]));
    }
    if answer["complete"] == false {
        out.push_str("bound\n");
    }
    let told = |l: &&str| l.starts_with("note: ") || l.starts_with("nettrace: ");
    notes.lines().filter(told).for_each(|l| {
        let _ = writeln!(out, "{l}");
    });
    out.trim().to_string()
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unknown");
    let mut list: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    list.sort();
    list
}

#[test]
fn every_case_has_its_tree_of_outcomes() {
    let mut wrong = String::new();
    let all = cases();
    for path in &all {
        let case = read(path);
        let (answer, notes) = json(&case, &[]);
        let found = shown(&answer, &notes);
        if found != case.expect {
            let name = path.file_stem().unwrap().to_string_lossy();
            let _ = writeln!(wrong, "--- {name}: expected\n{}\n--- found\n{found}\n", case.expect);
        }
    }
    assert!(all.len() >= 30);
    assert!(wrong.is_empty(), "{wrong}");
}

/// Odds that are all known add up to 1; no two outcomes look the same; no fact has two answers on one way.
#[test]
fn outcomes_are_consistent() {
    for path in cases() {
        let (answer, _) = json(&read(&path), &[]);
        let list = answer["outcomes"].as_array().unwrap();
        let odds: Vec<f64> = list.iter().filter_map(|o| o["odds"].as_f64()).collect();
        let sum: f64 = odds.iter().sum();
        if odds.len() == list.len() && answer["complete"] == true {
            assert!((sum - 1.0).abs() < 1e-9, "{}: {sum}", path.display());
        }
        assert!(sum < 1.0 + 1e-9, "{}: {sum}", path.display());
        let bare = |o: &Value| [&o["fate"], &o["far"], &o["path"], &o["hooks"], &o["replies"]].map(ToString::to_string);
        for (i, o) in list.iter().enumerate() {
            assert!(list[..i].iter().all(|p| bare(p) != bare(o)), "{}: twice: {o}", path.display());
            let chosen = o["choices"].as_array().unwrap();
            let twice = |c: &Value| chosen.iter().any(|d| c["at"] == d["at"] && c["took"] != d["took"]);
            assert!(!chosen.iter().any(twice), "{}: contradicts itself: {o}", path.display());
        }
    }
}

/// Every `--assume` and `--sysctl` flag that an answer names is taken, is not idle, and settles what it is about.
#[test]
fn every_flag_that_is_named_works() {
    for path in cases() {
        let case = read(&path);
        let (answer, _) = json(&case, &[]);
        let named = answer["assumptions"].as_array().unwrap().iter();
        for a in named.filter(|a| text(&a["flag"]).starts_with("--assume") || text(&a["flag"]).starts_with("--sysctl"))
        {
            let flag = text(&a["flag"]);
            let (option, value) = flag.split_once(' ').unwrap();
            let value = value.trim_matches('\'').replace("'\\''", "'");
            let (again, notes) = json(&case, &[option, &value]);
            let idle = format!("note: `{}`", value.rsplit_once('=').unwrap().0);
            assert!(!notes.contains(&idle) && !notes.contains("nettrace: "), "{}: {flag}: {notes}", path.display());
            assert!(!again["assumptions"].as_array().unwrap().contains(a), "{}: {flag} is idle", path.display());
        }
        let mut tried = Vec::new();
        for c in answer["outcomes"].as_array().unwrap().iter().flat_map(|o| o["choices"].as_array().unwrap()) {
            if !text(&c["at"]).starts_with("chance:") {
                let pin = format!("{}={}", text(&c["at"]), text(&c["took"]));
                if tried.contains(&pin) {
                    continue;
                }
                tried.push(pin.clone());
                let (_, notes) = json(&case, &["--assume", &pin]);
                assert!(
                    !notes.contains(&format!("note: `{}`", text(&c["at"]))) && !notes.contains("nettrace: "),
                    "{}: {pin}: {notes}",
                    path.display()
                );
            }
        }
    }
}
