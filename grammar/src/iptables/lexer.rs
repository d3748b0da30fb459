//! Tokens of a dump, line by line: what stands at a line's start (`*`, `:`, `#`, `[5:300]`, `COMMIT`, a program's name),
//! then words, quoted as `iptables-restore` reads them (`"a \"b\""`) or, behind a program's name, as a shell does.
//!
//! A line's state tells the operation (`-A`), its chain and its number from the words around them. Left out: undoing
//! escapes, which the builder does when it stores a word.

use logos::Logos;

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
    #[regex(r"(sudo[ \t]+)?([^ \t\r\n]*/)?ip6?tables(-legacy|-nft)?[ \t]")]
    Program,
}

/// Words as `iptables-restore` splits them: only `"` quotes, and a closing quote ends the word.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r]+")]
enum Save {
    #[token("\n")]
    Newline,
    #[regex(r#"[^ \t\r\n"]+"#)]
    Bare,
    #[regex(r#"[^ \t\r\n"]*"([^"\\\n]|\\[^\n])*""#)]
    Quoted,
    #[regex(r#"[^ \t\r\n"]*"([^"\\\n]|\\[^\n])*\\?"#)]
    Open,
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

/// What the grammar sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'i> {
    /// End of a line; the last line has one even without a newline.
    Newline,
    /// `# text`, without the `#`.
    Comment(&'i str),
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
    Policy,
    /// `-N`, `--new-chain`.
    NewChain,
    /// `-F`, `-X`, `-Z`, `-E`, `-L`, `-S`.
    Command(ChainOp),
    /// A chain's or table's name where one is due.
    Name(Raw<'i>),
    /// A rule number where one may stand.
    Number(u32),
    /// Any other word.
    Word(Raw<'i>),
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
    /// A name; then `Counted` or `Rest`, as told.
    Name(After),
    /// A rule number or a word.
    Number,
    /// Words; `[p:b]` are counters here.
    Counted,
    /// Words.
    Rest,
}

/// What comes behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Number,
    Counted,
    Rest,
}

enum Words<'i> {
    Save(logos::Lexer<'i, Save>),
    Shell(logos::Lexer<'i, Shell>),
}

/// One word-level event and its byte range in the text.
enum Piece<'i> {
    Newline,
    Word(Raw<'i>),
    Bad,
    End,
}

/// The token stream of a text from a line's start on.
pub struct Lexer<'i> {
    text: &'i str,
    base: u32,
    /// Byte offset of what `words` (or a line's start) reads from.
    origin: usize,
    words: Words<'i>,
    state: State,
    done: bool,
}

/// A token with its positions, or what is wrong.
pub type Spanned<'i> = Result<(u32, Token<'i>, u32), LexError>;

impl<'i> Lexer<'i> {
    /// Tokens of `text` from byte `at`, a line's start.
    pub fn new(text: &'i str, base: u32, at: usize) -> Self {
        let words = Words::Save(Save::lexer(text.get(at..).unwrap_or("")));
        Lexer { text, base, origin: at, words, state: State::Start, done: at > text.len() }
    }

    fn spanned(&self, token: Token<'i>, start: usize, end: usize) -> (u32, Token<'i>, u32) {
        (self.base + start as u32, token, self.base + end as u32)
    }

    fn error(&self, kind: LexErrorKind, at: usize) -> LexError {
        LexError { pos: self.base + at as u32, kind }
    }

    /// Continues with words from byte `at`.
    fn words_from(&mut self, at: usize, shell: bool, state: State) {
        let rest = self.text.get(at..).unwrap_or("");
        self.words = if shell { Words::Shell(Shell::lexer(rest)) } else { Words::Save(Save::lexer(rest)) };
        self.origin = at;
        self.state = state;
    }

