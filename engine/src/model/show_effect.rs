//! Effects in words: `dnat to 10.0.0.1:80`, `limit 5 per 60 s, burst 5`, `reject with tcp reset`.

use std::fmt::Write as _;

use super::*;
use crate::field::{Value, to_address};

impl Model {
    /// An effect in words.
    pub fn show_effect(&self, effect: &Effect, family: Value) -> String {
        match effect {
            Effect::Nat(nat) => self.show_nat(nat, family),
            Effect::Notrack => "notrack".to_string(),
            Effect::CtAttach(attach) => self.show_attach(attach, family),
            Effect::Log { kind, prefix } => match prefix {
                Some(prefix) => format!("{} {:?}", self.name(*kind), self.name(*prefix)),
                None => self.name(*kind).to_string(),
            },
            Effect::Reject(with) => show_reject(*with),
            Effect::SetUpdate(update) => self.show_update(update, family),
            Effect::SetMap { lookup, mark, prio, queue } => {
                let flags = [(*mark, " mark"), (*prio, " prio"), (*queue, " queue")];
                let shown: String = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
                let l = self.lookup(*lookup);
                format!("map{shown} {} in {}", self.show_key(&l.key, family), self.show_set(l.set, family))
            }
            Effect::Tproxy { addr, port, mark, .. } => {
                let addr = addr.map_or("any".to_string(), |a| self.show_part(a, family, true));
                let port = port.map_or(String::new(), |p| format!(":{}", self.show_part(p, family, false)));
                let mark = mark.map_or(String::new(), |(m, v)| format!(" mark {v:#x}/{m:#x}"));
                format!("tproxy to {addr}{port}{mark}")
            }
            Effect::Synproxy { .. } => "synproxy".to_string(),
            Effect::Dup { to, device } => {
                let to = to.map_or(String::new(), |a| format!(" to {}", self.show_part(a, family, true)));
                let device = device.map_or(String::new(), |d| format!(" device {}", self.show_device(d, family)));
                format!("dup{to}{device}")
            }
            Effect::Fwd { device } => format!("fwd to {}", self.show_device(*device, family)),
            Effect::Offload { table } => format!("flow add @{}", self.name(*table)),
            Effect::Strip(options) => {
                let list: Vec<_> = options.iter().map(u8::to_string).collect();
                format!("strip tcp options {}", list.join(","))
            }
            Effect::Patch { base, offset, bits, value } => {
                format!("{base:?},{offset},{bits} := {}", self.show_expr(*value, family)).to_lowercase()
            }
            Effect::Stateful(stateful) => self.show_stateful(stateful, family),
            Effect::ObjectMap(_, lookup) => {
                let l = self.lookup(*lookup);
                format!("object {} map {}", self.show_key(&l.key, family), self.show_set(l.set, family))
            }
        }
    }

    fn show_device(&self, device: ExprId, family: Value) -> String {
        match self.expr(device) {
            Expr::Const(v) if v > u128::from(u32::MAX) => crate::field::device_name(v).to_string(),
            _ => self.show_expr(device, family),
        }
    }

    /// A constant as an address or a number, anything else as an expression.
    fn show_part(&self, expr: ExprId, family: Value, address: bool) -> String {
        match self.expr(expr) {
            Expr::Const(v) if address => to_address(v, family).to_string(),
            Expr::Const(v) => v.to_string(),
            _ => self.show_expr(expr, family),
        }
    }

    fn show_pair(&self, (lo, hi): (ExprId, ExprId), family: Value, address: bool) -> String {
        let (lo_text, hi_text) = (self.show_part(lo, family, address), self.show_part(hi, family, address));
        if lo_text == hi_text { lo_text } else { format!("{lo_text}-{hi_text}") }
    }

