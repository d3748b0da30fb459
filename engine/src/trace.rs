//! The trace of a walk: one flat list of events. Everything that any output says is drawn from it.
//!
//! Stepping is an index; the packet at any event is the packet at the start plus the writes up to there
//! ([`Trace::packet_at`]). Rules that did not match are no events: they are the range between two of them.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::fact::{Assumption, Fact, Taken};
use crate::field::{Field, Value};
use crate::model::{ChainId, Hook, Model, RuleId, Verdict};
use crate::packet::{Got, Packet};

/// Who changed a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A rule, which may not have matched in the end (nft).
    Rule(RuleId),
    /// A built-in step.
    Step(Step),
}

/// Built-in steps of the kernel between base chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The packet starts here: arriving or made by this host.
    Start,
    /// Fragments are put together.
    Defrag,
    /// The connection is looked up or made.
    Conntrack,
    /// Addresses are translated.
    Nat,
    /// Routing of an arriving packet.
    RouteIn,
    /// Routing of a packet made by this host.
    RouteOut,
    /// Routing again, after mangle or NAT changed a local packet.
    Reroute,
    /// TTL is decremented, forwarding is checked.
    Forward,
    /// The connection is confirmed.
    Confirm,
    /// Over the loopback device and in again.
    Loopback,
    /// A copy of a broadcast of our own comes in again.
    LoopedCopy,
    /// A bridge passes the frame on.
    Bridge,
}

/// What routing decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To this host.
    Local,
    /// Through this host, out by the device (if it is known) to the next hop.
    Forward {
        /// Outgoing device; `None` when the inputs don't tell.
        oif: Option<Value>,
        /// Next hop, the destination itself on a link.
        nexthop: Option<Value>,
    },
    /// Stays on the bridge.
    Bridged,
    /// Out by the device, for a packet of this host.
    Output {
        /// Outgoing device; `None` when the inputs don't tell.
        oif: Option<Value>,
        /// Next hop.
        nexthop: Option<Value>,
    },
}

/// What dropped a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A rule; in a hook, under a base chain.
    Rule {
        /// The rule.
        rule: RuleId,
        /// The base chain that was running.
        base: ChainId,
        /// A match of the rule dropped the packet before the rule matched: no event.
        hotdrop: bool,
    },
    /// A base chain's policy.
    Policy(ChainId),
}

/// How a walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Left by a device.
    Out {
        /// The device; `None` when the inputs don't tell.
        oif: Option<Value>,
        /// A copy was delivered here too.
        also_local: bool,
    },
    /// Delivered to this host.
    Local {
        /// The device it came in by.
        iif: Value,
    },
    /// Dropped by a rule or a policy.
    Drop {
        /// In this hook.
        hook: Hook,
        /// By what.
        by: By,
    },
    /// Vanished inside a hook without a rule: routing again failed there.
    DropInHook {
        /// The hook.
        hook: Hook,
        /// Why.
        why: String,
    },
    /// Refused by the stack behind a hook (martian, no route, TTL, forwarding off); `None`: before any hook.
    StackDrop {
        /// The last hook left.
        after: Option<Hook>,
        /// Why, in words.
        why: String,
    },
    /// Crossed the bridge without meeting an IP hook.
    Bridged {
        /// The port it leaves by, if it is known.
        port: Option<Value>,
    },
    /// The send call failed before OUTPUT.
    SendError {
        /// `EINVAL`, `EHOSTUNREACH`, `EACCES`, `ENETUNREACH`.
        errno: &'static str,
        /// Why, in words.
        why: String,
    },
    /// Taken away by a rule, neither accepted nor dropped (`fwd`, `synproxy`).
    Stolen {
        /// The hook.
        hook: Hook,
        /// The rule.
        rule: RuleId,
    },
    /// The inputs don't tell, and exploring could not help.
    Undetermined {
        /// Why.
        reason: String,
    },
}

/// One event of a walk.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A hook is entered.
    Hook(Hook),
    /// A hook was left; the packet goes on.
    HookEnd(Hook),
    /// A base chain begins.
    Enter(ChainId),
    /// A rule matched.
    Rule {
        /// The rule.
        rule: RuleId,
        /// Index in its chain, from 0.
        index: u32,
        /// Index of the first rule looked at since the last event in this chain: `from..index` did not match.
        from: u32,
        /// What it did: `Continue` for a rule without a verdict.
        verdict: Verdict,
        /// How many jumps deep.
        depth: u16,
    },
    /// The end of a user chain was reached, from rule index `from` on.
    Return {
        /// The chain.
        chain: ChainId,
        /// As in [`Event::Rule`].
        from: u32,
        /// How many jumps deep.
        depth: u16,
    },
    /// A base chain's policy decided.
    Policy {
        /// The chain.
        chain: ChainId,
        /// As in [`Event::Rule`].
        from: u32,
        /// Accept or drop.
        verdict: Verdict,
    },
    /// A field changed.
    Write {
        /// The field.
        field: Field,
        /// Its old value.
        old: Got,
        /// Its new value.
        new: Got,
        /// By whom.
        by: Cause,
    },
    /// A fact was answered.
    Answer {
        /// The fact.
        fact: Fact,
        /// The answer.
        value: Value,
        /// The answer in words.
        label: Cow<'static, str>,
        /// It was a declared default, listed as an assumption.
        assumed: bool,
    },
    /// Rule state was read or moved on, in words: "limit: 4 of 5 tokens left".
    State {
        /// The rule.
        rule: RuleId,
        /// In words.
        text: String,
        /// Whether its test held.
        held: bool,
    },
    /// A built-in step did something worth telling, in words.
    Note {
        /// The step.
        step: Step,
        /// In words.
        text: String,
    },
    /// Routing decided.
    Route(Decision),
    /// A reply is made by a rule (REJECT).
    Reply {
        /// The rule.
        rule: RuleId,
        /// The packet that is sent.
        packet: Box<Packet>,
    },
    /// The end. The last event, except that a looped-back copy ends before the original goes on.
    Fate(Fate),
}

