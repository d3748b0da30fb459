//! Facts: what the walk asks for when packet, host and rules don't tell.
//!
//! The walker is linear. It asks a [`Chooser`] for a fact ("is 10.0.0.9 local", "is this key in that set"), never for the
//! result of a test, and never twice in one walk, so no outcome contradicts itself. Left out: taking all the answers
//! ([`crate::explore`]).

mod taken;

use std::borrow::Cow;
use std::fmt::{self, Display};

pub use taken::{Assumption, NO_SYSCTL, Noted, RulePlace, Taken};

use crate::field::{Field, Value, address, to_address};
use crate::model::{ExprId, Model, Program, ProgramId, RuleId, SetId, TextId};
use crate::packet::Packet;

/// One question. Two equal facts have one answer in a walk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A random draw at a rule; `at` tells draws of the same rule in one walk apart.
    Chance {
        /// The op.
        site: u32,
        /// Number of the draw in this walk.
        at: u32,
        /// The expression that draws, where the op's own test does not.
        expr: Option<ExprId>,
    },
    /// Where the counter of a `numgen inc` stands, which no listing tells; the op that reads it names its rule.
    Counter(ExprId, u32),
    /// Whether an address belongs to this host (family 2 or 10).
    IsLocal(Value, Value),
    /// The value of a field for which there is no input; `key` tells different routes apart (a destination).
    Field(Field, Value),
    /// Whether a key is in a set (and, for an ipset, for these directions).
    Member(SetId, Vec<Value>),
    /// Whether a condition that is only understood as text holds, for a packet with this [`endpoints`]: address translation
    /// may change the answer.
    Opaque(TextId, u64),
    /// Whether payload bytes that nobody gave hold what a text search looks for.
    Payload(ProgramId),
    /// What a target that is only understood as text does: 0 continue, 1 accept, 2 drop.
    Target(TextId),
    /// Whether a socket listens that a transparent proxy could use.
    Listener,
    /// What the program behind a queue says: 0 nobody listens, 1 accept, 2 drop.
    Queue(u16),
    /// Which of several next hops a route uses.
    NextHop(Value),
    /// Whether forwarding finds a route at all: no routes were given.
    Route(Value),
    /// The order of two sets of hooks that the dumps do not tell: 0 legacy tables run first, 1 nft chains do.
    MixedOrder,
    /// Anything else that the walk needs and names itself.
    Other(&'static str),
}

/// One possible answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What the walk gets.
    pub value: Value,
    /// For people.
    pub label: Cow<'static, str>,
    /// Probability, if it is known.
    pub odds: Option<f64>,
}

/// How a fact is answered when nobody says.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// Index of the declared answer.
    pub index: usize,
    /// Why it is a sensible one.
    pub why: &'static str,
}

/// All answers to a fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The answers; the first is tried first.
    pub choices: Vec<Choice>,
    /// Stands in without exploring, and is listed as an assumption.
    pub default: Option<Declared>,
    /// More answers exist than are listed.
    pub open: bool,
}

impl Choice {
    /// An answer of unknown probability.
    pub fn new(value: Value, label: impl Into<Cow<'static, str>>) -> Self {
        Choice { value, label: label.into(), odds: None }
    }
}

impl Options {
    /// Yes or no, both explored.
    pub fn yes_no() -> Self {
        Self::of(vec![Choice::new(1, "yes"), Choice::new(0, "no")])
    }

    /// These, all explored.
    pub fn of(choices: Vec<Choice>) -> Self {
        Options { choices, default: None, open: false }
    }

    /// The same, with the answer `value` standing in.
    #[must_use]
    pub fn or_assume(mut self, value: Value, why: &'static str) -> Self {
        let index = self.choices.iter().position(|c| c.value == value);
        self.default = index.map(|index| Declared { index, why });
        self
    }
}

/// The name by which `--assume NAME=ANSWER` pins a fact. It is written only where somebody pinned something.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a>(&'a Fact, &'a Model);

impl Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key(fact, model) = self;
        match fact {
            Fact::Chance { site, at, expr: None } => write!(f, "chance:{site}.{at}"),
            Fact::Chance { site, at, expr: Some(expr) } => write!(f, "chance:{site}.{at}.{}", expr.0),
            Fact::Counter(_, site) => write!(f, "numgen:{}", place_of(model, *site)),
            Fact::IsLocal(family, addr) => write!(f, "local:{}", to_address(*addr, *family)),
            Fact::Field(field, _) => f.write_str(&field.name().replace(' ', "-")),
            Fact::Member(set, key) => {
                let key: Vec<_> = key.iter().map(|v| show_key_part(*v, family_of(*v))).collect();
                let name = model.set(*set).name.map_or("anonymous", |n| model.name(n));
                write!(f, "in:{name}:{}", key.join(","))
            }
            Fact::Opaque(text, _) => write!(f, "holds:{}", model.text(*text)),
            Fact::Payload(id) => write!(f, "payload:{}", searched(model, *id)),
            Fact::Target(text) => write!(f, "target:{}", model.text(*text)),
            Fact::Listener => f.write_str("listener"),
            Fact::Queue(num) => write!(f, "queue:{num}"),
            Fact::NextHop(_) => f.write_str("nexthop"),
            Fact::Route(addr) => write!(f, "route:{}", to_address(*addr, family_of(*addr))),
            Fact::MixedOrder => f.write_str("order"),
            Fact::Other(what) => f.write_str(what),
        }
    }
}

impl Fact {
    /// The name by which it is pinned.
    pub fn key<'a>(&'a self, model: &'a Model) -> Key<'a> {
        Key(self, model)
    }

