//! What a walk took for granted, and how it is told: which fact, what is assumed, why, and the flag that changes it.
//!
//! A walk notes it as it knows it ([`Taken`]); the words are made where somebody reads them ([`Assumption`]).

use std::borrow::Cow;
use std::fmt::{self, Display};

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::{Fact, field_words, pin};
use crate::field::{Field, Value};
use crate::host::{Assumed, Family, SysctlKey};
use crate::model::{self, ChainId, Model, RuleId};
use crate::spec::flag_of;

/// Something that was not in the inputs and that the answer takes for granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Assumption {
    /// What it is about.
    pub fact: Cow<'static, str>,
    /// What is assumed.
    pub value: Cow<'static, str>,
    /// Why.
    pub why: Cow<'static, str>,
    /// The flag that changes it.
    pub flag: Cow<'static, str>,
}

/// The same as the walk notes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Taken {
    /// A declared answer stood in for a fact that nobody told.
    Answer {
        /// The fact.
        fact: Fact,
        /// The packet's family: 2 or 10.
        family: Value,
        /// The answer.
        answer: Cow<'static, str>,
        /// Another answer.
        other: Option<Cow<'static, str>>,
        /// Why it is a sensible one.
        why: &'static str,
    },
    /// A rule asked for what nobody gave.
    Default {
        /// The field.
        field: Field,
        /// What stands in for it; none: that there is none.
        value: Option<Value>,
        /// The packet's family.
        family: Value,
    },
    /// The policy of this chain decided, and no line tells it.
    Policy(ChainId),
    /// Something about the host.
    Host(Assumed),
    /// What a rule's state says, which no dump holds.
    State {
        /// The rule.
        rule: RuleId,
        /// Its number in its chain.
        number: u32,
        /// The state in a key: `limit`.
        name: &'static str,
        /// The state in words.
        words: &'static str,
        /// Whether its test held.
        held: bool,
        /// What follows from which state.
        why: &'static str,
        /// Behind the test the rule only logs: whatever it says, the packet goes on as it is.
        logs: bool,
    },
}

/// What a walk took for granted, each once.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    list: Vec<Taken>,
    /// The same, where there are many.
    known: FxHashSet<Taken>,
}

impl Noted {
    /// As many as are looked through one by one.
    const FEW: usize = 16;

    /// Notes one.
    pub fn note(&mut self, taken: Taken) {
        if self.list.len() < Self::FEW {
            if !self.list.contains(&taken) {
                self.list.push(taken);
            }
            return;
        }
        if self.known.is_empty() {
            self.known.extend(self.list.iter().cloned());
        }
        if self.known.insert(taken.clone()) {
            self.list.push(taken);
        }
    }

    /// In the order in which they were noted.
    pub fn list(self) -> Vec<Taken> {
        self.list
    }
}

impl Taken {
    /// In words.
    pub fn told(&self, model: &Model) -> Assumption {
        match self {
            Taken::Answer { fact, family, answer, other, why } => Assumption {
                fact: fact.question(model, *family).into(),
                value: answer.clone(),
                why: (*why).into(),
                flag: flag(fact, model, other.as_deref()).into(),
            },
            Taken::Default { field, value, family } => {
                of_packet(*field, value.map_or_else(|| "none".to_string(), |v| field.print(v, *family)))
            }
            Taken::Policy(chain) => of_policy(model, *chain),
            Taken::Host(assumed) => of_host(assumed),
            Taken::State { rule, number, name, words, held, why, .. } => {
                let (value, other) = if *held { ("yes", "no") } else { ("no", "yes") };
                let place = RulePlace(model, *rule, *number);
                Assumption {
                    fact: format!("does the {words} of {place} match").into(),
                    value: value.into(),
                    why: (*why).into(),
                    flag: pin(&format_args!("{name}:{place}"), other).into(),
                }
            }
        }
    }
}

