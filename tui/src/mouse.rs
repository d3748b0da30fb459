//! The mouse: a click moves focus and cursor, a click on the row under the cursor goes there, the wheel scrolls.

use ratatui::crossterm::event::{KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::keymap::Action;
use crate::panes::{chain, packet, path};
use crate::rows::top;
use crate::state::{Pane, Popup, State};
use crate::update::{Effect, set_focus};
use crate::{layout, moves, popup};

/// Takes in what the mouse did.
pub fn update(state: &mut State, event: MouseEvent) -> Effect {
    let at = Position::new(event.column, event.row);
    let action = match event.kind {
        MouseEventKind::ScrollDown => Action::Down,
        MouseEventKind::ScrollUp => Action::Up,
        MouseEventKind::Down(MouseButton::Left) => return click(state, at),
        _ => return Effect::None,
    };
    if !state.popups.is_empty() {
        let key = KeyEvent::new(ratatui::crossterm::event::KeyCode::Null, KeyModifiers::NONE);
        return popup::act(state, action, key);
    }
    if let Some(pane) = pane_at(state, at) {
        set_focus(state, pane);
        moves::scroll(state, action);
    }
    Effect::None
}

fn pane_at(state: &State, at: Position) -> Option<Pane> {
    let areas = layout::areas(state);
    Pane::ALL.into_iter().find(|p| areas.pane(*p).contains(at))
}

fn click(state: &mut State, at: Position) -> Effect {
    state.message = None;
    if !state.popups.is_empty() {
        return click_popup(state, at);
    }
    let Some(pane) = pane_at(state, at) else { return Effect::None };
    let again = state.focus == pane;
    set_focus(state, pane);
    let area = layout::inner(state, pane);
    if !area.contains(at) {
        return Effect::None;
    }
    if select(state, pane, usize::from(at.y - area.y), area) && again {
        moves::go(state);
    }
    Effect::None
}

/// Puts the cursor on a row of a pane; whether it stood there already.
fn select(state: &mut State, pane: Pane, line: usize, area: Rect) -> bool {
    let height = area.height as usize;
    match pane {
        Pane::Path => {
            let rows = path::rows(state);
            let old = state.path.unwrap_or_else(|| path::current(state, &rows));
            let row = top(old, rows.len(), height) + line;
            state.path = Some(row.min(rows.len().saturating_sub(1)));
            row == old
        }
        Pane::Chain => {
            let lines = chain::lines(state, height);
            let Some(number) = lines.get(line).and_then(chain::ChainLine::row) else { return false };
            let Some(id) = state.chain() else { return false };
            let pass = state.pass();
            let rows = state.rows(id, &pass);
            let same = rows.of(state.cursor(id, &pass).index) == number;
            state.rule = Some(rows.cursor(number));
            same
        }
        Pane::Packet => {
            let rows = packet::rows(state).len();
            let row = top(state.field, rows, height) + line;
            let same = row == state.field;
            state.field = row.min(rows.saturating_sub(1));
            same
        }
        Pane::Why => false,
    }
}

fn click_popup(state: &mut State, at: Position) -> Effect {
    if !layout::popup(state).contains(at) {
        return Effect::None;
    }
    let area = layout::popup_inner(state);
    let line = usize::from(at.y.saturating_sub(area.y));
    match state.popups.last() {
        Some(Popup::Choice(_, rows, cursor)) => {
            let row = top(*cursor, rows.len(), area.height as usize) + line;
            popup::pick(state, row)
        }
        Some(Popup::Form(fields, cursor)) => {
            let row = top(*cursor, fields.len() + 1, area.height as usize) + line;
            popup::pick(state, row)
        }
        Some(Popup::Quiz(_)) => match line.checked_sub(crate::draw::quiz_top(state)) {
            Some(row) => popup::pick(state, row),
            None => Effect::None,
        },
        _ => Effect::None,
    }
}
