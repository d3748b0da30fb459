//! Where a rule for this traffic would work, and for whom: every advice is walked before it is given.
//!
//! `--want drop` for a NodePort's packet tries each hook and table with each way to name the traffic (its port before the
//! DNAT, `--ctorigdstport` behind it, the pod's port and address), and each candidate on the edited rules for each origin:
//! a remote client, this host by 127.0.0.1 and by its address, a pod. What else a candidate would catch is found the same
//! way, by walking other traffic. `--want accept` undoes what dropped the packet: a rule in front of it, an entry of a set,
//! the dropping rule gone, a sysctl, a route, or the command of the program that owns the chain, walked as the rules which
//! that command makes. Left out: changing rules in place; kernel modules that would have to be loaded.

mod accept;
mod bench;
mod candidates;
mod host;
mod members;
mod probe;

use crate::World;
use crate::explore::Pins;
use crate::spec::Start;
use crate::state::State;

use super::names::Labels;
use bench::Bench;
use candidates::Candidate;
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
    /// What was walked instead, where a command is one of the chain's owner: the rules that it makes.
    pub walked: Vec<String>,
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
#[derive(Clone, Debug)]
pub struct Advice {
    /// What was wanted.
    pub want: Want,
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
    /// The candidates worth telling, best first: of a DROP the best for each set of origins that any of them serves, of an
    /// ACCEPT the best of each kind that serves the packet.
    pub fn best(&self) -> Vec<&Placement> {
        if self.want == Want::Accept {
            let mut kinds = Vec::new();
            let new = |p: &&Placement| {
                let new = !kinds.contains(&p.way.kind());
                kinds.push(p.way.kind());
                new
            };
            return self.tried.iter().filter(|p| p.works.first() == Some(&true)).filter(new).take(MOST).collect();
        }
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
    let mut bench = Bench::new(ground);
    let labels = Labels::build(ground.world.model);
    let origins = match want {
        Want::Drop => probe::origins(ground, start, &labels),
        Want::Accept => probe::this_packet_first(ground, start, &labels),
    };
    let before: Vec<Fare> = origins.iter().map(|o| bench.fare(&o.start)).collect();
    let traces = bench.traces(&origins);
    let candidates = match want {
        Want::Drop => candidates::all(ground, &traces),
        Want::Accept => accept::all(ground, &mut bench, &origins[0], &labels),
    };
    let probes = probe::bystanders(ground, start, &traces, &labels, want);
    let probes: Vec<(Origin, Fare)> = probes.into_iter().map(|p| (p.clone(), bench.fare(&p.start))).collect();
    let mut tried = Vec::new();
    for c in candidates {
        let fares = bench.with(&c.trials, |b| origins.iter().map(|o| b.fare(&o.start)).collect::<Vec<_>>());
        let Some(fares) = fares else { continue };
        let works: Vec<bool> = fares.iter().zip(&before).map(|(f, b)| f.is(want) && !b.is(want)).collect();
        let hit = |b: &Bench| {
            let changed = probes.iter().filter(|(p, before)| b.fare(&p.start) != *before);
            changed.map(|(p, _)| p.name.clone()).collect::<Vec<_>>()
        };
        let also = works.contains(&true).then(|| bench.with(&c.trials, hit)).flatten().unwrap_or_default();
        let warnings = candidates::warnings(&labels, ground.world.model, &c);
        let Candidate { commands, walked, place, way, .. } = c;
        tried.push(Placement { commands, walked, place, way, fares, works, also, warnings });
    }
    tried.sort_by_cached_key(|p: &Placement| {
        let served = p.works.iter().filter(|w| **w).count();
        let late = p.fares.iter().filter(|f| **f == Fare::Unanswered).count();
        let (most, kind) = if want == Want::Drop { (served, 0) } else { (usize::from(p.works[0]), p.way.kind()) };
        let owned = candidates::owned(&labels, ground.world.model, &p.place);
        (std::cmp::Reverse(most), kind, p.also.len(), late, owned, p.warnings.len(), p.way, p.place.rank())
    });
    let notes = if want == Want::Drop { candidates::notes(ground.world.model) } else { Vec::new() };
    Advice { want, origins: origins.into_iter().map(|o| o.name).collect(), before, tried, notes }
}
