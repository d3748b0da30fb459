//! The plain output of `ip` and `bridge`, made into the objects that `-j` would print.
//!
//! ```text
//! 10.5.0.0/16 via 10.0.0.2 dev eth0 metric 50           {"dst":"10.5.0.0/16","gateway":"10.0.0.2","dev":"eth0","metric":50}
//! 100:  from all fwmark 0x1/0xff lookup 100             {"priority":100,"src":"all","fwmark":"0x1","fwmask":"0xff","table":"100"}
//! 10.0.0.2 dev br0 lladdr 02:00:00:00:00:02 PERMANENT   {"dst":"10.0.0.2","dev":"br0","lladdr":"02:…","state":["PERMANENT"]}
//! ```
//!
//! Words that are not known are passed over, for every version of `ip` prints more of them; but a selector of a policy rule that is
//! not known costs the rule. Left out: what only `-d` prints.

use nettrace_grammar::{Source, Span};
use serde_json::{Map, Value, json};

use super::json::span_of;

type Object = Map<String, Value>;
type Found = Vec<(Span, Value)>;

/// The lines with their places, without empty ones and comments.
fn lines(source: &Source) -> impl Iterator<Item = (Span, &str)> {
    let text = source.text.lines().filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
    text.map(|line| (span_of(source, line), line))
}

fn put(object: &mut Object, key: &str, value: impl Into<Value>) {
    object.insert(key.to_owned(), value.into());
}

/// Adds to a list of texts.
fn push(object: &mut Object, key: &str, value: Value) {
    if let Some(list) = object.entry(key).or_insert_with(|| json!([])).as_array_mut() {
        list.push(value);
    }
}

/// A number where it is one, else the text.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}

/// `ip addr` and `ip link`: a line that begins with a number begins a device; with `-o` or `-br` it holds all.
pub(super) fn links(source: &Source) -> Found {
    let mut found: Found = Vec::new();
    for (span, line) in lines(source) {
        if let Some((own, addressed)) = one_line(line) {
            match found.last_mut() {
                Some((whole, Value::Object(last))) if last.get("ifname") == own.get("ifname") => {
                    *whole = whole.to(span);
                    detail(last, &addressed);
                }
                _ => {
                    let mut object = own;
                    detail(&mut object, &addressed);
                    found.push((span, Value::Object(object)));
                }
            }
        } else if let Some(object) = brief(line) {
            found.push((span, Value::Object(object)));
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            found.extend(device(line).map(|object| (span, Value::Object(object))));
        } else if let Some((whole, Value::Object(object))) = found.last_mut() {
            *whole = whole.to(span);
            detail(object, line);
        }
    }
    found
}

/// `3: eth0@if2: <BROADCAST,UP> mtu 1500 qdisc noqueue master br0 state UP group default qlen 1000`
fn device(line: &str) -> Option<Object> {
    let (index, rest) = line.split_once(": ")?;
    let (name, rest) = rest.split_once(": ")?;
    let mut object = Object::new();
    put(&mut object, "ifindex", index.trim().parse::<u32>().ok()?);
    put(&mut object, "ifname", name.split('@').next().unwrap_or(name));
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        if let Some(flags) = word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) {
            put(&mut object, "flags", flags.split(',').collect::<Vec<_>>());
        } else if word == "mtu" {
            put(&mut object, "mtu", words.next().map_or(Value::Null, number));
        } else if matches!(word, "master" | "group") {
            put(&mut object, word, words.next());
        }
    }
    Some(object)
}

/// A device and one of its addresses, as `ip -o addr` prints it: `3: eth0    inet 192.0.2.1/24 scope global eth0\       valid_lft …`.
fn one_line(line: &str) -> Option<(Object, String)> {
    let (address, _) = line.split_once('\\').unwrap_or((line, ""));
    let mut words = address.split_whitespace();
    words.next()?.strip_suffix(':')?.parse::<u32>().ok()?;
    let name = words.next().filter(|name| !name.ends_with(':'))?;
    let mut object = Object::new();
    // A number with no flags beside it would be that of a device that is down.
    put(&mut object, "ifname", name);
    let addressed = words.collect::<Vec<_>>().join(" ");
    addressed.starts_with("inet").then_some((object, addressed))
}

/// A device as `ip -br addr` and `ip -br link` print it: `eth0@if2 UP 192.0.2.1/24 fd00::1/64`, `eth0 UP 02:00:00:00:00:01 <UP>`.
fn brief(line: &str) -> Option<Object> {
    let mut words = line.split_whitespace();
    let name = words.next().filter(|_| !line.starts_with(' '))?;
    let states = ["UP", "DOWN", "UNKNOWN", "LOWERLAYERDOWN", "DORMANT", "NOTPRESENT", "TESTING"];
    words.next().filter(|state| states.contains(state))?;
    let mut object = Object::new();
    put(&mut object, "ifname", name.split('@').next().unwrap_or(name));
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        if let Some(flags) = word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) {
            put(&mut object, "flags", flags.split(',').collect::<Vec<_>>());
        } else if let Some((ip, _)) = word.split_once('/') {
            let family = if ip.contains(':') { "inet6" } else { "inet" };
            let scope = match ip {
                "::1" => "host",
                _ if ip.starts_with("127.") => "host",
                _ if ip.starts_with("fe80:") => "link",
                _ => "global",
            };
            let info = address(family, [word, "scope", scope].into_iter());
            push(&mut object, "addr_info", Value::Object(info));
        } else if word == "peer" {
            words.next();
        } else if word.split(':').count() == 6 {
            put(&mut object, "address", word);
        }
    }
    Some(object)
}

