//! Expressions and words: `{"payload": {"protocol": "tcp", "field": "dport"}}` becomes `tcp dport`.
//!
//! A text of the JSON never becomes more than the one word or string that it is: the listing is parsed, and what stands in
//! a comment must not end up as a statement.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::statement::statement;

/// A keyword of the schema or an operator; empty when it is more than that.
pub(super) fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '+' | '=' | '!' | '<' | '>');
    body.get(key).and_then(Value::as_str).filter(|s| s.chars().all(plain)).unwrap_or("")
}

/// A table's, chain's, set's or object's name, in quotes where it is no word.
pub(super) fn name(body: &Value, key: &str) -> String {
    body.get(key).and_then(Value::as_str).map_or_else(String::new, word)
}

/// A number, or what stands in its place.
pub(super) fn number(value: Option<&Value>) -> String {
    value.map(expr).unwrap_or_default()
}

/// A text in quotes. What the language cannot write between them is replaced.
pub(super) fn quoted(s: &str) -> String {
    let inner = |c: char| if c == '"' || c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    format!("\"{}\"", s.chars().map(inner).collect::<String>())
}

/// A word or a list of words, joined by commas.
pub(super) fn words(value: Option<&Value>) -> String {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(","),
        Some(Value::String(s)) => word(s),
        _ => String::new(),
    }
}

pub(super) fn joined(list: &[Value], between: &str) -> String {
    list.iter().map(expr).collect::<Vec<_>>().join(between)
}

pub(super) fn elements(list: &[Value]) -> String {
    let one = |e: &Value| match e.as_array().map(Vec::as_slice) {
        Some([key, data]) if data.is_object() => format!("{} : {}", expr(key), statement(data)),
        Some([key, data]) => format!("{} : {}", expr(key), expr(data)),
        _ => expr(e),
    };
    format!("{{ {} }}", list.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// An expression.
pub(super) fn expr(value: &Value) -> String {
    match value {
        Value::String(s) => word(s),
        Value::Number(n) => n.to_string(),
        Value::Bool(true) => "exists".to_owned(),
        Value::Bool(false) => "missing".to_owned(),
        Value::Null => String::new(),
        Value::Array(list) => joined(list, ","),
        Value::Object(o) => o.iter().next().map_or_else(String::new, |(kind, body)| composed(kind, body, o)),
    }
}

/// A word, in quotes when it would not be one otherwise.
pub(super) fn word(s: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '@' | '*');
    // With a colon it is an address, a class or a time, or a text such as a system's version.
    let literal =
        |s: &str| !s.contains(':') || s.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '/'));
    if !s.starts_with(['/', '-', '.']) && !s.is_empty() && s.chars().all(plain) && literal(s) {
        s.to_owned()
    } else {
        quoted(s)
    }
}

/// `80-90`; names keep their distance, for a dash belongs to them: `request - reply`.
fn range(list: &[Value]) -> String {
    let named =
        |v: &Value| v.as_str().is_some_and(|s| s.starts_with(|c: char| c.is_ascii_alphabetic()) && !s.contains(':'));
    joined(list, if list.iter().any(named) { " - " } else { "-" })
}

/// An operand of an operator: lists are flags joined by `|`.
fn operand(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("({})", joined(list, " | ")),
        Value::Object(o) if o.keys().next().is_some_and(|k| matches!(k.as_str(), "&" | "|" | "^" | "<<" | ">>")) => {
            format!("({})", expr(value))
        }
        _ => expr(value),
    }
}

/// Whether a left operand binds at least as tightly as the operator behind it.
fn tighter(value: &Value, operator: &str) -> bool {
    let rank = |op: &str| ["|", "^", "&", "<<", ">>"].iter().position(|o| *o == op).map(|r| r.min(3));
    let inner = value.as_object().and_then(|o| o.keys().next()).and_then(|k| rank(k));
    inner.is_some() && inner >= rank(operator)
}

