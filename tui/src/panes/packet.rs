//! The packet pane: header, marks and connection at the step; what it changes as `old => new`, what changed before as
//! `8200 (was 31002)`, and whose bits a mark's are.
//!
//! Folded it leaves out what people rarely look at (`z` shows all fields).

use nettrace_engine::field::Field;
use nettrace_engine::packet::{Got, Packet};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::canvas::{Ink, put};
use crate::label::got;
use crate::rows::top;
use crate::state::{Break, Pane, State};
use crate::text::{fit, width};
use crate::theme::Role;

/// Fields that are always shown when the packet has them, in this order.
const USUAL: &[Field] = &[
    Field::Proto,
    Field::Saddr,
    Field::Sport,
    Field::Daddr,
    Field::Dport,
    Field::Iif,
    Field::Oif,
    Field::Mark,
    Field::CtState,
    Field::CtMark,
    Field::TcpFlags,
    Field::IcmpType,
    Field::IcmpCode,
    Field::Ttl,
    Field::PhysIn,
    Field::PhysOut,
    Field::CtStatus,
    Field::CtOrigSrc,
    Field::CtOrigSport,
    Field::CtOrigDst,
    Field::CtOrigDport,
    Field::CtReplSrc,
    Field::CtReplSport,
    Field::CtReplDst,
    Field::CtReplDport,
];

/// A row of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketRow {
    /// A field: at the start of the walk, before the step, behind it.
    Field(Field, Got, Got, Got),
    /// A line about the mark above.
    Mark(String),
}

fn is_quiet(field: Field, got: Got) -> bool {
    match got {
        Got::Absent => true,
        Got::Value(v) => {
            v == 0 && matches!(field, Field::Iif | Field::Oif | Field::CtMark | Field::CtState | Field::CtStatus)
        }
        Got::Unknown => false,
    }
}

/// All rows.
pub fn rows(state: &State) -> Vec<PacketRow> {
    let start = &state.trace().start;
    let (before, after) = state.packets();
    let row = |f: Field| PacketRow::Field(f, start.get(f), before.get(f), after.get(f));
    let loud = |f: Field, p: &Packet| !is_quiet(f, p.get(f));
    let changed = |f: Field| start.get(f) != after.get(f) || before.get(f) != after.get(f);
    let mut out = Vec::new();
    for f in USUAL.iter().copied().filter(|f| loud(*f, &after) || changed(*f)) {
        out.push(row(f));
        if let (Field::Mark, Got::Value(v)) = (f, after.get(f))
            && v != 0
        {
            let mark = u32::try_from(v).unwrap_or(u32::MAX);
            out.extend(state.session.words.mark(mark).into_iter().map(PacketRow::Mark));
        }
    }
    let rest = Field::ALL.iter().copied().filter(|f| !USUAL.contains(f));
    out.extend(rest.filter(|f| changed(*f) || (state.all_fields && loud(*f, &after))).map(row));
    out
}

/// The field of a row.
pub fn field_at(state: &State, row: usize) -> Option<Field> {
    match rows(state).get(row) {
        Some(PacketRow::Field(f, ..)) => Some(*f),
        _ => None,
    }
}

fn ink(state: &State, row: &PacketRow, columns: usize) -> Vec<Ink> {
    let family = state.trace().start.family();
    match row {
        PacketRow::Mark(text) => vec![Ink::new(format!("    {text}"), Role::Dim)],
        PacketRow::Field(f, start, before, after) => {
            let stop = if state.breaks.contains(&Break::Field(*f)) { "●" } else { " " };
            let names = if columns < 40 { 8 } else { 14 };
            let head = Ink::new(format!("{stop}{} ", fit(f.name(), names)), Role::Dim);
            let now = got(*f, *after, family);
            if before != after {
                let old = got(*f, *before, family);
                let fits = width(&old) + width(&now) + names + 6 <= columns;
                let text = if fits { format!("{old} => {now}") } else { format!("=> {now}  (was {old})") };
                return vec![head, Ink::new(text, Role::Rewrite)];
            }
            let was = match start {
                _ if start == after => String::new(),
                Got::Absent => String::new(),
                _ => format!("  (was {})", got(*f, *start, family)),
            };
            vec![head, Ink::new(now, Role::Normal), Ink::new(was, Role::Dim)]
        }
    }
}

/// Draws the pane.
pub fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let rows = rows(state);
    let cursor = state.field.min(rows.len().saturating_sub(1));
    let has_focus = state.focus == Pane::Packet;
    let changed = rows.iter().position(|r| matches!(r, PacketRow::Field(_, _, b, a) if a != b));
    let shown = if has_focus { cursor } else { changed.unwrap_or(0) };
    let first = top(shown, rows.len(), area.height as usize);
    for (y, (i, row)) in (0..area.height).zip(rows.iter().enumerate().skip(first)) {
        put(buf, area, y, &ink(state, row, area.width as usize), state.theme, has_focus && i == cursor);
    }
}
