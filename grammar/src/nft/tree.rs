//! The syntax tree of `nft list ruleset`, `.nft` files and typed `nft` commands: blocks, rules, statements, expressions.
//!
//! Example: `tcp dport { 22, 80 } counter accept` is three statements: a match of the selector `tcp dport` with an anonymous set,
//! the keyword `counter` without arguments, and a verdict. What a selector or a keyword means is not known here: both are
//! names, and the engine's registries resolve each distinct spelling once.
//!
//! Everything lives in flat arenas of the [`Tree`]; a [`Run`] is a range of one of them. All texts are interned, so a tree
//! prints without its source. Left out: comments of people (`# …`), and the layout of blanks and empty lines.

use crate::names::{Name, Names};
use crate::source::Span;

/// A range of one of the tree's arenas; which one stands beside each field of this type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Run {
    /// First index.
    pub first: u32,
    /// One behind the last index.
    pub end: u32,
}

impl Run {
    /// How many entries.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.first) as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.end <= self.first
    }

    /// The indices as a slice of `arena`; empty when the run is of another tree.
    pub fn of<T>(self, arena: &[T]) -> &[T] {
        arena.get(self.first as usize..self.end as usize).unwrap_or(&[])
    }
}

/// An expression: an index into [`Tree::exprs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExprId(pub u32);

/// A comparison as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rel {
    /// Nothing between the sides: `tcp dport 22`.
    Implicit,
    /// `==` or `eq`.
    Eq,
    /// `!=` or `ne`.
    Ne,
    /// `<`.
    Lt,
    /// `>`.
    Gt,
    /// `lt`, as listings of iptables-nft's tables have it.
    LtWord,
    /// `gt`.
    GtWord,
    /// `<=` or `le`.
    Le,
    /// `>=` or `ge`.
    Ge,
    /// `!`: `tcp flags ! syn`.
    Not,
}

impl Rel {
    /// As nft prints it; empty for [`Rel::Implicit`].
    pub fn text(self) -> &'static str {
        match self {
            Rel::Implicit => "",
            Rel::Eq => "==",
            Rel::Ne => "!=",
            Rel::Lt => "<",
            Rel::Gt => ">",
            Rel::LtWord => "lt",
            Rel::GtWord => "gt",
            Rel::Le => "<=",
            Rel::Ge => ">=",
            Rel::Not => "!",
        }
    }
}

/// A binary operator of expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinOp {
    /// `&`, `and`.
    And,
    /// `|`, `or`.
    Or,
    /// `^`, `xor`.
    Xor,
    /// `<<`, `lshift`.
    Shl,
    /// `>>`, `rshift`.
    Shr,
    /// `+`, in priorities: `filter + 10`.
    Add,
    /// `-`, in priorities: `dstnat - 5`.
    Sub,
}

impl BinOp {
    /// How tightly it binds: shifts, `&`, `^`, `|`.
    pub fn precedence(self) -> u8 {
        match self {
            BinOp::Or => 0,
            BinOp::Xor => 1,
            BinOp::And => 2,
            BinOp::Shl | BinOp::Shr => 3,
            BinOp::Add | BinOp::Sub => 4,
        }
    }

    /// The symbol, or the word where there is one and `word` asks for it (`&` or `and`).
    pub fn text(self, word: bool) -> &'static str {
        match (self, word) {
            (BinOp::And, false) => "&",
            (BinOp::And, true) => "and",
            (BinOp::Or, false) => "|",
            (BinOp::Or, true) => "or",
            (BinOp::Xor, false) => "^",
            (BinOp::Xor, true) => "xor",
            (BinOp::Shl, false) => "<<",
            (BinOp::Shl, true) => "lshift",
            (BinOp::Shr, false) => ">>",
            (BinOp::Shr, true) => "rshift",
            (BinOp::Add, _) => "+",
            (BinOp::Sub, _) => "-",
        }
    }
}

/// What stands in front of the target of a keyword statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// `dnat to …`.
    To,
    /// `queue num …`.
    Num,
    /// `counter name …`.
    Name,
}

impl To {
    /// The word.
    pub fn text(self) -> &'static str {
        match self {
            To::To => "to",
            To::Num => "num",
            To::Name => "name",
        }
    }
}

