//! The syntax tree of `iptables-save`, `ip6tables-save`, `iptables -S` and typed commands: lines, and words in order.
//!
//! A rule is its words. Which words belong to which option is not known here (`--comment -j -j ACCEPT` is a real line):
//! the engine's registry knows each option's arity. A tree stands on its source: names are spans of it, and a line's words
//! are read from it when they are asked for.

use std::num::NonZeroU32;

use rustc_hash::FxHashMap;

use super::lexer::{Lexer, Token};
use super::lines::Lines;
use super::split::{self, Form, Piece, Raw, Splitter};
use crate::source::{Source, Span};

/// What a word looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordKind {
    /// A lone `!`.
    Bang,
    /// An unquoted word that begins with `-` (it may still be a value: see the module's text).
    Option,
    /// Any other unquoted word.
    Plain,
    /// A word in double or single quotes; its text has the escapes undone.
    Quoted,
}

/// One word of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// Position of its first byte (of the quote, if quoted).
    pub pos: u32,
    /// Its text, quotes and escapes undone.
    pub text: &'t str,
    /// What it looked like.
    pub kind: WordKind,
}

/// `[packets:bytes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Where the words of a line stand; the operation, its chain, number or policy are not among them, `-t TABLE` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Reading begins here.
    pub from: u32,
    /// How they are read.
    pub read: Read,
}

/// How the words of a line are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Words up to the end of the line, quoted as `iptables-restore` reads them.
    Dump,
    /// Words up to the end of the line, quoted as in a shell.
    Shell,
    /// The whole line: words stand in front of its operation too.
    Line,
}

/// What a typed command names as its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Program {
    Iptables,
    IptablesLegacy,
    IptablesNft,
    Ip6tables,
    Ip6tablesLegacy,
    Ip6tablesNft,
}

impl Program {
    const ALL: [Program; 6] = [
        Program::Iptables,
        Program::IptablesLegacy,
        Program::IptablesNft,
        Program::Ip6tables,
        Program::Ip6tablesLegacy,
        Program::Ip6tablesNft,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Program::Iptables => "iptables",
            Program::IptablesLegacy => "iptables-legacy",
            Program::IptablesNft => "iptables-nft",
            Program::Ip6tables => "ip6tables",
            Program::Ip6tablesLegacy => "ip6tables-legacy",
            Program::Ip6tablesNft => "ip6tables-nft",
        }
    }

    /// The program of that name.
    pub(super) fn named(name: &str) -> Option<Program> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Whether it is for IPv6.
    pub fn is_v6(self) -> bool {
        matches!(self, Program::Ip6tables | Program::Ip6tablesLegacy | Program::Ip6tablesNft)
    }
}

/// What a rule line does to its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOp {
    /// `-A CHAIN`.
    Append,
    /// `-I CHAIN [NUMBER]`, number from 1 (the default).
    Insert(u32),
    /// `-R CHAIN NUMBER`.
    Replace(u32),
    /// `-D CHAIN NUMBER`.
    DeleteNumber(u32),
    /// `-D CHAIN RULE…`.
    Delete,
    /// `-C CHAIN RULE…`.
    Check,
}

/// One rule: `[5:300] -A INPUT -p tcp -j DROP`, or a typed `ip6tables -t mangle -I OUTPUT 2 -j DROP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// The program that the line names when it is a typed command.
    pub program: Option<Program>,
    /// What it does.
    pub op: RuleOp,
    /// The chain.
    pub chain: Span,
    /// Counters in front of the line, if any: [`Tree::counters`] has them.
    pub counters: Option<NonZeroU32>,
    /// Its words.
    pub words: Words,
}

/// An operation on chains that names no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainOp {
    /// `-F [CHAIN]`.
    Flush,
    /// `-X [CHAIN]`.
    DeleteChain,
    /// `-Z [CHAIN [NUMBER]]`.
    Zero,
    /// `-E OLD NEW`.
    Rename,
    /// `-L [CHAIN]`.
    List,
    /// `-S [CHAIN]`.
    ListRules,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// An empty line.
    Blank,
    /// `# text`.
    Comment,
    /// `*filter`.
    Table(Span),
    /// `:INPUT ACCEPT [0:0]`; a policy of `-` is `None`.
    Chain {
        /// The chain.
        name: Span,
        /// The policy, `None` for `-`.
        policy: Option<Span>,
        /// Counters, if any: [`Tree::counters`] has them.
        counters: Option<NonZeroU32>,
    },
    /// `-P INPUT DROP`, in `iptables -S` output or typed; words hold `-t TABLE` or counters where given.
    Policy {
        /// Its program, if typed.
        program: Option<Program>,
        /// The chain.
        chain: Span,
        /// The policy.
        policy: Span,
        /// Further words.
        words: Words,
    },
    /// `-N CHAIN`.
    NewChain {
        /// Its program, if typed.
        program: Option<Program>,
        /// The chain.
        chain: Span,
        /// Further words.
        words: Words,
    },
    /// `-F CHAIN` and the like; the chain, if any, is the first plain word.
    Command {
        /// Its program, if typed.
        program: Option<Program>,
        /// What it does.
        op: ChainOp,
        /// Its words.
        words: Words,
    },
    /// A rule.
    Rule(RuleLine),
    /// `COMMIT`.
    Commit,
}

