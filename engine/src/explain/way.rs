//! A trace, put in order: hooks, the base chains that ran in each, their steps, and what each step changed.
//!
//! `nat PREROUTING: rule 2 jump KUBE-SERVICES, …, rule 1 of KUBE-SEP-X: accept, dport 31002 => 8200`. A rule's writes
//! stand in the trace before its event (nft) or behind it (xt, and every address translation); here they belong to the
//! rule's step. Left out: judging what of it matters ([`super::answer`]).

use std::ops::Range;

use crate::field::Field;
use crate::model::{ChainId, Effect, Hook, Model, Op, RuleId, Verdict};
use crate::packet::{Got, Packet};
use crate::trace::{Cause, Decision, Event, Step, Trace};

/// A changed field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The field.
    pub field: Field,
    /// Its old value.
    pub old: Got,
    /// Its new value.
    pub new: Got,
}

/// What a step of a base chain's run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A rule matched.
    Rule {
        /// The rule.
        rule: RuleId,
        /// Its position, from 1.
        number: u32,
        /// What it did.
        verdict: Verdict,
    },
    /// A rule did not match in the end, but had already changed something (nft).
    Missed {
        /// The rule.
        rule: RuleId,
    },
    /// The end of a user chain.
    Return,
    /// The base chain's policy.
    Policy {
        /// Accept or drop.
        verdict: Verdict,
    },
}

/// A step of a base chain's run.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainStep {
    /// Its event in the trace.
    pub event: usize,
    /// The event behind everything that it changed.
    pub until: usize,
    /// The chain that it happened in.
    pub chain: ChainId,
    /// How many jumps deep.
    pub depth: u16,
    /// Index of the first rule that was looked at without matching before this step, from 0.
    pub from: u32,
    /// What happened.
    pub what: What,
    /// What it changed.
    pub changes: Vec<Change>,
    /// Facts answered and rule state read on the way to it, in words.
    pub notes: Vec<String>,
}

impl ChainStep {
    /// The indices of the rules that were looked at without matching right before this step, from 0.
    pub fn looked(&self, model: &Model) -> Range<u32> {
        let to = match self.what {
            What::Rule { number, .. } => number.saturating_sub(1),
            What::Return | What::Policy { .. } => model.chain(self.chain).rules.len() as u32,
            What::Missed { .. } => self.from,
        };
        self.from..to.max(self.from)
    }
}

/// A run of a base chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// The base chain.
    pub base: ChainId,
    /// The hook.
    pub hook: Hook,
    /// The packet at its entry.
    pub entry: Packet,
    /// Its steps.
    pub steps: Vec<ChainStep>,
}

/// Something that a built-in step did.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// Its first event in the trace.
    pub event: usize,
    /// The event behind everything that it did.
    pub until: usize,
    /// The step.
    pub step: Step,
    /// What it changed.
    pub changes: Vec<Change>,
    /// What it says.
    pub notes: Vec<String>,
}

/// What ran within a hook.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // a way has few parts
pub enum Run {
    /// A base chain.
    Chain(Pass),
    /// A built-in step.
    Built(Built),
    /// Routing again within the hook, at this event.
    Route(usize, Decision),
}

/// A hook that was entered.
#[derive(Clone, Debug, PartialEq)]
pub struct HookPart {
    /// Its event in the trace.
    pub event: usize,
    /// The hook.
    pub hook: Hook,
    /// The packet at its entry.
    pub entry: Packet,
    /// The packet behind it; `None` when it did not leave it.
    pub exit: Option<Packet>,
    /// What ran.
    pub runs: Vec<Run>,
}

/// A part of the way.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // a way has few parts
pub enum Part {
    /// A hook.
    Hook(HookPart),
    /// A built-in step outside of hooks.
    Built(Built),
    /// A routing decision, at this event.
    Route(usize, Decision),
}

/// The whole way of a packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Way {
    /// Its parts in order.
    pub parts: Vec<Part>,
    /// Replies that rules made, in order.
    pub replies: Vec<(RuleId, Packet)>,
}

impl Way {
    /// The way that a trace tells.
    pub fn of(model: &Model, trace: &Trace) -> Way {
        let packet = trace.start.clone();
        let mut b = Builder { model, trace, packet, way: Way::default(), early: Vec::new(), notes: Vec::new() };
        for (at, event) in trace.events.iter().enumerate() {
            b.event(at, event);
        }
        b.way
    }

