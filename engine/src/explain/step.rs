//! What one event of a walk is and why it happened, in sentences: the stepper's explanation of a step.
//!
//! For a DNAT: `dport 31002 => 8200, written by nat KUBE-SEP-… #2 (iptables-save:1420).` Left out: why something did not
//! happen ([`super::whynot`]), and how it is laid out.

use crate::fact::{Fact, Taken};
use crate::field::{Field, Value};
use crate::model::{ChainId, ChainKind, Hook, Model, RuleId, Verdict};
use crate::packet::Got;
use crate::trace::{By, Cause, Decision, Event, Fate, Step, Trace};

use super::names::Labels;
use super::whynot::writer;

/// How the caller cites a rule: `nat KUBE-SEP-… #2 (iptables-save:1420)`.
pub type Cite<'c> = dyn Fn(RuleId) -> String + 'c;

/// Tells steps of one walk.
pub struct Teller<'a> {
    /// The rules.
    pub model: &'a Model,
    /// Names people know.
    pub labels: &'a Labels<'a>,
    /// The walk.
    pub trace: &'a Trace,
    /// How rules are cited.
    pub cite: &'a Cite<'a>,
}

impl Teller<'_> {
    /// The sentences for an event; none when there is no such event.
    pub fn tell(&self, index: usize) -> Vec<String> {
        let Some(event) = self.trace.events.get(index) else { return Vec::new() };
        match event {
            Event::Hook(h) => vec![format!("The packet enters {}.", upper(*h)), hook_words(*h).to_string()],
            Event::HookEnd(h) => vec![format!("The packet leaves {}.", upper(*h))],
            Event::Enter(c) => self.enter(*c),
            Event::Rule { rule, verdict, from, index: at, .. } => self.rule(*rule, *verdict, at - (*from).min(*at)),
            Event::Return { chain, .. } => self.returned(*chain, index),
            Event::Policy { chain, verdict, .. } => self.policy(*chain, *verdict),
            Event::Write { field, old, new, by } => {
                let rule = writer(self.model, self.trace, index);
                self.write(*field, (*old, *new), rule.map_or(*by, Cause::Rule))
            }
            Event::Answer { fact, label, assumed, .. } => {
                let question = fact.question(self.model, self.trace.start.family());
                self.answer(fact, &question, (label, *assumed))
            }
            Event::State { rule, text, held } => {
                let went = if *held { "holds" } else { "does not hold" };
                vec![format!("The rule's own state is read: {text}. Its condition {went}."), (self.cite)(*rule)]
            }
            Event::Note { step, text } => vec![format!("{}: {text}", step_words(*step))],
            Event::Route(d) => self.route(d, index),
            Event::Reply { rule, packet } => {
                let to = Field::Daddr.print(packet.or_zero(Field::Daddr), packet.family());
                vec![format!("An answer is sent to {to}, by {}.", (self.cite)(*rule))]
            }
            Event::Fate(f) => self.fate(f),
        }
    }

    fn label(&self, chain: ChainId) -> Option<String> {
        let what = self.labels.chain(chain)?;
        Some(match self.labels.owner(chain) {
            Some(owner) => format!("{}: {what} ({owner}).", self.model.chain_name(chain)),
            None => format!("{}: {what}.", self.model.chain_name(chain)),
        })
    }

    fn enter(&self, chain: ChainId) -> Vec<String> {
        let Some(base) = &self.model.chain(chain).base else { return Vec::new() };
        let mut out = vec![format!(
            "The base chain {} of {} runs, at priority {}.",
            self.model.chain_name(chain),
            self.model.name(self.model.table_of(chain).name),
            base.priority
        )];
        if base.kind == ChainKind::Nat {
            out.push("It is asked for the first packet of a connection only.".to_string());
        }
        out.extend(self.label(chain));
        out
    }

    fn rule(&self, rule: RuleId, verdict: Verdict, missed: u32) -> Vec<String> {
        let mut out = vec![format!("The rule matches: {}.", verdict_words(self.model, verdict))];
        if let Some(label) = self.labels.rule(rule) {
            out.push(format!("{label}."));
        }
        out.push((self.cite)(rule));
        if missed > 0 {
            out.push(format!("{missed} {} before it did not match.", if missed == 1 { "rule" } else { "rules" }));
        }
        if let Verdict::Jump(c) | Verdict::Goto(c) = verdict {
            out.extend(self.label(c));
        }
        out
    }

    fn returned(&self, chain: ChainId, index: usize) -> Vec<String> {
        let name = self.model.chain_name(chain);
        let called = self.trace.events[..index].iter().rev().find_map(|e| match e {
            Event::Rule { rule, verdict: Verdict::Jump(c), .. } if *c == chain => Some(*rule),
            _ => None,
        });
        let back = called.map_or_else(String::new, |r| format!(" The walk goes on behind {}.", (self.cite)(r)));
        vec![format!("The end of {name} is reached: no rule of it decided.{back}")]
    }

    fn policy(&self, chain: ChainId, verdict: Verdict) -> Vec<String> {
        let (name, table) = (self.model.chain_name(chain), self.model.name(self.model.table_of(chain).name));
        let what = if verdict == Verdict::Drop { "drops the packet" } else { "accepts" };
        vec![format!("No rule of {name} in {table} decided, so its policy {what}.")]
    }

    fn write(&self, field: Field, (old, new): (Got, Got), by: Cause) -> Vec<String> {
        let family = self.trace.start.family();
        let show = |got: Got| match got {
            Got::Value(v) => field.print(v, family),
            Got::Absent => "none".to_string(),
            Got::Unknown => "unknown".to_string(),
        };
        let mut out = vec![format!("{} {} => {}", field.name(), show(old), show(new))];
        out.push(match by {
            Cause::Rule(rule) => format!("Written by {}.", (self.cite)(rule)),
            Cause::Step(step) => format!("{}.", step_words(step)),
        });
        if let (Field::Mark, Got::Value(v)) = (field, new) {
            let mark = u32::try_from(v).unwrap_or(u32::MAX);
            out.extend(self.labels.mark(mark).into_iter().map(|m| format!("{m}.")));
        }
        if matches!(field, Field::Daddr | Field::Dport) {
            out.push("Rules behind this see the new value; conntrack remembers the old one.".to_string());
        }
        out
    }

    fn answer(&self, fact: &Fact, question: &str, (label, assumed): (&str, bool)) -> Vec<String> {
        let mut out = vec![format!("{}? {label}.", capital(question))];
        if assumed {
            let of = |t: &&Taken| matches!(t, Taken::Answer { fact: of, .. } if of == fact);
            let why = self.trace.taken.iter().find(of).map(|t| t.told(self.model));
            let why = why.map_or_else(String::new, |a| format!(": {} ({})", a.why, a.flag));
            out.push(format!("Neither dump nor packet tells; it is assumed{why}."));
        } else {
            out.push("Neither dump nor packet tells; the other answers are other outcomes.".to_string());
        }
        out
    }

    /// A decision, with what led to it: the last write of the destination.
    fn route(&self, decision: &Decision, index: usize) -> Vec<String> {
        let packet = self.trace.packet_at(index);
        let family = packet.family();
        let to = Field::Daddr.print(packet.or_zero(Field::Daddr), family);
        let device = |oif: &Option<Value>| {
            oif.map_or_else(|| "a device that is not known".to_string(), |v| Field::Oif.print(v, family))
        };
        let mut out = vec![match decision {
            Decision::Local => format!("{to} is an address of this host: the packet is for it, INPUT is next."),
            Decision::Forward { oif, .. } => {
                format!("{to} is not this host: the packet is forwarded by {}, INPUT is not on its way.", device(oif))
            }
            Decision::Bridged => "The frame stays on the bridge.".to_string(),
            Decision::Output { oif, .. } => format!("The packet leaves for {to} by {}.", device(oif)),
        }];
        let since = self.trace.since(Field::Daddr, index).and_then(|i| Some((i, self.trace.events.get(i)?)));
        if let Some((at, Event::Write { old: Got::Value(old), .. })) = since
            && let Some(rule) = writer(self.model, self.trace, at)
        {
            let old = Field::Daddr.print(*old, family);
            out.push(format!("The destination was {old} until {} rewrote it.", (self.cite)(rule)));
        }
        out
    }

    fn fate(&self, fate: &Fate) -> Vec<String> {
        let dev =
            |v: &Option<Value>| v.map_or_else(|| "a device that is not known".to_string(), |v| Field::Oif.print(v, 2));
        vec![match fate {
            Fate::Out { oif, also_local } => {
                let copy = if *also_local { ", and a copy of it is delivered here" } else { "" };
                format!("The packet leaves by {}{copy}.", dev(oif))
            }
            Fate::Local { iif } => format!("The packet is delivered to this host; it came in by {}.", dev(&Some(*iif))),
            Fate::Drop { hook, by: By::Rule { rule, hotdrop, .. } } => {
                let how = if *hotdrop { " while it was looking at it" } else { "" };
                format!("The packet is dropped in {} by {}{how}.", upper(*hook), (self.cite)(*rule))
            }
            Fate::Drop { hook, by: By::Policy(c) } => {
                format!("The packet is dropped in {} by the policy of {}.", upper(*hook), self.model.chain_name(*c))
            }
            Fate::DropInHook { hook, why } => format!("The packet vanishes in {}: {why}.", upper(*hook)),
            Fate::StackDrop { after, why } => {
                let after = after.map_or_else(|| "before any hook".to_string(), |h| format!("behind {}", upper(h)));
                format!("The host refuses the packet {after}: {why}. No rule did it.")
            }
            Fate::Bridged { port } => format!("The frame crosses the bridge to {}.", dev(port)),
            Fate::SendError { errno, why } => format!("The packet cannot be sent ({errno}): {why}."),
            Fate::Stolen { rule, .. } => format!("{} takes the packet away.", (self.cite)(*rule)),
            Fate::Undetermined { reason } => format!("The inputs don't tell what becomes of the packet: {reason}."),
        }]
    }
}

