//! `nft -j list ruleset` as the listing that it stands for, so that JSON and text have one parser and one lowering.
//!
//! `{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}` becomes
//! `tcp dport == 22`. Positions are then those of the listing. Left out: parts of the schema that say how a ruleset is
//! transported, such as `metainfo`; what is not known becomes a word that the parser reports.

mod expr;
mod statement;

use std::fmt::Write;

use nettrace_grammar::{Diagnostic, Source, Span};
use rustc_hash::FxHashMap;
use serde_json::Value;

use expr::{elements, expr, joined, name, number, quoted, text, word, words};
use statement::{limit, statement};

/// The listing of a JSON ruleset; `None` when it is none.
pub fn listing(json: &str) -> Option<String> {
    let root: Value = serde_json::from_str(json).ok()?;
    let list = root.get("nftables")?.as_array()?;
    let mut tables = Tables::default();
    for entry in list {
        // Commands (`{"add": {…}}`) hold what a listing holds directly.
        let entry = entry.get("add").or_else(|| entry.get("create")).or_else(|| entry.get("insert")).unwrap_or(entry);
        if let Some((kind, body)) = entry.as_object().and_then(|o| o.iter().next()) {
            tables.add(kind, body);
        }
    }
    let mut out = String::new();
    for table in &tables.list {
        let _ = writeln!(out, "table {} {{", table.name);
        out.push_str(&table.head);
        for Block { name, head, rules } in &table.blocks {
            let _ = writeln!(out, "\t{name} {{\n{head}{rules}\t}}");
        }
        out.push_str("}\n");
    }
    Some(out)
}

/// The lines of a listing made from JSON that declare a chain of a device and name none: nft 1.0.6 leaves it out, so it is
/// not known where the chain runs. Each warns.
pub fn without_device(source: &Source) -> impl Iterator<Item = Diagnostic> {
    let mut at = source.base;
    source.text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len() as u32;
        let at_device = line.contains(" hook ingress ") || line.contains(" hook egress ");
        if !line.starts_with("\t\ttype ") || !at_device || line.contains(" device") {
            return None;
        }
        let span = Span::new(start + 2, start + line.trim_end().len() as u32);
        let warning = Diagnostic::warning("NT304", span, "nft's JSON does not name the device of this chain");
        Some(warning.help("`nft list ruleset` without -j names it"))
    })
}

/// All tables, in order.
#[derive(Default)]
struct Tables {
    list: Vec<Table>,
    /// Where the table of a name is.
    places: FxHashMap<String, usize>,
}

/// A table: `FAMILY NAME`, its own lines, and its blocks.
struct Table {
    name: String,
    head: String,
    blocks: Vec<Block>,
    /// Where the block of a name is.
    places: FxHashMap<String, usize>,
}

/// A chain, set or object: `chain NAME`, its lines and its rules.
struct Block {
    name: String,
    head: String,
    rules: String,
}

impl Tables {
    fn add(&mut self, kind: &str, body: &Value) {
        if kind == "metainfo" {
            return;
        }
        let own = if kind == "table" { "name" } else { "table" };
        let table = self.named(format!("{} {}", text(body, "family"), name(body, own)));
        match kind {
            "table" => {
                let flags = words(body.get("flags"));
                table.head = if flags.is_empty() { String::new() } else { format!("\tflags {flags}\n") };
            }
            "rule" => {
                let line = format!("\t\t{}\n", rule(body));
                table.block(format!("chain {}", name(body, "chain"))).rules.push_str(&line);
            }
            "element" => {}
            _ => {
                let (kind, head) = match kind {
                    "chain" => (kind, chain(body)),
                    "meter" => ("set", set(body)),
                    "set" | "map" => (kind, set(body)),
                    _ => (kind, object(kind, body)),
                };
                table.block(format!("{} {}", kind_words(kind), name(body, "name"))).head = head;
            }
        }
    }

    fn named(&mut self, name: String) -> &mut Table {
        let at = *self.places.entry(name).or_insert_with_key(|name| {
            let (name, head, blocks) = (name.clone(), String::new(), Vec::new());
            self.list.push(Table { name, head, blocks, places: FxHashMap::default() });
            self.list.len() - 1
        });
        &mut self.list[at]
    }
}

impl Table {
    fn block(&mut self, name: String) -> &mut Block {
        let at = *self.places.entry(name).or_insert_with_key(|name| {
            self.blocks.push(Block { name: name.clone(), head: String::new(), rules: String::new() });
            self.blocks.len() - 1
        });
        &mut self.blocks[at]
    }
}

/// The kind of a block, which is one or two words.
fn kind_words(kind: &str) -> &str {
    if kind.chars().all(|c| c.is_ascii_lowercase() || c == ' ') { kind } else { "" }
}

