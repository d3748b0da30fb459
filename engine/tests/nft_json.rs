//! For each listing in `../shared/corpus` that has a JSON form, both lower to the same rules and sets.

#![allow(clippy::print_stdout)] // The figures are the report.

use std::path::{Path, PathBuf};

use nettrace_engine::lower::{nft, nft_json};
use nettrace_engine::model::{Contents, Data, Model, Verdict};
use nettrace_grammar::Sources;

fn lowered(text: &str) -> (Model, usize) {
    let mut sources = Sources::default();
    let parsed = nettrace_grammar::nft::parse(sources.add("t", text).expect("small"));
    let mut model = Model::default();
    let found = nft::lower(&parsed.tree, &mut model);
    (model, parsed.diagnostics.len() + found.len())
}

/// What a model says, in lines that do not depend on the order of arenas.
/// JSON of nft 1.0.6 does not tell the devices of netdev chains, prints times of sets in seconds only, and an unqualified
/// key with its `meta`.
fn said(model: &Model) -> Vec<String> {
    let mut out = Vec::new();
    for chain in model.chains.iter().filter(|c| !model.name(c.name).is_empty()) {
        let table = model.table(chain.table);
        let head = format!("{} {} {}", table.family.name(), model.name(table.name), model.name(chain.name));
        let base = chain.base.as_ref().map(|b| format!("{:?} {:?} {} {:?}", b.hook, b.kind, b.priority, b.policy));
        out.push(format!("chain {head} {base:?}"));
        for (n, rule) in chain.rules.iter().enumerate() {
            let ops: Vec<String> = model.rule_ops(rule).iter().map(|op| model.show_op(*op, 2)).collect();
            // An anonymous chain has no name to compare, and an opaque text is as it was written.
            if !ops.iter().any(|o| o.contains('`') || *o == "jump ") {
                out.push(format!("rule {head} {n}: {}", ops.join("; ")));
            }
        }
    }
    let verdict = |v: &Verdict| match v {
        Verdict::Jump(c) => format!("jump {}", model.chain_name(*c)),
        Verdict::Goto(c) => format!("goto {}", model.chain_name(*c)),
        other => format!("{other:?}"),
    };
    let data = |d: &Data| match d {
        Data::Verdict(v) => verdict(v),
        Data::Object(name) => model.name(*name).to_owned(),
        Data::Opaque(_) => "opaque".to_owned(),
        other => format!("{other:?}"),
    };
    for set in model.sets.iter().filter(|s| s.name.is_some()) {
        let mut elements = match &set.contents {
            Contents::Elements(e) => {
                (0..e.len() as u32).map(|i| format!("{:?} {}", e.key(i), data(e.data(i)))).collect()
            }
            _ => vec!["unknown".to_owned()],
        };
        elements.sort();
        out.push(format!("set {} {elements:?}", set.name.map_or("", |n| model.name(n))));
    }
    out.sort();
    out
}

fn siblings(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            siblings(&path, found);
        } else if path.to_string_lossy().ends_with(".canonical.nft") {
            found.push(path);
        }
    }
}

#[test]
fn json_and_text_lower_alike() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if !dir.is_dir() {
        println!("skipped: {} is not there", dir.display());
        return;
    }
    let mut files = Vec::new();
    siblings(&dir, &mut files);
    files.sort();
    let (mut pairs, mut opaque, mut differ) = (0, Vec::new(), Vec::new());
    for file in files {
        let name = file.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("utf-8");
        let (by_text, warnings) = lowered(&text);
        if warnings > 0 {
            opaque.push(format!("{name}: {warnings}"));
        }
        let json = PathBuf::from(name.replace(".canonical.nft", ".canonical.json"));
        let Ok(json) = std::fs::read_to_string(json) else { continue };
        let Some(listing) = nft_json::listing(&json) else {
            differ.push(format!("{name}: no JSON ruleset"));
            continue;
        };
        // iptables-nft's expressions are translated in the text only.
        if json.contains("\"xt\"") {
            continue;
        }
        pairs += 1;
        let by_json = lowered(&listing).0;
        let (a, b) = (said(&by_text), said(&by_json));
        if a != b {
            let first = a.iter().find(|l| !b.contains(l)).or_else(|| b.iter().find(|l| !a.contains(l)));
            let other = a.iter().zip(&b).find(|(x, y)| x != y);
            differ.push(format!("{name}: {first:?}\n      {other:?}"));
        }
    }
    println!("{pairs} pairs, {} differ; {} listings with something opaque", differ.len(), opaque.len());
    println!("{}\n{}", differ.join("\n"), opaque.join("\n"));
    assert!(differ.is_empty() && opaque.is_empty());
}
