//! The machine: takes a packet through the hooks and writes down what happens.
//!
//! It is linear and deterministic. Where the inputs don't tell it asks for a fact and goes on with the answer. The way is
//! a sequence of stages (`path`); a hook's contents are data ([`crate::model::HookPlan`]); rules run in `chain` and `ops`; the
//! stateful built-ins have a file each.

mod bridge;
mod chain;
mod conntrack;
mod effects;
mod fragment;
mod ipset;
mod nat;
mod ops;
mod options;
mod path;
mod reply;
mod route;
mod shown;
mod stateful;
mod tcp;
mod values;
mod window;

use std::borrow::Cow;

use crate::World;
use crate::eval::{self, Facts, View};
use crate::fact::{Chooser, Fact, Noted, Taken};
use crate::field::{Field, Value};
use crate::model::{self, Hook, RuleId, Traits};
use crate::packet::{Got, Packet};
use crate::spec::Start;
use crate::state::State;
use crate::trace::{Cause, Event, Fate, Step, Trace};

use conntrack::Attached;

/// As many events as most walks write.
const EVENTS: usize = 128;

/// Walks one packet.
pub fn walk(world: World, start: &Start, state: &mut State, ask: &mut dyn Chooser) -> Trace {
    let mut m = Machine {
        world,
        packet: start.packet.clone(),
        state,
        ask,
        facts: Facts::default(),
        events: Vec::with_capacity(EVENTS),
        taken: Noted::default(),
        attached: None,
        template: conntrack::Template::default(),
        frame: None,
        hook: Hook::Prerouting,
        steps: 0,
        evaluation: 0,
        site: 0,
        index: 0,
        local: start.local,
        given_ct: start.ct_state,
        way: route::Way::default(),
        own_end: start.own,
        traits: world.model.traits(),
        callers: Vec::new(),
    };
    let fate = m.travel();
    m.store_connection();
    m.events.push(Event::Fate(fate));
    m.ask.spent(m.steps, m.events.len() as u64);
    Trace {
        start: start.packet.clone().settled(),
        events: m.events,
        given: start.assumptions.clone(),
        taken: m.taken.list(),
    }
}

/// The state of one walk.
struct Machine<'a> {
    world: World<'a>,
    packet: Packet,
    state: &'a mut State,
    ask: &'a mut dyn Chooser,
    facts: Facts,
    events: Vec<Event>,
    taken: Noted,
    /// The packet's connection.
    attached: Option<Attached>,
    /// What `CT` targets said before conntrack saw the packet.
    template: conntrack::Template,
    /// A frame on a bridge: whose the bridge takes it for, as packet type.
    frame: Option<Got>,
    /// The hook that runs.
    hook: Hook,
    /// Rules looked at.
    steps: u64,
    /// How many events there were when the running rule began: tells random draws apart.
    evaluation: u32,
    /// The op that runs.
    site: u32,
    /// Index of the rule that runs, in its chain.
    index: u32,
    /// Made by this host.
    local: bool,
    /// Conntrack state that the user gave by hand.
    given_ct: Option<Value>,
    /// The route the packet has now.
    way: route::Way,
    /// The packet's end at this host, where no `ip addr` tells: where it arrives for, or where it is made.
    own_end: Option<Value>,
    /// What the rules together are like.
    traits: Traits,
    /// The callers of the chain that runs; kept for the next base chain.
    callers: Vec<chain::Frame>,
}

