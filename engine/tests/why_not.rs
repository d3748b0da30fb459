//! Every reason that `--why-not` gives is true: for every rule of real hosts the obstacle that the reason names is taken
//! away, and the walk changes at that rule.
//!
//! A test that took nothing away would pass too: how often each reason was put to the proof is counted and demanded.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use common::{Sample, sample};
use nettrace_engine::World;
use nettrace_engine::explain::whynot::{Inquiry, NotHooked, Reason, rule_name};
use nettrace_engine::explore::{Pins, explore};
use nettrace_engine::fact::Chooser;
use nettrace_engine::field::{Field, to_address};
use nettrace_engine::host::Host;
use nettrace_engine::model::{ChainId, Draft, Edit, Family, Hook, Model, Op, RuleId, Verdict};
use nettrace_engine::spec::Start;
use nettrace_engine::state::State;
use nettrace_engine::trace::{Event, Trace};
use nettrace_engine::walk::walk;
use nettrace_engine::whatif;
use nettrace_grammar::{Sources, Span};

/// How often each code was proven.
type Proven = BTreeMap<String, usize>;

/// The most likely walk.
fn rewalk(model: &Model, host: &Host, start: &Start) -> Trace {
    let world = World { model, host };
    let run = |ask: &mut dyn Chooser| walk(world, start, &mut State::default(), ask);
    explore(1, &Pins::default(), run).list.swap_remove(0).result
}

/// A copy of a rule with these ops only, in its place.
fn with_ops(model: &mut Model, rule: RuleId, ops: Vec<Op>) -> RuleId {
    let draft = Draft { matches: Some(ops.len() as u16), ops, ..Draft::default() };
    let (chain, span) = (model.rule(rule).chain, model.rule(rule).span);
    let index = model.position(rule).unwrap() as usize - 1;
    let new = model.add_rule(chain, &draft, span);
    let _undo = (model.apply(Edit::Remove(rule)), model.apply(Edit::Insert { chain, index, rule: new }));
    new
}

/// One rule of one walk, with what it takes to walk again.
struct Case<'a> {
    s: &'a Sample,
    start: &'a Start,
    trace: &'a Trace,
    rule: RuleId,
    name: String,
}

