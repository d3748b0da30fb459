//! What lowering knows while it reads: the table, the rule so far, variables, and what was resolved before.

use nettrace_grammar::nft::tree::{self, Stmt, Tree};
use nettrace_grammar::{Diagnostic, Name, Span};
use rustc_hash::FxHashMap;

use super::changed::Changed;
use super::fields::{self, Row};
use super::kind::Kind;
use super::stmts::{self, Statement};
use crate::field::{Field, Value};
use crate::limits;
use crate::lower::order::Orders;
use crate::model::*;

/// What the elements of a map carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DataKind {
    /// Nothing: a set.
    None,
    /// Values, one kind a part.
    Values(Vec<Kind>),
    /// Verdicts.
    Verdict,
    /// Names of objects.
    Object,
}

/// The types of a named set.
#[derive(Clone, Debug)]
pub(super) struct SetType {
    /// One kind a part of the key.
    pub(super) key: Vec<Kind>,
    /// The data.
    pub(super) data: DataKind,
}

/// The state of lowering one input.
pub(super) struct Cx<'a> {
    pub(super) tree: &'a Tree,
    pub(super) model: &'a mut Model,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The table that is read.
    pub(super) table: TableId,
    /// Its family.
    pub(super) family: Family,
    /// The rule so far.
    pub(super) draft: Draft,
    /// Tests on fields that hold for the rest of the rule.
    pub(super) known: Vec<(Field, Value)>,
    /// The layer 4 protocol is known to have ports.
    pub(super) has_ports: bool,
    /// Values of `define`.
    pub(super) defines: FxHashMap<Name, tree::ExprId>,
    /// Chains whose rules commands put in other places than the end.
    pub(super) orders: Orders,
    /// Rules by handle in chains that commands name them in.
    pub(super) handles: FxHashMap<ChainId, FxHashMap<u32, RuleId>>,
    /// Sets whose elements commands change.
    pub(super) changed: FxHashMap<SetId, Changed>,
    /// Types of named sets.
    pub(super) types: FxHashMap<SetId, SetType>,
    /// Chains and sets by table and name in the tree.
    pub(super) chains: FxHashMap<(TableId, Name), ChainId>,
    pub(super) sets: FxHashMap<(TableId, Name), SetId>,
    /// Helpers behind `ct helper` objects, by names of the model.
    pub(super) helpers: FxHashMap<(TableId, Name), Name>,
    rows: FxHashMap<Name, Option<&'static Row>>,
    statements: FxHashMap<Name, Option<&'static Statement>>,
    /// A range with its low end above its high end was read in the statement.
    pub(super) backwards: bool,
    /// It is a command of a what-if.
    pub(super) typed: bool,
    /// How deep variables are being resolved.
    pub(super) depth: u32,
}

impl<'a> Cx<'a> {
    pub(super) fn new(tree: &'a Tree, model: &'a mut Model) -> Self {
        Cx {
            tree,
            model,
            diagnostics: Vec::new(),
            table: TableId(0),
            family: Family::Ip,
            draft: Draft::default(),
            known: Vec::new(),
            has_ports: false,
            defines: FxHashMap::default(),
            orders: Orders::default(),
            handles: FxHashMap::default(),
            changed: FxHashMap::default(),
            types: FxHashMap::default(),
            chains: FxHashMap::default(),
            sets: FxHashMap::default(),
            helpers: FxHashMap::default(),
            rows: FxHashMap::default(),
            statements: FxHashMap::default(),
            backwards: false,
            typed: false,
            depth: 0,
        }
    }

    pub(super) fn text(&self, name: Name) -> &'a str {
        self.tree.names.get(name)
    }

    /// The row of a selector. In a table of one family `ct original saddr`, as JSON has it, is that family's address.
    pub(super) fn row(&mut self, name: Name) -> Option<&'static Row> {
        let text = self.text(name);
        let family = match self.family {
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
            _ => "",
        };
        if !family.is_empty()
            && let ["ct", dir, side @ ("saddr" | "daddr")] = text.split(' ').collect::<Vec<_>>()[..]
        {
            return fields::row(&format!("ct {dir} {family} {side}"));
        }
        *self.rows.entry(name).or_insert_with(|| fields::row(text))
    }

    /// The statement of a keyword.
    pub(super) fn statement(&mut self, name: Name) -> Option<&'static Statement> {
        let text = self.text(name);
        *self.statements.entry(name).or_insert_with(|| stmts::find(text))
    }

    /// Something is not understood.
    pub(super) fn warn(&mut self, span: Span, message: String) {
        self.warn_as("NT301", span, message);
    }

    pub(super) fn warn_as(&mut self, code: &'static str, span: Span, message: String) {
        if self.diagnostics.len() < limits::WARNINGS {
            self.diagnostics.push(Diagnostic::warning(code, span, message));
        }
    }

    /// Adds a test to the rule.
    pub(super) fn test(&mut self, test: Test) {
        self.draft.ops.push(Op::Test(test));
    }

    /// Adds `field == value` in front of what needs it, unless the rule says so already.
    pub(super) fn need(&mut self, field: Field, value: Value) {
        if self.known.contains(&(field, value)) {
            return;
        }
        self.known.push((field, value));
        self.has_ports |= field == Field::Proto && has_ports(value);
        let test = self.model.masked_test(field, false, ones(field.bits()), value);
        self.test(test);
    }

    /// The packet must be of this family (2 or 10), where the table has both.
    pub(super) fn need_family(&mut self, family: u8) {
        match self.family {
            Family::Ip | Family::Ip6 => {}
            Family::Inet => self.need(Field::Family, family.into()),
            _ => self.need(Field::EtherType, if family == 2 { 0x0800 } else { 0x86dd }),
        }
    }

    /// Connection tracking is in use for the table's families.
    pub(super) fn need_conntrack(&mut self) {
        self.model.need_conntrack(self.families());
    }

    /// The families that the table's chains see.
    pub(super) fn families(&self) -> FamilyBits {
        match self.family {
            Family::Ip => 1,
            Family::Ip6 => 2,
            Family::Inet | Family::Bridge => 3,
            Family::Arp | Family::Netdev => 0,
        }
    }

    /// A condition that is only understood as text.
    pub(super) fn opaque_test(&mut self, stmt: &Stmt) {
        let text = nettrace_grammar::nft::print::stmt_text(self.tree, stmt);
        let why = if std::mem::take(&mut self.backwards) {
            "has its low end above its high end, as nft 1.0.6 lists two comparisons of neighbouring fields: which two is not told"
        } else {
            "is not understood"
        };
        self.warn(stmt.span, format!("`{text}` {why}; it is an unknown condition"));
        let test = self.model.opaque_test(text);
        self.test(test);
    }

    /// A statement that is only understood as text.
    pub(super) fn opaque_op(&mut self, stmt: &Stmt) {
        let text = nettrace_grammar::nft::print::stmt_text(self.tree, stmt);
        self.warn(stmt.span, format!("`{text}` is not understood; what it does is unknown"));
        let text = self.model.push_text(text);
        self.draft.ops.push(Op::Opaque(text));
    }

    /// The expression behind variables.
    pub(super) fn resolve(&self, id: tree::ExprId) -> tree::ExprId {
        let mut id = id;
        for _ in 0..16 {
            let tree::Expr::Var(name) = self.tree.expr(id) else { return id };
            let Some(value) = self.defines.get(&name) else { return id };
            id = *value;
        }
        id
    }
}

/// Whether a layer 4 protocol begins with two ports.
pub(super) fn has_ports(proto: Value) -> bool {
    matches!(proto, 6 | 17 | 33 | 132 | 136)
}
