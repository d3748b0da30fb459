//! A connection as the packet's fields show it: `ct state`, `ct original saddr`, `ct expiration`.
//!
//! Left out: which connection it is, and how it came about ([`super::conntrack`]).

use super::Machine;
use crate::field::{Field, Value, ct_status};
use crate::packet::Got;
use crate::state::{Conn, TcpState};
use crate::trace::Cause;

impl Machine<'_> {
    /// Shows the connection in the packet's fields.
    pub(super) fn show_connection(&mut self, by: Cause) {
        let Some(a) = &self.attached else { return };
        let c = &a.conn;
        let fields = [
            (Field::CtDir, a.reply.into()),
            (Field::CtZone, c.zone.id.into()),
            (Field::CtOrigZone, c.zone.number(false).into()),
            (Field::CtReplZone, c.zone.number(true).into()),
            (Field::CtL3Proto, c.orig.family.into()),
            (Field::CtProto, c.orig.proto.into()),
            (Field::CtOrigSrc, c.orig.saddr),
            (Field::CtOrigDst, c.orig.daddr),
            (Field::CtOrigSport, c.orig.sport.into()),
            (Field::CtOrigDport, c.orig.dport.into()),
            (Field::CtOrigPackets, c.packets[0].into()),
            (Field::CtOrigBytes, c.bytes[0].into()),
            (Field::CtReplPackets, c.packets[1].into()),
            (Field::CtReplBytes, c.bytes[1].into()),
        ];
        let changing = [
            (Field::CtState, a.state),
            (Field::CtStatus, c.status),
            (Field::CtMark, c.mark.into()),
            (Field::CtLabel, c.label),
        ];
        // A connection that is not confirmed yet has no timer, which reads as 0.
        let expires = if a.id.is_some() { timeout(c) } else { 0 };
        // The helper is that of the connection which this one was expected by; `conntrack -L` does not tell which one that is.
        let helper = match c.expected_by {
            0 if c.status & ct_status::EXPECTED != 0 => Got::Unknown,
            0 => Got::Absent,
            known => Got::Value(known),
        };
        for (field, value) in fields {
            self.set(field, value, by);
        }
        self.write(Field::CtId, Got::Unknown, by);
        self.write(Field::CtHelper, helper, by);
        for (field, value) in changing {
            self.set(field, value, by);
        }
        self.show_answer(by);
        self.set(Field::CtExpiration, expires, by);
    }

    /// Shows what has become of the connection's status.
    pub(super) fn show_status(&mut self, by: Cause) {
        if let Some(a) = &self.attached {
            self.set(Field::CtStatus, a.conn.status, by);
        }
    }

    /// Shows what the connection's answers look like, which translation changes.
    pub(super) fn show_answer(&mut self, by: Cause) {
        let Some(a) = &self.attached else { return };
        let answer = a.conn.reply;
        self.set(Field::CtReplSrc, answer.saddr, by);
        self.set(Field::CtReplDst, answer.daddr, by);
        self.set(Field::CtReplSport, answer.sport.into(), by);
        self.set(Field::CtReplDport, answer.dport.into(), by);
    }
}

/// Seconds until a connection that a packet has just refreshed expires: the kernel's defaults (`nf_conntrack_*_timeout`).
pub(super) fn timeout(conn: &Conn) -> Value {
    match (conn.orig.proto, conn.tcp) {
        (6, TcpState::SynSent | TcpState::SynSent2 | TcpState::FinWait | TcpState::TimeWait) => 120,
        (6, TcpState::SynRecv | TcpState::CloseWait) => 60,
        (6, TcpState::Established) => 432_000,
        (6, TcpState::LastAck) => 30,
        (6, _) => 10,
        (1 | 17 | 47 | 58 | 136, _) => 30,
        // An INIT opens nothing before it is acknowledged.
        (132, _) if conn.status & ct_status::ASSURED == 0 => 10,
        (132, _) => 210,
        _ => 600,
    }
}
