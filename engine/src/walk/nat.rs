//! The NAT core at -100 (destination) and 100 (source): which chains are asked, what a target does to the connection,
//! and the translation of the packet (semantics.md 4; `net/netfilter/nf_nat_core.c`).
//!
//! Left out: helpers that translate payloads.

mod choose;

use super::Machine;
use super::chain::{ChainEnd, RuleEnd};
use super::conntrack::Attached;
use super::options::OTHER_DEVICE;
use crate::fact::Fact;
use crate::field::{Field, Value, address, ct_state, ct_status, device, device_name, to_address};
use crate::model::{ChainId, ExprId, Hook, Nat, NatKind, RuleId, Verdict};
use crate::packet::Got;
use crate::state::Tuple;
use crate::trace::{Cause, Event, Fate, Step};
use crate::tuple;

/// What a mapping may choose from (`struct nf_nat_range2`).
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    addr: Option<(Value, Value)>,
    port: Option<(u16, u16)>,
    base: Option<u16>,
    random: bool,
    fully_random: bool,
    persistent: bool,
    prefix: bool,
}

/// Which side of a packet is translated at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manip {
    Src,
    Dst,
}

impl Manip {
    fn at(hook: Hook) -> Manip {
        if matches!(hook, Hook::Prerouting | Hook::Output) { Manip::Dst } else { Manip::Src }
    }

    fn done(self) -> Value {
        if self == Manip::Src { ct_status::SRC_NAT_DONE } else { ct_status::DST_NAT_DONE }
    }

    fn translated(self) -> Value {
        if self == Manip::Src { ct_status::SRC_NAT } else { ct_status::DST_NAT }
    }

    fn other(self) -> Manip {
        if self == Manip::Src { Manip::Dst } else { Manip::Src }
    }
}

