//! Connection tracking at -200 and its end, the confirmation (semantics.md 3).
//!
//! What a helper foresaw ([`crate::state::Expectation`]) is RELATED. Left out: expectations that a walk itself would make, how a connection
//! shows ([`super::shown`]), and the TCP window check, which [`super::window`] makes as far as it is certain.

use super::shown::timeout;
use super::tcp::{self, Next};
use super::{Machine, window};
use crate::fact::Fact;
use crate::field::{Field, Value, ct_state, ct_status, device};
use crate::host::SysctlKey;
use crate::model::RuleId;
use crate::packet::Packet;
use crate::state::{Conn, TcpState, Tuple, Zone};
use crate::trace::{Cause, Step};
use crate::tuple;

/// What a `CT` target prepared.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// Zone.
    pub zone: Zone,
    /// Helper, as device bytes.
    pub helper: Value,
    /// A template is attached.
    pub set: bool,
}

/// The connection of the packet.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    /// The connection as it is now.
    pub conn: Conn,
    /// Its number, once it is confirmed.
    pub id: Option<u32>,
    /// The packet goes in the reply direction.
    pub reply: bool,
    /// NEW, ESTABLISHED or RELATED.
    pub state: Value,
    /// An ICMP error about the connection.
    pub error: bool,
}

/// What conntrack makes of a packet without looking at the table.
enum Class {
    /// Looked up.
    Track,
    /// Refused.
    Invalid(&'static str),
    /// An ICMP error: belongs to what it quotes.
    Error,
    /// Never tracked (neighbour discovery).
    Untracked,
}

/// A UDP conversation that goes on for longer than this is a stream, which makes it ASSURED.
const UDP_STREAM_MS: u64 = 2000;

impl Machine<'_> {
    /// The conntrack hook.
    pub(super) fn track(&mut self) {
        if self.attached.is_some() || self.packet.or_zero(Field::CtState) & ct_state::UNTRACKED != 0 {
            return;
        }
        if let Some(state) = self.given_ct
            && state & (ct_state::INVALID | ct_state::UNTRACKED) != 0
        {
            self.set(Field::CtState, state, Cause::Step(Step::Conntrack));
            return;
        }
        if self.given_ct == Some(ct_state::RELATED) {
            self.attach_related();
            return self.show_connection(Cause::Step(Step::Conntrack));
        }
        match self.classify() {
            Class::Invalid(why) => self.note(Step::Conntrack, format!("INVALID: {why}")),
            Class::Untracked => self.set(Field::CtState, ct_state::UNTRACKED, Cause::Step(Step::Conntrack)),
            Class::Error => self.track_error(),
            Class::Track => self.look_up(),
        }
        self.show_connection(Cause::Step(Step::Conntrack));
        if self.traits.translates && self.packet.default_of(Field::CtState).is_some() {
            // Packets of a connection are translated as it is, without a rule.
            self.field(Field::CtState);
        }
    }

    /// The checks that come before the table.
    fn classify(&mut self) -> Class {
        // Only what came in is looked at; packets of this host get their checksums later.
        let checked = self.packet.bytes.bad_checksum && self.hook == crate::model::Hook::Prerouting;
        if checked
            && matches!(self.packet.or_zero(Field::Proto), 1 | 6 | 17 | 58 | 136)
            && self.sysctl("net.netfilter.nf_conntrack_checksum", 1) != 0
        {
            return Class::Invalid("its checksum is wrong");
        }
        let p = &self.packet;
        // Fragments are put together before, so a rule made it one since.
        if p.is_later_fragment() {
            return Class::Invalid("a later fragment tells no connection");
        }
        let get = |f| p.or_zero(f);
        let long = p.value(Field::ThLength).unwrap_or(Value::MAX);
        match (get(Field::Proto), get(Field::IcmpType)) {
            (6, _) if long < 20 => Class::Invalid("the TCP header is cut short"),
            (6, _) if !tcp::valid_flags(get(Field::TcpFlags)) => Class::Invalid("no TCP stack sends these flags"),
            (17 | 136, _) if long < 8 => Class::Invalid("the UDP header is cut short"),
            (1 | 58, _) if long < 8 => Class::Invalid("the ICMP header is cut short"),
            (132, _) if long < 12 => Class::Invalid("the SCTP header is cut short"),
            (1, 3 | 4 | 5 | 11 | 12) => Class::Error,
            (58, 1..=4 | 137) => Class::Error,
            (58, 130..=136 | 143 | 151) => Class::Untracked,
            _ => Class::Track,
        }
    }

