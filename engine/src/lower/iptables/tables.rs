//! Lines to tables, chains and places in them: `*nat`, `:KUBE-SERVICES - [0:0]`, `-A`, `-I`, `-D`, `-P`.
//!
//! Chains are declared before rules are read, for a rule may jump to a later one. Left out: what a rule says.

use nettrace_grammar::iptables::tree::{ChainOp, Item, RuleLine, RuleOp, Tree, Word};
use nettrace_grammar::{Diagnostic, Name, Span};
use rustc_hash::FxHashMap;

use crate::model::{
    BaseChain, ChainId, ChainKind, CountersId, Dialect, Draft, Family, Hook, Model, Op, RuleId, TableId, Verdict,
};

use super::Options;
use super::globals::Cache;
use super::words::{self, Parsed};

/// Adds a tree to a model.
pub struct Lowerer<'t, 'm> {
    pub(super) tree: &'t Tree,
    pub(super) options: Options,
    pub(super) model: &'m mut Model,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Chains by table and by their name in the tree.
    chains: FxHashMap<(TableId, Name), ChainId>,
    /// The table that `*table` opened.
    open: Option<TableId>,
    /// Tables that this tree opened before.
    opened: Vec<TableId>,
    pub(super) parsed: Parsed<'t>,
    cache: Cache,
    /// Room for a rule's ops.
    pub(super) ops: Vec<Op>,
}

/// Where a rule goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub table: TableId,
    pub chain: ChainId,
    pub family: Family,
}

impl<'t, 'm> Lowerer<'t, 'm> {
    pub fn new(tree: &'t Tree, options: Options, model: &'m mut Model) -> Self {
        Lowerer {
            tree,
            options,
            model,
            diagnostics: Vec::new(),
            chains: FxHashMap::default(),
            open: None,
            opened: Vec::new(),
            parsed: Parsed::default(),
            cache: Cache::default(),
            ops: Vec::new(),
        }
    }

    pub fn run(mut self) -> Vec<Diagnostic> {
        for (item, span) in self.tree.items.iter().zip(&self.tree.spans) {
            self.declare(item, *span);
        }
        self.open = None;
        let mut unreadable = self.tree.unreadable.iter().peekable();
        for (i, (item, span)) in self.tree.items.iter().zip(&self.tree.spans).enumerate() {
            while let Some(bad) = unreadable.next_if(|u| u.before as usize <= i) {
                self.unreadable(bad.chain, bad.span);
            }
            self.item(item, *span);
        }
        for bad in unreadable {
            self.unreadable(bad.chain, bad.span);
        }
        self.diagnostics
    }

    /// First pass: tables and chains.
    fn declare(&mut self, item: &Item, span: Span) {
        match *item {
            Item::Table(name) => self.open = self.table(name, self.options.family, span),
            Item::Chain { name, policy, counters } => {
                let Some(table) = self.open else { return };
                let chain = self.chain(table, name, span);
                self.model.chains[chain.0 as usize].counters = counters.map(|c| {
                    self.model.counters.push((c.packets, c.bytes));
                    CountersId(self.model.counters.len() as u32 - 1)
                });
                if let Some(policy) = policy {
                    self.set_policy(chain, policy, span);
                }
            }
            Item::NewChain { program, chain, first, end } => {
                if let Some((table, _)) = self.table_of(program, first, end, span) {
                    self.chain(table, chain, span);
                }
            }
            Item::Rule(rule) => {
                // Built-in chains need no declaration, and scripts may rely on it.
                let builtin = Hook::from_name(self.tree.text(rule.chain)).is_some();
                if builtin && let Some((table, _)) = self.table_of(rule.program, rule.first, rule.end, span) {
                    self.chain(table, rule.chain, span);
                }
            }
            Item::Commit => self.open = None,
            _ => {}
        }
    }

    /// Second pass: rules and edits.
    fn item(&mut self, item: &Item, span: Span) {
        match *item {
            Item::Table(name) => {
                self.open = self.table(name, self.options.family, span);
                self.restart();
            }
            Item::Commit => self.open = None,
            Item::Rule(rule) => self.rule_line(&rule, span),
            Item::Policy { program, chain, policy, first, end } => {
                if let Some((table, _)) = self.table_of(program, first, end, span) {
                    let chain = self.chain(table, chain, span);
                    self.set_policy(chain, policy, span);
                }
            }
            Item::Command { program, op, first, end } => {
                if let Some((table, _)) = self.table_of(program, first, end, span) {
                    self.command(op, table, &self.tree.words[first as usize..end as usize], span);
                }
            }
            Item::Blank | Item::Comment(_) | Item::Chain { .. } | Item::NewChain { .. } => {}
        }
    }

