//! A rule's ops in order. Within a run of pure tests a definite failure ends the rule before anything unknown is asked.

use super::Machine;
use super::chain::RuleEnd;
use crate::eval::{self, Hit, Need, Tri};
use crate::fact::Fact;
use crate::field::Field;
use crate::model::*;
use crate::packet::Got;
use crate::state::Cell;
use crate::trace::{Cause, Event};

impl Machine<'_> {
    /// Runs ops from `site` on; without a verdict among them the rule says continue.
    #[inline]
    pub(super) fn run_ops(&mut self, rule: RuleId, base: ChainId, ops: &[Op], site: u32) -> RuleEnd {
        match ops {
            [] => RuleEnd::Matched(Verdict::Continue),
            [Op::Verdict(verdict)] => RuleEnd::Matched(*verdict),
            _ => self.run_each(rule, base, ops, site),
        }
    }

    fn run_each(&mut self, rule: RuleId, base: ChainId, ops: &[Op], site: u32) -> RuleEnd {
        let mut i = 0;
        while let Some(op) = ops.get(i) {
            let at = site + i as u32;
            match *op {
                Op::Test(_) => {
                    // A counting test is moved by being reached, so it ends the run of pure ones.
                    let pure = |o: &&Op| matches!(o, Op::Test(t) if self.counts(*t).is_none());
                    let run = ops[i..].iter().take_while(pure).count();
                    if !self.tests(&ops[i..i + run.max(1)], at) {
                        self.count_test(op, run, at);
                        return RuleEnd::Miss;
                    }
                    self.count_test(op, run, at);
                    i += run.max(1);
                    continue;
                }
                Op::Need(header) => match eval::need(&self.packet, header) {
                    Need::Met => {}
                    Need::Fails => return RuleEnd::Miss,
                    Need::Drops => return RuleEnd::End(self.dropped(rule, base, true)),
                },
                Op::Set { field, expr, miss } => {
                    if !self.assign(rule, field, expr, at) && miss {
                        return RuleEnd::Miss;
                    }
                    self.count_numgen(&[expr], at);
                }
                Op::Effect(id) => {
                    self.site = at;
                    if let Some(end) = self.effect(rule, id, at) {
                        return end;
                    }
                }
                Op::Verdict(v) => return RuleEnd::Matched(v),
                Op::VerdictMap(lookup) => return self.verdict_map(lookup, at),
                Op::Opaque(text) => match self.answer(Fact::Target(text)) {
                    1 => return RuleEnd::Matched(Verdict::Accept),
                    2 => return RuleEnd::Matched(Verdict::Drop),
                    _ => {}
                },
            }
            i += 1;
        }
        RuleEnd::Matched(Verdict::Continue)
    }

    /// The counting expression of a test (`numgen inc mod 3 0`).
    fn counts(&self, test: Test) -> Option<ExprId> {
        let inc = |e| matches!(self.world.model.expr(e), Expr::Numgen { random: false, .. });
        match test {
            Test::In { expr, .. } => inc(expr).then_some(expr),
            Test::Relation { left, right, .. } => [left, right].into_iter().find(|e| inc(*e)),
            _ => None,
        }
    }

    /// Moves the counter of a test that stood alone.
    fn count_test(&mut self, op: &Op, run: usize, site: u32) {
        if run == 0
            && let Op::Test(test) = *op
            && let Some(expr) = self.counts(test)
        {
            self.count_numgen(&[expr], site);
        }
    }

    /// A run of pure tests: `false` as soon as one definitely fails; only then is anything asked.
    fn tests(&mut self, run: &[Op], site: u32) -> bool {
        let held = self.all_hold(run, site);
        if self.traits.sets_count {
            self.count_lookups(run, site);
        }
        held
    }

    fn all_hold(&mut self, run: &[Op], site: u32) -> bool {
        loop {
            let mut open = None;
            for (i, op) in run.iter().enumerate() {
                let Op::Test(test) = *op else { continue };
                match eval::decide(self.view(site + i as u32), test) {
                    Tri::Yes => {}
                    Tri::No => return false,
                    Tri::Ask(fact) => open = open.or(Some(fact)),
                }
            }
            match open {
                Some(fact) => self.answer(fact),
                None => return true,
            };
        }
    }

    /// Writes a field; `false` when the value or the place for it is absent.
    fn assign(&mut self, rule: RuleId, field: Field, expr: ExprId, site: u32) -> bool {
        let Some(value) = self.value(site, expr) else { return false };
        if field.is_conntrack() {
            return self.assign_ct(rule, field, value);
        }
        let always = matches!(
            field,
            Field::Mark | Field::Priority | Field::PktType | Field::NfTrace | Field::Secmark | Field::TcpMss
        );
        if !always && self.packet.get(field) == Got::Absent {
            return false;
        }
        if field == Field::TcpMss {
            return self.clamp_mss(rule, value);
        }
        self.set(field, value & ones(field.bits()), Cause::Rule(rule));
        true
    }

    /// TCPMSS never raises. Where the option is missing it adds it, with at most what a host without it is sent, if there is no data
    /// (`net/netfilter/xt_TCPMSS.c`). What it makes of a default is still one.
    fn clamp_mss(&mut self, rule: RuleId, value: u128) -> bool {
        if self.packet.or_zero(Field::Proto) != 6 || self.packet.or_zero(Field::ThLength) < 20 {
            return false;
        }
        let default = self.packet.default_of(Field::TcpMss);
        match self.packet.value(Field::TcpMss) {
            Some(old) if old <= value => return true,
            Some(_) => self.set(Field::TcpMss, value, Cause::Rule(rule)),
            None => {
                let header = 20 + self.packet.bytes.tcp_options.len() as u128;
                if self.packet.or_zero(Field::ThLength) > header {
                    return true;
                }
                let most = if self.packet.family() == 10 { 1220 } else { 536 };
                self.set(Field::TcpMss, value.min(most), Cause::Rule(rule));
                self.set(Field::Length, self.packet.or_zero(Field::Length) + 4, Cause::Rule(rule));
            }
        }
        if default.is_some() {
            self.packet.stand_in(Field::TcpMss, self.packet.or_zero(Field::TcpMss));
        }
        true
    }

    /// What a lookup finds, once the facts that it depends on are answered.
    pub(super) fn found(&mut self, lookup: LookupId, site: u32) -> Hit {
        loop {
            match eval::find(self.view(site), lookup) {
                Hit::Ask(fact) => {
                    self.answer(fact);
                }
                hit => return hit,
            }
        }
    }

    fn verdict_map(&mut self, lookup: LookupId, site: u32) -> RuleEnd {
        let hit = self.found(lookup, site);
        let l = self.world.model.lookup(lookup);
        if let LookupKey::Exprs(parts) = &l.key {
            self.count_numgen(parts, site);
        }
        let Hit::Element(element) = hit else { return RuleEnd::Miss };
        let Contents::Elements(elements) = &self.world.model.set(l.set).contents else { return RuleEnd::Miss };
        match elements.data(element) {
            Data::Verdict(v) => RuleEnd::Matched(*v),
            Data::Opaque(text) => match self.answer(Fact::Target(*text)) {
                1 => RuleEnd::Matched(Verdict::Accept),
                2 => RuleEnd::Matched(Verdict::Drop),
                _ => RuleEnd::Matched(Verdict::Continue),
            },
            _ => RuleEnd::Miss,
        }
    }

    /// Moves the counters of the `numgen inc` expressions in these, which were just evaluated: each once, however often it is read.
    pub(super) fn count_numgen(&mut self, exprs: &[ExprId], site: u32) {
        let mut counting = Vec::new();
        for expr in exprs {
            self.numgens(*expr, &mut counting);
        }
        for expr in counting {
            let key = eval::counter_key(expr);
            match self.state.rules.get_mut(&key) {
                Some(Cell::Count(n)) => *n += 1,
                Some(_) => {}
                None => {
                    let stood = self.facts.get(&Fact::Counter(expr, site)).unwrap_or(0) as u64;
                    self.state.rules.insert(key, Cell::Count(stood + 1));
                }
            }
        }
    }

    /// The `numgen inc` expressions in one.
    fn numgens(&self, expr: ExprId, found: &mut Vec<ExprId>) {
        let model = self.world.model;
        match model.expr(expr) {
            Expr::Numgen { random: false, .. } if !found.contains(&expr) => found.push(expr),
            Expr::Bin(_, a, b) => [a, b].into_iter().for_each(|e| self.numgens(e, found)),
            Expr::Concat(list) => model.expr_lists[list.range()].iter().for_each(|e| self.numgens(*e, found)),
            Expr::Map { lookup, .. } => {
                if let LookupKey::Exprs(parts) = &model.lookup(lookup).key {
                    for e in parts {
                        self.numgens(*e, found);
                    }
                }
            }
            _ => {}
        }
    }

    /// Writes down that rule state decided.
    pub(super) fn state_event(&mut self, rule: RuleId, text: String, held: bool) {
        self.events.push(Event::State { rule, text, held });
    }
}