fn upper(hook: Hook) -> String {
    hook.name().to_uppercase()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn hook_words(hook: Hook) -> &'static str {
    match hook {
        Hook::Ingress => "Every frame that arrives at a device with such a chain passes here, before anything else.",
        Hook::Prerouting => "Everything that arrives passes here, before the host knows whether the packet is for it.",
        Hook::Input => "Only packets for the host itself pass here.",
        Hook::Forward => "Only packets that go through the host pass here.",
        Hook::Output => "Only packets of the host itself pass here.",
        Hook::Postrouting => "Everything that leaves passes here, after routing.",
        Hook::Egress => "Every frame that leaves by a device with such a chain passes here, behind everything else.",
    }
}

fn step_words(step: Step) -> &'static str {
    match step {
        Step::Start => "Where the packet starts",
        Step::Defrag => "Fragments are put together",
        Step::Conntrack => "Connection tracking looks the packet up",
        Step::Nat => "The connection's address translation is carried out",
        Step::RouteIn => "Routing of an arriving packet",
        Step::RouteOut => "Routing of a packet of this host",
        Step::Reroute => "Routing again, because the packet was changed",
        Step::Forward => "Forwarding",
        Step::Confirm => "The connection is confirmed",
        Step::Loopback => "Over the loopback device and in again",
        Step::LoopedCopy => "A copy of a broadcast of this host comes in again",
        Step::Bridge => "The bridge",
    }
}

