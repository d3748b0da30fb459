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

pub use status::{Construct, Status, constructs};

/// Adds what `tree` says to `model`: tables, chains, sets and rules of a listing, or the changes of typed commands.
pub fn lower(tree: &Tree, model: &mut Model) -> Vec<Diagnostic> {
    let mut cx = cx::Cx::new(tree, model);
    cx.run();
    cx.diagnostics
}

/// The same for a command that somebody types: it works on iptables-nft's tables as on nft's own. (A file leaves those as
/// `iptables-save` has them.)
pub fn lower_typed(tree: &Tree, model: &mut Model) -> Vec<Diagnostic> {
    let mut cx = cx::Cx::new(tree, model);
    cx.typed = true;
    cx.run();
    cx.diagnostics
}
