//! Draws a state: header, panes, footer, the window on top. Draws only what is visible, and changes nothing.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line as TextLine;
use ratatui::widgets::{Block, Clear, Widget};

use crate::canvas::{Ink, put};
use crate::keymap::{Action, Context, KEYS};
use crate::panes::{chain, packet, path, why};
use crate::rows::top;
use crate::session::Asked;
use crate::state::{Pane, Popup, State, Typing};
use crate::text::{clip, fit, width, wrap};
use crate::theme::Role;
use crate::{ascii, compare, label, layout};

/// Draws the state, and says where the terminal's cursor belongs while a line is being typed.
pub fn draw(state: &State, buf: &mut Buffer) -> Option<Position> {
    let cursor = draw_all(state, buf);
    if state.ascii {
        ascii::plain(buf);
    }
    cursor
}

fn draw_all(state: &State, buf: &mut Buffer) -> Option<Position> {
    let areas = layout::areas(state);
    if areas.header.height == 0 {
        draw_too_small(state, buf);
        return None;
    }
    draw_header(state, areas.header, buf);
    for pane in Pane::ALL {
        let area = areas.pane(pane);
        if area.height > 0 {
            draw_pane(state, pane, area, buf);
        }
    }
    draw_footer(state, areas.footer, buf);
    draw_popup(state, buf)
}

fn draw_too_small(state: &State, buf: &mut Buffer) {
    let (w, h) = state.size;
    let text = format!("nettrace needs {} columns and {} rows; q quits", layout::SMALLEST.0, layout::SMALLEST.1);
    let area = Rect::new(0, 0, w, h).intersection(buf.area);
    for (y, line) in (0..area.height).zip(wrap(&text, w as usize, 0)) {
        put(buf, area, y, &[Ink::new(line, Role::Normal)], state.theme, false);
    }
}

fn draw_header(state: &State, area: Rect, buf: &mut Buffer) {
    let n = state.timeline.stops().len();
    let total = if state.course.is_some() { String::new() } else { format!("/{n}") };
    let mut right = format!("step {}{total} ", state.timeline.number(state.at) + 1);
    if state.session.ways.len() > 1 {
        right = format!("outcome {}/{}  {right}", state.way + 1, state.session.ways.len());
    }
    if let Some(leg) = state.leg() {
        right = format!("{leg}  {right}");
    }
    let what_if = state.session.request.with.len() + state.session.request.without.len();
    let what_if = if what_if > 0 { format!("  WHAT IF ({what_if})") } else { String::new() };
    let rules = chain::thousands(state.model().rules.len());
    let left = format!(" nettrace  {} · {rules} rules", state.session.title);
    let room = (area.width as usize).saturating_sub(width(&right) + width(&what_if));
    let left = clip(&left, room.saturating_sub(1));
    let gap = room.saturating_sub(width(&left));
    let line = [
        Ink::new(left, Role::Title),
        Ink::new(what_if, Role::Warn),
        Ink::new(" ".repeat(gap), Role::Normal),
        Ink::new(right, Role::Current),
    ];
    put(buf, area, 0, &line, state.theme, false);
    let (_, after) = state.packets();
    put(buf, area, 1, &[Ink::new(format!(" {}", label::packet(&after)), Role::Normal)], state.theme, false);
}

fn frame(state: &State, title: Vec<Ink>, right: &str, has_focus: bool) -> Block<'static> {
    let style = |role| state.theme.style(role);
    let spans = title.into_iter().map(|i| ratatui::text::Span::styled(i.text, style(i.role))).collect::<Vec<_>>();
    let block = Block::bordered()
        .border_style(style(if has_focus { Role::Focus } else { Role::Border }))
        .title(TextLine::from(spans));
    if right.is_empty() {
        return block;
    }
    block.title(TextLine::styled(format!(" {right} "), style(Role::Dim)).right_aligned())
}

fn title(state: &State, pane: Pane, columns: usize) -> Vec<Ink> {
    if pane == Pane::Chain {
        return vec![Ink::new(format!(" {} ", clip(&chain::title(state), columns.saturating_sub(18))), Role::Title)];
    }
    if !layout::is_small(state) {
        return vec![Ink::new(format!(" {} ", pane.title()), Role::Title)];
    }
    let tabs = [Pane::Path, Pane::Packet, Pane::Why];
    let tab = |p: Pane| {
        let number = p as usize + 1;
        let role = if p == pane { Role::Title } else { Role::Dim };
        let text = if p == pane { format!(" [{number} {}] ", p.title()) } else { format!(" {number} {} ", p.title()) };
        Ink::new(text, role)
    };
    tabs.into_iter().map(tab).collect()
}

