//! The first lines: what happens to the packet, as what it arrives or leaves, and how likely.

use nettrace_engine::explain::answer::{Answer, Ending, Presumed};
use nettrace_engine::field::{Field, Value, device_name, protocol_name};
use nettrace_engine::model::{Family, Hook, RuleId};
use nettrace_engine::packet::{Got, Packet};
use nettrace_engine::trace::{By, Fate};

use super::{Scene, Tone, conditions, hook_name, join, odds};

/// The verdict word: `FORWARDED`, `DROPPED`, …
fn word(answer: &Answer, ending: &Ending) -> (&'static str, Tone) {
    match &ending.fate {
        Fate::Out { .. } if answer.local => ("SENT", Tone::Good),
        Fate::Out { .. } => ("FORWARDED", Tone::Good),
        Fate::Local { .. } => ("DELIVERED", Tone::Good),
        Fate::Bridged { .. } => ("BRIDGED", Tone::Good),
        Fate::Drop { .. } if ending.reply.is_some() => ("REJECTED", Tone::Bad),
        Fate::Drop { .. } | Fate::DropInHook { .. } | Fate::StackDrop { .. } => ("DROPPED", Tone::Bad),
        Fate::SendError { .. } => ("NOT SENT", Tone::Bad),
        Fate::Stolen { .. } => ("TAKEN", Tone::Open),
        Fate::Undetermined { .. } => ("OPEN", Tone::Open),
    }
}

/// The verdict's details: `to 10.244.166.136:8200 by cali7d3f1b2a9c4`, `in filter INPUT by rule 3 (iptables-save:88)`.
fn details(scene: &Scene, ending: &Ending) -> String {
    let presumed: String = ending.presumed.iter().map(|p| presumed(scene, p)).collect();
    ended(scene, ending) + &presumed + &lost(scene)
}

fn presumed(scene: &Scene, what: &Presumed) -> String {
    match what {
        Presumed::NoConnection => ", if it belongs to no connection (else --ct-state established)".to_string(),
        Presumed::NoSourceCheck(dev) => {
            format!(", unless {} checks sources (rp_filter 1)", scene.paint.text(dev))
        }
    }
}

fn ended(scene: &Scene, ending: &Ending) -> String {
    let last = &ending.last;
    let to = endpoint(last, false);
    let dev = |v: &Option<Value>| v.map_or("an unknown device".to_string(), |v| scene.paint.text(&device_name(v)));
    let doubt = doubt(scene, last);
    match &ending.fate {
        Fate::Out { oif, also_local } => {
            let copy = if *also_local { ", and a copy is delivered to this host" } else { "" };
            format!("to {to}, out by {}{copy}{doubt}", dev(oif))
        }
        Fate::Local { iif: 0 } => format!("to this host, {to}{doubt}"),
        Fate::Local { iif } => format!("to this host, {to}, in by {}{doubt}", scene.paint.text(&device_name(*iif))),
        Fate::Bridged { port } => match port {
            Some(port) => format!("to {to}, out by port {}, without meeting an IP rule", device_name(*port)),
            None => format!("to {to}, without meeting an IP rule"),
        },
        Fate::Drop { hook, by } => dropped(scene, *hook, by),
        Fate::DropInHook { hook, why } => format!("in {}, by no rule: {}", hook_name(*hook), scene.paint.text(why)),
        Fate::StackDrop { after, why } => {
            let place = after.map_or("before any rule".to_string(), |h| format!("behind {}, by no rule", hook_name(h)));
            format!("{place}: {}", scene.paint.text(why))
        }
        Fate::SendError { errno, why } => format!("{errno}: {}", scene.paint.text(why)),
        Fate::Stolen { rule, .. } => format!("by {}", rule_place(scene, *rule)),
        Fate::Undetermined { reason } => scene.paint.text(reason),
    }
}

/// What may decide otherwise: what could not be read.
fn lost(scene: &Scene) -> String {
    let Some(first) = scene.model.lost.first() else { return String::new() };
    let place = scene.place(*first).map(|p| format!(" ({p})")).unwrap_or_default();
    format!(", unless what could not be read{place} decides otherwise")
}

/// What may drop a packet that the rules let pass: programs at the devices, or rules that nobody gave.
fn doubt(scene: &Scene, packet: &Packet) -> String {
    let family = if packet.family() == 10 { Family::Ip6 } else { Family::Ip };
    let programs = scene.doubt.map(|program| format!(", unless {program}'s programs drop it"));
    let unread = scene.model.unread.iter().filter(|u| u.family == family);
    let unread = unread.map(|u| format!(", unless {} drop it, which were not given", u.name));
    programs.into_iter().chain(unread).collect()
}

