//! What the grammar's actions write into: the flat arenas of a [`Tree`], and the diagnostics of lines that went wrong.
//!
//! Undoes quotes and escapes: `"it\'s"` becomes `it's`. Left out: meaning.

use lalrpop_util::ParseError;

use super::lexer::{Form, LexError, LexErrorKind, Lexer, Raw, Token};
use super::tree::{ChainOp, Counters, Item, RuleLine, RuleOp, Tree, Unreadable, Word, WordKind};
use crate::diag::Diagnostic;
use crate::names::Name;
use crate::source::{Source, Span};

/// The longest word that `iptables-restore` takes, in bytes.
const LONGEST_WORD: usize = 1022;

/// A tree in the making.
#[derive(Default)]
pub struct Builder {
    /// The tree so far.
    pub tree: Tree,
    /// The diagnostics so far.
    pub diagnostics: Vec<Diagnostic>,
    first: u32,
    counters: Option<Counters>,
    program: Option<Name>,
    scratch: String,
}

type Error<'i> = ParseError<u32, Token<'i>, LexError>;

impl Builder {
    fn push(&mut self, item: Item, start: u32, end: u32) {
        self.tree.items.push(item);
        self.tree.spans.push(Span::new(start, end));
        self.next_line();
    }

    fn next_line(&mut self) {
        self.first = self.tree.words.len() as u32;
        self.counters = None;
        self.program = None;
    }

    fn end(&self) -> u32 {
        self.tree.words.len() as u32
    }

    /// An empty line.
    pub fn blank(&mut self, start: u32) {
        self.push(Item::Blank, start, start);
    }

    /// `# text`.
    pub fn comment(&mut self, text: &str, start: u32, end: u32) {
        let text = self.tree.names.intern(text);
        self.push(Item::Comment(text), start, end);
    }

    /// `*table`.
    pub fn table(&mut self, name: Name, start: u32, end: u32) {
        self.push(Item::Table(name), start, end);
    }

    /// `:chain policy [counters]`.
    pub fn chain(&mut self, name: Name, policy: Raw<'_>, counters: Option<Counters>, start: u32, end: u32) {
        let policy = (policy.text != "-").then(|| self.name(policy));
        self.push(Item::Chain { name, policy, counters }, start, end);
    }

    /// `:chain policy word`: what stands where counters should is ignored, as `iptables-restore` does.
    pub fn chain_without_counters(&mut self, name: Name, policy: Raw<'_>, word: Raw<'_>, start: u32, end: u32) {
        let span = Span::new(end - word.text.len() as u32, end);
        self.diagnostics
            .push(Diagnostic::warning("NT004", span, "not counters; ignored").label("`[packets:bytes]` expected"));
        self.chain(name, policy, None, start, end);
    }

    /// `COMMIT`.
    pub fn commit(&mut self, start: u32, end: u32) {
        self.push(Item::Commit, start, end);
    }

    /// A rule whose words were pushed before.
    pub fn rule(&mut self, op: RuleOp, chain: Name, start: u32, end: u32) {
        let (program, counters, first) = (self.program, self.counters, self.first);
        self.push(Item::Rule(RuleLine { program, op, chain, counters, first, end: self.end() }), start, end);
    }

    /// `-P chain policy`.
    pub fn policy(&mut self, chain: Name, policy: Raw<'_>, start: u32, end: u32) {
        let policy = self.name(policy);
        let item = Item::Policy { program: self.program, chain, policy, first: self.first, end: self.end() };
        self.push(item, start, end);
    }

    /// `-N chain`.
    pub fn new_chain(&mut self, chain: Name, start: u32, end: u32) {
        let item = Item::NewChain { program: self.program, chain, first: self.first, end: self.end() };
        self.push(item, start, end);
    }

    /// `-F chain` and the like.
    pub fn command(&mut self, op: ChainOp, start: u32, end: u32) {
        let item = Item::Command { program: self.program, op, first: self.first, end: self.end() };
        self.push(item, start, end);
    }

    /// Counters in front of this line.
    pub fn counters(&mut self, counters: Counters) {
        self.counters = Some(counters);
    }

    /// The program that this line names.
    pub fn program(&mut self, name: &str) {
        self.program = Some(self.tree.names.intern(name));
    }

