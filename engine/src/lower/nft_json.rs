//! `nft -j list ruleset` as the listing that it stands for, so that JSON and text have one parser and one lowering.
//!
//! `{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}` becomes
//! `tcp dport == 22`. Positions are then those of the listing. Left out: parts of the schema that say how a ruleset is
//! transported, such as `metainfo`; what is not known becomes a word that the parser reports.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The listing of a JSON ruleset; `None` when it is none.
pub fn listing(json: &str) -> Option<String> {
    let root: Value = serde_json::from_str(json).ok()?;
    let list = root.get("nftables")?.as_array()?;
    let mut tables: Vec<Table> = Vec::new();
    for entry in list {
        // Commands (`{"add": {…}}`) hold what a listing holds directly.
        let entry = entry.get("add").or_else(|| entry.get("create")).or_else(|| entry.get("insert")).unwrap_or(entry);
        if let Some((kind, body)) = entry.as_object().and_then(|o| o.iter().next()) {
            add(&mut tables, kind, body);
        }
    }
    let mut out = String::new();
    for table in &tables {
        let _ = writeln!(out, "table {} {{", table.name);
        out.push_str(&table.head);
        for (name, head, rules) in &table.blocks {
            let _ = writeln!(out, "\t{name} {{\n{head}{rules}\t}}");
        }
        out.push_str("}\n");
    }
    Some(out)
}

/// A table: `FAMILY NAME`, its own lines, and its blocks with their lines and rules.
struct Table {
    name: String,
    head: String,
    blocks: Vec<(String, String, String)>,
}

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body.get(key).and_then(Value::as_str).unwrap_or("")
}

fn add(tables: &mut Vec<Table>, kind: &str, body: &Value) {
    if kind == "metainfo" {
        return;
    }
    let own = if kind == "table" { "name" } else { "table" };
    let name = format!("{} {}", text(body, "family"), text(body, own));
    let at = tables.iter().position(|t| t.name == name).unwrap_or_else(|| {
        tables.push(Table { name, head: String::new(), blocks: Vec::new() });
        tables.len() - 1
    });
    let table = &mut tables[at];
    let head = match kind {
        "table" => {
            let flags = words(body.get("flags"));
            table.head = if flags.is_empty() { String::new() } else { format!("\tflags {flags}\n") };
            return;
        }
        "rule" => {
            let chain = format!("chain {}", text(body, "chain"));
            let line = format!("\t\t{}\n", rule(body));
            return match table.blocks.iter_mut().find(|b| b.0 == chain) {
                Some(block) => block.2.push_str(&line),
                None => table.blocks.push((chain, String::new(), line)),
            };
        }
        "element" => return,
        "chain" => chain(body),
        "set" | "map" | "meter" => set(body),
        _ => object(kind, body),
    };
    let kind = if kind == "meter" { "set" } else { kind };
    let name = format!("{kind} {}", text(body, "name"));
    match table.blocks.iter_mut().find(|b| b.0 == name) {
        Some(block) => block.1 = head,
        None => table.blocks.push((name, head, String::new())),
    }
}

/// A word or a list of words, joined by commas.
fn words(value: Option<&Value>) -> String {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Some(Value::String(s)) => s.clone(),
        _ => String::new(),
    }
}

fn chain(body: &Value) -> String {
    let Some(hook) = body.get("hook").and_then(Value::as_str) else { return String::new() };
    let devices = match body.get("dev") {
        Some(Value::String(d)) => format!(" device \"{d}\""),
        Some(Value::Array(list)) => format!(" devices = {{ {} }}", joined(list, ", ")),
        _ => String::new(),
    };
    let priority = body.get("prio").map_or_else(|| "0".to_owned(), Value::to_string);
    let policy = match text(body, "policy") {
        "" => String::new(),
        policy => format!(" policy {policy};"),
    };
    format!("\t\ttype {} hook {hook}{devices} priority {priority};{policy}\n", text(body, "type"))
}

fn set(body: &Value) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "\t\t{text}");
    };
    let word = |v: &Value| match v {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" . "),
        Value::String(s) => s.clone(),
        other => format!("typeof {}", expr(other)),
    };
    let kind = body.get("type").map(&word).unwrap_or_default();
    let data = body.get("map").map(&word);
    let data = data.map_or_else(String::new, |d| format!(" : {d}"));
    line(match kind.strip_prefix("typeof ") {
        Some(of) => format!("typeof {of}{data}"),
        None => format!("type {kind}{data}"),
    });
    if let Some(size) = body.get("size") {
        line(format!("size {size}"));
    }
    let flags = words(body.get("flags"));
    if !flags.is_empty() {
        line(format!("flags {flags}"));
    }
    if let Some(seconds) = body.get("timeout") {
        line(format!("timeout {seconds}s"));
    }
    if let Some(list) = body.get("elem").and_then(Value::as_array) {
        line(format!("elements = {}", elements(list)));
    }
    out
}