impl Machine<'_> {
    fn view(&self, site: u32) -> View<'_> {
        View {
            world: self.world,
            packet: &self.packet,
            hook: self.hook,
            facts: &self.facts,
            state: self.state,
            site,
            at: self.evaluation,
        }
    }

    /// Changes a field and writes it down. What a built-in step makes of a default is still one.
    fn write(&mut self, field: Field, new: Got, by: Cause) {
        let old = self.packet.get(field);
        if old != new {
            match (new, by, self.packet.default_of(field)) {
                (Got::Value(v), Cause::Step(_), Some(_)) => self.packet.stand_in(field, v),
                _ => self.packet.put(field, new),
            }
            self.events.push(Event::Write { field, old, new, by });
        }
    }

    fn set(&mut self, field: Field, value: Value, by: Cause) {
        self.write(field, Got::Value(value), by);
    }

    fn note(&mut self, step: Step, text: impl Into<String>) {
        self.events.push(Event::Note { step, text: text.into() });
    }

    /// Gets a fact answered, once a walk.
    fn answer(&mut self, fact: Fact) -> Value {
        if let Some(known) = self.facts.get(&fact) {
            return known;
        }
        if let Fact::Field(field, _) = fact
            && let Some(default) = self.packet.default_of(field)
        {
            return self.take_default(field, default);
        }
        let model = self.world.model;
        let given = self.ask.given(&fact.key(model));
        let (pinned, typed) = (given.is_some(), given.and_then(|text| Some((fact.typed(text)?, text.to_string()))));
        let (value, label, assumed) = match typed {
            Some((value, label)) => (value, label.into(), false),
            None => self.chosen(&fact, pinned),
        };
        self.facts.put(fact.clone(), value);
        self.events.push(Event::Answer { fact, value, label, assumed });
        value
    }

    /// A rule asks for what a default stands for: now that is an assumption.
    fn take_default(&mut self, field: Field, default: Got) -> Value {
        self.packet.put(field, default);
        self.taken.note(Taken::Default { field, value: default.value(), family: self.packet.family() });
        default.value().unwrap_or(eval::ABSENT)
    }

    /// One of a fact's listed answers; a declared one that nobody asked for is listed as an assumption.
    fn chosen(&mut self, fact: &Fact, given: bool) -> (Value, Cow<'static, str>, bool) {
        let model = self.world.model;
        let mut options = options::of(self.world, &self.packet, fact);
        if matches!(fact, Fact::IsLocal(_, addr) if Some(*addr) == self.own_end) {
            options = options.or_assume(1, "no `ip addr` was given: the packet's own end counts as this host");
        }
        let index = self.ask.choose(&fact.key(model), &options).min(options.choices.len().saturating_sub(1));
        let Some(choice) = options.choices.get(index) else { return (0, Cow::Borrowed(""), false) };
        let declared = options.default.as_ref().filter(|d| d.index == index && !given);
        if let Some(d) = declared {
            self.taken.note(Taken::Answer {
                fact: fact.clone(),
                family: self.packet.family(),
                answer: choice.label.clone(),
                other: options.choices.get(usize::from(index == 0)).map(|c| c.label.clone()),
                why: d.why,
            });
        }
        (choice.value, choice.label.clone(), declared.is_some())
    }

    /// The value of an expression, asking for what is open; `None` when absent.
    fn value(&mut self, site: u32, expr: model::ExprId) -> Option<Value> {
        loop {
            match eval::value(self.view(site), expr) {
                eval::Eval::Value(v) => return Some(v),
                eval::Eval::Absent => return None,
                eval::Eval::Ask(fact) => {
                    self.answer(fact);
                }
            }
        }
    }

    /// The value of a field, asking for it when it is unknown.
    fn field(&mut self, field: Field) -> Option<Value> {
        match self.packet.told(field) {
            Got::Value(v) => Some(v),
            Got::Absent => None,
            Got::Unknown => Some(self.answer(eval::field_fact(&self.packet, field))).filter(|v| *v != eval::ABSENT),
        }
    }

    /// The value of a field as far as it is known or was asked for; 0 when it is not.
    fn known(&self, field: Field) -> Value {
        let asked = || self.facts.get(&eval::field_fact(&self.packet, field)).filter(|v| *v != eval::ABSENT);
        match self.packet.get(field) {
            Got::Value(v) => v,
            Got::Absent => 0,
            Got::Unknown => asked().unwrap_or(0),
        }
    }

    fn undetermined(reason: impl Into<String>) -> Fate {
        Fate::Undetermined { reason: reason.into() }
    }

    fn stolen(&self, rule: RuleId) -> Fate {
        Fate::Stolen { hook: self.hook, rule }
    }
}
