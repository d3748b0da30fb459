//! Values that begin with a digit or a sign, and operators: `443`, `0x40`, `10.0.0.1`, `25:accept`, `priority -5`, `!=`.
//!
//! Left out: words, and what a number means.

use logos::Logos;

use super::{Raw, Tok, Tokens};
use crate::nft::tree::{BinOp, Rel};

impl Tokens<'_, '_> {
    /// A sign among the words of a block's line: `priority filter - 5`, `priority -5`.
    pub(super) fn sign(&mut self) -> Tok {
        if self.lex.span().start == self.last_end || !matches!(self.last, Tok::Word(_) | Tok::Num(_)) {
            return Tok::Dash;
        }
        let mut text = self.lex.slice().to_owned();
        let mut look = self.lex.clone();
        if look.next() == Some(Ok(Raw::Num)) && look.span().start == self.lex.span().end {
            text.push_str(look.slice());
            self.lex = look;
        }
        Tok::Word(self.names.intern(&text))
    }

    pub(super) fn number(&mut self) -> Tok {
        let text = self.lex.slice();
        let canonical = text.len() == 1 || !text.starts_with('0');
        match text.parse() {
            Ok(n) if canonical => Tok::Num(n),
            _ => Tok::Word(self.names.intern(text)),
        }
    }

    /// What a counter counted; anywhere else the words are words.
    pub(super) fn counts(&mut self) -> Tok {
        let text = self.lex.slice();
        let behind_counter = matches!(self.last, Tok::Keyword(k) if k == self.vocabulary.counter);
        let ends = self.lex.remainder().bytes().next().is_none_or(|b| matches!(b, b' ' | b'\n' | b';' | b',' | b'}'));
        if let Some(counts) = counts(text).filter(|_| behind_counter && ends) {
            self.counts.push(counts);
            return Tok::Counts(self.counts.len() as u32 - 1);
        }
        let word = text.find(' ').unwrap_or(text.len());
        self.restart(self.lex.span().start + word);
        self.word_of(text.get(..word).unwrap_or(text))
    }

    /// A literal; `25:acc` of `25:accept` is none, and gives back what stands behind the number.
    pub(super) fn literal(&mut self) -> Tok {
        let text = self.lex.slice();
        let cut = self.lex.remainder().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if cut && let Some((first, _)) = text.split_once(':').filter(|(first, _)| !first.is_empty()) {
            self.restart(self.lex.span().start + first.len());
            return first.parse().map_or_else(|_| Tok::Word(self.names.intern(first)), Tok::Num);
        }
        Tok::Word(self.names.intern(text))
    }

    /// Lexes on from a position in the text.
    pub(super) fn restart(&mut self, at: usize) {
        let mut lex = Raw::lexer(self.lex.source());
        lex.bump(at);
        self.lex = lex;
        self.last_end = at;
    }

    pub(super) fn ip4(&mut self) -> Tok {
        let text = self.lex.slice();
        match text.parse::<std::net::Ipv4Addr>() {
            Ok(ip) => Tok::Ip4(ip.to_bits()),
            Err(_) => Tok::Word(self.names.intern(text)),
        }
    }
}

/// The numbers of `packets 5 bytes 300`.
fn counts(text: &str) -> Option<(u64, u64)> {
    let digit = |n: u64, b: u8| n.checked_mul(10)?.checked_add((b - b'0').into());
    let number = |text: &str| text.bytes().filter(u8::is_ascii_digit).try_fold(0, digit);
    let (packets, bytes) = text.split_at(text.find('b')?);
    Some((number(packets)?, number(bytes)?))
}

pub(super) fn rel(text: &str) -> Rel {
    match text {
        "!=" => Rel::Ne,
        "<" => Rel::Lt,
        ">" => Rel::Gt,
        "<=" => Rel::Le,
        ">=" => Rel::Ge,
        "!" => Rel::Not,
        _ => Rel::Eq,
    }
}

pub(super) fn bin(text: &str) -> BinOp {
    match text {
        "|" => BinOp::Or,
        "^" => BinOp::Xor,
        "<<" => BinOp::Shl,
        ">>" => BinOp::Shr,
        _ => BinOp::And,
    }
}
