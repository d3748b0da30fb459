//! What iptables' own test lists and the corpus say about lowering: lines marked OK are understood, lines marked FAIL are
//! refused, and the dumps' conditions that stay opaque are counted. Skipped where `../shared` is not there.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nettrace_engine::lower::iptables::{Options, detect, lower};
use nettrace_engine::model::{Dialect, Family, Model, Op, Test};
use nettrace_grammar::{Diagnostic, Severity, Sources};

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

fn model(text: &str, family: Family, dialect: Option<Dialect>) -> (Model, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let source = sources.add("f", text).unwrap().clone();
    let (tree, mut diagnostics) = nettrace_grammar::iptables::parse(&source);
    let dialect = dialect.or(detect(&tree).1).unwrap_or(Dialect::Legacy);
    let mut model = Model::default();
    diagnostics.extend(lower(&tree, Options { family, dialect }, &mut model));
    (model, diagnostics)
}

/// The texts of conditions and targets that are only understood as text.
fn opaque(model: &Model) -> Vec<&str> {
    let of_op = |op: &Op| match op {
        Op::Opaque(text) | Op::Test(Test::Opaque(text)) => Some(*text),
        _ => None,
    };
    let of_test = |test: &Test| if let Test::Opaque(text) = test { Some(*text) } else { None };
    let all = model.ops.iter().filter_map(of_op).chain(model.tests.iter().filter_map(of_test));
    all.map(|t| model.text(t)).collect()
}

/// What is understood, but that no packet and no dump tells: facts to ask for.
const FACTS: &[&str] = &["--dccp-option ", "-m cgroup --path ", "-m ipvs --v", "-m osf --genre ", "-m rateest "];

fn is_fact(text: &str) -> bool {
    FACTS.iter().any(|f| text.starts_with(f))
}

/// The rules of a model in words, chain by chain; the comments with them.
fn shown(model: &Model, family: Family) -> Vec<String> {
    let number = if family == Family::Ip6 { 10 } else { 2 };
    let mut out = Vec::new();
    for chain in &model.chains {
        let table = model.name(model.table(chain.table).name);
        for (i, rule) in chain.rules.iter().enumerate() {
            let ops: Vec<_> = model.rule_ops(rule).iter().map(|op| model.show_op(*op, number)).collect();
            let comment = model.rule(rule).comment.map_or("", |c| model.name(c));
            out.push(format!("{table} {} {}: {} {comment}", model.name(chain.name), i + 1, ops.join("; ")));
        }
    }
    out.sort();
    out
}

/// One line of a `.t` file.
struct Line {
    table: String,
    chain: String,
    rule: String,
    /// The rule as iptables prints it back, where that differs.
    printed: Option<String>,
    ok: bool,
    legacy_only: bool,
}

fn lines(text: &str) -> Vec<Line> {
    let (mut table, mut chain, mut out) = ("filter".to_owned(), "INPUT".to_owned(), Vec::new());
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', '@', '%'])) {
        if let Some(chains) = line.strip_prefix(':') {
            chains.split(',').next().unwrap_or("INPUT").clone_into(&mut chain);
            continue;
        }
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
            continue;
        }
        let fields: Vec<_> = line.split(';').collect();
        let Some(result) = fields.iter().rposition(|f| matches!(*f, "OK" | "FAIL")) else { continue };
        out.push(Line {
            table: table.clone(),
            chain: chain.clone(),
            rule: fields[0].to_owned(),
            printed: fields.get(1).filter(|f| !matches!(**f, "=" | "" | "OK" | "FAIL")).map(|f| (*f).to_owned()),
            ok: fields[result] == "OK",
            legacy_only: fields[result..].contains(&"LEGACY"),
        });
    }
    out
}

#[test]
fn iptables_own_test_lists() {
    let Some(root) = shared("corpus/C-iptables-upstream/iptables-ext-t") else { return };
    let (mut wrong, mut accepted, mut facts, mut refused, mut unsaid) = (Vec::new(), 0, 0, 0, Vec::new());
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let of = |part: &str| name.contains(part);
        if of("libebt_") || of("libarpt_") || !of(".t") {
            continue;
        }
        let families: &[Family] = match () {
            () if of("libip6t_") => &[Family::Ip6],
            () if of("libipt_") || of("iptables.t") => &[Family::Ip],
            () => &[Family::Ip, Family::Ip6],
        };
        for line in lines(&fs::read_to_string(&path).unwrap()) {
            for family in families {
                let text = format!("*{}\n-A {} {}\nCOMMIT\n", line.table, line.chain, line.rule);
                let (model, diagnostics) = model(&text, *family, Some(Dialect::Legacy));
                let opaque = opaque(&model);
                let told = diagnostics.iter().any(|d| d.severity == Severity::Error);
                let shown = format!(
                    "{name} {}: {}: {opaque:?} {:?}",
                    family.name(),
                    line.rule,
                    diagnostics.first().map(|d| &d.message)
                );
                match line.ok {
                    true if told || !opaque.iter().all(|t| is_fact(t)) => wrong.push(shown),
                    true => {
                        accepted += 1;
                        facts += usize::from(!opaque.is_empty());
                    }
                    false if !told && !line.legacy_only => unsaid.push(shown),
                    false => refused += 1,
                }
            }
        }
    }
    println!("marked OK: {accepted} accepted, {facts} of them with a fact to ask for, {} not", wrong.len());
    println!("marked FAIL: {refused} refused, {} taken: objects of a running kernel", unsaid.len());
    assert!(wrong.is_empty(), "marked OK, not understood:\n{}", wrong.join("\n"));
    // Only what depends on objects of a running kernel may be taken: an nfacct object, an ipset.
    unsaid.retain(|l| !l.contains("nfacct") && !l.contains("-j SET"));
    assert!(unsaid.is_empty(), "marked FAIL, taken:\n{}", unsaid.join("\n"));
}

