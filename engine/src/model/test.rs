//! Tests: 12 bytes each, no pointers. One evaluator ([`crate::eval::decide`]) serves the walk and every explanation.
//!
//! Negation comes in two kinds (lowering.md): `neg` on a comparison is *strict* (an absent value fails it both ways),
//! [`Test::Not`] is *loose* (an absent value makes the inner test false, so the whole is true).

use crate::field::{Field, Value};

use super::{ExprId, Span32, Values};

/// A test in [`super::Model::tests`] (those that other tests hold; a rule's own stand in its ops).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TestId(pub u32);

/// A set of values in [`super::Model::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValuesId(pub u32);

/// A pair of mask and value in [`super::Model::wides`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WideId(pub u32);

/// A lookup in [`super::Model::lookups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LookupId(pub u32);

/// A byte program in [`super::Model::programs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgramId(pub u32);

/// A text in [`super::Model::texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub u32);

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Always or never.
    Const(bool),
    /// `(field & mask) == value`, or not equal.
    Masked {
        /// The field.
        field: Field,
        /// Strict negation.
        neg: bool,
        /// Bits that count.
        mask: u32,
        /// Wanted value.
        value: u32,
    },
    /// `lo <= field <= hi`, or outside.
    Range {
        /// The field.
        field: Field,
        /// Strict negation.
        neg: bool,
        /// Lower end.
        lo: u32,
        /// Upper end.
        hi: u32,
    },
    /// As [`Test::Masked`] for masks and values wider than 32 bits (IPv6 addresses, device names).
    Wide {
        /// The field.
        field: Field,
        /// Strict negation.
        neg: bool,
        /// Mask and value.
        wide: WideId,
    },
    /// The expression's value is in the set, or is not.
    In {
        /// Strict negation.
        neg: bool,
        /// Left side.
        expr: ExprId,
        /// The set.
        values: ValuesId,
    },
    /// The two expressions are related as said: nft `ct mark < meta mark` and the like.
    Relation {
        /// The relation.
        rel: Relation,
        /// Left side.
        left: ExprId,
        /// Right side.
        right: ExprId,
    },
    /// A named or anonymous set, an ipset or a map has an element for the key, or has none.
    Lookup {
        /// Strict negation.
        neg: bool,
        /// Set and key.
        lookup: LookupId,
    },
    /// Loose negation.
    Not(TestId),
    /// All of a run of tests in [`super::Model::test_lists`].
    AllOf(Span32),
    /// At least one of them.
    AnyOf(Span32),
    /// The expression has a value.
    Exists(ExprId),
    /// Holds with a probability of `odds / 2^31` (`-m statistic --mode random`).
    Chance {
        /// Loose negation.
        neg: bool,
        /// Probability in steps of 2^-31, as the kernel stores it.
        odds: u32,
    },
    /// A program over the packet's bytes: `u32`, `bpf`, `string`.
    Bytes(ProgramId),
    /// A condition that is only understood as text: an unknown fact.
    Opaque(TextId),
}

/// Relation of two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

impl Relation {
    /// Whether the relation holds.
    pub fn holds(self, a: Value, b: Value) -> bool {
        match self {
            Relation::Eq => a == b,
            Relation::Ne => a != b,
            Relation::Lt => a < b,
            Relation::Le => a <= b,
            Relation::Gt => a > b,
            Relation::Ge => a >= b,
        }
    }
}

/// A direction flag of an ipset match: `src` or `dst` for each dimension.
pub type Dim = super::expr::Side;

/// A lookup in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The set.
    pub set: super::SetId,
    /// The key.
    pub key: LookupKey,
}

