//! What rules do with ipsets besides asking them: the SET target's additions and removals, `--map-set`, and the counters
//! that a match moves.

use super::Machine;
use crate::eval::{self, ipset};
use crate::fact::Fact;
use crate::field::Field;
use crate::model::*;
use crate::packet::Got;
use crate::sets::{Adding, SetType};
use crate::trace::Cause;

impl Machine<'_> {
    /// Repeats a question until every fact it needs is answered.
    fn asked<T>(&mut self, site: u32, question: impl Fn(eval::View) -> Result<T, Fact>) -> T {
        loop {
            match question(self.view(site)) {
                Ok(answer) => return answer,
                Err(fact) => {
                    self.answer(fact);
                }
            }
        }
    }

    /// `SET --add-set` and `--del-set`. Of a `list:set` the first member that takes the key gets it.
    pub(super) fn ipset_update(&mut self, id: SetId, dims: &[Dim], u: &SetUpdate) -> bool {
        let model = self.world.model;
        if let Contents::Ipset(set) = &model.set(id).contents
            && set.kind == SetType::List
        {
            return set.members.iter().filter(|m| !is_list(model, **m)).any(|m| self.ipset_update(*m, dims, u));
        }
        let Some(key) = self.asked(0, |view| ipset::update_key(view, id, dims)) else { return false };
        let left = u.timeout.and_then(|ms| u32::try_from(ms / 1000).ok());
        let bytes = self.packet.or_zero(Field::Length) as u64;
        let how = Adding { now: self.state.now, left, refresh: u.op == UpdateOp::Update, bytes };
        let delta = self.state.sets.entry(id).or_default();
        match &model.set(id).contents {
            Contents::Ipset(set) if u.op == UpdateOp::Delete => set.remove(&key, delta),
            Contents::Ipset(set) => set.add(&key, how, delta),
            _ => {
                delta.put(key, (u.op != UpdateOp::Delete).then(Vec::new));
                true
            }
        }
    }

    /// `SET --map-set`: mark and priority from the entry that the packet hits; the entry counts the packet.
    pub(super) fn ipset_map(&mut self, rule: RuleId, lookup: LookupId, mark: bool, prio: bool) {
        let lookup = self.world.model.lookup(lookup);
        let tested = self.asked(0, |view| ipset::test(view, lookup.set, &lookup.key));
        self.apply_changes(tested.changes);
        let fields = [(mark, Field::Mark), (prio, Field::Priority)];
        let Some((_, hit)) = tested.hit.filter(|_| tested.matches) else {
            // An entry that no dump tells: what it holds is not known.
            for (_, field) in fields.into_iter().filter(|(wanted, _)| *wanted && tested.matches) {
                self.write(field, Got::Unknown, Cause::Rule(rule));
            }
            return;
        };
        if mark {
            let (value, mask) = hit.ext.skb_mark.unwrap_or((0, 0));
            let new = (self.packet.or_zero(Field::Mark) & !u128::from(mask)) ^ u128::from(value);
            self.set(Field::Mark, new, Cause::Rule(rule));
        }
        if prio {
            self.set(Field::Priority, hit.ext.skb_prio.unwrap_or(0).into(), Cause::Rule(rule));
        }
    }

    fn apply_changes(&mut self, changes: Vec<ipset::Change>) {
        for (set, key, data) in changes {
            self.state.sets.entry(set).or_default().put(key, Some(data));
        }
    }

    /// Moves the counters of the entries that a run of tests hit, up to the first test that fails.
    pub(super) fn count_lookups(&mut self, run: &[Op], site: u32) {
        for (i, op) in run.iter().enumerate() {
            let Op::Test(test) = *op else { continue };
            if let Some(id) = lookup_of(self.world.model, test) {
                let lookup = self.world.model.lookup(id);
                if let Ok(tested) = ipset::test(self.view(site + i as u32), lookup.set, &lookup.key) {
                    self.apply_changes(tested.changes);
                }
            }
            if eval::decide(self.view(site + i as u32), test) != eval::Tri::Yes {
                return;
            }
        }
    }
}

fn is_list(model: &Model, id: SetId) -> bool {
    matches!(&model.set(id).contents, Contents::Ipset(set) if set.kind == SetType::List)
}

/// The ipset lookup of a test, negated or not.
fn lookup_of(model: &Model, test: Test) -> Option<LookupId> {
    match test {
        Test::Lookup { lookup, .. } => matches!(model.lookup(lookup).key, LookupKey::Dims { .. }).then_some(lookup),
        Test::Not(inner) => lookup_of(model, model.test(inner)),
        _ => None,
    }
}
