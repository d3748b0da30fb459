//! A described connection table as the walk's own: `packets/NN.json`'s `conntrack` list.

use super::{ConnSpec, PacketSpec, TupleSpec};
use crate::field::{address, ct_status};
use crate::state::{Conn, ConnTable, TcpState, Tuple, Zone};

/// The connection table that a packet's description brings, if it brings one.
pub fn connections(spec: &PacketSpec) -> Option<ConnTable> {
    let mut table = ConnTable::default();
    table.told = true;
    for c in spec.conntrack.as_ref()? {
        table.insert(connection(c));
    }
    Some(table)
}

/// One connection; what cannot be read counts as unset.
pub fn connection(spec: &ConnSpec) -> Conn {
    let status = |name: &str| match name.to_ascii_lowercase().as_str() {
        "expected" => ct_status::EXPECTED,
        "seen_reply" => ct_status::SEEN_REPLY,
        "assured" => ct_status::ASSURED,
        "confirmed" => ct_status::CONFIRMED,
        "snat" => ct_status::SRC_NAT,
        "dnat" => ct_status::DST_NAT,
        "snat_done" => ct_status::SRC_NAT_DONE,
        "dnat_done" => ct_status::DST_NAT_DONE,
        "dying" => ct_status::DYING,
        _ => 0,
    };
    Conn {
        orig: tuple(&spec.orig),
        reply: tuple(&spec.reply),
        status: spec.status.iter().map(|s| status(s)).fold(0, |a, b| a | b),
        mark: spec.mark,
        zone: match (spec.orig.zone, spec.reply.zone) {
            (None, None) => Zone::both(spec.zone),
            (orig, reply) => Zone::of(orig.unwrap_or(0), reply.unwrap_or(0)),
        },
        tcp: spec.tcp_state.as_deref().map_or(TcpState::None, tcp_state),
        ..Conn::default()
    }
}

fn tuple(spec: &TupleSpec) -> Tuple {
    let addr = |text: &str| text.parse().map_or(0, address);
    let icmp = matches!(spec.proto, 1 | 58);
    let kind = u16::from(spec.icmp_type.unwrap_or(0)) << 8 | u16::from(spec.icmp_code.unwrap_or(0));
    Tuple {
        family: if spec.saddr.contains(':') { 10 } else { 2 },
        saddr: addr(&spec.saddr),
        daddr: addr(&spec.daddr),
        proto: spec.proto,
        sport: if icmp { spec.icmp_id.unwrap_or(0) } else { spec.sport.unwrap_or(0) },
        dport: if icmp { kind } else { spec.dport.unwrap_or(0) },
    }
}

/// A TCP state by conntrack's name for it.
pub fn tcp_state(name: &str) -> TcpState {
    match name.to_ascii_lowercase().as_str() {
        "syn_sent" => TcpState::SynSent,
        "syn_recv" => TcpState::SynRecv,
        "established" => TcpState::Established,
        "fin_wait" => TcpState::FinWait,
        "close_wait" => TcpState::CloseWait,
        "last_ack" => TcpState::LastAck,
        "time_wait" => TcpState::TimeWait,
        "close" => TcpState::Close,
        "syn_sent2" => TcpState::SynSent2,
        _ => TcpState::None,
    }
}
