//! Tokens of a dump, line by line: what stands at a line's start (`*`, `:`, `#`, `[5:300]`, `COMMIT`, a program's name),
//! the operation (`-A`), its chain and its number, and what follows them as one token.
//!
//! The words behind the operation are the tree's, which reads them when they are asked for; a lexer made by
//! [`Lexer::words`] gives them one by one.

use logos::Logos;

use super::split::{Form, Piece, Raw, Splitter};
use super::tree::{ChainOp, Counters};

/// What can stand at a line's start; anything else begins a rule's words.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r]+")]
enum Start {
    #[token("\n")]
    Newline,
    #[regex(r"#[^\n]*", allow_greedy = true)]
    Comment,
    #[token("*")]
    Star,
    #[token(":")]
    Colon,
    #[token("COMMIT")]
    Commit,
    #[regex(r"\[[0-9]+:[0-9]+\]")]
    Counters,
    #[regex(r"(sudo[ \t]+)?(/|[^ \t\r\n#:*\[-][^ \t\r\n]*/)?ip6?tables(-legacy|-nft)?[ \t]")]
    Program,
}

/// What the grammar sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'i> {
    /// End of a line; the last line has one even without a newline.
    Newline,
    /// `# text`.
    Comment,
    /// `*` at a line's start.
    Star,
    /// `:` at a line's start.
    Colon,
    /// `COMMIT` at a line's start.
    Commit,
    /// `[5:300]`.
    Counters(Counters),
    /// `iptables`, `ip6tables-legacy`, … at a line's start, without `sudo` and folder.
    Program(&'i str),
    /// `-A`, `--append`.
    Append,
    /// `-I`, `--insert`.
    Insert,
    /// `-R`, `--replace`.
    Replace,
    /// `-D`, `--delete`.
    Delete,
    /// `-C`, `--check`.
    Check,
    /// `-P`, `--policy`.
    SetPolicy,
    /// `-N`, `--new-chain`.
    NewChain,
    /// `-F`, `-X`, `-Z`, `-E`, `-L`, `-S`.
    Command(ChainOp),
    /// A chain's or table's name where one is due.
    Name(Raw<'i>),
    /// A rule number where one may stand.
    Number(u32),
    /// A policy where one is due.
    Policy(Raw<'i>),
    /// All words behind the operation, at least one.
    Words(Tail<'i>),
    /// Any other word.
    Word(Raw<'i>),
}

/// The words of a line behind its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail<'i> {
    /// From the first to the last.
    pub text: &'i str,
    /// They are quoted as in a shell.
    pub shell: bool,
}

/// Why a line has no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexError {
    /// Where.
    pub pos: u32,
    /// What.
    pub kind: LexErrorKind,
}

/// What is wrong with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexErrorKind {
    /// A quote is not closed on its line.
    OpenQuote,
    /// Counters or a rule number out of range.
    Number,
}

/// What may come next on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The line's start.
    Start,
    /// Words in front of the operation.
    Before,
    /// A name; then what is told.
    Name(After),
    /// A policy, then counters.
    ChainPolicy,
    /// A policy, then the line's other words.
    Policy,
    /// A rule number or the line's other words.
    Number,
    /// Words; `[p:b]` are counters here.
    Counted,
    /// The line's other words, as one token or each for itself.
    Tail,
    /// Words, each for itself.
    Rest,
}

/// What comes behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Number,
    ChainPolicy,
    Policy,
    Tail,
    Rest,
}

/// The token stream of a text from a line's start on.
pub struct Lexer<'i> {
    text: &'i str,
    base: u32,
    /// Byte offset of a line's start.
    origin: usize,
    words: Splitter<'i>,
    state: State,
    /// Words behind the operation come each for itself.
    each: bool,
    done: bool,
}

/// A token with its positions, or what is wrong.
pub type Spanned<'i> = Result<(u32, Token<'i>, u32), LexError>;

impl<'i> Lexer<'i> {
    /// Tokens of `text` from byte `at`, a line's start.
    pub fn new(text: &'i str, base: u32, at: usize) -> Self {
        let words = Splitter::new(text, at, false);
        Lexer { text, base, origin: at, words, state: State::Start, each: false, done: at > text.len() }
    }

