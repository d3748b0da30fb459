//! Lines to tables, chains and places in them: `*nat`, `:KUBE-SERVICES - [0:0]`, `-A`, `-I`, `-D`, `-P`.
//!
//! Chains are declared before rules are read, for a rule may jump to a later one. Left out: what a rule says.

mod chains;

use nettrace_grammar::iptables::lines::Lines;
use nettrace_grammar::iptables::tree::{ChainOp, Item, Program, RuleLine, RuleOp, Tree, Word, Words};
use nettrace_grammar::{Diagnostic, Span};

use crate::model::{ChainId, Draft, Family, Hook, Model, Op, RuleId, TableId, Verdict};

use super::Options;
use super::edit::Edits;
use super::globals::Cache;
use super::words::{self, Parsed};
pub(super) use chains::is_builtin;

/// Where lines lead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// No `*table` line is open: each line names its table.
    Any,
    /// `*table` opened this one.
    Table(TableId),
    /// The `*table` line names none that iptables has.
    Nowhere,
}

impl Open {
    fn of(found: Option<TableId>) -> Self {
        found.map_or(Open::Nowhere, Open::Table)
    }

    fn table(self) -> Option<TableId> {
        match self {
            Open::Table(table) => Some(table),
            Open::Any | Open::Nowhere => None,
        }
    }
}

