//! What nettrace knows of nft's language, from the registries: for the documentation and for reports.

use super::fields::Source;
use super::{asked, fields, special, stmts};
use crate::field::Field;

/// How well a construct is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its effect follows from packet, host and state.
    Computed,
    /// It needs input that is often missing: a declared default stands in, or a fact is asked for.
    Assumed,
    /// It is kept as text, a fact to ask for.
    Text,
}

/// An expression or statement of nft's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Construct {
    /// A statement rather than an expression.
    pub statement: bool,
    /// How it is written.
    pub form: String,
    /// How well it is understood.
    pub status: Status,
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

fn status(source: Source) -> Status {
    use Field::*;
    let (Source::Field(f) | Source::Part(f, ..) | Source::Sum(f, _)) = source else { return Status::Computed };
    let assumed = matches!(
        f,
        SkUid
            | SkGid
            | Cgroup
            | Cpu
            | Time
            | Day
            | Hour
            | Ipsec
            | Secmark
            | CtId
            | CtLabel
            | SockTransparent
            | SockMark
            | SockWildcard
            | SdifName
    );
    if assumed { Status::Assumed } else { Status::Computed }
}

fn statement_status(word: &str) -> Status {
    match word {
        "limit" | "quota" | "ct count" | "queue" | "tproxy" | "synproxy" | "flow add" | "flow offload" | "dup" => {
            Status::Assumed
        }
        "xt match" | "xt target" | "xt watcher" => Status::Text,
        _ => Status::Computed,
    }
}

/// All expressions and statements, in the order of the registries.
pub fn constructs() -> Vec<Construct> {
    let make =
        |statement, form: String, status, note: &str| Construct { statement, form, status, note: note.to_owned() };
    let mut all = Vec::new();
    for r in fields::ROWS {
        all.push(make(false, r.text.to_owned(), status(r.source), ""));
    }
    for s in special::SPECIAL {
        let random = matches!(s.head, "numgen" | "symhash" | "meta");
        let asked = matches!(s.head, "osf" | "ipsec");
        let status = if random || asked { Status::Assumed } else { Status::Computed };
        all.push(make(
            false,
            format!("{} {}", s.head, s.form),
            status,
            if random { "a chance, or a counter" } else { "" },
        ));
    }
    all.push(make(false, "jhash EXPR mod N [seed N] [offset N]".to_owned(), Status::Assumed, "a chance"));
    all.push(make(
        false,
        "@ll|nh|th|ih,OFFSET,BITS".to_owned(),
        Status::Computed,
        "payload bytes that were not given are a fact",
    ));
    all.extend(asked::forms().map(|form| make(false, form, Status::Assumed, "asked for as a whole condition")));
    all.extend(OTHERS.iter().map(|(form, note)| make(true, (*form).to_owned(), Status::Computed, note)));
    for s in stmts::STATEMENTS {
        let form = format!("{} {}", s.word, s.form);
        all.push(make(true, form.trim().to_owned(), statement_status(s.word), s.note));
    }
    all
}