    /// A second `*filter` replaces what the first one brought, as `iptables-restore` does.
    fn restart(&mut self) {
        let Some(table) = self.open else { return };
        if self.opened.contains(&table) {
            self.flush(table);
        }
        self.opened.push(table);
    }

    fn flush(&mut self, table: TableId) {
        for chain in self.model.chains.iter_mut().filter(|c| c.table == table) {
            chain.rules.clear();
        }
    }

    fn command(&mut self, op: ChainOp, table: TableId, words: &'t [Word], span: Span) {
        let texts = words.iter().map(|w| (w.text, self.tree.text(w.text)));
        let mut names = texts.filter(|(_, t)| !t.starts_with('-')).map(|(n, _)| n).take(2);
        let (first, second) = (names.next(), names.next());
        let found = first.and_then(|n| self.find_chain(table, n));
        match (op, found) {
            (ChainOp::Flush, None) if first.is_none() => self.flush(table),
            (ChainOp::Flush, Some(chain)) => self.model.chains[chain.0 as usize].rules.clear(),
            (ChainOp::Rename, Some(chain)) => {
                if let Some(new) = second {
                    self.chains.insert((table, new), chain);
                    self.model.chains[chain.0 as usize].name = self.model.names.intern(self.tree.text(new));
                }
            }
            (ChainOp::Flush | ChainOp::Rename, None) => {
                self.diagnostics.push(Diagnostic::error("NT109", span, "there is no such chain in this table"));
            }
            (ChainOp::DeleteChain | ChainOp::Zero | ChainOp::List | ChainOp::ListRules, _) => {}
        }
    }

    fn set_policy(&mut self, chain: ChainId, policy: Name, span: Span) {
        let verdict = match self.tree.text(policy) {
            "ACCEPT" => Verdict::Accept,
            "DROP" => Verdict::Drop,
            other => {
                let message = format!("`{}` is not a policy", other.escape_debug());
                return self.diagnostics.push(Diagnostic::error("NT109", span, message).help("ACCEPT or DROP"));
            }
        };
        match &mut self.model.chains[chain.0 as usize].base {
            Some(base) => base.policy = verdict,
            None => self.diagnostics.push(Diagnostic::error("NT109", span, "only built-in chains have a policy")),
        }
    }

    /// The table that a line works on, with its family.
    fn table_of(&mut self, program: Option<Name>, first: u32, end: u32, span: Span) -> Option<(TableId, Family)> {
        let family = match program.map(|p| self.tree.text(p)) {
            Some(p) if p.starts_with("ip6tables") => Family::Ip6,
            Some(_) => Family::Ip,
            None => self.options.family,
        };
        if let Some(open) = self.open {
            return Some((open, family));
        }
        let words = self.tree.words.get(first as usize..end as usize).unwrap_or(&[]);
        let named = words.iter().position(|w| matches!(self.tree.text(w.text), "-t" | "--table"));
        let name = named.and_then(|i| words.get(i + 1)).map_or("filter", |w| self.tree.text(w.text));
        let table = self.named_table(name, family, false, span)?;
        Some((table, family))
    }

    fn table(&mut self, name: Name, family: Family, span: Span) -> Option<TableId> {
        self.named_table(self.tree.text(name), family, true, span)
    }

    fn named_table(&mut self, name: &str, family: Family, dump: bool, span: Span) -> Option<TableId> {
        let model_name = self.model.names.intern(name);
        // A typed command works on the table that is there; a dump brings its backend's own.
        let typed = self.options.dialect;
        let known = |t: &crate::model::Table| t.family == family && t.name == model_name && t.dialect == typed;
        let other = |t: &crate::model::Table| t.family == family && t.name == model_name && t.dialect != Dialect::Nft;
        let tables = &self.model.tables;
        let found = tables.iter().position(known).or_else(|| tables.iter().position(other).filter(|_| !dump));
        if let Some(i) = found {
            return Some(TableId(i as u32));
        }
        if builtin_chains(name).is_empty() {
            let message = format!("there is no table `{}`", name.escape_debug());
            let mut diagnostic = Diagnostic::error("NT109", span, message);
            diagnostic.help = super::suggest::did_you_mean(name, TABLES.iter().map(|t| t.0));
            self.diagnostics.push(diagnostic);
            return None;
        }
        let table = self.model.add_table(family, name, self.options.dialect, span);
        if self.options.dialect == Dialect::Legacy {
            for (chain, ..) in builtin_chains(name) {
                self.add_chain(table, chain, span);
            }
        }
        Some(table)
    }