fn draw_pane(state: &State, pane: Pane, area: Rect, buf: &mut Buffer) {
    let right = if pane == Pane::Chain { chain::count(state) } else { String::new() };
    let title = title(state, pane, area.width as usize);
    frame(state, title, &right, state.focus == pane).render(area, buf);
    let inner = layout::inside(area);
    match pane {
        Pane::Path => path::draw(state, inner, buf),
        Pane::Chain => chain::draw(state, inner, buf),
        Pane::Packet => packet::draw(state, inner, buf),
        Pane::Why => why::draw(state, inner, buf),
    }
}

fn draw_footer(state: &State, area: Rect, buf: &mut Buffer) {
    if let Some(message) = &state.message {
        return put(buf, area, 0, &[Ink::new(format!(" {message}"), Role::Warn)], state.theme, false);
    }
    let mut line = vec![Ink::new(" ", Role::Normal)];
    let mut room = (area.width as usize).saturating_sub(1);
    let (last, rest): (Vec<_>, Vec<_>) = KEYS
        .iter()
        .filter(|b| b.context == state.context() && !b.footer.is_empty())
        .partition(|b| matches!(b.action, Action::Help | Action::Quit));
    let size = |b: &crate::keymap::Binding| width(&b.keys[0].show()) + width(b.footer) + 3;
    room = room.saturating_sub(last.iter().map(|b| size(b)).sum());
    for b in rest.into_iter().chain(last.iter().copied()) {
        let is_last = last.iter().any(|l| l.action == b.action);
        if !is_last && size(b) > room {
            continue;
        }
        room = if is_last { room } else { room - size(b) };
        line.push(Ink::new(b.keys[0].show(), Role::Key));
        line.push(Ink::new(format!(" {}  ", b.footer), Role::Normal));
    }
    put(buf, area, 0, &line, state.theme, false);
}

fn draw_popup(state: &State, buf: &mut Buffer) -> Option<Position> {
    let popup = state.popups.last()?;
    let area = layout::popup(state);
    Clear.render(area, buf);
    let heading = vec![Ink::new(format!(" {} ", heading(state, popup)), Role::Title)];
    frame(state, heading, "", true).render(area, buf);
    let inner = layout::popup_inner(state);
    match popup {
        Popup::Help(first) => draw_lines(state, &help_lines(), *first, inner, buf),
        Popup::Text(_, lines, first) => {
            let lines = crate::popup::wrapped(lines, inner.width as usize);
            let inks: Vec<_> = lines.into_iter().map(|l| vec![Ink::new(l, Role::Normal)]).collect();
            draw_lines(state, &inks, *first, inner, buf);
        }
        Popup::Choice(_, rows, at) => {
            let row = |(i, r): (usize, &(String, _))| vec![Ink::new(format!("{:>2}  {}", i + 1, r.0), Role::Normal)];
            draw_list(state, &rows.iter().enumerate().map(row).collect::<Vec<_>>(), *at, inner, buf);
        }
        Popup::Quiz(at) => draw_quiz(state, *at, inner, buf),
        Popup::Form(fields, at) => draw_list(state, &form_rows(fields), *at, inner, buf),
        Popup::Compare(at) => draw_compare(state, *at, inner, buf),
        Popup::Prompt(_, line) => return Some(draw_prompt(state, line, inner, buf)),
    }
    None
}

fn heading(state: &State, popup: &Popup) -> String {
    match popup {
        Popup::Help(_) => "Keys".to_string(),
        Popup::Text(title, ..) | Popup::Choice(title, ..) => clip(title, state.size.0.saturating_sub(12) as usize),
        Popup::Quiz(_) => {
            let done = state.course.as_ref().map_or(0, |c| c.items.iter().filter(|i| i.taken.is_some()).count());
            format!("Question {}", done + 1)
        }
        Popup::Form(..) => "The packet: Enter edits a field".to_string(),
        Popup::Compare(_) => "Without the what-if │ with it".to_string(),
        Popup::Prompt(Typing::Search, _) => "Find".to_string(),
        Popup::Prompt(Typing::Command, _) => "What if: iptables …, nft …, ipset …, ip route …, sysctl -w …".to_string(),
        Popup::Prompt(Typing::Field(_), _) => "Value (empty for the default)".to_string(),
        Popup::Prompt(Typing::Chain, _) => "Chain to look at (INPUT, filter/INPUT)".to_string(),
        Popup::Prompt(Typing::File, _) => "Save as (.md, .json or .svg)".to_string(),
    }
}

