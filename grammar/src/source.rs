//! Input texts and positions in them: one `u32` position space over all inputs, so that a [`Span`] alone names a file,
//! a line and a column (`iptables-save:88:5`).
//!
//! Left out: reading files. The caller hands over a name and a text.

use std::fmt;
use std::sync::OnceLock;

/// A half-open byte range in the position space of a [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One behind the last byte.
    pub end: u32,
}

impl Span {
    /// The span from `start` to `end`.
    pub fn new(start: u32, end: u32) -> Self {
        Span { start, end }
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One input text with the name that messages use for it.
#[derive(Clone, Debug)]
pub struct Source {
    /// How messages name this input: a path, `<stdin>`, `<built-in sample>/iptables-save`, `--with`.
    pub name: String,
    /// The text.
    pub text: String,
    /// Position of the text's first byte.
    pub base: u32,
}

/// All inputs of a run, in one position space.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
    /// Where each input's lines begin, counted when a place is first asked for.
    lines: Vec<OnceLock<Vec<u32>>>,
}

/// The inputs together are larger than the position space (4 GiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the inputs together are larger than 4 GiB")
    }
}

impl std::error::Error for TooLarge {}

/// Where a span starts, for people: `name:line:column`, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// Name of the input.
    pub name: &'a str,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.line, self.column)
    }
}

impl Sources {
    /// Adds an input and returns it with its base position.
    ///
    /// # Errors
    /// [`TooLarge`] when position space would overflow.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> Result<&Source, TooLarge> {
        let text = text.into();
        let base = self.files.last().map_or(1, |f| f.base + f.text.len() as u32 + 1);
        let end = base as u64 + text.len() as u64 + 1;
        if end >= u64::from(u32::MAX) {
            return Err(TooLarge);
        }
        self.files.push(Source { name: name.into(), text, base });
        self.lines.push(OnceLock::new());
        Ok(&self.files[self.files.len() - 1])
    }

    /// All inputs in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }

    /// The input that holds `pos`, if any.
    pub fn source(&self, pos: u32) -> Option<&Source> {
        let i = self.files.partition_point(|f| f.base <= pos).checked_sub(1)?;
        let file = &self.files[i];
        (pos as usize <= file.base as usize + file.text.len()).then_some(file)
    }

    /// The text of a span; empty when the span is in no input or cuts a character.
    pub fn text(&self, span: Span) -> &str {
        self.source(span.start)
            .and_then(|f| f.text.get((span.start - f.base) as usize..(span.end.max(span.start) - f.base) as usize))
            .unwrap_or("")
    }

    /// File, line and column of a span's start; `None` for a span in no input.
    pub fn locate(&self, span: Span) -> Option<Location<'_>> {
        let file = self.source(span.start)?;
        let index = self.files.partition_point(|f| f.base < file.base);
        let starts = self.lines.get(index)?.get_or_init(|| line_starts(&file.text));
        let at = span.start - file.base;
        let line = starts.partition_point(|s| *s <= at);
        let start = *starts.get(line.checked_sub(1)?)?;
        let before = file.text.as_bytes().get(start as usize..(at as usize).min(file.text.len()))?;
        let column = String::from_utf8_lossy(before).chars().count() as u32 + 1;
        Some(Location { name: &file.name, line: line as u32, column })
    }

    /// The position span of line `line` (from 1) of the input called `name`, without its newline.
    pub fn line_span(&self, name: &str, line: u32) -> Option<Span> {
        let file = self.files.iter().find(|f| f.name == name)?;
        let mut start = 0;
        for (i, text) in file.text.split('\n').enumerate() {
            if i as u32 + 1 == line {
                return Some(Span::new(file.base + start, file.base + start + text.len() as u32));
            }
            start += text.len() as u32 + 1;
        }
        None
    }
}

/// Where the lines of a text begin.
fn line_starts(text: &str) -> Vec<u32> {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes());
    std::iter::once(0).chain(ends.map(|i| i as u32 + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_position_space_over_all_inputs() {
        let mut s = Sources::default();
        let a = s.add("a", "one\ntwo").unwrap().base;
        let b = s.add("b", "ä\n-A x").unwrap().base;
        assert_eq!(s.locate(Span::new(a + 4, a + 7)).unwrap().to_string(), "a:2:1");
        assert_eq!(s.text(Span::new(a + 4, a + 7)), "two");
        assert_eq!(s.locate(Span::new(b + 6, b + 7)).unwrap().to_string(), "b:2:4");
        assert_eq!(s.locate(Span::new(b + 2, b + 2)).unwrap().to_string(), "b:1:2");
        assert_eq!(s.text(s.line_span("b", 2).unwrap()), "-A x");
        assert_eq!(s.locate(Span::default()), None);
    }
}