    /// The chain of that name, made if it is not there.
    fn chain(&mut self, table: TableId, name: Name, span: Span) -> ChainId {
        if let Some(chain) = self.find_chain(table, name) {
            if self.model.chain(chain).span == self.model.table(table).span {
                self.model.chains[chain.0 as usize].span = span;
            }
            return chain;
        }
        let chain = self.add_chain(table, self.tree.text(name), span);
        self.chains.insert((table, name), chain);
        chain
    }

    /// The chain of that name.
    pub(super) fn find_chain(&mut self, table: TableId, name: Name) -> Option<ChainId> {
        if let Some(chain) = self.chains.get(&(table, name)) {
            return Some(*chain);
        }
        let found = self.model.find_chain(table, self.tree.text(name))?;
        self.chains.insert((table, name), found);
        Some(found)
    }

    fn add_chain(&mut self, table: TableId, name: &str, span: Span) -> ChainId {
        let dialect = self.model.table(table).dialect;
        let table_name = self.model.name(self.model.table(table).name).to_owned();
        let builtin = builtin_chains(&table_name).iter().find(|c| c.0 == name);
        let base = builtin.map(|(_, hook, priority)| BaseChain {
            hook: *hook,
            kind: match (table_name.as_str(), hook) {
                ("nat", _) => ChainKind::Nat,
                ("mangle", Hook::Output) => ChainKind::Route,
                _ => ChainKind::Filter,
            },
            priority: if table_name == "security" && dialect == Dialect::IptablesNft { 150 } else { *priority },
            policy: Verdict::Accept,
            devices: Vec::new(),
            order: 0,
        });
        self.model.add_chain(table, name, base, span)
    }

    /// A line that the grammar could not read, but whose chain is known: an unknown fact in that place.
    fn unreadable(&mut self, chain: Option<Name>, span: Span) {
        let (Some(table), Some(name)) = (self.open, chain) else { return };
        let chain = self.chain(table, name, span);
        let number = self.model.chain(chain).rules.len() + 1;
        let names = (self.model.name(self.model.table(table).name), self.model.chain_name(chain));
        // Named by its place: two such lines are two facts.
        let text = format!("the unreadable rule {number} of {} {}", names.0, names.1);
        let text = self.model.push_text(text);
        let draft = Draft { ops: vec![Op::Opaque(text)], matches: Some(0), ..Draft::default() };
        self.model.append_rule(chain, &draft, span);
    }

    fn rule_line(&mut self, rule: &RuleLine, span: Span) {
        let Some((table, family)) = self.table_of(rule.program, rule.first, rule.end, span) else { return };
        let Some(chain) = self.find_chain(table, rule.chain) else {
            let name = self.tree.text(rule.chain);
            let message = format!("there is no chain `{}` in this table", name.escape_debug());
            let mut diagnostic = Diagnostic::error("NT109", span, message);
            let names = self.model.chains.iter().filter(|c| c.table == table).map(|c| self.model.name(c.name));
            diagnostic.help = super::suggest::did_you_mean(name, names);
            return self.diagnostics.push(diagnostic);
        };
        let place = Place { table, chain, family };
        if let RuleOp::DeleteNumber(n) = rule.op {
            return self.remove(chain, n, span);
        }
        let ids = self.rules(rule, place, span);
        self.put(rule.op, chain, &ids, span);
    }

