//! `ip route add 10.0.0.0/8 via 192.168.1.1 dev eth0`, `ip route del 10.0.0.0/8`.
//!
//! A route's words become the object that `ip -j route` would print for it, and are read like one. Without a device it is the
//! one that the gateway is behind. Left out: several next hops, and adding a route to a host whose routes are not known.

use std::net::IpAddr;

use nettrace_grammar::{Diagnostic, Source, Span};
use serde_json::{Map, Value as Json};

use super::{checked, refused};
use crate::host::{Dev, Family, Part, Parts, Route, RouteKind, Table};

const HELP: &str = "`ip route add 10.0.0.0/8 via 192.168.1.1 dev eth0`";

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

/// Carries out `ip route WORDS`.
pub(super) fn apply(parts: &mut Parts, words: &[&str], v6: bool, span: Span) -> Result<(), Vec<Diagnostic>> {
    let Some((action, rest)) = words.split_first() else { return Err(refused(span, "what about routes?", HELP)) };
    let (entry, family) = entry(rest, v6, span)?;
    let given = if family == Family::V6 { &parts.routes6 } else { &parts.routes4 };
    if given.is_none() {
        let message = format!("the host's {family} routes are not known, so none can be changed");
        return Err(refused(span, message, "give `ip -j route show table all` too"));
    }
    let mut read = Parts::default();
    let json = Json::Array(vec![Json::Object(entry)]).to_string();
    let source = Source { name: "--with".to_string(), text: json, base: span.start };
    let found = read.read(Part::Routes(Some(family)), &source);
    checked(found.into_iter().map(|d| refused(span, d.message, HELP)).next().unwrap_or_default())?;
    let mut new = if family == Family::V6 { read.routes6 } else { read.routes4 }.unwrap_or_default();
    let adds = !matches!(*action, "del" | "delete");
    for route in &mut new {
        route.span = span;
        if adds {
            complete(parts, route, family, span)?;
        }
    }
    let list = if family == Family::V6 { &mut parts.routes6 } else { &mut parts.routes4 };
    change(list.get_or_insert_default(), action, new, span)
}

/// The words as the object that `ip -j route` prints.
fn entry(words: &[&str], v6: bool, span: Span) -> Result<(Map<String, Json>, Family), Vec<Diagnostic>> {
    let mut entry = Map::new();
    let kind = words.first().filter(|k| RouteKind::named(k).is_some());
    if let Some(kind) = kind {
        entry.insert("type".to_string(), (*kind).into());
    }
    let words = if kind.is_some() { &words[1..] } else { words };
    let words = if words.first() == Some(&"to") { &words[1..] } else { words };
    let Some((dst, options)) = words.split_first() else { return Err(refused(span, "which destination?", HELP)) };
    if KEYS.iter().any(|(word, _)| word == dst) {
        return Err(refused(span, format!("which destination? `{dst}` is an option"), HELP));
    }
    entry.insert("dst".to_string(), (*dst).into());
    let mut options = options.iter().filter(|w| **w != "onlink");
    while let Some(word) = options.next() {
        let key = KEYS.iter().find(|(typed, _)| typed == word).map(|(_, key)| *key);
        let value = if *word == "via" { options.find(|w| !matches!(**w, "inet" | "inet6")) } else { options.next() };
        let (Some(key), Some(value)) = (key, value) else {
            return Err(refused(span, format!("`{}` is not understood here", word.escape_debug()), HELP));
        };
        let number = value.parse::<u32>().ok();
        match (key, number) {
            ("metric", None) => {
                return Err(refused(span, format!("`{}` is no metric", value.escape_debug()), HELP));
            }
            ("metric", Some(n)) => entry.insert(key.to_string(), n.into()),
            _ => entry.insert(key.to_string(), Json::from(*value)),
        };
    }
    let gateway = entry.get("gateway").and_then(Json::as_str);
    let six = v6 || dst.contains(':') || gateway.is_some_and(|g| g.contains(':'));
    Ok((entry, if six { Family::V6 } else { Family::V4 }))
}

/// What the kernel adds to a new route: the device, where only the gateway was given, and IPv6's metric.
fn complete(parts: &Parts, route: &mut Route, family: Family, span: Span) -> Result<(), Vec<Diagnostic>> {
    if family == Family::V6 && route.metric == 0 {
        route.metric = 1024;
    }
    let refuses =
        |k| matches!(k, RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw);
    if route.hops.is_empty() && !refuses(route.kind) {
        return Err(refused(span, "a route needs a device or a gateway", HELP));
    }
    for hop in &mut route.hops {
        match (&hop.dev, hop.via) {
            (Some(dev), _) => {
                let known = |l: &crate::host::Link| l.name == *dev || l.is_called(dev);
                if parts.links.as_ref().is_some_and(|links| !links.iter().any(known)) {
                    return Err(refused(span, format!("there is no device {}", dev.escape_debug()), "see `ip link`"));
                }
            }
            (None, Some(via)) => {
                let wrong =
                    || refused(span, format!("the gateway {via} is on no link of this host"), "name the device");
                hop.dev = Some(behind(parts, via).ok_or_else(wrong)?);
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// The device that an address is on the link of.
fn behind(parts: &Parts, addr: IpAddr) -> Option<Dev> {
    let routes = if addr.is_ipv4() { &parts.routes4 } else { &parts.routes6 };
    let onlink = |r: &&Route| {
        r.kind == RouteKind::Unicast
            && r.table == Table::Main
            && r.dst.contains(&addr)
            && r.hops.iter().all(|h| h.via.is_none())
    };
    let best = routes.iter().flatten().filter(onlink).max_by_key(|r| r.dst.prefix_len());
    best.and_then(|r| r.hops.first()).and_then(|h| h.dev.clone())
}

fn change(list: &mut Vec<Route>, action: &str, new: Vec<Route>, span: Span) -> Result<(), Vec<Diagnostic>> {
    let key = |r: &Route| (r.dst, r.table.clone(), r.tos);
    let same = |r: &Route| new.iter().any(|n| key(n) == key(r) && n.metric == r.metric);
    let table = || new.first().map_or(Table::Main, |n| n.table.clone());
    match action {
        "add" if list.iter().any(same) => {
            let message = format!("there is such a route in table {} already", table());
            return Err(refused(span, message, "`ip route replace …` puts another in its place"));
        }
        "add" | "append" => list.extend(new),
        "prepend" => drop(list.splice(0..0, new)),
        "change" if !list.iter().any(same) => {
            return Err(refused(span, format!("there is no such route in table {}", table()), "see `ip route`"));
        }
        "replace" | "change" => {
            list.retain(|r| !same(r));
            list.extend(new);
        }
        "del" | "delete" => {
            let hops = |n: &Route, r: &Route| {
                n.hops.iter().all(|h| {
                    let fits = |o: &crate::host::NextHop| {
                        (h.dev.is_none() || h.dev == o.dev) && (h.via.is_none() || h.via == o.via)
                    };
                    r.hops.iter().any(fits)
                })
            };
            let fits = |r: &Route| {
                let kind = |n: &Route| n.kind == RouteKind::Unicast || n.kind == r.kind;
                new.iter().any(|n| key(n) == key(r) && (n.metric == 0 || n.metric == r.metric) && kind(n) && hops(n, r))
            };
            let Some(at) = list.iter().position(fits) else {
                return Err(refused(span, format!("there is no such route in table {}", table()), "see `ip route`"));
            };
            list.remove(at);
        }
        other => {
            return Err(refused(span, format!("`ip route {}` is no edit", other.escape_debug()), "add, replace, del"));
        }
    }
    Ok(())
}