fn composed(kind: &str, body: &Value, whole: &Map<String, Value>) -> String {
    let part = |key: &str| body.get(key).map(expr).unwrap_or_default();
    let optional = |key: &str| body.get(key).map(|v| format!(" {key} {}", expr(v))).unwrap_or_default();
    let list = body.as_array().map(Vec::as_slice).unwrap_or_default();
    let spnum = optional("spnum");
    match kind {
        "&" | "|" | "^" | "<<" | ">>" => {
            let parts =
                list.iter().enumerate().map(|(i, v)| if i == 0 && tighter(v, kind) { expr(v) } else { operand(v) });
            parts.collect::<Vec<_>>().join(&format!(" {kind} "))
        }
        "concat" => list.iter().map(expr).collect::<Vec<_>>().join(" . "),
        "set" => elements(body.as_array().map_or(std::slice::from_ref(body), Vec::as_slice)),
        "map" => format!("{} map {}", part("key"), part("data")),
        "range" => range(list),
        "prefix" => format!("{}/{}", part("addr"), part("len")),
        "elem" => element(body),
        "payload" => match body.get("base").map(|_| text(body, "base")) {
            Some(base) => format!("@{base},{},{}", part("offset"), part("len")),
            None => selector(&[text(body, "tunnel"), text(body, "protocol"), text(body, "field")]),
        },
        "meta" => format!("meta {}", text(body, "key")),
        "ct" => selector(&["ct", text(body, "dir"), text(body, "family"), text(body, "key")]),
        "rt" => selector(&["rt", text(body, "family"), text(body, "key")]),
        "socket" => format!("socket {}{}", text(body, "key"), optional("level")),
        "tunnel" => format!("tunnel {}", text(body, "key")),
        "fib" => {
            let flags = words(body.get("flags")).replace(',', " . ");
            let result = match text(body, "result") {
                "check" => "oif",
                other => other,
            };
            format!("fib {flags} {result}")
        }
        "numgen" => {
            let offset = body.get("offset").filter(|o| **o != 0).map(|o| format!(" offset {o}")).unwrap_or_default();
            format!("numgen {} mod {}{offset}", text(body, "mode"), part("mod"))
        }
        "symhash" => format!("symhash mod {}{}", part("mod"), optional("offset")),
        "jhash" => {
            let offset = body.get("offset").filter(|o| **o != 0).map(|o| format!(" offset {o}")).unwrap_or_default();
            format!("jhash {} mod {}{}{offset}", part("expr"), part("mod"), optional("seed"))
        }
        "tcp option" if body.get("base").is_some() => {
            format!("tcp option @{},{},{}", part("base"), part("offset"), part("len"))
        }
        "tcp option" | "ip option" | "sctp chunk" | "dccp option" => {
            selector(&[kind, &part("name"), &part("type"), text(body, "field")])
        }
        "exthdr" => match body.get("field") {
            Some(_) => format!("{} {}", text(body, "name"), text(body, "field")),
            None => format!("exthdr {}", text(body, "name")),
        },
        "osf" => selector(&["osf", &optional("ttl"), text(body, "key")]),
        "ipsec" => selector(&[
            "ipsec",
            text(body, "dir"),
            if spnum == " spnum 0" { "" } else { &spnum },
            text(body, "family"),
            text(body, "key"),
        ]),
        "accept" | "drop" | "continue" | "return" | "jump" | "goto" => statement(&Value::Object(whole.clone())),
        other => quoted(other),
    }
}

fn selector(parts: &[&str]) -> String {
    parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `{"elem": {"val": …, "timeout": 5, "counter": {…}}}`.
fn element(body: &Value) -> String {
    let mut out = body.get("val").map(expr).unwrap_or_default();
    for key in ["timeout", "expires"] {
        if let Some(seconds) = body.get(key) {
            let _ = write!(out, " {key} {}s", expr(seconds));
        }
    }
    if let Some(comment) = body.get("comment").and_then(Value::as_str) {
        let _ = write!(out, " comment {}", quoted(comment));
    }
    for key in ["counter", "limit", "quota", "ct count"] {
        if let Some(stmt) = body.get(key) {
            let one: Map<String, Value> = [(key.to_owned(), stmt.clone())].into_iter().collect();
            let _ = write!(out, " {}", statement(&Value::Object(one)));
        }
    }
    out
}
