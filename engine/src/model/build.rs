//! How lowering fills a model: arenas grow, ids come back, and a test takes its smallest form.

use nettrace_grammar::{Name, Span};

use super::*;
use crate::field::{Field, Show, Value};

/// A rule under construction: its ops so far.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Ops in order.
    pub ops: Vec<Op>,
    /// How many of them belong to matches; lowering sets it when it reaches the target. Unset: all of them.
    pub matches: Option<u16>,
    /// See [`Rule::comment`].
    pub comment: Option<Name>,
    /// See [`Rule::handle`].
    pub handle: u32,
    /// See [`Rule::unconditional`].
    pub unconditional: bool,
}

impl Draft {
    /// Adds a test.
    pub fn test(&mut self, test: Test) {
        self.ops.push(Op::Test(test));
    }
}

impl Model {
    /// Adds a table. An `iptables` table comes with no chains; add its base chains with [`Model::add_chain`].
    pub fn add_table(&mut self, family: Family, name: &str, dialect: Dialect, span: Span) -> TableId {
        let name = self.names.intern(name);
        let id = TableId(self.tables.len() as u32);
        self.tables.push(Table { family, name, dialect, dormant: false, span });
        self.by_name.tables.entry((family, name)).or_default().push(id);
        id
    }

    /// Takes away the names of a table and of what is in it: a later table of that name is another one. Once there is none, nothing
    /// asks for connection tracking any more.
    pub fn forget_table(&mut self, table: TableId) {
        let Table { family, name, .. } = self.tables[table.0 as usize];
        if let Some(named) = self.by_name.tables.get_mut(&(family, name)) {
            named.retain(|t| *t != table);
            if named.is_empty() {
                self.by_name.tables.remove(&(family, name));
            }
        }
        if self.by_name.tables.is_empty() {
            self.asked = Asked::default();
        }
    }

    /// Takes away a set's name: a later set of that name is another one.
    pub fn forget_set(&mut self, set: SetId) {
        let Set { name, table, .. } = self.sets[set.0 as usize];
        if let Some(name) = name {
            self.by_name.sets.remove(&(table, name));
        }
    }

    /// Adds a chain; a base chain's `order` is set here: it is registered last so far.
    pub fn add_chain(&mut self, table: TableId, name: &str, base: Option<BaseChain>, span: Span) -> ChainId {
        let name = self.names.intern(name);
        let base = base.map(|b| Box::new(BaseChain { order: self.register(), ..b }));
        let id = ChainId(self.chains.len() as u32);
        if base.is_some() {
            self.bases.insert(id);
        }
        self.by_name.chains.add(table, name, id);
        self.chains.push(Chain { name, table, base, rules: RuleList::default(), span });
        id
    }

    /// Gives a chain another name.
    pub fn rename_chain(&mut self, chain: ChainId, name: &str) {
        let name = self.names.intern(name);
        let Chain { table, name: old, .. } = self.chains[chain.0 as usize];
        self.by_name.chains.remove(table, old, chain);
        self.by_name.chains.add(table, name, chain);
        self.chains[chain.0 as usize].name = name;
    }

    /// Makes room for about so many rules.
    pub fn reserve(&mut self, rules: usize) {
        self.rules.reserve(rules);
        self.heads.reserve(rules);
        self.ops.reserve(3 * rules);
    }

    /// The next number in the order of registrations.
    pub fn register(&mut self) -> u32 {
        self.registrations += 1;
        self.registrations
    }

    /// Notes that connection tracking is in use for these families from now on; it puts fragments together first.
    pub fn need_conntrack(&mut self, families: FamilyBits) {
        self.need_defrag(families);
        for slot in (0..2).filter(|slot| families & (1 << slot) != 0) {
            if self.asked.conntrack[slot].is_none() {
                self.asked.conntrack[slot] = Some(self.register());
            }
        }
    }

