//! `xtables-monitor --trace`: a `PACKET:` line a base chain, and a ` TRACE:` line a rule or policy.

use nettrace_engine::explain::way::What;
use nettrace_engine::field::{Field, TCP_FLAGS};
use nettrace_engine::model::Verdict;
use nettrace_engine::packet::Packet;

use super::{Log, TRACE_ID, address, device, mac, number};
use crate::output::safe;

/// The packet, then one line a step; chain ends are not printed.
pub(super) fn pass(log: &Log, out: &mut String) {
    let Some(first) = log.pass.steps.first() else { return };
    let packet = log.packet(first);
    let family = packet.family();
    out.push_str(&format!("PACKET: {family} {TRACE_ID} {}\n", header(&packet)));
    for step in &log.pass.steps {
        let head = format!(" TRACE: {family} {TRACE_ID} {}:{}", log.table(), log.chain(step));
        match step.what {
            What::Rule { verdict, .. } => {
                let six = if family == 10 { "-6" } else { "-4" };
                let text = log.rule_text(step);
                let says = verdict_text(log, verdict);
                out.push_str(&format!("{head}:rule:{:#x}:{says}  {six} -t {} {text}\n", log.handle(step), log.table()));
            }
            What::Policy { verdict } => {
                let word = if verdict == Verdict::Drop { "DROP" } else { "ACCEPT" };
                out.push_str(&format!("{head}:policy:{word} \n"));
            }
            What::Return | What::Missed { .. } => {}
        }
    }
}

fn verdict_text(log: &Log, verdict: Verdict) -> String {
    let chain = |c| safe(log.texts.model.chain_name(c));
    match verdict {
        Verdict::Accept => "ACCEPT".to_string(),
        Verdict::Drop => "DROP".to_string(),
        Verdict::Jump(c) => format!("JUMP:{}", chain(c)),
        Verdict::Goto(c) => format!("GOTO:{}", chain(c)),
        Verdict::Return => "0xfffffffb".to_string(),
        Verdict::Continue => "CONTINUE".to_string(),
        Verdict::Stolen => "STOLEN".to_string(),
        Verdict::Queue { num, .. } => format!("{:#x}", u32::from(num) << 16 | 3),
    }
}

fn header(p: &Packet) -> String {
    let mut out = String::new();
    for (name, field) in [("IN", Field::Iif), ("OUT", Field::Oif)] {
        let dev = device(p, field);
        if !dev.is_empty() {
            out.push_str(&format!("{name}={dev} "));
        }
    }
    if let (true, Some(src), Some(dst)) =
        (p.or_zero(Field::Iif) != 0, mac(p, Field::EtherSaddr), mac(p, Field::EtherDaddr))
    {
        let kind = if p.family() == 10 { "86dd" } else { "0800" };
        out.push_str(&format!("MACSRC={src} MACDST={dst} MACPROTO={kind} "));
    }
    out.push_str(&format!("SRC={} DST={} ", address(p, Field::Saddr), address(p, Field::Daddr)));
    if p.family() == 10 {
        let (class, hops) = (number(p, Field::Tos), number(p, Field::Ttl));
        let length = number(p, Field::Length).saturating_sub(40);
        out.push_str(&format!("LEN={length} TC={class} HOPLIMIT={hops} FLOWLBL={} ", number(p, Field::FlowLabel)));
    } else {
        let (length, tos) = (number(p, Field::Length), number(p, Field::Tos));
        out.push_str(&format!(
            "LEN={length} TOS={tos:#x} TTL={} ID={} ",
            number(p, Field::Ttl),
            number(p, Field::IpId)
        ));
        if number(p, Field::FragFlags) & 2 != 0 {
            out.push_str("DF ");
        }
    }
    if let (Some(sport), Some(dport)) = (p.value(Field::Sport), p.value(Field::Dport)) {
        out.push_str(&format!("SPORT={sport} DPORT={dport} "));
    }
    let flags = number(p, Field::TcpFlags);
    for (_, name) in TCP_FLAGS.iter().filter(|(bit, _)| flags & bit != 0) {
        out.push_str(&format!("{name} "));
    }
    out
}
