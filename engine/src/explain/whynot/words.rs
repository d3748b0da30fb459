//! A reason in words and as JSON.
//!
//! `filter INPUT rule 1: the packet does not pass INPUT: routing behind the DNAT sends it on to 10.42.0.59, …`

use serde_json::{Value as Json, json};

use super::{Failed, Inquiry, NotHooked, Reason, WhyNot, is_nat, writer};
use crate::field::{Field, device_name, to_address};
use crate::model::{Hook, Model, RuleId, Verdict};
use crate::trace::{Cause, Decision, Event, Fate, Step};

/// A rule as people cite it: `filter/INPUT#1`.
pub fn rule_name(model: &Model, rule: RuleId) -> String {
    let chain = model.rule(rule).chain;
    let table = model.name(model.table_of(chain).name);
    let name = model.chain_name(chain);
    model.position(rule).map_or_else(|| format!("{table}/{name}, taken out"), |p| format!("{table}/{name}#{p}"))
}

/// How the caller cites a rule: with file and line, dimmed, as a link.
pub type Cite<'c> = dyn Fn(RuleId) -> String + 'c;

impl Inquiry<'_> {
    /// The reason in a sentence or two; `cite` names rules.
    pub fn words(&self, why: &WhyNot, cite: &Cite) -> String {
        self.reason_words(&why.reason, cite)
    }

    fn reason_words(&self, reason: &Reason, cite: &Cite) -> String {
        match reason {
            Reason::Decided { event } => match self.events().get(*event) {
                Some(Event::Rule { rule, .. }) if is_nat(self.recall.world.model, *rule) => {
                    "it did: this rule decided the connection's translation".to_string()
                }
                _ => format!("it did: {}", self.event_words(*event, cite)),
            },
            Reason::MatchedNotDeciding { event, then } => {
                let then = then.map(|t| format!("; what decided is {}", self.event_words(t, cite))).unwrap_or_default();
                format!("it matched, and {}{then}", self.verdict_words(*event))
            }
            Reason::ConditionFailed(f) => self.failed_words(f, cite),
            Reason::EndedBefore { event } => {
                format!("the packet did not come this far: {}", self.event_words(*event, cite))
            }
            Reason::ChainNotEntered { jump, because } => {
                format!(
                    "its chain was not entered: {} does not lead there, for {}",
                    cite(*jump),
                    self.reason_words(because, cite)
                )
            }
            Reason::HookNotOnPath { hooks, decision, even_there } => {
                let there = even_there.as_ref().map(|f| format!("; and even there {}", self.failed_words(f, cite)));
                let way = self.decision_words(*decision, cite);
                format!("the packet does not pass {}: {way}{}", hook_names(hooks), there.unwrap_or_default())
            }
            Reason::NatAlreadyDecided { event: Some(e) } => {
                let by = match self.events().get(*e) {
                    Some(Event::Rule { rule, .. }) => cite(*rule),
                    _ => "another rule".to_string(),
                };
                format!("NAT rules are asked until one decides, and {by} had decided")
            }
            Reason::NatAlreadyDecided { event: None } if self.events().contains(&Event::Hook(Hook::Output)) => {
                "NAT rules are asked once for a packet, and this one passed them in OUTPUT, before it came in again by \
                 the loopback device"
                    .to_string()
            }
            Reason::NatAlreadyDecided { event: None } => {
                "NAT rules are only asked for the first packet of a tracked connection, which this one is not"
                    .to_string()
            }
            Reason::NotHooked(why) => not_hooked_words(*why).to_string(),
        }
    }

    fn failed_words(&self, f: &Failed, cite: &Cite) -> String {
        let Some(field) = f.field else {
            return match f.had.as_str() {
                "" => format!("`{}` does not hold", f.wanted),
                had => format!("it asks for {}, and that is {had}", f.wanted),
            };
        };
        let since = f.since.map(|s| format!(" since {}", self.cause_words(s, cite))).unwrap_or_default();
        let before = f.matched_at.and_then(|m| self.before_words(field, m)).unwrap_or_default();
        format!("it asks for {}, and {} is {}{since}{before}", f.wanted, field.name(), f.had)
    }

    /// `; in mangle PREROUTING it was 31002 and this rule would have matched there`.
    fn before_words(&self, field: Field, event: usize) -> Option<String> {
        let Some(Event::Enter(base)) = self.events().get(event) else { return None };
        let model = self.recall.world.model;
        let table = model.name(model.table_of(*base).name);
        let was = self.recall.had(field, &self.recall.trace.packet_at(event), event);
        Some(format!("; in {table} {} it was {was} and this rule would have matched there", model.chain_name(*base)))
    }

    /// What wrote a field.
    fn cause_words(&self, event: usize, cite: &Cite) -> String {
        if let Some(rule) = writer(self.recall.world.model, self.recall.trace, event) {
            return cite(rule);
        }
        match self.events().get(event) {
            Some(Event::Write { by: Cause::Step(s), .. }) => step_words(*s).to_string(),
            _ => "the start".to_string(),
        }
    }

    fn decision_words(&self, decision: Option<usize>, cite: &Cite) -> String {
        let Some((at, Event::Route(decision))) = decision.and_then(|d| Some((d, self.events().get(d)?))) else {
            return match self.recall.trace.fate() {
                Fate::Bridged { .. } => "the bridge passes it on without the IP hooks".to_string(),
                Fate::SendError { errno, why } => format!("sending fails with {errno}: {why}"),
                Fate::StackDrop { why, .. } => format!("it is dropped on the way: {why}"),
                _ => "its way does not lead there".to_string(),
            };
        };
        let packet = self.recall.trace.packet_at(at);
        let daddr = to_address(packet.or_zero(Field::Daddr), packet.family());
        let nat = self.recall.trace.since(Field::Daddr, at).map(|s| format!(" behind {}", self.cause_words(s, cite)));
        let nat = nat.unwrap_or_default();
        let by = |oif: &Option<u128>| oif.map(|o| format!(" by {}", device_name(o))).unwrap_or_default();
        match decision {
            Decision::Local => format!("routing{nat} delivers it here, because {daddr} is an address of this host"),
            Decision::Forward { oif, .. } => {
                format!("routing{nat} sends it to FORWARD{}, because {daddr} is not an address of this host", by(oif))
            }
            Decision::Bridged => "the bridge passes it on to another port".to_string(),
            Decision::Output { oif, .. } => format!("this host sends it{nat}{} to {daddr}", by(oif)),
        }
    }

    /// An event that ended something.
    fn event_words(&self, event: usize, cite: &Cite) -> String {
        let model = self.recall.world.model;
        match self.events().get(event) {
            Some(Event::Rule { rule, verdict, .. }) => match verdict {
                Verdict::Accept => format!("{} accepts", cite(*rule)),
                Verdict::Drop => format!("{} drops", cite(*rule)),
                Verdict::Return => format!("{} returns", cite(*rule)),
                other => format!("{} says {}", cite(*rule), model.show_verdict(*other)),
            },
            Some(Event::Policy { chain, verdict, .. }) => {
                let table = model.name(model.table_of(*chain).name);
                format!("the policy of {table} {} is {}", model.chain_name(*chain), model.show_verdict(*verdict))
            }
            Some(Event::Fate(Fate::StackDrop { why, .. } | Fate::DropInHook { why, .. })) => format!("dropped: {why}"),
            _ => "the walk ends before it".to_string(),
        }
    }

    fn verdict_words(&self, event: usize) -> String {
        match self.events().get(event) {
            Some(Event::Rule { verdict: Verdict::Continue, .. }) => {
                "it has no verdict, the next rule goes on".to_string()
            }
            Some(Event::Rule { verdict: Verdict::Accept, .. }) => {
                "it accepted, which ends its base chain only, not the packet's way".to_string()
            }
            Some(Event::Rule { verdict, .. }) => format!("it says {}", self.recall.world.model.show_verdict(*verdict)),
            _ => "it goes on".to_string(),
        }
    }

    /// The reason as JSON: `code`, `rule` and what proves it.
    pub fn json(&self, why: &WhyNot) -> Json {
        let mut out = self.reason_json(&why.reason);
        if let Json::Object(map) = &mut out {
            map.insert("rule".to_string(), rule_name(self.recall.world.model, why.rule).into());
        }
        out
    }

    fn reason_json(&self, reason: &Reason) -> Json {
        let model = self.recall.world.model;
        let code = reason.code();
        match reason {
            Reason::Decided { event } | Reason::EndedBefore { event } => json!({ "code": code, "event": event }),
            Reason::MatchedNotDeciding { event, then } => json!({ "code": code, "event": event, "decided_by": then }),
            Reason::ConditionFailed(f) => json!({ "code": code, "condition": failed_json(f) }),
            Reason::ChainNotEntered { jump, because } => {
                json!({ "code": code, "jump": rule_name(model, *jump), "because": self.reason_json(because) })
            }
            Reason::HookNotOnPath { hooks, decision, even_there } => json!({
                "code": code,
                "hooks": hooks.iter().map(|h| h.name()).collect::<Vec<_>>(),
                "decision": decision,
                "even_there": even_there.as_ref().map(failed_json),
            }),
            Reason::NatAlreadyDecided { event } => json!({ "code": code, "decided_by": event }),
            Reason::NotHooked(why) => json!({ "code": code, "why": not_hooked_words(*why) }),
        }
    }
}

