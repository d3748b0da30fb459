//! A copy of the rules and the host to try candidates on: carry out, walk, take back.

use crate::World;
use crate::explain::place::{Fare, Ground};
use crate::explore::explore;
use crate::fact::Chooser;
use crate::host::{Host, Parts};
use crate::model::{Edit, Model, RuleId, Undo as RuleUndo};
use crate::spec::{Start, reply_to};
use crate::trace::{Fate, Trace};
use crate::walk::walk;
use crate::whatif::{self, Undo};
use nettrace_grammar::Sources;

use super::probe::Origin;

/// How a candidate is carried out here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// A command, as it would be typed.
    Command(String),
    /// A rule is taken out, for which its host has no command that can be told from a dump.
    Remove(RuleId),
}

/// A copy to try candidates on.
pub(super) struct Bench<'a> {
    model: Model,
    parts: Parts,
    /// Set while the host is changed.
    changed: Option<Host>,
    ground: Ground<'a>,
}

enum Back {
    Command(Undo),
    Rule(RuleUndo),
}

impl<'a> Bench<'a> {
    pub(super) fn new(ground: Ground<'a>) -> Self {
        let (model, parts) = (ground.world.model.clone(), ground.world.host.parts().clone());
        Bench { model, parts, changed: None, ground }
    }

    fn world(&self) -> World<'_> {
        World { model: &self.model, host: self.changed.as_ref().unwrap_or(self.ground.world.host) }
    }

    /// What is walked with now.
    pub(super) fn ground(&self) -> Ground<'_> {
        Ground { world: self.world(), ..self.ground }
    }

    /// All ways of the packet, each with that of the answer to it.
    pub(super) fn walks(&self, start: &Start) -> Vec<(Trace, Option<Trace>)> {
        let world = self.world();
        let run = |ask: &mut dyn Chooser| {
            let mut state = self.ground.state.clone();
            let there = walk(world, start, &mut state, ask);
            let answer = if passes(&there.fate()) { reply_to(world, &there) } else { None };
            let back = answer.map(|a| walk(world, &a, &mut state, ask));
            (there, back)
        };
        explore(8, self.ground.pins, run).list.into_iter().map(|o| o.result).collect()
    }

    pub(super) fn fare(&self, start: &Start) -> Fare {
        let of = |(there, back): &(Trace, Option<Trace>)| match back.as_ref().map(Trace::fate) {
            _ if !passes(&there.fate()) => Fare::Blocked,
            Some(Fate::Drop { .. } | Fate::DropInHook { .. } | Fate::StackDrop { .. } | Fate::SendError { .. }) => {
                Fare::Unanswered
            }
            _ => Fare::Passes,
        };
        let mut fares = self.walks(start).iter().map(of).collect::<Vec<_>>().into_iter();
        let first = fares.next().unwrap_or(Fare::Depends);
        if fares.all(|f| f == first) { first } else { Fare::Depends }
    }

    /// The most likely walk of each origin.
    pub(super) fn traces(&self, origins: &[Origin]) -> Vec<Trace> {
        origins.iter().filter_map(|o| self.walks(&o.start).into_iter().next()).map(|(there, _)| there).collect()
    }

    /// Carries out a candidate, asks, and takes it back; `None` when a command is refused or does nothing.
    pub(super) fn with<T>(&mut self, trials: &[Trial], ask: impl FnOnce(&Self) -> T) -> Option<T> {
        let (mut backs, mut refused) = (Vec::new(), false);
        for trial in trials {
            match self.carry_out(trial) {
                Some(back) => backs.push(back),
                None => refused = true,
            }
            if refused {
                break;
            }
        }
        let said = (!refused).then(|| ask(self));
        for back in backs.into_iter().rev() {
            match back {
                Back::Command(undo) => undo.undo(&mut self.model, &mut self.parts),
                Back::Rule(undo) => self.model.undo(undo),
            }
        }
        self.changed = None;
        said
    }

    fn carry_out(&mut self, trial: &Trial) -> Option<Back> {
        match trial {
            Trial::Command(command) => {
                let done = whatif::apply(&mut self.model, &mut self.parts, &mut Sources::default(), command).ok()?;
                if matches!(done, Undo::Host(_)) {
                    self.changed = Some(Host::new(self.parts.clone()));
                }
                Some(Back::Command(done))
            }
            Trial::Remove(rule) => match self.model.apply(Edit::Remove(*rule)) {
                RuleUndo::Nothing => None,
                undo => Some(Back::Rule(undo)),
            },
        }
    }
}

/// Whether a fate is one that lets the packet through.
pub(super) fn passes(fate: &Fate) -> bool {
    matches!(fate, Fate::Out { .. } | Fate::Local { .. } | Fate::Bridged { .. })
}
