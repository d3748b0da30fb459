//! From raw tokens to the grammar's terminals: joins a selector's words into one (`tcp dport`), tells a keyword from a value
//! by its place (`icmp type redirect`), a block's brace from a set's, and ends of lines that end something from others.
//!
//! Left out: everything that needs more than the words before; that is the grammar.

mod blocks;
mod left_out;
mod literal;
mod selector;
mod tok;
mod words;

use logos::{Lexer, Logos};

use super::lexer::Raw;
use super::tree::BinOp;
use super::words::{VOCABULARY, Vocabulary};
use crate::limits;
use crate::names::Names;
use literal::{bin, rel};
pub use tok::Tok;

/// Where the lexer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Top,
    Table,
    /// A chain; true when it is the block behind a jump.
    Chain(bool),
    /// A set, map, flowtable or object.
    Block,
    /// Between the braces of a set.
    Set,
    Paren,
}

/// What the words since the line's beginning declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declares {
    Nothing,
    Table,
    Chain,
    Block,
    Elements,
    Rule,
}

/// The terminals of a text.
pub struct Tokens<'s, 'n> {
    lex: Lexer<'s, Raw>,
    base: u32,
    names: &'n mut Names,
    vocabulary: &'static Vocabulary,
    stack: Vec<Place>,
    declares: Declares,
    /// So many of the next words are values whatever they look like.
    plain: u32,
    /// All words up to the line's end are values.
    plain_line: bool,
    /// Nothing but a verb stood on this line yet.
    start: bool,
    /// The word that was `rule`: its path comes next.
    rule_path: bool,
    /// The last terminal asks for an operand.
    operand: bool,
    /// The statement's right side has begun: a selector there needs nothing behind it.
    right: bool,
    /// The last terminal.
    last: Tok,
    last_end: usize,
    operators: u32,
    /// A separator that follows a block's end.
    queued: bool,
    /// A terminal that had something put before it.
    waiting: Option<(u32, Tok, u32)>,
    /// The text ended inside of a block, which was closed then.
    cut: bool,
    /// What counters counted: packets and bytes.
    counts: Vec<(u64, u64)>,
}

impl<'s, 'n> Tokens<'s, 'n> {
    /// The terminals of `text`, whose first byte has position `base`; `names` must begin as the vocabulary's.
    pub(super) fn new(text: &'s str, base: u32, names: &'n mut Names) -> Self {
        Tokens {
            lex: Raw::lexer(text),
            base,
            names,
            vocabulary: &VOCABULARY,
            stack: Vec::new(),
            declares: Declares::Nothing,
            plain: 0,
            plain_line: false,
            start: true,
            rule_path: false,
            operand: false,
            right: false,
            last: Tok::Sep,
            last_end: 0,
            operators: 0,
            queued: false,
            waiting: None,
            cut: false,
            counts: Vec::new(),
        }
    }

    /// Whether the text ended inside of a block.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// What the text's counters counted.
    pub(super) fn into_counts(self) -> Vec<(u64, u64)> {
        self.counts
    }

    fn place(&self) -> Place {
        self.stack.last().copied().unwrap_or(Place::Top)
    }

    fn new_line(&mut self) {
        self.start = true;
        self.declares = Declares::Nothing;
        self.plain = 0;
        self.plain_line = false;
        self.rule_path = false;
        self.operators = 0;
    }

    fn next_byte(&self) -> u8 {
        let rest = self.lex.remainder().as_bytes();
        rest.iter().copied().find(|b| !matches!(b, b' ' | b'\t' | b'\r')).unwrap_or(b'\n')
    }