    /// The hooks.
    pub fn hooks(&self) -> impl Iterator<Item = &HookPart> {
        self.parts.iter().filter_map(|p| match p {
            Part::Hook(h) => Some(h),
            _ => None,
        })
    }

    /// The runs of base chains, to change them.
    pub fn passes_mut(&mut self) -> impl Iterator<Item = &mut Pass> {
        let runs = self.parts.iter_mut().filter_map(|p| match p {
            Part::Hook(h) => Some(&mut h.runs),
            _ => None,
        });
        runs.flatten().filter_map(|r| match r {
            Run::Chain(p) => Some(p),
            _ => None,
        })
    }

    /// The routing decisions with their events.
    pub fn routes(&self) -> impl Iterator<Item = (usize, &Decision)> {
        self.parts.iter().flat_map(|p| match p {
            Part::Route(at, decision) => vec![(*at, decision)],
            Part::Hook(h) => h.runs.iter().filter_map(again).collect(),
            Part::Built(_) => Vec::new(),
        })
    }

    /// The runs of base chains.
    pub fn passes(&self) -> impl Iterator<Item = &Pass> {
        self.hooks().flat_map(|h| &h.runs).filter_map(|r| match r {
            Run::Chain(p) => Some(p),
            _ => None,
        })
    }
}

fn again(run: &Run) -> Option<(usize, &Decision)> {
    match run {
        Run::Route(at, decision) => Some((*at, decision)),
        _ => None,
    }
}

struct Builder<'a> {
    model: &'a Model,
    trace: &'a Trace,
    packet: Packet,
    way: Way,
    /// Writes of a rule whose own event comes later.
    early: Vec<Change>,
    /// Notes for the next step.
    notes: Vec<String>,
}

