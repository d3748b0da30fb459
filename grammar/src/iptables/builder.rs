//! What the grammar's actions write into: the lines of a [`Tree`], and the diagnostics of lines that went wrong.
//!
//! Undoes quotes and escapes where a value is no slice of the source: `"it\'s"` becomes `it's`. Left out: meaning.

use std::num::NonZeroU32;

use lalrpop_util::ParseError;

use super::lexer::{LexError, LexErrorKind, Lexer, Tail, Token};
use super::split::{Form, Piece, Raw, Splitter};
use super::tree::{ChainOp, Counters, Item, Program, Read, RuleLine, RuleOp, Tree, Unreadable, Words};
use crate::diag::Diagnostic;
use crate::source::{Source, Span};

/// The longest word that `iptables-restore` takes, in bytes.
const LONGEST_WORD: usize = 1022;

/// A tree in the making.
pub struct Builder<'i> {
    /// The tree so far.
    pub tree: Tree<'i>,
    /// The diagnostics so far.
    pub diagnostics: Vec<Diagnostic>,
    line: Line,
}

/// What is known of the line that is being read.
#[derive(Default)]
struct Line {
    counters: Option<NonZeroU32>,
    program: Option<Program>,
    /// Words stand in front of the operation.
    before: bool,
    tail: Option<Words>,
}

type Error<'i> = ParseError<u32, Token<'i>, LexError>;

fn span_of(raw: Raw<'_>, pos: u32) -> Span {
    Span::new(pos, pos + raw.text.len() as u32)
}

impl<'i> Builder<'i> {
    /// For a source of which nothing was read yet.
    pub fn new(source: &'i Source) -> Self {
        let tree = Tree::new(source);
        Builder { tree, diagnostics: Vec::new(), line: Line::default() }
    }

    fn push(&mut self, item: Item, start: u32, end: u32) {
        self.tree.items.push(item, Span::new(start, end));
        self.line = Line::default();
    }

    /// The words of this line.
    fn line_words(&self, start: u32, end: u32) -> Words {
        match self.line.tail {
            _ if self.line.before => Words { from: start, read: Read::Line },
            Some(tail) => tail,
            None => Words { from: end, read: Read::Dump },
        }
    }

    /// An empty line.
    pub fn blank(&mut self, start: u32) {
        self.push(Item::Blank, start, start);
    }

    /// `# text`.
    pub fn comment(&mut self, start: u32, end: u32) {
        self.push(Item::Comment, start, end);
    }

    /// `*table`.
    pub fn table(&mut self, name: Span, start: u32, end: u32) {
        self.push(Item::Table(name), start, end);
    }

    /// `:chain policy [counters]`.
    pub fn chain(&mut self, name: Span, policy: Span, counters: Option<Counters>, start: u32, end: u32) {
        let policy = (self.tree.text(policy) != "-").then_some(policy);
        let counters = counters.and_then(|c| self.tree.add_counters(c));
        self.push(Item::Chain { name, policy, counters }, start, end);
    }

    /// `:chain policy word`: what stands where counters should is ignored, as `iptables-restore` does.
    pub fn chain_without_counters(&mut self, name: Span, policy: Span, word: Raw<'_>, start: u32, end: u32) {
        let span = Span::new(end - word.text.len() as u32, end);
        self.diagnostics
            .push(Diagnostic::warning("NT004", span, "not counters; ignored").label("`[packets:bytes]` expected"));
        self.chain(name, policy, None, start, end);
    }

    /// `COMMIT`.
    pub fn commit(&mut self, start: u32, end: u32) {
        self.push(Item::Commit, start, end);
    }

    /// A rule.
    pub fn rule(&mut self, op: RuleOp, chain: Span, start: u32, end: u32) {
        let words = self.line_words(start, end);
        let Line { program, counters, .. } = self.line;
        self.push(Item::Rule(RuleLine { program, op, chain, counters, words }), start, end);
    }

    /// `-P chain policy`.
    pub fn policy(&mut self, chain: Span, policy: Span, start: u32, end: u32) {
        let words = self.line_words(start, end);
        self.push(Item::Policy { program: self.line.program, chain, policy, words }, start, end);
    }

    /// `-N chain`.
    pub fn new_chain(&mut self, chain: Span, start: u32, end: u32) {
        let words = self.line_words(start, end);
        self.push(Item::NewChain { program: self.line.program, chain, words }, start, end);
    }

    /// `-F chain` and the like.
    pub fn command(&mut self, op: ChainOp, start: u32, end: u32) {
        let words = self.line_words(start, end);
        self.push(Item::Command { program: self.line.program, op, words }, start, end);
    }

    /// Counters in front of this line.
    pub fn counters(&mut self, counters: Counters) {
        self.line.counters = self.tree.add_counters(counters);
    }

    /// The program that this line names.
    pub fn program(&mut self, name: &str) {
        self.line.program = Program::named(name);
    }

    /// A name or policy at `pos`.
    pub fn name(&mut self, raw: Raw<'_>, pos: u32) -> Span {
        if raw.plain().is_none() {
            self.tree.undone.insert(pos, raw.undone());
        }
        span_of(raw, pos)
    }

    /// A word in front of the operation.
    pub fn word_before(&mut self, raw: Raw<'_>, pos: u32) {
        self.line.before = true;
        self.word(raw, pos);
    }

