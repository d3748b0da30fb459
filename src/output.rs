//! The terminal: colours, characters, and what untrusted text may not do to it.
//!
//! Names and comments come from dumps; [`safe`] makes control characters, escape sequences and bidirectional overrides
//! visible instead of effective. Left out: what is said.

use std::env;
use std::io::{self, IsTerminal, Write};

use crate::cli::{Cli, When};
use crate::load::Failure;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// With colours.
    pub color: bool,
    /// With ASCII characters only.
    pub ascii: bool,
}

/// Columns that text is laid out for.
pub const WIDTH: usize = 80;

impl Paint {
    /// As the command line, the environment and the terminal say.
    pub fn new(cli: &Cli) -> Self {
        let color = match cli.color {
            When::Always => true,
            When::Never => false,
            When::Auto => io::stdout().is_terminal() && Paint::wants_color(),
        };
        Paint { color, ascii: cli.ascii || !utf8_locale() }
    }

    /// Whether the environment leaves colours on.
    pub fn wants_color() -> bool {
        let no_color = env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|t| t == "dumb");
        !no_color && !dumb
    }

    /// Plain: no colours, all characters.
    pub fn plain() -> Self {
        Paint { color: false, ascii: false }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What is less important.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Accepted.
    pub fn good(self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    /// Dropped.
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// Open, assumed.
    pub fn open(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Rewritten.
    pub fn change(self, text: &str) -> String {
        self.wrap("36", text)
    }

    /// One of two spellings.
    pub fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { unicode }
    }

    /// Text from an input, made harmless; in ASCII mode other characters are escaped too.
    pub fn text(self, text: &str) -> String {
        let safe = safe(text);
        if self.ascii { safe.chars().map(ascii_char).collect() } else { safe }
    }
}

fn ascii_char(c: char) -> String {
    match c {
        c if c.is_ascii() => c.to_string(),
        '…' => "...".to_string(),
        '→' => "->".to_string(),
        '·' => "-".to_string(),
        c => c.escape_unicode().to_string(),
    }
}

/// Whether the locale is UTF-8; unset counts as UTF-8 nowhere but in name: C and POSIX are ASCII.
fn utf8_locale() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|v| env::var(v).ok().filter(|v| !v.is_empty()));
    set.is_none_or(|v| {
        let v = v.to_ascii_lowercase();
        v.contains("utf-8") || v.contains("utf8")
    })
}

/// Text with control characters, and characters that reorder or hide others, written as escapes.
pub fn safe(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}')
            || matches!(c, '\u{e0000}'..='\u{e007f}' | '\u{fff9}'..='\u{fffb}')
    };
    if !text.chars().any(hidden) {
        return text.to_string();
    }
    let one = |c: char| match c {
        '\t' => "\\t".to_string(),
        '\n' => "\\n".to_string(),
        c if hidden(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

/// Where a run writes, and how.
pub struct Screen<'a> {
    /// How to draw.
    pub paint: Paint,
    /// Takes the answer.
    pub out: &'a mut dyn Write,
    /// Takes what is said beside it.
    pub notes: &'a mut dyn Write,
}

impl Screen<'_> {
    /// Writes the answer, or a piece of it; a closed pipe ends the run quietly.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("cannot write the answer: {e}")))
            }
            _ => Ok(()),
        }
    }

    /// Writes a note; that it cannot be written is no reason to stop.
    pub fn note(&mut self, text: &str) {
        let _ = self.notes.write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_inputs_cannot_steer_the_terminal() {
        let check = |text, expect| assert_eq!(safe(text), expect);
        check("paas/config-center:http", "paas/config-center:http");
        check("a\x1b[31mred", "a\\u{1b}[31mred");
        check("evil\u{202e}txt", "evil\\u{202e}txt");
        check("tab\there", "tab\\there");
        check("größe", "größe");
        let ascii = Paint { color: false, ascii: true };
        assert_eq!(ascii.text("größe → x"), "gr\\u{f6}\\u{df}e -> x");
    }
}
