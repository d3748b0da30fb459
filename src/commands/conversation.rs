//! A conversation: several packets over one connection table, `syn,synack,ack`, each made from how the one before ended.
//!
//! Left out: retransmissions, windows, and what programs would send.

use nettrace_engine::World;
use nettrace_engine::explore::{Outcome, Outcomes, explore};
use nettrace_engine::fact::Chooser;
use nettrace_engine::field::{Field, Value};
use nettrace_engine::limits;
use nettrace_engine::packet::Packet as Header;
use nettrace_engine::spec::{self, Start};
use nettrace_engine::state::State;
use nettrace_engine::trace::{Fate, Trace};
use nettrace_engine::walk::walk;

use super::facts::{Facts, Fixed};
use crate::cli::TalkArgs;
use crate::load::Failure;

/// A packet of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// What it is called.
    pub name: &'static str,
    /// From the other side.
    reply: bool,
    /// TCP flags.
    flags: Value,
}

/// The TCP flag that ends a connection at once.
const RST: Value = 4;

/// The names of legs: which side, which TCP flags.
const LEGS: &[Leg] = &[
    Leg { name: "syn", reply: false, flags: 2 },
    Leg { name: "synack", reply: true, flags: 2 | 16 },
    Leg { name: "ack", reply: false, flags: 16 },
    Leg { name: "data", reply: false, flags: 8 | 16 },
    Leg { name: "fin", reply: false, flags: 1 | 16 },
    Leg { name: "finack", reply: true, flags: 1 | 16 },
    Leg { name: "rst", reply: false, flags: 4 },
    Leg { name: "rstack", reply: true, flags: 4 | 16 },
    Leg { name: "request", reply: false, flags: 8 | 16 },
    Leg { name: "reply", reply: true, flags: 8 | 16 },
];

/// The packets that a command line asks for; behind the first with `--reply`.
pub fn legs(args: &TalkArgs, start: &Start) -> Result<Vec<Leg>, Failure> {
    if args.reply {
        return Ok(vec![answer_to(&start.packet)]);
    }
    named(&args.packets)
}

/// The legs by their names.
fn named(names: &[String]) -> Result<Vec<Leg>, Failure> {
    let one = |name: &String| {
        let found = LEGS.iter().find(|l| l.name.eq_ignore_ascii_case(name.trim().trim_end_matches('-')));
        found.copied().ok_or_else(|| {
            let known: Vec<_> = LEGS.iter().map(|l| l.name).collect();
            Failure::new(format!("`{name}` is not a packet of a conversation; one of {}", known.join(", ")))
        })
    };
    names.iter().map(one).collect()
}

/// The answer to a packet: SYN, ACK to a SYN, else just the way back.
fn answer_to(start: &Header) -> Leg {
    let syn = start.value(Field::TcpFlags) == Some(2);
    if syn { LEGS[1] } else { LEGS[9] }
}

/// One packet of a conversation with all its ways.
pub struct Packet {
    /// What it is called.
    pub name: &'static str,
    /// Made by this host.
    pub local: bool,
    /// Its ways.
    pub outcomes: Outcomes<Trace>,
}

/// All ways of a packet, or of a whole conversation, packet by packet.
pub fn explored(world: World, start: &Start, legs: &[Leg], state: &State, fixed: &Fixed) -> Vec<Packet> {
    let talk = explore(limits::OUTCOMES, &fixed.pins, |ask| {
        let mut facts = Facts { fixed, rest: ask };
        walk_all(world, start, legs, &mut state.clone(), &mut facts)
    });
    let mut packets: Vec<Packet> = Vec::new();
    for Outcome { odds, chance, result, choices } in talk.list {
        for (i, w) in result.into_iter().enumerate() {
            if packets.len() == i {
                let outcomes = Outcomes { list: Vec::new(), complete: talk.complete };
                packets.push(Packet { name: w.name, local: w.local, outcomes });
            }
            packets[i].outcomes.list.push(Outcome { odds, chance, result: w.trace, choices: choices.clone() });
        }
    }
    packets
}

/// A walked packet.
#[derive(Clone, Debug)]
struct Walked {
    /// What it is called.
    name: &'static str,
    /// Made by this host.
    local: bool,
    /// Its walk.
    trace: Trace,
}

/// Walks the first packet, and then each leg, as long as somebody gets a packet and could answer.
fn walk_all(world: World, first: &Start, legs: &[Leg], state: &mut State, ask: &mut dyn Chooser) -> Vec<Walked> {
    let (name, rest) = match legs {
        [leg, rest @ ..] if !leg.reply => (leg.name, rest),
        all => ("packet", all),
    };
    let mut done = vec![Walked { name, local: first.local, trace: walk(world, first, state, ask) }];
    let mut sides = [Some(0), None];
    for leg in rest {
        let next = match (leg.reply, sides) {
            (true, [Some(seen), _]) => answer(world, &done[seen].trace, *leg).map(|s| Start { own: first.own, ..s }),
            (false, [Some(own), seen]) => again(first, &done[own].trace, seen.map(|s| &done[s].trace), *leg),
            _ => None,
        };
        let Some(start) = next else { break };
        let trace = walk(world, &start, state, ask);
        sides[usize::from(leg.reply)] = Some(done.len());
        done.push(Walked { name: leg.name, local: start.local, trace });
    }
    done
}

/// What the other side sends back.
fn answer(world: World, seen: &Trace, leg: Leg) -> Option<Start> {
    let mut start = spec::reply_to(world, seen)?;
    if start.packet.value(Field::TcpFlags).is_some_and(|f| f & RST == 0) {
        start.packet.set(Field::TcpFlags, leg.flags);
    }
    Some(start)
}

/// Another packet of the first side, behind what it sent and got.
fn again(first: &Start, own: &Trace, seen: Option<&Trace>, leg: Leg) -> Option<Start> {
    if !matches!(own.fate(), Fate::Out { .. } | Fate::Local { .. } | Fate::Bridged { .. }) {
        return None;
    }
    let mut start = Start { ct_state: None, assumptions: std::sync::Arc::default(), ..first.clone() };
    if start.packet.value(Field::TcpFlags).is_some() {
        start.packet.set(Field::TcpFlags, leg.flags);
        start.packet.set(Field::TcpSeq, behind(&own.start));
        start.packet.set(Field::TcpAck, seen.map_or(0, |s| behind(&s.start)));
    }
    Some(start)
}

/// The TCP sequence number behind a packet.
fn behind(packet: &Header) -> Value {
    let flags = packet.or_zero(Field::TcpFlags);
    let data = packet.or_zero(Field::ThLength).saturating_sub(20);
    (packet.or_zero(Field::TcpSeq) + data + (flags & 1) + (flags >> 1 & 1)) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_have_names() {
        let names = |list: &str| named(&list.split(',').map(str::to_string).collect::<Vec<_>>());
        assert_eq!(names("syn,SYNACK,ack").unwrap().iter().map(|l| l.reply).collect::<Vec<_>>(), [false, true, false]);
        assert!(names("syn,hello").is_err());
    }

    #[test]
    fn sequence_numbers_count_syn_fin_and_data() {
        let mut p = Header::default();
        p.set(Field::TcpSeq, 0xffff_ffff);
        p.set(Field::TcpFlags, 2);
        p.set(Field::ThLength, 20);
        assert_eq!(behind(&p), 0);
        p.set(Field::ThLength, 30);
        assert_eq!(behind(&p), 10);
    }
}
