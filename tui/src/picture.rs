//! A screen as an SVG picture, for the docs and for `S` with a name that ends in `.svg`. Self-contained: no script, no
//! font, no reference to anything outside.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::draw::draw;
use crate::state::State;

/// Width and height of a character.
const CELL: (f32, f32) = (8.4, 18.0);
const INK: &str = "#d4d4d4";
const PAPER: &str = "#1e1e1e";

/// The state as it would be drawn now.
pub fn svg(state: &State) -> String {
    let (columns, rows) = state.size;
    let mut buf = Buffer::empty(Rect::new(0, 0, columns, rows));
    let _ = draw(state, &mut buf);
    let size = (f32::from(columns) * CELL.0, f32::from(rows) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {:.0}\" font-family=\"monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\n",
        size.0, size.1
    );
    for y in 0..rows {
        row(&buf, y, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

/// The runs of equal style of a row.
fn row(buf: &Buffer, y: u16, out: &mut String) {
    let mut x = 0;
    while x < buf.area.width {
        let (start, style) = (x, buf[(x, y)].style());
        let mut text = String::new();
        while x < buf.area.width && buf[(x, y)].style() == style {
            text.push_str(buf[(x, y)].symbol());
            x += 1;
            // The cell behind a wide character is empty.
            let wide = crate::text::width(buf[(x - 1, y)].symbol()) > 1;
            x += u16::from(wide && x < buf.area.width);
        }
        run(&text, (start, y, x - start), style, out);
    }
}

fn run(text: &str, (x, y, cells): (u16, u16, u16), style: Style, out: &mut String) {
    let reversed = style.add_modifier.contains(Modifier::REVERSED);
    if text.trim().is_empty() && !reversed {
        return;
    }
    let (left, top, width) = (f32::from(x) * CELL.0, f32::from(y) * CELL.1, f32::from(cells) * CELL.0);
    let colour = style.fg.map_or(INK, colour);
    let (ink, paper) = if reversed { (PAPER, colour) } else { (colour, "none") };
    if reversed {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{paper}\"/>",
            CELL.1
        );
    }
    let bold = if style.add_modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{ink}\" \
         xml:space=\"preserve\"{bold}>{}</text>",
        top + 13.5,
        escape(text)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn colour(colour: Color) -> &'static str {
    match colour {
        Color::Red => "#f14c4c",
        Color::Green => "#4ec966",
        Color::Yellow => "#e5c04b",
        Color::Magenta => "#d670d6",
        Color::Cyan => "#4fc1d9",
        Color::DarkGray => "#8a8a8a",
        Color::Gray => "#b0b0b0",
        Color::Indexed(208) => "#ff8700",
        Color::Indexed(39) => "#00afff",
        _ => INK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_dump_stays_text() {
        assert_eq!(escape("<script> & co"), "&lt;script&gt; &amp; co");
    }
}
