//! A line's words as they stand in the source: `-d`, `10.0.0.1/32`, `"a \"b\""`.
//!
//! Quoted as `iptables-restore` reads them or, behind a program's name, as a shell does. Left out: undoing quotes and
//! escapes, which the builder does.

use logos::Logos;

/// Words as `iptables-restore` splits them: only `"` quotes, and a closing quote ends the word.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r]+")]
enum Save {
    #[token("\n")]
    Newline,
    #[regex(r#"[^ \t\r\n"]+"#, bare)]
    #[token("\"", close)]
    Word(Form),
}

/// A word without quotes, unless one follows at once: it belongs to the word.
fn bare(lexer: &mut logos::Lexer<'_, Save>) -> Form {
    if lexer.remainder().as_bytes().first() != Some(&b'"') {
        return Form::Bare;
    }
    lexer.bump(1);
    close(lexer)
}

/// Reads on behind an opening quote: to the closing one, or to the end of the line. A backslash takes the next byte along.
fn close(lexer: &mut logos::Lexer<'_, Save>) -> Form {
    let rest = lexer.remainder().as_bytes();
    let mut at = 0;
    let (end, form) = loop {
        match memchr::memchr3(b'"', b'\\', b'\n', &rest[at..]).map(|i| at + i) {
            Some(i) if rest[i] == b'"' => break (i + 1, Form::Quoted),
            Some(i) if rest[i] == b'\\' && rest.get(i + 1).is_some_and(|b| *b != b'\n') => at = i + 2,
            Some(i) if rest[i] == b'\\' => break (i + 1, Form::Open),
            Some(i) => break (i, Form::Open),
            None => break (rest.len(), Form::Open),
        }
    };
    lexer.bump(end);
    form
}

/// Words as a shell splits them; a backslash at a line's end continues it, ` # …` is dropped.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"([ \t\r]|\\\r?\n)+")]
#[logos(subpattern plain = r##"[^ \t\r\n"'\\#]"##)]
#[logos(subpattern quoted = r##"\\[^\r\n]|"([^"\\\n]|\\[^\n])*"|'[^'\n]*'"##)]
enum Shell {
    #[token("\n")]
    Newline,
    #[regex(r##"[^ \t\r\n"'\\#][^ \t\r\n"'\\]*"##, priority = 4)]
    Bare,
    #[regex(r##"((?&plain)|(?&quoted))((?&plain)|#|(?&quoted))*"##, priority = 3)]
    Quoted,
    #[regex(r"#[^\n]*", logos::skip, allow_greedy = true)]
    Comment,
}

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Without quotes; its text is its value.
    Bare,
    /// With `"` somewhere, `iptables-restore`'s rules.
    Quoted,
    /// The same, and the quote runs to the end of the line.
    Open,
    /// With quotes or backslashes, a shell's rules.
    Shell,
}

/// A word as it stands in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'i> {
    /// Its text, quotes and escapes not undone.
    pub text: &'i str,
    /// How it is written.
    pub form: Form,
}

/// What a line is made of.
pub enum Piece<'i> {
    /// The line's end.
    Newline,
    /// A word.
    Word(Raw<'i>),
    /// A quote that is not closed, where a shell reads.
    Bad,
    /// The text's end.
    End,
}

enum Rules<'i> {
    Save(logos::Lexer<'i, Save>),
    Shell(logos::Lexer<'i, Shell>),
}

/// Splits a text into words from a place on.
pub struct Splitter<'i> {
    rules: Rules<'i>,
    /// Byte offset from which the lexer's spans count.
    origin: usize,
}

impl<'i> Splitter<'i> {
    /// From byte `at` of `text` on, by a shell's rules or `iptables-restore`'s.
    pub fn new(text: &'i str, at: usize, shell: bool) -> Self {
        let rest = text.get(at..).unwrap_or("");
        let rules = if shell { Rules::Shell(Shell::lexer(rest)) } else { Rules::Save(Save::lexer(rest)) };
        Splitter { rules, origin: at }
    }

    /// Whether a shell's rules apply.
    pub fn shell(&self) -> bool {
        matches!(self.rules, Rules::Shell(_))
    }

    /// The next piece with its byte range.
    #[inline]
    pub fn next(&mut self) -> (Piece<'i>, usize, usize) {
        let (piece, span) = match &mut self.rules {
            Rules::Save(lexer) => {
                let piece = match lexer.next() {
                    Some(Ok(Save::Word(form))) => Piece::Word(Raw { text: lexer.slice(), form }),
                    Some(Ok(Save::Newline)) => Piece::Newline,
                    Some(Err(())) => Piece::Bad,
                    None => Piece::End,
                };
                (piece, lexer.span())
            }
            Rules::Shell(lexer) => {
                let piece = match lexer.next() {
                    Some(Ok(Shell::Newline)) => Piece::Newline,
                    Some(Ok(Shell::Bare | Shell::Comment)) => {
                        Piece::Word(Raw { text: lexer.slice(), form: Form::Bare })
                    }
                    Some(Ok(Shell::Quoted)) => Piece::Word(Raw { text: lexer.slice(), form: Form::Shell }),
                    Some(Err(())) => Piece::Bad,
                    None => Piece::End,
                };
                (piece, lexer.span())
            }
        };
        (piece, self.origin + span.start, self.origin + span.end)
    }
}

impl<'i> Raw<'i> {
    /// The value of a word whose quotes stand around it and that has no escapes; `None` when they have to be undone.
    pub fn plain(self) -> Option<&'i str> {
        match self.form {
            Form::Bare => Some(self.text),
            Form::Quoted => {
                let inner = unwrapped(self.text)?;
                (memchr::memchr(b'\\', inner.as_bytes()).is_none()).then_some(inner)
            }
            Form::Open | Form::Shell => None,
        }
    }

    /// The value with quotes and escapes undone.
    pub fn undone(self) -> String {
        match self.form {
            Form::Bare => self.text.to_owned(),
            Form::Quoted | Form::Open => unquote(self.text),
            Form::Shell => unshell(self.text),
        }
    }
}

/// What stands between quotes around a text. Bytes are compared by hand here and where every word passes: a pattern made of
/// a character goes through memory.
pub(super) fn unwrapped(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [b'"', .., b'"'] => text.get(1..text.len() - 1),
        _ => None,
    }
}

/// Undoes `iptables-restore`'s quoting: `ab"c \"d\""` is `abc "d"`.
fn unquote(raw: &str) -> String {
    let (mut out, mut chars) = (String::new(), raw.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => {}
            '\\' if raw.contains('"') => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// Undoes a shell's quoting: `'a b'"c\"d"\!` is `a bc"d!`.
fn unshell(raw: &str) -> String {
    let (mut out, mut quote) = (String::new(), None);
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            ('\\', None) => out.extend(chars.next()),
            ('\\', Some('"')) if matches!(chars.peek(), Some('"' | '\\' | '$' | '`')) => out.extend(chars.next()),
            (c, _) => out.push(c),
        }
    }
    out
}
