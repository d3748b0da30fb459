//! The difference of two walks: what an edit (`--with`, `--without`) changed.
//!
//! Two walks are compared step by step by what happened, not by where in the trace: rules that matched, writes, decisions
//! and the fate. Left out: rules that did not match.

use crate::model::RuleId;
use crate::trace::{Event, Fate, Trace};

/// A step that only one of the walks has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the walk before has it: an event index there.
    Gone(usize),
    /// Only the walk after has it: an event index there.
    New(usize),
}

/// The difference of two walks.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Steps that only one walk has, in order.
    pub changes: Vec<Change>,
    /// The fates, when they differ.
    pub fates: Option<(Fate, Fate)>,
}

impl Difference {
    /// Whether the edit changed nothing for this packet.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.fates.is_none()
    }
}

/// What distinguishes a step, whatever its place.
#[derive(Clone, Debug, PartialEq)]
enum Key<'t> {
    Rule(RuleId, &'t crate::model::Verdict),
    Other(&'t Event),
}

fn key(event: &Event) -> Option<Key<'_>> {
    match event {
        Event::Rule { rule, verdict, .. } => Some(Key::Rule(*rule, verdict)),
        Event::Hook(_) | Event::Write { .. } | Event::Route(_) | Event::Answer { .. } | Event::Reply { .. } => {
            Some(Key::Other(event))
        }
        _ => None,
    }
}

fn steps(trace: &Trace) -> Vec<(usize, Key<'_>)> {
    trace.events.iter().enumerate().filter_map(|(i, e)| Some((i, key(e)?))).collect()
}

/// How many steps behind a difference are searched for a place where the walks meet again.
const WINDOW: usize = 400;

/// Compares two walks of the same packet.
pub fn diff(before: &Trace, after: &Trace) -> Difference {
    let (mut old, mut new) = (&steps(before)[..], &steps(after)[..]);
    let mut changes = Vec::new();
    while !old.is_empty() || !new.is_empty() {
        let (skip_old, skip_new) = meet(old, new);
        changes.extend(old[..skip_old].iter().map(|(at, _)| Change::Gone(*at)));
        changes.extend(new[..skip_new].iter().map(|(at, _)| Change::New(*at)));
        // Behind the skipped steps both go on with the same one, or are at their end.
        old = old.get(skip_old + 1..).unwrap_or(&[]);
        new = new.get(skip_new + 1..).unwrap_or(&[]);
    }
    let (old, new) = (before.fate(), after.fate());
    Difference { changes, fates: (old != new).then_some((old, new)) }
}

/// How many steps of each to pass over until they agree again; all of both when they don't.
fn meet(old: &[(usize, Key)], new: &[(usize, Key)]) -> (usize, usize) {
    let (most_old, most_new) = (old.len().min(WINDOW), new.len().min(WINDOW));
    for sum in 0..=most_old + most_new {
        for skip_old in sum.saturating_sub(most_new)..=sum.min(most_old) {
            let skip_new = sum - skip_old;
            if let (Some(x), Some(y)) = (old.get(skip_old), new.get(skip_new))
                && x.1 == y.1
            {
                return (skip_old, skip_new);
            }
        }
    }
    (old.len(), new.len())
}
