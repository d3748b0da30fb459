//! What the grammar's actions write into: the lines, the texts that do not stand in the source, and the diagnostics of
//! lines that went wrong.

use std::convert::Infallible;

use lalrpop_util::ParseError;

use super::lexer::Token;
use super::tree::{Line, LineKind, Tree};
use crate::diag::Diagnostic;
use crate::names::Name;
use crate::source::{Source, Span};

/// A tree in the making.
pub struct Builder<'s> {
    /// The tree so far.
    pub tree: Tree<'s>,
    /// The diagnostics so far.
    pub diagnostics: Vec<Diagnostic>,
    typed: bool,
    flags: String,
    last_set: LastSet,
}

/// The set of the line before: a dump lists a set's entries together.
#[derive(Default)]
struct LastSet {
    text: String,
    name: Option<Name>,
}

impl<'s> Builder<'s> {
    /// For a source of which nothing was read yet.
    pub fn new(source: &'s Source) -> Self {
        let mut tree = Tree::new(source);
        tree.lines.reserve(memchr::memchr_iter(b'\n', source.text.as_bytes()).count());
        let (flags, last_set) = (String::new(), LastSet::default());
        Builder { tree, diagnostics: Vec::new(), typed: false, flags, last_set }
    }

    /// One line, with the set's name and the text behind it as written; `at`: where that stands in the source.
    pub fn line(&mut self, kind: LineKind, set: &str, text: &str, at: Option<u32>, start: u32, end: u32) {
        let set = self.set(set);
        let place = match at.filter(|_| self.flags.is_empty() && is_joined(text)) {
            Some(at) => self.place(text, at),
            None => self.made(text),
        };
        self.push(kind, set, place, Span::new(start, end));
    }

    /// `# text`, verbatim; `text` begins behind the `#`.
    pub fn comment(&mut self, text: &str, start: u32, end: u32) {
        let set = self.set("");
        let place = self.place(text, start + 1);
        self.push(LineKind::Comment, set, place, Span::new(start, end));
    }

    /// A text of the source as [`Line`] names it.
    fn place(&self, text: &str, at: u32) -> (u32, u32) {
        let start = at - self.tree.source.base;
        (start, start + text.len() as u32)
    }

    /// The words of a text and the flags in front of the command, as a text of the tree's own.
    fn made(&mut self, text: &str) -> (u32, u32) {
        let (made, source) = (&mut self.tree.made, self.tree.source.text.len());
        let start = made.len();
        push_words(text, made);
        if !self.flags.is_empty() {
            made.push_str(if made.len() > start { " " } else { "" });
            made.push_str(self.flags.trim_start());
        }
        ((source + start) as u32, (source + made.len()) as u32)
    }

    fn push(&mut self, kind: LineKind, set: Name, (start, end): (u32, u32), span: Span) {
        let len = u16::try_from(span.end - span.start).unwrap_or(u16::MAX);
        self.tree.lines.push(Line { pos: span.start, set, start, end, len, kind, typed: self.typed });
        self.next_line();
    }

    fn next_line(&mut self) {
        self.typed = false;
        self.flags.clear();
    }

    fn set(&mut self, text: &str) -> Name {
        match self.last_set.name {
            Some(name) if self.last_set.text == text => name,
            _ => {
                let name = self.tree.names.intern(text);
                self.last_set = LastSet { text: text.to_owned(), name: Some(name) };
                name
            }
        }
    }

    /// The line begins with `ipset`.
    pub fn typed(&mut self) {
        self.typed = true;
    }

    /// A flag in front of the command; `-exist` is kept, behind the entry.
    pub fn flag(&mut self, flag: &str) {
        if !flag.ends_with("exist") && flag != "-!" {
            return;
        }
        self.flags.clear();
        self.flags.push_str("-exist");
    }

    /// Notes why a line could not be read and returns the byte offset of the next line.
    pub fn recover(&mut self, source: &Source, error: ParseError<u32, Token<'_>, Infallible>) -> usize {
        self.next_line();
        let (span, message, expected) = match error {
            ParseError::UnrecognizedToken { token: (start, token, end), expected } => {
                (Span::new(start, end.max(start + 1)), format!("unexpected {}", describe(token)), expected)
            }
            ParseError::ExtraToken { token: (pos, ..) }
            | ParseError::InvalidToken { location: pos }
            | ParseError::UnrecognizedEof { location: pos, .. } => {
                (Span::new(pos, pos), "the line ends too early".to_owned(), Vec::new())
            }
            ParseError::User { error } => match error {},
        };
        let at = (span.start.saturating_sub(source.base) as usize).min(source.text.len());
        let mut diagnostic = Diagnostic::error("NT010", span, message);
        diagnostic.expected = expected.iter().map(|e| e.trim_matches('"').to_owned()).collect();
        self.diagnostics.push(diagnostic);
        source.text.as_bytes()[at..].iter().position(|b| *b == b'\n').map_or(source.text.len(), |i| at + i + 1)
    }
}

fn describe(token: Token<'_>) -> String {
    match token {
        Token::Newline => "end of the line".to_owned(),
        Token::Name(text) | Token::Text(text) | Token::Other(text) | Token::Flag(text) | Token::Comment(text) => {
            format!("`{}`", text.escape_debug())
        }
        Token::Program => "`ipset`".to_owned(),
        Token::Create => "`create`".to_owned(),
        Token::Entry(kind) | Token::Whole(kind) => format!("`{}`", kind.command()),
    }
}

/// Whether a text is its words with single blanks between them, none in quotes.
fn is_joined(text: &str) -> bool {
    let mut blank = true;
    let mut joins = |b: u8| {
        let twice = std::mem::replace(&mut blank, b == b' ') && b == b' ';
        !twice && !matches!(b, b'\t' | b'"' | b'\'' | b'\r')
    };
    text.bytes().all(&mut joins) && (!blank || text.is_empty())
}

/// Appends the words of `text`, separated by single blanks; what stands in `"` or `'` is one word, in `"`.
fn push_words(text: &str, out: &mut String) {
    let mut rest = text;
    let mut gap = "";
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        let Some(first) = rest.chars().next() else { break };
        out.push_str(gap);
        gap = " ";
        if first == '"' || first == '\'' {
            let (word, after) = rest[1..].split_once(first).unwrap_or((&rest[1..], ""));
            out.push('"');
            out.extend(word.chars().filter(|c| *c != '"'));
            out.push('"');
            rest = after;
        } else {
            let end = rest.find([' ', '\t', '\r']).unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
}
