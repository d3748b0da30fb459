//! `nft monitor trace`: a `packet:` line a base chain, `rule … (verdict …)` and `policy …` lines.

use nettrace_engine::eval::image;
use nettrace_engine::explain::way::What;
use nettrace_engine::field::{Field, Value, protocol_name};
use nettrace_engine::model::{ChainId, Family, Verdict};
use nettrace_engine::packet::Packet;

use super::{Log, TRACE_ID, address, device, hex, mac, number, payload};
use crate::output::safe;

/// The packet, then one line a step; chain ends are not printed.
pub(super) fn pass(log: &Log, out: &mut String) {
    let Some(first) = log.pass.steps.first() else { return };
    let model = log.texts.model;
    let family = model.table_of(log.pass.base).family;
    let head = |chain| format!("trace id {TRACE_ID} {} {} {}", family.name(), log.table(), chain_name(log, chain));
    out.push_str(&format!("{} packet: {}\n", head(first.chain), header(&log.packet_behind(first), family)));
    for step in &log.pass.steps {
        let head = head(step.chain);
        match step.what {
            What::Rule { verdict, .. } => {
                let says = match verdict {
                    Verdict::Jump(chain) => format!("jump {}", chain_name(log, chain)),
                    Verdict::Goto(chain) => format!("goto {}", chain_name(log, chain)),
                    other => safe(&model.show_verdict(other)),
                };
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

/// A chain without a name (`jump { … }`) has a number in the kernel, which no listing tells: here they are counted.
fn chain_name(log: &Log, chain: ChainId) -> String {
    let model = log.texts.model;
    let unnamed = |c: &u32| model.chain_name(ChainId(*c)).is_empty();
    if unnamed(&chain.0) {
        return format!("__chain{}", (0..chain.0).filter(unnamed).count());
    }
    safe(model.chain_name(chain))
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
    } else if let (Some(src), Some(dst)) = (mac(p, Field::EtherSaddr), mac(p, Field::EtherDaddr)) {
        out.push_str(&if p.or_zero(Field::Iif) != 0 {
            format!("ether saddr {src} ether daddr {dst} ")
        } else {
            // Nor where no device is known that it came by.
            let bytes = number(p, Field::EtherDaddr) << 64 | number(p, Field::EtherSaddr) << 16;
            format!("@ll,0,112 {:#x} ", bytes | number(p, Field::EtherType))
        });
    }
    // Behind extension headers nft does not know what follows.
    let next = number(p, Field::NextHeader);
    let (payload, told) = payload::print(&image(p), u8::try_from(next).unwrap_or(0));
    let (src, dst) = (address(p, Field::Saddr), address(p, Field::Daddr));
    let (tos, ttl) = (number(p, Field::Tos), number(p, Field::Ttl));
    let class = format!("dscp {} ", dscp(tos >> 2));
    let ecn = ["not-ect", "ect1", "ect0", "ce"][(tos & 3) as usize];
    if p.family() == 10 {
        let length = number(p, Field::Length).saturating_sub(40);
        let label = number(p, Field::FlowLabel);
        out.push_str(&format!("ip6 saddr {src} ip6 daddr {dst} ip6 {class}ip6 ecn {ecn} ip6 hoplimit {ttl} "));
        out.push_str(&format!("ip6 flowlabel {label} "));
        if family != Family::Ip6 || !told {
            out.push_str(&format!("ip6 nexthdr {} ", protocol(p.or_zero(Field::NextHeader))));
        }
        out.push_str(&format!("ip6 length {length} "));
    } else {
        out.push_str(&format!("ip saddr {src} ip daddr {dst} ip {class}ip ecn {ecn} ip ttl {ttl} "));
        out.push_str(&format!("ip id {} ", number(p, Field::IpId)));
        if family != Family::Ip || !told {
            out.push_str(&format!("ip protocol {} ", protocol(p.or_zero(Field::Proto))));
        }
        out.push_str(&format!("ip length {} ", number(p, Field::Length)));
        out.push_str(&options(&p.bytes.ip_options));
    }
    out + &payload
}

/// As `/etc/protocols` has it.
fn protocol(number: Value) -> String {
    match number {
        58 => "ipv6-icmp".to_string(),
        115 => "l2tp".to_string(),
        other => protocol_name(other),
    }
}

/// Options of IPv4, raw: the header's first forty bytes are seen.
fn options(bytes: &[u8]) -> String {
    let seen = &bytes[..bytes.len().div_ceil(4).min(5).saturating_mul(4).min(bytes.len())];
    let hex = hex(seen);
    if hex.is_empty() { hex } else { format!("@nh,160,{} 0x{} ", seen.len() * 8, hex.trim_start_matches('0')) }
}

fn dscp(value: Value) -> String {
    match value {
        46 => "ef".to_string(),
        v if v % 8 == 0 => format!("cs{}", v / 8),
        v if (8..40).contains(&v) && v % 2 == 0 => format!("af{}{}", v / 8, v % 8 / 2),
        v => format!("{v:#04x}"),
    }
}
