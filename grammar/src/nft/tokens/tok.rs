//! The terminals of nft's grammar: `Selector(tcp dport)`, `SetOpen`, `Verdict(accept)`.
//!
//! Left out: telling them apart in a text.

use crate::names::Name;
use crate::nft::tree::{BinOp, Rel, To};

/// A terminal of the grammar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tok {
    /// End of a line, or `;`.
    Sep,
    /// `{` of a block.
    BlockOpen,
    /// `}` of a block.
    BlockClose,
    /// `{` of a set.
    SetOpen,
    /// `}` of a set.
    SetClose,
    /// `(`
    LParen,
    /// `)`
    RParen,
    /// `[`
    LBracket,
    /// `]`
    RBracket,
    /// `,`; whether the line ended behind it.
    Comma(bool),
    /// `.`
    Dot,
    /// `:`
    Colon,
    /// `=`
    Assign,
    /// A comparison.
    Rel(Rel),
    /// A binary operator and whether it was a word.
    Bin(BinOp, bool),
    /// `-`
    Dash,
    /// `+`
    Plus,
    /// `/` of a prefix.
    Slash,
    /// `/` between blanks, of a mask.
    MaskSlash,
    /// `*`
    Star,
    /// A number.
    Num(u32),
    /// An IPv4 address.
    Ip4(u32),
    /// `packets 5 bytes 300` behind `counter`: a place in [`Tree::counts`](crate::nft::tree::Tree::counts).
    Counts(u32),
    /// Any other value.
    Word(Name),
    /// A quoted text.
    Str(Name),
    /// `$x`
    Var(Name),
    /// `@x`
    SetRef(Name),
    /// A selector.
    Selector(Name),
    /// A keyword that begins a statement.
    Keyword(Name),
    /// `accept`, …
    Verdict(Name),
    /// `jump`, `goto`
    Jump(Name),
    /// `to`, `num`, `name`
    To(To),
    /// `jhash`
    Jhash,
    /// `mod`, `seed`, `offset`
    HashOption(Name),
    /// `map`
    Map,
    /// `vmap`
    Vmap,
    /// `set`
    Set,
    /// `meter`
    Meter,
    /// `add`, `update`, `delete` before `@x`
    Update(Name),
    /// `reset` before `tcp option`
    Reset(Name),
    /// `add`, `flush`, … at the beginning of a command
    Verb(Name),
    /// `table`
    Table(Name),
    /// `chain`
    Chain(Name),
    /// `rule`
    Rule(Name),
    /// `element`
    Element(Name),
    /// `set`, `ct helper`, … that name a block
    Block(Name),
    /// `define`
    Define(Name),
    /// `include`, `undefine`: word and arguments
    Directive(Name),
    /// `type` of a chain, set or map
    Type,
    /// `typeof`
    Typeof,
    /// `hook`
    Hook,
    /// `device`
    Device,
    /// `devices`
    Devices,
    /// `priority`
    Priority,
    /// `policy`, `flags` in a chain; `flags`, `comment` in a table
    Prop(Name),
    /// `# handle 5`
    Handle(u32),
    /// `# Warning: …`
    Warning(Name),
    /// Not of the language.
    Error,
}
