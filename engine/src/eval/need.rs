//! What a match needs of a packet before it compares: `xt_tcp` and the like fail for a fragment behind the first, and drop a
//! packet that ends inside of their header.
//!
//! Left out: what stands in a later fragment where a match takes it for a header.

use crate::field::{Field, Value};
use crate::model::Header;
use crate::packet::Packet;

/// Whether a packet has the header that a match needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It has.
    Met,
    /// It has not, as a fragment behind the first: the match fails, `!` or not.
    Fails,
    /// It is too short: the match drops the packet.
    Drops,
}

/// Whether a packet has a header.
pub fn need(packet: &Packet, header: Header) -> Need {
    let fragment = packet.or_zero(Field::FragOffset);
    match header {
        // The second fragment could overwrite the flags (`tcp_mt`); IPv6 counts the offset in bytes, so there 1 is none.
        Header::Tcp if fragment == 1 && packet.family() == 2 => return Need::Drops,
        Header::Tuple if fragment != 0 => return Need::Drops,
        Header::TcpAnywhere | Header::TcpOrFail | Header::KeyPorts if fragment != 0 => return Need::Met,
        _ if fragment != 0 => return Need::Fails,
        _ => {}
    }
    let wanted = length(header, packet.or_zero(Field::Proto));
    match packet.value(Field::ThLength) {
        Some(there) if there < wanted && header == Header::TcpOrFail => Need::Fails,
        Some(there) if there < wanted => Need::Drops,
        _ => Need::Met,
    }
}

/// How many bytes a header takes.
fn length(header: Header, proto: Value) -> Value {
    match header {
        Header::Tcp | Header::TcpAnywhere | Header::TcpOrFail => 20,
        Header::Udp | Header::Esp | Header::Icmp => 8,
        Header::Sctp | Header::Dccp | Header::Ah => 12,
        Header::Ports | Header::Comp => 4,
        Header::Mh => 6,
        // `proto_ports_offset`: an SPI counts as ports.
        Header::KeyPorts => match proto {
            6 | 17 | 33 | 50 | 132 | 136 => 4,
            51 => 8,
            _ => 0,
        },
        Header::Tuple => match proto {
            6 | 17 | 132 | 136 => 4,
            1 | 58 => 8,
            _ => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_packets_are_dropped_and_later_fragments_fail() {
        let check = |header, proto: Value, bytes: Value, fragment: Value, expected| {
            let mut p = Packet::default();
            let lanes =
                [(Field::Family, 2), (Field::Proto, proto), (Field::ThLength, bytes), (Field::FragOffset, fragment)];
            for (f, v) in lanes {
                p.set(f, v);
            }
            assert_eq!(need(&p, header), expected, "{header:?} {proto} {bytes} {fragment}");
        };
        check(Header::Tcp, 6, 20, 0, Need::Met);
        check(Header::Tcp, 6, 19, 0, Need::Drops);
        check(Header::Tcp, 6, 40, 1, Need::Drops);
        check(Header::Tcp, 6, 40, 2, Need::Fails);
        check(Header::TcpAnywhere, 6, 19, 0, Need::Drops);
        check(Header::TcpAnywhere, 6, 40, 1, Need::Met);
        check(Header::TcpOrFail, 6, 19, 0, Need::Fails);
        check(Header::Tuple, 6, 3, 0, Need::Drops);
        check(Header::Tuple, 17, 40, 2, Need::Drops);
        check(Header::Icmp, 1, 7, 0, Need::Drops);
        check(Header::KeyPorts, 1, 0, 0, Need::Met);
        check(Header::KeyPorts, 17, 3, 0, Need::Drops);
        check(Header::KeyPorts, 51, 7, 0, Need::Drops);
        check(Header::Ports, 17, 40, 3, Need::Fails);
    }
}
