//! HTML under construction: elements are closed by construction, and text cannot become markup.
//!
//! `h.leaf("p.where", "nat <x>")` gives `<p class="where">nat &lt;x&gt;</p>`. Control characters and characters that
//! reorder text are made visible, as on a terminal. Left out: what a page says.

use nettrace_engine::limits::PAGE_BYTES;

use crate::output::safe;

/// Elements that have no end tag.
const VOID: &[&str] = &["meta", "br"];

/// A document or a part of one.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// An element with attributes; `what` is its name and classes: `li.step`.
    pub fn with(&mut self, what: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Html)) {
        let mut words = what.split('.');
        let name = words.next().unwrap_or("div");
        let classes: Vec<&str> = words.filter(|w| !w.is_empty()).collect();
        self.0.extend(["<", name]);
        if !classes.is_empty() {
            self.attribute("class", &classes.join(" "));
        }
        for (key, value) in attributes {
            self.attribute(key, value);
        }
        self.0.push('>');
        inside(self);
        if !VOID.contains(&name) {
            self.0.extend(["</", name, ">"]);
        }
    }

    /// An element without attributes.
    pub fn el(&mut self, what: &str, inside: impl FnOnce(&mut Html)) {
        self.with(what, &[], inside);
    }

    /// An element with nothing but text.
    pub fn leaf(&mut self, what: &str, text: &str) {
        self.el(what, |h| h.text(text));
    }

    /// An element with lines of text.
    pub fn lines(&mut self, what: &str, text: &str) {
        self.el(what, |h| {
            for line in text.lines() {
                h.text(line);
                h.own("\n");
            }
        });
    }

    /// Text.
    pub fn text(&mut self, text: &str) {
        self.0.push_str(&escape(text));
    }

    /// Something of our own that is HTML already: the style, the script, the document's first line.
    pub fn own(&mut self, text: &'static str) {
        self.0.push_str(text);
    }

    /// What `inside` draws, to be put in later; until then it counts as not there.
    pub fn aside<T>(&mut self, inside: impl FnOnce(&mut Html) -> T) -> (Html, T) {
        let at = self.0.len();
        let told = inside(self);
        (Html(self.0.split_off(at)), told)
    }

    /// Puts in what was drawn before.
    pub fn put(&mut self, part: &Html) {
        self.0.push_str(&part.0);
    }

    /// Whether the document is as long as it may become: what can be left out is left out.
    pub fn full(&self) -> bool {
        self.0.len() >= PAGE_BYTES
    }

    /// The document.
    pub fn finish(self) -> String {
        self.0
    }

    fn attribute(&mut self, key: &str, value: &str) {
        self.0.extend([" ", key, "=\"", &escape(value), "\""]);
    }
}

/// Text that is only text, between tags and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in safe(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let check = |text: &str, expect: &str| {
            let mut h = Html::default();
            h.with("p.a.b", &[("title", text)], |h| h.text(text));
            assert_eq!(h.finish(), format!("<p class=\"a b\" title=\"{expect}\">{expect}</p>"));
        };
        check("a < b & c", "a &lt; b &amp; c");
        check("</script><script>x('\"')", "&lt;/script&gt;&lt;script&gt;x(&#39;&quot;&#39;)");
        check("\u{1b}[31m\u{202e}\n", "\\u{1b}[31m\\u{202e}\\n");
    }
}
