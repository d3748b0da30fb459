//! The screen for terminals that know ASCII only: every other character gets a stand-in of the same width.
//!
//! `▶ ✓ KUBE-SERVICES #97 → KUBE-NODEPORTS` becomes `> + KUBE-SERVICES #97 > KUBE-NODEPORTS`. Panes draw as always; the
//! finished buffer is read once more. Left out: deciding which terminal that is.

use ratatui::buffer::Buffer;

/// Every character that the stepper draws of its own, and what stands in for it.
const GLYPHS: &[(&str, char)] = &[
    ("▶→⇒›", '>'),
    ("◀←↩‹", '<'),
    ("↑", '^'),
    ("↓", 'v'),
    ("✓┌┐└┘├┤┬┴┼╭╮╰╯", '+'),
    ("✗", 'x'),
    ("●", '*'),
    ("·⋯…", '.'),
    ("–—─━═", '-'),
    ("≠", '!'),
    ("│┃║", '|'),
];

/// What stands in for a character; none for one that is not the stepper's.
pub fn stand_in(c: char) -> Option<char> {
    GLYPHS.iter().find(|(glyphs, _)| glyphs.contains(c)).map(|(_, plain)| *plain)
}

/// Leaves nothing but ASCII in a buffer; what has no stand-in, a comment's own letters, becomes `?`.
pub fn plain(buf: &mut Buffer) {
    for cell in &mut buf.content {
        let symbol = cell.symbol();
        if !symbol.is_ascii() {
            let c = symbol.chars().next().unwrap_or('?');
            cell.set_char(stand_in(c).unwrap_or('?'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn every_cell_is_ascii_and_nothing_moves() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 24, 1));
        buf.set_string(0, 0, "▶ ✓ A → B │ 日本 é … end", Style::new());
        plain(&mut buf);
        let text: String = buf.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(text, "> + A > B | ? ?  ? . end");
    }
}
