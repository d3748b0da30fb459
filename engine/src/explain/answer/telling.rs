//! What of a way is told: hooks, base chains and their steps, with everything that had no effect folded away.
//!
//! `KUBE-MARK-MASQ #1, mark 0x0 => 0x4000` is told for its own sake, the jumps that led to it because of it. Left out: how
//! ways that end alike become one.

use super::{Detail, Kept, Rewrite, Routed, Row, Stage, Told};
use crate::explain::way::{Built, ChainStep, Change, Part, Pass, Run, What};
use crate::explain::whynot::{Inquiry, NEAR};
use crate::field::Field;
use crate::model::{ChainId, Model, Verdict};
use crate::packet::Got;
use crate::trace::{Decision, Step, Trace};

/// What of a way is told.
pub(super) struct Telling<'a> {
    pub(super) model: &'a Model,
    pub(super) detail: Detail,
    pub(super) trace: &'a Trace,
    /// Tells why rules did not match, where that is wanted.
    pub(super) inquiry: Option<Inquiry<'a>>,
}

impl Telling<'_> {
    /// A part of the way; nothing where it did nothing.
    pub(super) fn stage(&self, part: &Part) -> Option<Stage> {
        match part {
            Part::Hook(h) => Some(Stage::Hook { event: h.event, hook: h.hook, rows: self.rows(&h.runs) }),
            Part::Route(at, decision) => Some(Stage::Route(self.routed(*at, decision))),
            Part::Built(built) => self.told(built).map(Stage::Built),
        }
    }

    fn routed(&self, at: usize, decision: &Decision) -> Routed {
        let packet = self.trace.packet_at(at);
        Routed { event: at, decision: decision.clone(), to: packet.get(Field::Daddr), family: packet.family() }
    }

    fn rows(&self, runs: &[Run]) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for run in runs {
            match run {
                Run::Built(built) => rows.extend(self.told(built).map(Row::Built)),
                Run::Route(at, decision) => rows.push(Row::Route(self.routed(*at, decision))),
                Run::Chain(pass) => {
                    let matched = pass.steps.iter().filter(|s| matches!(s.what, What::Rule { .. })).count();
                    let steps = self.kept(pass);
                    if steps.is_empty() {
                        quiet(&mut rows, pass.base, matched);
                    } else {
                        let shown = steps.iter().filter(|s| matches!(s.what, What::Rule { .. })).count();
                        rows.push(Row::Pass { base: pass.base, steps, folded: matched - shown });
                    }
                }
            }
        }
        rows
    }

    /// The steps of a run that are told: those with an effect, and the jumps that led to them.
    fn kept(&self, pass: &Pass) -> Vec<Kept> {
        let (steps, ends) = (&pass.steps, Ends::of(&pass.steps));
        let mut wanted: Vec<bool> = steps.iter().map(|s| self.effect(s)).collect();
        // From the end: a jump is told when something at a greater depth behind it is, before the way comes back.
        let mut next = steps.len();
        for (i, step) in steps.iter().enumerate().rev() {
            wanted[i] |= match step.what {
                What::Rule { verdict: Verdict::Jump(_), .. } => next < ends.back[i],
                What::Rule { verdict: Verdict::Goto(to), .. } => match steps.get(i + 1) {
                    Some(there) if there.chain == to => next < ends.left[i + 1],
                    _ => false,
                },
                _ => false,
            };
            if wanted[i] {
                next = i;
            }
        }
        let steps = steps.iter().zip(wanted).filter(|(_, wanted)| *wanted);
        steps.map(|(s, _)| self.keep(s)).collect()
    }

    fn keep(&self, step: &ChainStep) -> Kept {
        let most = if self.detail == Detail::All { usize::MAX } else { NEAR };
        let rule = match step.what {
            What::Rule { rule, .. } | What::Missed { rule } => Some(rule),
            What::Return | What::Policy { .. } => None,
        };
        let asked = self.inquiry.as_ref();
        Kept {
            event: step.event,
            until: step.until,
            chain: step.chain,
            depth: step.depth,
            what: step.what,
            rewrites: rewrites(&step.changes),
            notes: step.notes.clone(),
            conditions: asked.zip(rule).map(|(i, rule)| i.conditions(rule, step.event)).unwrap_or_default(),
            misses: asked.map(|i| i.misses(step, most)).unwrap_or_default(),
        }
    }

    /// Whether a step is worth telling for its own sake.
    fn effect(&self, step: &ChainStep) -> bool {
        if step.changes.iter().any(|c| !silent(c)) || !step.notes.is_empty() {
            return true;
        }
        let end = || self.detail >= Detail::All || self.detail >= Detail::Steps && !step.looked(self.model).is_empty();
        match step.what {
            What::Rule { verdict: Verdict::Accept | Verdict::Drop | Verdict::Queue { .. }, .. } => true,
            What::Rule { .. } => self.detail >= Detail::Steps,
            What::Missed { .. } | What::Policy { verdict: Verdict::Drop } => true,
            What::Policy { .. } | What::Return => end(),
        }
    }

    fn told(&self, built: &Built) -> Option<Told> {
        let hop = |c: &Change| built.step == Step::Forward && c.field == Field::Ttl;
        let told = |c: &&Change| self.detail >= Detail::Steps || !(silent(c) || hop(c));
        let changes: Vec<Change> = built.changes.iter().filter(told).copied().collect();
        let worth = !changes.is_empty() || !built.notes.is_empty();
        worth.then(|| Told {
            event: built.event,
            until: built.until,
            step: built.step,
            rewrites: rewrites(&changes),
            notes: built.notes.clone(),
        })
    }
}