/// Adds a tree to a model.
pub struct Lowerer<'t, 'm> {
    pub(super) tree: &'t Tree<'t>,
    pub(super) options: Options,
    pub(super) model: &'m mut Model,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Chains that this tree brings or adds rules to.
    own: Vec<bool>,
    /// The chain of the last rule: the next one's is mostly the same.
    last: Option<(TableId, &'t str, ChainId)>,
    pub(super) edits: Edits,
    /// Names of chains that were looked at for hints.
    hints: usize,
    /// Rules that lines of several addresses stand for.
    pub(super) products: usize,
    /// Where lines lead.
    open: Open,
    /// Tables that this tree opened before, and whether it was said that one stands there twice.
    opened: Vec<(TableId, bool)>,
    pub(super) parsed: Parsed<'t>,
    cache: Cache<'t>,
    /// Where the last line ends.
    end: u32,
    /// Room for a rule's words.
    words: Vec<Word<'t>>,
    /// Room for the rules of a line.
    ids: Vec<RuleId>,
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
    pub fn new(tree: &'t Tree<'t>, options: Options, model: &'m mut Model) -> Self {
        Lowerer {
            tree,
            options,
            model,
            diagnostics: Vec::new(),
            own: Vec::new(),
            last: None,
            edits: Edits::default(),
            hints: 0,
            products: 0,
            open: Open::Any,
            end: 0,
            opened: Vec::new(),
            parsed: Parsed::default(),
            cache: Cache::default(),
            words: Vec::new(),
            ids: Vec::new(),
            ops: Vec::new(),
        }
    }

    /// First pass over the lines.
    pub fn declare_all(&mut self, lines: &Lines) {
        self.model.reserve(lines.len());
        for (item, span) in lines.iter() {
            self.declare(&item, span);
        }
        self.open = Open::Any;
        self.end = lines.last().map_or(0, |(_, span)| span.end);
    }

    /// Second pass over the same lines, which may be given back as they are read.
    pub fn run(mut self, lines: impl Iterator<Item = (Item, Span)>) -> Vec<Diagnostic> {
        let mut unreadable = self.tree.unreadable.iter().peekable();
        for (i, (item, span)) in lines.enumerate() {
            while let Some(bad) = unreadable.next_if(|u| u.before as usize <= i) {
                self.unreadable(bad.chain, bad.span);
            }
            self.item(&item, span);
        }
        for bad in unreadable {
            self.unreadable(bad.chain, bad.span);
        }
        self.not_whole(self.end);
        self.edits.settle(self.model);
        self.diagnostics
    }

    /// First pass: tables and chains.
    fn declare(&mut self, item: &Item, span: Span) {
        match *item {
            Item::Table(name) => self.open = Open::of(self.table(name, self.options.family, span)),
            Item::Chain { name, policy, .. } => {
                if self.open == Open::Any {
                    self.headless(span);
                }
                let Some(table) = self.open.table() else { return };
                let chain = self.chain(table, name, span);
                if let Some(policy) = policy {
                    self.set_policy(chain, policy, span);
                }
            }
            Item::NewChain { program, chain, words } => {
                if let Some((table, _)) = self.table_of(program, words, span) {
                    self.refuse_name(table, chain, span);
                    self.chain(table, chain, span);
                }
            }
            Item::Rule(rule) => {
                // Built-in chains need no declaration, and scripts may rely on it.
                let name = self.tree.text(rule.chain);
                if Hook::from_name(name).is_some()
                    && let Some((table, _)) = self.table_of(rule.program, rule.words, span)
                    && is_builtin(self.model.name(self.model.table(table).name), name)
                {
                    self.chain(table, rule.chain, span);
                }
            }
            Item::Commit => self.open = Open::Any,
            _ => {}
        }
    }

    /// Second pass: rules and edits.
    fn item(&mut self, item: &Item, span: Span) {
        match *item {
            Item::Table(name) => {
                self.not_whole(span.start);
                self.open = Open::of(self.known_table(self.tree.text(name), self.options.family, true));
                self.restart(span);
            }
            Item::Commit => self.open = Open::Any,
            Item::Rule(rule) => self.rule_line(&rule, span),
            Item::Policy { program, chain, policy, words } => {
                if let Some((table, _)) = self.table_of(program, words, span) {
                    let chain = self.chain(table, chain, span);
                    self.set_policy(chain, policy, span);
                }
            }
            Item::Command { program, op, words } => {
                if let Some((table, _)) = self.table_of(program, words, span) {
                    self.command(op, table, words, span);
                }
            }
            Item::Chain { .. } if self.open == Open::Any => {
                self.open = Open::of(self.known_table("filter", self.options.family, true));
            }
            Item::Blank | Item::Comment | Item::Chain { .. } | Item::NewChain { .. } => {}
        }
    }

    /// A new chain's name that is too long, or that a chain has which was there before.
    fn refuse_name(&mut self, table: TableId, name: Span, span: Span) {
        let name = self.tree.text(name);
        let there = self.model.find_chain(table, name).is_some_and(|c| self.own.get(c.0 as usize) != Some(&true));
        let why = match name.len() {
            29.. => "a chain's name has 28 bytes at most",
            _ if there => "there is a chain of this name",
            _ => return,
        };
        self.diagnostics.push(Diagnostic::error("NT109", span, why));
    }

    /// A chain's line with no `*table` line above it: the dump has lost its first lines.
    fn headless(&mut self, span: Span) {
        let message = "no line `*table` stands above this chain: taken for one of filter";
        self.diagnostics.push(Diagnostic::error("NT109", span, message));
        self.model.lost.push(span);
        let above = Span::new(span.start, span.start);
        self.open = Open::of(self.named_table("filter", self.options.family, true, above));
    }

    /// A second `*filter` replaces what the first one brought, as `iptables-restore` does; it may be another host's.
    fn restart(&mut self, span: Span) {
        let Some(table) = self.open.table() else { return };
        let Some((_, warned)) = self.opened.iter_mut().find(|o| o.0 == table) else {
            return self.opened.push((table, false));
        };
        self.edits.clear_table(self.model, table);
        if !std::mem::replace(warned, true) {
            let message =
                "this table stands in the dump before: what it had there is replaced, as `iptables-restore` does";
            let warning = Diagnostic::warning("NT007", span, message);
            self.diagnostics.push(warning.help("two dumps in one file? give one of them"));
        }
    }

    fn command(&mut self, op: ChainOp, table: TableId, words: Words, span: Span) {
        let mut names = self.tree.words(words).map(|w| w.text).filter(|t| !t.starts_with('-'));
        let (first, second) = (names.next(), names.next());
        let found = first.and_then(|name| self.model.find_chain(table, name));
        match (op, found) {
            (ChainOp::Flush, None) if first.is_none() => self.edits.clear_table(self.model, table),
            (ChainOp::Flush, Some(chain)) => self.edits.clear(self.model, chain),
            (ChainOp::Rename, Some(chain)) => {
                if let Some(new) = second {
                    self.note_own(chain);
                    self.model.rename_chain(chain, new);
                    self.last = None;
                }
            }
            (ChainOp::DeleteChain, Some(chain)) if self.model.chain(chain).base.is_some() => {
                self.diagnostics.push(Diagnostic::error("NT109", span, "a built-in chain cannot be deleted"));
            }
            (ChainOp::DeleteChain, Some(chain)) if self.edits.len(self.model, chain) > 0 => {
                self.diagnostics
                    .push(Diagnostic::error("NT109", span, "the chain is not empty").help("`-F` empties it"));
            }
            (ChainOp::DeleteChain, None) if first.is_none() => {}
            (ChainOp::Flush | ChainOp::Rename | ChainOp::DeleteChain, None) => {
                self.diagnostics.push(Diagnostic::error("NT109", span, "there is no such chain in this table"));
            }
            (ChainOp::DeleteChain | ChainOp::Zero | ChainOp::List | ChainOp::ListRules, _) => {}
        }
    }

    fn set_policy(&mut self, chain: ChainId, policy: Span, span: Span) {
        let verdict = match self.tree.text(policy) {
            "ACCEPT" => Verdict::Accept,
            "DROP" => Verdict::Drop,
            other => {
                let message = format!("`{}` is not a policy", other.escape_debug());
                self.model.lost.push(span);
                return self.diagnostics.push(Diagnostic::error("NT109", span, message).help("ACCEPT or DROP"));
            }
        };
        match &mut self.model.chains[chain.0 as usize].base {
            Some(base) => (base.policy, base.told) = (verdict, true),
            None => self.diagnostics.push(Diagnostic::error("NT109", span, "only built-in chains have a policy")),
        }
    }

    /// The table that a line works on, with its family.
    fn table_of(&mut self, program: Option<Program>, words: Words, span: Span) -> Option<(TableId, Family)> {
        let family = match program {
            Some(p) if p.is_v6() => Family::Ip6,
            Some(_) => Family::Ip,
            None => self.options.family,
        };
        match self.open {
            Open::Any => {}
            Open::Table(open) => return Some((open, family)),
            Open::Nowhere => return None,
        }
        let mut words = self.tree.words(words).map(|w| w.text);
        let named = words.any(|w| matches!(w, "-t" | "--table"));
        let name = if named { words.next() } else { None };
        let table = self.named_table(name.unwrap_or("filter"), family, false, span)?;
        Some((table, family))
    }

    /// A table that is open where it should have ended: `iptables-restore` would load none of it.
    fn not_whole(&mut self, end: u32) {
        if std::mem::replace(&mut self.open, Open::Any) != Open::Any {
            let message = "a table ends here without `COMMIT`: the dump may have been cut off";
            let span = Span::new(end, end);
            self.diagnostics.push(Diagnostic::warning("NT006", span, message));
            self.model.lost.push(span);
        }
    }

    /// A line that the grammar could not read, but whose chain is known: an unknown fact in that place.
    fn unreadable(&mut self, chain: Option<Span>, span: Span) {
        let (Some(table), Some(name)) = (self.open.table(), chain) else {
            // A prompt, or a command that prints, stands for nothing.
            let text = self.tree.text(span);
            if text.starts_with([':', '*']) || text.split_whitespace().any(|w| w.starts_with('-')) {
                self.model.lost.push(span);
            }
            return;
        };
        let chain = self.chain(table, name, span);
        let rule = self.unknown_rule(chain, span);
        self.edits.append(self.model, chain, &[rule]);
    }

    /// A rule that is not understood at all, at the end of a chain but not in it yet.
    pub(super) fn unknown_rule(&mut self, chain: ChainId, span: Span) -> RuleId {
        let table = self.model.chain(chain).table;
        let number = self.edits.len(self.model, chain) + 1;
        let names = (self.model.name(self.model.table(table).name), self.model.chain_name(chain));
        // Named by its place: two such lines are two facts.
        let text = format!("the unreadable rule {number} of {} {}", names.0, names.1);
        let text = self.model.push_text(text);
        let draft = Draft { ops: vec![Op::Opaque(text)], matches: Some(0), ..Draft::default() };
        self.model.add_rule(chain, &draft, span)
    }

    fn rule_line(&mut self, rule: &RuleLine, span: Span) {
        let Some((table, family)) = self.table_of(rule.program, rule.words, span) else { return };
        let name = self.tree.text(rule.chain);
        let Some(chain) = self.chain_of_rule(table, name) else {
            let message = format!("there is no chain `{}` in this table", name.escape_debug());
            let mut diagnostic = Diagnostic::error("NT109", span, message);
            diagnostic.help = super::suggest::did_you_mean(name, self.chain_names(table).iter().map(String::as_str));
            return self.diagnostics.push(diagnostic);
        };
        let place = Place { table, chain, family };
        if let RuleOp::DeleteNumber(_) = rule.op {
            return self.put(rule.op, chain, &[], span);
        }
        let mut ids = std::mem::take(&mut self.ids);
        self.rules(rule, place, span, &mut ids);
        self.put(rule.op, chain, &ids, span);
        ids.clear();
        self.ids = ids;
    }

    /// The options of a rule's words.
    pub(super) fn read_words(&mut self, rule: &RuleLine, place: Place) {
        self.words.clear();
        self.tree.read(rule.words, &mut self.words);
        let (own, model) = (&self.own, &*self.model);
        let chain = |name: &str| {
            model.find_chain(place.table, name).map(|chain| (chain, own.get(chain.0 as usize) == Some(&true)))
        };
        words::read(&self.words, place.family, &chain, &mut self.cache, &mut self.parsed);
    }
}