/// How the key of a lookup is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupKey {
    /// nft: one expression a part.
    Exprs(Vec<ExprId>),
    /// ipset: one direction flag a dimension, and the match's options.
    Dims {
        /// Direction flags in order.
        dims: Vec<Dim>,
        /// `--return-nomatch`.
        return_nomatch: bool,
        /// `--packets-eq/lt/gt`, `--bytes-…`: comparisons on the element's counters.
        counters: Vec<CounterTest>,
        /// Not `! --update-counters`: a hit adds to the element's counters.
        update: bool,
        /// Not `! --update-subcounters`: of a `list:set` it adds to those of its member's element too.
        below: bool,
    },
}

/// A comparison on an ipset element's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterTest {
    /// Bytes instead of packets.
    pub bytes: bool,
    /// The relation (`Eq`, `Ne`, `Lt`, `Gt`).
    pub rel: Relation,
    /// Right side.
    pub value: u64,
}

/// A program over the packet's bytes, counted from the IP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// `-m u32`: locations, each with accepted ranges; all must hold.
    U32(Vec<U32Term>),
    /// `-m bpf --bytecode`: classic BPF instructions.
    Bpf(Vec<BpfInsn>),
    /// `-m string`: a pattern somewhere between two offsets.
    Str {
        /// The bytes looked for.
        pattern: Vec<u8>,
        /// First offset at which it may start.
        from: u32,
        /// Last offset at which it may start.
        to: u32,
        /// `--icase`.
        icase: bool,
    },
    /// IPv6 `hbh`/`dst` option lists: (type, length) pairs that the header must hold in order.
    Ipv6Options {
        /// Protocol number of the header: 0 hop-by-hop, 60 destination options.
        header: u8,
        /// Options in order, with their length if it matters.
        options: Vec<(u8, Option<u8>)>,
        /// All options of the header are listed.
        strict: bool,
    },
    /// IPv6 routing header addresses (`rt --rt-0-addrs`).
    RtAddrs {
        /// Addresses in order.
        addrs: Vec<Value>,
        /// They are all of them.
        strict: bool,
    },
    /// `-m srh`: the segment before the current one, or behind it.
    Segment {
        /// The next one (`--srh-nsid`) instead of the previous one.
        next: bool,
        /// Address, masked.
        value: Value,
        /// Mask.
        mask: Value,
        /// It is to differ.
        neg: bool,
    },
    /// SCTP `--chunk-types`: how (all, any, only), and chunks with flags (type, mask, value).
    SctpChunks {
        /// Which quantifier.
        match_kind: ChunkMatch,
        /// Chunk types with flag mask and value.
        chunks: Vec<(u8, u8, u8)>,
    },
}

/// Quantifier of SCTP `--chunk-types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkMatch {
    /// Every listed type is present.
    All,
    /// At least one is.
    Any,
    /// No other is.
    Only,
}

/// One `location=ranges` of `-m u32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct U32Term {
    /// Start offset, then operations.
    pub start: u32,
    /// `&`, `<<`, `>>`, `@` with their numbers.
    pub ops: Vec<(U32Op, u32)>,
    /// Accepted ranges.
    pub ranges: Vec<(u32, u32)>,
}

/// Operations of `-m u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum U32Op {
    /// `&`.
    And,
    /// `<<`.
    Shl,
    /// `>>`.
    Shr,
    /// `@`: move the base by the value and load again.
    At,
}

/// One classic BPF instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BpfInsn {
    /// Opcode.
    pub code: u16,
    /// Jump offset if true.
    pub jt: u8,
    /// Jump offset if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Builds the smallest test for "field in these values".
pub(super) fn compact(field: Field, neg: bool, values: &Values) -> Option<Test> {
    let [(lo, hi)] = values.ranges() else { return None };
    let (lo, hi) = (u32::try_from(*lo).ok()?, u32::try_from(*hi).ok()?);
    Some(if lo == hi {
        Test::Masked { field, neg, mask: u32::MAX, value: lo }
    } else {
        Test::Range { field, neg, lo, hi }
    })
    .filter(|_| field.bits() <= 32 || matches!(field, Field::Saddr | Field::Daddr) && lo != hi)
}
