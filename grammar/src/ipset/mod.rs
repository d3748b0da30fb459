//! `ipset save`, `ipset list` and typed `ipset` commands: `add blocked 10.0.0.1 timeout 60 comment "x y"`.
//!
//! Knows commands, set names and words; left out: set types, what an entry means, and which option takes a value.

mod builder;
mod lexer;
mod list;
pub mod print;
pub mod tree;

#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, missing_docs, unused)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/ipset/grammar.rs"));
}

pub use print::{print, print_line};
pub use tree::Tree;

use crate::diag::Diagnostic;
use crate::source::Source;
use builder::Builder;
use lexer::Lexer;

/// Reads `ipset save` output, typed commands, or (when it begins with `Name: `) `ipset list` output, which becomes the
/// same lines. A line that cannot be read costs that line and leaves a diagnostic.
pub fn parse(source: &Source) -> (Tree<'_>, Vec<Diagnostic>) {
    let mut builder = Builder::new(source);
    if list::is_list(&source.text) {
        list::read(source, &mut builder);
        return (builder.tree, builder.diagnostics);
    }
    let parser = grammar::FileParser::new();
    let mut at = 0;
    while let Err(error) = parser.parse(&mut builder, Lexer::new(&source.text, source.base, at)) {
        at = builder.recover(source, error);
    }
    (builder.tree, builder.diagnostics)
}

/// How many tokens a text has: lexing alone, to measure it and to fuzz it.
pub fn count_tokens(source: &Source) -> usize {
    Lexer::new(&source.text, source.base, 0).count()
}

#[cfg(test)]
mod tests;
