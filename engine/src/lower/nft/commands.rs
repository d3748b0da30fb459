//! Commands outside of a table's block: `add rule ip t c …`, `insert rule …`, `delete element …`, `flush ruleset`.
//!
//! Left out: what a rule or an element says, and `list`, `monitor` and the like, which change nothing.

use nettrace_grammar::Span;
use nettrace_grammar::nft::tree::{Body, Item};

use super::cx::Cx;
use crate::model::*;

impl Cx<'_> {
    /// `add chain …`, `insert rule …`, `add element …`, outside of a table's block.
    pub(super) fn add(&mut self, verb: &str, item: &Item) {
        let kind = self.text(item.kind);
        if matches!(kind, "include" | "describe" | "monitor" | "export" | "import" | "") || kind.starts_with('#') {
            return;
        }
        let Some(rest) = self.enter(item, !matches!(kind, "rule" | "element")) else { return };
        match (kind, item.body) {
            ("rule", Body::Rule(rule)) => self.add_rule(verb, &rest, rule, item.span),
            ("element", Body::Elements(run)) => {
                if let Some(name) = self.first_name(item) {
                    self.add_elements(name, run, item.span);
                }
            }
            _ => {
                self.declare(item);
                self.fill_item(item);
            }
        }
    }

    fn add_rule(&mut self, verb: &str, rest: &[String], rule: u32, span: Span) {
        let tree = self.tree;
        let Some(rule) = tree.rules.get(rule as usize) else { return };
        let Some(chain) = rest.first().and_then(|name| self.model.find_chain(self.table, name)) else {
            let name = rest.first().map_or("", String::as_str);
            return self.warn(span, format!("there is no chain `{name}` in this table"));
        };
        let id = self.rule(chain, rule);
        let at = self.place(chain, &rest[1..]);
        if (verb, at) == ("add", None) {
            return self.orders.append(self.model, chain, &[id]);
        }
        let order = self.orders.edit(self.model, chain);
        match (verb, at) {
            ("replace", Some(at)) if order.remove(at).is_some() => order.insert(at, id),
            ("insert", at) => order.insert(at.unwrap_or(0), id),
            (_, at) => order.insert(at.map_or(usize::MAX, |at| at + 1), id),
        }
    }

    /// The index that `handle N`, `position N` or `index N` names.
    fn place(&mut self, chain: ChainId, words: &[String]) -> Option<usize> {
        let [word, number, ..] = words else { return None };
        let number: u32 = number.parse().ok()?;
        match word.as_str() {
            "index" => Some(number as usize),
            "handle" | "position" => {
                let rule = self.handle(chain, number)?;
                self.orders.edit(self.model, chain).position(rule)
            }
            _ => None,
        }
    }

    /// The rule of this handle, in the chain or taken out of it. A rule without a handle has 0.
    fn handle(&mut self, chain: ChainId, handle: u32) -> Option<RuleId> {
        let handles = self.handles.entry(chain).or_insert_with(|| {
            let order = self.orders.edit(self.model, chain);
            order.iter().map(|r| (self.model.rule(r).handle, r)).collect()
        });
        handles.get(&handle).copied().filter(|_| handle != 0)
    }

    pub(super) fn delete(&mut self, item: &Item) {
        let Some(rest) = self.enter(item, false) else { return };
        let chain = rest.first().and_then(|name| self.model.find_chain(self.table, name));
        match (self.text(item.kind), item.body, chain) {
            ("rule", _, Some(chain)) => match self.place(chain, &rest[1..]) {
                Some(at) if self.orders.edit(self.model, chain).remove(at).is_some() => {}
                _ => self.warn(item.span, "there is no rule with this handle".into()),
            },
            ("element", Body::Elements(run), _) => {
                if let Some(name) = self.first_name(item) {
                    self.remove_elements(name, run);
                }
            }
            ("chain", _, Some(chain)) => self.unhook(chain),
            ("table", ..) => self.delete_table(self.table),
            ("set" | "map", ..) => {
                if let Some(name) = self.first_name(item)
                    && let Some(id) = self.set_named(name)
                {
                    self.sets.remove(&(self.table, name));
                    self.model.forget_set(id);
                }
            }
            (kind, ..) if ObjectKind::from_name(kind) != ObjectKind::Other => {
                if let Some(name) = rest.first().map(|name| self.model.names.intern(name)) {
                    self.model.objects.remove(&(self.table, ObjectKind::from_name(kind), name));
                }
            }
            ("rule" | "chain", _, None) => {
                let name = rest.first().map_or("", String::as_str);
                self.warn(item.span, format!("there is no chain `{name}` in this table"));
            }
            _ => {}
        }
    }

    pub(super) fn flush(&mut self, item: &Item) {
        if self.text(item.kind) == "ruleset" {
            let words = self.path_words(item);
            return self.flush_ruleset(words.first().and_then(|w| Family::from_name(w)));
        }
        let Some(rest) = self.enter(item, false) else { return };
        match self.text(item.kind) {
            "table" => drop(self.orders.clear_table(self.model, self.table)),
            "chain" => {
                if let Some(chain) = rest.first().and_then(|n| self.model.find_chain(self.table, n)) {
                    self.orders.clear(self.model, chain);
                }
            }
            "set" | "map" => {
                if let Some(id) = rest.first().and_then(|n| self.model.find_set(Some(self.table), n)) {
                    self.empty_set(id);
                }
            }
            _ => {}
        }
    }

    /// `flush ruleset [FAMILY]`: all tables go. A file that begins so leaves those of iptables-nft, which came behind it.
    fn flush_ruleset(&mut self, family: Option<Family>) {
        let tables: Vec<TableId> = self.model.by_name.tables.values().flatten().copied().collect();
        for id in tables {
            let table = self.model.table(id);
            let mine = table.dialect == Dialect::Nft || self.typed && table.dialect == Dialect::IptablesNft;
            if mine && family.is_none_or(|f| f == table.family) {
                self.delete_table(id);
            }
        }
    }

    fn delete_table(&mut self, table: TableId) {
        for chain in self.orders.clear_table(self.model, table) {
            self.unhook(chain);
        }
        self.model.forget_table(table);
    }

    fn unhook(&mut self, chain: ChainId) {
        self.model.chains[chain.0 as usize].base = None;
        self.model.bases.remove(&chain);
        self.orders.clear(self.model, chain);
    }
}