/// A walk of one packet.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The packet as it arrived or was made.
    pub start: Packet,
    /// What happened.
    pub events: Vec<Event>,
    /// The packet's defaults and what else was taken for granted before the walk.
    pub given: Arc<[Assumption]>,
    /// What the walk took for granted.
    pub taken: Vec<Taken>,
}

impl Trace {
    /// All that was taken for granted, in words, each once.
    pub fn assumptions(&self, model: &Model) -> Vec<Assumption> {
        assumptions(model, [self]).into_iter().map(|(told, _)| told).collect()
    }

    /// The facts that the walk asked for, by their keys.
    pub fn facts(&self, model: &Model) -> FxHashMap<String, &Fact> {
        let mut found = FxHashMap::default();
        for event in &self.events {
            if let Event::Answer { fact, .. } = event {
                found.entry(fact.key(model).to_string()).or_insert(fact);
            }
        }
        found
    }

    /// The packet just before event `index`.
    pub fn packet_at(&self, index: usize) -> Packet {
        let mut moment = Moment::start(self);
        moment.go(self, index);
        moment.packet
    }

    /// The packet at the end.
    pub fn last_packet(&self) -> Packet {
        self.packet_at(self.events.len())
    }

    /// How the walk ended.
    pub fn fate(&self) -> Fate {
        let last = self.events.iter().rev().find_map(|e| match e {
            Event::Fate(f) => Some(f.clone()),
            _ => None,
        });
        last.unwrap_or(Fate::Undetermined { reason: "the walk did not end".to_string() })
    }

    /// The event that last wrote `field` before event `index`: since when it has its value.
    pub fn since(&self, field: Field, index: usize) -> Option<usize> {
        let wrote = |e: &Event| matches!(e, Event::Write { field: f, .. } if *f == field);
        self.events[..index.min(self.events.len())].iter().rposition(wrote)
    }

    /// The hook that event `index` happened in.
    pub fn hook_at(&self, index: usize) -> Option<Hook> {
        self.events.iter().take(index + 1).rev().find_map(|e| match e {
            Event::Hook(h) => Some(*h),
            _ => None,
        })
    }
}

/// All that walks took for granted, in words, each once; with what it stands for, nothing for what was given before them.
pub fn assumptions<'t>(model: &Model, walks: impl IntoIterator<Item = &'t Trace>) -> Vec<(Assumption, Vec<&'t Taken>)> {
    let mut all: Vec<(Assumption, Vec<&Taken>)> = Vec::new();
    let (mut at, mut known) = (FxHashMap::default(), FxHashSet::default());
    let mut note = |told: Assumption, taken: Option<&'t Taken>| {
        let at = *at.entry(told.clone()).or_insert(all.len());
        if at == all.len() {
            all.push((told, Vec::new()));
        }
        all[at].1.extend(taken);
    };
    for walk in walks {
        walk.given.iter().for_each(|given| note(given.clone(), None));
        for taken in walk.taken.iter().filter(|t| known.insert(*t)) {
            note(taken.told(model), Some(taken));
        }
    }
    all
}

/// The packet at a moment of a walk, to go on from: in the order of the events all packets cost one pass.
#[derive(Clone, Debug)]
pub struct Moment {
    at: usize,
    packet: Packet,
}

impl Moment {
    /// The start of a walk.
    pub fn start(trace: &Trace) -> Self {
        Moment { at: 0, packet: trace.start.clone() }
    }

    /// Goes to just before event `index` of that walk; the packet there.
    pub fn go(&mut self, trace: &Trace, index: usize) -> &Packet {
        if index < self.at {
            *self = Moment::start(trace);
        }
        for event in trace.events.iter().take(index).skip(self.at) {
            if let Event::Write { field, new, .. } = event {
                self.packet.put(*field, *new);
            }
        }
        self.at = index;
        &self.packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_at_an_event_is_the_start_and_the_writes_before_it() {
        let write = |old, new| Event::Write {
            field: Field::Dport,
            old: Got::Value(old),
            new: Got::Value(new),
            by: Cause::Step(Step::Nat),
        };
        let mut start = Packet::default();
        start.set(Field::Dport, 31002);
        let events = vec![Event::Hook(Hook::Prerouting), write(31002, 8200), Event::HookEnd(Hook::Prerouting)];
        let t = Trace { start, events, given: Arc::default(), taken: Vec::new() };
        let ports: Vec<_> = (0..4).map(|i| t.packet_at(i).value(Field::Dport).unwrap()).collect();
        assert_eq!(ports, [31002, 31002, 8200, 8200]);
        let mut moment = Moment::start(&t);
        let ports: Vec<_> = [1, 3, 0, 2].map(|i| moment.go(&t, i).value(Field::Dport).unwrap()).to_vec();
        assert_eq!(ports, [31002, 8200, 31002, 8200]);
        assert_eq!((t.since(Field::Dport, 2), t.since(Field::Dport, 1)), (Some(1), None));
    }
}