    fn show_nat(&self, nat: &Nat, family: Value) -> String {
        let family = if nat.family == 0 { family } else { nat.family.into() };
        let mut out = format!("{:?}", nat.kind).to_lowercase();
        if nat.addr.is_some() || nat.port.is_some() {
            out.push_str(" to ");
        }
        if let Some(addr) = nat.addr {
            let addr = self.show_pair(addr, family, true);
            let (open, close) = if family == 10 && nat.port.is_some() { ("[", "]") } else { ("", "") };
            let _ = write!(out, "{open}{addr}{close}");
        }
        if let Some(port) = nat.port {
            out.push(':');
            out.push_str(&self.show_pair(port, family, false));
        }
        if let Some(base) = nat.port_base {
            let _ = write!(out, "/{base}");
        }
        let flags = [
            (nat.prefix, " prefix"),
            (nat.random, " random"),
            (nat.fully_random, " fully-random"),
            (nat.persistent, " persistent"),
        ];
        out.extend(flags.iter().filter(|f| f.0).map(|f| f.1));
        out
    }

    fn show_attach(&self, attach: &CtAttach, family: Value) -> String {
        let mut out = "ct template".to_string();
        if let Some(zone) = attach.zone {
            let side = match (zone.orig, zone.reply) {
                (true, false) => " (original)",
                (false, true) => " (reply)",
                _ => "",
            };
            let _ = write!(out, " zone {}{side}", self.show_part(zone.zone, family, false));
        }
        let names = [("helper", attach.helper), ("timeout", attach.timeout), ("events", attach.events)];
        for (what, name) in names.into_iter().filter_map(|(w, n)| Some((w, n?))) {
            let _ = write!(out, " {what} {}", self.name(name));
        }
        out
    }

    fn show_update(&self, update: &SetUpdate, family: Value) -> String {
        let op = format!("{:?}", update.op).to_lowercase();
        let mut out = format!("{op} {} {}", self.show_set(update.set, family), self.show_key(&update.key, family));
        if !update.data.is_empty() {
            let data: Vec<_> = update.data.iter().map(|e| self.show_expr(*e, family)).collect();
            let _ = write!(out, " : {}", data.join(" . "));
        }
        if let Some(ms) = update.timeout {
            let _ = write!(out, " timeout {} s", ms / 1000);
        }
        for s in &update.stateful {
            let _ = write!(out, ", {}", self.show_stateful(s, family));
        }
        out
    }

    /// A test that keeps state, in words.
    pub fn show_stateful(&self, stateful: &Stateful, family: Value) -> String {
        let keys = |key: &[ExprId]| key.iter().map(|e| self.show_expr(*e, family)).collect::<Vec<_>>().join(" . ");
        let mut out = match &stateful.kind {
            StatefulKind::Limit(rate) => format!("limit {}", show_rate(*rate)),
            StatefulKind::HashLimit { rate, key } => format!("limit {} for each ({})", show_rate(*rate), keys(key)),
            StatefulKind::Quota { bytes, used } => format!("quota {bytes} bytes, {used} used"),
            StatefulKind::Nth { every, packet } => format!("number {packet} of every {every}"),
            StatefulKind::Recent { op, key, seconds, hitcount, rttl } => {
                let mut out = format!("recent {op:?} {}", self.show_expr(*key, family)).to_lowercase();
                out.extend(seconds.map(|s| format!(", {s} s")));
                out.extend(hitcount.map(|n| format!(", {n} hits")));
                out.push_str(if *rttl { ", same ttl" } else { "" });
                out
            }
            StatefulKind::Connlimit { count, key } => format!("at most {count} connections for each ({})", keys(key)),
            StatefulKind::Count => "count".to_string(),
        };
        out.extend(stateful.shared.map(|n| format!(" in {}", self.name(n))));
        if stateful.invert { format!("not ({out})") } else { out }
    }
}

fn show_rate(rate: Rate) -> String {
    let bytes = if rate.bytes { " bytes" } else { "" };
    format!("{}{bytes} per {} s, burst {}", rate.amount, rate.per_ms / 1000, rate.burst)
}

fn show_reject(with: RejectWith) -> String {
    match with {
        RejectWith::Icmp(code) => format!("reject with icmp 3/{code}"),
        RejectWith::Icmp6(code) => format!("reject with icmpv6 1/{code}"),
        RejectWith::Icmpx(code) => format!("reject with icmpx {code}"),
        RejectWith::TcpReset => "reject with tcp reset".to_string(),
    }
}
