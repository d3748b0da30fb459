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

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use clap::{CommandFactory, Parser};
use nettrace_engine::host::{Host, Parts};

use crate::cli::{Cli, Command, FactArgs};
use crate::load::{Failure, Loaded};
use crate::output::{self, Paint, Screen};
use crate::render;

pub use reasons::Reasons;

/// Runs the command with its arguments, of which the first is its name: exit status 0 when it answered, 2 when it could
/// not.
pub fn run(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, notes: &mut dyn Write) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(said) => {
            // clap repeats a mistaken argument as it is, so it gets one to repeat that is harmless.
            let harmless = args.iter().map(|a| output::safe(&a.to_string_lossy()));
            let said = Cli::try_parse_from(harmless).err().unwrap_or(said);
            return usage(&said, &mut Screen { paint: Paint::plain(), out, notes });
        }
    };
    let screen = &mut Screen { paint: Paint::new(&cli), out, notes };
    match dispatch(&cli, screen) {
        Ok(()) => 0,
        Err(failure) => {
            screen.note(&format!("nettrace: {}\n", output::safe(&failure.to_string())));
            2
        }
    }
}

/// What clap says instead of running: help and version as the answer, a mistake as a note.
fn usage(said: &clap::Error, screen: &mut Screen) -> u8 {
    let (text, wrong) = (said.render(), said.use_stderr());
    let terminal = if wrong { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
    screen.paint.color = terminal && Paint::wants_color();
    let text = if screen.paint.color { text.ansi().to_string() } else { text.to_string() };
    if wrong {
        screen.note(&text);
        return 2;
    }
    u8::from(screen.print(&text).is_err()) * 2
}

fn dispatch(cli: &Cli, screen: &mut Screen) -> Result<(), Failure> {
    match &cli.command {
        Command::Explain(args) => explain::run(args, screen),
        Command::Step(args) => step::run(args, screen),
        Command::Lesson(args) => lesson::run(args, screen),
        Command::Replay(args) => replay::run(args, screen),
        Command::Chains(args) => chains::run(args, screen),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "nettrace", &mut script);
            screen.own(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered.map_err(|e| Failure::new(format!("cannot write the manual page: {e}")))?;
            screen.own(&String::from_utf8_lossy(&page))
        }
    }
}

/// Prints what was wrong with the inputs, in colour only where standard error is read by people too.
fn complain(loaded: &Loaded, screen: &mut Screen) {
    if !loaded.diagnostics.is_empty() {
        screen.note(&render::diagnostics::render(&loaded.sources, &loaded.diagnostics, screen.paint));
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
        let set = parts.sysctls.get_or_insert_default().write(key.trim(), value.trim());
        set.map_err(|why| Failure::new(format!("--sysctl {text}: {why}")))?;
    }
    Ok(parts)
}
