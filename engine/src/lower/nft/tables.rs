//! Tables, chains, sets and objects: `table inet t { … }`, `define`.
//!
//! A table's chains are registered first and its rules read then, as a transaction does (semantics.md 1.3, 3.1). A chain or
//! set may be declared in several blocks. Left out: what commands outside of the blocks do.

use nettrace_grammar::nft::print::expr_text;
use nettrace_grammar::nft::tree::{
    Base as WrittenBase, BinOp, Body, Chain as WrittenChain, Expr as Written, ExprId, Item, Line, StmtKind,
};
use nettrace_grammar::{Name, Span};

use super::cx::Cx;
use super::kind::Kind;
use crate::field::Value;
use crate::model::*;

impl Cx<'_> {
    /// Reads the whole input.
    pub(super) fn run(&mut self) {
        let tree = self.tree;
        for item in tree.roots() {
            self.item(item);
        }
        self.orders.settle(self.model);
        self.settle_sets();
        self.model.lost.extend(&tree.lost);
    }

    fn item(&mut self, item: &Item) {
        let verb = item.verb.map_or("add", |v| self.text(v));
        match (verb, self.text(item.kind)) {
            ("add" | "create", "table") => self.table_item(item),
            (_, "define" | "redefine") => self.define(item),
            ("add" | "create" | "insert" | "replace", _) => self.add(verb, item),
            ("delete" | "destroy", _) => self.delete(item),
            ("flush", _) => self.flush(item),
            _ => {}
        }
    }

    fn define(&mut self, item: &Item) {
        if let Body::Value(value) = item.body
            && let Some(name) = self.first_name(item)
        {
            self.defines.insert(name, value);
        }
    }

    /// The name of an item in a table: the last word of its path.
    pub(super) fn first_name(&self, item: &Item) -> Option<Name> {
        let id = *item.path.of(&self.tree.lists).last()?;
        match self.tree.expr(self.resolve(id)) {
            Written::Word(n) | Written::Str(n) | Written::Var(n) => Some(n),
            _ => None,
        }
    }

    /// The words of a path.
    pub(super) fn path_words(&self, item: &Item) -> Vec<String> {
        let path = item.path.of(&self.tree.lists).iter();
        path.map(|e| {
            let e = self.resolve(*e);
            self.tree.word(e).map_or_else(|| expr_text(self.tree, e), str::to_owned)
        })
        .collect()
    }

    /// Takes family and table from a path; the rest are the names in the table.
    pub(super) fn enter(&mut self, item: &Item, make: bool) -> Option<Vec<String>> {
        let mut words = self.path_words(item);
        let family = words.first().and_then(|w| Family::from_name(w));
        if family.is_some() {
            words.remove(0);
        }
        let family = family.unwrap_or(Family::Ip);
        if words.is_empty() {
            return None;
        }
        let name = words.remove(0);
        let known = self.table_named(family, &name);
        if known.is_none() && !make {
            let legacy = !self.model.tables_named(family, &name).is_empty();
            let whose = if legacy { " of nft: the one of that name is iptables-legacy's" } else { "" };
            self.warn(item.span, format!("there is no table `{} {name}`{whose}", family.name()));
            return None;
        }
        self.table = known.unwrap_or_else(|| self.model.add_table(family, &name, Dialect::Nft, item.span));
        self.family = family;
        Some(words)
    }

    /// The nft table of this family and name; an iptables table of the same name is another one.
    fn table_named(&self, family: Family, name: &str) -> Option<TableId> {
        let mut named = self.model.tables_named(family, name).iter().copied();
        named.find(|t| self.model.table(*t).dialect != Dialect::Legacy)
    }

    fn table_item(&mut self, item: &Item) {
        if self.enter(item, true).is_none() {
            return;
        }
        if self.model.table(self.table).dialect == Dialect::IptablesNft && matches!(item.body, Body::Table(_)) {
            let name = self.model.name(self.model.table(self.table).name);
            let family = self.family.name();
            let text = format!("table {family} {name} is taken from iptables-save: nft's listing of it is lossy");
            return self.warn_as("NT302", item.span, text);
        }
        let Body::Table(run) = item.body else { return };
        let items = run.of(&self.tree.items);
        for i in items {
            self.declare(i);
        }
        for i in items {
            self.fill_item(i);
        }
    }

    /// First pass over a table: names.
    pub(super) fn declare(&mut self, item: &Item) {
        let kind = self.text(item.kind);
        match (kind, self.first_name(item)) {
            ("define" | "redefine", _) => self.define(item),
            ("flags", _) => {
                let flags = expr_text_list(self, item);
                if flags.contains("dormant") {
                    self.model.tables[self.table.0 as usize].dormant = true;
                }
            }
            ("chain", Some(name)) => {
                self.declare_chain(item, name);
            }
            ("set" | "map", Some(name)) => self.declare_set(item, name),
            ("counter" | "quota" | "limit" | "ct helper", Some(name)) => self.declare_object(item, kind, name),
            _ => {}
        }
    }

    /// Second pass: elements and rules.
    pub(super) fn fill_item(&mut self, item: &Item) {
        match (self.text(item.kind), self.first_name(item)) {
            ("chain", Some(name)) => self.fill_chain(item, name),
            ("set" | "map", Some(name)) => self.fill_set(item, name),
            _ => {}
        }
    }

    /// The chain of this name in the rule's table.
    pub(super) fn chain_named(&mut self, name: Name) -> Option<ChainId> {
        let known = self.chains.get(&(self.table, name)).copied();
        known.or_else(|| self.model.find_chain(self.table, self.text(name)))
    }

    fn declare_chain(&mut self, item: &Item, name: Name) -> ChainId {
        let tree = self.tree;
        let body = match item.body {
            Body::Chain(id) => tree.chains.get(id as usize),
            _ => None,
        };
        let base = body.and_then(|c| self.base_chain(c, item.span));
        if let Some(id) = self.chain_named(name) {
            self.orders.note(self.model, id);
            let policy = body.and_then(|c| self.policy(c));
            match (&mut self.model.chains[id.0 as usize].base, base) {
                // What is told again of a chain can only change its policy.
                (Some(there), _) => there.policy = policy.unwrap_or(there.policy),
                (None, Some(base)) => {
                    let order = self.model.register();
                    self.model.chains[id.0 as usize].base = Some(Box::new(BaseChain { order, ..base }));
                    self.model.bases.insert(id);
                }
                (None, None) => {}
            }
            return id;
        }
        let id = self.model.add_chain(self.table, self.text(name), base, item.span);
        self.chains.insert((self.table, name), id);
        self.orders.note(self.model, id);
        id
    }

    fn fill_chain(&mut self, item: &Item, name: Name) {
        let tree = self.tree;
        let (Body::Chain(body), Some(chain)) = (item.body, self.chain_named(name)) else { return };
        let Some(body) = tree.chains.get(body as usize) else { return };
        for rule in body.rules.of(&tree.rules) {
            self.append(chain, rule);
        }
    }

    fn base_chain(&mut self, chain: &WrittenChain, span: Span) -> Option<BaseChain> {
        let written = chain.base?;
        let Some((kind, hook, priority)) = self.header(&written) else {
            self.model.lost.push(span);
            let message =
                "the chain's type, hook or priority is not understood; it is taken for a chain without a hook";
            self.warn(span, message.into());
            return None;
        };
        let policy = self.policy(chain).unwrap_or(Verdict::Accept);
        let devices = written.devices.map_or_else(Vec::new, |d| self.devices(d, span));
        Some(BaseChain { hook, kind, priority, policy, told: true, devices, order: 0 })
    }

    fn header(&mut self, base: &WrittenBase) -> Option<(ChainKind, Hook, i32)> {
        let kind = match self.text(base.kind) {
            "filter" => ChainKind::Filter,
            "nat" => ChainKind::Nat,
            "route" => ChainKind::Route,
            _ => return None,
        };
        Some((kind, Hook::from_name(self.text(base.hook))?, self.priority(base.priority)?))
    }

    fn policy(&mut self, chain: &WrittenChain) -> Option<Verdict> {
        let (word, span) = chain.props.of(&self.tree.stmts).iter().find_map(|s| match s.kind {
            StmtKind::Keyword { word, args } if self.text(word) == "policy" => {
                let told = args.of(&self.tree.lists).first().map(|w| self.tree.word(self.resolve(*w)));
                Some((told.flatten().unwrap_or(""), s.span))
            }
            _ => None,
        })?;
        match word {
            "accept" => Some(Verdict::Accept),
            "drop" => Some(Verdict::Drop),
            _ => {
                self.model.lost.push(span);
                self.warn(span, "the chain's policy is not understood; it is taken for accept".into());
                None
            }
        }
    }

    fn priority(&self, id: ExprId) -> Option<i32> {
        match self.tree.expr(self.resolve(id)) {
            Written::Num(n) => i32::try_from(n).ok(),
            Written::Neg(n) => i32::try_from(-i64::from(n)).ok(),
            Written::Bin(BinOp::Add, _, a, b) => self.priority(a)?.checked_add(self.priority(b)?),
            Written::Bin(BinOp::Sub, _, a, b) => self.priority(a)?.checked_sub(self.priority(b)?),
            Written::Word(n) | Written::Str(n) => named_priority(self.family, self.text(n)),
            _ => None,
        }
    }

    /// The devices of an ingress or egress chain. Which devices a pattern fits a running kernel knows: such a chain is not walked.
    fn devices(&mut self, id: ExprId, span: Span) -> Vec<Value> {
        let ranges = self.ranges(Kind::Ifname, id).unwrap_or_default();
        if ranges.iter().any(|(lo, hi)| lo != hi) {
            self.warn(span, "a chain at devices by pattern is walked for the devices that it names only".into());
        }
        ranges.into_iter().map(|(lo, _)| lo).collect()
    }

    fn declare_object(&mut self, item: &Item, kind: &str, name: Name) {
        let Body::Lines(lines) = item.body else { return };
        let text = self.text(name);
        let shared =
            format!("{kind} {text} of {} {}", self.family.name(), self.model.name(self.model.table(self.table).name));
        let (shared, name) = (self.model.names.intern(&shared), self.model.names.intern(text));
        for line in lines.of(&self.tree.lines) {
            let Line::Words(words) = *line else { continue };
            let words = words.of(&self.tree.lists);
            if kind == "ct helper" {
                self.need_conntrack();
                if let [word, helper, ..] = words
                    && self.tree.word(*word) == Some("type")
                    && let Some(helper) = self.tree.word(*helper)
                {
                    let helper = self.model.names.intern(helper);
                    self.helpers.insert((self.table, name), helper);
                }
            } else if let Some(state) = self.stateful(kind, words) {
                let object = Stateful { shared: Some(shared), ..state };
                self.model.objects.entry((self.table, ObjectKind::from_name(kind), name)).or_insert(object);
            }
        }
    }

    /// The helper that a `ct helper` object attaches.
    pub(super) fn helper_type(&self, name: Name) -> Option<Name> {
        self.helpers.get(&(self.table, name)).copied()
    }
}

fn expr_text_list(cx: &Cx, item: &Item) -> String {
    let words = item.path.of(&cx.tree.lists).iter();
    words.map(|e| expr_text(cx.tree, *e)).collect::<Vec<_>>().join(" ")
}

/// The number behind a priority's name (semantics.md 1.2).
fn named_priority(family: Family, name: &str) -> Option<i32> {
    Some(match (family, name) {
        (Family::Bridge, "dstnat") => -300,
        (Family::Bridge, "filter") => -200,
        (Family::Bridge, "out") => 100,
        (Family::Bridge, "srcnat") => 300,
        (_, "raw") => -300,
        (_, "mangle") => -150,
        (_, "dstnat") => -100,
        (_, "filter") => 0,
        (_, "security") => 50,
        (_, "srcnat") => 100,
        // One word to nft's lexer too, without blanks around the sign.
        (_, text) => match text.rsplit_once('-').filter(|(name, _)| !name.is_empty()) {
            Some((name, below)) => named_priority(family, name)?.checked_sub(below.parse().ok()?)?,
            None => return text.parse().ok(),
        },
    })
}
