//! Embeds the dumps of `samples/nodeport-drop` as a table of (name, text).

use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let folder = Path::new(&root).join("samples/nodeport-drop");
    let mut files = Vec::new();
    if folder.is_dir() {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
    } else {
        println!("cargo::rerun-if-changed={root}/samples");
    }
    files.sort();
    let rows = files.iter().map(|p| {
        let name = p.file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("    ({name:?}, include_str!({:?})),\n", p.display().to_string())
    });
    let table = format!("&[\n{}]\n", rows.collect::<String>());
    fs::write(Path::new(&env::var("OUT_DIR")?).join("sample.rs"), table)?;
    Ok(())
}
