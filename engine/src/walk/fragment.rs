//! Fragments at the hook that puts them together, for connection tracking and for matches on sockets.
//!
//! Left out: the other fragments; a packet in pieces waits here and is not seen again.

use std::sync::Arc;

use super::Machine;
use crate::field::{Field, ct_state};
use crate::packet::{Bytes, Packet};
use crate::trace::{Cause, Fate, Step};

/// The IPv6 fragment header.
const FRAGMENT: u8 = 44;

impl Machine<'_> {
    /// Whether the packet is a piece of another.
    pub(super) fn is_fragment(&self) -> bool {
        self.packet.is_later_fragment() || self.packet.or_zero(Field::FragFlags) & 1 != 0
    }

    /// An IPv6 fragment with others to follow takes a multiple of 8 bytes; one that does not is left to the stack, which
    /// complains to its sender (`nf_ct_frag6_gather`).
    fn is_misfit(&self) -> bool {
        let more = self.packet.or_zero(Field::FragFlags) & 1 != 0;
        self.packet.family() == 10 && more && !self.packet.or_zero(Field::ThLength).is_multiple_of(8)
    }

    /// Fragments wait for the others; a whole packet that calls itself one loses its header.
    pub(super) fn defragment(&mut self) -> Result<(), Fate> {
        if self.packet.or_zero(Field::CtState) & ct_state::UNTRACKED != 0 {
            return Ok(());
        }
        if self.is_fragment() && !self.is_misfit() {
            let why = "it is a fragment: it is held here until the others are there; the whole packet goes on alone";
            return Err(Fate::DropInHook { hook: self.hook, why: why.to_string() });
        }
        if self.packet.bytes.ext_headers.iter().any(|h| h.0 == FRAGMENT) {
            let whole = without_header(&self.packet);
            self.packet.bytes = whole.bytes.clone();
            for (field, _, new) in self.packet.clone().changes(&whole) {
                self.write(field, new, Cause::Step(Step::Conntrack));
            }
        }
        Ok(())
    }
}

/// The packet without its fragment header.
fn without_header(packet: &Packet) -> Packet {
    let mut headers = packet.bytes.ext_headers.clone();
    headers.retain(|h| h.0 != FRAGMENT);
    let proto = packet.or_zero(Field::Proto) as u8;
    let following: Vec<u8> = headers.iter().skip(1).map(|h| h.0).chain([proto]).collect();
    for ((_, bytes), next) in headers.iter_mut().zip(following) {
        if let Some(first) = bytes.first_mut() {
            *first = next;
        }
    }
    let mut whole = packet.clone();
    whole.set(Field::NextHeader, headers.first().map_or(proto, |h| h.0).into());
    whole.set(Field::ExtHeaders, packet.or_zero(Field::ExtHeaders) & !8);
    whole.set(Field::Length, packet.or_zero(Field::Length).saturating_sub(8));
    whole.bytes = Arc::new(Bytes { ext_headers: headers, ..Bytes::clone(&packet.bytes) });
    whole
}