/// An expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// A decimal number without leading zeros, below 2³².
    Num(u32),
    /// An IPv4 address in its usual form.
    Ip4(u32),
    /// Any other unquoted word or literal, verbatim: `established`, `0x4000`, `fe80::1`, `1h30m`, `5/second`.
    Word(Name),
    /// A text in double quotes, without them.
    Str(Name),
    /// Something that is read from the packet or the host, all its words joined by one blank: `tcp dport`, `iifname`,
    /// `ct original ip saddr`, `fib daddr . iif type`, `numgen inc mod 3`, `@th,16,16`.
    Sel(Name),
    /// `jhash KEY mod 8 seed 0x1`: [`Tree::lists`]; the first is the key, the others are the option words.
    Hash(Run),
    /// `@name`.
    SetRef(Name),
    /// `$name`.
    Var(Name),
    /// `{ … }`: [`Tree::elements`].
    Set(Run),
    /// `a . b`: [`Tree::lists`].
    Concat(Run),
    /// `a,b`: [`Tree::lists`].
    List(Run),
    /// `a-b`.
    Range(ExprId, ExprId),
    /// `a/24`.
    Prefix(ExprId, ExprId),
    /// `syn / fin,syn`: value and mask.
    Masked(ExprId, ExprId),
    /// `a & b`; the flag says that the operator was written as a word.
    Bin(BinOp, bool, ExprId, ExprId),
    /// `(a)`.
    Paren(ExprId),
    /// `[a]`, an IPv6 address before a port.
    Bracket(ExprId),
    /// `-10`, in priorities.
    Neg(u32),
    /// `key map { … }` or `key map @m`.
    Map(ExprId, ExprId),
    /// `packets 5 bytes 300`, only behind `counter`: an index into [`Tree::counts`].
    Counts(u32),
    /// `*`, any element.
    Star,
    /// `accept`, `drop`, `continue`, `return`.
    Verdict(Name),
    /// `jump c` or `goto c`; the target is a word, a text, a variable or a [`Expr::Block`].
    Jump(Name, ExprId),
    /// `{ rules }` behind a jump: an index into [`Tree::chains`].
    Block(u32),
    /// `to X`, `num X`, `name X`, only among a keyword's arguments.
    To(To, ExprId),
    /// `:80`, only behind `to`.
    Port(ExprId),
    /// `1.2.3.4:80`, only behind `to`.
    AddrPort(ExprId, ExprId),
    /// `interval ipv4_addr`, only in `type` and `typeof` lines.
    Tagged(Name, ExprId),
}

/// An element of a set or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// The key.
    pub key: ExprId,
    /// The value behind `:`, in maps.
    pub data: Option<ExprId>,
    /// `timeout 1m`, `expires 3s`, `comment "x"`, `counter packets 0 bytes 0`, …: [`Tree::stmts`], all keywords.
    pub opts: Run,
    /// The element began a new line.
    pub newline: bool,
}

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StmtKind {
    /// `tcp dport 22`, `ip saddr != @s`.
    Match {
        /// Left side: a selector, or several with operators or concatenated.
        lhs: ExprId,
        /// The comparison.
        op: Rel,
        /// Right side.
        rhs: ExprId,
    },
    /// `tcp dport vmap { 22 : accept }`.
    Vmap {
        /// What is looked up.
        key: ExprId,
        /// The map: a set, a reference or a variable.
        map: ExprId,
    },
    /// `meta mark set 5`.
    Assign {
        /// What is written.
        lhs: ExprId,
        /// The new value.
        value: ExprId,
    },
    /// `add @s { ip saddr timeout 5m }`.
    Update {
        /// `add`, `update` or `delete`.
        op: Name,
        /// The set or map.
        set: Name,
        /// The elements (one in practice): [`Tree::elements`].
        elements: Run,
    },
    /// `meter m size 100 { ip saddr limit rate 5/second }`.
    Meter {
        /// Its name.
        name: Name,
        /// Its size.
        size: Option<u32>,
        /// The element: [`Tree::elements`].
        elements: Run,
    },
    /// A verdict: [`Expr::Verdict`] or [`Expr::Jump`].
    Verdict(ExprId),
    /// Any other statement, by its keyword: `log prefix "x"`, `dnat ip to 1.2.3.4:80`, `xt match "comment"`.
    Keyword {
        /// The keyword.
        word: Name,
        /// The words behind it: [`Tree::lists`].
        args: Run,
    },
}

/// A statement of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where it stands.
    pub span: Span,
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its statements: [`Tree::stmts`].
    pub stmts: Run,
    /// Where it stands, without its handle.
    pub span: Span,
    /// `# handle 5`.
    pub handle: Option<u32>,
    /// False for a rule that could not be read; it has a span and no statements.
    pub readable: bool,
}

