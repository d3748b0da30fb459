//! What-if edits: `-I INPUT 2 …` puts a rule that was lowered already into one chain's list, `--without` takes one out.
//!
//! An edit changes a chain's `Vec<RuleId>`, a policy or a set's contents and nothing else; no rule is lowered again, and
//! [`Model::undo`] puts back what was there. A whole command (`iptables -I …`, `nft add table …`) may do several such things
//! and add to the arenas: a [`Checkpoint`] takes it back. Left out: making the rules; the lowering of dumps does that.

use std::collections::BTreeSet;

use nettrace_grammar::Name;
use rustc_hash::FxHashMap;

use super::{
    Asked, ByName, Chain, ChainId, Contents, Model, ObjectKind, RuleId, Set, SetId, Stateful, Table, TableId, Verdict,
};

/// A change of the rules in force.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A rule, lowered already, is put in at an index from 0; an index behind the end appends.
    Insert {
        /// The chain.
        chain: ChainId,
        /// Index in the chain from 0.
        index: usize,
        /// The rule.
        rule: RuleId,
    },
    /// A rule is taken out of its chain.
    Remove(RuleId),
    /// A base chain gets another policy.
    Policy(ChainId, Verdict),
    /// A set gets other contents.
    Contents(SetId, Contents),
}

/// What takes an edit back. Edits are undone in the reverse order of their making.
#[derive(Clone, Debug)]
#[must_use]
pub enum Undo {
    /// Nothing was changed.
    Nothing,
    /// Take the rule at this index out again.
    TakeOut(ChainId, usize),
    /// Put the rule in again at this index.
    PutBack(ChainId, usize, RuleId),
    /// The policy before.
    Policy(ChainId, Verdict),
    /// The contents before.
    Contents(SetId, Contents),
}

/// What there was before a command, to come back to: lists of rules, hooks and policies, the contents of some sets, and how
/// long the arenas were. Names and texts that were added stay; nothing refers to them.
#[derive(Clone, Debug)]
#[must_use]
pub struct Checkpoint {
    tables: Vec<Table>,
    chains: Vec<Chain>,
    by_name: ByName,
    bases: BTreeSet<ChainId>,
    touched: Vec<(SetId, Set)>,
    sets: usize,
    objects: FxHashMap<(TableId, ObjectKind, Name), Stateful>,
    asked: Asked,
    registrations: u32,
    arenas: [usize; 11],
}

impl Model {
    /// Remembers what there is; of the sets, what `touched` hold.
    pub fn checkpoint(&self, touched: impl Iterator<Item = SetId>) -> Checkpoint {
        Checkpoint {
            tables: self.tables.clone(),
            chains: self.chains.clone(),
            by_name: self.by_name.clone(),
            bases: self.bases.clone(),
            touched: touched.map(|id| (id, self.set(id).clone())).collect(),
            sets: self.sets.len(),
            objects: self.objects.clone(),
            asked: self.asked,
            registrations: self.registrations,
            arenas: self.arenas(),
        }
    }

    /// Makes everything as it was.
    pub fn back_to(&mut self, before: &Checkpoint) {
        self.index = None;
        self.tables.clone_from(&before.tables);
        self.chains.clone_from(&before.chains);
        self.by_name.clone_from(&before.by_name);
        self.bases.clone_from(&before.bases);
        self.sets.truncate(before.sets);
        for (id, set) in &before.touched {
            self.sets[id.0 as usize].clone_from(set);
        }
        self.objects.clone_from(&before.objects);
        (self.asked, self.registrations) = (before.asked, before.registrations);
        let [rules, ops, tests, test_lists, exprs, expr_lists, values, wides, effects, lookups, programs] =
            before.arenas;
        self.rules.truncate(rules);
        self.heads.truncate(rules);
        self.ops.truncate(ops);
        self.tests.truncate(tests);
        self.test_lists.truncate(test_lists);
        self.exprs.truncate(exprs);
        self.expr_lists.truncate(expr_lists);
        self.values.truncate(values);
        self.wides.truncate(wides);
        self.effects.truncate(effects);
        self.lookups.truncate(lookups);
        self.programs.truncate(programs);
    }

