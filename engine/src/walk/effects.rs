//! Ops that are neither tests nor writes nor verdicts.

use std::ops::Range;

use super::chain::RuleEnd;
use super::{Machine, tcp};
use crate::eval::{self, Hit, layout};
use crate::fact::{Fact, Taken};
use crate::field::Field;
use crate::host::Assumed;
use crate::model::*;
use crate::packet::Got;
use crate::state::Zone;
use crate::trace::Cause;

/// The kind of the TCP option "maximum segment size".
const MSS: u8 = 2;

impl Machine<'_> {
    /// Runs an effect; `None`: on to the next op.
    pub(super) fn effect(&mut self, rule: RuleId, id: EffectId, site: u32) -> Option<RuleEnd> {
        let model = self.world.model;
        let own_site = u64::from(id.0);
        match model.effect(id) {
            Effect::Nat(nat) => Some(self.nat_target(rule, *nat, site)),
            Effect::Notrack => {
                self.notrack(rule);
                None
            }
            Effect::CtAttach(ct) => self.attach_template(ct, site),
            Effect::Log { .. } | Effect::Dup { .. } => None,
            Effect::Offload { .. } => {
                self.answer(Fact::Other("flowtable"));
                None
            }
            Effect::Strip(options) => {
                self.strip(rule, options);
                None
            }
            Effect::Patch { base, offset, bits, value } => {
                self.patch(rule, *base, *offset..offset.saturating_add(*bits), (*value, site))
            }
            Effect::SetMap { lookup, mark, prio, .. } => {
                self.ipset_map(rule, *lookup, *mark, *prio);
                None
            }
            Effect::Reject(with) => {
                self.reject(rule, *with);
                Some(RuleEnd::Matched(Verdict::Drop))
            }
            Effect::SetUpdate(u) => {
                let done = self.set_update(rule, u, own_site);
                (!done && u.miss).then_some(RuleEnd::Miss)
            }
            Effect::Tproxy { mark, drops, .. } => self.tproxy(rule, *mark, *drops),
            Effect::Synproxy { loose } => self.synproxy(rule, *loose),
            Effect::Fwd { .. } => Some(RuleEnd::End(self.stolen(rule))),
            Effect::Stateful(s) => (!self.stateful(rule, s, own_site)).then_some(RuleEnd::Miss),
            Effect::ObjectMap(kind, lookup) => self.object_map(rule, (*kind, *lookup), site),
        }
    }

    /// Bits of a header, of which those that are fields count.
    fn patch(&mut self, rule: RuleId, base: Base, bits: Range<u32>, (value, site): (ExprId, u32)) -> Option<RuleEnd> {
        let Some(value) = self.value(site, value) else { return Some(RuleEnd::Miss) };
        let fields: Vec<_> = layout::fields_at(&self.packet, base, bits.clone()).collect();
        for (at, field) in fields {
            if let Some(old) = self.packet.value(field) {
                self.set(field, layout::spliced(old, &at, value, &bits), Cause::Rule(rule));
            }
        }
        None
    }

    /// TCP options become padding.
    fn strip(&mut self, rule: RuleId, options: &[u8]) {
        if options.contains(&MSS) {
            self.write(Field::TcpMss, Got::Absent, Cause::Rule(rule));
        }
        let there = |kind: &&u8| eval::has_tcp_option(&self.packet, **kind);
        let kinds =
            options.iter().filter(there).fold(0, |bits, kind| bits | 1u128.checked_shl((*kind).into()).unwrap_or(0));
        let gone = self.packet.or_zero(Field::TcpStripped);
        if kinds & !gone != 0 {
            self.set(Field::TcpStripped, kinds | gone, Cause::Rule(rule));
        }
    }

    /// A `CT` target's template; ignored once the packet has one, or a connection, or is untracked. A zone that has no number, because
    /// a map does not have the key, makes the rule miss.
    fn attach_template(&mut self, ct: &CtAttach, site: u32) -> Option<RuleEnd> {
        let zone = match ct.zone {
            Some(z) => match self.value(site, z.zone) {
                Some(number) => Some((number, [z.orig, z.reply])),
                None => return Some(RuleEnd::Miss),
            },
            None => None,
        };
        let untracked = self.packet.or_zero(Field::CtState) & crate::field::ct_state::UNTRACKED != 0;
        if !ct.template || self.attached.is_some() || self.template.set || untracked {
            return None;
        }
        if let Some((number, counts)) = zone {
            self.template.zone = Zone { id: number as u16, counts };
        }
        if let Some(helper) = ct.helper {
            self.template.helper = super::conntrack::helper_value(self.world.model.name(helper));
        }
        self.template.set = true;
        None
    }

    /// xt TPROXY accepts when a socket is there and drops when not; nft's goes on, or misses.
    fn tproxy(&mut self, rule: RuleId, mark: Option<(u32, u32)>, drops: bool) -> Option<RuleEnd> {
        let found = self.answer(Fact::Listener) != 0;
        match (found, drops) {
            (false, true) => Some(RuleEnd::Matched(Verdict::Drop)),
            (false, false) => Some(RuleEnd::Miss),
            (true, _) => {
                if let Some((mask, value)) = mark {
                    let old = self.packet.or_zero(Field::Mark) as u32;
                    self.set(Field::Mark, ((old & !mask) ^ value).into(), Cause::Rule(rule));
                }
                drops.then_some(RuleEnd::Matched(Verdict::Accept))
            }
        }
    }

    /// A SYN is answered and taken; an ACK is taken or dropped by its cookie; others pass.
    fn synproxy(&mut self, rule: RuleId, loose: bool) -> Option<RuleEnd> {
        let flags = self.packet.or_zero(Field::TcpFlags);
        if self.packet.or_zero(Field::Proto) != 6 {
            return Some(RuleEnd::Miss);
        }
        if self.packet.bytes.bad_checksum {
            return Some(RuleEnd::Matched(Verdict::Drop));
        }
        let only = |flag, others| flags & flag != 0 && (loose || flags & others == 0);
        if only(tcp::SYN, tcp::FIN | tcp::RST | tcp::ACK) {
            return Some(RuleEnd::End(self.stolen(rule)));
        }
        if only(tcp::ACK, tcp::FIN | tcp::RST | tcp::SYN) {
            return match self.answer(Fact::Other("synproxy-cookie")) {
                0 => Some(RuleEnd::Matched(Verdict::Drop)),
                _ => Some(RuleEnd::End(self.stolen(rule))),
            };
        }
        None
    }

    /// What becomes of a queued packet: accepted, or dropped.
    pub(super) fn queue(&mut self, num: u16, bypass: bool) -> Verdict {
        match self.answer(Fact::Queue(num)) {
            0 if bypass => Verdict::Accept,
            0 | 2 => Verdict::Drop,
            _ => Verdict::Accept,
        }
    }

    fn object_map(&mut self, rule: RuleId, (kind, lookup): (ObjectKind, LookupId), site: u32) -> Option<RuleEnd> {
        let hit = self.found(lookup, site);
        let l = self.world.model.lookup(lookup);
        let Hit::Element(e) = hit else { return Some(RuleEnd::Miss) };
        let Contents::Elements(elements) = &self.world.model.set(l.set).contents else { return Some(RuleEnd::Miss) };
        let Data::Object(name) = elements.data(e) else { return None };
        let table = self.world.model.set(l.set).table?;
        let object = self.world.model.objects.get(&(table, kind, *name))?.clone();
        (!self.stateful(rule, &object, 0)).then_some(RuleEnd::Miss)
    }

    /// What was taken for granted about the host becomes listed assumptions.
    pub(super) fn note_assumed(&mut self, list: Vec<Assumed>) {
        for assumed in list {
            match assumed {
                Assumed::Packet(field) => {
                    self.field(field);
                }
                other => self.taken.note(Taken::Host(other)),
            }
        }
    }
}