/// The indented lines below a device.
fn detail(object: &mut Object, line: &str) {
    let mut words = line.split_whitespace();
    match words.next() {
        Some("altname") => words.next().into_iter().for_each(|w| push(object, "altnames", w.into())),
        Some(kind @ ("inet" | "inet6")) => {
            let info = address(kind, words);
            push(object, "addr_info", Value::Object(info));
        }
        Some(word) => {
            if let Some(kind) = word.strip_prefix("link/") {
                put(object, "link_type", kind);
                put(object, "address", words.next());
            }
            let last = object.get_mut("addr_info").and_then(Value::as_array_mut).and_then(|l| l.last_mut());
            if let (true, Some(Value::Object(info))) = (line.contains("preferred_lft 0sec"), last) {
                put(info, "deprecated", true);
            }
        }
        None => {}
    }
}

/// `10.0.0.1/24 brd 10.0.0.255 scope global secondary eth0:1`, or with `peer 10.0.0.2/32`.
fn address<'t>(family: &str, mut words: impl Iterator<Item = &'t str>) -> Object {
    let mut info = Object::new();
    put(&mut info, "family", family);
    let prefix = |info: &mut Object, key: &str, text: &str| {
        let (addr, len) = text.split_once('/').unwrap_or((text, ""));
        put(info, key, addr);
        if let Ok(len) = len.parse::<u8>() {
            put(info, "prefixlen", len);
        }
    };
    put(&mut info, "prefixlen", if family == "inet" { 32 } else { 128 });
    if let Some(text) = words.next() {
        prefix(&mut info, "local", text);
    }
    let mut last = None;
    while let Some(word) = words.next() {
        match word {
            "peer" => words.next().into_iter().for_each(|w| prefix(&mut info, "address", w)),
            "brd" => put(&mut info, "broadcast", words.next()),
            "scope" => put(&mut info, "scope", words.next()),
            "any" | "metric" | "proto" => drop(words.next()),
            "secondary" | "tentative" | "dadfailed" | "optimistic" | "deprecated" | "temporary" | "noprefixroute" => {
                put(&mut info, word, true);
            }
            "dynamic" | "mngtmpaddr" | "nodad" | "home" | "stable-privacy" => {}
            other => last = Some(other),
        }
    }
    if let (Some(label), "inet") = (last, family) {
        put(&mut info, "label", label);
    }
    info
}

/// `ip route`, any family and table; `nexthop` lines belong to the route above.
pub(super) fn routes(source: &Source) -> Found {
    let mut found: Found = Vec::new();
    for (span, line) in lines(source) {
        let mut words = line.split_whitespace().peekable();
        if words.next_if_eq(&"nexthop").is_some() {
            if let Some((whole, Value::Object(object))) = found.last_mut() {
                *whole = whole.to(span);
                let mut hop = Object::new();
                route_words(&mut hop, words);
                push(object, "nexthops", Value::Object(hop));
            }
            continue;
        }
        let mut object = Object::new();
        let first = words.next().unwrap_or_default();
        let dst = if super::RouteKind::named(first).is_some() {
            put(&mut object, "type", first);
            words.next().unwrap_or_default()
        } else {
            first
        };
        put(&mut object, "dst", dst);
        route_words(&mut object, words);
        found.push((span, Value::Object(object)));
    }
    found
}

/// What stands behind a route's destination, or in a next hop.
fn route_words<'t>(object: &mut Object, words: impl Iterator<Item = &'t str>) {
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        match word {
            "via" => {
                let other = words.next_if(|w| matches!(*w, "inet" | "inet6"));
                let addr = words.next();
                match other {
                    Some(family) => put(object, "via", json!({ "family": family, "host": addr })),
                    None => put(object, "gateway", addr),
                }
            }
            "dev" | "table" | "scope" | "tos" | "pref" | "from" => put(object, word, words.next()),
            "proto" => put(object, "protocol", words.next()),
            "src" => put(object, "prefsrc", words.next()),
            "metric" | "weight" => put(object, word, words.next().map_or(Value::Null, number)),
            "mtu" => {
                words.next_if_eq(&"lock");
                let mtu = words.next().map_or(Value::Null, number);
                push(object, "metrics", json!({ "mtu": mtu }));
            }
            "realm" | "realms" => {
                let realm = words.next().unwrap_or_default();
                let to = realm.rsplit('/').next().unwrap_or(realm);
                put(object, "flow", json!({ "to": to }));
            }
            "encap" => {
                put(object, "encap", words.next());
                // What follows is the tunnel's, up to the way out.
                while words.next_if(|w| !matches!(*w, "via" | "dev" | "nexthop")).is_some() {}
            }
            "onlink" | "linkdown" | "dead" | "pervasive" => push(object, "flags", word.into()),
            _ => {}
        }
    }
}