fn failed_json(f: &Failed) -> Json {
    json!({
        "field": f.field.map(Field::name),
        "wanted": f.wanted,
        "had": f.had,
        "event": f.event,
        "since": f.since,
        "matched_at": f.matched_at,
    })
}

fn hook_names(hooks: &[Hook]) -> String {
    hooks.iter().map(|h| h.name().to_uppercase()).collect::<Vec<_>>().join(" or ")
}

fn not_hooked_words(why: NotHooked) -> &'static str {
    match why {
        NotHooked::NoBase => "no base chain leads to its chain",
        NotHooked::Dormant => "its table is dormant",
        NotHooked::Family => "its table is for the other address family",
        NotHooked::Device => "its chain is for other devices",
        NotHooked::Removed => "it is in no chain",
    }
}

fn step_words(step: Step) -> &'static str {
    match step {
        Step::Start => "the start",
        Step::Defrag => "the fragments were put together",
        Step::Conntrack => "connection tracking",
        Step::Nat => "the connection's NAT mapping",
        Step::RouteIn | Step::RouteOut => "routing",
        Step::Reroute => "routing again",
        Step::Forward => "forwarding",
        Step::Confirm => "the connection was confirmed",
        Step::Loopback => "it came in over loopback",
        Step::LoopedCopy => "its copy came in",
        Step::Bridge => "the bridge",
    }
}
