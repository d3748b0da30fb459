//! The command `nettrace` as a library: [`run`] takes arguments and writers, so that the program, tests and fuzzers run
//! the same code in their own process.
//!
//! `run(["nettrace", "explain", "--dport", "31002"], &mut out, &mut notes)` answers as the program does. This package is
//! the only one that touches files, the environment and the terminal. Left out: a library of parts; that is
//! `nettrace-engine`.

mod cli;
mod commands;
mod load;
mod output;
mod packet_args;
mod render;
mod terminal;

pub use commands::run;