fn draw_lines(state: &State, lines: &[Vec<Ink>], first: usize, area: Rect, buf: &mut Buffer) {
    for (y, line) in (0..area.height).zip(lines.iter().skip(first)) {
        put(buf, area, y, line, state.theme, false);
    }
}

fn draw_list(state: &State, rows: &[Vec<Ink>], cursor: usize, area: Rect, buf: &mut Buffer) {
    let first = top(cursor, rows.len(), area.height as usize);
    for (y, (i, row)) in (0..area.height).zip(rows.iter().enumerate().skip(first)) {
        put(buf, area, y, row, state.theme, i == cursor);
    }
}

/// The help: the whole table of keys.
pub fn help_lines() -> Vec<Vec<Ink>> {
    let mut out = Vec::new();
    for (context, title) in Context::ALL {
        if !out.is_empty() {
            out.push(Vec::new());
        }
        out.push(vec![Ink::new(title, Role::Title)]);
        for b in KEYS.iter().filter(|b| b.context == context) {
            let keys = fit(&b.show_keys(), 16);
            out.push(vec![Ink::new(format!("  {keys}"), Role::Key), Ink::new(b.help, Role::Normal)]);
        }
    }
    out
}

fn form_rows(fields: &[Asked]) -> Vec<Vec<Ink>> {
    let row = |f: &Asked| {
        let value = if f.text.is_empty() {
            Ink::new(format!("({})", f.default), Role::Dim)
        } else {
            Ink::new(f.text.clone(), Role::Rewrite)
        };
        vec![Ink::new(format!("  {} ", fit(f.name, 12)), Role::Normal), value]
    };
    let mut rows: Vec<_> = fields.iter().map(row).collect();
    rows.push(vec![Ink::new("  ▶ walk this packet", Role::Accept)]);
    rows
}

fn quiz_head(state: &State) -> Vec<String> {
    let columns = layout::popup_inner(state).width as usize;
    let mut lines = state.course.as_ref().and_then(|c| c.open()).map_or_else(Vec::new, |q| wrap(&q.ask, columns, 0));
    lines.push(String::new());
    lines
}

/// The first line of a question's window that holds an answer.
pub fn quiz_top(state: &State) -> usize {
    quiz_head(state).len()
}

fn draw_quiz(state: &State, at: usize, area: Rect, buf: &mut Buffer) {
    let Some(item) = state.course.as_ref().and_then(|c| c.open()) else { return };
    let head = quiz_head(state);
    for (y, line) in (0..area.height).zip(&head) {
        put(buf, area, y, &[Ink::new(line.clone(), Role::Title)], state.theme, false);
    }
    for (y, (i, choice)) in (head.len() as u16..area.height).zip(item.choices.iter().enumerate()) {
        put(buf, area, y, &[Ink::new(format!("  {}  {choice}", i + 1), Role::Normal)], state.theme, i == at);
    }
}

fn draw_compare(state: &State, cursor: usize, area: Rect, buf: &mut Buffer) {
    let pairs = compare::pairs(state);
    let before = &state.session.before;
    let Some(left) = before.get(state.way).or(before.first()) else { return };
    let family = state.trace().start.family();
    let half = (area.width as usize).saturating_sub(1) / 2;
    let side = |trace: &nettrace_engine::trace::Trace, i: Option<usize>, alone: bool| -> Ink {
        let Some(event) = i.and_then(|i| trace.events.get(i)) else { return Ink::new(fit("", half), Role::Dim) };
        let (text, role) = label::event(state.model(), event, family);
        Ink::new(fit(&format!("{}{text}", if alone { "≠ " } else { "  " }), half), if alone { role } else { Role::Dim })
    };
    let first = top(cursor, pairs.len(), area.height as usize);
    for (y, (n, (l, r))) in (0..area.height).zip(pairs.iter().enumerate().skip(first)) {
        let alone = l.is_none() || r.is_none();
        let ink = [side(&left.trace, *l, alone), Ink::new("│", Role::Border), side(state.trace(), *r, alone)];
        put(buf, area, y, &ink, state.theme, n == cursor);
    }
}

fn draw_prompt(state: &State, line: &crate::line::Line, area: Rect, buf: &mut Buffer) -> Position {
    let (before, after) = line.split();
    let columns = (area.width as usize).saturating_sub(1);
    let mut start = before;
    while width(&crate::text::clean(start)) > columns {
        let mut chars = start.chars();
        chars.next();
        start = chars.as_str();
    }
    let ink = [Ink::new(start, Role::Normal), Ink::new(after, Role::Normal)];
    put(buf, area, 0, &ink, state.theme, false);
    Position::new(area.x + width(&crate::text::clean(start)) as u16, area.y)
}
