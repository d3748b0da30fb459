//! Statements: `{"counter": {"packets": 3, "bytes": 180}}` becomes `counter packets 3 bytes 180`.

use std::fmt::Write;

use serde_json::Value;

use super::expr::{expr, name, quoted, text, words};

/// What stands for a statement that nobody can know.
const UNKNOWN: &str = "xt target \"unknown\"";

/// A statement.
pub(super) fn statement(value: &Value) -> String {
    if let Value::String(text) = value {
        return as_text(text);
    }
    let Some((kind, body)) = value.as_object().and_then(|o| o.iter().next()) else { return expr(value) };
    let get = |key: &str| body.get(key);
    let part = |key: &str| get(key).map(expr).unwrap_or_default();
    match kind.as_str() {
        "match" => match text(body, "op") {
            "in" | "" => format!("{} {}", part("left"), part("right")),
            op => format!("{} {op} {}", part("left"), part("right")),
        },
        "mangle" => format!("{} set {}", part("key"), part("value")),
        "vmap" => format!("{} vmap {}", part("key"), part("data")),
        "accept" | "drop" | "continue" | "return" | "notrack" => kind.clone(),
        "jump" | "goto" => format!("{kind} {}", name(body, "target")),
        "counter" | "limit" | "quota" | "synproxy" if body.is_string() || is_map(body) => {
            format!("{kind} name {}", named(body))
        }
        "counter" => match get("packets") {
            Some(packets) => format!("counter packets {} bytes {}", expr(packets), part("bytes")),
            None => "counter".to_owned(),
        },
        "limit" => format!("limit {}", limit(body)),
        "quota" => quota(body),
        "ct count" => {
            let over = if get("inv") == Some(&Value::Bool(true)) { "over " } else { "" };
            format!("ct count {over}{}", part("val"))
        }
        "ct helper" | "ct timeout" | "ct expectation" => format!("{kind} set {}", named(body)),
        "secmark" => format!("meta secmark set {}", named(body)),
        "snat" | "dnat" | "masquerade" | "redirect" => nat(kind, body),
        "tproxy" => format!("tproxy {} to {}", text(body, "family"), target(body)),
        "reject" => reject(body),
        "log" => log(body),
        "queue" => queue(body),
        "set" | "map" => update(kind, body),
        "meter" => format!(
            "meter {} {{ {} {} }}",
            name(body, "name"),
            part("key"),
            get("stmt").map(statement).unwrap_or_default()
        ),
        "flow" => format!("flow {} {}", text(body, "op"), name(body, "flowtable")),
        "fwd" => match (get("addr"), get("dev")) {
            (Some(addr), Some(dev)) => format!("fwd {} to {} device {}", text(body, "family"), expr(addr), expr(dev)),
            _ => format!("fwd to {}", part("dev")),
        },
        "dup" => match (get("addr"), get("dev")) {
            (Some(addr), Some(dev)) => format!("dup to {} device {}", expr(addr), expr(dev)),
            _ => format!("dup to {}", part("addr")),
        },
        "synproxy" => synproxy(body),
        "reset" => format!("reset {}", expr(body)),
        "last" => "last".to_owned(),
        "xt" => match (text(body, "type"), body.get("name").and_then(Value::as_str).unwrap_or("")) {
            ("", _) | (_, "") => UNKNOWN.to_owned(),
            (kind, name) => format!("xt {kind} {}", quoted(name)),
        },
        "comment" => format!("comment {}", quoted(body.as_str().unwrap_or(""))),
        _ => expr(value),
    }
}

/// What nft has no JSON for (`jump { … }`) stands as its text: one statement, whatever is in it.
fn as_text(text: &str) -> String {
    if is_one(text) { text.to_owned() } else { UNKNOWN.to_owned() }
}

/// Whether a text ends where its statement does: lines end only inside of its own braces.
fn is_one(text: &str) -> bool {
    let (mut depth, mut quoted) = (0u32, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '\n' if quoted => return false,
            _ if quoted => {}
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | '#' => return false,
            '\n' | ';' if depth == 0 => return false,
            _ => {}
        }
    }
    depth == 0 && !quoted
}

fn is_map(value: &Value) -> bool {
    value.as_object().is_some_and(|o| o.contains_key("map"))
}

/// An object's name in quotes, or the map that chooses one.
fn named(value: &Value) -> String {
    value.as_str().map_or_else(|| expr(value), quoted)
}

