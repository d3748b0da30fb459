//! The answer as plain data: how it ends, the way there with everything that had no effect folded away, and why other
//! hooks were not on it. Renderers only choose words, columns and colours.
//!
//! Ways that end alike are one [`Ending`]. Left out: the reasons for one particular rule.

mod reduced;
mod telling;

use std::cell::OnceCell;

use crate::World;
use crate::explore::Outcomes;
use crate::fact::{Assumption, Fact, Taken};
use crate::field::{Field, Value};
use crate::host::{Assumed, Dev};
use crate::model::{ChainId, Hook, Model, RuleId};
use crate::packet::{Got, Packet};
use crate::trace::{self, Decision, Event, Fate, Step, Trace};

use super::way::{ChainStep, Change, Way, What};
use super::whynot::{Inquiry, Misses, Stood, is_nat};
use reduced::reduced;
use telling::Telling;

/// How much of the way is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What had an effect.
    Effects,
    /// Every rule that matched, and the ends of chains in which rules were looked at.
    Steps,
    /// The same with every chain end and policy.
    All,
}

/// The answer for one packet.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How it can end, most likely first; never empty.
    pub endings: Vec<Ending>,
    /// Whether every way was explored.
    pub complete: bool,
    /// What was taken for granted and could change the verdict.
    pub assumptions: Vec<Assumption>,
    /// What was taken for granted and cannot: no rule was looked at behind it, or the rule that asked only logs.
    pub details: Vec<Assumption>,
    /// The packet is made by this host.
    pub local: bool,
}

/// Ways that end alike.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Probability, where it is known.
    pub odds: Option<f64>,
    /// What it counts on that may as well be otherwise.
    pub presumed: Vec<Presumed>,
    /// The answers to facts that lead here: any one of these lists.
    pub choices: Vec<Vec<Chosen>>,
    /// The outcome that is told as the way, as an index into the outcomes.
    pub outcome: usize,
    /// The end.
    pub fate: Fate,
    /// The packet at the start.
    pub start: Packet,
    /// The packet at the end.
    pub last: Packet,
    /// What a rule answers to the sender.
    pub reply: Option<(RuleId, Packet)>,
    /// The way.
    pub stages: Vec<Stage>,
    /// Hooks that one may expect on the way and that are not on it.
    pub off: Vec<OffPath>,
}

/// What an ending counts on and nobody told, where the other case is as common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presumed {
    /// The packet belongs to no connection.
    NoConnection,
    /// The device does not check whether it leads back to the source, which it does not.
    NoSourceCheck(Dev),
}

/// An answered fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its key, for `--assume`.
    pub key: String,
    /// The question.
    pub question: String,
    /// The answer taken.
    pub answer: String,
    /// How many answers there were.
    pub options: usize,
    /// It is a random choice with known odds.
    pub chance: bool,
}

/// A part of the way.
#[derive(Clone, Debug)]
pub enum Stage {
    /// A hook.
    Hook {
        /// Its event in the trace.
        event: usize,
        /// Which.
        hook: Hook,
        /// What is told of it.
        rows: Vec<Row>,
    },
    /// A routing decision.
    Route(Routed),
    /// A built-in step between hooks.
    Built(Told),
}

/// What a hook tells.
#[derive(Clone, Debug)]
pub enum Row {
    /// A base chain's run.
    Pass {
        /// The base chain.
        base: ChainId,
        /// Its steps that are told.
        steps: Vec<Kept>,
        /// Rules that matched and are not told.
        folded: usize,
    },
    /// Base chains that had no effect.
    Quiet {
        /// Which.
        bases: Vec<ChainId>,
        /// Rules that matched in them.
        rules: usize,
    },
    /// A built-in step.
    Built(Told),
    /// Routing again.
    Route(Routed),
}

/// A routing decision.
#[derive(Clone, Debug)]
pub struct Routed {
    /// Its event in the trace.
    pub event: usize,
    /// What was decided.
    pub decision: Decision,
    /// For this destination.
    pub to: Got,
    /// In this family.
    pub family: Value,
}

/// A built-in step worth telling.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its first event in the trace.
    pub event: usize,
    /// The event behind everything that it did.
    pub until: usize,
    /// The step.
    pub step: Step,
    /// What it rewrote.
    pub rewrites: Vec<Rewrite>,
    /// What it says.
    pub notes: Vec<String>,
}

/// A step that is told.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its event in the trace.
    pub event: usize,
    /// The event behind everything that it changed.
    pub until: usize,
    /// The chain.
    pub chain: ChainId,
    /// How many jumps deep.
    pub depth: u16,
    /// What happened.
    pub what: What,
    /// What it rewrote.
    pub rewrites: Vec<Rewrite>,
    /// Facts and rule state, in words.
    pub notes: Vec<String>,
    /// The rule's conditions as they stood, where more than effects is told.
    pub conditions: Vec<Stood>,
    /// The rules that were looked at before it without matching, as far as they are told.
    pub misses: Misses,
}