fn dropped(scene: &Scene, hook: Hook, by: &By) -> String {
    match by {
        By::Rule { rule, base, hotdrop } => {
            let table = scene.model.name(scene.model.table_of(*base).name);
            let hot = if *hotdrop { ", which refuses a packet this short" } else { "" };
            format!("in {} {}, by {}{hot}", scene.paint.text(table), hook_name(hook), rule_place(scene, *rule))
        }
        By::Policy(chain) => {
            let table = scene.model.name(scene.model.table_of(*chain).name);
            let name = scene.chain(*chain);
            let place = scene.place(scene.model.chain(*chain).span).map(|p| format!(" ({p})")).unwrap_or_default();
            format!("in {} {}, by the policy of {name}{place}", scene.paint.text(table), hook_name(hook))
        }
    }
}

/// `KUBE-SEP-X #2 (iptables-save:218)`.
fn rule_place(scene: &Scene, rule: RuleId) -> String {
    let number = scene.model.position(rule).map_or("removed".to_string(), |n| format!("#{n}"));
    let place = scene.place(scene.model.rule(rule).span).map(|p| format!(" ({p})")).unwrap_or_default();
    format!("{} {number}{place}", scene.chain(scene.model.rule(rule).chain))
}

/// `172.16.4.9:40000`.
pub fn endpoint(packet: &Packet, source: bool) -> String {
    let (addr, port) = if source { (Field::Saddr, Field::Sport) } else { (Field::Daddr, Field::Dport) };
    pair(packet.get(addr), packet.get(port), packet.family())
}

/// An address and a port, either of which may be missing.
pub fn pair(addr: Got, port: Got, family: Value) -> String {
    let port = match port {
        Got::Value(v) => Some(v.to_string()),
        Got::Unknown => Some("?".to_string()),
        Got::Absent => None,
    };
    let addr = match addr {
        Got::Value(v) => Field::Saddr.print(v, family),
        Got::Unknown => "?".to_string(),
        Got::Absent => String::new(),
    };
    match port {
        Some(port) if family == 10 && !addr.is_empty() => format!("[{addr}]:{port}"),
        Some(port) => format!("{addr}:{port}"),
        None => addr,
    }
}

/// `tcp 172.16.4.9:40000 → 172.16.4.21:31002`.
pub fn line(scene: &Scene, packet: &Packet) -> String {
    let arrow = scene.paint.pick("→", "->");
    let proto = packet.value(Field::Proto).map_or("?".to_string(), protocol_name);
    let what = match (packet.value(Field::IcmpType), packet.value(Field::IcmpCode)) {
        (Some(kind), code) => format!(" type {kind} code {}", code.unwrap_or(0)),
        _ => String::new(),
    };
    let fragment = if packet.is_later_fragment() { " (a later fragment)" } else { "" };
    format!("{proto} {} {arrow} {}{what}{fragment}", endpoint(packet, true), endpoint(packet, false))
}

/// The verdict in one line, without colour.
pub fn one_line(scene: &Scene, answer: &Answer, ending: &Ending) -> String {
    let (word, tone) = word(answer, ending);
    let painted = tone.paint(scene.paint, word);
    join(&[&painted, &details(scene, ending)], " ")
}

/// The packet, the verdict of each ending, and as what the packet goes on.
pub fn head(scene: &Scene, answer: &Answer) -> String {
    let mut out = String::new();
    let Some(first) = answer.endings.first() else { return out };
    if answer.endings.len() == 1 {
        out.push_str(&super::hang(&one_line(scene, answer, first), "", 9));
    } else {
        out.push_str(&several(scene, answer));
    }
    for (label, said) in facts(scene, answer, first) {
        out.push_str(&super::hang(&format!("{label:<8} {said}"), "  ", 9));
    }
    out
}

/// What is known of the packet of an ending, each with its name: as what it starts and goes on, for which service, and what is
/// answered.
pub fn facts(scene: &Scene, answer: &Answer, ending: &Ending) -> Vec<(&'static str, String)> {
    let start = &ending.start;
    let device = match start.get(Field::Iif) {
        _ if answer.local => ", made by this host".to_string(),
        Got::Value(v) if v != 0 => format!(", in by {}", scene.paint.text(&device_name(v))),
        _ => String::new(),
    };
    let flags = start.value(Field::TcpFlags).map(|v| format!(" {}", Field::TcpFlags.print(v, 2))).unwrap_or_default();
    let label = if matches!(ending.fate, Fate::Local { .. }) { "arrives" } else { "leaves" };
    let all = [
        ("packet", Some(format!("{}{flags}{device}", line(scene, start)))),
        (label, goes_on_as(scene, ending)),
        ("service", service(scene, ending)),
        ("answer", ending.reply.as_ref().map(|(_, reply)| reply_line(scene, reply))),
    ];
    all.into_iter().filter_map(|(label, said)| Some((label, said?))).collect()
}

