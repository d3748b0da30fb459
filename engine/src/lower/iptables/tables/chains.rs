//! Tables and chains by their names: those that are built in, those that are there, and those that a line makes.
//!
//! `*nat` of iptables-legacy brings four chains with it, of iptables-nft only those that are listed.

use nettrace_grammar::{Diagnostic, Span};

use super::Lowerer;
use crate::limits;
use crate::lower::iptables::suggest;
use crate::model::{BaseChain, ChainId, ChainKind, Dialect, Family, Hook, TableId, Verdict};

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

impl<'t> Lowerer<'t, '_> {
    pub(super) fn table(&mut self, name: Span, family: Family, span: Span) -> Option<TableId> {
        self.named_table(self.tree.text(name), family, true, span)
    }

    /// A typed command works on the table that is there; a dump brings its backend's own.
    pub(super) fn known_table(&self, name: &str, family: Family, dump: bool) -> Option<TableId> {
        let dialect = |t: &TableId| self.model.table(*t).dialect;
        let mut named = self.model.tables_named(family, name).iter().copied();
        let own = named.clone().find(|t| dialect(t) == self.options.dialect);
        own.or_else(|| named.find(|t| dialect(t) != Dialect::Nft).filter(|_| !dump))
    }

    pub(super) fn named_table(&mut self, name: &str, family: Family, dump: bool, span: Span) -> Option<TableId> {
        let found = self.known_table(name, family, dump);
        if found.is_some() {
            return found;
        }
        if builtin_chains(name).is_empty() {
            let message = format!("there is no table `{}`", name.escape_debug());
            self.model.lost.push(span);
            let mut diagnostic = Diagnostic::error("NT109", span, message);
            diagnostic.help = suggest::did_you_mean(name, TABLES.iter().map(|t| t.0));
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
    pub(super) fn chain(&mut self, table: TableId, name: Span, span: Span) -> ChainId {
        let name = self.tree.text(name);
        let chain = match self.model.find_chain(table, name) {
            Some(chain) => {
                if self.model.chain(chain).span == self.model.table(table).span {
                    self.model.chains[chain.0 as usize].span = span;
                }
                chain
            }
            None => self.add_chain(table, name, span),
        };
        self.note_own(chain);
        chain
    }

    /// Notes that this tree brings a chain or adds rules to it.
    pub(super) fn note_own(&mut self, chain: ChainId) {
        let at = chain.0 as usize;
        if self.own.len() <= at {
            self.own.resize(at + 1, false);
        }
        self.own[at] = true;
    }

    /// The chain that a rule is added to: mostly that of the rule before, or the one declared behind it.
    pub(super) fn chain_of_rule(&mut self, table: TableId, name: &'t str) -> Option<ChainId> {
        if let Some((_, _, chain)) = self.last.filter(|last| (last.0, last.1) == (table, name)) {
            return Some(chain);
        }
        let next = self.last.map(|last| ChainId(last.2.0 + 1));
        let next = next.filter(|next| self.model.is_called(*next, table, name));
        let chain = next.or_else(|| self.model.find_chain(table, name))?;
        self.note_own(chain);
        self.last = Some((table, name, chain));
        Some(chain)
    }

    pub(super) fn add_chain(&mut self, table: TableId, name: &str, span: Span) -> ChainId {
        let of = self.model.table(table);
        let (dialect, table_name) = (of.dialect, self.model.name(of.name));
        let builtin = builtin_chains(table_name).iter().find(|c| c.0 == name);
        let base = builtin.map(|(_, hook, priority)| BaseChain {
            hook: *hook,
            kind: match (table_name, hook) {
                ("nat", _) => ChainKind::Nat,
                ("mangle", Hook::Output) => ChainKind::Route,
                _ => ChainKind::Filter,
            },
            priority: if table_name == "security" && dialect == Dialect::IptablesNft { 150 } else { *priority },
            policy: Verdict::Accept,
            // In no other table does anybody drop by policy.
            told: table_name != "filter",
            devices: Vec::new(),
            order: 0,
        });
        self.model.add_chain(table, name, base, span)
    }

    /// The names of a table's chains, to look for what a misspelt one may mean; none when too many were looked at.
    pub(in super::super) fn chain_names(&mut self, table: TableId) -> Vec<String> {
        self.hints += self.model.chains.len();
        if self.hints > limits::HINTS.max(self.model.chains.len()) {
            return Vec::new();
        }
        let chains = self.model.chains.iter().filter(|c| c.table == table);
        chains.map(|c| self.model.name(c.name).to_owned()).collect()
    }
}

/// Whether a chain of this name is built into a table of this name.
pub(in super::super) fn is_builtin(table: &str, chain: &str) -> bool {
    builtin_chains(table).iter().any(|b| b.0 == chain)
}

pub(super) fn builtin_chains(table: &str) -> &'static [Builtin] {
    TABLES.iter().find(|t| t.0 == table).map_or(&[], |t| t.1)
}