#[test]
fn the_corpus() {
    let Some(root) = shared("corpus") else { return };
    let manifest = fs::read_to_string(root.join("MANIFEST.tsv")).unwrap();
    let (mut texts, mut said, mut files, mut rules) = (BTreeMap::new(), BTreeMap::new(), 0, 0);
    for row in manifest.lines().skip(1).map(|l| l.split('\t').collect::<Vec<_>>()) {
        if !row[3].starts_with("iptables-save") || !(row[6] == "yes" || row[7] == "yes") {
            continue;
        }
        let Ok(bytes) = fs::read(root.join(row[0])) else { continue };
        let family = if row[5] == "v6" { Family::Ip6 } else { Family::Ip };
        let (model, diagnostics) = model(&String::from_utf8_lossy(&bytes), family, None);
        files += 1;
        rules += model.rules.len();
        for text in opaque(&model) {
            *texts.entry(text.to_owned()).or_insert(0) += 1;
        }
        for d in diagnostics.iter().filter(|d| d.severity == Severity::Error) {
            said.entry(format!("{}: {}", d.code, d.message)).or_insert_with(Vec::new).push(row[0].to_owned());
        }
    }
    println!("{files} files, {rules} rules; opaque: {}", texts.values().sum::<i32>());
    for (t, n) in &texts {
        println!("  {n} {t}");
    }
    for (t, f) in &said {
        println!("  {} {t} e.g. {}", f.len(), f[0]);
    }
    // What is left: jumps to chains that a partial dump does not have, and a rule that the kernel refuses.
    let odd: Vec<_> =
        texts.keys().filter(|t| !t.starts_with("-j ") && !t.starts_with("-g ") && *t != "-m tcp").collect();
    assert!(odd.is_empty(), "{odd:?}");
}

const HALF_LOADED: &[&str] = &[
    "route_linux_test.go.08",
    "unsupported_rule_spec_options",
    "iptables__proxier_test.go.34",
    "iptables__proxier_test.go.35",
];

/// Pairs of rulesets that iptables takes for the same: a line of a `.t` file and what is printed back for it, and a dump
/// and what iptables-nft-save prints when it is loaded.
fn pairs(root: &Path) -> Vec<(String, Family, Option<Dialect>, String, String)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(root.join("C-iptables-upstream/iptables-ext-t")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let family = if name.contains("libip6t_") { Family::Ip6 } else { Family::Ip };
        if ["libebt_", "libarpt_", "ipvs.t"].iter().any(|n| name.contains(n)) {
            continue;
        }
        for line in lines(&fs::read_to_string(&path).unwrap()).into_iter().filter(|l| l.ok && !l.legacy_only) {
            let Some(printed) = line.printed else { continue };
            let text = |rule: &str| format!("*{}\n-A {} {rule}\nCOMMIT\n", line.table, line.chain);
            out.push((
                format!("{name}: {}", line.rule),
                family,
                Some(Dialect::Legacy),
                text(&line.rule),
                text(&printed),
            ));
        }
    }
    let manifest = fs::read_to_string(root.join("MANIFEST.tsv")).unwrap();
    for row in manifest.lines().skip(1).map(|l| l.split('\t').collect::<Vec<_>>()) {
        let canonical = [".canonical-nft.save", ".canonical-legacy-c.save"].into_iter().find(|c| row[12].contains(c));
        let (Some(canonical), Ok(text)) = (canonical, fs::read(root.join(row[0]))) else { continue };
        let Ok(printed) = fs::read_to_string(root.join(format!("{}{canonical}", row[0]))) else { continue };
        // Where loading stopped half way the listing is of less than the dump.
        if HALF_LOADED.iter().any(|n| row[0].contains(n)) {
            continue;
        }
        let family = if row[5] == "v6" { Family::Ip6 } else { Family::Ip };
        let dialect = if canonical.contains("nft") { Dialect::IptablesNft } else { Dialect::Legacy };
        out.push((row[0].to_owned(), family, Some(dialect), String::from_utf8_lossy(&text).into_owned(), printed));
    }
    out
}

#[test]
fn what_iptables_prints_back_means_the_same() {
    let Some(root) = shared("corpus") else { return };
    let pairs = pairs(&root);
    let mut wrong = Vec::new();
    for (name, family, dialect, text, printed) in &pairs {
        let (a, b) = (model(text, *family, *dialect).0, model(printed, *family, *dialect).0);
        let (a, b) = (shown(&a, *family), shown(&b, *family));
        if a != b {
            let first = a.iter().zip(&b).find(|(a, b)| a != b);
            wrong.push(format!("{name}: {} and {} rules, {first:#?}", a.len(), b.len()));
        }
    }
    println!("{} pairs, {} differ", pairs.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
