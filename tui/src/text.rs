//! Text that is safe to draw: `\x1b[31m` becomes `␛[31m`, an override of the writing direction `<202E>`,
//! and columns are counted as a terminal counts them (`日本` takes four).
//!
//! Left out: wrapping by language rules; a long line breaks at a space or in mid-word.

use std::borrow::Cow;
use std::fmt::Write as _;

use nettrace_engine::visible::is_hidden;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Replaces everything that a terminal could obey by something visible.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('?')),
            '\x7f' => out.push('␡'),
            c if is_hidden(c) => {
                let _ = write!(out, "<{:04X}>", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Columns that a cleaned text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `columns` columns, cleaned; `…` stands for what was cut off.
pub fn clip(text: &str, columns: usize) -> String {
    let text = clean(text);
    if text.width() <= columns {
        return text.into_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        used += w;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The text in exactly `columns` columns: clipped, or filled with spaces.
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = clip(text, columns);
    let used = out.width();
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    out
}

/// The text in lines of at most `columns` columns, cleaned; those behind the first are indented by `indent`.
pub fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let text = clean(text);
    let columns = columns.max(indent + 2);
    let start = " ".repeat(indent);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        if used + word.trim_end().width() > columns && used > indent {
            lines.push(start.clone());
            used = indent;
        }
        for c in word.chars() {
            let w = c.width().unwrap_or(0);
            if used + w > columns {
                if c == ' ' {
                    continue;
                }
                lines.push(start.clone());
                used = indent;
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
            used += w;
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        let check = |text: &str, expect: &str| assert_eq!(clean(text), expect);
        check("plain ünï", "plain ünï");
        check("\x1b[2J\r\n\x07", "␛[2J␍␊␇");
        check("a\u{202e}b\u{2066}c", "a<202E>b<2066>c");
        check("\u{9b}31m\x7f", "<009B>31m␡");
        check("\u{200b}\u{feff}", "<200B><FEFF>");
    }

    #[test]
    fn columns_are_those_of_a_terminal() {
        let check = |text: &str, columns, expect: &str| {
            assert_eq!(clip(text, columns), expect);
            assert!(width(&clip(text, columns)) <= columns);
            assert_eq!(width(&fit(text, columns)), columns);
        };
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("日本語", 5, "日本…");
        check("日本語", 4, "日…");
        check("שלום עולם", 5, "שלום…");
        check("abc", 0, "");
    }

    #[test]
    fn long_lines_wrap_and_no_column_is_exceeded() {
        assert_eq!(wrap("one two three", 8, 2), ["one two", "  three"]);
        assert_eq!(wrap("", 8, 2), [""]);
        let words = "日本語".repeat(9);
        assert!(wrap(&words, 7, 2).iter().all(|l| width(l) <= 7));
        let joined: String = wrap(&words, 7, 2).iter().map(|l| l.trim_start().to_string()).collect();
        assert_eq!(joined, words);
    }
}
