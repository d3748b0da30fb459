//! `iptables-save`, `ip6tables-save`, `iptables -S` and typed `iptables` commands: `[5:300] -A INPUT -p tcp -j DROP`.
//!
//! Knows lines, words, quotes and the operations (`-A`, `-I`, `-P`, …); left out: extensions, targets and every meaning.

mod builder;
mod lexer;
pub mod lines;
pub mod print;
mod split;
pub mod tree;

#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, missing_docs, unused)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/iptables/grammar.rs"));
}

pub use print::{print, print_item};
pub use tree::Tree;

use crate::diag::Diagnostic;
use crate::source::Source;
use builder::Builder;
use lexer::Lexer;

/// Reads a dump or typed commands. A line that cannot be read costs that line: it has a diagnostic and stands in
/// [`Tree::unreadable`].
pub fn parse(source: &Source) -> (Tree<'_>, Vec<Diagnostic>) {
    let mut builder = Builder::new(source);
    let parser = grammar::FileParser::new();
    let mut at = 0;
    while let Err(error) = parser.parse(&mut builder, Lexer::new(&source.text, source.base, at)) {
        at = builder.recover(source, error);
    }
    (builder.tree, builder.diagnostics)
}

/// How many tokens a text has before the first that cannot be read, behind which the lexer does not go on by itself: lexing
/// alone, to measure it and to fuzz it.
pub fn count_tokens(source: &Source) -> usize {
    Lexer::words(&source.text, source.base, 0).take_while(Result::is_ok).count()
}

#[cfg(test)]
mod tests;