/// `ip rule`: `100: not from 10.0.0.0/24 to 10.5.0.0/16 fwmark 0x1/0xff iif br0 lookup 1234`.
pub(super) fn rules(source: &Source) -> Found {
    let one = |(span, line): (Span, &str)| {
        let (priority, rest) = line.split_once(':').unwrap_or(("", line));
        let mut object = Object::new();
        put(&mut object, "priority", priority.trim().parse::<u32>().ok());
        rule_words(&mut object, rest.split_whitespace());
        (span, Value::Object(object))
    };
    lines(source).map(one).collect()
}

fn rule_words<'t>(object: &mut Object, mut words: impl Iterator<Item = &'t str>) {
    while let Some(word) = words.next() {
        match word {
            "not" | "nop" => put(object, word, Value::Null),
            "from" | "to" => put(object, if word == "from" { "src" } else { "dst" }, words.next()),
            "tos" | "iif" | "oif" | "ipproto" | "dscp" | "tun_id" => put(object, word, words.next()),
            "dsfield" => put(object, "tos", words.next()),
            "fwmark" => {
                let mark = words.next().unwrap_or_default();
                let (mark, mask) = mark.split_once('/').map_or((mark, None), |(m, k)| (m, Some(k)));
                put(object, "fwmark", mark);
                if mask.is_some() {
                    put(object, "fwmask", mask);
                }
            }
            "uidrange" | "sport" | "dport" => {
                let range = words.next().unwrap_or_default();
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                let name = if word == "uidrange" { "uid" } else { word };
                put(object, &format!("{name}_start"), number(from));
                put(object, &format!("{name}_end"), number(to));
            }
            "lookup" | "table" => match words.next() {
                Some("[l3mdev-table]") => put(object, "l3mdev", Value::Null),
                table => put(object, "table", table),
            },
            "suppress_prefixlength" => put(object, "suppress_prefixlen", words.next().map_or(Value::Null, number)),
            "suppress_ifgroup" => put(object, word, words.next()),
            "realms" => {
                let realm = words.next().unwrap_or_default();
                put(object, "flow_to", realm.rsplit('/').next().unwrap_or(realm));
            }
            "goto" => put(object, word, words.next().map_or(Value::Null, number)),
            "blackhole" | "unreachable" | "prohibit" => put(object, "action", word),
            "proto" | "protocol" => drop(words.next()),
            "[detached]" | "[unresolved]" => {}
            other => put(object, other, words.next()),
        }
    }
}

/// `ip neigh`: `10.0.0.2 dev br0 lladdr 02:00:00:00:00:02 PERMANENT`.
pub(super) fn neighbours(source: &Source) -> Found {
    let one = |(span, line): (Span, &str)| {
        let mut object = Object::new();
        let mut words = line.split_whitespace();
        put(&mut object, "dst", words.next());
        while let Some(word) = words.next() {
            match word {
                "dev" | "lladdr" => put(&mut object, word, words.next()),
                state if state.chars().all(|c| c.is_ascii_uppercase()) => push(&mut object, "state", state.into()),
                _ => {}
            }
        }
        (span, Value::Object(object))
    };
    lines(source).map(one).collect()
}

/// `bridge link`: `4: veth1@if3: <UP> mtu 1500 master br0 state forwarding priority 32 cost 2`, and with `-d` a second
/// line `hairpin off guard off …`.
pub(super) fn bridge_links(source: &Source) -> Found {
    let mut found: Found = Vec::new();
    for (span, line) in lines(source) {
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            found.extend(device(line).map(|object| (span, Value::Object(object))));
        }
        let Some((_, Value::Object(object))) = found.last_mut() else { continue };
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "state" => put(object, word, words.next()),
                "hairpin" | "flood" | "isolated" => put(object, word, words.next() == Some("on")),
                _ => {}
            }
        }
    }
    found
}

/// `bridge fdb`: `0e:00:00:00:70:49 dev veth1 master br0`, `33:33:00:00:00:01 dev eth0 self permanent`.
pub(super) fn fdb(source: &Source) -> Found {
    let one = |(span, line): (Span, &str)| {
        let mut object = Object::new();
        let mut words = line.split_whitespace();
        put(&mut object, "mac", words.next());
        while let Some(word) = words.next() {
            match word {
                "dev" => put(&mut object, "ifname", words.next()),
                "master" => put(&mut object, word, words.next()),
                "permanent" | "static" => put(&mut object, "state", word),
                _ => {}
            }
        }
        (span, Value::Object(object))
    };
    lines(source).map(one).collect()
}
