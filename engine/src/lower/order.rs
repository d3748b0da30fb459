//! The rules of a chain while commands put them in and take them out: `-I INPUT 7`, `-D INPUT 3`, `insert rule …`.
//!
//! A chain of a dump only grows at its end, and keeps its plain list. The first other edit makes an [`Order`] of it, in which
//! an edit and the number of a rule cost the square root of its length; [`Orders::settle`] makes lists again.

use rustc_hash::FxHashMap;

use crate::model::{ChainId, Model, RuleId, RuleList, TableId};

/// Rules of a block when it is halved.
const BLOCK: usize = 512;

/// Rules in order, in blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    blocks: Vec<Vec<RuleId>>,
    /// The blocks in their order.
    row: Vec<u32>,
    /// The block of each rule.
    block_of: FxHashMap<RuleId, u32>,
}

impl Order {
    fn new(rules: &RuleList) -> Self {
        let rules: Vec<_> = rules.iter().collect();
        let blocks: Vec<_> = rules.chunks(BLOCK / 2).map(<[RuleId]>::to_vec).collect();
        let row = (0..blocks.len() as u32).collect();
        let block = |i: usize| (i / (BLOCK / 2)) as u32;
        Order { blocks, row, block_of: rules.iter().enumerate().map(|(i, r)| (*r, block(i))).collect() }
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.block_of.len()
    }

    fn block(&self, at: usize) -> &Vec<RuleId> {
        &self.blocks[self.row[at] as usize]
    }

    /// The block of the first place that is `at` or, with `behind`, may become it; the place in that block.
    fn seek(&self, mut at: usize, behind: bool) -> Option<(usize, usize)> {
        for i in 0..self.row.len() {
            let len = self.block(i).len();
            if at < len + usize::from(behind) {
                return Some((i, at));
            }
            at -= len;
        }
        None
    }

    /// The rule at an index.
    pub fn get(&self, at: usize) -> Option<RuleId> {
        let (block, at) = self.seek(at, false)?;
        Some(self.block(block)[at])
    }

    /// A rule's index.
    pub fn position(&self, rule: RuleId) -> Option<usize> {
        let block = *self.block_of.get(&rule)?;
        let before = self.row.iter().take_while(|b| **b != block).map(|b| self.blocks[*b as usize].len());
        Some(before.sum::<usize>() + self.blocks[block as usize].iter().position(|r| *r == rule)?)
    }

    /// Puts a rule in at an index; at the end, if there are fewer.
    pub fn insert(&mut self, at: usize, rule: RuleId) {
        if self.row.is_empty() {
            self.row.push(self.blocks.len() as u32);
            self.blocks.push(Vec::new());
        }
        let end = self.row.len() - 1;
        let (block, at) = self.seek(at, true).unwrap_or((end, self.block(end).len()));
        let id = self.row[block];
        self.blocks[id as usize].insert(at, rule);
        self.block_of.insert(rule, id);
        if self.blocks[id as usize].len() >= BLOCK {
            let tail = self.blocks[id as usize].split_off(BLOCK / 2);
            let new = self.blocks.len() as u32;
            self.block_of.extend(tail.iter().map(|r| (*r, new)));
            self.row.insert(block + 1, new);
            self.blocks.push(tail);
        }
    }

    /// Takes out the rule at an index.
    pub fn remove(&mut self, at: usize) -> Option<RuleId> {
        let (block, at) = self.seek(at, false)?;
        let rule = self.blocks[self.row[block] as usize].remove(at);
        self.block_of.remove(&rule);
        Some(rule)
    }

    /// The rules in order.
    pub fn iter(&self) -> impl Iterator<Item = RuleId> {
        self.row.iter().flat_map(|b| self.blocks[*b as usize].iter().copied())
    }
}

/// The chains of a model, of which commands edit some.
#[derive(Debug, Default)]
pub(super) struct Orders {
    edited: FxHashMap<ChainId, Order>,
    /// The chains that were told of since their table was cleared; unset while none was.
    filled: Option<FxHashMap<TableId, Vec<ChainId>>>,
}

impl Orders {
    /// The rules of a chain, to be edited.
    pub fn edit(&mut self, model: &mut Model, chain: ChainId) -> &mut Order {
        self.note(model, chain);
        let rules = &mut model.chains[chain.0 as usize].rules;
        self.edited.entry(chain).or_insert_with(|| Order::new(&std::mem::take(rules)))
    }

    /// Appends rules to a chain.
    pub fn append(&mut self, model: &mut Model, chain: ChainId, rules: &[RuleId]) {
        self.note(model, chain);
        match self.edited(chain) {
            Some(order) => rules.iter().for_each(|r| order.insert(usize::MAX, *r)),
            None => rules.iter().for_each(|r| model.chains[chain.0 as usize].rules.push(*r)),
        }
    }

    /// How many rules a chain has.
    pub fn len(&mut self, model: &Model, chain: ChainId) -> usize {
        self.edited(chain).map_or(model.chain(chain).rules.len(), |order| order.len())
    }

    /// Takes all rules out of a chain.
    pub fn clear(&mut self, model: &mut Model, chain: ChainId) {
        self.edited.remove(&chain);
        model.chains[chain.0 as usize].rules = RuleList::default();
    }

    /// Notes that a chain is there, or gets rules.
    pub fn note(&mut self, model: &Model, chain: ChainId) {
        if let Some(filled) = &mut self.filled {
            let table = model.chain(chain).table;
            filled.entry(table).or_default().push(chain);
        }
    }

    /// Chains by table since it was cleared last.
    fn filled(&mut self, model: &Model) -> &mut FxHashMap<TableId, Vec<ChainId>> {
        if self.filled.is_none() {
            self.filled = Some(FxHashMap::default());
            (0..model.chains.len() as u32).for_each(|chain| self.note(model, ChainId(chain)));
        }
        self.filled.get_or_insert_default()
    }

    /// Takes all rules out of a table, and returns the chains that had some or were told of since the last time.
    pub fn clear_table(&mut self, model: &mut Model, table: TableId) -> Vec<ChainId> {
        let chains = self.filled(model).remove(&table).unwrap_or_default();
        for chain in &chains {
            self.clear(model, *chain);
        }
        chains
    }

    /// The chain's rules where it was edited; the usual dump edits none.
    fn edited(&mut self, chain: ChainId) -> Option<&mut Order> {
        if self.edited.is_empty() { None } else { self.edited.get_mut(&chain) }
    }

    /// Gives the chains their rules.
    pub fn settle(&mut self, model: &mut Model) {
        for (chain, order) in self.edited.drain() {
            model.chains[chain.0 as usize].rules = order.iter().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_order_is_the_list_it_stands_for(start in 0u32..1200, edits in prop::collection::vec((0u32..3, 0usize..1500), 0..1500)) {
            let mut list: Vec<RuleId> = (0..start).map(RuleId).collect();
            let mut order = Order::new(&list.iter().copied().collect());
            for (i, (kind, at)) in edits.into_iter().enumerate() {
                let rule = RuleId(start + i as u32);
                if kind > 0 {
                    list.insert(at.min(list.len()), rule);
                    order.insert(at, rule);
                } else {
                    let expect = (at < list.len()).then(|| list.remove(at));
                    prop_assert_eq!(order.remove(at), expect);
                }
            }
            prop_assert_eq!(order.len(), list.len());
            for (at, rule) in list.iter().enumerate().step_by(97) {
                prop_assert_eq!((order.get(at), order.position(*rule)), (Some(*rule), Some(at)));
            }
            prop_assert_eq!(order.iter().collect::<Vec<_>>(), list);
        }
    }
}