/// Whether an ending is good or bad for the packet.
pub fn tone(answer: &Answer, ending: &Ending) -> Tone {
    word(answer, ending).1
}

/// The verdict of all endings: of one in full, of several `FORWARDED or DROPPED, by chance`.
pub fn headline(scene: &Scene, answer: &Answer) -> String {
    match answer.endings.as_slice() {
        [only] => one_line(scene, answer, only),
        all => {
            let painted: Vec<String> = words(answer).iter().map(|(word, tone)| tone.paint(scene.paint, word)).collect();
            let chance = all.iter().all(|e| e.odds.is_some());
            let why = if chance { "by chance" } else { "depending on what the inputs do not tell" };
            format!("{}, {why}", painted.join(" or "))
        }
    }
}

/// The words of all endings, each once.
fn words(answer: &Answer) -> Vec<(&'static str, Tone)> {
    let mut words: Vec<(&'static str, Tone)> = Vec::new();
    for e in &answer.endings {
        let word = word(answer, e);
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// The headline of several endings, and a line for each.
fn several(scene: &Scene, answer: &Answer) -> String {
    let one_word = words(answer).len() == 1;
    let mut out = headline(scene, answer) + "\n";
    for e in answer.endings.iter().take(SHOWN) {
        let said = if one_word { details(scene, e) } else { one_line(scene, answer, e) };
        let (likely, how) = (odds(answer, e), conditions(scene, e));
        out.push_str(&super::hang(&join(&[&likely, &said], "  "), "  ", 9));
        if !how.is_empty() {
            let words: Vec<String> = how.split(' ').map(|w| scene.paint.open(w)).collect();
            out.push_str(&super::wrap(&words, "      ", " "));
        }
    }
    match answer.endings.len().saturating_sub(SHOWN) {
        0 => {}
        more => out.push_str(&format!("  and {more} more (--all)\n")),
    }
    out
}

/// Endings listed at the top.
const SHOWN: usize = 12;

/// What the rewritten destination was, in the words of the program that wrote the rules: `NodePort of shop/web:http`.
fn service(scene: &Scene, ending: &Ending) -> Option<String> {
    let rules = super::rows::rules(ending);
    let labels = rules.iter().filter_map(|r| scene.labels.rule(*r));
    let named = |l: &String| l.starts_with("NodePort of") || l.contains(" of ") && l.starts_with("service");
    labels.into_iter().find(named).map(|l| scene.paint.text(&l))
}

/// The packet at the end, where that differs from the start.
fn goes_on_as(scene: &Scene, ending: &Ending) -> Option<String> {
    let gone = matches!(ending.fate, Fate::Out { .. } | Fate::Local { .. } | Fate::Bridged { .. });
    let (a, b) = (line(scene, &ending.start), line(scene, &ending.last));
    (gone && a != b).then(|| scene.paint.change(&b))
}

/// `ICMP port unreachable`, `TCP reset`, in the words of the packet.
fn reply_line(scene: &Scene, reply: &Packet) -> String {
    let to = endpoint(reply, false);
    let what = match (reply.value(Field::Proto), reply.value(Field::IcmpType), reply.value(Field::IcmpCode)) {
        (Some(6), ..) => "TCP reset".to_string(),
        (Some(1), Some(3), Some(code)) => format!("ICMP {}", unreachable4(code)),
        (Some(58), Some(1), Some(code)) => format!("ICMPv6 {}", unreachable6(code)),
        _ => line(scene, reply),
    };
    format!("{what}, sent to {to}")
}

fn unreachable4(code: Value) -> String {
    let name = match code {
        0 => "network unreachable",
        1 => "host unreachable",
        2 => "protocol unreachable",
        3 => "port unreachable",
        9 => "network prohibited",
        10 => "host prohibited",
        13 => "administratively prohibited",
        _ => return format!("unreachable, code {code}"),
    };
    name.to_string()
}

fn unreachable6(code: Value) -> String {
    let name = match code {
        0 => "no route",
        1 => "administratively prohibited",
        3 => "address unreachable",
        4 => "port unreachable",
        5 => "policy fail",
        6 => "reject route",
        _ => return format!("unreachable, code {code}"),
    };
    name.to_string()
}
