//! The raw tokens of nft's language, by logos: `tcp dport { 22, 80-90 } ip saddr 10.0.0.0/8 # handle 4`.
//!
//! Left out: which words are keywords here, and which `{` opens a block. [`super::tokens`] decides both.

use logos::Logos;

/// A raw token; its text is the slice.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\f']+")]
#[logos(skip r"\\(\r?\n)?")]
pub enum Raw {
    /// One or more ends of lines.
    #[regex(r"\n[ \t\r\n]*")]
    Newline,
    /// `;`
    #[token(";")]
    Semicolon,
    /// `# …`
    #[regex(r"#[^\n]*", allow_greedy = true)]
    Comment,
    /// `"…"`
    #[regex(r#""[^"\n]*""#)]
    Str,
    /// A word, `eth*` included.
    #[regex(r"[A-Za-z_][A-Za-z0-9_/.\-]*\*?")]
    Word,
    /// `packets 5 bytes 300`, as every counter is listed: one token, for a listing may hold a million of them.
    #[regex(r"packets (0|[1-9][0-9]*) bytes (0|[1-9][0-9]*)", priority = 20)]
    Counts,
    /// Digits.
    #[regex(r"[0-9]+", priority = 10)]
    Num,
    /// A word that begins with a digit: `0x4000`, `1h30m`, `5/second`; nft 1.0.6 prints `ct original proto-dst` as
    /// `0x50 [invalid type]`.
    #[regex(r"[0-9][0-9A-Za-z_]*", priority = 3)]
    #[regex(r"[0-9]+/[a-z]+")]
    #[regex(r"0x[0-9a-fA-F]+ \[invalid type\]")]
    #[regex(r"[0-9]+\.[0-9]+")]
    #[regex(r"[0-9a-fA-F]{1,4}:[0-9a-fA-F]{1,4}", priority = 9)]
    #[regex(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", priority = 12)]
    #[regex(r"([0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}")]
    #[regex(r"([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}")]
    #[regex(r"([0-9a-fA-F]{1,4}:){1,7}:")]
    #[regex(r"([0-9a-fA-F]{1,4}:){1,6}(:[0-9a-fA-F]{1,4}){1,6}")]
    #[regex(r"::([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){0,6})?")]
    #[regex(r"(::|([0-9a-fA-F]{1,4}:){1,6}:?)([0-9a-fA-F]{1,4}:){0,5}[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")]
    Literal,
    /// `10.0.0.1`
    #[regex(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")]
    Ip4,
    /// `@set`
    #[regex(r"@[A-Za-z_][A-Za-z0-9_/.\-]*")]
    SetRef,
    /// `@th,16,16`
    #[regex(r"@[a-z0-9]+[ ]*,[ ]*[0-9]+[ ]*,[ ]*[0-9]+")]
    Payload,
    /// `$name`
    #[regex(r"\$[A-Za-z_][A-Za-z0-9_/.\-]*")]
    Var,
    /// `{`
    #[token("{")]
    Open,
    /// `}`
    #[token("}")]
    Close,
    /// `(`
    #[token("(")]
    LParen,
    /// `)`
    #[token(")")]
    RParen,
    /// `[`
    #[token("[")]
    LBracket,
    /// `]`
    #[token("]")]
    RBracket,
    /// `,`
    #[token(",")]
    Comma,
    /// `.`
    #[token(".")]
    Dot,
    /// `:`
    #[token(":")]
    Colon,
    /// `=`
    #[token("=")]
    Assign,
    /// `==`, `!=`, `<`, …
    #[token("==")]
    #[token("!=")]
    #[token("<")]
    #[token(">")]
    #[token("<=")]
    #[token(">=")]
    #[token("!")]
    Rel,
    /// `&`, `|`, …
    #[token("&")]
    #[token("|")]
    #[token("^")]
    #[token("<<")]
    #[token(">>")]
    Bin,
    /// `-`
    #[token("-")]
    Dash,
    /// `+`
    #[token("+")]
    Plus,
    /// `/`
    #[token("/")]
    Slash,
    /// `*`
    #[token("*")]
    Star,
    /// Anything else.
    #[regex(".", priority = 0)]
    Other,
}
