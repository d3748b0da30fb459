//! Every `ipset save` file of `../shared` becomes sets without an error.

use std::fs;
use std::path::{Path, PathBuf};

use nettrace_engine::model::{Contents, Model};
use nettrace_grammar::{Sources, ipset};

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()) {
        if path.is_dir() {
            files(&path, out);
        } else if path.file_name().is_some_and(|n| {
            let name = n.to_string_lossy();
            name.ends_with(".canonical.ipset") || name.starts_with("ipset-save") || name == "ipset.save"
        }) {
            out.push(path);
        }
    }
}

#[test]
fn every_saved_set_is_understood() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let mut found = Vec::new();
    for dir in ["corpus/D-ipset", "scenarios", "oracle/corpus/stories"] {
        files(&shared.join(dir), &mut found);
    }
    if found.is_empty() {
        println!("skipped: ../shared is not there");
        return;
    }
    let (mut sets, mut entries) = (0, 0);
    for path in &found {
        let (mut sources, mut model) = (Sources::default(), Model::default());
        let text = fs::read_to_string(path).unwrap();
        let source = sources.add("ipset", text).expect("the corpus is small");
        let (tree, mut errors) = ipset::parse(source);
        errors.extend(nettrace_engine::sets::lower(&tree, &mut model));
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        for set in &model.sets {
            if let Contents::Ipset(set) = &set.contents {
                sets += 1;
                entries += set.len();
                assert!(!set.incomplete, "{}", path.display());
            }
        }
    }
    println!("{} files, {sets} sets, {entries} entries", found.len());
}
