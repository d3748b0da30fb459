//! The command `nettrace`: what happens to a packet on a Linux host, told from the host's dumps.
//!
//! This package is the only one that touches files, the environment and the terminal.

mod cli;
mod commands;
mod load;
mod output;
mod packet_args;
mod render;
mod terminal;

fn main() -> std::process::ExitCode {
    commands::run(&<cli::Cli as clap::Parser>::parse())
}
