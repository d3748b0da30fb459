//! `ip route add 10.0.0.0/8 via 192.168.1.1 dev eth0` and `sysctl -w net.ipv4.ip_forward=0`.
//!
//! A route's words become the object that `ip -j route` would print for it, and are read like one.

use nettrace_grammar::{Diagnostic, Source, Sources, Span};
use serde_json::{Map, Value as Json};

use super::{checked, keep, refused};
use crate::host::{Family, Part, Parts, Route, Table};

/// Carries out a command on the host's parts.
pub(super) fn apply(parts: &mut Parts, sources: &mut Sources, command: &str) -> Result<(), Vec<Diagnostic>> {
    let (_, span) = keep(sources, command)?;
    let mut words = command.split_whitespace().skip(1).peekable();
    if command.starts_with("sysctl") {
        return sysctl(parts, words.filter(|w| !w.starts_with('-')), span);
    }
    let family = words.next_if(|w| matches!(*w, "-4" | "-6"));
    match words.next() {
        Some("route" | "ro" | "r") => route(parts, &words.collect::<Vec<_>>(), family == Some("-6"), span),
        _ => Err(refused(span, "this `ip` command is not understood", "`ip route add|replace|del …`")),
    }
}

fn sysctl<'a>(parts: &mut Parts, words: impl Iterator<Item = &'a str>, span: Span) -> Result<(), Vec<Diagnostic>> {
    let text = words.collect::<Vec<_>>().join(" ");
    let Some((key, value)) = text.split_once('=').filter(|(k, _)| !k.trim().is_empty()) else {
        return Err(refused(span, "a sysctl is set as `KEY=VALUE`", "`sysctl -w net.ipv4.ip_forward=1`"));
    };
    parts.sysctls.get_or_insert_default().set(key.trim(), value.trim().trim_matches(['"', '\'']));
    Ok(())
}

/// Options of `ip route` with the key that `ip -j route` has for them.
const KEYS: &[(&str, &str)] = &[
    ("via", "gateway"),
    ("dev", "dev"),
    ("src", "prefsrc"),
    ("table", "table"),
    ("metric", "metric"),
    ("preference", "metric"),
    ("scope", "scope"),
    ("tos", "tos"),
    ("proto", "protocol"),
    ("protocol", "protocol"),
];

fn route(parts: &mut Parts, words: &[&str], v6: bool, span: Span) -> Result<(), Vec<Diagnostic>> {
    let help = "`ip route add 10.0.0.0/8 via 192.168.1.1 dev eth0`";
    let Some((action, mut rest)) = words.split_first() else { return Err(refused(span, "what about routes?", help)) };
    let mut entry = Map::new();
    if let Some((kind, more)) = rest.split_first()
        && crate::host::RouteKind::named(kind).is_some()
    {
        entry.insert("type".to_string(), (*kind).into());
        rest = more;
    }
    let Some((dst, options)) = rest.split_first() else { return Err(refused(span, "which destination?", help)) };
    entry.insert("dst".to_string(), (*dst).into());
    for pair in options.chunks(2) {
        let key = KEYS.iter().find(|(word, _)| *word == pair[0]).map(|(_, key)| *key);
        let (Some(key), Some(value)) = (key, pair.get(1)) else {
            return Err(refused(span, format!("`{}` is not understood here", pair[0].escape_debug()), help));
        };
        let number = (key == "metric").then(|| value.parse::<u32>().ok()).flatten();
        entry.insert(key.to_string(), number.map_or_else(|| Json::from(*value), Json::from));
    }
    let six = v6 || dst.contains(':') || entry.get("gateway").and_then(Json::as_str).is_some_and(|g| g.contains(':'));
    let family = if six { Family::V6 } else { Family::V4 };
    let mut read = Parts::default();
    let json = Json::Array(vec![Json::Object(entry)]).to_string();
    let source = Source { name: "--with".to_string(), text: json, base: span.start };
    checked(read.read(Part::Routes(Some(family)), &source))?;
    let mut new = if six { read.routes6 } else { read.routes4 }.unwrap_or_default();
    for route in &mut new {
        route.span = span;
    }
    change(if six { &mut parts.routes6 } else { &mut parts.routes4 }, action, new, span)
}

fn change(routes: &mut Option<Vec<Route>>, action: &str, new: Vec<Route>, span: Span) -> Result<(), Vec<Diagnostic>> {
    let list = routes.get_or_insert_default();
    let key = |r: &Route| (r.dst, r.table.clone());
    let same = |r: &Route| new.iter().any(|n| key(n) == key(r) && (n.metric == r.metric || n.metric == 0));
    match action {
        "add" | "append" => list.extend(new),
        "prepend" => drop(list.splice(0..0, new)),
        "replace" | "change" => {
            list.retain(|r| !same(r));
            list.extend(new);
        }
        "del" | "delete" => {
            let before = list.len();
            let fits = |r: &Route| {
                same(r)
                    && new
                        .iter()
                        .all(|n| n.hops.iter().all(|h| h.dev.is_none() || r.hops.iter().any(|o| o.dev == h.dev)))
            };
            list.retain(|r| !fits(r));
            if list.len() == before {
                let table = new.first().map_or(Table::Main, |n| n.table.clone());
                return Err(refused(span, format!("there is no such route in table {table}"), "see `ip route`"));
            }
        }
        other => {
            return Err(refused(span, format!("`ip route {}` is no edit", other.escape_debug()), "add, replace, del"));
        }
    }
    Ok(())
}
