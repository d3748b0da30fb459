//! The page about fleets does what it says: its commands give the same lines however the hosts are split, its manifest is a
//! Job whose script runs, and its queries give the tables that it shows.
//!
//! Needs `sh`, `find`, `xargs` and `awk`; GNU parallel, and Python's `yaml` and `duckdb` (also looked for in
//! `target/python`), where they are there. `UPDATE_DOCS=1` writes the tables.

// A test's helpers fail like the test itself.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PAGE: &str = "docs/fleet.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join(PAGE)).unwrap()
}

/// The pieces of the page in a language.
fn pieces(language: &str) -> Vec<String> {
    let text = page();
    let start = format!("```{language}\n");
    let all = text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap_or("").to_string());
    all.collect()
}

/// A folder for a test, with the page's packets and links to the samples as its hosts.
fn fleet(test: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fleet").join(test);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("bundles")).unwrap();
    fs::create_dir_all(dir.join("parts")).unwrap();
    fs::write(dir.join("packets.jsonl"), &pieces("json")[0]).unwrap();
    for sample in fs::read_dir(root().join("samples")).unwrap().flatten().filter(|e| e.path().is_dir()) {
        let host = dir.join("bundles").join(sample.file_name());
        fs::create_dir(&host).unwrap();
        for file in fs::read_dir(sample.path()).unwrap().flatten().filter(|e| e.path().is_file()) {
            fs::copy(file.path(), host.join(file.file_name())).unwrap();
        }
    }
    dir
}

/// Runs a shell script of the page over a fleet.
fn shell(dir: &Path, script: &str, index: usize) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_nettrace")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(dir).env("PATH", path).env("HOSTS", "3");
    for (name, place) in [("BUNDLES", "bundles"), ("PARTS", "parts"), ("PACKETS", "packets.jsonl")] {
        command.env(name, place);
    }
    command.env("JOB_COMPLETION_INDEX", index.to_string()).output().unwrap()
}

/// The lines of all parts, sorted.
fn lines(dir: &Path) -> Vec<String> {
    let parts = fs::read_dir(dir.join("parts")).unwrap().flatten().map(|e| fs::read_to_string(e.path()).unwrap());
    let mut lines: Vec<String> = parts.flat_map(|p| p.lines().map(str::to_string).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}

/// The lines that one process writes for all hosts.
fn whole(test: &str) -> (PathBuf, Vec<String>) {
    let dir = fleet(test);
    let ran = shell(&dir, "nettrace replay --each bundles/* --packets packets.jsonl > parts/all.jsonl", 0);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let found = lines(&dir);
    (dir, found)
}

fn have(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}

/// Python with a module, or `None` with the reason printed.
fn python(module: &str, script: &str, args: &[&str], dir: &Path) -> Option<Output> {
    let run = |script: &str, args: &[&str]| {
        let mut command = Command::new("python3");
        command.args(["-c", script]).args(args).current_dir(dir).env("PYTHONPATH", root().join("target/python"));
        command.output()
    };
    if !run(&format!("import {module}"), &[]).is_ok_and(|o| o.status.success()) {
        println!("skipped: python3 has no module {module} (pip install --target target/python {module})");
        return None;
    }
    Some(run(script, args).unwrap())
}

#[test]
fn lines_are_the_same_however_the_hosts_are_split() {
    let (_, wanted) = whole("whole");
    let hosts = fs::read_dir(root().join("samples")).unwrap().flatten().filter(|e| e.path().is_dir()).count();
    assert_eq!(wanted.len(), 2 * hosts);
    for script in pieces("sh") {
        let program = if script.contains("parallel") { "parallel" } else { "xargs" };
        if !have(program) {
            println!("skipped: {program} is not installed");
            continue;
        }
        let dir = fleet(program);
        let ran = shell(&dir, &script, 0);
        assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
        assert!(fs::read_dir(dir.join("parts")).unwrap().count() > 1, "{program}: one part only");
        assert_eq!(lines(&dir), wanted, "{program}");
    }
}

/// Whole traces end the same: their outcomes with equal ends together, in each its rule by the last step that has one.
#[test]
fn lines_in_brief_have_the_ends_of_the_whole_ones() {
    let (dir, whole) = whole("brief");
    let ran = shell(&dir, "nettrace replay --brief --each bundles/* --packets packets.jsonl > parts/all.jsonl", 0);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let read = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let (brief, mut deciders) = (lines(&dir), 0);
    assert_eq!(brief.len(), whole.len());
    for (brief, whole) in brief.iter().map(read).zip(whole.iter().map(read)) {
        for same in ["bundle", "number", "packet", "complete"] {
            assert_eq!(brief[same], whole[same]);
        }
        assert_eq!(brief["assumed"].as_array().unwrap().len(), whole["assumptions"].as_array().unwrap().len());
        for outcome in whole["outcomes"].as_array().unwrap() {
            let ends = brief["outcomes"].as_array().unwrap();
            let end = ends.iter().find(|e| e["fate"] == outcome["fate"] && e["far"] == outcome["far"]).unwrap();
            if outcome["fate"]["by"] == "rule" {
                let steps = outcome["path"].as_array().unwrap().last().unwrap()["steps"].as_array().unwrap().clone();
                for same in ["text", "file", "line"] {
                    assert_eq!(end["by"][same], steps.last().unwrap()[same]);
                }
                deciders += 1;
            }
        }
    }
    assert!(deciders > 0);
}

#[test]
fn a_host_without_an_answer_is_a_line_and_the_others_are_answered() {
    let (dir, wanted) = whole("broken");
    fs::create_dir(dir.join("bundles/empty")).unwrap();
    let ran = shell(&dir, "nettrace replay --each bundles/* --packets packets.jsonl > parts/all.jsonl", 0);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("1 of 7 hosts could not be answered for"));
    let found = lines(&dir);
    let (errors, answers): (Vec<String>, Vec<String>) = found.into_iter().partition(|l| l.contains("\"error\":"));
    assert_eq!(answers, wanted);
    let error: serde_json::Value = serde_json::from_str(&errors[0]).unwrap();
    assert_eq!((errors.len(), &error["bundle"]), (1, &"bundles/empty".into()));
}

