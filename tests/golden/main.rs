//! Recorded cases: rulesets, packets, and what a real kernel did with them, rule by rule. Needs no root.
//!
//! The archives hold a folder a case (`ruleset.iptables` or `ruleset.nft`, `addr.json`, …, `packets/NN.json`,
//! `expected/NN.json`): `cases.tar.xz` those that generators and stories made, `odd.tar.xz` those written by hand for one
//! extension; `tests/kernel/live.py pack` makes such an archive. `known.txt` names the packets that differ, each with the reason; a
//! packet that stops differing has to leave it. The samples are compared in the same way. A flow's later packets are also made
//! by the command itself (`conversation.rs`).

// A test's helpers fail like the test itself.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod compare;
mod conversation;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The archives of recorded cases.
const ARCHIVES: [&str; 2] = ["cases.tar.xz", "odd.tar.xz"];

/// Unpacks the archives into a folder for this test and returns the case folders.
fn unpack(test: &str) -> Vec<PathBuf> {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden").join(test);
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(&to).unwrap();
    for name in ARCHIVES {
        let packed = fs::File::open(root().join("tests/golden").join(name)).unwrap();
        let mut tar = Vec::new();
        lzma_rs::xz_decompress(&mut BufReader::new(packed), &mut tar).unwrap();
        tar::Archive::new(tar.as_slice()).unpack(&to).unwrap();
    }
    folders(&to)
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(of).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    found.sort();
    found
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> =
        entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    found.sort();
    found
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What the command says about every packet of a folder, without a process of its own.
fn replay(inputs: &[PathBuf]) -> Result<Vec<Value>, String> {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let args = ["nettrace", "replay"].map(OsString::from).into_iter().chain(inputs.iter().map(OsString::from));
    let status = nettrace::run(args, &mut out, &mut notes);
    if status != 0 {
        return Err(format!("status {status}: {}", String::from_utf8_lossy(&notes).lines().next().unwrap_or("")));
    }
    out.split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).map_err(|e| e.to_string()))
        .collect()
}

/// `NAME/PACKET` of everything that differs, with the difference.
fn differences(name: &str, inputs: &[PathBuf], expected: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let answers = json_files(expected);
    let said = match replay(inputs) {
        Ok(said) if said.len() == answers.len() => said,
        Ok(said) => return whole(name, &format!("{} lines for {} packets", said.len(), answers.len())),
        Err(error) => return whole(name, &error),
    };
    for (path, line) in answers.iter().zip(said) {
        if let Some(difference) = compare::best(&read(path), &line) {
            let packet = path.file_stem().unwrap_or_default().to_string_lossy();
            found.insert(format!("{name}/{packet}"), difference);
        }
    }
    found
}

fn whole(name: &str, error: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(format!("{name}/*"), error.to_owned())])
}

/// Runs `job` for every item on a few threads.
fn on_threads<T: Sync>(items: &[T], job: impl Fn(&T) -> BTreeMap<String, String> + Sync) -> BTreeMap<String, String> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let differs = job(item);
                    found.lock().unwrap().extend(differs);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// The packets that are known to differ.
fn known() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("tests/golden/known.txt")).unwrap();
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    lines
        .map(|l| l.split_once(' ').expect("a packet and a reason"))
        .map(|(p, r)| (p.to_owned(), r.to_owned()))
        .collect()
}

fn report(what: &str, found: &BTreeMap<String, String>, known: &BTreeMap<String, String>) {
    let new: Vec<_> = found.iter().filter(|(name, _)| !known.contains_key(*name)).collect();
    let gone: Vec<_> = known.keys().filter(|name| !found.contains_key(*name)).collect();
    for (name, difference) in new.iter().take(40) {
        println!("{name}: {difference}");
    }
    assert!(new.is_empty(), "{} {what} differ from the kernel", new.len());
    assert!(gone.is_empty(), "these agree now, take them out of known.txt: {gone:?}");
}

#[test]
fn recorded_cases_agree_with_the_kernel() {
    let cases = unpack("cases");
    let found = on_threads(&cases, |case| {
        let name = case.file_name().unwrap_or_default().to_string_lossy();
        differences(&name, std::slice::from_ref(case), &case.join("expected"))
    });
    println!("{} cases", cases.len());
    report("packets", &found, &known());
}

#[test]
fn samples_agree_with_the_kernel() {
    let mut runs = Vec::new();
    for sample in folders(&root().join("samples")) {
        for expected in folders(&sample)
            .into_iter()
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("expected")))
        {
            runs.push((sample.clone(), expected));
        }
    }
    let found = on_threads(&runs, |(sample, expected)| {
        let variant = expected.extension().map(|v| v.to_string_lossy().into_owned());
        let mut inputs = vec![sample.clone()];
        inputs.extend(variant.iter().flat_map(|v| variants(sample, v)));
        let name = expected.strip_prefix(root()).unwrap_or(expected).display().to_string();
        differences(&name, &inputs, expected)
    });
    println!("{} runs of samples", runs.len());
    report("packets of samples", &found, &BTreeMap::new());
}

/// The dumps of a sample that stand in for its own in a variant.
fn variants(sample: &Path, variant: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(sample).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e.to_string_lossy() == variant));
    found.sort();
    found
}