/// Something of the packet that changed, address and port together.
#[derive(Clone, Debug, PartialEq)]
pub enum Rewrite {
    /// The source (or else the destination).
    Endpoint {
        /// The source.
        source: bool,
        /// Address and port before.
        old: (Got, Got),
        /// Address and port behind.
        new: (Got, Got),
    },
    /// Another field.
    Field(Change),
}

/// Hooks that are not on the way, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct OffPath {
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// Why.
    pub why: OffWhy,
}

/// Why a hook is not on the way.
#[derive(Clone, Debug, PartialEq)]
pub enum OffWhy {
    /// The packet goes through this host: its destination (rewritten by that rule) is elsewhere.
    Forwarded {
        /// The destination that was routed.
        to: Got,
        /// The rule that had rewritten it.
        rewritten: Option<RuleId>,
    },
    /// The packet is for this host.
    ForThisHost {
        /// The destination that was routed.
        to: Got,
        /// The rule that had rewritten it.
        rewritten: Option<RuleId>,
    },
    /// The packet is made by this host and leaves it.
    FromThisHost {
        /// The destination that was routed last.
        to: Got,
        /// The rule that had rewritten it.
        rewritten: Option<RuleId>,
    },
    /// The packet ended before.
    EndedBefore,
}

/// The answer that these walks of one packet give.
pub fn answer(world: World, local: bool, detail: Detail, outcomes: &Outcomes<Trace>) -> Answer {
    let model = world.model;
    let mut endings: Vec<Ending> = Vec::new();
    let mut weights: Vec<Vec<f64>> = Vec::new();
    for (index, outcome) in outcomes.list.iter().enumerate() {
        let trace = &outcome.result;
        let choices = chosen(model, trace, &outcome.choices);
        let (fate, last) = (trace.fate(), trace.last_packet());
        if let Some(i) = endings.iter().position(|e| e.fate == fate && alike(&e.last, &last)) {
            endings[i].odds = endings[i].odds.zip(outcome.odds).map(|(a, b)| a + b);
            endings[i].choices.push(choices);
            weights[i].push(outcome.chance);
        } else {
            endings.push(ending(world, local, detail, (index, trace, outcome.odds, choices)));
            weights.push(vec![outcome.chance]);
        }
    }
    for (ending, weight) in endings.iter_mut().zip(weights) {
        let lists = reduced(std::mem::take(&mut ending.choices).into_iter().zip(weight).collect());
        if lists.iter().all(|(list, _)| list.iter().all(|c| c.chance)) {
            ending.odds = Some(lists.iter().map(|(_, w)| w).sum());
        }
        ending.choices = lists.into_iter().map(|(list, _)| list).collect();
    }
    endings.sort_by(|a, b| b.odds.unwrap_or(0.0).total_cmp(&a.odds.unwrap_or(0.0)));
    if let ([only], true) = (endings.as_mut_slice(), outcomes.complete) {
        (only.odds, only.choices) = (Some(1.0), vec![Vec::new()]);
    }
    let (assumptions, details) = assumptions(model, outcomes);
    Answer { endings, complete: outcomes.complete, assumptions, details, local }
}

/// What was taken for granted: what could change the verdict, and what could not.
fn assumptions(model: &Model, outcomes: &Outcomes<Trace>) -> (Vec<Assumption>, Vec<Assumption>) {
    let walks = || outcomes.list.iter().map(|o| &o.result);
    let port_late = OnceCell::new();
    let matters = |taken: &&Taken| match taken {
        Taken::State { logs, .. } => !logs,
        Taken::Answer { fact: Fact::Other("nat-port"), .. } => {
            !port_late.get_or_init(|| walks().all(|t| too_late(model, t)))
        }
        _ => true,
    };
    let all = trace::assumptions(model, walks()).into_iter();
    let (told, details): (Vec<_>, Vec<_>) = all.partition(|(_, of)| of.is_empty() || of.iter().any(matters));
    let words = |list: Vec<(Assumption, Vec<&Taken>)>| list.into_iter().map(|(told, _)| told).collect();
    (words(told), words(details))
}

/// Whether the port which the kernel picks for a masqueraded connection was asked for behind the last rule of a walk:
/// nothing is left that it could change but the packet.
fn too_late(model: &Model, trace: &Trace) -> bool {
    let port = |e: &Event| matches!(e, Event::Answer { fact: Fact::Other("nat-port"), .. });
    // The rule that translates may stand on either side of the answer; behind it its chain has ended.
    let looks = |e: &Event| match e {
        Event::Rule { rule, .. } => !is_nat(model, *rule),
        Event::Enter(chain) => !model.chain(*chain).rules.is_empty(),
        _ => false,
    };
    trace.events.iter().position(port).is_none_or(|at| !trace.events[at..].iter().any(looks))
}

