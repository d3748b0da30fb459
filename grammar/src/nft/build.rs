//! What the grammar's actions write into: the arenas of a [`Tree`], and stacks for lists whose ends are not known yet.
//!
//! A list collects on its stack from a start index and moves to its arena when it closes, so that every list is one
//! [`Run`], however lists nest.

use lalrpop_util::{ErrorRecovery, ParseError};

use super::tokens::Tok;
use super::tree::*;
use super::words::VOCABULARY;
use crate::diag::Diagnostic;
use crate::limits;
use crate::names::Name;
use crate::source::Span;

/// A chain whose block is open.
#[derive(Clone, Copy, Debug)]
struct OpenChain {
    at: u32,
    rules: u32,
    props: u32,
    base: Option<Base>,
}

/// The tree being built.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) tree: Tree,
    pub(super) diagnostics: Vec<Diagnostic>,
    items: Vec<Item>,
    rules: Vec<Rule>,
    stmts: Vec<Stmt>,
    props: Vec<Stmt>,
    lists: Vec<ExprId>,
    elements: Vec<Element>,
    lines: Vec<Line>,
    chains: Vec<OpenChain>,
}

fn close<T>(stack: &mut Vec<T>, arena: &mut Vec<T>, first: u32) -> Run {
    let from = arena.len() as u32;
    arena.extend(stack.drain((first as usize).min(stack.len())..));
    Run { first: from, end: arena.len() as u32 }
}

impl Builder {
    pub(super) fn expr(&mut self, expr: Expr) -> ExprId {
        self.tree.exprs.push(expr);
        ExprId(self.tree.exprs.len() as u32 - 1)
    }

    /// Begins a list with its first member and returns where it begins.
    pub(super) fn first(&mut self, id: ExprId) -> u32 {
        self.lists.push(id);
        self.lists.len() as u32 - 1
    }

    /// Adds a member to the list that is open.
    pub(super) fn more(&mut self, start: u32, id: ExprId) -> u32 {
        self.lists.push(id);
        start
    }

    pub(super) fn list(&mut self, start: u32) -> Run {
        close(&mut self.lists, &mut self.tree.lists, start)
    }

    /// A binary expression of a new operator behind a finished left side, by precedence.
    pub(super) fn binary(&mut self, op: BinOp, word: bool, left: ExprId, right: ExprId) -> ExprId {
        if let Expr::Bin(before, spelled, a, b) = self.tree.expr(left)
            && before.precedence() < op.precedence()
        {
            let tight = self.binary(op, word, b, right);
            return self.expr(Expr::Bin(before, spelled, a, tight));
        }
        self.expr(Expr::Bin(op, word, left, right))
    }

    /// A jhash's key and options: the key stands before the options.
    pub(super) fn hash(&mut self, key: ExprId, start: u32) -> ExprId {
        self.lists.insert((start as usize).min(self.lists.len()), key);
        let run = self.list(start);
        self.expr(Expr::Hash(run))
    }

    pub(super) fn element(&mut self, key: ExprId, data: Option<ExprId>, opts: Run, newline: bool) -> u32 {
        self.elements.push(Element { key, data, opts, newline });
        self.elements.len() as u32 - 1
    }

    /// The last element began a new line.
    pub(super) fn on_new_line(&mut self, newline: bool) {
        if let Some(e) = self.elements.last_mut() {
            e.newline = newline;
        }
    }

    pub(super) fn elements(&mut self, start: u32) -> Run {
        close(&mut self.elements, &mut self.tree.elements, start)
    }

    pub(super) fn stmt(&mut self, kind: StmtKind, start: u32, end: u32) -> u32 {
        self.stmts.push(Stmt { kind, span: Span::new(start, end) });
        self.stmts.len() as u32 - 1
    }

    pub(super) fn stmts(&mut self, start: u32) -> Run {
        close(&mut self.stmts, &mut self.tree.stmts, start)
    }

    fn rule(&mut self, first: u32, span: Span, handle: Option<u32>) -> Rule {
        let stmts = self.stmts(first);
        Rule { stmts, span, handle, readable: true }
    }

    /// A line of a chain: a rule, or the chain's own comment.
    pub(super) fn chain_rule(&mut self, first: u32, span: Span, handle: Option<u32>) {
        let only_comment = match self.stmts.get(first as usize..) {
            Some([Stmt { kind: StmtKind::Keyword { word, .. }, .. }]) => *word == VOCABULARY.comment,
            _ => false,
        };
        if only_comment {
            let stmt = self.stmts.pop();
            self.props.extend(stmt);
            return;
        }
        let rule = self.rule(first, span, handle);
        self.rules.push(rule);
    }

    /// A rule of an `add rule` command.
    pub(super) fn single_rule(&mut self, first: u32, span: Span, handle: Option<u32>) -> Body {
        let rule = self.rule(first, span, handle);
        self.tree.rules.push(rule);
        Body::Rule(self.tree.rules.len() as u32 - 1)
    }

    pub(super) fn open_chain(&mut self, at: u32) -> u32 {
        let (rules, props) = (self.rules.len() as u32, self.props.len() as u32);
        self.chains.push(OpenChain { at, rules, props, base: None });
        self.chains.len() as u32 - 1
    }

    pub(super) fn base(&mut self, base: Base) {
        if let Some(open) = self.chains.last_mut() {
            open.base = Some(base);
        }
    }