impl Case<'_> {
    /// The reason for a rule after a change of the rules.
    fn again(&self, model: &Model, rule: RuleId) -> (Reason, Trace) {
        let trace = rewalk(model, &self.s.host, self.start);
        let reason = Inquiry::new(World { model, host: &self.s.host }, &trace).why_not(rule).reason;
        (reason, trace)
    }

    /// The conditions in front of it hold, and with it they don't: a copy of the rule that ends before it matches, one that
    /// ends behind it does not.
    fn condition_failed(&self, op: usize) {
        let matched = |to: usize| {
            let mut model = self.s.model.clone();
            let copy = with_ops(&mut model, self.rule, self.s.model.rule_ops(self.rule)[..to].to_vec());
            let (_, again) = self.again(&model, copy);
            again.events.iter().any(|e| matches!(e, Event::Rule { rule, .. } if *rule == copy))
        };
        assert!(matched(op), "{}: a condition in front of number {op} fails", self.name);
        assert!(!matched(op + 1), "{}: condition number {op} holds", self.name);
    }

    /// What ended the chain goes: something else does, or the rule is looked at.
    fn ended_before(&self, event: usize) {
        let mut model = self.s.model.clone();
        match &self.trace.events[event] {
            Event::Rule { rule, verdict, .. } => {
                let ends = matches!(
                    verdict,
                    Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Goto(_) | Verdict::Queue { .. }
                );
                let translates = model.rule_ops(*rule).iter().any(|op| matches!(op, Op::Effect(_)));
                assert!(ends || translates, "{}: {verdict:?} ends no chain", self.name);
                drop(model.apply(Edit::Remove(*rule)));
            }
            Event::Policy { chain, .. } => drop(model.apply(Edit::Policy(*chain, Verdict::Accept))),
            other => panic!("{}: {other:?} ends no chain", self.name),
        }
        let (reason, again) = self.again(&model, self.rule);
        if let Reason::EndedBefore { event: now } = reason {
            assert_ne!(self.trace.events[event], again.events[now], "{}", self.name);
        }
    }

    /// The jump is taken by every packet: the chain is entered, or something in front of the jump ends the chain.
    fn chain_not_entered(&self, jump: RuleId, because: &Reason) {
        let s = self.s;
        let chain = s.model.rule(self.rule).chain;
        let target = s.model.rule_ops(jump).iter().find_map(|op| match op {
            Op::Verdict(v @ (Verdict::Jump(_) | Verdict::Goto(_))) => Some(*v),
            _ => None,
        });
        let up = upwards(&s.model, chain);
        let towards = nettrace_engine::graph::jumps(&s.model, jump).any(|to| up.contains(&to));
        assert!(towards, "{}: {} does not lead there", self.name, rule_name(&s.model, jump));
        if matches!(because, Reason::EndedBefore { .. } | Reason::NatAlreadyDecided { .. }) {
            return self.obstacle(because, jump);
        }
        let mut model = s.model.clone();
        // A map leads to many chains; what leads towards this one is a jump of its own.
        let verdict = target.unwrap_or(Verdict::Jump(chain));
        let forced = with_ops(&mut model, jump, vec![Op::Verdict(verdict)]);
        let (_, again) = self.again(&model, self.rule);
        let taken = |e: &Event| matches!(e, Event::Rule { rule, .. } if *rule == forced);
        assert!(again.events.iter().any(taken), "{}: {because:?}", self.name);
        let before = |e: &Event| matches!(e, Event::Rule { rule, verdict: v, .. } if *rule == jump && *v == verdict);
        assert!(!self.trace.events.iter().any(before), "{}: the jump was taken", self.name);
    }

    /// The obstacle in front of `rule` goes: its reason is another.
    fn obstacle(&self, reason: &Reason, rule: RuleId) {
        let case = Case { rule, name: format!("{} by {}", self.name, rule_name(&self.s.model, rule)), ..*self };
        match reason {
            Reason::EndedBefore { event } => case.ended_before(*event),
            Reason::NatAlreadyDecided { event } => case.nat_decided(*event),
            other => panic!("{}: {other:?}", self.name),
        }
    }

    /// The translation goes: another one decided, or the rule is looked at.
    fn nat_decided(&self, event: Option<usize>) {
        let Some(Event::Rule { rule, .. }) = event.map(|e| &self.trace.events[e]) else {
            panic!("{}: no translation is named", self.name)
        };
        let mut model = self.s.model.clone();
        let _undo = model.apply(Edit::Remove(*rule));
        let (reason, again) = self.again(&model, self.rule);
        if let Reason::NatAlreadyDecided { event: Some(now) } = reason {
            assert_ne!(self.trace.events[event.unwrap()], again.events[now], "{}", self.name);
        }
    }

    /// The decision goes the other way (the destination is or is not this host's): other hooks are passed.
    fn hook_not_on_path(&self, hooks: &[Hook]) {
        let on = |t: &Trace| t.events.iter().any(|e| matches!(e, Event::Hook(h) if hooks.contains(h)));
        assert!(!on(self.trace), "{}", self.name);
        let daddr = to_address(self.trace.last_packet().or_zero(Field::Daddr), self.trace.start.family());
        let (mut model, mut parts) = (self.s.model.clone(), self.s.parts.clone());
        let mut other = self.start.clone();
        if hooks.iter().all(|h| matches!(h, Hook::Output)) || hooks == [Hook::Prerouting] {
            // Who sends it decides: the same from this host, or from outside.
            other.local = !other.local;
        } else if self.s.host.is_local(daddr, &mut Vec::new()) == Ok(true) {
            let dev = parts.addresses.iter().flatten().find(|a| a.ip == daddr).map(|a| a.dev.to_string());
            let del = format!("ip addr del {daddr} dev {}", dev.unwrap());
            let _undo = whatif::apply(&mut model, &mut parts, &mut Sources::default(), &del).unwrap();
        } else {
            let add = format!("ip addr add {daddr} dev lo");
            let _undo = whatif::apply(&mut model, &mut parts, &mut Sources::default(), &add).unwrap();
        }
        let host = Host::new(parts);
        let again = rewalk(&model, &host, &other);
        let hooks_of =
            |t: &Trace| -> Vec<Event> { t.events.iter().filter(|e| matches!(e, Event::Hook(_))).cloned().collect() };
        assert_ne!(hooks_of(self.trace), hooks_of(&again), "{}", self.name);
        // To INPUT or OUTPUT the changed decision leads for certain; behind FORWARD more has to fit (routes, devices).
        if hooks.contains(&Hook::Input) || hooks == [Hook::Output] {
            assert!(on(&again), "{}: {:?}", self.name, hooks_of(&again));
        }
    }

    /// Something leads to it, or its table is on: the reason is another.
    fn not_hooked(&self, why: NotHooked) {
        let mut model = self.s.model.clone();
        let chain = model.rule(self.rule).chain;
        match why {
            NotHooked::NoBase => {
                let entered = self.trace.events.iter().find_map(|e| match e {
                    Event::Enter(base) if model.chain(*base).table == model.chain(chain).table => Some(*base),
                    _ => None,
                });
                let Some(base) = entered else { return };
                let top = *upwards(&model, chain).last().unwrap_or(&chain);
                let draft = Draft { ops: vec![Op::Verdict(Verdict::Jump(top))], matches: Some(0), ..Draft::default() };
                let jump = model.add_rule(base, &draft, Span::default());
                let _undo = model.apply(Edit::Insert { chain: base, index: 0, rule: jump });
            }
            NotHooked::Dormant => {
                let table = model.chain(chain).table;
                model.tables[table.0 as usize].dormant = false;
            }
            NotHooked::Family => {
                let v6 = self.trace.start.family() == 10;
                let family = model.table_of(chain).family;
                let fits = if v6 { Family::Ip6 } else { Family::Ip };
                return assert!(family != fits && family != Family::Inet, "{}", self.name);
            }
            NotHooked::Device | NotHooked::Removed => panic!("{}: {why:?}", self.name),
        }
        let now = self.again(&model, self.rule).0;
        assert_ne!(now, Reason::NotHooked(why), "{}", self.name);
    }

    fn prove(&self, reason: &Reason) {
        match reason {
            Reason::ConditionFailed(f) => self.condition_failed(f.op),
            Reason::EndedBefore { event } => self.ended_before(*event),
            Reason::ChainNotEntered { jump, because } => self.chain_not_entered(*jump, because),
            Reason::HookNotOnPath { hooks, .. } => self.hook_not_on_path(hooks),
            Reason::NatAlreadyDecided { event } => self.nat_decided(*event),
            Reason::NotHooked(why) => self.not_hooked(*why),
            Reason::Decided { event } | Reason::MatchedNotDeciding { event, .. } => {
                let at = &self.trace.events[*event];
                assert!(matches!(at, Event::Rule { rule, .. } if *rule == self.rule), "{}: {at:?}", self.name);
                // Without it the walk is another.
                let mut model = self.s.model.clone();
                let _undo = model.apply(Edit::Remove(self.rule));
                assert_ne!(rewalk(&model, &self.s.host, self.start).events, self.trace.events, "{}", self.name);
            }
        }
    }
}

