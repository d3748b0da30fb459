//! The log of `-j TRACE` with iptables-legacy: `TRACE: nat:KUBE-SERVICES:rule:33 IN=eth0 OUT= MAC=… SRC=… DST=… …`.

use nettrace_engine::explain::way::{ChainStep, What};
use nettrace_engine::field::Field;
use nettrace_engine::packet::Packet;

use super::{Log, address, device, mac, number};

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
        match (mac(p, Field::EtherDaddr), mac(p, Field::EtherSaddr)) {
            (Some(dst), Some(src)) => out.push_str(&format!("MAC={dst}:{src}:{kind} ")),
            _ => out.push_str("MAC= "),
        }
    }
    out.push_str(&if p.family() == 10 { ip6(p) } else { ip4(p) });
    out.push_str(&layer4(p));
    if p.or_zero(Field::SkExists) == 1 && p.or_zero(Field::Iif) == 0 {
        out.push_str(&format!("UID={} GID={} ", number(p, Field::SkUid), number(p, Field::SkGid)));
    }
    match p.or_zero(Field::Mark) {
        0 => {}
        mark => out.push_str(&format!("MARK={mark:#x} ")),
    }
    out
}

fn ip4(p: &Packet) -> String {
    let (tos, flags) = (number(p, Field::Tos), number(p, Field::FragFlags));
    let mut out = format!("SRC={} DST={} ", address(p, Field::Saddr), address(p, Field::Daddr));
    out.push_str(&format!("LEN={} TOS={:#04x} PREC={:#04x} ", number(p, Field::Length), tos & 0x1e, tos & 0xe0));
    out.push_str(&format!("TTL={} ID={} ", number(p, Field::Ttl), number(p, Field::IpId)));
    for (bit, name) in [(4, "CE "), (2, "DF "), (1, "MF ")] {
        if flags & bit != 0 {
            out.push_str(name);
        }
    }
    match number(p, Field::FragOffset) {
        0 => {}
        offset => out.push_str(&format!("FRAG:{offset} ")),
    }
    out
}

fn ip6(p: &Packet) -> String {
    let mut out = format!("SRC={} DST={} ", full6(p, Field::Saddr), full6(p, Field::Daddr));
    out.push_str(&format!("LEN={} TC={} ", number(p, Field::Length), number(p, Field::Tos)));
    out.push_str(&format!("HOPLIMIT={} FLOWLBL={} ", number(p, Field::Ttl), number(p, Field::FlowLabel)));
    out
}

/// Eight groups of four digits, as the kernel's `%pI6` prints.
fn full6(p: &Packet, field: Field) -> String {
    let addr = std::net::Ipv6Addr::from_bits(p.or_zero(field));
    addr.segments().map(|group| format!("{group:04x}")).join(":")
}

fn layer4(p: &Packet) -> String {
    let ports = || format!("SPT={} DPT={} ", number(p, Field::Sport), number(p, Field::Dport));
    let proto = number(p, Field::Proto);
    let name = match proto {
        1 => "ICMP",
        6 => "TCP",
        17 => "UDP",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        136 => "UDPLITE",
        other => return format!("PROTO={other} "),
    };
    let rest = match proto {
        _ if p.is_later_fragment() => String::new(),
        6 => ports() + &tcp(p),
        17 | 136 => ports() + &format!("LEN={} ", number(p, Field::ThLength)),
        1 | 58 => icmp(p),
        _ => p.value(Field::Spi).map_or(String::new(), |spi| format!("SPI={spi:#x} ")),
    };
    format!("PROTO={name} {rest}")
}

fn tcp(p: &Packet) -> String {
    let flags = number(p, Field::TcpFlags);
    let mut out = format!("WINDOW={} RES=0x00 ", number(p, Field::TcpWindow));
    for (bit, name) in
        [(128, "CWR "), (64, "ECE "), (32, "URG "), (16, "ACK "), (8, "PSH "), (4, "RST "), (2, "SYN "), (1, "FIN ")]
    {
        if flags & bit != 0 {
            out.push_str(name);
        }
    }
    out + "URGP=0 "
}

fn icmp(p: &Packet) -> String {
    let (kind, code) = (number(p, Field::IcmpType), number(p, Field::IcmpCode));
    let echo = matches!((p.family(), kind), (10, 128 | 129) | (2, 0 | 8));
    let id = format!("ID={} SEQ={} ", number(p, Field::IcmpId), number(p, Field::IcmpSeq));
    format!("TYPE={kind} CODE={code} {}", if echo { id.as_str() } else { "" })
}