    /// An ICMP error is RELATED to the connection that it quotes.
    fn track_error(&mut self) {
        let quoted = self.packet.bytes.payload.as_deref().and_then(tuple::quoted);
        // An error goes against what it quotes, so the answer to the quoted packet is what the table is asked for.
        let found = quoted.and_then(|t| self.state.conns.find(t.inverse(), self.template.zone));
        let Some((id, reply)) = found else {
            self.presume_alone();
            return self.note(Step::Conntrack, "INVALID: an ICMP error about no known connection");
        };
        if let Some(conn) = self.state.conns.get(id).cloned() {
            let state = ct_state::RELATED;
            self.attached = Some(Attached { conn, id: Some(id), reply, state, error: true });
        }
    }

    /// A rejecting rule's answer (and what the user calls RELATED) belongs to a connection that is not looked up. An ICMP
    /// error meets no nat chain; a reset does.
    fn attach_related(&mut self) {
        let tuple = tuple::of(&self.packet);
        let error = matches!(tuple.proto, 1 | 58);
        let status = if error { 0 } else { ct_status::EXPECTED };
        let conn = Conn { orig: tuple.inverse(), reply: tuple, status, ..Conn::default() };
        self.attached = Some(Attached { conn, id: None, reply: true, state: ct_state::RELATED, error });
    }

    fn look_up(&mut self) {
        let tuple = tuple::of(&self.packet);
        match self.state.conns.find(tuple, self.template.zone) {
            Some((id, reply)) => self.known_connection(id, reply, tuple),
            None if self.given_ct == Some(ct_state::ESTABLISHED) => self.attach_established(tuple),
            None => {
                self.presume_alone();
                self.new_connection(tuple);
            }
        }
    }

    /// A packet that no connection is known for, where nothing told which ones there are: that it belongs to none is an
    /// assumption once its state decides something. A packet that opens connections needs none.
    fn presume_alone(&mut self) {
        if self.given_ct.is_none() && !self.state.conns.told && !opens(&self.packet) {
            self.packet.stand_in(Field::CtState, self.packet.or_zero(Field::CtState));
        }
    }

    /// What the user calls ESTABLISHED: of a connection that was answered and that no translation changed. What cannot begin
    /// one goes in the direction of its answers.
    fn attach_established(&mut self, tuple: Tuple) {
        if self.traits.translates && !self.state.conns.told {
            self.answer(Fact::Other("translation"));
        }
        let reply = !begins(&self.packet);
        let (orig, answer) = if reply { (tuple.inverse(), tuple) } else { (tuple, tuple.inverse()) };
        let status = ct_status::SEEN_REPLY | ct_status::CONFIRMED | ct_status::SRC_NAT_DONE | ct_status::DST_NAT_DONE;
        let (zone, since, helper) = (self.template.zone, self.state.now, self.template.helper);
        let tcp = if tuple.proto == 6 { TcpState::Established } else { TcpState::None };
        let conn = Conn { orig, reply: answer, status, tcp, zone, since, helper, ..Conn::default() };
        self.attached = Some(Attached { conn, id: None, reply, state: ct_state::ESTABLISHED, error: false });
        self.count_packet();
    }

