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
        let mut wanted: Vec<bool> = pass.steps.iter().map(|s| self.effect(s)).collect();
        // From the end: a jump is told when something at a greater depth behind it is, before the way comes back.
        for i in (0..pass.steps.len()).rev() {
            let step = &pass.steps[i];
            let inside = match step.what {
                What::Rule { verdict: Verdict::Jump(_), .. } => {
                    let back = |s: &ChainStep| s.depth <= step.depth;
                    let end = pass.steps[i + 1..].iter().position(back).map_or(pass.steps.len(), |n| i + 1 + n);
                    wanted[i + 1..end].iter().any(|w| *w)
                }
                What::Rule { verdict: Verdict::Goto(to), .. } => {
                    let there = |s: &&ChainStep| s.chain == to || s.depth > step.depth;
                    let end = i + 1 + pass.steps[i + 1..].iter().take_while(there).count();
                    wanted[i + 1..end].iter().any(|w| *w)
                }
                _ => false,
            };
            wanted[i] |= inside;
        }
        let steps = pass.steps.iter().zip(wanted).filter(|(_, wanted)| *wanted);
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