    /// Notes that fragments of these families are put together from now on.
    pub fn need_defrag(&mut self, families: FamilyBits) {
        for slot in (0..2).filter(|slot| families & (1 << slot) != 0) {
            if self.asked.defrag[slot].is_none() {
                self.asked.defrag[slot] = Some(self.register());
            }
        }
    }

    /// Adds a rule's ops to the arenas, without putting it into a chain's list.
    pub fn add_rule(&mut self, chain: ChainId, draft: &Draft, span: Span) -> RuleId {
        let start = self.ops.len() as u32;
        self.ops.extend_from_slice(&draft.ops);
        self.heads.push(match draft.ops.first() {
            Some(Op::Test(test @ (Test::Masked { .. } | Test::Range { .. } | Test::Wide { .. }))) => *test,
            _ => Test::Const(true),
        });
        self.rules.push(Rule {
            ops: Span32 { start, end: self.ops.len() as u32 },
            matches: draft.matches.unwrap_or(draft.ops.len() as u16),
            span,
            chain,
            comment: draft.comment,
            handle: draft.handle,
            unconditional: draft.unconditional,
        });
        RuleId(self.rules.len() as u32 - 1)
    }

    /// Indexes the chains: worth it from some fifty packets on.
    pub fn build_index(&mut self) {
        self.index = Some(Index::new(self));
    }

    /// Adds a rule and appends it to its chain.
    pub fn append_rule(&mut self, chain: ChainId, draft: &Draft, span: Span) -> RuleId {
        let id = self.add_rule(chain, draft, span);
        self.chains[chain.0 as usize].rules.push(id);
        id
    }

    /// Adds an expression.
    pub fn push_expr(&mut self, expr: Expr) -> ExprId {
        self.exprs.push(expr);
        ExprId(self.exprs.len() as u32 - 1)
    }

    /// The expression of a field.
    pub fn field_expr(&mut self, field: Field) -> ExprId {
        self.push_expr(Expr::Field(field))
    }

    /// The expression of a constant.
    pub fn const_expr(&mut self, value: Value) -> ExprId {
        self.push_expr(Expr::Const(value))
    }

    /// `a op b`.
    pub fn bin_expr(&mut self, op: BinOp, a: ExprId, b: ExprId) -> ExprId {
        self.push_expr(Expr::Bin(op, a, b))
    }

    /// `(field & !clear) ^ flip`, as marks and header bytes are written.
    pub fn and_xor_expr(&mut self, field: Field, clear: Value, flip: Value) -> ExprId {
        let keep = ones(field.bits()) & !clear;
        if keep == 0 {
            return self.const_expr(flip);
        }
        let (f, k) = (self.field_expr(field), self.const_expr(keep));
        let kept = self.bin_expr(BinOp::And, f, k);
        let flip = self.const_expr(flip);
        self.bin_expr(BinOp::Xor, kept, flip)
    }

    /// A concatenation.
    pub fn concat_expr(&mut self, parts: &[ExprId]) -> ExprId {
        let start = self.expr_lists.len() as u32;
        self.expr_lists.extend_from_slice(parts);
        self.push_expr(Expr::Concat(Span32 { start, end: self.expr_lists.len() as u32 }))
    }

    /// A field's value is in the set (strict negation).
    pub fn field_test(&mut self, field: Field, neg: bool, values: Values) -> Test {
        if let Some(test) = test::compact(field, neg, &values) {
            return test;
        }
        if let Some(value) = values.single() {
            return self.masked_test(field, neg, ones(field.bits()), value);
        }
        let expr = self.field_expr(field);
        self.expr_test(expr, neg, values)
    }

    /// `(field & mask) == value` (strict negation); the value is masked too, as the kernel's parsers do.
    pub fn masked_test(&mut self, field: Field, neg: bool, mask: Value, value: Value) -> Test {
        // An address of IPv4 is a number of 32 bits, whatever room its field has.
        let small = if field.bits() <= 32 { mask & ones(32) } else { mask };
        if let (Ok(m), Ok(v)) = (u32::try_from(small), u32::try_from(value))
            && (field.bits() <= 32 || field.show() == Show::Addr)
        {
            return Test::Masked { field, neg, mask: m, value: v };
        }
        self.wides.push((mask, value));
        Test::Wide { field, neg, wide: WideId(self.wides.len() as u32 - 1) }
    }

