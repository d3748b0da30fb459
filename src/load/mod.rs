//! From arguments to a host ready to walk: finds the dumps, reads them, parses and lowers them.
//!
//! `nettrace explain node1/ iptables-save.new` reads the folder by names and lets the named file replace the folder's of
//! its kind. Left out: what the dumps mean ([`nettrace_engine::lower`]).

mod compose;
mod files;
mod granted;
mod kinds;
mod mixed;
mod packets;
mod sample;
mod session;
mod text;

use std::fmt;
use std::path::PathBuf;

use nettrace_engine::host::Parts;
use nettrace_engine::model::Model;
use nettrace_engine::state::State;
use nettrace_grammar::{Diagnostic, Sources};

use crate::cli::{Backend, InputArgs};
pub use files::Found;
pub use files::read as read_text;
pub use granted::Granted;
pub use packets::{one_packet, packets};
pub use sample::lessons;

/// Why there is no answer, as one sentence. Ends the run with status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// With this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Failure(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<nettrace_grammar::source::TooLarge> for Failure {
    fn from(error: nettrace_grammar::source::TooLarge) -> Self {
        Failure(error.to_string())
    }
}

/// All that was read of a host.
#[derive(Debug)]
pub struct Loaded {
    /// The texts.
    pub sources: Sources,
    /// The rules.
    pub model: Model,
    /// What is known of the host besides.
    pub parts: Parts,
    /// What outlives packets and was dumped: connections.
    pub state: State,
    /// What was wrong with the inputs.
    pub diagnostics: Vec<Diagnostic>,
    /// What was taken for granted while reading.
    pub granted: Granted,
    /// The built-in sample was used.
    pub sample: bool,
    /// What was read, for `-v`.
    pub found: Found,
}

/// Reads all inputs; warnings that concern no place in a file come with the found files.
pub fn load(args: &InputArgs) -> Result<Loaded, Failure> {
    let found = if args.inputs.is_empty() { sample::files()? } else { files::find(&args.inputs)? };
    compose::compose(found, args.backend)
}

/// Reads a built-in story.
pub fn load_story(name: &str) -> Result<Loaded, Failure> {
    compose::compose(sample::story(name, name)?, None)
}

/// Where a case folder's packets are.
pub fn packet_folder(args: &InputArgs) -> Option<PathBuf> {
    args.inputs.iter().map(|p| p.join("packets")).find(|p| p.is_dir())
}

/// A backend's name as assumptions show it.
fn backend_name(backend: Backend) -> &'static str {
    match backend {
        Backend::Legacy => "iptables-legacy",
        Backend::Nft => "iptables-nft",
    }
}
