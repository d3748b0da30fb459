//! nft's language: `nft list ruleset` (any version, with `-a` too), `.nft` files and typed commands, to a [`tree::Tree`] and back.
//!
//! Example: `table ip t { chain c { tcp dport 22 accept } }`. Left out: meaning, JSON, and reading included files.

mod build;
mod lexer;
pub mod print;
mod tokens;
pub mod tree;
mod words;

#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, missing_docs, unused_imports, unused_variables, dead_code)]
mod grammar {
    use lalrpop_util::lalrpop_mod;
    lalrpop_mod!(pub inner, "/nft/grammar.rs");
    pub(super) use inner::FileParser;
}

use crate::diag::Diagnostic;
use crate::source::{Source, Span};
use build::Builder;
use tree::{Body, Tree};

/// A text read as far as it could be.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What was read.
    pub tree: Tree,
    /// What was not, and why.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a listing, a file or commands. Never fails as a whole: an error costs its line.
pub fn parse(source: &Source) -> Parsed {
    let mut names = words::VOCABULARY.names.clone();
    let mut builder = Builder::default();
    let mut tokens = tokens::Tokens::new(&source.text, source.base, &mut names);
    let result = grammar::FileParser::new().parse(&mut builder, tokens.by_ref().map(Ok));
    let cut = tokens.is_cut();
    let end = source.base + source.text.len() as u32;
    if let Err(error) = result {
        builder.diagnostics.push(build::diagnostic(&error, end));
        builder.tree.lost.push(Span::new(end, end));
    } else if cut {
        let message = "the input ends inside of a block: it may have been cut off here";
        builder.diagnostics.push(Diagnostic::error("NT201", Span::new(end, end), message));
        builder.tree.lost.push(Span::new(end, end));
    }
    builder.tree.counts = tokens.into_counts();
    builder.finish();
    let Builder { mut tree, mut diagnostics, .. } = builder;
    tree.names = names;
    refuse_includes(&mut tree, &mut diagnostics);
    Parsed { tree, diagnostics }
}

/// An `include` outside a chain.
fn refuse_includes(tree: &mut Tree, diagnostics: &mut Vec<Diagnostic>) {
    let includes = tree.items.iter().filter(|i| i.body == Body::None && tree.text(i.kind) == "include");
    let places: Vec<Span> = includes.map(|i| i.span).collect();
    diagnostics.extend(places.iter().map(|span| build::refused_include(*span)));
    tree.lost.extend(places);
}

/// How many tokens a text has: lexing alone, to measure it and to fuzz it.
pub fn count_tokens(source: &Source) -> usize {
    let mut names = words::VOCABULARY.names.clone();
    tokens::Tokens::new(&source.text, source.base, &mut names).count()
}

#[cfg(test)]
mod tests;
