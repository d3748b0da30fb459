//! Embeds the dumps of every story in `samples/` that has a lesson, as a table of (story, [(name, text)]); the built-in
//! sample is one of them. A new lesson is a file `samples/<story>/lesson.json`, nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let samples = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("samples");
    println!("cargo::rerun-if-changed={}", samples.display());
    let mut table = String::from("&[\n");
    for story in sorted(&samples)?.iter().filter(|p| p.join("lesson.json").is_file()) {
        writeln!(table, "    ({:?}, &[", name(story))?;
        let files = sorted(story)?;
        for file in files.iter().filter(|f| f.is_file() && !is_variant(f, &files)) {
            writeln!(table, "        ({:?}, include_str!({:?})),", name(file), file.display().to_string())?;
        }
        table.push_str("    ]),\n");
    }
    table.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("samples.rs"), table)?;
    Ok(())
}

/// What a folder holds, by name; nothing where there is no folder.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `iptables-save.fix` beside `iptables-save`, and the story in prose.
fn is_variant(file: &Path, files: &[PathBuf]) -> bool {
    files.contains(&file.with_extension("")) && file.extension().is_some()
        || file.extension().is_some_and(|e| e == "md")
}
