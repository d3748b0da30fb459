//! The states of a TCP connection as conntrack follows them (semantics.md 3; `nf_conntrack_proto_tcp.c`): which flags a packet
//! may have, and where it takes the connection.
//!
//! A SYN goes from none to SYN_SENT, its SYN+ACK to SYN_RECV, the ACK to ESTABLISHED. Left out: the window check
//! ([`super::window`]).

use crate::field::Value;
use crate::state::TcpState;

/// TCP flag combinations that conntrack takes (PSH, ECE, CWR do not count).
pub(super) fn valid_flags(flags: Value) -> bool {
    const URG: Value = 32;
    let f = flags & (FIN | SYN | RST | ACK | URG);
    [SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG].contains(&f)
}

/// The flag of a reset.
pub(super) const RST: Value = 4;
pub(super) const FIN: Value = 1;
pub(super) const SYN: Value = 2;
pub(super) const ACK: Value = 16;

/// Index of a packet in the TCP state tables: SYN, SYN+ACK, FIN, ACK, RST, none.
fn index(flags: Value) -> usize {
    match flags {
        f if f & RST != 0 => 4,
        f if f & 2 != 0 => usize::from(f & 16 != 0),
        f if f & 1 != 0 => 2,
        f if f & 16 != 0 => 3,
        _ => 5,
    }
}

/// What a TCP packet does to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    To(TcpState),
    Ignore,
    Invalid,
}

/// The state tables of `nf_conntrack_proto_tcp.c`, [direction][class][state].
pub(super) fn next(reply: bool, flags: Value, state: TcpState) -> Next {
    use TcpState::*;
    const IV: Next = Next::Invalid;
    const IG: Next = Next::Ignore;
    const SS: Next = Next::To(SynSent);
    const SR: Next = Next::To(SynRecv);
    const ES: Next = Next::To(Established);
    const FW: Next = Next::To(FinWait);
    const CW: Next = Next::To(CloseWait);
    const LA: Next = Next::To(LastAck);
    const TW: Next = Next::To(TimeWait);
    const CL: Next = Next::To(Close);
    const S2: Next = Next::To(SynSent2);
    const ORIGINAL: [[Next; 10]; 6] = [
        [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
        [IV, IV, SR, IV, IV, IV, IV, IV, IV, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [ES, IV, ES, ES, CW, CW, TW, TW, CL, IV],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
    ];
    const REPLY: [[Next; 10]; 6] = [
        [IV, S2, IV, IV, IV, IV, IV, SS, IV, S2],
        [IV, SR, IG, IG, IG, IG, IG, IG, IG, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [IV, IG, SR, ES, CW, CW, TW, TW, CL, IG],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
    ];
    let table = if reply { &REPLY } else { &ORIGINAL };
    table[index(flags)][state as usize]
}

/// Whether it is a SYN without ACK.
pub(super) fn is_syn(flags: Value) -> bool {
    index(flags) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_packets_are_new_or_refused_as_the_kernel_does() {
        let check = |flags: Value, expect: bool| {
            let ok = valid_flags(flags) && matches!(next(false, flags, TcpState::None), Next::To(_));
            assert_eq!(ok, expect, "{flags:#x}");
        };
        for flags in [0x02, 0x0a, 0x22, 0xc2, 0x10, 0x18, 0x30] {
            check(flags, true);
        }
        for flags in [0x12, 0x04, 0x14, 0x01, 0x11, 0x00, 0x08, 0x03, 0x06, 0x13, 0x29] {
            check(flags, false);
        }
    }

    #[test]
    fn a_handshake_runs_through_the_states() {
        let steps = [
            (false, 0x02, TcpState::None, TcpState::SynSent),
            (true, 0x12, TcpState::SynSent, TcpState::SynRecv),
            (false, 0x10, TcpState::SynRecv, TcpState::Established),
            (false, 0x11, TcpState::Established, TcpState::FinWait),
            (true, 0x04, TcpState::SynSent, TcpState::Close),
        ];
        for (reply, flags, from, to) in steps {
            assert_eq!(next(reply, flags, from), Next::To(to));
        }
        assert_eq!(next(false, 0x10, TcpState::SynSent), Next::Invalid);
        assert_eq!(next(true, 0x10, TcpState::SynSent), Next::Ignore);
    }
}