    /// An expression's value is in the set (strict negation).
    pub fn expr_test(&mut self, expr: ExprId, neg: bool, values: Values) -> Test {
        self.values.push(values);
        Test::In { neg, expr, values: ValuesId(self.values.len() as u32 - 1) }
    }

    /// A test to be held by another.
    pub fn push_test(&mut self, test: Test) -> TestId {
        self.tests.push(test);
        TestId(self.tests.len() as u32 - 1)
    }

    /// Loose negation.
    pub fn not(&mut self, test: Test) -> Test {
        match test {
            Test::Const(b) => Test::Const(!b),
            other => Test::Not(self.push_test(other)),
        }
    }

    /// All of them.
    pub fn all_of(&mut self, tests: &[Test]) -> Test {
        match tests {
            [] => Test::Const(true),
            [one] => *one,
            _ => Test::AllOf(self.test_list(tests)),
        }
    }

    /// At least one of them.
    pub fn any_of(&mut self, tests: &[Test]) -> Test {
        match tests {
            [] => Test::Const(false),
            [one] => *one,
            _ => Test::AnyOf(self.test_list(tests)),
        }
    }

    fn test_list(&mut self, tests: &[Test]) -> Span32 {
        let ids: Vec<TestId> = tests.iter().map(|t| self.push_test(*t)).collect();
        let start = self.test_lists.len() as u32;
        self.test_lists.extend(ids);
        Span32 { start, end: self.test_lists.len() as u32 }
    }

    /// A condition that is only understood as text.
    pub fn opaque_test(&mut self, text: impl Into<String>) -> Test {
        Test::Opaque(self.push_text(text))
    }

    /// A text.
    pub fn push_text(&mut self, text: impl Into<String>) -> TextId {
        let text = text.into();
        if let Some(known) = self.text_ids.get(&text) {
            return *known;
        }
        let id = TextId(self.texts.len() as u32);
        self.texts.push(text.clone());
        self.text_ids.insert(text, id);
        id
    }

    /// An effect as an op.
    pub fn effect_op(&mut self, effect: Effect) -> Op {
        self.effects.push(effect);
        Op::Effect(EffectId(self.effects.len() as u32 - 1))
    }

    /// A lookup.
    pub fn push_lookup(&mut self, lookup: Lookup) -> LookupId {
        self.lookups.push(lookup);
        LookupId(self.lookups.len() as u32 - 1)
    }

    /// A byte program as a test. One that stands among the last ones is used again, so that two rules that ask the same of
    /// bytes that nobody gave get the same answer.
    pub fn program_test(&mut self, program: Program) -> Test {
        const LOOKED_AT: usize = 64;
        let from = self.programs.len().saturating_sub(LOOKED_AT);
        let known = self.programs[from..].iter().position(|p| *p == program);
        let at = known.map_or(self.programs.len(), |i| from + i);
        if known.is_none() {
            self.programs.push(program);
        }
        Test::Bytes(ProgramId(at as u32))
    }

    /// Adds a set.
    pub fn push_set(&mut self, set: Set) -> SetId {
        let id = SetId(self.sets.len() as u32);
        if let Some(name) = set.name {
            self.by_name.sets.entry((set.table, name)).or_insert(id);
        }
        self.sets.push(set);
        id
    }

    /// The ipset of this name; when the inputs did not bring it, one with unknown contents.
    pub fn ipset(&mut self, name: &str) -> SetId {
        if let Some(id) = self.find_set(None, name) {
            return id;
        }
        let name = Some(self.names.intern(name));
        self.push_set(Set { name, table: None, span: Span::default(), size: 0, contents: Contents::Unknown })
    }
}