fn object(kind: &str, body: &Value) -> String {
    let n = |key: &str| body.get(key).map(Value::to_string).unwrap_or_default();
    let lines: Vec<String> = match kind {
        "counter" => vec![format!("packets {} bytes {}", n("packets"), n("bytes"))],
        "quota" => {
            let over = if body.get("inv") == Some(&Value::Bool(true)) { "over " } else { "" };
            vec![format!("{over}{} bytes used {} bytes", n("bytes"), n("used"))]
        }
        "limit" => vec![limit(body)],
        "ct helper" => {
            vec![
                format!("type \"{}\" protocol {}", text(body, "type"), text(body, "protocol")),
                format!("l3proto {}", text(body, "l3proto")),
            ]
        }
        "flowtable" => {
            let list = match body.get("dev") {
                Some(Value::Array(list)) => joined(list, ", "),
                Some(one) => expr(one),
                None => String::new(),
            };
            vec![format!("hook ingress priority {}", n("prio")), format!("devices = {{ {list} }}")]
        }
        _ => Vec::new(),
    };
    lines.iter().fold(String::new(), |out, l| format!("{out}\t\t{l}\n"))
}

fn rule(body: &Value) -> String {
    let list = body.get("expr").and_then(Value::as_array);
    let mut parts: Vec<String> = list.into_iter().flatten().map(statement).collect();
    if let Some(comment) = body.get("comment").and_then(Value::as_str) {
        parts.push(format!("comment \"{comment}\""));
    }
    if let Some(handle) = body.get("handle") {
        parts.push(format!("# handle {handle}"));
    }
    parts.join(" ")
}

fn statement(value: &Value) -> String {
    // What nft has no JSON for is its text.
    if let Value::String(text) = value {
        return text.clone();
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
        "jump" | "goto" => format!("{kind} {}", text(body, "target")),
        "counter" | "limit" | "quota" | "synproxy" if body.is_string() || is_map(body) => {
            format!("{kind} name {}", named(body))
        }
        "counter" => match get("packets") {
            Some(packets) => format!("counter packets {packets} bytes {}", part("bytes")),
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
            text(body, "name"),
            part("key"),
            get("stmt").map(statement).unwrap_or_default()
        ),
        "flow" => format!("flow {} {}", text(body, "op"), text(body, "flowtable")),
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
        "xt" => match (text(body, "type"), text(body, "name")) {
            ("", _) | (_, "") => "xt target \"unknown\"".to_owned(),
            (kind, name) => format!("xt {kind} \"{name}\""),
        },
        "comment" => format!("comment \"{}\"", body.as_str().unwrap_or("")),
        _ => expr(value),
    }
}

fn is_map(value: &Value) -> bool {
    value.as_object().is_some_and(|o| o.contains_key("map"))
}

/// An object's name in quotes, or the map that chooses one.
fn named(value: &Value) -> String {
    value.as_str().map_or_else(|| expr(value), |s| format!("\"{s}\""))
}

fn limit(body: &Value) -> String {
    let n = |key: &str| body.get(key).map(Value::to_string);
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
    let n = |key: &str| body.get(key).map(Value::to_string).unwrap_or_default();
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
                let _ = write!(out, " prefix \"{s}\"");
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
            let _ = write!(out, " {key} {v}");
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

fn joined(list: &[Value], between: &str) -> String {
    list.iter().map(expr).collect::<Vec<_>>().join(between)
}

fn elements(list: &[Value]) -> String {
    let one = |e: &Value| match e.as_array().map(Vec::as_slice) {
        Some([key, data]) if data.is_object() => format!("{} : {}", expr(key), statement(data)),
        Some([key, data]) => format!("{} : {}", expr(key), expr(data)),
        _ => expr(e),
    };
    format!("{{ {} }}", list.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// An expression; a word is quoted when it would not be one word otherwise.
fn expr(value: &Value) -> String {
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

fn word(s: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '@' | '*');
    // With a colon it is an address, a class or a time, or a text such as a system's version.
    let literal =
        |s: &str| !s.contains(':') || s.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '/'));
    if !s.starts_with(['/', '-', '.']) && !s.is_empty() && s.chars().all(plain) && literal(s) {
        s.to_owned()
    } else {
        format!("\"{s}\"")
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
        "payload" => match body.get("base").and_then(Value::as_str) {
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
        other => format!("\"{other}\""),
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
            let _ = write!(out, " {key} {seconds}s");
        }
    }
    if let Some(comment) = body.get("comment").and_then(Value::as_str) {
        let _ = write!(out, " comment \"{comment}\"");
    }
    for key in ["counter", "limit", "quota", "ct count"] {
        if let Some(stmt) = body.get(key) {
            let one: Map<String, Value> = [(key.to_owned(), stmt.clone())].into_iter().collect();
            let _ = write!(out, " {}", statement(&Value::Object(one)));
        }
    }
    out
}