/// A parsed file or command.
#[derive(Clone, Debug)]
pub struct Tree<'s> {
    /// What it was read from.
    pub source: &'s Source,
    /// The lines in order; a line that could not be read is missing here and has a diagnostic.
    pub items: Lines,
    /// Spans of the lines that could not be read, each with the table and chain it belongs to where that much was
    /// readable: an unreadable rule on the path is an unknown fact, never silently skipped.
    pub unreadable: Vec<Unreadable>,
    counters: Vec<Counters>,
    /// Values with quotes and escapes undone, by the position of their first byte, where they are no slices of the source.
    pub(super) undone: FxHashMap<u32, String>,
}

/// A line that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The whole line.
    pub span: Span,
    /// How many items were read before it: it stood in front of `items[before]`.
    pub before: u32,
    /// The chain of an `-A CHAIN` or `-I CHAIN` line that went wrong later on.
    pub chain: Option<Span>,
}

impl<'s> Tree<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Tree {
            source,
            items: Lines::default(),
            unreadable: Vec::new(),
            counters: Vec::new(),
            undone: FxHashMap::default(),
        }
    }

    /// Adds counters; their number counts from 1. Most are those of the line before: `[0:0]`.
    pub(super) fn add_counters(&mut self, counters: Counters) -> Option<NonZeroU32> {
        if self.counters.last() != Some(&counters) {
            self.counters.push(counters);
        }
        NonZeroU32::new(self.counters.len() as u32)
    }

    /// The counters of that number.
    pub fn counters(&self, number: NonZeroU32) -> Option<Counters> {
        self.counters.get(number.get() as usize - 1).copied()
    }

    /// The text of a name, quotes and escapes undone.
    pub fn text(&self, name: Span) -> &str {
        self.value(self.slice(name), name.start)
    }

    /// The value of a text at `pos`: what was noted when it was read, or all that stands between its quotes.
    fn value<'t>(&'t self, text: &'t str, pos: u32) -> &'t str {
        let noted = if self.undone.is_empty() { None } else { self.undone.get(&pos) };
        noted.map_or_else(|| split::unwrapped(text).unwrap_or(text), String::as_str)
    }

    /// The text of a comment's line, without the `#`, verbatim.
    pub fn comment(&self, line: Span) -> &str {
        self.slice(line).trim_start_matches([' ', '\t', '\r']).strip_prefix('#').unwrap_or("").trim_end_matches('\r')
    }

    /// The words of a line, in order.
    pub fn words(&self, words: Words) -> Reading<'_> {
        let Source { text, base, .. } = self.source;
        let at = words.from.saturating_sub(*base) as usize;
        let from = match words.read {
            Read::Line => Begin::Line(Lexer::words(text, *base, at)),
            read => Begin::Rest(Splitter::new(text, at, read == Read::Shell)),
        };
        Reading { tree: self, from }
    }

    /// Adds the words of a line to `out`: [`Tree::words`] for those who want them all.
    pub fn read<'t>(&'t self, words: Words, out: &mut Vec<Word<'t>>) {
        let mut reading = self.words(words);
        let Begin::Rest(rest) = &mut reading.from else { return out.extend(reading) };
        while let (Piece::Word(raw), at, _) = rest.next() {
            out.push(self.word(raw, self.source.base + at as u32));
        }
    }

    #[inline]
    fn word<'t>(&'t self, raw: Raw<'t>, pos: u32) -> Word<'t> {
        let text = if raw.form == Form::Bare { raw.text } else { self.value(raw.text, pos) };
        let kind = match (raw.form, text.as_bytes()) {
            (Form::Quoted | Form::Open, _) => WordKind::Quoted,
            (_, b"!") => WordKind::Bang,
            (_, [b'-', ..]) => WordKind::Option,
            (Form::Bare, _) => WordKind::Plain,
            (Form::Shell, _) => WordKind::Quoted,
        };
        Word { pos, text, kind }
    }

    fn slice(&self, span: Span) -> &'s str {
        let (start, end) = (span.start.saturating_sub(self.source.base), span.end.saturating_sub(self.source.base));
        self.source.text.get(start as usize..end as usize).unwrap_or("")
    }
}

/// The words of a line, one after the other.
pub struct Reading<'t> {
    tree: &'t Tree<'t>,
    from: Begin<'t>,
}

enum Begin<'t> {
    /// From the line's start on.
    Line(Lexer<'t>),
    /// From behind its operation on.
    Rest(Splitter<'t>),
}

impl<'t> Iterator for Reading<'t> {
    type Item = Word<'t>;

    #[inline]
    fn next(&mut self) -> Option<Word<'t>> {
        let lexer = match &mut self.from {
            Begin::Rest(words) => {
                let (Piece::Word(raw), at, _) = words.next() else { return None };
                return Some(self.tree.word(raw, self.tree.source.base + at as u32));
            }
            Begin::Line(lexer) => lexer,
        };
        loop {
            match lexer.next()?.ok()? {
                (pos, Token::Word(raw), _) => return Some(self.tree.word(raw, pos)),
                (_, Token::Newline, _) => return None,
                _ => {}
            }
        }
    }
}
