//! The narrow waist: tables, chains and rules of both dialects as flat arenas, named by ids.
//!
//! `lower` fills it, `walk` and `explain` read it. Nothing here knows how a rule was written; its text is fetched
//! through its span.

mod build;
mod by_name;
mod chain;
mod edit;
mod expr;
mod hooks;
mod index;
mod rule;
mod rule_list;
mod set;
mod show;
mod show_effect;
mod test;
mod traits;
mod values;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use nettrace_grammar::{Name, Names, Span};
use rustc_hash::FxHashMap;

pub use build::Draft;
pub use by_name::{ByName, ChainsByName};
pub use chain::*;
pub use edit::{Checkpoint, Edit, Undo};
pub use expr::*;
pub use hooks::{Asked, Entry, HookKey, HookPlan};
pub use index::Index;
pub use rule::*;
pub use rule_list::RuleList;
pub use set::*;
pub use test::*;
pub use traits::Traits;
pub use values::{Values, ones};

use crate::field::{Field, Value};

/// A range in a side arena, eight bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span32 {
    /// First index.
    pub start: u32,
    /// One behind the last.
    pub end: u32,
}

impl Span32 {
    /// As a range of indexes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Address families as bits: 1 IPv4, 2 IPv6.
pub type FamilyBits = u8;

/// Rules that are not among the inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Of this family.
    pub family: Family,
    /// How they are called: `IPv6 rules`, `iptables-legacy's rules`.
    pub name: &'static str,
    /// What prints them.
    pub command: &'static str,
}

/// Everything the rules say.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Names of tables, chains, sets, comments.
    pub names: Names,
    /// Tables in input order.
    pub tables: Vec<Table>,
    /// Chains in input order.
    pub chains: Vec<Chain>,
    /// Tables, chains and sets by name.
    pub by_name: ByName,
    /// The base chains among them.
    pub bases: BTreeSet<ChainId>,
    /// Rules. A rule that an edit removed stays here; chains say which are in force.
    pub rules: Vec<Rule>,
    /// The first op of every rule where it compares a field with constants, else [`Test::Const`]: most rules of a long chain
    /// end by it, and then nothing else of them is read.
    pub heads: Vec<Test>,
    /// Ops of all rules.
    pub ops: Vec<Op>,
    /// Tests inside other tests.
    pub tests: Vec<Test>,
    /// Lists of tests for [`Test::AllOf`] and [`Test::AnyOf`].
    pub test_lists: Vec<TestId>,
    /// Expressions.
    pub exprs: Vec<Expr>,
    /// Lists of expressions for [`Expr::Concat`].
    pub expr_lists: Vec<ExprId>,
    /// Sets of values.
    pub values: Vec<Values>,
    /// Masks and values wider than 32 bits.
    pub wides: Vec<(Value, Value)>,
    /// Effects.
    pub effects: Vec<Effect>,
    /// Lookups.
    pub lookups: Vec<Lookup>,
    /// Byte programs.
    pub programs: Vec<Program>,
    /// Sets and maps.
    pub sets: Vec<Set>,
    /// Texts of opaque conditions and targets; equal texts are one, so that a walk asks for it once.
    pub texts: Vec<String>,
    /// Where each text is.
    pub text_ids: FxHashMap<String, TextId>,
    /// Since when the steps are there that run only because a rule asks for them.
    pub asked: Asked,
    /// Counts registrations.
    pub registrations: u32,
    /// The decision index, for walks of many packets; [`Model::apply`] drops it.
    pub index: Option<Index>,
    /// Rules that are there, or may be, and are not among the inputs: what the others let pass is not certain.
    pub unread: Vec<Unread>,
    /// Places of the inputs that could not be read and of which nothing is in the model: what stood there may decide otherwise.
    pub lost: Vec<Span>,
    /// Named nft objects: the rule state that a quota, limit or counter of that name starts with.
    pub objects: FxHashMap<(TableId, ObjectKind, Name), Stateful>,
}

