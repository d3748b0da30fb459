//! The TCP window check, as far as it is certain (`tcp_in_window` in `nf_conntrack_proto_tcp.c`).
//!
//! A packet is refused only when it lies outside under every window scale (up to 14) that the hosts may have agreed on:
//! dumps and packet files do not tell it. A connection whose history is not known takes every packet.

use crate::field::{Field, Value};
use crate::packet::Packet;
use crate::state::Seen;

/// The largest window scale (RFC 7323).
const MAX_SCALE: u32 = 14;

fn after(a: u32, b: u32) -> bool {
    b.wrapping_sub(a).cast_signed() < 0
}

/// Whether the packet is certainly outside of its connection's windows; if not, what was seen is moved on.
pub(super) fn is_outside(seen: &mut [Seen; 2], reply: bool, p: &Packet) -> bool {
    let (me, other) = (usize::from(reply), usize::from(!reply));
    let get = |f| p.or_zero(f) as u32;
    let (seq, ack, flags) = (get(Field::TcpSeq), get(Field::TcpAck), p.or_zero(Field::TcpFlags));
    let bit = |mask: Value| u32::from(flags & mask != 0);
    let data = (p.or_zero(Field::ThLength) as u32).saturating_sub(20);
    let end = seq.wrapping_add(data + bit(1) + bit(2));
    let acks = flags & 16 != 0 && !(flags & 4 != 0 && ack == 0);
    if flags & 4 != 0 && seq == 0 {
        return false;
    }
    if acks && seen[other].end.is_some_and(|e| after(ack, e)) {
        return true;
    }
    let room = seen[other].window.max(1) << MAX_SCALE;
    if let (Some(acked), true) = (seen[other].acked, seen[other].window != 0)
        && after(seq, acked.wrapping_add(room))
    {
        return true;
    }
    let mine = &mut seen[me];
    mine.end = Some(mine.end.map_or(end, |e| if after(end, e) { end } else { e }));
    mine.window = mine.window.max(get(Field::TcpWindow));
    if acks {
        mine.acked = Some(ack);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_yet_cannot_be_acknowledged() {
        let packet = |seq: u32, ack: u32, flags: Value| {
            let mut p = Packet::default();
            for (f, v) in [(Field::TcpSeq, seq.into()), (Field::TcpAck, ack.into()), (Field::TcpFlags, flags)] {
                p.set(f, v);
            }
            p.set(Field::ThLength, 20);
            p.set(Field::TcpWindow, 64240);
            p
        };
        let mut seen = [Seen::default(); 2];
        assert!(!is_outside(&mut seen, false, &packet(1000, 0, 2)));
        assert!(!is_outside(&mut seen, true, &packet(5000, 1001, 18)));
        assert!(is_outside(&mut seen.clone(), false, &packet(1001, 9000, 16)));
        assert!(is_outside(&mut seen.clone(), false, &packet(2_130_706_432, 5001, 16)));
        assert!(!is_outside(&mut seen, false, &packet(1001, 5001, 16)));
    }
}