/// Neighbouring runs without effect share a row.
fn quiet(rows: &mut Vec<Row>, base: ChainId, matched: usize) {
    if let Some(Row::Quiet { bases, rules }) = rows.last_mut() {
        bases.push(base);
        *rules += matched;
    } else {
        rows.push(Row::Quiet { bases: vec![base], rules: matched });
    }
}

/// Changes that follow from what is told anyway: routing's devices, the connection's bookkeeping, a mark that begins as 0.
fn silent(change: &Change) -> bool {
    let field = change.field;
    if change.old == Got::Absent && change.new == Got::Value(0) {
        return true;
    }
    let device = matches!(
        field,
        Field::Oif | Field::Iif | Field::PhysIn | Field::PhysOut | Field::IsBridged | Field::NfTrace | Field::PktType
    );
    let derived =
        matches!(field, Field::EtherSaddr | Field::EtherDaddr | Field::RtNexthop | Field::RtMtu | Field::Realm);
    let socket = matches!(field, Field::SkUid | Field::SkGid | Field::SkExists | Field::Cgroup);
    device || derived || socket || (field.is_conntrack() && field != Field::CtMark && field != Field::CtZone)
}

/// Changes with address and port of a side put together; silent ones stay out.
fn rewrites(changes: &[Change]) -> Vec<Rewrite> {
    let mut out = Vec::new();
    for source in [false, true] {
        let (addr, port) = if source { (Field::Saddr, Field::Sport) } else { (Field::Daddr, Field::Dport) };
        let of = |field| changes.iter().filter(move |c| c.field == field);
        let span = |field| Some((of(field).next()?.old, of(field).next_back()?.new));
        let (a, p) = (span(addr), span(port));
        if a.is_some() || p.is_some() {
            let same = (Got::Absent, Got::Absent);
            let ((a0, a1), (p0, p1)) = (a.unwrap_or(same), p.unwrap_or(same));
            out.push(Rewrite::Endpoint { source, old: (a0, p0), new: (a1, p1) });
        }
    }
    let endpoint = [Field::Saddr, Field::Sport, Field::Daddr, Field::Dport];
    let others = changes.iter().filter(|c| !endpoint.contains(&c.field) && !silent(c));
    out.extend(others.map(|c| Rewrite::Field(*c)));
    out
}

/// Where the way of each step ends, found in one go over all of them.
struct Ends {
    /// The next step that is no deeper.
    back: Vec<usize>,
    /// The next such step of another chain.
    left: Vec<usize>,
}

impl Ends {
    fn of(steps: &[ChainStep]) -> Self {
        let none = steps.len();
        let (mut back, mut left) = (vec![none; none], vec![none; none]);
        let mut behind: Vec<usize> = Vec::new();
        for (i, step) in steps.iter().enumerate().rev() {
            while behind.last().is_some_and(|j| steps[*j].depth > step.depth) {
                behind.pop();
            }
            let next = behind.last().copied().unwrap_or(none);
            back[i] = next;
            left[i] = if steps.get(next).is_some_and(|s| s.chain == step.chain) { left[next] } else { next };
            behind.push(i);
        }
        Ends { back, left }
    }
}
