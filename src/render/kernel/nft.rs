//! `nft monitor trace`: a `packet:` line a base chain, `rule … (verdict …)` and `policy …` lines.

use nettrace_engine::explain::way::What;
use nettrace_engine::field::{Field, TCP_FLAGS, Value, protocol_name};
use nettrace_engine::model::{Family, Verdict};
use nettrace_engine::packet::Packet;

use super::{Log, TRACE_ID, address, device, mac, number};
use crate::output::safe;

/// The packet, then one line a step; chain ends are not printed.
pub(super) fn pass(log: &Log, out: &mut String) {
    let Some(first) = log.pass.steps.first() else { return };
    let model = log.texts.model;
    let family = model.table_of(log.pass.base).family;
    let head = |chain: &str| format!("trace id {TRACE_ID} {} {} {chain}", family.name(), log.table());
    out.push_str(&format!("{} packet: {}\n", head(&log.chain(first)), header(&log.packet(first), family)));
    for step in &log.pass.steps {
        let head = head(&log.chain(step));
        match step.what {
            What::Rule { verdict, .. } => {
                let says = safe(&model.show_verdict(verdict));
                out.push_str(&format!("{head} rule {} (verdict {says})\n", log.rule_text(step)));
            }
            What::Policy { verdict } => {
                let word = if verdict == Verdict::Drop { "drop" } else { "accept" };
                let mark = match number(&log.packet(step), Field::Mark) {
                    0 => String::new(),
                    mark => format!("meta mark {mark:#010x} "),
                };
                out.push_str(&format!("{head} policy {word} {mark}\n"));
            }
            What::Return | What::Missed { .. } => {}
        }
    }
}

fn header(p: &Packet, family: Family) -> String {
    let mut out = String::new();
    for (name, field) in [("iif", Field::Iif), ("oif", Field::Oif)] {
        let dev = device(p, field);
        if !dev.is_empty() {
            out.push_str(&format!("{name} \"{dev}\" "));
        }
    }
    // The header of a frame on `lo` is zeros and the type; nft knows no Ethernet there and prints it raw.
    if device(p, Field::Iif) == "lo" {
        out.push_str(if p.family() == 10 { "@ll,0,112 0x86dd " } else { "@ll,0,112 0x800 " });
    } else if let (true, Some(src), Some(dst)) =
        (p.or_zero(Field::Iif) != 0, mac(p, Field::EtherSaddr), mac(p, Field::EtherDaddr))
    {
        out.push_str(&format!("ether saddr {src} ether daddr {dst} "));
    }
    let (src, dst) = (address(p, Field::Saddr), address(p, Field::Daddr));
    let (tos, ttl) = (number(p, Field::Tos), number(p, Field::Ttl));
    let class = format!("dscp {} ", dscp(tos >> 2));
    let ecn = ["not-ect", "ect1", "ect0", "ce"][(tos & 3) as usize];
    if p.family() == 10 {
        let length = number(p, Field::Length).saturating_sub(40);
        let label = number(p, Field::FlowLabel);
        out.push_str(&format!("ip6 saddr {src} ip6 daddr {dst} ip6 {class}ip6 ecn {ecn} ip6 hoplimit {ttl} "));
        out.push_str(&format!("ip6 flowlabel {label} "));
        if family != Family::Ip6 {
            out.push_str(&format!("ip6 nexthdr {} ", proto(p)));
        }
        out.push_str(&format!("ip6 length {length} "));
    } else {
        out.push_str(&format!("ip saddr {src} ip daddr {dst} ip {class}ip ecn {ecn} ip ttl {ttl} "));
        out.push_str(&format!("ip id {} ", number(p, Field::IpId)));
        if family != Family::Ip {
            out.push_str(&format!("ip protocol {} ", proto(p)));
        }
        out.push_str(&format!("ip length {} ", number(p, Field::Length)));
    }
    out + &layer4(p)
}

fn proto(p: &Packet) -> String {
    match number(p, Field::Proto) {
        58 => "ipv6-icmp".to_string(),
        other => protocol_name(other),
    }
}

fn layer4(p: &Packet) -> String {
    let (sport, dport) = (number(p, Field::Sport), number(p, Field::Dport));
    match number(p, Field::Proto) {
        6 => {
            let flags = flags(number(p, Field::TcpFlags));
            let window = number(p, Field::TcpWindow);
            format!("tcp sport {sport} tcp dport {dport} tcp flags == {flags} tcp window {window} ")
        }
        17 => format!("udp sport {sport} udp dport {dport} udp length {} ", number(p, Field::ThLength)),
        1 => {
            let (kind, code) = (number(p, Field::IcmpType), number(p, Field::IcmpCode));
            let kind = if kind == 8 { "echo-request".to_string() } else { kind.to_string() };
            format!(
                "icmp type {kind} icmp code {code} icmp id {} icmp sequence {} ",
                number(p, Field::IcmpId),
                number(p, Field::IcmpSeq)
            )
        }
        _ => String::new(),
    }
}

/// A single flag has a name; nft prints combinations as a number.
fn flags(value: Value) -> String {
    let single = TCP_FLAGS.iter().find(|(bit, _)| *bit == value).map(|(_, name)| name.to_ascii_lowercase());
    single.unwrap_or_else(|| format!("{value:#x}"))
}

fn dscp(value: Value) -> String {
    match value {
        46 => "ef".to_string(),
        v if v % 8 == 0 => format!("cs{}", v / 8),
        v if (8..40).contains(&v) && v % 2 == 0 => format!("af{}{}", v / 8, v % 8 / 2),
        v => format!("{v:#04x}"),
    }
}