    fn arenas(&self) -> [usize; 11] {
        [
            self.rules.len(),
            self.ops.len(),
            self.tests.len(),
            self.test_lists.len(),
            self.exprs.len(),
            self.expr_lists.len(),
            self.values.len(),
            self.wides.len(),
            self.effects.len(),
            self.lookups.len(),
            self.programs.len(),
        ]
    }

    /// Makes a change and returns what takes it back.
    pub fn apply(&mut self, edit: Edit) -> Undo {
        self.index = None;
        match edit {
            Edit::Insert { chain, index, rule } => self.insert(chain, index, rule),
            Edit::Remove(rule) => self.remove(rule),
            Edit::Policy(chain, policy) => self.set_policy(chain, policy),
            Edit::Contents(set, contents) => self.set_contents(set, contents),
        }
    }

    /// Takes a change back.
    pub fn undo(&mut self, undo: Undo) {
        self.index = None;
        match undo {
            Undo::Nothing => {}
            Undo::TakeOut(chain, index) => {
                self.chains[chain.0 as usize].rules.remove(index);
            }
            Undo::PutBack(chain, index, rule) => self.chains[chain.0 as usize].rules.insert(index, rule),
            Undo::Policy(chain, policy) => drop(self.set_policy(chain, policy)),
            Undo::Contents(set, contents) => drop(self.set_contents(set, contents)),
        }
    }

    fn insert(&mut self, chain: ChainId, index: usize, rule: RuleId) -> Undo {
        let Some(held) = self.chains.get_mut(chain.0 as usize) else { return Undo::Nothing };
        let index = index.min(held.rules.len());
        held.rules.insert(index, rule);
        Undo::TakeOut(chain, index)
    }

    fn remove(&mut self, rule: RuleId) -> Undo {
        let Some(chain) = self.rules.get(rule.0 as usize).map(|r| r.chain) else { return Undo::Nothing };
        let rules = &mut self.chains[chain.0 as usize].rules;
        let Some(index) = rules.position(rule) else { return Undo::Nothing };
        rules.remove(index);
        Undo::PutBack(chain, index, rule)
    }

    fn set_policy(&mut self, chain: ChainId, policy: Verdict) -> Undo {
        let base = self.chains.get_mut(chain.0 as usize).and_then(|c| c.base.as_mut());
        base.map_or(Undo::Nothing, |b| Undo::Policy(chain, std::mem::replace(&mut b.policy, policy)))
    }

    fn set_contents(&mut self, set: SetId, contents: Contents) -> Undo {
        let held = self.sets.get_mut(set.0 as usize);
        held.map_or(Undo::Nothing, |s| Undo::Contents(set, std::mem::replace(&mut s.contents, contents)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dialect, Draft, Family};
    use nettrace_grammar::Span;
    use proptest::prelude::*;

    fn model(rules: usize) -> Model {
        let mut m = Model::default();
        let t = m.add_table(Family::Ip, "filter", Dialect::Legacy, Span::default());
        let c = m.add_chain(t, "INPUT", None, Span::default());
        for _ in 0..rules {
            m.append_rule(c, &Draft::default(), Span::default());
        }
        m
    }

    proptest! {
        #[test]
        fn edits_undone_in_reverse_leave_the_chain_as_it_was(edits in prop::collection::vec((any::<bool>(), 0usize..8), 0..8)) {
            let mut m = model(5);
            let before = m.chains[0].rules.clone();
            let mut undos = Vec::new();
            for (insert, i) in edits {
                let edit = if insert {
                    let rule = m.add_rule(ChainId(0), &Draft::default(), Span::default());
                    Edit::Insert { chain: ChainId(0), index: i, rule }
                } else {
                    Edit::Remove(RuleId(i as u32))
                };
                undos.push(m.apply(edit));
            }
            while let Some(undo) = undos.pop() {
                m.undo(undo);
            }
            prop_assert_eq!(&m.chains[0].rules, &before);
        }
    }

    #[test]
    fn what_does_not_exist_changes_nothing() {
        let mut m = model(1);
        let undo = m.apply(Edit::Remove(RuleId(9)));
        assert!(matches!(undo, Undo::Nothing));
        let undo = m.apply(Edit::Insert { chain: ChainId(0), index: 99, rule: RuleId(0) });
        assert_eq!(m.chains[0].rules.len(), 2);
        m.undo(undo);
        assert_eq!(m.chains[0].rules.len(), 1);
    }
}