    fn known_connection(&mut self, id: u32, reply: bool, tuple: Tuple) {
        let Some(mut conn) = self.state.conns.get(id).cloned() else { return };
        let counts = match if tuple.proto == 6 { self.tcp_goes_on(&mut conn, reply) } else { Ok(true) } {
            Ok(counts) => counts,
            Err(Some(why)) => return self.note(Step::Conntrack, why),
            Err(None) => {
                self.state.conns.remove(id);
                return self.new_connection(tuple);
            }
        };
        let seen = conn.status & ct_status::SEEN_REPLY != 0;
        let state = match (reply, seen) {
            (true, _) | (false, true) => ct_state::ESTABLISHED,
            _ if conn.status & ct_status::EXPECTED != 0 => ct_state::RELATED,
            _ => ct_state::NEW,
        };
        if reply {
            conn.status |= ct_status::SEEN_REPLY;
        }
        // TCP's state says; UDP has to last for two seconds first.
        let assured = match tuple.proto {
            17 | 136 => self.state.now.saturating_sub(conn.since) > UDP_STREAM_MS,
            47 => true,
            _ => false,
        };
        if assured && seen {
            conn.status |= ct_status::ASSURED;
        }
        // A reset ends a connection that nobody has answered.
        if !seen && tuple.proto == 6 && self.packet.or_zero(Field::TcpFlags) & tcp::RST != 0 {
            self.state.conns.remove(id);
        }
        self.attached = Some(Attached { conn, id: Some(id), reply, state, error: false });
        if counts {
            self.count_packet();
        }
    }