impl Builder<'_> {
    fn event(&mut self, at: usize, event: &Event) {
        match event {
            Event::Hook(hook) => {
                let part =
                    HookPart { event: at, hook: *hook, entry: self.packet.clone(), exit: None, runs: Vec::new() };
                self.way.parts.push(Part::Hook(part));
            }
            Event::HookEnd(_) => {
                let packet = self.packet.clone();
                if let Some(h) = self.hook() {
                    h.exit = Some(packet);
                }
            }
            Event::Enter(base) => {
                let entry = self.packet.clone();
                if let Some(h) = self.hook() {
                    let pass = Pass { base: *base, hook: h.hook, entry, steps: Vec::new() };
                    h.runs.push(Run::Chain(pass));
                }
            }
            Event::Rule { .. } | Event::Return { .. } | Event::Policy { .. } => self.chain_step(at, event),
            Event::Write { field, old, new, by } => {
                self.packet.put(*field, *new);
                self.write(at, Change { field: *field, old: *old, new: *new }, *by);
            }
            Event::Answer { .. } => {}
            Event::State { text, .. } => self.notes.push(text.clone()),
            Event::Note { step, text } => self.built(at, *step, |b| b.notes.push(text.clone())),
            Event::Route(decision) => match self.hook() {
                Some(h) => h.runs.push(Run::Route(at, decision.clone())),
                None => self.way.parts.push(Part::Route(at, decision.clone())),
            },
            Event::Reply { rule, packet } => self.way.replies.push((*rule, (**packet).clone())),
            Event::Fate(_) => {}
        }
    }

    /// The hook that the packet is in; routing again inside of it stands behind it.
    fn hook(&mut self) -> Option<&mut HookPart> {
        let last = self.way.parts.iter_mut().rev().find_map(|p| match p {
            Part::Hook(h) => Some(h),
            _ => None,
        });
        last.filter(|h| h.exit.is_none())
    }

    fn pass(&mut self) -> Option<&mut Pass> {
        self.hook()?.runs.iter_mut().rev().find_map(|r| match r {
            Run::Chain(p) => Some(p),
            _ => None,
        })
    }

    fn chain_step(&mut self, at: usize, event: &Event) {
        let changes = std::mem::take(&mut self.early);
        let notes = std::mem::take(&mut self.notes);
        let (chain, depth, from, what) = match event {
            Event::Rule { rule, index, from, verdict, depth } => {
                let what = What::Rule { rule: *rule, number: index + 1, verdict: *verdict };
                (self.model.rule(*rule).chain, *depth, *from, what)
            }
            Event::Return { chain, from, depth } => (*chain, *depth, *from, What::Return),
            Event::Policy { chain, from, verdict } => (*chain, 0, *from, What::Policy { verdict: *verdict }),
            _ => return,
        };
        if let Some(pass) = self.pass() {
            pass.steps.push(ChainStep { event: at, until: at + 1, chain, depth, from, what, changes, notes });
        }
    }

    fn write(&mut self, at: usize, change: Change, by: Cause) {
        match by {
            Cause::Step(Step::Nat) if self.nat_rule(at, change) => {}
            Cause::Step(step) => self.built(at, step, |b| b.changes.push(change)),
            Cause::Rule(rule) if self.next_step_is(at, rule) => self.early.push(change),
            Cause::Rule(rule) => self.late_write(at, change, rule),
        }
    }

    /// Gives a translation to the rule that asked for it: the last step of the nat chain that just ran.
    fn nat_rule(&mut self, at: usize, change: Change) -> bool {
        let model = self.model;
        let Some(Run::Chain(pass)) = self.hook().and_then(|h| h.runs.last_mut()) else { return false };
        let Some(step) = pass.steps.last_mut() else { return false };
        let What::Rule { rule, verdict: Verdict::Accept, .. } = step.what else { return false };
        let nat = |op: &Op| matches!(op, Op::Effect(e) if matches!(model.effect(*e), Effect::Nat(_)));
        let asked = model.rule_ops(rule).iter().any(nat);
        if asked {
            step.until = at + 1;
            step.changes.push(change);
        }
        asked
    }

    /// Whether the next step behind `at` is this rule's.
    fn next_step_is(&self, at: usize, rule: RuleId) -> bool {
        let next = self.trace.events[at + 1..].iter().find(|e| {
            matches!(
                e,
                Event::Rule { .. } | Event::Return { .. } | Event::Policy { .. } | Event::Enter(_) | Event::HookEnd(_)
            )
        });
        matches!(next, Some(Event::Rule { rule: r, .. }) if *r == rule)
    }

    /// A write of a rule that matched before (its target, its address translation), or that misses in the end.
    fn late_write(&mut self, at: usize, change: Change, rule: RuleId) {
        let Some(hook) = self.hook() else { return };
        let passes = hook.runs.iter_mut().rev().filter_map(|r| match r {
            Run::Chain(p) => Some(p),
            _ => None,
        });
        for pass in passes {
            let same = |s: &&mut ChainStep| match s.what {
                What::Rule { rule: r, .. } | What::Missed { rule: r } => r == rule,
                _ => false,
            };
            if let Some(step) = pass.steps.iter_mut().rev().find(same) {
                step.until = at + 1;
                step.changes.push(change);
                return;
            }
        }
        let chain = self.model.rule(rule).chain;
        if let Some(pass) = self.pass() {
            let depth = pass.steps.last().map_or(0, |s| s.depth);
            let what = What::Missed { rule };
            pass.steps.push(ChainStep {
                event: at,
                until: at + 1,
                chain,
                depth,
                from: 0,
                what,
                changes: vec![change],
                notes: Vec::new(),
            });
        }
    }

    /// Adds to the built-in step that ran last, or begins a new one.
    fn built(&mut self, at: usize, step: Step, mut add: impl FnMut(&mut Built)) {
        let mut add = |b: &mut Built| {
            b.until = at + 1;
            add(b);
        };
        let mut new = Built { event: at, until: at + 1, step, changes: Vec::new(), notes: Vec::new() };
        if let Some(h) = self.hook() {
            match h.runs.last_mut() {
                Some(Run::Built(b)) if b.step == step => add(b),
                _ => {
                    add(&mut new);
                    h.runs.push(Run::Built(new));
                }
            }
            return;
        }
        match self.way.parts.last_mut() {
            Some(Part::Built(b)) if b.step == step => add(b),
            _ => {
                add(&mut new);
                self.way.parts.push(Part::Built(new));
            }
        }
    }
}
