//! Runs lalrpop over the grammars of this crate.

#[allow(clippy::print_stdout)] // how a build script speaks to cargo
fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The folder too: a grammar that is new since the last build is named by no other directive.
    println!("cargo:rerun-if-changed=src");
    lalrpop::Configuration::new().use_cargo_dir_conventions().emit_rerun_directives(true).process_dir("src")
}