fn verdict_words(model: &Model, verdict: Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept, which ends this base chain; others of the hook still run".to_string(),
        Verdict::Drop => "drop, which is final".to_string(),
        Verdict::Jump(c) => format!("on to {}, and back here if nothing decides there", model.chain_name(c)),
        Verdict::Goto(c) => format!("on to {}, without coming back here", model.chain_name(c)),
        Verdict::Return => "back to the caller".to_string(),
        Verdict::Continue => "it does something and the next rule follows".to_string(),
        Verdict::Stolen => "it takes the packet away".to_string(),
        Verdict::Queue { num, .. } => format!("to the program behind queue {num}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BaseChain, Dialect, Draft, Family};
    use crate::packet::Packet;
    use nettrace_grammar::Span;

    fn story() -> (Model, Trace) {
        let mut model = Model::default();
        let table = model.add_table(Family::Ip, "nat", Dialect::Legacy, Span::default());
        let base = BaseChain {
            hook: Hook::Prerouting,
            kind: ChainKind::Nat,
            priority: -100,
            policy: Verdict::Accept,
            told: true,
            devices: Vec::new(),
            order: 0,
        };
        let pre = model.add_chain(table, "PREROUTING", Some(base), Span::default());
        let rule = model.append_rule(pre, &Draft::default(), Span::default());
        let mut start = Packet::default();
        start.set(Field::Family, 2);
        start.set(Field::Daddr, 0x0a00_0001);
        let write = Event::Write {
            field: Field::Daddr,
            old: Got::Value(0x0a00_0001),
            new: Got::Value(0x0a2a_0001),
            by: Cause::Rule(rule),
        };
        let events = vec![
            Event::Hook(Hook::Prerouting),
            Event::Enter(pre),
            Event::Rule { rule, index: 0, from: 0, verdict: Verdict::Accept, depth: 0 },
            write,
            Event::Route(Decision::Forward { oif: None, nexthop: None }),
            Event::Policy { chain: pre, from: 1, verdict: Verdict::Drop },
        ];
        (model, Trace { start, events, given: std::sync::Arc::default(), taken: Vec::new() })
    }

    #[test]
    fn each_kind_of_step_says_what_it_is() {
        let (model, trace) = story();
        let labels = Labels::build(&model);
        let teller = Teller { model: &model, labels: &labels, trace: &trace, cite: &|r| format!("rule {}", r.0) };
        let check = |event, expect: &[&str]| {
            let told = teller.tell(event).join("\n");
            for part in expect {
                assert!(told.contains(part), "{part} is missing in: {told}");
            }
        };
        check(0, &["enters PREROUTING", "before the host knows"]);
        check(1, &["priority -100", "first packet of a connection"]);
        check(2, &["The rule matches: accept", "rule 0"]);
        check(3, &["daddr 10.0.0.1 => 10.42.0.1", "Written by rule 0", "conntrack remembers"]);
        check(4, &["10.42.0.1 is not this host", "INPUT is not on its way", "was 10.0.0.1 until rule 0"]);
        check(5, &["its policy drops"]);
        assert!(teller.tell(99).is_empty());
    }
}
