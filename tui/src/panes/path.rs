//! The path pane: hooks and base chains as a rail, the chains that are open at the step, and the hooks that are not on the
//! way, each with the decision that led elsewhere.
//!
//! ```text
//! ✓ PREROUTING
//! ✓   raw PREROUTING
//! ▶   nat PREROUTING
//! │    KUBE-SERVICES #97
//! └    KUBE-NODEPORTS #3 ◀
//! · routing: forwarded by cali7d3 to 10.244.166.136
//! – INPUT not on the path: 10.244.166.136 is not this host …
//! ```
//!
//! Unfolded (`z`) it lists every step.

use nettrace_engine::model::ChainId;
use nettrace_engine::trace::Event;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::canvas::{Ink, put};
use crate::label;
use crate::rows::top;
use crate::state::{Pane, State};
use crate::theme::Role;

/// A row of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRow {
    /// An event.
    Event(usize),
    /// A chain that is open at the step, entered by this event; and whether it is the innermost.
    Frame(ChainId, usize, bool),
    /// A hook that is not on the way, by its number in [`crate::session::Way::skipped`].
    Skipped(usize),
}

impl PathRow {
    /// The event that the row leads to.
    pub fn event(&self) -> Option<usize> {
        match self {
            PathRow::Event(e) | PathRow::Frame(_, e, _) => Some(*e),
            PathRow::Skipped(_) => None,
        }
    }
}

fn on_rail(event: &Event) -> bool {
    matches!(event, Event::Hook(_) | Event::Enter(_) | Event::Route(_) | Event::Fate(_) | Event::Reply { .. })
}

/// All rows.
pub fn rows(state: &State) -> Vec<PathRow> {
    let horizon = state.horizon();
    let stops = state.timeline.stops().iter().copied().take_while(|i| *i <= horizon);
    let mut out = Vec::new();
    if state.all_steps {
        out.extend(stops.map(PathRow::Event));
    } else {
        let base = base_of_step(state);
        for i in stops.filter(|i| on_rail(&state.trace().events[*i])) {
            out.push(PathRow::Event(i));
            if Some(i) == base {
                frames(state, &mut out);
            }
        }
    }
    if horizon >= state.trace().events.len() {
        out.extend((0..state.shown().skipped.len()).map(PathRow::Skipped));
    }
    out
}

/// The event by which the base chain of the step was entered.
fn base_of_step(state: &State) -> Option<usize> {
    state.timeline.spot(state.at)?.base?;
    let events = &state.trace().events;
    (0..=state.at).rev().find(|i| matches!(events.get(*i), Some(Event::Enter(_))))
}

fn frames(state: &State, out: &mut Vec<PathRow>) {
    let stack = state.timeline.stack(state.at);
    let inner = stack.len().saturating_sub(1);
    for (i, (chain, visit)) in stack.into_iter().enumerate().skip(1) {
        out.push(PathRow::Frame(chain, visit, i == inner));
    }
}

/// The row of the step.
pub fn current(state: &State, rows: &[PathRow]) -> usize {
    let here = |r: &PathRow| match r {
        PathRow::Event(e) => *e <= state.at,
        PathRow::Frame(..) => true,
        PathRow::Skipped(_) => false,
    };
    let last_past = rows.iter().rposition(|r| matches!(r, PathRow::Event(e) if *e <= state.at));
    let frames = last_past.map_or(0, |i| rows[i + 1..].iter().take_while(|r| matches!(r, PathRow::Frame(..))).count());
    rows.iter().rposition(here).map_or(0, |_| last_past.unwrap_or(0) + frames)
}

/// How a row reads: a sign and a text.
fn row_ink(state: &State, row: PathRow, is_current: bool) -> Vec<Ink> {
    let (model, family) = (state.model(), state.trace().start.family());
    match row {
        PathRow::Frame(chain, visit, inner) => {
            let line = if inner { "└" } else { "│" };
            let index = last_rule_in(state, visit).map_or_else(String::new, |n| format!(" #{n}"));
            let text = format!("{line}    {}{index}", model.chain_name(chain));
            let role = if inner { Role::Current } else { Role::Normal };
            vec![Ink::new(text, role), Ink::new(if inner { " ◀" } else { "" }, Role::Current)]
        }
        PathRow::Skipped(i) => {
            let Some((hook, why)) = state.shown().skipped.get(i) else { return Vec::new() };
            vec![Ink::new(format!("– {} not on the path: {why}", label::hook(*hook)), Role::Dim)]
        }
        PathRow::Event(i) => {
            let Some(event) = state.trace().events.get(i) else { return Vec::new() };
            let (text, mut role) = label::event(model, event, family);
            let indent = usize::from(state.timeline.level(i)) * 2;
            let sign = match event {
                _ if is_current => "▶",
                _ if i > state.at => "·",
                Event::Fate(_) if role == Role::Drop => "✗",
                _ => "✓",
            };
            if is_current {
                role = Role::Current;
            } else if i > state.at && role != Role::Drop {
                role = Role::Dim;
            }
            vec![Ink::new(format!("{sign} "), role), Ink::new(format!("{:indent$}{text}", ""), role)]
        }
    }
}

/// The number of the last rule that matched in the pass that event `visit` began, up to the step.
fn last_rule_in(state: &State, visit: usize) -> Option<u64> {
    let events = &state.trace().events;
    (visit..=state.at).rev().find_map(|i| match events.get(i) {
        Some(Event::Rule { index, .. }) if state.timeline.spot(i).is_some_and(|s| s.visit == visit) => {
            Some(u64::from(*index) + 1)
        }
        _ => None,
    })
}

/// Draws the pane.
pub fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let rows = rows(state);
    let here = current(state, &rows);
    let cursor = state.path.unwrap_or(here);
    let first = top(cursor, rows.len(), area.height as usize);
    for (y, (i, row)) in (0..area.height).zip(rows.iter().enumerate().skip(first)) {
        let is_here = i == here && matches!(row, PathRow::Event(e) if *e <= state.at);
        let ink = row_ink(state, *row, is_here);
        let under = state.focus == Pane::Path && i == cursor;
        put(buf, area, y, &ink, state.theme, under);
    }
}