    /// The name that a word spells.
    pub fn name(&mut self, raw: Raw<'_>) -> Name {
        match raw.form {
            Form::Bare => self.tree.names.intern(raw.text),
            Form::Quoted | Form::Open => {
                self.scratch.clear();
                unquote(raw.text, &mut self.scratch);
                self.tree.names.intern(&self.scratch)
            }
            Form::Shell => {
                self.scratch.clear();
                unshell(raw.text, &mut self.scratch);
                self.tree.names.intern(&self.scratch)
            }
        }
    }

    /// One more word of this line.
    pub fn word(&mut self, raw: Raw<'_>, pos: u32) {
        let text = self.name(raw);
        let value = if raw.form == Form::Bare { raw.text } else { &self.scratch };
        if value.len() > LONGEST_WORD {
            let span = Span::new(pos, pos + raw.text.len() as u32);
            self.diagnostics.push(
                Diagnostic::warning("NT003", span, format!("this word is {} bytes long", value.len()))
                    .label(format!("iptables-restore takes at most {LONGEST_WORD}")),
            );
        }
        if raw.form == Form::Open {
            let span = Span::new(pos, pos + raw.text.len() as u32);
            let message = "this quote is not closed; the word is taken to run to the end of the line";
            self.diagnostics.push(Diagnostic::warning("NT002", span, message));
        }
        let kind = match raw.form {
            Form::Quoted | Form::Open => WordKind::Quoted,
            _ if value == "!" => WordKind::Bang,
            _ if value.starts_with('-') => WordKind::Option,
            Form::Bare => WordKind::Plain,
            Form::Shell => WordKind::Quoted,
        };
        self.tree.words.push(Word { pos, text, kind });
    }

    /// Notes why a line could not be read and returns the byte offset of the next line.
    pub fn recover(&mut self, source: &Source, error: Error<'_>) -> usize {
        self.tree.words.truncate(self.first as usize);
        self.next_line();
        let (diagnostic, pos) = explain(error, source.base + source.text.len() as u32);
        let at = (pos.saturating_sub(source.base) as usize).min(source.text.len());
        let bytes = source.text.as_bytes();
        let start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let end = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| at + i);
        let chain = named_chain(source, start, end).map(|raw| self.name(raw));
        let span = Span::new(source.base + start as u32, source.base + end as u32);
        self.tree.unreadable.push(Unreadable { span, before: self.tree.items.len() as u32, chain });
        self.diagnostics.push(diagnostic);
        end + 1
    }
}

/// The chain of an `-A CHAIN` or `-I CHAIN` line, read as far as it goes.
fn named_chain(source: &Source, start: usize, end: usize) -> Option<Raw<'_>> {
    let mut adds = false;
    // Counters in front of a rule may be what could not be read.
    let line = source.text.get(start..end)?;
    let counters = line.find(']').filter(|_| line.starts_with('[')).map_or(0, |i| i + 1);
    let blanks = line.get(counters..)?.len() - line.get(counters..)?.trim_start().len();
    for token in Lexer::new(source.text.get(..end)?, source.base, start + counters + blanks) {
        match token.ok()?.1 {
            Token::Append | Token::Insert | Token::Replace => adds = true,
            Token::Name(raw) => return adds.then_some(raw),
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
        Token::Name(raw) | Token::Word(raw) => format!("`{}`", raw.text.escape_debug()),
        Token::Number(n) => format!("number {n}"),
        Token::Counters(_) => "counters".to_owned(),
        Token::Comment(_) => "comment".to_owned(),
        _ => "operation".to_owned(),
    }
}

/// Undoes `iptables-restore`'s quoting: `ab"c \"d\""` is `abc "d"`.
fn unquote(raw: &str, out: &mut String) {
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {}
            '\\' if raw.contains('"') => out.extend(chars.next()),
            c => out.push(c),
        }
    }
}

/// Undoes a shell's quoting: `'a b'"c\"d"\!` is `a bc"d!`.
fn unshell(raw: &str, out: &mut String) {
    let mut chars = raw.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            ('\\', None) => out.extend(chars.next()),
            ('\\', Some('"')) if matches!(chars.peek(), Some('"' | '\\' | '$' | '`')) => out.extend(chars.next()),
            (c, _) => out.push(c),
        }
    }
}
