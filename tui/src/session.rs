//! What the stepper is given: finished walks, the model they went through, and a [`Words`] that tells what rules say.
//!
//! The root fills a [`Session`]; after an effect that needs parsing or a new walk it hands over another one. Left out:
//! how any of it was made. Nothing here evaluates, reads files or knows a dialect.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use nettrace_engine::model::{Hook, Model, RuleId};
use nettrace_engine::trace::Trace;

/// Where a rule stands; shown without its folder: `iptables-save:1204`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the input, as messages show it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.rsplit('/').next().unwrap_or(&self.file), self.line)
    }
}

/// A condition of a rule as it stands against the packet of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// In words: `dport 31002`.
    pub wanted: String,
    /// What the packet has there: `8200`, `no such header`.
    pub had: String,
    /// Whether it holds; `None` when the inputs don't tell.
    pub holds: Option<bool>,
}

/// Tells what the rules of a session say. The same code answers it that `nettrace explain` prints from.
pub trait Words {
    /// A rule's text, as it was written.
    fn rule(&self, rule: RuleId) -> Cow<'_, str>;
    /// Where the rule was written.
    fn place(&self, rule: RuleId) -> Option<Place>;
    /// The conditions of a rule against the packet that walk `way` has at event `event`, in order; those behind the
    /// first that fails may be left out.
    fn conditions(&self, way: usize, event: usize, rule: RuleId) -> Vec<Condition>;
    /// What happened at an event of a walk, and why; one line each.
    fn why(&self, way: usize, event: usize) -> Vec<String>;
    /// Why a rule did not decide in this walk; one line each.
    fn why_not(&self, way: usize, rule: RuleId) -> Vec<String>;
    /// Whom a mark's bits belong to: `0x4000 will be masqueraded (kube-proxy)`.
    fn mark(&self, mark: u32) -> Vec<String>;
    /// The command that gives this session's answer without the stepper.
    fn command(&self) -> String;
}

/// One field of the packet that was asked for, in the words of its flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Name of the flag without its dashes: `dport`.
    pub name: &'static str,
    /// What the user gave; empty for the default.
    pub text: String,
    /// What the default is.
    pub default: String,
}

/// Everything that a walk depends on and a user can change without leaving the stepper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The packet.
    pub packet: Vec<Asked>,
    /// Commands that edit the model: `iptables -I INPUT -p tcp --dport 31002 -j DROP`.
    pub with: Vec<String>,
    /// Rules taken out.
    pub without: Vec<RuleId>,
    /// Facts answered by hand: key and answer.
    pub pins: Vec<(String, String)>,
    /// Which packet of the conversation is shown, from 0.
    pub leg: usize,
}

/// One way that the walk can go.
#[derive(Clone, Debug)]
pub struct Way {
    /// The walk.
    pub trace: Trace,
    /// Its probability, if it is known.
    pub odds: Option<f64>,
    /// How it ends, in one line.
    pub summary: String,
    /// Hooks that are not on this way, and which decision led elsewhere.
    pub skipped: Vec<(Hook, String)>,
}

/// A finished answer to step through.
#[derive(Clone)]
pub struct Session {
    /// What was read: `node1 · iptables-save`.
    pub title: String,
    /// The rules.
    pub model: Arc<Model>,
    /// All ways found, most likely first; never empty.
    pub ways: Vec<Way>,
    /// The ways without the edits of `request`, when there are any.
    pub before: Vec<Way>,
    /// The packets of the conversation by their names; none for a single packet.
    pub legs: Vec<String>,
    /// What was asked.
    pub request: Request,
    /// What the rules say.
    pub words: Arc<dyn Words>,
}