    fn line_start(&mut self) -> Option<Spanned<'i>> {
        let rest = self.text.get(self.origin..)?;
        if rest.is_empty() {
            self.done = true;
            return None;
        }
        let mut lexer = Start::lexer(rest);
        let token = lexer.next();
        let (start, end) = (self.origin + lexer.span().start, self.origin + lexer.span().end);
        let slice = lexer.slice();
        let (token, state) = match token {
            Some(Ok(Start::Newline)) => (Token::Newline, State::Start),
            Some(Ok(Start::Comment)) => (Token::Comment(slice[1..].trim_end_matches('\r')), State::Rest),
            Some(Ok(Start::Star)) => (Token::Star, State::Name(After::Rest)),
            Some(Ok(Start::Colon)) => (Token::Colon, State::Name(After::Counted)),
            Some(Ok(Start::Commit)) => (Token::Commit, State::Rest),
            Some(Ok(Start::Counters)) => match counters(slice) {
                Some(c) => (Token::Counters(c), State::Before),
                None => return Some(Err(self.error(LexErrorKind::Number, start))),
            },
            Some(Ok(Start::Program)) => {
                self.words_from(end, true, State::Before);
                let name = slice.trim_end().rsplit([' ', '\t', '/']).next().unwrap_or(slice);
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

    fn piece(&mut self) -> (Piece<'i>, usize, usize) {
        let (piece, span) = match &mut self.words {
            Words::Save(lexer) => {
                let piece = match lexer.next() {
                    Some(Ok(Save::Newline)) => Piece::Newline,
                    Some(Ok(Save::Bare)) => Piece::Word(Raw { text: lexer.slice(), form: Form::Bare }),
                    Some(Ok(Save::Quoted)) => Piece::Word(Raw { text: lexer.slice(), form: Form::Quoted }),
                    Some(Ok(Save::Open)) => Piece::Word(Raw { text: lexer.slice(), form: Form::Open }),
                    Some(Err(())) => Piece::Bad,
                    None => Piece::End,
                };
                (piece, lexer.span())
            }
            Words::Shell(lexer) => {
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

    fn word(&mut self) -> Spanned<'i> {
        let (piece, start, end) = self.piece();
        let token = match piece {
            Piece::Word(raw) => self.classify(raw).ok_or(self.error(LexErrorKind::Number, start))?,
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

    /// The token of a word in this place; `None` for a number out of range.
    fn classify(&mut self, raw: Raw<'i>) -> Option<Token<'i>> {
        let bare = raw.form == Form::Bare;
        let (token, state) = match self.state {
            State::Start | State::Before => match operation(raw) {
                Some((token, state)) => (token, state),
                None => (Token::Word(raw), State::Before),
            },
            State::Name(after) => {
                let state = match after {
                    After::Number => State::Number,
                    After::Counted => State::Counted,
                    After::Rest => State::Rest,
                };
                let dash = bare && raw.text.starts_with('-');
                (if dash { Token::Word(raw) } else { Token::Name(raw) }, state)
            }
            State::Number if bare && raw.text.bytes().all(|b| b.is_ascii_digit()) => {
                (Token::Number(raw.text.parse().ok().filter(|n| *n > 0)?), State::Rest)
            }
            State::Counted if bare && raw.text.starts_with('[') => (Token::Counters(counters(raw.text)?), State::Rest),
            State::Number | State::Rest => (Token::Word(raw), State::Rest),
            State::Counted => (Token::Word(raw), State::Counted),
        };
        self.state = state;
        Some(token)
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
    ("-A", "append", Token::Append, State::Name(After::Rest)),
    ("-I", "insert", Token::Insert, State::Name(After::Number)),
    ("-D", "delete", Token::Delete, State::Name(After::Number)),
    ("-R", "replace", Token::Replace, State::Name(After::Number)),
    ("-C", "check", Token::Check, State::Name(After::Rest)),
    ("-P", "policy", Token::Policy, State::Name(After::Rest)),
    ("-N", "new-chain", Token::NewChain, State::Name(After::Rest)),
    ("-F", "flush", Token::Command(ChainOp::Flush), State::Rest),
    ("-X", "delete-chain", Token::Command(ChainOp::DeleteChain), State::Rest),
    ("-Z", "zero", Token::Command(ChainOp::Zero), State::Rest),
    ("-E", "rename-chain", Token::Command(ChainOp::Rename), State::Rest),
    ("-L", "list", Token::Command(ChainOp::List), State::Rest),
    ("-S", "list-rules", Token::Command(ChainOp::ListRules), State::Rest),
];

fn operation(raw: Raw<'_>) -> Option<(Token<'static>, State)> {
    let text = raw.text;
    if raw.form != Form::Bare || !text.starts_with('-') {
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