    /// The words behind the operation.
    pub fn words(&mut self, tail: Tail<'_>, pos: u32) {
        let read = if tail.shell { Read::Shell } else { Read::Dump };
        let words = Words { from: pos, read };
        self.line.tail = Some(words);
        if tail.shell || tail.text.len() > LONGEST_WORD || !slices(tail.text) {
            let source = self.tree.source;
            let mut words = Splitter::new(&source.text, (pos - source.base) as usize, tail.shell);
            while let (Piece::Word(raw), at, _) = words.next() {
                self.word(raw, source.base + at as u32);
            }
        }
    }

    /// Looks at a word: what is wrong with it, and what its value is when that is no slice of the source.
    fn word(&mut self, raw: Raw<'_>, pos: u32) {
        let undone = raw.plain().is_none().then(|| raw.undone());
        let length = undone.as_ref().map_or(raw.text.len(), String::len);
        if length > LONGEST_WORD {
            self.diagnostics.push(
                Diagnostic::warning("NT003", span_of(raw, pos), format!("this word is {length} bytes long"))
                    .label(format!("iptables-restore takes at most {LONGEST_WORD}")),
            );
        }
        if raw.form == Form::Open {
            let message = "this quote is not closed; the word is taken to run to the end of the line";
            self.diagnostics.push(Diagnostic::warning("NT002", span_of(raw, pos), message));
        }
        if let Some(value) = undone {
            self.tree.undone.insert(pos, value);
        }
    }

    /// Notes why a line could not be read and returns the byte offset of the next line.
    pub fn recover(&mut self, source: &Source, error: Error<'_>) -> usize {
        self.line = Line::default();
        let (diagnostic, pos) = explain(error, source.base + source.text.len() as u32);
        let at = (pos.saturating_sub(source.base) as usize).min(source.text.len());
        let bytes = source.text.as_bytes();
        let start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let end = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| at + i);
        let chain = named_chain(source, start, end).map(|(raw, pos)| self.name(raw, pos));
        let span = Span::new(source.base + start as u32, source.base + end as u32);
        self.tree.unreadable.push(Unreadable { span, before: self.tree.items.len() as u32, chain });
        self.diagnostics.push(diagnostic);
        end + 1
    }
}

/// The chain of an `-A CHAIN` or `-I CHAIN` line, read as far as it goes.
fn named_chain(source: &Source, start: usize, end: usize) -> Option<(Raw<'_>, u32)> {
    let mut adds = false;
    // Counters in front of a rule may be what could not be read.
    let line = source.text.get(start..end)?;
    let counters = line.find(']').filter(|_| line.starts_with('[')).map_or(0, |i| i + 1);
    let blanks = line.get(counters..)?.len() - line.get(counters..)?.trim_start().len();
    for token in Lexer::new(source.text.get(..end)?, source.base, start + counters + blanks) {
        match token.ok()? {
            (_, Token::Append | Token::Insert | Token::Replace, _) => adds = true,
            (pos, Token::Name(raw), _) => return adds.then_some((raw, pos)),
            _ => {}
        }
    }
    None
}

/// The message of a parse error, and its position.
fn explain(error: Error<'_>, eof: u32) -> (Diagnostic, u32) {
    match error {
        ParseError::User { error: LexError { pos, kind } } => {
            let text = match kind {
                LexErrorKind::OpenQuote => "this quote is not closed on its line",
                LexErrorKind::Number => "this number is out of range",
            };
            (Diagnostic::error("NT002", Span::new(pos, pos + 1), text), pos)
        }
        ParseError::UnrecognizedToken { token: (start, token, end), expected } => {
            let span = Span::new(start, end.max(start + 1));
            let mut diagnostic = Diagnostic::error("NT001", span, format!("unexpected {}", describe(token)));
            diagnostic.expected = expected.iter().map(|e| e.trim_matches('"').to_owned()).collect();
            (diagnostic, start)
        }
        ParseError::ExtraToken { token: (pos, ..) }
        | ParseError::InvalidToken { location: pos }
        | ParseError::UnrecognizedEof { location: pos, .. } => {
            let pos = pos.min(eof);
            (Diagnostic::error("NT001", Span::new(pos, pos), "the line ends too early"), pos)
        }
    }
}

fn describe(token: Token<'_>) -> String {
    match token {
        Token::Newline => "end of the line".to_owned(),
        Token::Name(raw) | Token::Policy(raw) | Token::Word(raw) => format!("`{}`", raw.text.escape_debug()),
        Token::Number(n) => format!("number {n}"),
        Token::Counters(_) => "counters".to_owned(),
        Token::Words(tail) => format!("`{}`", tail.text.escape_debug()),
        Token::Comment => "comment".to_owned(),
        _ => "operation".to_owned(),
    }
}

/// Whether every word of a dump's line is a slice of it: quotes stand around words, are closed, and hold no escapes.
fn slices(words: &str) -> bool {
    let bytes = words.as_bytes();
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'"', &bytes[at..]).map(|i| at + i) {
        let opens = open == 0 || matches!(bytes[open - 1], b' ' | b'\t' | b'"');
        match memchr::memchr2(b'"', b'\\', &bytes[open + 1..]).map(|i| open + 1 + i) {
            Some(close) if opens && bytes[close] == b'"' => at = close + 1,
            _ => return false,
        }
    }
    true
}
