//! Rules into and out of their chains: `-A`, `-I INPUT 2`, `-R`, `-D INPUT 3`, `-D INPUT -s 10.0.0.1 -j DROP`, `-F`.
//!
//! What a rule is deleted by is what it says, so the chains of `-D` lines have their rules by their words. Left out: reading
//! the lines.

use std::collections::VecDeque;

use nettrace_grammar::iptables::tree::RuleOp;
use nettrace_grammar::{Diagnostic, Span};
use rustc_hash::FxHashMap;

use crate::lower::order::{Order, Orders};
use crate::model::{ChainId, Model, RuleId, TableId};

use super::tables::Lowerer;

/// The rules of a chain that say the same, each list in the chain's order.
type Alike = FxHashMap<String, VecDeque<RuleId>>;

/// The chains that lines edit.
#[derive(Debug, Default)]
pub(super) struct Edits {
    orders: Orders,
    alike: FxHashMap<ChainId, Alike>,
}

impl Edits {
    /// How many rules a chain has.
    pub fn len(&mut self, model: &Model, chain: ChainId) -> usize {
        self.orders.len(model, chain)
    }

    /// Appends rules to a chain.
    pub fn append(&mut self, model: &mut Model, chain: ChainId, rules: &[RuleId]) {
        if self.alike.contains_key(&chain) {
            return rules.iter().for_each(|r| self.insert(model, chain, usize::MAX, *r));
        }
        self.orders.append(model, chain, rules);
    }

    /// Puts a rule in at an index; at the end, if there are fewer.
    pub fn insert(&mut self, model: &mut Model, chain: ChainId, at: usize, rule: RuleId) {
        let order = self.orders.edit(model, chain);
        order.insert(at, rule);
        if let Some(alike) = self.alike.get_mut(&chain) {
            let list = alike.entry(shown(model, rule)).or_default();
            let at = place(list, order, rule);
            list.insert(at, rule);
        }
    }

    /// Takes out the rule at an index.
    pub fn remove(&mut self, model: &mut Model, chain: ChainId, at: usize) -> Option<RuleId> {
        let order = self.orders.edit(model, chain);
        let rule = order.get(at)?;
        if let Some(alike) = self.alike.get_mut(&chain)
            && let Some(list) = alike.get_mut(&shown(model, rule))
        {
            list.remove(place(list, order, rule));
        }
        order.remove(at)
    }

    /// Takes out the first rule that says the same as `wanted`.
    pub fn remove_like(&mut self, model: &mut Model, chain: ChainId, wanted: RuleId) -> Option<RuleId> {
        let order = self.orders.edit(model, chain);
        let alike = self.alike.entry(chain).or_insert_with(|| {
            let mut alike = Alike::default();
            order.iter().for_each(|r| alike.entry(shown(model, r)).or_default().push_back(r));
            alike
        });
        let first = alike.get_mut(&shown(model, wanted))?.pop_front()?;
        order.remove(order.position(first)?)
    }

    /// Takes all rules out of a chain.
    pub fn clear(&mut self, model: &mut Model, chain: ChainId) {
        self.alike.remove(&chain);
        self.orders.clear(model, chain);
    }

    /// Takes all rules out of a table.
    pub fn clear_table(&mut self, model: &mut Model, table: TableId) {
        for chain in self.orders.clear_table(model, table) {
            self.alike.remove(&chain);
        }
    }

    /// Gives the chains their rules.
    pub fn settle(&mut self, model: &mut Model) {
        self.orders.settle(model);
    }
}

/// Where a rule of the chain stands, or is to stand, among those that say the same.
fn place(list: &VecDeque<RuleId>, order: &Order, rule: RuleId) -> usize {
    let at = order.position(rule);
    list.partition_point(|r| order.position(*r) < at)
}

/// A rule's ops and its comment in words, to compare rules by.
fn shown(model: &Model, rule: RuleId) -> String {
    let family = 2;
    let comment = model.rule(rule).comment.map(|c| model.name(c).to_owned());
    let ops = model.rule_ops(rule).iter().map(|op| model.show_op(*op, family));
    ops.chain(comment).collect::<Vec<_>>().join("\n")
}

impl Lowerer<'_, '_> {
    /// Puts rules into their chain, or takes them out, as the operation says.
    pub(super) fn put(&mut self, op: RuleOp, chain: ChainId, ids: &[RuleId], span: Span) {
        let (edits, model) = (&mut self.edits, &mut *self.model);
        let at = match op {
            RuleOp::Append => return edits.append(model, chain, ids),
            RuleOp::Delete => return ids.iter().for_each(|id| self.delete(chain, *id, span)),
            RuleOp::Check => return,
            RuleOp::Insert(n) | RuleOp::Replace(n) | RuleOp::DeleteNumber(n) => n,
        };
        let rules = edits.len(model, chain) + usize::from(matches!(op, RuleOp::Insert(_)));
        let Some(index) = (at as usize).checked_sub(1).filter(|i| *i < rules) else {
            let message = format!("the chain has {} rules, not {at}", edits.len(model, chain));
            return self.diagnostics.push(Diagnostic::error("NT109", span, message));
        };
        if !matches!(op, RuleOp::Insert(_)) {
            edits.remove(model, chain, index);
        }
        // Several rules of one `-I` end up in reverse: iptables inserts each at the same place.
        let step = usize::from(matches!(op, RuleOp::Replace(_)));
        for (i, id) in ids.iter().enumerate() {
            edits.insert(model, chain, index + i * step, *id);
        }
    }

    fn delete(&mut self, chain: ChainId, wanted: RuleId, span: Span) {
        if self.edits.remove_like(self.model, chain, wanted).is_none() {
            self.diagnostics.push(Diagnostic::error("NT109", span, "the chain has no such rule"));
        }
    }
}
