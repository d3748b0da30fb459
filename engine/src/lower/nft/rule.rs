//! One rule: its statements in order, each to ops; verdicts, verdict maps, anonymous chains.

use nettrace_grammar::nft::tree::{Expr as Written, ExprId as WrittenId, Rule, Stmt, StmtKind};

use super::cx::{Cx, DataKind};
use crate::model::*;

impl Cx<'_> {
    /// Lowers a rule for a chain, without putting it into the chain's list.
    pub(super) fn rule(&mut self, chain: ChainId, rule: &Rule) -> RuleId {
        let mut ops = std::mem::take(&mut self.draft.ops);
        ops.clear();
        self.draft = Draft { ops, handle: rule.handle.unwrap_or(0), ..Draft::default() };
        self.known.clear();
        self.has_ports = false;
        if !rule.readable {
            let number = self.orders.len(self.model, chain) + 1;
            let names = (self.model.name(self.model.table_of(chain).name), self.model.chain_name(chain));
            let text = format!("the unreadable rule {number} of {} {}", names.0, names.1);
            let text = self.model.push_text(text);
            self.draft.ops.push(Op::Opaque(text));
            // It may have been what makes the chain a base chain.
            if number == 1 && self.model.chain(chain).base.is_none() {
                self.model.lost.push(rule.span);
            }
        }
        for stmt in rule.stmts.of(&self.tree.stmts) {
            self.stmt(stmt);
        }
        self.warn_of_merged(rule);
        let id = self.model.add_rule(chain, &self.draft, rule.span);
        if let Some(handles) = self.handles.get_mut(&chain) {
            handles.entry(self.draft.handle).or_insert(id);
        }
        id
    }

    /// Lowers a rule and appends it to its chain.
    pub(super) fn append(&mut self, chain: ChainId, rule: &Rule) {
        let id = self.rule(chain, rule);
        self.orders.append(self.model, chain, &[id]);
    }

    fn stmt(&mut self, stmt: &Stmt) {
        self.backwards = false;
        let before = self.draft.ops.len();
        let known = self.known.len();
        let condition = matches!(stmt.kind, StmtKind::Match { .. } | StmtKind::Vmap { .. });
        if self.understood(stmt).is_some() {
            return;
        }
        self.draft.ops.truncate(before);
        self.known.truncate(known);
        if self.asked(stmt).is_some() {
            return;
        }
        self.draft.ops.truncate(before);
        self.known.truncate(known);
        if condition && !matches!(stmt.kind, StmtKind::Vmap { .. }) {
            self.opaque_test(stmt);
        } else {
            self.opaque_op(stmt);
        }
    }

    fn understood(&mut self, stmt: &Stmt) -> Option<()> {
        match stmt.kind {
            StmtKind::Match { lhs, op, rhs } => self.comparison(lhs, op, rhs),
            StmtKind::Vmap { key, map } => {
                let lookup = self.lookup(key, map, &DataKind::Verdict)?;
                self.draft.ops.push(Op::VerdictMap(lookup));
                Some(())
            }
            StmtKind::Assign { lhs, value } => self.assign(lhs, value),
            StmtKind::Update { op, set, elements } => {
                let op = match self.text(op) {
                    "add" => UpdateOp::Add,
                    "update" => UpdateOp::Update,
                    "delete" => UpdateOp::Delete,
                    _ => return None,
                };
                let set = self.set_named(set)?;
                self.update(op, set, elements)
            }
            StmtKind::Meter { name, size, elements } => {
                let set = self.meter(name, size, elements);
                self.update(UpdateOp::Update, set, elements)
            }
            StmtKind::Verdict(id) => {
                let verdict = self.verdict(id)?;
                self.draft.ops.push(Op::Verdict(verdict));
                Some(())
            }
            StmtKind::Keyword { word, args } => {
                let statement = self.statement(word)?;
                (statement.lower)(self, args.of(&self.tree.lists))
            }
        }
    }

    /// A verdict as written in a rule or a map.
    pub(super) fn verdict(&mut self, id: WrittenId) -> Option<Verdict> {
        match self.tree.expr(self.resolve(id)) {
            Written::Verdict(word) => Some(match self.text(word) {
                "accept" => Verdict::Accept,
                "drop" => Verdict::Drop,
                "continue" => Verdict::Continue,
                "return" => Verdict::Return,
                _ => return None,
            }),
            Written::Jump(word, target) => {
                let chain = self.target(target)?;
                Some(if self.text(word) == "goto" { Verdict::Goto(chain) } else { Verdict::Jump(chain) })
            }
            _ => None,
        }
    }

    fn target(&mut self, id: WrittenId) -> Option<ChainId> {
        match self.tree.expr(self.resolve(id)) {
            Written::Word(name) | Written::Str(name) => self.chain_named(name),
            Written::Num(n) => self.model.find_chain(self.table, &n.to_string()),
            Written::Block(chain) => Some(self.anonymous_chain(chain)),
            _ => None,
        }
    }

    /// `jump { … }`: a chain without a name.
    fn anonymous_chain(&mut self, id: u32) -> ChainId {
        let tree = self.tree;
        let rules = tree.chains.get(id as usize).map_or(&[][..], |c| c.rules.of(&tree.rules));
        let span = rules.first().map_or_else(nettrace_grammar::Span::default, |r| r.span);
        let chain = self.model.add_chain(self.table, "", None, span);
        let outer = (std::mem::take(&mut self.draft), std::mem::take(&mut self.known), self.has_ports);
        for rule in rules {
            self.append(chain, rule);
        }
        (self.draft, self.known, self.has_ports) = outer;
        chain
    }
}
