//! The why pane: the explanation of the step, in the words of `nettrace explain`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::canvas::{Ink, put};
use crate::state::State;
use crate::text::wrap;
use crate::theme::Role;

/// The lines, wrapped to a width.
pub fn lines(state: &State, columns: usize) -> Vec<String> {
    state.session.words.why(state.way, state.at).iter().flat_map(|l| wrap(l, columns, 2)).collect()
}

/// Draws the pane.
pub fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    for (y, (i, line)) in
        (0..area.height).zip(lines(state, area.width as usize).into_iter().enumerate().skip(state.why))
    {
        let role = if i == 0 { Role::Title } else { Role::Normal };
        put(buf, area, y, &[Ink::new(line, role)], state.theme, false);
    }
}