    pub(super) fn prop(&mut self, word: Name, args: Run, span: Span) {
        self.props.push(Stmt { kind: StmtKind::Keyword { word, args }, span });
    }

    /// The rules of an included file are not known.
    pub(super) fn include_in_chain(&mut self, span: Span) {
        self.diagnostics.push(refused_include(span));
        self.rules.push(Rule { stmts: Run::default(), span, handle: None, readable: false });
    }

    pub(super) fn close_chain(&mut self, depth: u32) -> u32 {
        let (mut base, mut props, mut rules) = (None, Run::default(), Run::default());
        // What was forgotten with a bad line is a chain without rules, never another one's number.
        if let Some(open) = self.chains.get(depth as usize).copied() {
            base = open.base;
            rules = close(&mut self.rules, &mut self.tree.rules, open.rules);
            props = close(&mut self.props, &mut self.tree.stmts, open.props);
        }
        self.chains.truncate(depth as usize);
        self.tree.chains.push(Chain { base, props, rules });
        (self.tree.chains.len() as u32).saturating_sub(1)
    }

    pub(super) fn line(&mut self, line: Line) {
        self.lines.push(line);
    }

    pub(super) fn line_mark(&self) -> u32 {
        self.lines.len() as u32
    }

    pub(super) fn lines(&mut self, start: u32) -> Run {
        close(&mut self.lines, &mut self.tree.lines, start)
    }

    pub(super) fn item_mark(&self) -> u32 {
        self.items.len() as u32
    }

    pub(super) fn item(&mut self, item: Item) {
        self.items.push(item);
    }

    pub(super) fn items(&mut self, start: u32) -> Run {
        close(&mut self.items, &mut self.tree.items, start)
    }

    /// The file's end: what was read are its items.
    pub(super) fn finish(&mut self) {
        self.tree.roots = self.items(0);
    }

    /// A rule that could not be read; what was read of it is forgotten.
    pub(super) fn bad_rule(&mut self, start: u32, end: u32, error: &Recovery) {
        self.forget(start);
        self.report(error, start);
        self.rules.push(Rule { stmts: Run::default(), span: Span::new(start, end), handle: None, readable: false });
    }

    /// A line of a table or of the file that could not be read.
    pub(super) fn bad_item(&mut self, start: u32, end: u32, error: &Recovery) {
        self.forget(start);
        self.report(error, start);
        let kind = VOCABULARY.empty;
        let (path, span) = (Run::default(), Span::new(start, end));
        self.tree.lost.push(span);
        self.item(Item { verb: None, kind, path, handle: None, body: Body::Unreadable, span });
    }

    /// A line of a set or object that could not be read.
    pub(super) fn bad_line(&mut self, start: u32, error: &Recovery) {
        self.tree.lost.push(Span::new(start, start));
        self.report(error, start);
    }

    fn forget(&mut self, start: u32) {
        while self.rules.last().is_some_and(|r| r.span.start >= start) {
            self.rules.pop();
        }
        while self.items.last().is_some_and(|i| i.span.start >= start) {
            self.items.pop();
        }
        // A chain begins where its first line does: a bad first line is inside of it.
        while self.chains.last().is_some_and(|c| c.at > start) {
            self.chains.pop();
        }
    }

    fn report(&mut self, error: &Recovery, start: u32) {
        let mut diagnostic = diagnostic(&error.error, start);
        if self.diagnostics.len() >= limits::EXPECTATIONS {
            diagnostic.expected = Vec::new();
        }
        self.diagnostics.push(diagnostic);
    }
}

/// An `include` names a file that is not at hand.
pub(super) fn refused_include(span: Span) -> Diagnostic {
    Diagnostic::error("NT202", span, "included files are not read")
        .help("give the listing that `nft list ruleset` prints, or the files joined into one")
}

/// The parser's error.
pub(super) type Failure = ParseError<u32, Tok, std::convert::Infallible>;
/// The parser's error with what was dropped.
pub(super) type Recovery = ErrorRecovery<u32, Tok, std::convert::Infallible>;

/// An error of the parser in words; `start` is where the line began.
pub(super) fn diagnostic(error: &Failure, start: u32) -> Diagnostic {
    let (span, expected, message) = match error {
        ParseError::UnrecognizedToken { token: (l, tok, r), expected } => {
            let what = match tok {
                Tok::Sep => "the line ends too early",
                Tok::Error => "this is not a word of the language",
                Tok::BlockClose | Tok::SetClose => "the block ends too early",
                _ => "this does not fit here",
            };
            (Span::new(*l, *r), expected.as_slice(), what)
        }
        ParseError::ExtraToken { token: (l, _, r) } => (Span::new(*l, *r), &[][..], "this does not fit here"),
        ParseError::UnrecognizedEof { location, expected } => {
            (Span::new(*location, *location), expected.as_slice(), "the input ends too early")
        }
        ParseError::InvalidToken { location } => {
            (Span::new(*location, *location), &[][..], "this is not a word of the language")
        }
        ParseError::User { .. } => (Span::new(start, start), &[][..], "this does not fit here"),
    };
    let mut d = Diagnostic::error("NT201", span, message);
    // A counter's numbers are two numbers with words anywhere but behind `counter`.
    let words = expected.iter().map(|e| e.trim_matches('"')).filter(|e| *e != "what a counter counted");
    d.expected = words.map(str::to_owned).collect();
    d
}