fn chain(body: &Value) -> String {
    let hook = match text(body, "hook") {
        "" => return String::new(),
        hook => hook,
    };
    let devices = match body.get("dev") {
        Some(Value::String(d)) => format!(" device {}", quoted(d)),
        Some(Value::Array(list)) => format!(" devices = {{ {} }}", joined(list, ", ")),
        _ => String::new(),
    };
    let priority = body.get("prio").map_or_else(|| "0".to_owned(), expr);
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
    let kind = |v: &Value| match v {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(" . "),
        Value::String(s) => s.split(" . ").map(word).collect::<Vec<_>>().join(" . "),
        other => format!("typeof {}", expr(other)),
    };
    let data = body.get("map").map(&kind);
    let kind = body.get("type").map(&kind).unwrap_or_default();
    let data = data.map_or_else(String::new, |d| format!(" : {d}"));
    line(match kind.strip_prefix("typeof ") {
        Some(of) => format!("typeof {of}{data}"),
        None => format!("type {kind}{data}"),
    });
    if let Some(size) = body.get("size") {
        line(format!("size {}", expr(size)));
    }
    let flags = words(body.get("flags"));
    if !flags.is_empty() {
        line(format!("flags {flags}"));
    }
    if let Some(seconds) = body.get("timeout") {
        line(format!("timeout {}s", expr(seconds)));
    }
    if let Some(list) = body.get("elem").and_then(Value::as_array) {
        line(format!("elements = {}", elements(list)));
    }
    out
}

fn object(kind: &str, body: &Value) -> String {
    let n = |key: &str| number(body.get(key));
    let lines: Vec<String> = match kind {
        "counter" => vec![format!("packets {} bytes {}", n("packets"), n("bytes"))],
        "quota" => {
            let over = if body.get("inv") == Some(&Value::Bool(true)) { "over " } else { "" };
            vec![format!("{over}{} bytes used {} bytes", n("bytes"), n("used"))]
        }
        "limit" => vec![limit(body)],
        "ct helper" => {
            vec![
                format!("type {} protocol {}", quoted(text(body, "type")), text(body, "protocol")),
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
        parts.push(format!("comment {}", quoted(comment)));
    }
    if let Some(handle) = body.get("handle") {
        parts.push(format!("# handle {}", expr(handle)));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::listing;

    #[test]
    fn a_text_stays_one_word_or_one_string() {
        let check = |members: &str, expr: &str, expect: &str| {
            let chain = r#"{"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}}"#;
            let rule =
                format!(r#"{{"rule": {{"family": "ip", "table": "t", "chain": "c"{members}, "expr": [{expr}]}}}}"#);
            let text = listing(&format!(r#"{{"nftables": [{chain}, {rule}]}}"#)).unwrap();
            let head = "table ip t {\n\tchain c {\n\t\ttype filter hook input priority 0; policy accept;\n";
            assert_eq!(text, format!("{head}\t\t{expect}\n\t}}\n}}\n"));
        };
        check("", r#"{"counter": null}, {"drop": null}"#, "counter drop");
        check(r#", "comment": "a b""#, r#"{"accept": null}"#, "accept comment \"a b\"");
        check(r#", "comment": "x\" drop\n""#, "", "comment \"x\u{fffd} drop\u{fffd}\"");
        check(r#", "handle": "1\ndrop""#, "", "# handle \"1\u{fffd}drop\"");
        check("", r#"{"jump": {"target": "x; drop"}}"#, "jump \"x; drop\"");
        check("", r#"{"log": {"prefix": "a\" drop"}}"#, "log prefix \"a\u{fffd} drop\"");
        check("", r#""flow add @f""#, "flow add @f");
        check("", r#""jump {\n\t\t\tdrop\n\t\t}""#, "jump {\n\t\t\tdrop\n\t\t}");
        for broken in [
            "log\\n\\t\\tdrop",
            "jump {\\n}\\ndrop",
            "jump { # }\\ndrop }",
            "}",
            "jump {",
            "log prefix \\\"a\\ndrop\\\"",
        ] {
            check("", &format!("\"{broken}\""), "xt target \"unknown\"");
        }
        check("", r#"{"limit": {"rate": "1/second drop", "per": "second"}}"#, "limit rate \"1/second drop\"/second");
        let op = r#"{"match": {"op": "1 } drop", "left": {"meta": {"key": "mark; drop"}}, "right": 1}}"#;
        check("", op, "meta  1");
    }

    #[test]
    fn a_chain_of_a_device_without_one_is_reported() {
        let chain = |rest: &str| {
            let known =
                r#""family": "netdev", "table": "t", "name": "c", "type": "filter", "prio": 0, "policy": "accept""#;
            format!(r#"{{"nftables": [{{"chain": {{{known}, {rest}}}}}]}}"#)
        };
        let found = |rest: &str| {
            let mut sources = nettrace_grammar::Sources::default();
            let source = sources.add("t", listing(&chain(rest)).unwrap()).unwrap().clone();
            super::without_device(&source).map(|d| sources.text(d.span).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found(r#""hook": "ingress""#), ["type filter hook ingress priority 0; policy accept;"]);
        assert_eq!(found(r#""hook": "ingress", "dev": "eth0""#), Vec::<String>::new());
        assert_eq!(found(r#""hook": "input""#), Vec::<String>::new());
    }
}