impl Model {
    /// A table.
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0 as usize]
    }

    /// A chain.
    pub fn chain(&self, id: ChainId) -> &Chain {
        &self.chains[id.0 as usize]
    }

    /// A rule.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.0 as usize]
    }

    /// A rule's ops.
    pub fn rule_ops(&self, id: RuleId) -> &[Op] {
        &self.ops[self.rule(id).ops.range()]
    }

    /// Whether a rule with this op, a test of its own state, does nothing behind it but compare fields and log.
    pub fn only_logs(&self, id: RuleId, site: u32) -> bool {
        let idle = |op: &Op| match op {
            Op::Test(test) => matches!(test, Test::Masked { .. } | Test::Range { .. } | Test::Wide { .. }),
            Op::Effect(effect) => matches!(self.effect(*effect), Effect::Log { .. }),
            _ => false,
        };
        let (range, at) = (self.rule(id).ops.range(), site as usize);
        let state = matches!(self.ops.get(at), Some(Op::Effect(e)) if matches!(self.effect(*e), Effect::Stateful(_)));
        state && range.contains(&at) && self.ops[at + 1..range.end].iter().all(idle)
    }

    /// The single value that a rule asks a field to have.
    pub fn wanted(&self, id: RuleId, field: Field) -> Option<Value> {
        self.rule_ops(id).iter().find_map(|op| match op {
            Op::Test(Test::Masked { field: f, neg: false, mask: u32::MAX, value }) if *f == field => {
                Some(Value::from(*value))
            }
            Op::Test(Test::Wide { field: f, neg: false, wide }) if *f == field => {
                let (mask, value) = self.wides.get(wide.0 as usize).copied()?;
                (mask & ones(32) == ones(32)).then_some(value)
            }
            _ => None,
        })
    }

    /// An expression.
    pub fn expr(&self, id: ExprId) -> Expr {
        self.exprs[id.0 as usize]
    }

    /// A test inside another.
    pub fn test(&self, id: TestId) -> Test {
        self.tests[id.0 as usize]
    }

    /// A set.
    pub fn set(&self, id: SetId) -> &Set {
        &self.sets[id.0 as usize]
    }

    /// A lookup.
    pub fn lookup(&self, id: LookupId) -> &Lookup {
        &self.lookups[id.0 as usize]
    }

    /// An effect.
    pub fn effect(&self, id: EffectId) -> &Effect {
        &self.effects[id.0 as usize]
    }

    /// A text.
    pub fn text(&self, id: TextId) -> &str {
        &self.texts[id.0 as usize]
    }

    /// A name's text.
    pub fn name(&self, name: Name) -> &str {
        self.names.get(name)
    }

    /// A chain's name.
    pub fn chain_name(&self, id: ChainId) -> &str {
        self.name(self.chain(id).name)
    }

    /// The table of a chain.
    pub fn table_of(&self, chain: ChainId) -> &Table {
        self.table(self.chain(chain).table)
    }

    /// What a hook runs.
    pub fn plan(&self, key: HookKey) -> Cow<'_, HookPlan> {
        let kept = self.index.as_ref().and_then(|index| index.plan(key));
        kept.map_or_else(|| Cow::Owned(HookPlan::new(self, key)), Cow::Borrowed)
    }

    /// What a walk has to know of all rules together.
    pub fn traits(&self) -> Traits {
        self.index.as_ref().map_or_else(|| Traits::new(self), Index::traits)
    }

    /// The position of a rule in its chain, from 1; `None` when no chain holds it (it was removed by an edit).
    pub fn position(&self, id: RuleId) -> Option<u32> {
        self.chain(self.rule(id).chain).rules.position(id).map(|i| i as u32 + 1)
    }

    /// The tables of this family and name: of iptables, iptables-nft and nft one each.
    pub fn tables_named(&self, family: Family, name: &str) -> &[TableId] {
        let tables = self.names.find(name).and_then(|name| self.by_name.tables.get(&(family, name)));
        tables.map_or(&[], Vec::as_slice)
    }

    /// The first table of this family and name.
    pub fn find_table(&self, family: Family, name: &str) -> Option<TableId> {
        self.tables_named(family, name).first().copied()
    }

    /// The chain of this name in a table.
    pub fn find_chain(&self, table: TableId, name: &str) -> Option<ChainId> {
        self.by_name.chains.get(table, self.names.find(name)?)
    }

    /// Whether there is such a chain, and it is what its name means in that table.
    pub fn is_called(&self, chain: ChainId, table: TableId, name: &str) -> bool {
        let found = self.chains.get(chain.0 as usize).filter(|c| c.table == table && self.name(c.name) == name);
        found.is_some_and(|c| self.by_name.chains.get(table, c.name) == Some(chain))
    }

    /// The set of this name: an nft set of `table`, or an ipset.
    pub fn find_set(&self, table: Option<TableId>, name: &str) -> Option<SetId> {
        let name = self.names.find(name)?;
        self.by_name.sets.get(&(table, name)).copied()
    }
}
