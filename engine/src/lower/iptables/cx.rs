//! What an extension's lowering works with: the model, the rule's ops so far, and where the rule stands.

use nettrace_grammar::{Name, Span};

use crate::field::{Field, Show, Value};
use crate::model::{
    BinOp, Dialect, Draft, Effect, ExprId, Family, FamilyBits, Header, Hook, Model, Op, Stateful, StatefulKind,
    TableId, Test, Values, Verdict, ones,
};

use super::values::addr_bits;

/// Why an option could not be lowered.
#[derive(Clone, Debug)]
pub struct Bad {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// A hint, perhaps.
    pub help: Option<String>,
}

impl Bad {
    /// At this place, this is wrong.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Bad { span, message: message.into(), help: None }
    }
}

/// Result of lowering an extension.
pub type Lowered = Result<(), Bad>;

/// The rule in the making and its surroundings.
pub struct Cx<'m> {
    /// The model.
    pub model: &'m mut Model,
    /// The rule so far.
    pub draft: Draft,
    /// iptables or ip6tables.
    pub family: Family,
    /// Legacy or nft.
    pub dialect: Dialect,
    /// The table.
    pub table: TableId,
    /// The hook, in a built-in chain.
    pub hook: Option<Hook>,
    /// `-p`: the protocol, and whether it is negated.
    pub proto: Option<(u8, bool)>,
}

impl Cx<'_> {
    /// Whether this is ip6tables.
    pub fn v6(&self) -> bool {
        self.family == Family::Ip6
    }

    /// Whether the rule is read by iptables-legacy.
    pub fn legacy(&self) -> bool {
        self.dialect == Dialect::Legacy
    }

    /// Adds a test.
    pub fn test(&mut self, test: Test) {
        self.draft.test(test);
    }

    /// Adds a test, loosely negated if so.
    pub fn loose(&mut self, neg: bool, test: Test) {
        let test = if neg { self.model.not(test) } else { test };
        self.draft.test(test);
    }

    /// Adds `field in values` with strict negation.
    pub fn within(&mut self, field: Field, neg: bool, values: Values) {
        let test = self.model.field_test(field, neg, values);
        self.draft.test(test);
    }

    /// Adds `lo <= field <= hi` with strict negation.
    pub fn range(&mut self, field: Field, neg: bool, (lo, hi): (u64, u64)) {
        if let (Ok(lo), Ok(hi), true) = (u32::try_from(lo), u32::try_from(hi), field.bits() <= 32) {
            let one = Test::Masked { field, neg, mask: u32::MAX, value: lo };
            return self.draft.test(if lo == hi { one } else { Test::Range { field, neg, lo, hi } });
        }
        self.within(field, neg, Values::new([(lo.into(), hi.into())]));
    }

    /// Adds `(field & mask) == value` with strict negation.
    pub fn masked(&mut self, field: Field, neg: bool, (value, mask): (Value, Value)) {
        let test = self.model.masked_test(field, neg, mask, value);
        self.draft.test(test);
    }

    /// Adds a test that the expression's value is not 0, or is.
    pub fn nonzero(&mut self, expr: ExprId, neg: bool) {
        let test = self.model.expr_test(expr, !neg, Values::one(0));
        self.draft.test(test);
    }

    /// Adds a need for a header.
    pub fn need(&mut self, header: Header) {
        self.draft.ops.push(Op::Need(header));
    }

    /// Adds an effect.
    pub fn effect(&mut self, effect: Effect) {
        let op = self.model.effect_op(effect);
        self.draft.ops.push(op);
    }

    /// Adds a verdict.
    pub fn verdict(&mut self, verdict: Verdict) {
        self.draft.ops.push(Op::Verdict(verdict));
    }

    /// Adds a test that keeps state.
    pub fn stateful(&mut self, kind: StatefulKind, invert: bool, shared: Option<Name>) {
        self.effect(Effect::Stateful(Box::new(Stateful { kind, invert, shared })));
    }

    /// Adds a write, which does nothing where the field is absent.
    pub fn set(&mut self, field: Field, expr: ExprId) {
        self.draft.ops.push(Op::Set { field, expr, miss: false });
    }

    /// Adds a write of a constant.
    pub fn set_const(&mut self, field: Field, value: Value) {
        let expr = self.model.const_expr(value);
        self.set(field, expr);
    }

    /// Adds `field := (field & !clear) ^ flip`.
    pub fn and_xor(&mut self, field: Field, clear: Value, flip: Value) {
        let expr = self.model.and_xor_expr(field, clear, flip);
        self.set(field, expr);
    }

    /// The expression `field & mask`.
    pub fn masked_expr(&mut self, field: Field, mask: Value) -> ExprId {
        let field_expr = self.model.field_expr(field);
        let width = if field.show() == Show::Addr { addr_bits(self.family) } else { field.bits() };
        if mask == ones(width) {
            return field_expr;
        }
        let mask = self.model.const_expr(mask);
        self.model.bin_expr(BinOp::And, field_expr, mask)
    }

    /// Notes that the rule asks for connection tracking.
    pub fn need_conntrack(&mut self) {
        self.model.need_conntrack(self.family_bit());
    }

    /// Notes that the rule asks for whole packets.
    pub fn need_defrag(&mut self) {
        self.model.need_defrag(self.family_bit());
    }

    fn family_bit(&self) -> FamilyBits {
        if self.v6() { 2 } else { 1 }
    }

    /// The name of a text.
    pub fn name(&mut self, text: &str) -> Name {
        self.model.names.intern(text)
    }
}
