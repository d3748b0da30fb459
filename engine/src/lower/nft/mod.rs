//! nft's syntax tree to the model: `tcp dport 80 accept` becomes `proto tcp`, `dport 80`, `accept`.
//!
//! What nft tests silently in front of a statement (semantics.md 9.2) becomes an explicit test. What is not understood costs
//! that condition or statement: an opaque test, or an opaque op. Also lowers into a model that has rules already, which is
//! how typed commands change a ruleset. Left out: meta data of sets that no packet can notice.

mod asked;
mod changed;
mod commands;
mod cx;
mod expr;
mod fields;
mod kind;
mod matches;
mod merged;
mod names;
mod rule;
mod sets;
mod special;
mod status;
mod stmts;
mod tables;
#[cfg(test)]
mod tests;
mod values;

use nettrace_grammar::Diagnostic;
use nettrace_grammar::nft::tree::Tree;

use crate::model::Model;

pub use names::value_name;
pub use status::{Construct, Status, constructs};

/// Adds what `tree` says to `model`: tables, chains, sets and rules of a listing or of a file of commands.
pub fn lower(tree: &Tree, model: &mut Model) -> Vec<Diagnostic> {
    run(tree, model, false)
}

/// Carries out commands typed at the host that `model` is of: iptables-nft's tables are nft's too.
pub fn carry_out(tree: &Tree, model: &mut Model) -> Vec<Diagnostic> {
    run(tree, model, true)
}

fn run(tree: &Tree, model: &mut Model, typed: bool) -> Vec<Diagnostic> {
    let mut cx = cx::Cx::new(tree, model);
    cx.typed = typed;
    cx.run();
    cx.diagnostics
}
