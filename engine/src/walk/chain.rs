//! One base chain: rules in order, jumps, returns, the policy.
//!
//! `ipt` and `nft` are one machine here (semantics.md 11.1); they differ in when a rule is written down, which is the
//! table's dialect: legacy before its target runs, the others behind all of its ops.

use super::Machine;
use crate::eval::{self, Need};
use crate::fact::Taken;
use crate::limits;
use crate::model::{ChainId, Dialect, Op, RuleId, RuleList, Verdict};
use crate::trace::{By, Event, Fate};

/// How a base chain ended.
pub(super) enum ChainEnd {
    /// Accepted: the hook goes on.
    Accept,
    /// The walk ends.
    End(Fate),
}

/// How a rule ended.
pub(super) enum RuleEnd {
    /// It did not match.
    Miss,
    /// It matched, and says this.
    Matched(Verdict),
    /// It matched, and the walk ends: stolen, or dropped without an event.
    End(Fate),
}

/// A chain that runs, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    chain: ChainId,
    next: u32,
}

/// A rule that runs, and where it stands.
#[derive(Clone, Copy)]
struct Place {
    rule: RuleId,
    /// The base chain that runs.
    base: ChainId,
    /// In its chain, from 0.
    index: u32,
    /// The first rule since the last event of this chain.
    from: u32,
    /// How many jumps deep.
    depth: u16,
}