/// What a walk took for granted that may as well be otherwise: that an answer, or a TCP packet in the middle, belongs to no
/// connection, and that nobody asks for the way back.
fn presumed(trace: &Trace) -> Vec<Presumed> {
    let mostly_known = matches!(trace.start.or_zero(Field::Proto), 1 | 6 | 58);
    let arrives = matches!(trace.fate(), Fate::Out { .. } | Fate::Local { .. } | Fate::Stolen { .. });
    let one = |taken: &Taken| match taken {
        Taken::Default { field: Field::CtState, .. } if mostly_known => Some(Presumed::NoConnection),
        Taken::Host(Assumed::SourceCheckOff(dev)) if arrives => Some(Presumed::NoSourceCheck(dev.clone())),
        _ => None,
    };
    trace.taken.iter().filter_map(one).collect()
}

/// Whether two packets look alike to whoever gets them.
fn alike(a: &Packet, b: &Packet) -> bool {
    const SEEN: &[Field] = &[Field::Saddr, Field::Daddr, Field::Sport, Field::Dport, Field::Proto, Field::Tos];
    SEEN.iter().all(|f| a.get(*f) == b.get(*f))
}

fn chosen(model: &Model, trace: &Trace, choices: &[(String, String, usize)]) -> Vec<Chosen> {
    let facts = trace.facts(model);
    let one = |(key, answer, options): &(String, String, usize)| {
        let fact = facts.get(key);
        Chosen {
            key: key.clone(),
            question: fact.map_or_else(|| key.clone(), |f| f.question(model, trace.start.family())),
            answer: answer.clone(),
            options: *options,
            chance: matches!(fact, Some(Fact::Chance { .. })),
        }
    };
    choices.iter().map(one).collect()
}

type Walked<'a> = (usize, &'a Trace, Option<f64>, Vec<Chosen>);

fn ending(world: World, local: bool, detail: Detail, (index, trace, odds, choices): Walked) -> Ending {
    let way = Way::of(world.model, trace);
    let inquiry = (detail >= Detail::Steps).then(|| Inquiry::new(world, trace));
    let telling = Telling { model: world.model, detail, trace, inquiry };
    Ending {
        odds,
        presumed: presumed(trace),
        choices: vec![choices],
        outcome: index,
        fate: trace.fate(),
        start: trace.start.clone(),
        last: trace.last_packet(),
        reply: way.replies.last().cloned(),
        stages: way.parts.iter().filter_map(|p| telling.stage(p)).collect(),
        off: off_path(local, trace, &way),
    }
}

/// The hooks that people look at and that this packet does not meet.
fn off_path(local: bool, trace: &Trace, way: &Way) -> Vec<OffPath> {
    let met: Vec<Hook> = way.hooks().map(|h| h.hook).collect();
    let missing = |hooks: &[Hook]| -> Vec<Hook> { hooks.iter().copied().filter(|h| !met.contains(h)).collect() };
    let routed = way.routes().last();
    let Some((at, decision)) = routed else {
        let hooks =
            if local { missing(&[Hook::Output, Hook::Postrouting]) } else { missing(&[Hook::Input, Hook::Forward]) };
        return some(hooks, OffWhy::EndedBefore);
    };
    let to = trace.packet_at(at).get(Field::Daddr);
    let rewritten = rewriter(way, at);
    match decision {
        Decision::Local => some(missing(&[Hook::Forward]), OffWhy::ForThisHost { to, rewritten }),
        Decision::Forward { .. } | Decision::Bridged => {
            some(missing(&[Hook::Input]), OffWhy::Forwarded { to, rewritten })
        }
        Decision::Output { .. } => {
            let hooks = missing(&[Hook::Prerouting, Hook::Input, Hook::Forward]);
            some(hooks, OffWhy::FromThisHost { to, rewritten })
        }
    }
}

fn some(hooks: Vec<Hook>, why: OffWhy) -> Vec<OffPath> {
    if hooks.is_empty() { Vec::new() } else { vec![OffPath { hooks, why }] }
}

/// The rule that gave the destination the value it has at an event.
fn rewriter(way: &Way, at: usize) -> Option<RuleId> {
    let steps = way.passes().flat_map(|p| &p.steps).filter(|s| s.event < at);
    let wrote = |s: &&ChainStep| s.changes.iter().any(|c| c.field == Field::Daddr);
    match steps.filter(wrote).last()?.what {
        What::Rule { rule, .. } | What::Missed { rule } => Some(rule),
        _ => None,
    }
}