    /// The same, with the words behind the operation each for itself.
    pub fn words(text: &'i str, base: u32, at: usize) -> Self {
        Lexer { each: true, ..Self::new(text, base, at) }
    }

    fn spanned(&self, token: Token<'i>, start: usize, end: usize) -> (u32, Token<'i>, u32) {
        (self.base + start as u32, token, self.base + end as u32)
    }

    fn error(&self, kind: LexErrorKind, at: usize) -> LexError {
        LexError { pos: self.base + at as u32, kind }
    }

    /// Continues with words from byte `at`.
    fn words_from(&mut self, at: usize, shell: bool, state: State) {
        self.words = Splitter::new(self.text, at, shell);
        self.state = state;
    }

    fn line_start(&mut self) -> Option<Spanned<'i>> {
        let rest = self.text.get(self.origin..)?;
        if rest.is_empty() {
            self.done = true;
            return None;
        }
        if rest.as_bytes()[0] == b'-' {
            self.words_from(self.origin, false, State::Before);
            return Some(self.word());
        }
        let mut lexer = Start::lexer(rest);
        let token = lexer.next();
        let (start, end) = (self.origin + lexer.span().start, self.origin + lexer.span().end);
        let slice = lexer.slice();
        let (token, state) = match token {
            Some(Ok(Start::Newline)) => {
                self.origin = end;
                return Some(Ok(self.spanned(Token::Newline, start, end)));
            }
            Some(Ok(Start::Comment)) => (Token::Comment, State::Rest),
            Some(Ok(Start::Star)) => (Token::Star, State::Name(After::Rest)),
            Some(Ok(Start::Colon)) => (Token::Colon, State::Name(After::ChainPolicy)),
            Some(Ok(Start::Commit)) => (Token::Commit, State::Rest),
            Some(Ok(Start::Counters)) => match counters(slice) {
                Some(c) => (Token::Counters(c), State::Before),
                None => return Some(Err(self.error(LexErrorKind::Number, start))),
            },
            Some(Ok(Start::Program)) => {
                self.words_from(end, true, State::Before);
                let path = slice.trim_end();
                let name = path.rsplit([' ', '\t', '/']).next().unwrap_or(path);
                return Some(Ok(self.spanned(Token::Program(name), start, end - 1)));
            }
            Some(Err(())) | None => {
                self.words_from(self.origin, false, State::Before);
                return Some(self.word());
            }
        };
        self.words_from(end, false, state);
        Some(Ok(self.spanned(token, start, end)))
    }

    #[inline]
    fn word(&mut self) -> Spanned<'i> {
        let (piece, start, end) = self.words.next();
        let token = match piece {
            Piece::Word(raw) if self.state == State::Rest => Token::Word(raw),
            Piece::Word(raw) => match self.classify(raw).map_err(|kind| self.error(kind, start))? {
                Some(token) => token,
                None => return self.tail(start),
            },
            Piece::Newline => {
                self.state = State::Start;
                self.origin = end;
                Token::Newline
            }
            Piece::Bad => return Err(self.error(LexErrorKind::OpenQuote, start)),
            Piece::End => {
                self.done = true;
                Token::Newline
            }
        };
        Ok(self.spanned(token, start, end))
    }

    /// The words from byte `start` to the end of the line as one token.
    fn tail(&mut self, start: usize) -> Spanned<'i> {
        let shell = self.words.shell();
        let end = if shell { self.end_in_shell(start)? } else { self.end_in_dump(start) };
        let text = self.text.get(start..end).unwrap_or("");
        Ok(self.spanned(Token::Words(Tail { text, shell }), start, end))
    }

    /// The end of a line's last word; a dump's line ends at its newline, whatever quotes say.
    fn end_in_dump(&mut self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or("");
        let line = memchr::memchr(b'\n', rest.as_bytes()).map_or(rest, |newline| &rest[..newline]);
        self.words_from(start + line.len(), false, State::Rest);
        start + line.trim_end_matches([' ', '\t', '\r']).len()
    }

    fn end_in_shell(&mut self, start: usize) -> Result<usize, LexError> {
        let mut last = start;
        self.words_from(start, true, State::Rest);
        loop {
            match self.words.next() {
                (Piece::Word(_), _, end) => last = end,
                (Piece::Newline, newline, _) => {
                    self.words_from(newline, true, State::Rest);
                    return Ok(last);
                }
                (Piece::Bad, at, _) => return Err(self.error(LexErrorKind::OpenQuote, at)),
                (Piece::End, ..) => return Ok(last),
            }
        }
    }

    /// The token of a word in this place; `None` when it begins the line's other words.
    fn classify(&mut self, raw: Raw<'i>) -> Result<Option<Token<'i>>, LexErrorKind> {
        let bare = raw.form == Form::Bare;
        let (token, state) = match self.state {
            State::Start | State::Before => match operation(raw) {
                Some((token, state)) => (token, state),
                None => (Token::Word(raw), State::Before),
            },
            State::Name(after) => {
                let state = match after {
                    After::Number => State::Number,
                    After::ChainPolicy => State::ChainPolicy,
                    After::Policy => State::Policy,
                    After::Tail => State::Tail,
                    After::Rest => State::Rest,
                };
                let dash = bare && matches!(raw.text.as_bytes(), [b'-', ..]);
                (if dash { Token::Word(raw) } else { Token::Name(raw) }, state)
            }
            State::ChainPolicy | State::Counted if bare && matches!(raw.text.as_bytes(), [b'[', ..]) => {
                (Token::Counters(counters(raw.text).ok_or(LexErrorKind::Number)?), State::Rest)
            }
            State::ChainPolicy => (Token::Policy(raw), State::Counted),
            State::Policy => (Token::Policy(raw), State::Tail),
            State::Number if bare && raw.text.bytes().all(|b| b.is_ascii_digit()) => {
                let number = raw.text.parse().ok().filter(|n| *n > 0);
                (Token::Number(number.ok_or(LexErrorKind::Number)?), State::Tail)
            }
            State::Number | State::Tail if !self.each => return Ok(None),
            State::Number | State::Tail | State::Rest => (Token::Word(raw), State::Rest),
            State::Counted => (Token::Word(raw), State::Counted),
        };
        self.state = state;
        Ok(Some(token))
    }
}

