//! What nettrace knows of nft's language, from the registries: for the documentation and for reports.

use super::{fields, special, stmts};

/// An expression or statement that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Construct {
    /// `expression` or `statement`.
    pub what: &'static str,
    /// How it is written.
    pub form: String,
    /// What becomes of it.
    pub note: String,
}

/// Statements that are no single keyword.
const OTHERS: &[(&str, &str)] = &[
    ("EXPR [OP] VALUE | { … } | @SET", "a test"),
    ("EXPR vmap { … } | @MAP", "a verdict by an element; without one the rule misses"),
    ("EXPR set VALUE", "a write; misses when the value or the header is absent"),
    ("add|update|delete @SET { KEY [timeout T] [STATEFUL] [: DATA] }", "later rules of the same walk see it"),
    ("meter NAME { KEY STATEFUL }", "as `update` of a set of that name"),
    ("accept | drop | continue | return | jump CHAIN | goto CHAIN | jump { … }", "a verdict"),
];

/// All expressions and statements, in the order of the registries.
pub fn constructs() -> Vec<Construct> {
    let expression = |form: String, note: String| Construct { what: "expression", form, note };
    let rows = fields::ROWS.iter().map(|r| expression(r.text.to_owned(), format!("{:?}", r.kind).to_lowercase()));
    let special = special::SPECIAL.iter().map(|s| expression(format!("{} {}", s.head, s.form), String::new()));
    let statement = |form: String, note: &str| Construct { what: "statement", form, note: note.to_owned() };
    let keywords =
        stmts::STATEMENTS.iter().map(|s| statement(format!("{} {}", s.word, s.form).trim().to_owned(), s.note));
    let others = OTHERS.iter().map(|(form, note)| statement((*form).to_owned(), note));
    rows.chain(special).chain(others).chain(keywords).collect()
}
