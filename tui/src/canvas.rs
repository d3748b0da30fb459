//! Drawing a row: pieces of text with their roles, never wider than the area, the row under the cursor reversed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::text::{clip, width};
use crate::theme::{Role, Theme};

/// A piece of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ink {
    /// The text; it is cleaned when it is drawn.
    pub text: String,
    /// What it is.
    pub role: Role,
}

impl Ink {
    /// A piece.
    pub fn new(text: impl Into<String>, role: Role) -> Self {
        Ink { text: text.into(), role }
    }
}

/// Draws row `y` of an area.
pub fn put(buf: &mut Buffer, area: Rect, y: u16, pieces: &[Ink], theme: Theme, cursor: bool) {
    if y >= area.height {
        return;
    }
    let columns = area.width as usize;
    let mut used = 0;
    for piece in pieces {
        let text = clip(&piece.text, columns - used);
        buf.set_stringn(area.x + used as u16, area.y + y, &text, columns - used, theme.style(piece.role));
        used = (used + width(&text)).min(columns);
    }
    if cursor {
        buf.set_style(Rect::new(area.x, area.y + y, area.width, 1), theme.style(Role::Cursor));
    }
}