impl<'i> Iterator for Lexer<'i> {
    type Item = Spanned<'i>;

    fn next(&mut self) -> Option<Spanned<'i>> {
        if self.done {
            return None;
        }
        if self.state == State::Start { self.line_start() } else { Some(self.word()) }
    }
}

/// `[5:300]`, `None` when a number is too large.
fn counters(text: &str) -> Option<Counters> {
    let (packets, bytes) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counters { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
}

/// The operations with their long names; a long name may be shortened, as `getopt_long` lets one.
const OPERATIONS: [(&str, &str, Token<'static>, State); 13] = [
    ("-A", "append", Token::Append, State::Name(After::Tail)),
    ("-I", "insert", Token::Insert, State::Name(After::Number)),
    ("-D", "delete", Token::Delete, State::Name(After::Number)),
    ("-R", "replace", Token::Replace, State::Name(After::Number)),
    ("-C", "check", Token::Check, State::Name(After::Tail)),
    ("-P", "policy", Token::SetPolicy, State::Name(After::Policy)),
    ("-N", "new-chain", Token::NewChain, State::Name(After::Tail)),
    ("-F", "flush", Token::Command(ChainOp::Flush), State::Tail),
    ("-X", "delete-chain", Token::Command(ChainOp::DeleteChain), State::Tail),
    ("-Z", "zero", Token::Command(ChainOp::Zero), State::Tail),
    ("-E", "rename-chain", Token::Command(ChainOp::Rename), State::Tail),
    ("-L", "list", Token::Command(ChainOp::List), State::Tail),
    ("-S", "list-rules", Token::Command(ChainOp::ListRules), State::Tail),
];

fn operation(raw: Raw<'_>) -> Option<(Token<'static>, State)> {
    let text = raw.text;
    if raw.form != Form::Bare || !matches!(text.as_bytes(), [b'-', ..]) {
        return None;
    }
    let long = text.strip_prefix("--");
    let exact = |(short, name, ..): &&(&str, &str, Token<'static>, State)| text == *short || long == Some(*name);
    let shortened = |(_, name, ..): &&(&str, &str, Token<'static>, State)| {
        long.is_some_and(|l| l.len() >= 3 && name.starts_with(l))
    };
    let found = OPERATIONS.iter().find(exact).or_else(|| OPERATIONS.iter().find(shortened));
    found.map(|(_, _, token, state)| (*token, *state))
}