impl Machine<'_> {
    /// Runs a base chain.
    pub(super) fn run_base(&mut self, base: ChainId) -> ChainEnd {
        self.events.push(Event::Enter(base));
        let mut stack = std::mem::take(&mut self.callers);
        stack.clear();
        let end = self.run_chains(base, &mut stack);
        self.callers = stack;
        end
    }

    /// Runs a base chain and what it calls; the stack holds the callers.
    fn run_chains(&mut self, base: ChainId, stack: &mut Vec<Frame>) -> ChainEnd {
        let mut here = Frame { chain: base, next: 0 };
        let mut from = 0;
        loop {
            let rules = &self.world.model.chain(here.chain).rules;
            match &self.world.model.index {
                Some(index) => {
                    here.next = index.next(here.chain, here.next, &self.packet).unwrap_or(rules.len() as u32);
                }
                None => here.next += self.passed_over(rules, here.next),
            }
            let Some(rule) = rules.get(here.next as usize) else {
                if here.chain == base && stack.is_empty() {
                    return self.policy(base, from);
                }
                self.events.push(Event::Return { chain: here.chain, from, depth: stack.len() as u16 });
                match stack.pop() {
                    Some(caller) => here = caller,
                    None => return self.policy(base, 0),
                }
                from = here.next;
                continue;
            };
            here.next += 1;
            self.steps += 1;
            if self.steps > limits::RULES || self.events.len() > limits::EVENTS {
                return ChainEnd::End(Self::undetermined("the walk is longer than its bound; is there a loop?"));
            }
            let Some(held) = self.held_at_once(rule) else { continue };
            let place = Place { rule, base, index: here.next - 1, from, depth: stack.len() as u16 };
            let verdict = match self.run_rule(place, held) {
                RuleEnd::Miss => continue,
                RuleEnd::End(fate) => return ChainEnd::End(fate),
                RuleEnd::Matched(verdict) => verdict,
            };
            from = here.next;
            match verdict {
                Verdict::Continue => {}
                Verdict::Accept => return ChainEnd::Accept,
                Verdict::Stolen => return ChainEnd::End(self.stolen(rule)),
                Verdict::Drop => return ChainEnd::End(self.dropped(rule, base, false)),
                Verdict::Queue { num, bypass } => match self.queue(num, bypass) {
                    Verdict::Drop => return ChainEnd::End(self.dropped(rule, base, false)),
                    _ => return ChainEnd::Accept,
                },
                Verdict::Jump(_) if stack.len() >= limits::JUMPS => {
                    let reason = format!("jumps are nested deeper than {}; is there a loop?", limits::JUMPS);
                    return ChainEnd::End(Self::undetermined(&reason));
                }
                Verdict::Jump(to) => {
                    stack.push(here);
                    here = Frame { chain: to, next: 0 };
                    from = 0;
                }
                Verdict::Goto(to) => {
                    here = Frame { chain: to, next: 0 };
                    from = 0;
                }
                Verdict::Return => match stack.pop() {
                    Some(caller) => {
                        here = caller;
                        from = here.next;
                    }
                    None => return self.policy(base, from),
                },
            }
        }
    }

    fn policy(&mut self, base: ChainId, from: u32) -> ChainEnd {
        let (policy, told) =
            self.world.model.chain(base).base.as_ref().map_or((Verdict::Accept, true), |b| (b.policy, b.told));
        if !told {
            self.taken.note(Taken::Policy(base));
        }
        self.events.push(Event::Policy { chain: base, from, verdict: policy });
        if policy == Verdict::Drop {
            return ChainEnd::End(Fate::Drop { hook: self.hook, by: By::Policy(base) });
        }
        ChainEnd::Accept
    }

    pub(super) fn dropped(&self, rule: RuleId, base: ChainId, hotdrop: bool) -> Fate {
        Fate::Drop { hook: self.hook, by: By::Rule { rule, base, hotdrop } }
    }

    /// How many rules from a position on end at once, as far as the walk may go on.
    fn passed_over(&mut self, rules: &RuleList, from: u32) -> u32 {
        if self.events.len() > limits::EVENTS {
            return 0;
        }
        let left = limits::RULES.saturating_sub(self.steps).min(rules.len() as u64) as usize;
        let model = self.world.model;
        let head_fails = |r: RuleId| eval::fails(model, &self.packet, model.heads[r.0 as usize]) == Some(true);
        let ends = |r: &RuleId| head_fails(*r) || self.held_at_once(*r).is_none();
        let passed = rules.in_a_row(from as usize, left, ends);
        self.steps += passed as u64;
        passed as u32
    }

    /// How many ops at a rule's beginning hold by the packet alone; `None` when one of them fails: then the rule did
    /// nothing and asked nothing.
    fn held_at_once(&self, rule: RuleId) -> Option<usize> {
        let model = self.world.model;
        let ops = model.rule_ops(rule);
        for (at, op) in ops.iter().enumerate() {
            let fails = match op {
                // A lookup's counters move even where a test behind it fails.
                Op::Test(test) => eval::fails(model, &self.packet, *test),
                Op::Need(header) => match eval::need(&self.packet, *header) {
                    Need::Met => Some(false),
                    Need::Fails => Some(true),
                    Need::Drops => None,
                },
                _ => None,
            };
            match fails {
                None => return Some(at),
                Some(true) => return None,
                Some(false) => {}
            }
        }
        Some(ops.len())
    }

    /// Runs a rule's ops behind those that hold already, and writes the match down at its dialect's moment.
    fn run_rule(&mut self, place: Place, held: usize) -> RuleEnd {
        let Place { rule, base, index, from, depth } = place;
        // Tells random draws apart; the same with and without an index.
        self.evaluation = self.events.len() as u32;
        self.index = index;
        let model = self.world.model;
        let r = model.rule(rule);
        let ops = &model.ops[r.ops.range()];
        let legacy = model.table_of(base).dialect == Dialect::Legacy;
        let event = |verdict| Event::Rule { rule, index, from, verdict, depth };
        let matches = if legacy { usize::from(r.matches).min(ops.len()) } else { ops.len() };
        let held = held.min(matches);
        let mut verdict = match self.run_ops(rule, base, &ops[held..matches], r.ops.start + held as u32) {
            RuleEnd::Matched(v) => v,
            RuleEnd::End(fate @ Fate::Stolen { .. }) => {
                self.events.push(event(Verdict::Stolen));
                return RuleEnd::End(fate);
            }
            // nft's rule is logged with the drop that the match brought on; legacy's is not.
            RuleEnd::End(fate @ Fate::Drop { .. }) if !legacy => {
                self.events.push(event(Verdict::Drop));
                return RuleEnd::End(fate);
            }
            other => return other,
        };
        let at = self.events.len();
        self.events.push(event(verdict));
        if legacy {
            match self.run_ops(rule, base, &ops[matches..], r.ops.start + matches as u32) {
                RuleEnd::Matched(v) => verdict = v,
                RuleEnd::Miss => {}
                RuleEnd::End(fate) => {
                    self.set_verdict(at, if matches!(fate, Fate::Drop { .. }) { Verdict::Drop } else { verdict });
                    return RuleEnd::End(fate);
                }
            }
            self.set_verdict(at, verdict);
        }
        RuleEnd::Matched(verdict)
    }

    fn set_verdict(&mut self, at: usize, new: Verdict) {
        if let Some(Event::Rule { verdict, .. }) = self.events.get_mut(at) {
            *verdict = new;
        }
    }
}
