//! Where a rule for this traffic would work, and for whom: every advice is walked before it is given.
//!
//! `--want drop` for a NodePort's packet tries each hook and table with each way to name the traffic (its port before the
//! DNAT, `--ctorigdstport` behind it, the pod's port and address), and each candidate on the edited rules for each origin:
//! a remote client, this host by 127.0.0.1 and by its address, a pod. What else a candidate would catch is found the same
//! way, by walking other traffic. Left out: changing rules that exist; kernel modules that would have to be loaded.

mod accept;
mod candidates;
mod probe;

use crate::World;
use crate::fact::{Chooser, Pins, explore};
use crate::host::Host;
use crate::model::{Edit, Model, RuleId};
use crate::spec::{Start, reply_to};
use crate::state::State;
use crate::trace::{By, Fate, Trace};
use crate::walk::walk;
use crate::whatif;

use super::names::Labels;
pub use candidates::{Place, Way};
pub use probe::Origin;

/// What is wanted for the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// It is to be blocked.
    Drop,
    /// It is to pass.
    Accept,
}

/// What everything is walked with.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// Rules and host.
    pub world: World<'a>,
    /// Connections and rule state that each walk starts with.
    pub state: &'a State,
    /// Facts that the user fixed.
    pub pins: &'a Pins,
}

/// How the walks of one origin end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fare {
    /// In all outcomes it passes.
    Passes,
    /// In all outcomes it is dropped, rejected or refused.
    Blocked,
    /// It passes, and its answer is dropped: no connection comes about either.
    Unanswered,
    /// It depends.
    Depends,
}

impl Fare {
    /// Whether it is what is wanted.
    pub fn is(self, want: Want) -> bool {
        match want {
            Want::Drop => matches!(self, Fare::Blocked | Fare::Unanswered),
            Want::Accept => self == Fare::Passes,
        }
    }
}

/// A candidate and what it was proven to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The commands, in the host's dialect.
    pub commands: Vec<String>,
    /// Where: `mangle POSTROUTING`.
    pub place: Place,
    /// How it names the traffic.
    pub way: Way,
    /// For each origin, how it fares with the rule.
    pub fares: Vec<Fare>,
    /// Whether it does what is wanted for each origin.
    pub works: Vec<bool>,
    /// Other traffic that fares otherwise with the rule, in words.
    pub also: Vec<String>,
    /// Who may overwrite it.
    pub warnings: Vec<String>,
}

/// All candidates.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    /// Names of the origins.
    pub origins: Vec<String>,
    /// How each fares now.
    pub before: Vec<Fare>,
    /// Candidates, best first.
    pub tried: Vec<Placement>,
    /// What cannot be done at all, in words.
    pub notes: Vec<String>,
}

impl Advice {
    /// The candidates worth telling: the best for each set of origins that any of them serves, best first.
    pub fn best(&self) -> Vec<&Placement> {
        let mut out: Vec<&Placement> = Vec::new();
        for p in self.tried.iter().filter(|p| p.works.contains(&true)) {
            let told = |o: &&&Placement| p.works.iter().zip(&o.works).all(|(p, o)| !p || *o);
            // What serves fewer is worth telling only when it catches less, or serves what nothing told serves as cleanly.
            let cleaner = out.iter().filter(told).all(|o| o.also.len() > p.also.len());
            if out.len() < MOST && cleaner {
                out.push(p);
            }
        }
        out
    }
}

/// How many placements are told at most.
pub const MOST: usize = 4;

/// Tries all candidates for a packet.
pub fn advise(ground: Ground, start: &Start, want: Want) -> Advice {
    let origins = match want {
        Want::Drop => probe::origins(ground, start),
        Want::Accept => vec![Origin { name: "this packet".to_string(), start: start.clone() }],
    };
    let mut bench = Bench { model: ground.world.model.clone(), host: ground.world.host, ground };
    let before: Vec<Fare> = origins.iter().map(|o| bench.fare(&o.start)).collect();
    let candidates = match want {
        Want::Drop => candidates::all(ground, &bench.traces(&origins)),
        Want::Accept => accept::all(ground, &bench.traces(&origins)),
    };
    let mut tried = Vec::new();
    let labels = Labels::build(ground.world.model);
    let probes = probe::bystanders(ground, start, &bench.traces(&origins), &labels);
    let probes: Vec<(Origin, Fare)> = probes.into_iter().map(|p| (p.clone(), bench.fare(&p.start))).collect();
    for c in candidates {
        if let Some(fares) = bench.try_out(&c.commands, &origins) {
            let works: Vec<bool> = fares.iter().zip(&before).map(|(f, b)| f.is(want) && !b.is(want)).collect();
            let also = if works.contains(&true) { bench.also(&c.commands, &probes) } else { Vec::new() };
            let warnings = candidates::warnings(&labels, ground.world.model, &c.place);
            tried.push(Placement { commands: c.commands, place: c.place, way: c.way, fares, works, also, warnings });
        }
    }
    tried.sort_by_key(|p| {
        let served = p.works.iter().filter(|w| **w).count();
        let late = p.fares.iter().filter(|f| **f == Fare::Unanswered).count();
        (std::cmp::Reverse(served), p.also.len(), late, p.warnings.len(), p.way, p.place.rank())
    });
    let notes = if want == Want::Drop { candidates::notes(ground.world.model) } else { Vec::new() };
    Advice { origins: origins.into_iter().map(|o| o.name).collect(), before, tried, notes }
}