    /// Puts rules into their chain as the operation says.
    fn put(&mut self, op: RuleOp, chain: ChainId, ids: &[RuleId], span: Span) {
        let rules = &mut self.model.chains[chain.0 as usize].rules;
        match op {
            RuleOp::Append => rules.extend_from_slice(ids),
            RuleOp::Insert(n) if n as usize <= rules.len() + 1 => {
                // Several rules of one command end up in reverse: iptables inserts each at the same place.
                for id in ids {
                    rules.insert(n as usize - 1, *id);
                }
            }
            RuleOp::Replace(n) if n as usize <= rules.len() => {
                rules.splice(n as usize - 1..n as usize, ids.iter().copied());
            }
            RuleOp::Insert(n) | RuleOp::Replace(n) | RuleOp::DeleteNumber(n) => {
                let message = format!("the chain has {} rules, not {n}", rules.len());
                self.diagnostics.push(Diagnostic::error("NT109", span, message));
            }
            RuleOp::Delete => ids.iter().for_each(|id| self.delete(chain, *id, span)),
            RuleOp::Check => {}
        }
    }

    fn remove(&mut self, chain: ChainId, n: u32, span: Span) {
        let rules = &mut self.model.chains[chain.0 as usize].rules;
        if n as usize <= rules.len() {
            rules.remove(n as usize - 1);
        } else {
            let message = format!("the chain has {} rules, not {n}", rules.len());
            self.diagnostics.push(Diagnostic::error("NT109", span, message));
        }
    }

    /// Removes the first rule that says the same as `wanted`.
    fn delete(&mut self, chain: ChainId, wanted: RuleId, span: Span) {
        let text = self.shown(wanted);
        let rules = &self.model.chain(chain).rules;
        match rules.iter().position(|r| self.shown(*r) == text) {
            Some(i) => {
                self.model.chains[chain.0 as usize].rules.remove(i);
            }
            None => self.diagnostics.push(Diagnostic::error("NT109", span, "the chain has no such rule")),
        }
    }

    /// A rule's ops in words, to compare rules by.
    fn shown(&self, rule: RuleId) -> Vec<String> {
        let family = 2;
        let comment = self.model.rule(rule).comment.map(|c| self.model.name(c).to_owned());
        let ops = self.model.rule_ops(rule).iter().map(|op| self.model.show_op(*op, family));
        ops.chain(comment).collect()
    }

    /// The options of a rule's words.
    pub(super) fn read_words(&mut self, rule: &RuleLine, place: Place) {
        let first = rule.first as usize..rule.end as usize;
        let words = self.tree.words.get(first).unwrap_or(&[]);
        let (tree, chains, model) = (self.tree, &self.chains, &*self.model);
        let is_chain = |name: Name| {
            let elsewhere = |text: &str| {
                let target = super::registry::find_target(text, place.family);
                target.is_none() && model.find_chain(place.table, text).is_some()
            };
            chains.contains_key(&(place.table, name)) || elsewhere(tree.text(name))
        };
        words::read(self.tree, words, place.family, &is_chain, &mut self.cache, &mut self.parsed);
    }
}

type Builtin = (&'static str, Hook, i32);

const RAW: &[Builtin] = &[("PREROUTING", Hook::Prerouting, -300), ("OUTPUT", Hook::Output, -300)];
const MANGLE: &[Builtin] = &[
    ("PREROUTING", Hook::Prerouting, -150),
    ("INPUT", Hook::Input, -150),
    ("FORWARD", Hook::Forward, -150),
    ("OUTPUT", Hook::Output, -150),
    ("POSTROUTING", Hook::Postrouting, -150),
];
const NAT: &[Builtin] = &[
    ("PREROUTING", Hook::Prerouting, -100),
    ("INPUT", Hook::Input, 100),
    ("OUTPUT", Hook::Output, -100),
    ("POSTROUTING", Hook::Postrouting, 100),
];
const FILTER: &[Builtin] = &[("INPUT", Hook::Input, 0), ("FORWARD", Hook::Forward, 0), ("OUTPUT", Hook::Output, 0)];
const SECURITY: &[Builtin] =
    &[("INPUT", Hook::Input, 50), ("FORWARD", Hook::Forward, 50), ("OUTPUT", Hook::Output, 50)];

/// The tables with their built-in chains: hook and priority.
const TABLES: &[(&str, &[Builtin])] =
    &[("raw", RAW), ("mangle", MANGLE), ("nat", NAT), ("filter", FILTER), ("security", SECURITY)];

fn builtin_chains(table: &str) -> &'static [Builtin] {
    TABLES.iter().find(|t| t.0 == table).map_or(&[], |t| t.1)
}
