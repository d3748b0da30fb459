//! One line for an event: `KUBE-NODEPORTS #3 → KUBE-EXT-W7X2`, `dport 31002 => 8200`, `policy ACCEPT`.
//!
//! Left out: why it happened; that comes from [`crate::session::Words`].

use std::fmt::Write as _;

use nettrace_engine::field::{Field, Value, ct_state};
use nettrace_engine::model::{ChainId, Dialect, Hook, Model, RuleId, Verdict};
use nettrace_engine::packet::{Got, Packet};
use nettrace_engine::trace::{By, Decision, Event, Fate};

use crate::theme::Role;

/// A hook as people write it.
pub fn hook(hook: Hook) -> String {
    hook.name().to_uppercase()
}

/// `nat` for iptables, `inet filter` for nft.
pub fn table(model: &Model, chain: ChainId) -> String {
    let table = model.table_of(chain);
    let name = model.name(table.name);
    if table.dialect == Dialect::Nft { format!("{} {name}", table.family.name()) } else { name.to_string() }
}

/// `nat KUBE-NODEPORTS`.
pub fn chain(model: &Model, chain: ChainId) -> String {
    format!("{} {}", table(model, chain), model.chain_name(chain))
}

/// `nat KUBE-NODEPORTS #3`; without a number when no chain holds the rule.
pub fn rule(model: &Model, rule: RuleId) -> String {
    let place = chain(model, model.rule(rule).chain);
    model.position(rule).map_or_else(|| place.clone(), |n| format!("{place} #{n}"))
}

/// What a verdict does, as a sign and a word.
pub fn verdict(model: &Model, verdict: Verdict) -> String {
    match verdict {
        Verdict::Accept => "✓ accept".to_string(),
        Verdict::Drop => "✗ drop".to_string(),
        Verdict::Jump(c) => format!("→ {}", model.chain_name(c)),
        Verdict::Goto(c) => format!("⇒ {}", model.chain_name(c)),
        Verdict::Return => "↩ return".to_string(),
        Verdict::Continue => "matched, goes on".to_string(),
        Verdict::Stolen => "taken away".to_string(),
        Verdict::Queue { num, .. } => format!("queue {num}"),
    }
}

fn verdict_role(verdict: Verdict) -> Role {
    match verdict {
        Verdict::Accept => Role::Accept,
        Verdict::Drop => Role::Drop,
        _ => Role::Normal,
    }
}

/// A lane's value.
pub fn got(field: Field, value: Got, family: Value) -> String {
    match value {
        Got::Value(v) => field.print(v, family),
        Got::Absent => "none".to_string(),
        Got::Unknown => "unknown".to_string(),
    }
}

fn towards(oif: Option<Value>, nexthop: Option<Value>, family: Value) -> String {
    let oif = oif.map_or_else(|| "a device that the inputs don't tell".to_string(), |v| Field::Oif.print(v, family));
    let via = nexthop.map_or_else(String::new, |v| format!(" to {}", Field::Daddr.print(v, family)));
    format!("by {oif}{via}")
}

/// What routing decided.
pub fn decision(decision: &Decision, family: Value) -> String {
    match decision {
        Decision::Local => "routing: to this host".to_string(),
        Decision::Forward { oif, nexthop } => format!("routing: forwarded {}", towards(*oif, *nexthop, family)),
        Decision::Bridged => "stays on the bridge".to_string(),
        Decision::Output { oif, nexthop } => format!("routing: leaves {}", towards(*oif, *nexthop, family)),
    }
}

