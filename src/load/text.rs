//! Bytes of an input to text: what is compressed or in UTF-16 is refused with the command that helps, bytes that are no
//! UTF-8 are replaced, colours of a terminal are taken out, and lines longer than any dump has are cut so that what stood there is unknown.
//!
//! Left out: what the text is ([`super::kinds`]).

use std::fmt::Write as _;

use nettrace_engine::limits;
use nettrace_grammar::{Diagnostic, Source, Span};

/// Compressed files by their first bytes.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\x1f\x8b", "gzip -dc"), (b"\xfd7zXZ\0", "xz -dc"), (b"\x28\xb5\x2f\xfd", "zstd -dc"), (b"BZh", "bzip2 -dc")];

/// What stands where a line was cut: a target that nobody knows, so that a rule may do anything there, and no entry.
const CUT: &str = "-j line-is-too-long";

/// The text of an input's bytes, or why it has none.
pub fn decode(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() as u64 > limits::INPUT {
        return Err(format!("is larger than {} MiB", limits::INPUT >> 20));
    }
    if let Some((_, unpack)) = COMPRESSED.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(format!("is compressed: unpack it with `{unpack}` first, or with `tar -xf` if it is an archive"));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Err("is a tar archive: unpack it with `tar -xf` and give its folder".to_string());
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8` first".to_string());
    }
    let mut text = String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    // What a terminal showed in colours (`ip -c`).
    if memchr::memchr(0x1b, text.as_bytes()).is_some() {
        text = anstream::adapter::strip_str(&text).to_string();
    }
    if text.len() > limits::LINES && memchr::memchr_iter(b'\n', text.as_bytes()).count() > limits::LINES {
        return Err(format!("has more than {} lines", limits::LINES));
    }
    Ok(text)
}

/// The text with too long lines cut, and for each of them the line's number from 1 and how many bytes it had.
pub fn cut_lines(text: String) -> (String, Vec<(u32, usize)>) {
    let places = long_lines(text.as_bytes());
    if places.is_empty() {
        return (text, Vec::new());
    }
    let (mut out, mut found) = (String::new(), Vec::new());
    let (mut at, mut number) = (0, 1);
    for (start, end) in places {
        number += memchr::memchr_iter(b'\n', &text.as_bytes()[at..start]).count() as u32;
        out.push_str(&text[at..start]);
        let _ = write!(out, "{} {CUT}", head(&text[start..end]));
        found.push((number, end - start));
        at = end;
    }
    out.push_str(&text[at..]);
    (out, found)
}

/// What is kept of a long line: `[5:300] -A INPUT` of a rule, `add web` of an entry.
fn head(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().take(3).collect();
    let kept = if words.first().is_some_and(|w| w.starts_with('[')) { 3 } else { 2 };
    let short = words.iter().take(kept).all(|w| w.len() < 256);
    if short && words.len() == 3 { words[..kept].join(" ") } else { String::new() }
}

/// Start and end of each line longer than [`limits::LINE`]. Looks only at the last line break of each stretch of that
/// length, so that a text without long lines costs nothing.
fn long_lines(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while bytes.len() - at > limits::LINE {
        let last = memchr::memrchr(b'\n', &bytes[at..=at + limits::LINE]);
        if let Some(last) = last {
            at += last + 1;
            continue;
        }
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
        found.push((at, end));
        at = (end + 1).min(bytes.len());
    }
    found
}

/// What is said of lines that were cut.
pub fn complain(source: &Source, cut: &[(u32, usize)]) -> Vec<Diagnostic> {
    let mut ends = source.text.split('\n').scan(source.base, |at, line| {
        let span = Span::new(*at, *at + line.len() as u32);
        *at = span.end + 1;
        Some(span)
    });
    let mut seen = 0;
    let mut one = |(number, bytes): &(u32, usize)| {
        let span = ends.nth((*number - 1 - seen) as usize)?;
        seen = *number;
        let message = format!("this line has {bytes} bytes; lines longer than {} bytes are not read", limits::LINE);
        Some(Diagnostic::error("NT005", span, message))
    };
    cut.iter().filter_map(&mut one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_told_with_the_command_that_makes_it_one() {
        let check = |bytes: &[u8], expect: Result<&str, &str>| {
            let found = decode(bytes.to_vec());
            match expect {
                Ok(text) => assert_eq!(found.as_deref(), Ok(text)),
                Err(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{found:?}"),
            }
        };
        check(b"*filter\n", Ok("*filter\n"));
        check(b"\xef\xbb\xbf*filter\n", Ok("*filter\n"));
        check(b"gr\xf6\xdfe\0", Ok("gr\u{fffd}\u{fffd}e\0"));
        check(b"\x1f\x8b\x08", Err("gzip -dc"));
        check(b"\xfd7zXZ\0\0", Err("xz -dc"));
        check(b"\xff\xfe*\0", Err("iconv"));
        check(&[&[b'a'; 257][..], b"ustar\0"].concat(), Err("tar -xf"));
        let lines = vec![b'\n'; limits::LINES + 1];
        check(&lines, Err("more than 5000000 lines"));
        check(&lines[1..], Ok(&"\n".repeat(limits::LINES)));
    }

    #[test]
    fn long_lines_are_cut_and_no_other() {
        let check = |lengths: &[usize], expect: &[(u32, usize)]| {
            let text = lengths.iter().map(|n| "x ".repeat(n / 2) + &"x".repeat(n % 2) + "\n").collect::<String>();
            let (cut, found) = cut_lines(text.clone());
            assert_eq!(found, expect, "{lengths:?}");
            assert_eq!(cut.lines().count(), lengths.len());
            assert_eq!(cut == text, expect.is_empty());
            for (number, _) in expect {
                assert!(cut.lines().nth(*number as usize - 1).is_some_and(|l| l.ends_with(CUT)));
            }
        };
        let most = limits::LINE;
        check(&[], &[]);
        check(&[10, most, 10, most - 1, most], &[]);
        check(&[most + 1], &[(1, most + 1)]);
        check(&[10, 3 * most, 10, most + 1, 10], &[(2, 3 * most), (4, most + 1)]);
        assert_eq!(head("-A INPUT -m comment --comment \"a b c\""), "-A INPUT");
        assert_eq!(head("[1:2] -A INPUT -j x"), "[1:2] -A INPUT");
        assert_eq!(head(&"x".repeat(2000)), "");
    }
}
