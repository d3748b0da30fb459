//! The answer to a walked packet: what the far end (or this host) sends back, ready to be walked over the same
//! connection table.
//!
//! Left out: what a program really answers. A SYN is taken to be accepted, a request answered.

use std::sync::Arc;

use super::Start;
use crate::World;
use crate::field::{Field, Value, ct_state, device_name};
use crate::packet::{Got, Packet};
use crate::trace::{Event, Fate, Trace};

/// The answer to a walk's packet; `None` when it reached nobody who would answer, and no rule answers it.
pub fn reply_to(world: World, trace: &Trace) -> Option<Start> {
    let rejected = trace.events.iter().rev().find_map(|e| match e {
        Event::Reply { packet, .. } => Some(packet),
        _ => None,
    });
    if let Some(packet) = rejected {
        let mut packet = (**packet).clone();
        packet.set(Field::CtState, ct_state::INVALID);
        let about = Some(ct_state::RELATED);
        return Some(Start { packet, local: true, ct_state: about, own: None, assumptions: Arc::default() });
    }
    let last = trace.last_packet();
    let mut packet = mirrored(&last);
    let local = match trace.fate() {
        Fate::Out { oif, .. } => {
            arrives_where_it_left(world, &trace.start, &last, &mut packet, oif);
            false
        }
        Fate::Bridged { port } => {
            packet.put(Field::Iif, trace.start.get(Field::Iif));
            packet.put(Field::PhysIn, port.map_or(Got::Unknown, Got::Value));
            packet.put(Field::EtherDaddr, trace.start.get(Field::EtherSaddr));
            packet.put(Field::EtherSaddr, trace.start.get(Field::EtherDaddr));
            false
        }
        Fate::Local { .. } => {
            packet.set(Field::SkExists, 1);
            packet.set(Field::SkUid, 0);
            packet.set(Field::SkGid, 0);
            true
        }
        _ => return None,
    };
    Some(Start { packet, local, ct_state: None, own: None, assumptions: Arc::default() })
}

/// Addresses, ports and flags of the answer; no device, no mark, no connection.
fn mirrored(p: &Packet) -> Packet {
    let mut out = Packet::default();
    out.bytes.clone_from(&p.bytes);
    let copied = [Field::Family, Field::Proto, Field::NextHeader, Field::IpHdrLen, Field::Length, Field::ThLength];
    for field in copied.into_iter().chain([Field::IcmpId, Field::IcmpSeq, Field::IcmpCode, Field::TcpWindow]) {
        out.put(field, p.get(field));
    }
    for (to, from) in [
        (Field::Saddr, Field::Daddr),
        (Field::Daddr, Field::Saddr),
        (Field::Sport, Field::Dport),
        (Field::Dport, Field::Sport),
    ] {
        out.put(to, p.get(from));
    }
    let zero = [
        Field::Iif,
        Field::Oif,
        Field::SdifName,
        Field::Mark,
        Field::Priority,
        Field::NfTrace,
        Field::PktType,
        Field::Tos,
    ];
    for field in zero.into_iter().chain([Field::FragOffset, Field::ExtHeaders, Field::FlowLabel]) {
        out.set(field, 0);
    }
    out.set(Field::FragFlags, 2);
    out.set(Field::IpId, 1);
    out.set(Field::Ttl, 64);
    out.set(Field::CtState, ct_state::INVALID);
    out.put(Field::EtherType, p.get(Field::EtherType));
    for field in [Field::Time, Field::Day, Field::MonthDay, Field::Hour, Field::Cpu] {
        out.put(field, Got::Unknown);
    }
    for field in [
        Field::SockTransparent,
        Field::SockMark,
        Field::Ipsec,
        Field::Ipvs,
        Field::IpsecReqid,
        Field::IpsecSpi,
        Field::OsfName,
    ] {
        out.put(field, Got::Unknown);
    }
    answer_layer4(p, &mut out);
    out
}

fn answer_layer4(p: &Packet, out: &mut Packet) {
    match p.or_zero(Field::Proto) {
        6 => {
            let flags = p.or_zero(Field::TcpFlags);
            let syn = flags & 2;
            let data = p.or_zero(Field::ThLength).saturating_sub(20);
            let next = (p.or_zero(Field::TcpSeq) + data + (flags & 1) + (syn >> 1)) & 0xffff_ffff;
            out.set(Field::TcpFlags, syn | 16);
            out.set(Field::TcpSeq, p.or_zero(Field::TcpAck));
            out.set(Field::TcpAck, next);
        }
        1 | 58 => {
            let answer = |kind: Value| match kind {
                8 => 0,
                13 | 15 | 17 => kind + 1,
                128 | 139 => kind + 1,
                other => other,
            };
            out.set(Field::IcmpType, answer(p.or_zero(Field::IcmpType)));
        }
        _ => {}
    }
}

/// The answer comes in by the device, and the bridge port, that the packet left by.
fn arrives_where_it_left(world: World, start: &Packet, last: &Packet, packet: &mut Packet, oif: Option<Value>) {
    packet.put(Field::Iif, oif.map_or(Got::Unknown, Got::Value));
    packet.put(Field::PhysIn, last.get(Field::PhysOut));
    packet.put(Field::EtherSaddr, Got::Unknown);
    let Some(oif) = oif else { return };
    let name = device_name(oif);
    let own = world.host.link(&name).ok().and_then(|l| l.mac).map_or(Got::Unknown, |m| Got::Value(m.value()));
    if last.or_zero(Field::IsBridged) != 0 {
        packet.put(Field::EtherDaddr, start.get(Field::EtherSaddr));
    } else if world.host.is_bridge(&name) == Ok(true) {
        // Where the frame goes follows from the address: a neighbour on the bridge gets it directly.
        let src = crate::field::to_address(packet.or_zero(Field::Saddr), packet.family());
        let port = world.host.next_hop_mac(&name, src).and_then(|m| world.host.bridge_port(&name, m, None));
        let port = match port {
            Ok(crate::host::PortLookup::Port(dev)) => Got::Value(crate::field::device(&dev)),
            _ => Got::Unknown,
        };
        packet.put(Field::PhysIn, port);
        let dst = crate::field::to_address(packet.or_zero(Field::Daddr), packet.family());
        if world.host.is_local(dst, &mut Vec::new()) == Ok(true) {
            packet.put(Field::EtherDaddr, own);
        }
    } else {
        packet.put(Field::EtherDaddr, own);
    }
}