/// The flag that gives another answer.
fn flag(fact: &Fact, model: &Model, other: Option<&str>) -> String {
    let answer = match fact {
        Fact::Other("flowtable") => return String::new(),
        Fact::Other("translation") => return "give `conntrack -L`".to_string(),
        Fact::Other("payload") => return "payload_hex in --packet".to_string(),
        Fact::Other("masquerade-address" | "redirect-address") => "192.0.2.1",
        Fact::Other("nat-port") => "40001",
        _ => other.unwrap_or("ask"),
    };
    pin(&fact.key(model), answer)
}

/// A rule by its place, as keys name it: `filter/INPUT#3`.
pub struct RulePlace<'m>(pub &'m Model, pub RuleId, pub u32);

impl Display for RulePlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RulePlace(model, rule, number) = self;
        let chain = model.rule(*rule).chain;
        write!(f, "{}/{}#{number}", model.name(model.table_of(chain).name), model.chain_name(chain))
    }
}

fn of_policy(model: &Model, chain: ChainId) -> Assumption {
    let (table, name) = (model.table_of(chain), model.chain_name(chain));
    let program = if table.family == model::Family::Ip6 { "ip6tables" } else { "iptables" };
    let table = model.name(table.name);
    Assumption {
        fact: format!("policy of {name} in {table}").into(),
        value: "ACCEPT".into(),
        why: format!("no line `:{name} …` or `-P {name} …` tells it").into(),
        flag: format!("--with '{program} -t {table} -P {name} DROP'").into(),
    }
}

fn of_packet(field: Field, value: String) -> Assumption {
    Assumption {
        fact: field_words(field).into(),
        value: value.into(),
        why: "not given; a rule asks for it".into(),
        flag: flag_of(field).into(),
    }
}

/// A sysctl has the value that a kernel starts with.
pub const NO_SYSCTL: &str = "no sysctl was given";
/// Another one than that.
const FORWARDS: &str = "no sysctl was given; a new kernel does not forward";

fn forwards(key: &SysctlKey) -> bool {
    matches!(key, SysctlKey::Plain("net.ipv4.ip_forward" | "net.ipv6.conf.all.forwarding"))
}

fn of_host(assumed: &Assumed) -> Assumption {
    let (fact, value, why, flag): (_, Cow<str>, _, Cow<str>) = match assumed {
        Assumed::Sysctl { key, value } => (
            key.to_string().into(),
            value.to_string().into(),
            if forwards(key) && *value != 0 { FORWARDS } else { NO_SYSCTL },
            format!("--sysctl {key}={}", i64::from(*value == 0)).into(),
        ),
        Assumed::DefaultRules(family) => (
            if *family == Family::V4 { "IPv4 policy rules" } else { "IPv6 policy rules" }.into(),
            "local, main, default".into(),
            "no `ip rule` was given",
            "give `ip rule`".into(),
        ),
        // Asked for as a fact, which is listed itself.
        Assumed::Local(addr, local) => (
            format!("is {addr} an address of this host").into(),
            if *local { "yes" } else { "no" }.into(),
            "no `ip addr` was given",
            pin(&format_args!("local:{addr}"), if *local { "no" } else { "yes" }).into(),
        ),
        Assumed::SourceCheckOff(dev) => (
            format!("source check of {dev} (rp_filter)").into(),
            "off".into(),
            "no sysctl was given; where it is 1, the packet is dropped, for the way back to its source is not by this device",
            format!("--sysctl net.ipv4.conf.{dev}.rp_filter=1").into(),
        ),
        Assumed::NotJoined(group, dev) => {
            (format!("group {group} on {dev}").into(), "not joined".into(), "`ip maddr` is no input", "".into())
        }
        // Asked for as a field, which is listed itself.
        Assumed::Packet(field) => return of_packet(*field, "as given".to_string()),
    };
    Assumption { fact, value, why: why.into(), flag }
}