    /// The question in words; addresses are shown in `family`.
    pub fn question(&self, model: &Model, family: Value) -> String {
        match self {
            Fact::Chance { .. } => "which way a random choice falls".to_string(),
            Fact::Counter(_, site) => format!("the numgen counter of {}", place_of(model, *site)),
            Fact::IsLocal(family, addr) => format!("is {} an address of this host", to_address(*addr, *family)),
            Fact::Field(field, _) => format!("the packet's {}", field_words(*field)),
            Fact::Member(set, key) => {
                let name = model.set(*set).name.map_or("an anonymous set", |n| model.name(n));
                let shown: Vec<_> = key.iter().map(|v| show_key_part(*v, family)).collect();
                format!("is {} in set {name}", shown.join(","))
            }
            Fact::Opaque(text, _) => format!("does `{}` hold", model.text(*text)),
            Fact::Payload(id) => format!("does the payload contain `{}`", searched(model, *id)),
            Fact::Target(text) => format!("what does `{}` do", model.text(*text)),
            Fact::Listener => "is there a socket of a transparent proxy".to_string(),
            Fact::Queue(num) => format!("what the program behind queue {num} says"),
            Fact::NextHop(_) => "which next hop the route uses".to_string(),
            Fact::Route(addr) => format!("is there a route to {}", to_address(*addr, family)),
            Fact::MixedOrder => "which of iptables-legacy and nft runs first at the same priority".to_string(),
            Fact::Other(what) => other_question(what).to_string(),
        }
    }
}

/// The rule of an op, in words.
fn place_of(model: &Model, site: u32) -> String {
    let rule = RuleId((model.rules.partition_point(|r| r.ops.start <= site) as u32).saturating_sub(1));
    match model.rules.get(rule.0 as usize) {
        Some(_) => RulePlace(model, rule, model.position(rule).unwrap_or(0)).to_string(),
        None => "a rule".to_string(),
    }
}

/// The text that a `-m string` looks for.
fn searched(model: &Model, id: ProgramId) -> String {
    match model.programs.get(id.0 as usize) {
        Some(Program::Str { pattern, .. }) => String::from_utf8_lossy(pattern).into_owned(),
        _ => "what the rule looks for".to_string(),
    }
}

/// What tells a packet's ends apart: its addresses and ports, as one number.
pub fn endpoints(packet: &Packet) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut h = rustc_hash::FxHasher::default();
    [Field::Saddr, Field::Daddr, Field::Sport, Field::Dport].map(|f| packet.or_zero(f)).hash(&mut h);
    h.finish()
}

/// A field in words that a reader of dumps has not learned yet.
pub(crate) fn field_words(field: Field) -> &'static str {
    match field {
        Field::Iif => "incoming device",
        Field::Oif => "outgoing device",
        Field::PhysIn => "incoming bridge port",
        Field::PhysOut => "outgoing bridge port",
        Field::CtState => "connection state",
        Field::EtherSaddr => "source MAC address",
        Field::EtherDaddr => "destination MAC address",
        Field::Hour => "time of day (UTC)",
        Field::Day => "day of the week (UTC)",
        Field::MonthDay => "day of the month (UTC)",
        Field::Time => "time (UTC)",
        Field::Cpu => "CPU",
        Field::Ipsec => "passage through IPsec",
        Field::IpsecReqid => "IPsec request id",
        Field::IpsecSpi => "IPsec security parameter index",
        Field::OsfName => "sender's operating system by its fingerprint",
        Field::Ipvs => "passage through IPVS",
        Field::SockTransparent => "socket lookup (transparent)",
        Field::SockMark => "socket lookup (mark)",
        Field::SockWildcard => "socket lookup (wildcard)",
        other => other.name(),
    }
}

/// The questions that the walk names itself.
fn other_question(what: &str) -> &str {
    match what {
        "payload" => "the packet's payload",
        "nat-port" => "the port that the kernel picks at random for a translated connection",
        "masquerade-address" => "the address that masquerading takes",
        "redirect-address" => "the address that REDIRECT takes",
        "translation" => "the translation of the connection",
        "flowtable" => "is a flowtable at work for this connection",
        "vrf" => "is the incoming device one of a VRF",
        "joined" => "is this host in the multicast group",
        "delivered" => "is there a route to this host in the table that was not given",
        "synproxy-cookie" => "is the SYN cookie of this ACK right",
        other => other,
    }
}

impl Fact {
    /// An answer that is not one of a list: an address, a device, a number.
    pub fn typed(&self, text: &str) -> Option<Value> {
        let addr = || text.parse().ok().map(address);
        match self {
            Fact::Field(field, _) => field.parse(text),
            Fact::Other("masquerade-address" | "redirect-address") => addr(),
            Fact::Other("nat-port") => text.parse::<u16>().ok().map(Value::from),
            _ => None,
        }
    }
}

/// `--assume 'local:10.0.0.9=yes'`, as a shell takes it.
pub fn pin(key: &dyn Display, answer: &str) -> String {
    format!("--assume '{}={}'", key.to_string().replace('\'', "'\\''"), answer.replace('\'', "'\\''"))
}

/// The family that an address is of, by its size.
fn family_of(addr: Value) -> Value {
    if addr >> 32 == 0 { 2 } else { 10 }
}

fn show_key_part(value: Value, family: Value) -> String {
    if value > 0xffff { to_address(value, family).to_string() } else { value.to_string() }
}

/// Answers facts during a walk.
pub trait Chooser {
    /// The index of the answer taken; the key names the fact.
    fn choose(&mut self, key: &dyn Display, options: &Options) -> usize;

    /// What the user says about a fact, `ask` included.
    fn given(&mut self, key: &dyn Display) -> Option<&str> {
        let _ = key;
        None
    }

    /// A walk is over that looked at so many rules and wrote so many events.
    fn spent(&mut self, rules: u64, events: u64) {
        let _ = (rules, events);
    }
}