/// `type filter hook input device "eth0" priority filter - 10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// `filter`, `nat`, `route`.
    pub kind: Name,
    /// `input`, …
    pub hook: Name,
    /// The device, or the set behind `devices =`.
    pub devices: Option<ExprId>,
    /// The priority: [`Expr::Num`], [`Expr::Neg`], [`Expr::Word`], [`Expr::Bin`] or [`Expr::Var`].
    pub priority: ExprId,
}

/// A chain's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Where it hangs, for base chains.
    pub base: Option<Base>,
    /// `policy drop`, `flags offload`, `comment "x"`: [`Tree::stmts`], all keywords.
    pub props: Run,
    /// The rules: [`Tree::rules`].
    pub rules: Run,
}

/// A line of a block that is neither table nor chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// `type ipv4_addr . inet_service : verdict`, `typeof ip saddr : meta mark`.
    Type {
        /// `typeof` rather than `type`.
        of: bool,
        /// The key's type.
        key: ExprId,
        /// The value's type, in maps.
        data: Option<ExprId>,
    },
    /// `elements = { … }`, `devices = { … }`, `policy = { … }`.
    Assign {
        /// The word before `=`.
        name: Name,
        /// The value.
        value: ExprId,
    },
    /// Words: `flags interval,timeout`, `packets 5 bytes 100`: [`Tree::lists`].
    Words(Run),
    /// A block in a block, in tunnel objects: `vxlan { gbp 200 }`.
    Nested {
        /// The words before it: [`Tree::lists`].
        words: Run,
        /// Its lines: [`Tree::lines`].
        lines: Run,
    },
}

/// What an [`Item`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: `flush ruleset`, `add table ip t`.
    None,
    /// A table's block: [`Tree::items`].
    Table(Run),
    /// A chain's block: an index into [`Tree::chains`].
    Chain(u32),
    /// The block of a set, map, flowtable or object: [`Tree::lines`].
    Lines(Run),
    /// `add element t s { … }`: [`Tree::elements`].
    Elements(Run),
    /// `add rule t c …`: an index into [`Tree::rules`].
    Rule(u32),
    /// `define x = …`.
    Value(ExprId),
    /// Something that could not be read.
    Unreadable,
}

/// A block or a command. `chain input { … }` in a table and `add chain ip t input { … }` differ in verb and path only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// `add`, `insert`, `delete`, `flush`, …; `None` where there was none.
    pub verb: Option<Name>,
    /// `table`, `chain`, `set`, `rule`, `ct helper`, `define`, `include`, `flags`, `comment`, `# Warning: …`, …
    pub kind: Name,
    /// The words behind it: family, table, name, `handle 5`, …: [`Tree::lists`].
    pub path: Run,
    /// `{ # handle 5`.
    pub handle: Option<u32>,
    /// The rest.
    pub body: Body,
    /// Where it stands.
    pub span: Span,
}

/// A parsed file or command.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The texts of all names.
    pub names: Names,
    /// The items of the file: [`Tree::items`].
    pub roots: Run,
    /// All items.
    pub items: Vec<Item>,
    /// All chain bodies.
    pub chains: Vec<Chain>,
    /// All rules.
    pub rules: Vec<Rule>,
    /// All statements.
    pub stmts: Vec<Stmt>,
    /// All expressions.
    pub exprs: Vec<Expr>,
    /// The parts of expressions and arguments that are lists.
    pub lists: Vec<ExprId>,
    /// All elements.
    pub elements: Vec<Element>,
    /// All lines of blocks.
    pub lines: Vec<Line>,
    /// What counters counted: packets and bytes.
    pub counts: Vec<(u64, u64)>,
    /// Places of the text that could not be read and of which nothing is in the tree: anything may have stood there.
    pub lost: Vec<Span>,
}

impl Tree {
    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.names.get(name)
    }

    /// An expression; [`Expr::Star`] for an id of another tree.
    pub fn expr(&self, id: ExprId) -> Expr {
        self.exprs.get(id.0 as usize).copied().unwrap_or(Expr::Star)
    }

    /// The file's items.
    pub fn roots(&self) -> &[Item] {
        self.roots.of(&self.items)
    }

    /// The text of a plain expression: a word, a text or a variable's name.
    pub fn word(&self, id: ExprId) -> Option<&str> {
        match self.expr(id) {
            Expr::Word(n) | Expr::Str(n) | Expr::Var(n) | Expr::Sel(n) => Some(self.text(n)),
            _ => None,
        }
    }

    /// The words of an item's path or of arguments that are lists of plain expressions; others are left out.
    pub fn path(&self, run: Run) -> impl Iterator<Item = &str> + '_ {
        run.of(&self.lists).iter().filter_map(|e| self.word(*e))
    }
}