    /// Moves a TCP connection on, and tells whether the packet counts as one of its own (`nf_conntrack_tcp_packet`). `Err`: why it is
    /// INVALID, or nothing where it begins another connection.
    fn tcp_goes_on(&mut self, conn: &mut Conn, reply: bool) -> Result<bool, Option<&'static str>> {
        let flags = self.packet.or_zero(Field::TcpFlags);
        let next = tcp::next(reply, flags, conn.tcp);
        let reopens = !reply && matches!(conn.tcp, TcpState::TimeWait | TcpState::Close);
        if !reopens && next != Next::Invalid && window::is_outside(&mut conn.seen, reply, &self.packet) {
            return Err(Some("INVALID: outside of the connection's TCP window"));
        }
        match next {
            Next::Invalid => Err(Some("INVALID: not what the connection's TCP state allows")),
            Next::Ignore => Ok(false),
            Next::To(TcpState::SynSent) if reopens => Err(None),
            Next::To(next) => {
                let opened = matches!(conn.tcp, TcpState::SynRecv | TcpState::Established);
                if opened && next == TcpState::Established {
                    conn.status |= ct_status::ASSURED;
                }
                // A SYN sent again before any answer keeps nothing alive.
                let again = tcp::is_syn(flags) && conn.tcp == TcpState::SynSent;
                conn.tcp = next;
                Ok(!again || conn.status & ct_status::SEEN_REPLY != 0)
            }
        }
    }

    fn new_connection(&mut self, tuple: Tuple) {
        if matches!(tuple.proto, 1 | 58) && !begins(&self.packet) {
            return self.note(Step::Conntrack, "INVALID: no request of this kind is known");
        }
        let (zone, since) = (self.template.zone, self.state.now);
        let mut conn = Conn { orig: tuple, reply: tuple.inverse(), zone, since, ..Conn::default() };
        conn.helper = self.template.helper;
        if tuple.proto == 6 {
            match tcp::next(false, self.packet.or_zero(Field::TcpFlags), TcpState::None) {
                Next::To(TcpState::Established) if !self.tcp_loose() => {
                    return self.note(Step::Conntrack, "INVALID: not a SYN, and nf_conntrack_tcp_loose is 0");
                }
                Next::To(state) => {
                    conn.tcp = state;
                    window::is_outside(&mut conn.seen, false, &self.packet);
                }
                _ => return self.note(Step::Conntrack, "INVALID: no connection begins with these flags"),
            }
        }
        let foreseen = self.take_expected(&tuple, &mut conn);
        let state = if foreseen && self.given_ct.is_none() { ct_state::RELATED } else { ct_state::NEW };
        self.attached = Some(Attached { conn, id: None, reply: false, state, error: false });
        self.count_packet();
    }

    /// Whether a helper foresaw this connection (`init_conntrack`): it has the mark of the one that it belongs to.
    fn take_expected(&mut self, tuple: &Tuple, conn: &mut Conn) -> bool {
        let zone = conn.zone.number(false);
        let Some(at) = self.state.expected.iter().position(|e| e.foresees(tuple, zone)) else { return false };
        let expected = self.state.expected[at].clone();
        if !expected.permanent {
            self.state.expected.remove(at);
        }
        conn.status |= ct_status::EXPECTED;
        conn.expected_by = expected.helper;
        let master = self.state.conns.find(expected.master, conn.zone).and_then(|(id, _)| self.state.conns.get(id));
        let unsure = match master {
            None => Some("expected by a connection that is not among the inputs: its mark is taken for 0"),
            Some(m) if m.reply != m.orig.inverse() => {
                Some("expected by a translated connection: what its helper translates no dump tells")
            }
            Some(_) => None,
        };
        conn.mark = master.map_or(0, |m| m.mark);
        if let Some(why) = unsure {
            self.note(Step::Conntrack, why);
        }
        true
    }

    fn tcp_loose(&mut self) -> bool {
        self.sysctl("net.netfilter.nf_conntrack_tcp_loose", 1) != 0
    }

    fn count_packet(&mut self) {
        let length = self.packet.or_zero(Field::Length) as u64;
        if let Some(a) = &mut self.attached {
            let dir = usize::from(a.reply);
            a.conn.packets[dir] = a.conn.packets[dir].saturating_add(1);
            a.conn.bytes[dir] = a.conn.bytes[dir].saturating_add(length);
        }
    }

    /// The confirmation behind INPUT and POSTROUTING: a new connection enters the table.
    pub(super) fn confirm(&mut self) {
        if let Some(a) = &mut self.attached
            && a.id.is_none()
        {
            a.conn.status |= ct_status::CONFIRMED;
            a.id = Some(self.state.conns.insert(a.conn.clone()));
            let (by, expires) = (Cause::Step(Step::Confirm), timeout(&a.conn));
            self.show_status(by);
            self.set(Field::CtExpiration, expires, by);
        }
    }

    /// Writes a confirmed connection's changes back to the table.
    pub(super) fn store_connection(&mut self) {
        if let Some(Attached { conn, id: Some(id), .. }) = &self.attached {
            self.state.conns.update(*id, conn);
        }
    }

    /// `notrack`: only while the packet has no connection.
    pub(super) fn notrack(&mut self, rule: RuleId) {
        if self.attached.is_none() && !self.template.set {
            self.set(Field::CtState, ct_state::UNTRACKED, Cause::Rule(rule));
        }
    }

    /// Writes a field of the connection; `false` when there is none.
    pub(super) fn assign_ct(&mut self, rule: RuleId, field: Field, value: Value) -> bool {
        let Some(a) = &mut self.attached else { return false };
        match field {
            Field::CtMark => a.conn.mark = value as u32,
            Field::CtLabel => a.conn.label |= value,
            Field::CtHelper => a.conn.helper = value,
            _ => {}
        }
        let (mark, label) = (a.conn.mark.into(), a.conn.label);
        self.set(Field::CtMark, mark, Cause::Rule(rule));
        self.set(Field::CtLabel, label, Cause::Rule(rule));
        true
    }

    /// A sysctl, with the kernel's default as a listed assumption.
    pub(super) fn sysctl(&mut self, key: &'static str, default: i64) -> i64 {
        let mut assumed = Vec::new();
        let value = self.world.host.sysctl_or(SysctlKey::Plain(key), default, &mut assumed);
        self.note_assumed(assumed);
        value
    }
}

/// Whether a connection may begin with such a packet: a request of ICMP, a SYN, and TCP in the middle, which is picked up.
fn begins(p: &Packet) -> bool {
    match p.or_zero(Field::Proto) {
        1 => matches!(p.or_zero(Field::IcmpType), 8 | 13 | 15 | 17),
        58 => matches!(p.or_zero(Field::IcmpType), 128 | 139),
        6 => tcp::next(false, p.or_zero(Field::TcpFlags), TcpState::None) != Next::Invalid,
        _ => true,
    }
}

/// Whether it says itself that it is a connection's first one.
fn opens(p: &Packet) -> bool {
    match p.or_zero(Field::Proto) {
        1 | 58 => begins(p),
        6 => tcp::is_syn(p.or_zero(Field::TcpFlags)),
        _ => false,
    }
}

/// A helper's name as a field value.
pub(super) fn helper_value(name: &str) -> Value {
    device(name)
}