/// A copy of the rules to try candidates on.
struct Bench<'a> {
    model: Model,
    host: &'a Host,
    ground: Ground<'a>,
}

impl Bench<'_> {
    /// All ways of the packet, each with that of the answer to it.
    fn walks(&self, start: &Start) -> Vec<(Trace, Option<Trace>)> {
        let world = World { model: &self.model, host: self.host };
        let run = |ask: &mut dyn Chooser| {
            let mut state = self.ground.state.clone();
            let there = walk(world, start, &mut state, ask);
            let answer = if passes(&there.fate()) { reply_to(world, &there) } else { None };
            let back = answer.map(|a| walk(world, &a, &mut state, ask));
            (there, back)
        };
        explore(8, self.ground.pins, run).list.into_iter().map(|o| o.result).collect()
    }

    fn fare(&self, start: &Start) -> Fare {
        let of = |(there, back): &(Trace, Option<Trace>)| match back.as_ref().map(Trace::fate) {
            _ if !passes(&there.fate()) => Fare::Blocked,
            Some(Fate::Drop { .. }) => Fare::Unanswered,
            _ => Fare::Passes,
        };
        let mut fares = self.walks(start).iter().map(of).collect::<Vec<_>>().into_iter();
        let first = fares.next().unwrap_or(Fare::Depends);
        if fares.all(|f| f == first) { first } else { Fare::Depends }
    }

    /// The most likely walk of each origin.
    fn traces(&self, origins: &[Origin]) -> Vec<Trace> {
        origins.iter().filter_map(|o| self.walks(&o.start).into_iter().next()).map(|(there, _)| there).collect()
    }

    /// How all origins fare with the commands; `None` when a command is refused.
    fn try_out(&mut self, commands: &[String], origins: &[Origin]) -> Option<Vec<Fare>> {
        let undo = self.edit(commands)?;
        let fares = origins.iter().map(|o| self.fare(&o.start)).collect();
        self.restore(undo);
        Some(fares)
    }

    /// The bystanders that fare otherwise with the commands.
    fn also(&mut self, commands: &[String], probes: &[(Origin, Fare)]) -> Vec<String> {
        let Some(undo) = self.edit(commands) else { return Vec::new() };
        let hit = |(p, before): &&(Origin, Fare)| self.fare(&p.start) != *before;
        let hit = probes.iter().filter(hit).map(|(p, _)| p.name.clone()).collect();
        self.restore(undo);
        hit
    }

    /// Carries out commands; returns how many rules there were before.
    fn edit(&mut self, commands: &[String]) -> Option<usize> {
        let before = self.model.rules.len();
        for command in commands {
            if whatif::rules(&mut self.model, command).is_err() {
                self.restore(before);
                return None;
            }
        }
        (self.model.rules.len() > before).then_some(before)
    }

    /// Takes out all rules that were added since.
    fn restore(&mut self, before: usize) {
        for rule in (before..self.model.rules.len()).rev() {
            let _done = self.model.apply(Edit::Remove(RuleId(rule as u32)));
        }
    }
}

/// Whether a fate is one that lets the packet through.
fn passes(fate: &Fate) -> bool {
    matches!(fate, Fate::Out { .. } | Fate::Local { .. } | Fate::Bridged { .. })
}

/// The rule that dropped a packet.
fn dropper(trace: &Trace) -> Option<(RuleId, crate::model::ChainId)> {
    match trace.fate() {
        Fate::Drop { by: By::Rule { rule, base, .. }, .. } => Some((rule, base)),
        _ => None,
    }
}
