//! `xtables-monitor --trace`: a `PACKET:` line a base chain, and a ` TRACE:` line a rule or policy.

use nettrace_engine::eval::image;
use nettrace_engine::explain::way::What;
use nettrace_engine::field::Field;
use nettrace_engine::model::Verdict;
use nettrace_engine::packet::Packet;

use super::{Log, TRACE_ID, address, device, mac, number, signed_hex};
use crate::output::safe;

/// The packet, then one line a step; chain ends are not printed.
pub(super) fn pass(log: &Log, out: &mut String) {
    let Some(first) = log.pass.steps.first() else { return };
    let packet = log.packet_behind(first);
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

/// A byte of a MAC address without the zero in front of it.
fn short(byte: &str) -> &str {
    if byte == "00" { "0" } else { byte.trim_start_matches('0') }
}

fn header(p: &Packet) -> String {
    let mut out = String::new();
    for (name, field) in [("IN", Field::Iif), ("OUT", Field::Oif)] {
        let dev = device(p, field);
        if !dev.is_empty() {
            out.push_str(&format!("{name}={dev} "));
        }
    }
    if device(p, Field::Iif) == "lo" {
        out.push_str("LOOPBACK ");
    } else if let (true, Some(src), Some(dst)) =
        (p.or_zero(Field::Iif) != 0, mac(p, Field::EtherSaddr), mac(p, Field::EtherDaddr))
    {
        let kind = if p.family() == 10 { "86dd" } else { "0800" };
        let [src, dst] = [src, dst].map(|mac| mac.split(':').map(short).collect::<Vec<_>>().join(":"));
        out.push_str(&format!("MACSRC={src} MACDST={dst} MACPROTO={kind} "));
    } else if let (Some(src), Some(dst)) = (p.value(Field::EtherSaddr), p.value(Field::EtherDaddr)) {
        let header = (dst << 64 | src << 16 | p.or_zero(Field::EtherType)).to_be_bytes();
        let hex = signed_hex(&header[2..]);
        out.push_str(&format!("LL=0x0 {hex} "));
    }
    out.push_str(&format!("SRC={} DST={} ", address(p, Field::Saddr), address(p, Field::Daddr)));
    if p.family() == 10 {
        let (class, hops) = (number(p, Field::Tos), number(p, Field::Ttl));
        // The program adds the size of the other family's header.
        let length = number(p, Field::Length).saturating_sub(40) + 20;
        out.push_str(&format!("LEN={length} TC={class} HOPLIMIT={hops} FLOWLBL={} ", number(p, Field::FlowLabel)));
    } else {
        let (length, tos) = (number(p, Field::Length), number(p, Field::Tos));
        out.push_str(&format!(
            "LEN={length} TOS={tos:#x} TTL={} ID={} ",
            number(p, Field::Ttl),
            number(p, Field::IpId)
        ));
        let flags = number(p, Field::FragFlags);
        for (bit, name) in [(2, "DF "), (1, "MF ")] {
            if flags & bit != 0 {
                out.push_str(name);
            }
        }
        match number(p, Field::FragOffset) {
            0 => {}
            offset => out.push_str(&format!("FRAG:{offset} ")),
        }
        out.push_str(&options(&p.bytes.ip_options));
    }
    out.push_str(&layer4(p));
    match number(p, Field::Mark) {
        0 => {}
        mark => out.push_str(&format!("MARK={mark:#x} ")),
    }
    out
}

/// Options of IPv4; the program takes a byte for a signed one.
fn options(bytes: &[u8]) -> String {
    let hex = signed_hex(bytes).to_uppercase();
    if hex.is_empty() { hex } else { format!("OPT ({hex}) ") }
}

/// Ports, and TCP's flags but for those of ECN, of what stands right behind the IP header; of a later fragment the payload is read
/// as a header.
fn layer4(p: &Packet) -> String {
    let image = image(p);
    let proto = number(p, Field::NextHeader);
    let needed = if proto == 6 { 20 } else { 4 };
    if !matches!(proto, 6 | 17 | 33 | 132 | 136) || image.length < image.transport + needed {
        return String::new();
    }
    let read = |offset, bits| image.bits(image.transport, offset, bits).unwrap_or(0);
    let mut out = format!("SPORT={} DPORT={} ", read(0, 16), read(16, 16));
    let flags = if proto == 6 { read(104, 8) } else { 0 };
    for (bit, name) in [(2, "SYN "), (16, "ACK "), (1, "FIN "), (4, "RST "), (8, "PSH "), (32, "URG ")] {
        if flags & bit != 0 {
            out.push_str(name);
        }
    }
    out
}
