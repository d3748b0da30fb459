//! Sets that packets change: `add @s { ip saddr timeout 5m }`, `update @m { ip saddr : ct mark }`, `meter m { … }`.

use nettrace_grammar::nft::tree::{Expr as Written, ExprId as WrittenId, Run};
use nettrace_grammar::{Name, Span};

use super::super::cx::{Cx, DataKind, SetType};
use super::super::kind::Kind;
use crate::model::*;

impl Cx<'_> {
    /// Adds the op for each element (one in practice).
    pub(in super::super) fn update(&mut self, op: UpdateOp, set: SetId, elements: Run) -> Option<()> {
        let tree = self.tree;
        for element in elements.of(&tree.elements) {
            let exprs = self.key_exprs(set, element.key)?;
            let data = match element.data {
                None => Vec::new(),
                Some(id) => self.data_exprs(set, id)?,
            };
            let (stateful, timeout) = self.update_options(element.opts);
            let key = LookupKey::Exprs(exprs);
            let update = SetUpdate { set, op, key, data, timeout, stateful, miss: true };
            let op = self.model.effect_op(Effect::SetUpdate(Box::new(update)));
            self.op(op);
        }
        Some(())
    }

    /// The key's parts; constants may stand among them: `add @s { ip saddr . 10002 }`.
    fn key_exprs(&mut self, set: SetId, key: WrittenId) -> Option<Vec<ExprId>> {
        let kinds = self.types.get(&set).map(|t| t.key.clone()).unwrap_or_default();
        let parts = match self.tree.expr(key) {
            Written::Concat(run) => run.of(&self.tree.lists).to_vec(),
            _ => vec![key],
        };
        let kind = |i: usize| kinds.get(i).copied().unwrap_or(Kind::Any);
        parts.iter().enumerate().map(|(i, p)| self.value_expr(kind(i), *p)).collect()
    }

    fn data_exprs(&mut self, set: SetId, id: WrittenId) -> Option<Vec<ExprId>> {
        let kinds = match self.types.get(&set).map(|t| t.data.clone()) {
            Some(DataKind::Values(kinds)) => kinds,
            _ => vec![Kind::Any],
        };
        let parts = match self.tree.expr(id) {
            Written::Concat(run) => run.of(&self.tree.lists).to_vec(),
            _ => vec![id],
        };
        let kind = |i: usize| kinds.get(i).copied().unwrap_or(Kind::Any);
        parts.iter().enumerate().map(|(i, p)| self.value_expr(kind(i), *p)).collect()
    }

    /// The set behind a meter.
    pub(in super::super) fn meter(&mut self, name: Name, size: Option<u32>, elements: Run) -> SetId {
        if let Some(id) = self.set_named(name) {
            return id;
        }
        let arity = match elements.of(&self.tree.elements).first().map(|e| self.tree.expr(e.key)) {
            Some(Written::Concat(run)) => run.len(),
            _ => 1,
        };
        let text = Some(self.model.names.intern(self.text(name)));
        let contents = Contents::Elements(Elements::new(arity));
        let size = size.unwrap_or(0);
        let id =
            self.model.push_set(Set { name: text, table: Some(self.table), span: Span::default(), size, contents });
        self.sets.insert((self.table, name), id);
        self.types.insert(id, SetType { key: vec![Kind::Any; arity], data: DataKind::None });
        id
    }
}
