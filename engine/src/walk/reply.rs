//! The answer of a rejecting rule: a new packet of this host (semantics.md 2.3).
//!
//! Left out: the kernel's limit on ICMP errors, and the walk of the answer, which a caller starts.

use super::Machine;
use crate::field::{Field, Value};
use crate::model::{RejectWith, RuleId};
use crate::packet::{Got, Packet};
use crate::trace::Event;

impl Machine<'_> {
    /// Makes the answer; silent for ICMP errors, resets and later fragments.
    pub(super) fn reject(&mut self, rule: RuleId, with: RejectWith) {
        let p = &self.packet;
        let get = |f| p.or_zero(f);
        let icmp_error = match get(Field::Proto) {
            1 => matches!(get(Field::IcmpType), 3 | 4 | 5 | 11 | 12),
            58 => get(Field::IcmpType) < 128,
            _ => false,
        };
        let reset = get(Field::Proto) == 6 && get(Field::TcpFlags) & 4 != 0;
        let silent = p.is_later_fragment()
            || icmp_error
            || matches!(get(Field::PktType), 1 | 2)
            || with == RejectWith::TcpReset && (reset || get(Field::Proto) != 6);
        if silent {
            return;
        }
        let packet = if with == RejectWith::TcpReset { self.reset() } else { self.unreachable(with) };
        self.events.push(Event::Reply { rule, packet: Box::new(packet) });
    }

    fn answer_base(&self, length: Value) -> Packet {
        let p = &self.packet;
        let mut out = Packet::default();
        out.set(Field::Family, p.family());
        out.set(Field::Saddr, p.or_zero(Field::Daddr));
        out.set(Field::Daddr, p.or_zero(Field::Saddr));
        out.set(Field::Ttl, 64);
        out.set(Field::Tos, 0);
        out.set(Field::Length, length);
        for (field, value) in [(Field::Iif, 0), (Field::Oif, 0), (Field::Mark, 0), (Field::PktType, 0)] {
            out.set(field, value);
        }
        out
    }

    /// A RST as the far end would send it.
    fn reset(&self) -> Packet {
        let p = &self.packet;
        let ip = if p.family() == 10 { 40 } else { 20 };
        let mut out = self.answer_base(ip + 20);
        let flags = p.or_zero(Field::TcpFlags);
        out.set(Field::Proto, 6);
        out.set(Field::NextHeader, 6);
        out.set(Field::ThLength, 20);
        out.put(Field::Sport, p.get(Field::Dport));
        out.put(Field::Dport, p.get(Field::Sport));
        if flags & 16 != 0 {
            out.set(Field::TcpFlags, 4);
            out.put(Field::TcpSeq, p.get(Field::TcpAck));
            out.set(Field::TcpAck, 0);
        } else {
            out.set(Field::TcpFlags, 4 | 16);
            out.set(Field::TcpSeq, 0);
            let used = p.or_zero(Field::ThLength).saturating_sub(20) + (flags & 1) + (flags >> 1 & 1);
            out.set(Field::TcpAck, (p.or_zero(Field::TcpSeq) + used) & 0xffff_ffff);
        }
        out
    }

    fn unreachable(&self, with: RejectWith) -> Packet {
        let p = &self.packet;
        let six = p.family() == 10;
        let header = if six { 48 } else { 28 };
        let quoted = p.or_zero(Field::Length).min(if six { 1232 } else { 548 });
        let mut out = self.answer_base(header + quoted);
        let code: u8 = match with {
            RejectWith::Icmp(code) | RejectWith::Icmp6(code) => code,
            RejectWith::Icmpx(x) => icmpx(x, six),
            RejectWith::TcpReset => 0,
        };
        out.set(Field::Proto, if six { 58 } else { 1 });
        out.put(Field::NextHeader, out.get(Field::Proto));
        out.set(Field::IcmpType, if six { 1 } else { 3 });
        out.set(Field::IcmpCode, code.into());
        out.set(Field::IcmpId, 0);
        if !six {
            out.set(Field::Tos, p.or_zero(Field::Tos) & 0x1e | 0xc0);
        }
        out.put(Field::TcpFlags, Got::Absent);
        out
    }
}

/// nft's family-independent codes.
fn icmpx(x: u8, six: bool) -> u8 {
    match (x, six) {
        (0, false) => 0,
        (1, false) => 3,
        (2, false) => 1,
        (_, false) => 13,
        (0, true) => 0,
        (1, true) => 4,
        (2, true) => 3,
        (_, true) => 1,
    }
}
