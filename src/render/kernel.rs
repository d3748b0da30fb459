//! A walk as the kernel's own trace would log it, to be laid beside a real one: `TRACE: raw:PREROUTING:rule:2 IN=eth0 …`
//! for iptables-legacy, `xtables-monitor --trace` for iptables-nft, `nft monitor trace` for nft.
//!
//! Formats and moments are those of the three programs (legacy logs a rule before its target runs, the others behind
//! it). What a description does not hold (IP id, window, trace id) is that of a made-up packet.

mod legacy;
mod nft;
mod payload;
mod syslog;
mod xtables;

use std::cell::RefCell;

use nettrace_engine::explain::way::{ChainStep, Pass, Way, What};
use nettrace_engine::field::{Field, Value, device_name};
use nettrace_engine::model::Dialect;
use nettrace_engine::packet::{Got, Packet};
use nettrace_engine::trace::{Cause, Event, Moment, Trace};

use super::json::Texts;
use crate::output::safe;

/// The log lines of a walk.
pub fn render(texts: Texts, trace: &Trace) -> String {
    let mut way = Way::of(texts.model, trace);
    let on = switched_on(&way);
    let mut out = String::new();
    let moment = RefCell::new(Moment::start(trace));
    for pass in way.passes_mut() {
        traced(texts, on, pass);
        let log = Log { texts, trace, pass, moment: &moment };
        match texts.model.table_of(pass.base).dialect {
            Dialect::Legacy => legacy::pass(&log, &mut out),
            Dialect::IptablesNft => xtables::pass(&log, &mut out),
            Dialect::Nft => nft::pass(&log, &mut out),
        }
    }
    out
}

/// The step that switches tracing on, where the rules themselves do (`-j TRACE`, `meta nftrace set 1`).
fn switched_on(way: &Way) -> Option<usize> {
    let on = |s: &&ChainStep| s.changes.iter().any(|c| c.field == Field::NfTrace && c.new == Got::Value(1));
    way.passes().flat_map(|p| &p.steps).find(on).map(|s| s.event)
}

/// Leaves out what the kernel does not log because tracing was not on yet. Legacy does not log the rule itself.
fn traced(texts: Texts, on: Option<usize>, pass: &mut Pass) {
    let Some(on) = on else { return };
    let legacy = texts.model.table_of(pass.base).dialect == Dialect::Legacy;
    pass.steps.retain(|s| s.event > on || (s.event == on && !legacy));
}

/// A run of a base chain, to be logged.
struct Log<'a> {
    texts: Texts<'a>,
    trace: &'a Trace,
    pass: &'a Pass,
    /// The packet of the step that is being logged, which is that of the last one or further on.
    moment: &'a RefCell<Moment>,
}

impl Log<'_> {
    /// The packet just before a step.
    fn packet(&self, step: &ChainStep) -> Packet {
        self.moment.borrow_mut().go(self.trace, step.event).clone()
    }

    /// The packet behind what a rule itself wrote: nft traces a rule after it ran, and address translation after the chain.
    fn packet_behind(&self, step: &ChainStep) -> Packet {
        let mut packet = self.packet(step);
        for event in self.trace.events.get(step.event..step.until).unwrap_or_default() {
            if let Event::Write { field, new, by: Cause::Rule(_), .. } = event {
                packet.put(*field, *new);
            }
        }
        packet
    }

    fn table(&self) -> String {
        safe(self.texts.model.name(self.texts.model.table_of(self.pass.base).name))
    }

    fn chain(&self, step: &ChainStep) -> String {
        safe(self.texts.model.chain_name(step.chain))
    }

    /// A rule's text on one line, without counters and handle.
    fn rule_text(&self, step: &ChainStep) -> String {
        let (What::Rule { rule, .. } | What::Missed { rule }) = step.what else { return String::new() };
        let text = self.texts.sources.text(self.texts.model.rule(rule).span);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = match text.strip_prefix('[').and_then(|t| t.split_once("] ")) {
            Some((_, rest)) => rest.to_string(),
            None => text,
        };
        safe(text.split(" # handle ").next().unwrap_or(&text))
    }

    /// The number by which iptables-nft and nft name a rule: its handle, else its position.
    fn handle(&self, step: &ChainStep) -> u32 {
        match step.what {
            What::Rule { rule, number, .. } => match self.texts.model.rule(rule).handle {
                0 => number,
                handle => handle,
            },
            _ => 0,
        }
    }
}

/// The trace id of a made-up packet.
const TRACE_ID: &str = "00000001";

/// A device's name; empty for none.
fn device(packet: &Packet, field: Field) -> String {
    packet.value(field).filter(|v| *v != 0).map_or(String::new(), |v| safe(&device_name(v)))
}

/// Bytes as hex digits, two each.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The same as a program prints them that takes a byte for a signed number: 0x94 is `ffffff94`.
fn signed_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{:02x}", i32::from(byte.cast_signed())))
}

fn number(packet: &Packet, field: Field) -> Value {
    packet.or_zero(field)
}

fn address(packet: &Packet, field: Field) -> String {
    packet.value(field).map_or("?".to_string(), |v| field.print(v, packet.family()))
}

fn mac(packet: &Packet, field: Field) -> Option<String> {
    packet.value(field).map(|v| field.print(v, 2))
}