#[test]
fn the_manifest_is_an_indexed_job_whose_script_runs() {
    let manifest = &pieces("yaml")[0];
    let (dir, wanted) = whole("job");
    fs::remove_file(dir.join("parts/all.jsonl")).unwrap();
    let script = "import sys, json, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))";
    let Some(read) = python("yaml", script, &[manifest], &dir) else { return };
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let job: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!((&job["apiVersion"], &job["kind"]), (&"batch/v1".into(), &"Job".into()));
    let spec = &job["spec"];
    assert_eq!(spec["completionMode"], "Indexed");
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    let container = &pod["containers"][0];
    let names = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(names(&container["volumeMounts"]), names(&pod["volumes"]));
    let completions = spec["completions"].as_u64().unwrap();
    assert_eq!(container["env"][0]["value"], completions.to_string());
    for index in 0..completions as usize {
        let ran = shell(&dir, container["args"][0].as_str().unwrap(), index);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    assert_eq!(fs::read_dir(dir.join("parts")).unwrap().count(), completions as usize);
    assert_eq!(lines(&dir), wanted);
}

/// Prints a query's rows with their columns' names, blanks between columns.
const QUERY: &str = "
import sys, duckdb
q = duckdb.sql(sys.argv[1])
rows = [q.columns] + [['' if v is None else str(v) for v in r] for r in q.fetchall()]
widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
for r in rows:
    print('  '.join(v.ljust(w) for v, w in zip(r, widths)).rstrip())
";

#[test]
fn the_queries_give_the_tables_that_the_page_shows() {
    let (dir, _) = whole("queries");
    let shown: Vec<String> = pieces("text").into_iter().skip(1).collect();
    let queries = pieces("sql");
    assert_eq!(shown.len(), queries.len());
    for (query, table) in queries.iter().zip(shown) {
        let Some(ran) = python("duckdb", QUERY, &[query], &dir) else { return };
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let rows = String::from_utf8(ran.stdout).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let (before, behind) = (format!("{query}```"), format!("```text\n{table}```"));
            let text = page();
            let (head, tail) = text.split_once(&before).unwrap();
            let tail = tail.replacen(&behind, &format!("```text\n{rows}```"), 1);
            fs::write(root().join(PAGE), format!("{head}{before}{tail}")).unwrap();
            continue;
        }
        assert_eq!(rows, table, "UPDATE_DOCS=1 writes it");
    }
}
