//! The log of `-j TRACE` with iptables-legacy: `TRACE: nat:KUBE-SERVICES:rule:33 IN=eth0 OUT= MAC=… SRC=… DST=… …`.

use nettrace_engine::eval::image;
use nettrace_engine::explain::way::{ChainStep, What};
use nettrace_engine::field::Field;
use nettrace_engine::packet::Packet;

use super::{Log, device, mac, number, syslog};

/// One line a step.
pub(super) fn pass(log: &Log, out: &mut String) {
    for step in &log.pass.steps {
        if let Some((kind, n)) = kind(log, step) {
            let packet = log.packet(step);
            let head = format!("TRACE: {}:{}:{kind}:{n} ", log.table(), log.chain(step));
            out.push_str(format!("{head}{}", body(&packet)).trim_end());
            out.push('\n');
        }
    }
}

/// `rule`, `return` or `policy`, and the number: an unconditional standard verdict counts as the chain's end.
fn kind(log: &Log, step: &ChainStep) -> Option<(&'static str, u32)> {
    let model = log.texts.model;
    let end = model.chain(step.chain).rules.len() as u32 + 1;
    let base = model.chain(step.chain).base.is_some();
    match step.what {
        What::Rule { rule, number, .. } if model.rule(rule).unconditional => {
            Some((if base { "policy" } else { "return" }, number))
        }
        What::Rule { number, .. } => Some(("rule", number)),
        What::Return => Some(("return", end)),
        What::Policy { .. } => Some(("policy", end)),
        What::Missed { .. } => None,
    }
}

/// The packet as LOG and TRACE print it.
fn body(p: &Packet) -> String {
    let mut out = format!("IN={} OUT={} ", device(p, Field::Iif), device(p, Field::Oif));
    for (name, field) in [("PHYSIN", Field::PhysIn), ("PHYSOUT", Field::PhysOut)] {
        let port = device(p, field);
        if !port.is_empty() {
            out.push_str(&format!("{name}={port} "));
        }
    }
    if p.or_zero(Field::Iif) != 0 {
        let kind = if p.family() == 10 { "86:dd" } else { "08:00" };
        // The header of a frame on `lo` is zeros and the type.
        let zeros = (device(p, Field::Iif) == "lo").then(|| "00:00:00:00:00:00".to_owned());
        match (mac(p, Field::EtherDaddr).or(zeros.clone()), mac(p, Field::EtherSaddr).or(zeros)) {
            (Some(dst), Some(src)) => out.push_str(&format!("MAC={dst}:{src}:{kind} ")),
            _ => out.push_str("MAC= "),
        }
    }
    let mut image = image(p);
    image.bytes.resize(image.length, 0);
    let (text, whole) = syslog::packet(&image.bytes, p.family() == 10);
    out.push_str(&text);
    if !whole {
        return out;
    }
    if p.or_zero(Field::SkExists) == 1 && p.or_zero(Field::Iif) == 0 {
        out.push_str(&format!("UID={} GID={} ", number(p, Field::SkUid), number(p, Field::SkGid)));
    }
    match p.or_zero(Field::Mark) {
        0 => {}
        mark => out.push_str(&format!("MARK={mark:#x} ")),
    }
    out
}
