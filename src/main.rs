//! The command `nettrace`: what happens to a packet on a Linux host, told from the host's dumps.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(nettrace::run(std::env::args_os(), &mut io::stdout(), &mut io::stderr()))
}