impl Machine<'_> {
    /// The NAT core's slot in the hook that runs.
    pub(super) fn nat_core(&mut self, chains: &[ChainId]) -> Option<Fate> {
        let manip = Manip::at(self.hook);
        let attached = self.attached.as_ref()?;
        if attached.error {
            if self.redirects_translated(attached) {
                let why = "an ICMP redirect about a translated connection".to_string();
                self.note(Step::Nat, "an ICMP redirect about a connection whose addresses are translated is dropped");
                return Some(Fate::DropInHook { hook: self.hook, why });
            }
            self.translate(manip);
            return None;
        }
        let first = attached.state & (ct_state::NEW | ct_state::RELATED) != 0;
        if first && attached.conn.status & manip.done() == 0 {
            if let Some(fate) = self.ask_chains(chains, manip) {
                return Some(fate);
            }
        } else if self.left_by_another_device() {
            if let Some(a) = self.attached.take()
                && let Some(id) = a.id
            {
                self.state.conns.remove(id);
            }
            self.note(
                Step::Nat,
                "masquerading chose another device for this connection: dropped, the entry is removed",
            );
            let why = "a masqueraded connection leaves by another device".to_string();
            return Some(Fate::DropInHook { hook: self.hook, why });
        }
        self.translate(manip);
        None
    }

    /// `nf_nat_icmp_reply_translation`: a redirect is let through for connections that NAT has seen and left as they are.
    fn redirects_translated(&self, about: &Attached) -> bool {
        let kind = self.packet.or_zero(Field::IcmpType);
        let redirect = matches!((self.packet.or_zero(Field::Proto), kind), (1, 5) | (58, 137));
        let done = Manip::Src.done() | Manip::Dst.done();
        let translated = Manip::Src.translated() | Manip::Dst.translated();
        redirect && (about.conn.status & done != done || about.conn.status & translated != 0)
    }

    /// Runs the nat chains until one sets up a mapping; without one the connection stays as it is.
    fn ask_chains(&mut self, chains: &[ChainId], manip: Manip) -> Option<Fate> {
        for chain in chains {
            if let ChainEnd::End(fate) = self.run_base(*chain) {
                return Some(fate);
            }
            if self.attached.as_ref().is_some_and(|a| a.conn.status & manip.done() != 0) {
                return None;
            }
        }
        self.set_up(manip, Range::default(), Cause::Step(Step::Nat));
        None
    }

    /// An original packet of a masqueraded connection that leaves by another device than the first one did.
    fn left_by_another_device(&self) -> bool {
        self.hook == Hook::Postrouting
            && self.attached.as_ref().is_some_and(|a| {
                !a.reply && a.conn.masq_oif != 0 && self.packet.value(Field::Oif).is_some_and(|o| o != a.conn.masq_oif)
            })
    }

    /// `nft_nat_inet_eval`: another family's statement does nothing and the rule has matched, unless a map has no element.
    fn other_family(&mut self, nat: Nat, site: u32) -> RuleEnd {
        match self.ends(nat, site) {
            Some(_) => RuleEnd::Matched(Verdict::Continue),
            None => RuleEnd::Miss,
        }
    }

    /// The lowest and highest address and port of a mapping, of those that it names; `None`: a map has no element, and the
    /// rule misses. An address and a port of one element come of one look into its map.
    fn ends(&mut self, nat: Nat, site: u32) -> Option<[Option<(Value, Value)>; 2]> {
        let mut both = |ends: Option<(ExprId, ExprId)>| match ends {
            Some((lo, hi)) => Some(Some((self.value(site, lo)?, self.value(site, hi)?))),
            None => Some(None),
        };
        let addr = both(nat.addr);
        let port = if addr.is_some() { both(nat.port) } else { None };
        let read = [nat.addr, nat.port.filter(|_| addr.is_some())].into_iter().flatten();
        self.count_numgen(&read.map(|(lo, _)| lo).collect::<Vec<_>>(), site);
        Some([addr?, port?])
    }

    /// A NAT target or statement.
    pub(super) fn nat_target(&mut self, rule: RuleId, nat: Nat, site: u32) -> RuleEnd {
        if nat.family != 0 && Value::from(nat.family) != self.packet.family() {
            return self.other_family(nat, site);
        }
        if self.attached.is_none() {
            return RuleEnd::Matched(Verdict::Accept);
        }
        let manip = match nat.kind {
            NatKind::Dnat | NatKind::Redirect => Manip::Dst,
            NatKind::Snat | NatKind::Masquerade => Manip::Src,
            NatKind::Netmap => Manip::at(self.hook),
        };
        let mut range = Range {
            base: nat.port_base,
            random: nat.random,
            fully_random: nat.fully_random,
            persistent: nat.persistent,
            prefix: nat.prefix || nat.kind == NatKind::Netmap,
            ..Range::default()
        };
        let Some([addr, port]) = self.ends(nat, site) else { return RuleEnd::Miss };
        range.addr = addr;
        range.port = port.map(|(lo, hi)| (lo as u16, hi as u16));
        match nat.kind {
            NatKind::Masquerade => range.addr = Some(self.masquerade_address()),
            NatKind::Redirect => match self.redirect_address() {
                Some(addr) => range.addr = Some((addr, addr)),
                None => return RuleEnd::Matched(Verdict::Drop),
            },
            _ => {}
        }
        if nat.kind == NatKind::Masquerade
            && let (Some(a), Some(oif)) = (&mut self.attached, self.packet.value(Field::Oif))
        {
            a.conn.masq_oif = oif;
        }
        self.set_up(manip, range, Cause::Rule(rule));
        RuleEnd::Matched(Verdict::Accept)
    }

    /// The address that MASQUERADE takes; an unknown device or address is a fact to ask for.
    fn masquerade_address(&mut self) -> (Value, Value) {
        let family = self.packet.family();
        let dst = to_address(self.packet.or_zero(Field::Daddr), family);
        let Some(oif) = self.field(Field::Oif) else { return (0, 0) };
        if oif == device(OTHER_DEVICE) {
            let addr = self.own_address("masquerade-address");
            return (addr, addr);
        }
        let hop = self.way.nexthop.map_or(dst, |h| to_address(h, family));
        let hop = if hop.is_ipv4() == dst.is_ipv4() { hop } else { dst };
        let mut assumed = Vec::new();
        let found = self.world.host.masquerade_address(&device_name(oif), dst, hop, &mut assumed);
        self.note_assumed(assumed);
        let addr = match found {
            Ok(addr) => address(addr),
            Err(_) => self.own_address("masquerade-address"),
        };
        (addr, addr)
    }

    /// An address of this host that the inputs do not tell: 0, or what the user says, which then is this host's.
    fn own_address(&mut self, what: &'static str) -> Value {
        let addr = self.answer(Fact::Other(what));
        let fact = Fact::IsLocal(self.packet.family(), addr);
        if addr != 0 && self.facts.get(&fact).is_none() {
            self.facts.put(fact.clone(), 1);
            self.events.push(Event::Answer { fact, value: 1, label: "yes".into(), assumed: false });
        }
        addr
    }

    fn redirect_address(&mut self) -> Option<Value> {
        let dst = to_address(self.packet.or_zero(Field::Daddr), self.packet.family());
        let iif = device_name(self.known(Field::Iif));
        if self.hook != Hook::Output && (iif.is_empty() || *iif == *OTHER_DEVICE) {
            return Some(self.own_address("redirect-address"));
        }
        let iif = (self.hook != Hook::Output).then_some(&*iif);
        match self.world.host.redirect_address(iif, dst) {
            Ok(found) => found.map(address),
            Err(_) => Some(self.own_address("redirect-address")),
        }
    }

    /// `nf_nat_setup_info`: chooses the connection's new tuple and notes what is translated.
    fn set_up(&mut self, manip: Manip, range: Range, by: Cause) {
        let Some(a) = &self.attached else { return };
        let (status, current, zone) = (a.conn.status, a.conn.reply.inverse(), a.conn.zone);
        if status & manip.done() != 0 {
            return;
        }
        let chosen = self.unique_tuple(manip, range, current, zone);
        let Some(a) = &mut self.attached else { return };
        a.conn.status |= manip.done();
        let changes = chosen != current;
        if changes {
            a.conn.reply = chosen.inverse();
            a.conn.status |= manip.translated();
        }
        self.show_status(by);
        if changes {
            self.show_answer(by);
        }
    }

    /// `nf_nat_packet`: rewrites the packet as the connection says.
    fn translate(&mut self, manip: Manip) {
        let Some(a) = &self.attached else { return };
        let side = if a.reply { manip.other() } else { manip };
        if a.conn.status & side.translated() == 0 {
            return;
        }
        let target = if a.reply { a.conn.orig.inverse() } else { a.conn.reply.inverse() };
        if a.error {
            return self.translate_error(manip, target);
        }
        let by = Cause::Step(Step::Nat);
        let (addr, port) = if manip == Manip::Src {
            ((Field::Saddr, target.saddr), (Field::Sport, target.sport))
        } else {
            ((Field::Daddr, target.daddr), (Field::Dport, target.dport))
        };
        // No packet gets this address: it stands for one of this host that the inputs do not tell.
        let known = if addr.1 == 0 { Got::Unknown } else { Got::Value(addr.1) };
        self.write(addr.0, known, by);
        if matches!(target.proto, 1 | 58) {
            self.set(Field::IcmpId, target.sport.into(), by);
        } else if tuple::has_ports(target.proto) && self.packet.value(port.0).is_some() {
            self.set(port.0, port.1.into(), by);
        }
    }

    /// An ICMP error's own addresses are translated as an answer's are, whoever sent it: a router on the way speaks as the
    /// connection's other end (`nf_nat_icmp_reply_translation`).
    fn translate_error(&mut self, manip: Manip, target: Tuple) {
        let by = Cause::Step(Step::Nat);
        match manip {
            Manip::Dst => self.set(Field::Daddr, target.daddr, by),
            Manip::Src => self.set(Field::Saddr, target.saddr, by),
        }
    }

    /// Whether the connection's translated destination differs from the packet's tuple: OUTPUT routes again then.
    pub(super) fn destination_translated(&self) -> bool {
        self.attached.as_ref().is_some_and(|a| {
            let (own, other) = if a.reply { (a.conn.reply, a.conn.orig) } else { (a.conn.orig, a.conn.reply) };
            !a.error && own.daddr != other.saddr
        })
    }
}
