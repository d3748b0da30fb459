//! Tokens of `ipset save` and of typed commands: a command, a set's name, and the rest of the line as one token.
//!
//! `add S 10.0.0.1 timeout 5` is `add`, `S`, `10.0.0.1 timeout 5`: a dump has one entry a line, and most have one word.
//! Left out: splitting the rest into words, which the tree does when asked.

use logos::Logos;

use super::tree::LineKind;

/// Words at a line's start.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r]+")]
enum Start {
    #[token("\n")]
    Newline,
    #[regex(r"#[^\n]*", allow_greedy = true)]
    Comment,
    #[regex(r"(sudo[ \t]+)?(/|[^ \t\r\n#-][^ \t\r\n]*/)?ipset[ \t]", priority = 20)]
    Program,
    #[regex(r"-!|-exist|--exist|-q|-quiet|--quiet", priority = 10)]
    Flag,
    #[regex(r"add|-A|--add", priority = 10)]
    Add,
    #[regex(r"[^ \t\r\n#][^ \t\r\n]*", priority = 1)]
    Word,
}

/// What follows a command.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r]+")]
enum Operand {
    #[token("\n")]
    Newline,
    #[regex(r"[^ \t\r\n]+")]
    Word,
}

/// The rest of a line.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r]+")]
enum Tail {
    #[token("\n")]
    Newline,
    #[regex(r"[^ \t\r\n][^\n]*", allow_greedy = true)]
    Text,
}

/// What the grammar sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'i> {
    /// End of a line; the last line has one even without a newline.
    Newline,
    /// `# text`, without the `#`.
    Comment(&'i str),
    /// `ipset`.
    Program,
    /// `-!`, `-exist`, `-q` in front of the command.
    Flag(&'i str),
    /// `create`.
    Create,
    /// `add`, `del`, `test`, `rename`, `swap`: commands that want a set and a text.
    Entry(LineKind),
    /// `flush`, `destroy`, `save`, `list`, `COMMIT`: commands that want at most a set.
    Whole(LineKind),
    /// A set's name.
    Name(&'i str),
    /// The rest of the line, without blanks around it.
    Text(&'i str),
    /// A word that is no command.
    Other(&'i str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Name,
    Tail,
}

/// The token stream of a text from a line's start on.
pub struct Lexer<'i> {
    text: &'i str,
    base: u32,
    at: usize,
    state: State,
    done: bool,
}

/// A token with its positions; every character belongs to a token, so nothing goes wrong here.
pub type Spanned<'i> = Result<(u32, Token<'i>, u32), std::convert::Infallible>;

impl<'i> Lexer<'i> {
    /// Tokens of `text` from byte `at`, a line's start.
    pub fn new(text: &'i str, base: u32, at: usize) -> Self {
        Lexer { text, base, at, state: State::Start, done: at >= text.len() }
    }

    fn start(&mut self, rest: &'i str) -> (Token<'i>, usize, usize) {
        let mut lexer = Start::lexer(rest);
        let token = lexer.next();
        let slice = lexer.slice();
        let token = match token {
            Some(Ok(Start::Newline)) => Token::Newline,
            Some(Ok(Start::Comment)) => Token::Comment(slice[1..].trim_end_matches('\r')),
            Some(Ok(Start::Program)) => Token::Program,
            Some(Ok(Start::Flag)) => Token::Flag(slice),
            Some(Ok(Start::Add)) => Token::Entry(LineKind::Add),
            Some(Ok(Start::Word) | Err(())) => command(slice),
            None => return self.end(),
        };
        self.state = match token {
            Token::Entry(_) | Token::Whole(_) | Token::Create => State::Name,
            _ => State::Start,
        };
        (token, lexer.span().start, lexer.span().end)
    }

    fn name(&mut self, rest: &'i str) -> (Token<'i>, usize, usize) {
        let mut lexer = Operand::lexer(rest);
        let token = match lexer.next() {
            Some(Ok(Operand::Newline)) => Token::Newline,
            Some(_) => Token::Name(lexer.slice()),
            None => return self.end(),
        };
        (token, lexer.span().start, lexer.span().end)
    }

    fn tail(&mut self, rest: &'i str) -> (Token<'i>, usize, usize) {
        let mut lexer = Tail::lexer(rest);
        let token = match lexer.next() {
            Some(Ok(Tail::Newline)) => Token::Newline,
            Some(_) => Token::Text(lexer.slice().trim_end_matches([' ', '\t', '\r'])),
            None => return self.end(),
        };
        (token, lexer.span().start, lexer.span().end)
    }

    fn end(&mut self) -> (Token<'i>, usize, usize) {
        self.done = true;
        let end = self.text.len() - self.at;
        (Token::Newline, end, end)
    }
}

impl<'i> Iterator for Lexer<'i> {
    type Item = Spanned<'i>;

    fn next(&mut self) -> Option<Spanned<'i>> {
        if self.done {
            return None;
        }
        let rest = self.text.get(self.at..)?;
        if rest.is_empty() && self.state == State::Start && self.text.ends_with('\n') {
            return None;
        }
        let (token, start, end) = match self.state {
            State::Start => self.start(rest),
            State::Name => self.name(rest),
            State::Tail => self.tail(rest),
        };
        self.state = match token {
            Token::Newline => State::Start,
            Token::Name(_) => State::Tail,
            _ => self.state,
        };
        let origin = self.base + self.at as u32;
        self.at += end;
        Some(Ok((origin + start as u32, token, origin + end as u32)))
    }
}

/// The command that a word spells, in `ipset`'s own and in `iptables`' manner.
fn command(word: &str) -> Token<'_> {
    match word {
        "create" | "-N" | "--create" | "n" => Token::Create,
        "add" | "a" => Token::Entry(LineKind::Add),
        "del" | "-D" | "--del" | "d" => Token::Entry(LineKind::Delete),
        "test" | "-T" | "--test" | "t" => Token::Entry(LineKind::Test),
        "rename" | "-E" | "--rename" | "e" => Token::Entry(LineKind::Rename),
        "swap" | "-W" | "--swap" | "w" => Token::Entry(LineKind::Swap),
        "flush" | "-F" | "--flush" | "f" => Token::Whole(LineKind::Flush),
        "destroy" | "-X" | "--destroy" | "x" => Token::Whole(LineKind::Destroy),
        "save" | "-S" | "--save" | "s" => Token::Whole(LineKind::Save),
        "list" | "-L" | "--list" | "l" => Token::Whole(LineKind::List),
        "COMMIT" => Token::Whole(LineKind::Commit),
        other => Token::Other(other),
    }
}
