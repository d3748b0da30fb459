//! The terminal: colours, characters, and what untrusted text may not do to it.
//!
//! Names and comments come from dumps; [`safe`] makes control characters, escape sequences and bidirectional overrides
//! visible instead of effective, where a renderer takes a text in, and [`Screen`] once more for all that is written.
//! Left out: what is said.

use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal, Write};

use nettrace_engine::visible;
use nettrace_tui::ascii::stand_in;

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

/// A character as ASCII: arrows and dots at full length, other glyphs as on the stepper's screen, letters as escapes.
fn ascii_char(c: char) -> String {
    match c {
        c if c.is_ascii() => c.to_string(),
        '…' => "...".to_string(),
        '→' => "->".to_string(),
        '·' => "-".to_string(),
        c => stand_in(c).map_or_else(|| c.escape_unicode().to_string(), String::from),
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
    visible::escaped(text).into_owned()
}

/// What may be written: line breaks and the colours of [`Paint`] are the program's own; any other character that a
/// renderer let through from an input is escaped here.
fn gate(text: &str, color: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| visible::is_hidden(c) && c != '\n') {
        let (before, from) = rest.split_at(at);
        let own = if color { sgr(from) } else { 0 };
        let end = if own > 0 { own } else { from.chars().next().map_or(from.len(), char::len_utf8) };
        let (this, after) = from.split_at(end);
        out.push_str(before);
        out.push_str(&if own > 0 { Cow::Borrowed(this) } else { visible::escaped(this) });
        rest = after;
    }
    out + rest
}

/// The length of the colour sequence that a text begins with: `\x1b[1;31m` has 7.
fn sgr(text: &str) -> usize {
    let Some(codes) = text.strip_prefix("\x1b[") else { return 0 };
    let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(codes.len());
    if codes[end..].starts_with('m') { end + 3 } else { 0 }
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
    /// Writes the answer, or a piece of it.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        let text = gate(text, self.paint.color);
        if self.paint.ascii {
            return self.own(&text.chars().map(ascii_char).collect::<String>());
        }
        self.own(&text)
    }

    /// Writes one JSON object; characters of its strings that steer, reorder or hide are escaped.
    pub fn json(&mut self, object: &str) -> Result<(), Failure> {
        self.own(&visible::escaped_json(object))
    }

    /// Writes what holds nothing of any input: a completion script, the manual page. A closed pipe ends the run quietly.
    pub fn own(&mut self, text: &str) -> Result<(), Failure> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("cannot write the answer: {e}")))
            }
            _ => Ok(()),
        }
    }

    /// Writes a note; that it cannot be written is no reason to stop.
    pub fn note(&mut self, text: &str) {
        let _ = self.notes.write_all(gate(text, self.paint.color).as_bytes());
    }
}

/// Base64, as OSC 52 and a page's policy want it.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_base64() {
        let check = |text: &str, expect: &str| assert_eq!(base64(text.as_bytes()), expect);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foobar", "Zm9vYmFy");
    }

    #[test]
    fn text_from_inputs_cannot_steer_the_terminal() {
        let check = |text, color, expect: &str| assert_eq!(gate(text, color), expect);
        check("\x1b[1;32mgood\x1b[0m\n", true, "\x1b[1;32mgood\x1b[0m\n");
        check("\x1b[1;32mgood\x1b[0m\n", false, "\\u{1b}[1;32mgood\\u{1b}[0m\n");
        check("\x1b[2J\x1b]0;t\x07\x1b", true, "\\u{1b}[2J\\u{1b}]0;t\\u{7}\\u{1b}");
        check("größe\u{202e}\u{9b}31m", true, "größe\\u{202e}\\u{9b}31m");
        let ascii = Paint { color: false, ascii: true };
        assert_eq!(ascii.text("größe → x"), "gr\\u{f6}\\u{df}e -> x");
    }
}
