//! One base chain: rules in order, jumps, returns, the policy.
//!
//! `ipt` and `nft` are one machine here (semantics.md 11.1); they differ in when a rule is written down, which is the
//! table's dialect: legacy before its target runs, the others behind all of its ops.

use super::Machine;
use crate::eval;
use crate::limits;
use crate::model::{ChainId, Dialect, Op, RuleId, Verdict};
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
#[derive(Clone, Copy)]
struct Frame {
    chain: ChainId,
    next: u32,
}

impl Machine<'_> {
    /// Runs a base chain.
    pub(super) fn run_base(&mut self, base: ChainId) -> ChainEnd {
        self.events.push(Event::Enter(base));
        let mut stack: Vec<Frame> = Vec::new();
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
            let Some(rule) = rules.get(here.next as usize).copied() else {
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
            if self.ends_at_once(rule) {
                continue;
            }
            let verdict = match self.run_rule(rule, here.next - 1, from, stack.len() as u16, base) {
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
        let policy = self.world.model.chain(base).base.as_ref().map_or(Verdict::Accept, |b| b.policy);
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
    fn passed_over(&mut self, rules: &[RuleId], from: u32) -> u32 {
        if self.events.len() > limits::EVENTS {
            return 0;
        }
        let rest = rules.get(from as usize..).unwrap_or(&[]);
        let left = limits::RULES.saturating_sub(self.steps).min(rest.len() as u64) as usize;
        let passed = rest[..left].iter().take_while(|r| self.ends_at_once(**r)).count();
        self.steps += passed as u64;
        passed as u32
    }

    /// Whether a comparison in a rule's first run of tests fails for certain: then the rule did nothing and asked nothing.
    fn ends_at_once(&self, rule: RuleId) -> bool {
        let model = self.world.model;
        for op in model.rule_ops(rule) {
            let Op::Test(test) = op else { return false };
            match eval::fails(model, &self.packet, *test) {
                // A lookup's counters move even where a test behind it fails.
                None => return false,
                Some(true) => return true,
                Some(false) => {}
            }
        }
        false
    }

    /// Runs a rule's ops and writes the match down at its dialect's moment.
    fn run_rule(&mut self, rule: RuleId, index: u32, from: u32, depth: u16, base: ChainId) -> RuleEnd {
        // Tells random draws apart; the same with and without an index.
        self.evaluation = self.events.len() as u32;
        self.index = index;
        let model = self.world.model;
        let r = model.rule(rule);
        let ops = &model.ops[r.ops.range()];
        let legacy = model.table_of(base).dialect == Dialect::Legacy;
        let event = |verdict| Event::Rule { rule, index, from, verdict, depth };
        let (matches, target) =
            if legacy { ops.split_at(usize::from(r.matches).min(ops.len())) } else { (ops, &ops[..0]) };
        let site = r.ops.start;
        let mut verdict = match self.run_ops(rule, base, matches, site) {
            RuleEnd::Matched(v) => v,
            RuleEnd::End(fate @ Fate::Stolen { .. }) => {
                self.events.push(event(Verdict::Stolen));
                return RuleEnd::End(fate);
            }
            other => return other,
        };
        let at = self.events.len();
        if legacy {
            self.events.push(event(verdict));
            match self.run_ops(rule, base, target, site + matches.len() as u32) {
                RuleEnd::Matched(v) => verdict = v,
                RuleEnd::Miss => {}
                RuleEnd::End(fate) => {
                    self.set_verdict(at, if matches!(fate, Fate::Drop { .. }) { Verdict::Drop } else { verdict });
                    return RuleEnd::End(fate);
                }
            }
            self.set_verdict(at, verdict);
        } else {
            self.events.push(event(verdict));
        }
        RuleEnd::Matched(verdict)
    }

    fn set_verdict(&mut self, at: usize, new: Verdict) {
        if let Some(Event::Rule { verdict, .. }) = self.events.get_mut(at) {
            *verdict = new;
        }
    }
}