pub(super) fn limit(body: &Value) -> String {
    let n = |key: &str| body.get(key).map(expr);
    let unit = |key: &str| body.get(key).and_then(Value::as_str).filter(|u| *u != "packets");
    let over = if body.get("inv") == Some(&Value::Bool(true)) { "over " } else { "" };
    let per = body.get("per").and_then(Value::as_str).unwrap_or("second");
    let rate = n("rate").unwrap_or_default();
    let mut out = match unit("rate_unit") {
        Some(unit) => format!("rate {over}{rate} {unit}/{per}"),
        None => format!("rate {over}{rate}/{per}"),
    };
    if let Some(burst) = n("burst").filter(|b| b != "0") {
        let _ = write!(out, " burst {burst} {}", unit("burst_unit").unwrap_or("packets"));
    }
    out
}

fn quota(body: &Value) -> String {
    let n = |key: &str| body.get(key).map(expr).unwrap_or_default();
    let over = if body.get("inv") == Some(&Value::Bool(true)) { "over " } else { "" };
    let mut out = format!("quota {over}{} {}", n("val"), text(body, "val_unit"));
    if body.get("used").is_some_and(|u| *u != 0) {
        let _ = write!(out, " used {} {}", n("used"), text(body, "used_unit"));
    }
    out
}

/// `ADDR:PORT` of translations and proxies.
fn target(body: &Value) -> String {
    let addr = body.get("addr").map(|a| {
        let text = expr(a);
        let bare = a.is_string() && text.contains(':') && body.get("port").is_some();
        if bare { format!("[{text}]") } else { text }
    });
    match (addr, body.get("port").map(expr)) {
        (Some(a), Some(p)) => format!("{a}:{p}"),
        (Some(a), None) => a,
        (None, Some(p)) => format!(":{p}"),
        (None, None) => String::new(),
    }
}

fn nat(kind: &str, body: &Value) -> String {
    let mut out = kind.to_owned();
    let mut word = |w: &str| {
        if !w.is_empty() {
            out.push(' ');
            out.push_str(w);
        }
    };
    word(text(body, "family"));
    let netmap = words(body.get("flags")).contains("netmap");
    if netmap || words(body.get("type_flags")).contains("prefix") {
        word("prefix");
    }
    let target = target(body);
    if !target.is_empty() {
        word("to");
        word(&target);
    }
    let flags = words(body.get("flags"));
    word(&flags.split(',').filter(|f| *f != "netmap").collect::<Vec<_>>().join(","));
    out
}

fn reject(body: &Value) -> String {
    match (text(body, "type"), body.get("expr").map(expr)) {
        ("tcp reset", _) => "reject with tcp reset".to_owned(),
        (kind, Some(code)) if !kind.is_empty() => format!("reject with {kind} {code}"),
        _ => "reject".to_owned(),
    }
}

fn log(body: &Value) -> String {
    let mut out = "log".to_owned();
    for key in ["prefix", "group", "snaplen", "queue-threshold", "level"] {
        match body.get(key) {
            Some(Value::String(s)) if key == "prefix" => {
                let _ = write!(out, " prefix {}", quoted(s));
            }
            Some(v) => {
                let _ = write!(out, " {key} {}", expr(v));
            }
            None => {}
        }
    }
    if body.get("flags").is_some() {
        out.push_str(" flags all");
    }
    out
}

fn queue(body: &Value) -> String {
    let flags = words(body.get("flags"));
    let num = body.get("num").map(expr).unwrap_or_default();
    let flags = if flags.is_empty() { String::new() } else { format!(" flags {flags}") };
    if num.is_empty() { format!("queue{flags}") } else { format!("queue{flags} to {num}") }
}

fn synproxy(body: &Value) -> String {
    let mut out = "synproxy".to_owned();
    for key in ["mss", "wscale"] {
        if let Some(v) = body.get(key) {
            let _ = write!(out, " {key} {}", expr(v));
        }
    }
    for flag in words(body.get("flags")).split(',').filter(|f| !f.is_empty()) {
        let _ = write!(out, " {flag}");
    }
    out
}

fn update(kind: &str, body: &Value) -> String {
    let set = body.get(kind).map(expr).unwrap_or_default();
    let mut inner = body.get("elem").map(expr).unwrap_or_default();
    for stmt in body.get("stmt").and_then(Value::as_array).into_iter().flatten() {
        inner = format!("{inner} {}", statement(stmt));
    }
    if let Some(data) = body.get("data") {
        inner = format!("{inner} : {}", expr(data));
    }
    format!("{} {set} {{ {inner} }}", text(body, "op"))
}