/// How the walk ended, and how that is to look.
pub fn fate(model: &Model, fate: &Fate, family: Value) -> (String, Role) {
    let dev = |v: &Option<Value>| v.map_or_else(|| "an unknown device".to_string(), |v| Field::Oif.print(v, family));
    match fate {
        Fate::Out { oif, also_local: false } => (format!("leaves by {}", dev(oif)), Role::Accept),
        Fate::Out { oif, also_local: true } => (format!("leaves by {}, and a copy comes in", dev(oif)), Role::Accept),
        Fate::Local { iif } => (format!("delivered to this host, in by {}", dev(&Some(*iif))), Role::Accept),
        Fate::Drop { hook: h, by } => {
            let by = match by {
                By::Rule { rule: r, .. } => rule(model, *r),
                By::Policy(c) => format!("the policy of {}", chain(model, *c)),
            };
            (format!("DROPPED in {} by {by}", hook(*h)), Role::Drop)
        }
        Fate::DropInHook { hook: h, why } => (format!("vanishes in {}: {why}", hook(*h)), Role::Drop),
        Fate::StackDrop { after, why } => {
            let after = after.map_or_else(|| "before any hook".to_string(), |h| format!("after {}", hook(h)));
            (format!("refused by the host {after}: {why}"), Role::Drop)
        }
        Fate::Bridged { port } => (format!("crosses the bridge, out by {}", dev(port)), Role::Accept),
        Fate::SendError { errno, why } => (format!("cannot be sent ({errno}): {why}"), Role::Drop),
        Fate::Stolen { rule: r, .. } => (format!("taken away by {}", rule(model, *r)), Role::Warn),
        Fate::Undetermined { reason } => (format!("undetermined: {reason}"), Role::Warn),
    }
}

/// An event in one line, and how it is to look.
pub fn event(model: &Model, event: &Event, family: Value) -> (String, Role) {
    match event {
        Event::Hook(h) => (hook(*h), Role::Title),
        Event::HookEnd(h) => (format!("end of {}", hook(*h)), Role::Dim),
        Event::Enter(c) => (chain(model, *c), Role::Normal),
        Event::Rule { rule, index, verdict: v, .. } => {
            let name = model.chain_name(model.rule(*rule).chain);
            (format!("{name} #{} {}", u64::from(*index) + 1, verdict(model, *v)), verdict_role(*v))
        }
        Event::Return { chain, .. } => (format!("↩ end of {}", model.chain_name(*chain)), Role::Dim),
        Event::Policy { verdict: v, .. } => (format!("policy {}", verdict(model, *v)), verdict_role(*v)),
        Event::Write { field, old, new, .. } => {
            let (old, new) = (got(*field, *old, family), got(*field, *new, family));
            (format!("{} {old} => {new}", field.name()), Role::Rewrite)
        }
        Event::Answer { fact, label, assumed, .. } => {
            let assumed = if *assumed { " (assumed)" } else { "" };
            (format!("? {}: {label}{assumed}", fact.question(model, family)), Role::Warn)
        }
        Event::State { text, held, .. } => {
            (format!("{text}: {}", if *held { "holds" } else { "does not hold" }), Role::Dim)
        }
        Event::Note { text, .. } => (text.clone(), Role::Dim),
        Event::Route(d) => (decision(d, family), Role::Route),
        Event::Reply { packet: p, .. } => (format!("answers: {}", packet(p)), Role::Warn),
        Event::Fate(f) => fate(model, f, family),
    }
}

/// A packet in one line: `tcp 203.0.113.7:51514 → 192.0.2.10:31002  in eth0  ct NEW  mark 0x0`.
pub fn packet(packet: &Packet) -> String {
    let family = packet.family();
    let show = |field: Field| got(field, packet.get(field), family);
    let end = |addr: Field, port: Field| match packet.get(port) {
        Got::Absent => show(addr),
        _ if family == 10 => format!("[{}]:{}", show(addr), show(port)),
        _ => format!("{}:{}", show(addr), show(port)),
    };
    let mut out =
        format!("{} {} → {}", show(Field::Proto), end(Field::Saddr, Field::Sport), end(Field::Daddr, Field::Dport));
    for (word, field) in [("in", Field::Iif), ("out", Field::Oif)] {
        if packet.or_zero(field) != 0 {
            let _ = write!(out, "  {word} {}", show(field));
        }
    }
    // Before conntrack saw the packet its state reads INVALID; the packet pane shows that one too.
    if packet.or_zero(Field::CtState) > ct_state::INVALID {
        let _ = write!(out, "  ct {}", show(Field::CtState));
    }
    let _ = write!(out, "  mark {:#x}", packet.or_zero(Field::Mark));
    out
}