    /// The next raw token as a terminal; `None` when it is not one.
    fn terminal(&mut self, raw: Raw) -> Option<Tok> {
        Some(match raw {
            Raw::Newline | Raw::Semicolon => return self.line_end(raw),
            Raw::Comment => return self.comment(),
            Raw::Str => {
                let text = self.lex.slice();
                let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or("");
                self.plain = self.plain.saturating_sub(1);
                Tok::Str(self.names.intern(inner))
            }
            Raw::Word => self.word(),
            Raw::Counts => self.counts(),
            Raw::Num => self.number(),
            Raw::Literal => self.literal(),
            Raw::Ip4 => self.ip4(),
            Raw::SetRef => Tok::SetRef(self.names.intern(self.lex.slice().get(1..).unwrap_or(""))),
            Raw::Payload => {
                let text: String = self.lex.slice().chars().filter(|c| !c.is_whitespace()).collect();
                Tok::Selector(self.names.intern(&text))
            }
            Raw::Var => {
                self.plain = self.plain.saturating_sub(1);
                Tok::Var(self.names.intern(self.lex.slice().get(1..).unwrap_or("")))
            }
            Raw::Open => self.open(),
            Raw::Close => self.close(),
            Raw::LParen => {
                self.push(Place::Paren);
                Tok::LParen
            }
            Raw::RParen => {
                if self.place() == Place::Paren {
                    self.stack.pop();
                }
                Tok::RParen
            }
            Raw::LBracket => Tok::LBracket,
            Raw::RBracket => Tok::RBracket,
            Raw::Comma => Tok::Comma(matches!(self.next_byte(), b'\n' | b'#')),
            Raw::Dot => Tok::Dot,
            Raw::Colon => Tok::Colon,
            Raw::Assign => {
                self.plain_line = false;
                Tok::Assign
            }
            Raw::Rel => Tok::Rel(rel(self.lex.slice())),
            Raw::Bin => self.operator(bin(self.lex.slice()), false),
            Raw::Dash | Raw::Plus if self.plain_line && self.place() == Place::Block => self.sign(),
            Raw::Dash => Tok::Dash,
            Raw::Plus => Tok::Plus,
            Raw::Slash if self.lex.span().start > self.last_end => Tok::MaskSlash,
            Raw::Slash => Tok::Slash,
            Raw::Star => Tok::Star,
            Raw::Other => Tok::Error,
        })
    }

    fn push(&mut self, place: Place) {
        self.stack.push(place);
    }

    fn operator(&mut self, op: BinOp, word: bool) -> Tok {
        self.operators += 1;
        if self.operators > limits::OPERATORS { Tok::Error } else { Tok::Bin(op, word) }
    }

    fn line_end(&mut self, raw: Raw) -> Option<Tok> {
        if matches!(self.place(), Place::Set | Place::Paren) && raw == Raw::Newline {
            return None;
        }
        let first = !self.start || self.last != Tok::Sep && !matches!(self.last, Tok::BlockOpen);
        self.new_line();
        first.then_some(Tok::Sep)
    }

    fn wants_operand(&self, tok: Tok) -> bool {
        match tok {
            Tok::Selector(_) => self.place() != Place::Set && !self.right,
            Tok::Rel(_)
            | Tok::Dot
            | Tok::Comma(_)
            | Tok::SetOpen
            | Tok::LParen
            | Tok::Bin(..)
            | Tok::Dash
            | Tok::Slash
            | Tok::MaskSlash
            | Tok::Set
            | Tok::To(_)
            | Tok::Colon
            | Tok::Assign
            | Tok::Typeof
            | Tok::Jhash => true,
            _ => false,
        }
    }

    fn emit(&mut self, tok: Tok, start: usize) -> (u32, Tok, u32) {
        let end = self.lex.span().end.max(start);
        let sep = matches!(tok, Tok::Sep | Tok::BlockOpen | Tok::BlockClose | Tok::Verb(_) | Tok::Handle(_));
        self.start = self.start && sep;
        self.right = match tok {
            Tok::Set | Tok::Rel(_) | Tok::To(_) | Tok::Reset(_) => true,
            Tok::Selector(_) => self.right && (self.operand || matches!(self.last, Tok::Reset(_))),
            _ => self.right,
        };
        self.operand = self.wants_operand(tok);
        self.last = tok;
        self.last_end = end;
        (self.base + start as u32, tok, self.base + end as u32)
    }
}

impl Iterator for Tokens<'_, '_> {
    type Item = (u32, Tok, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.queued) {
            let end = self.last_end;
            let item = self.emit(Tok::Sep, end);
            self.start = true;
            return Some((item.0, Tok::Sep, item.0));
        }
        if let Some(item) = self.waiting.take() {
            self.operand = self.wants_operand(item.1);
            self.last = item.1;
            self.last_end = self.lex.span().end;
            return Some(item);
        }
        loop {
            if self.stack.len() > limits::NESTING && self.too_deep() {
                let start = self.lex.span().start;
                return Some(self.emit(Tok::Error, start));
            }
            let Some(raw) = self.lex.next() else { return self.end() };
            let raw = raw.unwrap_or(Raw::Other);
            let start = self.lex.span().start;
            if raw == Raw::Word && self.start && self.place() == Place::Top && self.lex.slice() == "nft" {
                continue;
            }
            if let Some(tok) = self.terminal(raw) {
                let before = self.left_out(tok, start);
                if let Some(Tok::To(_)) = before {
                    (self.right, self.operand) = (true, true);
                }
                let item = self.emit(tok, start);
                let Some(before) = before else { return Some(item) };
                self.waiting = Some(item);
                return Some((item.0, before, item.0));
            }
        }
    }
}
