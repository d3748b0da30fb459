//! Which characters of a dump never reach a terminal or a document raw: `\x1b[31m` in a comment, an override of the writing
//! direction in a chain's name, a zero-width space in a set's.
//!
//! One definition for all that is drawn. Left out: quoting for a format (JSON's, Markdown's), which is its renderer's.

use std::borrow::Cow;

/// Whether a character steers, reorders or hides others: C0, C1 and DEL, line and paragraph separators, zero-width
/// characters, direction marks, overrides and isolates, variation selectors of the tag and supplement planes, fillers.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'
                ..='\u{180f}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}')
        || matches!(c, '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// The text with its hidden characters written as escapes: `\u{202e}`, `\t`, `\n`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, |c| match c {
        '\t' => "\\t".to_string(),
        '\n' => "\\n".to_string(),
        c => c.escape_unicode().to_string(),
    })
}

/// JSON text with the hidden characters of its strings escaped as JSON does: `\u202e`. Line breaks between its parts stay.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    replaced(json, |c| match c {
        '\n' => c.to_string(),
        c => c.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |out, unit| out + &format!("\\u{unit:04x}")),
    })
}

fn replaced(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((plain, tail)) = first(rest.as_bytes()).and_then(|at| rest.split_at_checked(at)) {
        let mut chars = tail.chars();
        let Some(c) = chars.next() else { break };
        out.push_str(plain);
        if is_hidden(c) {
            out.push_str(&escape(c));
        } else {
            out.push(c);
        }
        rest = chars.as_str();
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Where the first byte is that may begin a hidden character. Looked for in strides, for most text has none.
fn first(bytes: &[u8]) -> Option<usize> {
    const STRIDE: usize = 64;
    let any = |part: &[u8]| part.iter().fold(false, |any, b| any | may_be_hidden(*b));
    let at = STRIDE * bytes.chunks(STRIDE).position(any)?;
    Some(at + bytes.get(at..)?.iter().position(|b| may_be_hidden(*b))?)
}

/// Whether a byte may begin a hidden character.
fn may_be_hidden(byte: u8) -> bool {
    !(0x20..0x7f).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_or_hides_is_written_as_an_escape() {
        let check = |text: &str, expect: &str| assert_eq!(escaped(text), expect);
        check("paas/config-center:http", "paas/config-center:http");
        check("größe 日本 שלום", "größe 日本 שלום");
        check("a\x1b[31mred\x7f", "a\\u{1b}[31mred\\u{7f}");
        check("evil\u{202e}txt\u{9b}1m", "evil\\u{202e}txt\\u{9b}1m");
        check("tab\there\nnext", "tab\\there\\nnext");
        check("z\u{200b}w\u{feff}\u{ad}", "z\\u{200b}w\\u{feff}\\u{ad}");
    }

    #[test]
    fn json_stays_the_same_value() {
        let check = |value: &str, json: &str| {
            let raw = serde_json::to_string(value).unwrap();
            assert_eq!(escaped_json(&raw), json);
            assert_eq!(serde_json::from_str::<String>(&escaped_json(&raw)).unwrap(), value);
        };
        check("plain", "\"plain\"");
        check("\u{202e}\u{9b}\x7f\\", "\"\\u202e\\u009b\\u007f\\\\\"");
        check("\u{e0041}", "\"\\udb40\\udc41\"");
        assert_eq!(escaped_json("{\n}"), "{\n}");
    }
}
