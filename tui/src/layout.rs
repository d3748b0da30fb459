//! Where everything stands, computed from the terminal's size alone:
//!
//! ```text
//! 80 columns and more            fewer
//! ┌ title ──────── step ┐        ┌ title ─── step ┐
//! │ packet              │        │ packet         │
//! ├ Path ─┬ Chain ──────┤        ├ Chain ─────────┤
//! │       │             │        │                │
//! │       ├ Packet ┬ Why┤        ├ Path|Packet|Why┤
//! │       │        │    │        │                │
//! │ keys                │        │ keys           │
//! └─────────────────────┘        └────────────────┘
//! ```
//!
//! Below 40 columns or 10 rows nothing is drawn but a line that says so.

use ratatui::layout::Rect;

use crate::state::{Pane, Popup, State};
use crate::text::wrap;

/// Fewest columns and rows that can be drawn on.
pub const SMALLEST: (u16, u16) = (40, 10);

/// The parts of the screen; a pane that is not shown has no height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// Title and packet.
    pub header: Rect,
    /// Panes with their borders, in the order of [`Pane::ALL`].
    pub panes: [Rect; 4],
    /// Keys or a message.
    pub footer: Rect,
}

impl Areas {
    /// A pane with its border.
    pub fn pane(&self, pane: Pane) -> Rect {
        self.panes[pane as usize]
    }
}

/// Whether the terminal is too small for four panes at once.
pub fn is_small(state: &State) -> bool {
    state.size.0 < 80
}

/// The parts of the screen.
pub fn areas(state: &State) -> Areas {
    let (w, h) = state.size;
    if w < SMALLEST.0 || h < SMALLEST.1 {
        return Areas::default();
    }
    let body = Rect::new(0, 2, w, h - 3);
    let mut areas = Areas { header: Rect::new(0, 0, w, 2), footer: Rect::new(0, h - 1, w, 1), ..Areas::default() };
    let mut set = |pane: Pane, x, y, w, h| areas.panes[pane as usize] = Rect::new(x, y, w, h);
    if is_small(state) {
        let top = body.height - (body.height * 2 / 5).max(4);
        set(Pane::Chain, 0, body.y, w, top);
        set(state.tab, 0, body.y + top, w, body.height - top);
        return areas;
    }
    let left = (w * 3 / 10).clamp(24, 44);
    let right = w - left;
    let bottom = (body.height * 2 / 5).clamp(5, 16);
    let top = body.height - bottom;
    let packet = right / 2;
    set(Pane::Path, 0, body.y, left, body.height);
    set(Pane::Chain, left, body.y, right, top);
    set(Pane::Packet, left, body.y + top, packet, bottom);
    set(Pane::Why, left + packet, body.y + top, right - packet, bottom);
    areas
}

/// What is left of an area inside its border.
pub fn inside(area: Rect) -> Rect {
    let (w, h) = (area.width.saturating_sub(2), area.height.saturating_sub(2));
    if w == 0 || h == 0 { Rect::default() } else { Rect::new(area.x + 1, area.y + 1, w, h) }
}

/// A pane without its border.
pub fn inner(state: &State, pane: Pane) -> Rect {
    inside(areas(state).pane(pane))
}

/// The window on top with its border.
pub fn popup(state: &State) -> Rect {
    let (w, h) = state.size;
    let (width, height) = match state.popups.last() {
        None => return Rect::default(),
        Some(Popup::Prompt(..)) => (w.saturating_sub(8).min(100), 3),
        Some(Popup::Compare(_) | Popup::Help(_)) => (w.saturating_sub(2), h.saturating_sub(2)),
        Some(Popup::Choice(_, rows, _)) => (w.saturating_sub(6).min(100), rows.len() as u16 + 2),
        Some(Popup::Quiz(_)) => {
            let width = w.saturating_sub(6).min(90);
            let open = state.course.as_ref().and_then(|c| c.open());
            let lines = open.map_or(0, |q| wrap(&q.ask, width.saturating_sub(2) as usize, 0).len() + q.choices.len());
            (width, u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(3))
        }
        Some(Popup::Form(fields, _)) => (w.saturating_sub(6).min(72), fields.len() as u16 + 3),
        Some(Popup::Text(_, lines, _)) => {
            let width = w.saturating_sub(6).min(90);
            let lines = crate::popup::wrapped(lines, width.saturating_sub(2) as usize).len();
            (width, u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2))
        }
    };
    let height = height.min(h.saturating_sub(2)).max(3).min(h);
    Rect::new((w - width.min(w)) / 2, (h - height) / 2, width.min(w), height)
}

/// The window on top without its border.
pub fn popup_inner(state: &State) -> Rect {
    inside(popup(state))
}