/// The chain and all that lead to it, the farthest last.
fn upwards(model: &Model, chain: ChainId) -> Vec<ChainId> {
    let callers = nettrace_engine::graph::callers(model);
    let (mut found, mut at) = (vec![chain], 0);
    while let Some(chain) = found.get(at) {
        for rule in callers.get(chain).into_iter().flatten() {
            let above = model.rule(*rule).chain;
            if !found.contains(&above) {
                found.push(above);
            }
        }
        at += 1;
    }
    found
}

/// Proves the reasons of all rules for a packet.
fn prove(s: &Sample, packet: &str, proven: &mut Proven) {
    let start = s.start(packet);
    let trace = rewalk(&s.model, &s.host, &start);
    let inquiry = Inquiry::new(s.world(), &trace);
    for rule in s.model.chains.iter().flat_map(|c| c.rules.iter()) {
        let name = rule_name(&s.model, rule);
        let reason = inquiry.why_not(rule).reason;
        Case { s, start: &start, trace: &trace, rule, name }.prove(&reason);
        let words = inquiry.words(&inquiry.why_not(rule), &|r| rule_name(&s.model, r));
        assert!(!words.is_empty());
        *proven.entry(reason.code().to_string()).or_default() += 1;
        if let Reason::ChainNotEntered { because, .. } = &reason {
            *proven.entry(format!("chain-not-entered: {}", because.code())).or_default() += 1;
        }
    }
    let rules: usize = s.model.chains.iter().map(|c| c.rules.len()).sum();
    let codes = proven.iter().filter(|(code, _)| !code.contains(':'));
    assert!(codes.map(|(_, n)| n).sum::<usize>() >= rules);
}

/// Proves the reasons of all rules for packets, and demands that each of these codes was met.
fn check(s: &Sample, packets: &[&str], codes: &[&str]) {
    let mut proven = Proven::new();
    for packet in packets {
        prove(s, packet, &mut proven);
    }
    let mut shown = String::new();
    for (code, count) in &proven {
        writeln!(shown, "{count} {code}").unwrap();
    }
    for code in codes {
        assert!(proven.contains_key(*code), "{code} was never met:\n{shown}");
    }
}

