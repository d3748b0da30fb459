//! The subcommands: each reads its inputs, asks the engine, and prints one rendering.

mod chains;
mod conversation;
mod edits;
mod explain;
mod facts;
mod lesson;
mod reasons;
mod replay;
mod step;

use std::process::ExitCode;

use clap::CommandFactory;
use nettrace_engine::host::{Host, Parts};

use crate::cli::{Cli, Command, FactArgs};
use crate::load::{Failure, Loaded};
use crate::output::{self, Paint};
use crate::render;

pub use reasons::Reasons;

/// Runs the command: exit status 0 when it answered, 2 when it could not.
pub fn run(cli: &Cli) -> ExitCode {
    let paint = Paint::new(cli);
    match dispatch(cli, paint) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(&format!("nettrace: {}\n", output::safe(&failure.to_string())));
            ExitCode::from(2)
        }
    }
}

fn dispatch(cli: &Cli, paint: Paint) -> Result<(), Failure> {
    match &cli.command {
        Command::Explain(args) => explain::run(args, paint),
        Command::Step(args) => step::run(args, paint),
        Command::Lesson(args) => lesson::run(args, paint),
        Command::Replay(args) => replay::run(args, paint),
        Command::Chains(args) => chains::run(args, paint),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "nettrace", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered.map_err(|e| Failure::new(format!("cannot write the manual page: {e}")))?;
            print(&String::from_utf8_lossy(&page))
        }
    }
}

/// Prints the answer.
fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(|e| Failure::new(format!("cannot write the answer: {e}")))
}

/// Prints what was wrong with the inputs, in colour only where standard error is read by people too.
fn complain(loaded: &Loaded, paint: Paint) {
    if !loaded.diagnostics.is_empty() {
        output::note(&render::diagnostics::render(&loaded.sources, &loaded.diagnostics, paint));
    }
}

/// The host, with the sysctls of the command line over those of the inputs.
fn host(loaded: &Loaded, facts: &FactArgs) -> Result<Host, Failure> {
    Ok(Host::new(parts(loaded, facts)?))
}

/// What is known of the host, with the sysctls of the command line over those of the inputs.
fn parts(loaded: &Loaded, facts: &FactArgs) -> Result<Parts, Failure> {
    let mut parts = loaded.parts.clone();
    for text in &facts.sysctl {
        let wanted = || Failure::new(format!("--sysctl {text}: KEY=VALUE is wanted"));
        let (key, value) = text.split_once('=').ok_or_else(wanted)?;
        parts.sysctls.get_or_insert_default().set(key.trim(), value.trim());
    }
    Ok(parts)
}