/// What every host with a few chains has.
const USUAL: &[&str] =
    &["condition-failed", "ended-before", "chain-not-entered", "hook-not-on-path", "matched-not-deciding"];

#[test]
fn every_reason_of_nodeport_drop_is_true() {
    let remote = r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"172.16.4.21","dport":31002}"#;
    let local = r#"{"origin":"node","proto":"tcp","saddr":"127.0.0.1","daddr":"127.0.0.1","dport":31002}"#;
    let ssh = r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"172.16.4.21","dport":22}"#;
    let s = sample("nodeport-drop");
    check(&s, &[remote, local, ssh], &[USUAL, &["not-hooked", "decided"]].concat());
}

#[test]
fn every_reason_of_k3s_netpol_is_true() {
    let pods = r#"{"iif":"cni0","proto":"tcp","saddr":"10.42.0.59","daddr":"10.42.0.60","dport":80}"#;
    let service = r#"{"iif":"cni0","proto":"tcp","saddr":"10.42.0.59","daddr":"10.43.140.8","dport":80}"#;
    let node = r#"{"origin":"node","proto":"tcp","daddr":"10.43.140.8","dport":80}"#;
    let s = sample("k3s-netpol");
    check(&s, &[pods, service, node], &[USUAL, &["decided"]].concat());
}

#[test]
fn every_reason_of_other_hosts_is_true() {
    let node_port = r#"{"iif":"eth0","proto":"tcp","saddr":"192.168.20.9","daddr":"192.168.20.21","dport":31080}"#;
    let own = r#"{"origin":"node","proto":"tcp","daddr":"192.168.20.21","dport":31080}"#;
    check(&sample("kube-proxy-nftables"), &[node_port, own], &["chain-not-entered", "hook-not-on-path", "decided"]);
    let closed = r#"{"iif":"eth0","proto":"tcp","saddr":"192.168.30.9","daddr":"192.168.30.21","dport":9100}"#;
    let out = r#"{"iif":"eth1","proto":"tcp","saddr":"10.0.5.2","daddr":"192.168.30.9","dport":80}"#;
    check(&sample("firewalld-nft"), &[closed, out], &["condition-failed", "hook-not-on-path", "decided"]);
    let v6 = r#"{"iif":"eth0","proto":"tcp","saddr":"fd00:10::9","daddr":"fd00:10::21","dport":31002}"#;
    let v6_own = r#"{"origin":"node","proto":"tcp","daddr":"fd00:10::21","dport":31002}"#;
    check(&sample("ipv6-nodeport"), &[v6, v6_own], USUAL);
    let api = r#"{"iif":"kube-bridge","proto":"tcp","saddr":"172.21.70.49","daddr":"10.96.0.1","dport":443}"#;
    check(&sample("ignite-egress"), &[api], &[USUAL, &["decided"]].concat());
}

/// What real hosts seldom have: a second chain of NAT, a sleeping table, one of the other family, a chain without a hook.
#[test]
fn every_reason_of_odd_chains_is_true() {
    let mut s = sample("nodeport-drop");
    for command in [
        "nft add table ip late",
        "nft add chain ip late pre '{ type nat hook prerouting priority -90; }'",
        "nft add rule ip late pre tcp dport 31002 redirect",
        "nft add table ip sleeps '{ flags dormant; }'",
        "nft add chain ip sleeps pre '{ type filter hook prerouting priority -90; }'",
        "nft add rule ip sleeps pre drop",
        "ip6tables -A INPUT -j DROP",
        "iptables -N LOST",
        "iptables -A LOST -j DROP",
    ] {
        let done = whatif::apply(&mut s.model, &mut s.parts, &mut s.sources, command);
        drop(done.unwrap_or_else(|e| panic!("{command}: {e:?}")));
    }
    let packet = r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"172.16.4.21","dport":31002}"#;
    check(&s, &[packet], &["nat-already-decided", "not-hooked"]);
    let trace = s.walk(packet);
    let inquiry = Inquiry::new(s.world(), &trace);
    let mut met: Vec<NotHooked> = Vec::new();
    for rule in s.model.chains.iter().flat_map(|c| c.rules.iter()) {
        if let Reason::NotHooked(why) = inquiry.why_not(rule).reason
            && !met.contains(&why)
        {
            met.push(why);
        }
    }
    for why in [NotHooked::NoBase, NotHooked::Dormant, NotHooked::Family] {
        assert!(met.contains(&why), "{why:?} was never met: {met:?}");
    }
}
