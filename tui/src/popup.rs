//! Windows over the panes: help, texts, choices, the packet's form, the line being typed, the comparison. Keys go to the
//! one on top; Esc closes it.

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use nettrace_engine::trace::Event;

use crate::keymap::{Action, KEYS};
use crate::line::Line;
use crate::session::Request;
use crate::state::{Pick, Popup, State, Typing, Waiting};
use crate::update::Effect;
use crate::{compare, export, layout, moves, picture};

/// Carries out a key while a window is open.
pub fn act(state: &mut State, action: Action, key: KeyEvent) -> Effect {
    match action {
        Action::Close => close(state),
        Action::Accept => return accept(state),
        Action::Pick => {
            if let KeyCode::Char(digit) = key.code {
                return pick(state, digit.to_digit(10).unwrap_or(1) as usize - 1);
            }
        }
        _ => match state.popups.last_mut() {
            Some(Popup::Prompt(_, line)) => edit(line, action),
            _ => scroll(state, action),
        },
    }
    Effect::None
}

/// A question of a lesson cannot be closed by looking away: its answer would be shown.
fn close(state: &mut State) {
    if matches!(state.popups.last(), Some(Popup::Quiz(_))) {
        let asked = state.at;
        state.popups.pop();
        if let Some(course) = &mut state.course {
            course.shown = course.shown.max(asked);
        }
        return state.say("the question comes again with the next step");
    }
    state.popups.pop();
}

fn edit(line: &mut Line, action: Action) {
    match action {
        Action::CursorLeft => line.left(),
        Action::CursorRight => line.right(),
        Action::CursorStart => line.start(),
        Action::CursorEnd => line.end(),
        Action::DeleteBack => line.delete_back(),
        Action::Delete => line.delete(),
        Action::Clear => line.clear(),
        _ => {}
    }
}

/// How many rows the window on top has: for a text its lines when wrapped.
pub fn len(state: &State) -> usize {
    match state.popups.last() {
        Some(Popup::Help(_)) => KEYS.len() + 2 * crate::keymap::Context::ALL.len() - 1,
        Some(Popup::Text(_, lines, _)) => {
            let area = layout::popup_inner(state);
            let lines = wrapped(lines, area.width as usize).len();
            lines.saturating_sub(area.height as usize) + 1
        }
        Some(Popup::Choice(_, rows, _)) => rows.len(),
        Some(Popup::Quiz(_)) => state.course.as_ref().and_then(|c| c.open()).map_or(0, |q| q.choices.len()),
        Some(Popup::Form(fields, _)) => fields.len() + 1,
        Some(Popup::Compare(_)) => compare::pairs(state).len(),
        Some(Popup::Prompt(..)) | None => 0,
    }
}

/// A text wrapped to a width.
pub fn wrapped(lines: &[String], columns: usize) -> Vec<String> {
    lines.iter().flat_map(|l| crate::text::wrap(l, columns, 0)).collect()
}

fn scroll(state: &mut State, action: Action) {
    let (len, page) = (len(state), layout::popup_inner(state).height as usize);
    let Some(
        Popup::Help(row)
        | Popup::Text(_, _, row)
        | Popup::Choice(_, _, row)
        | Popup::Quiz(row)
        | Popup::Form(_, row)
        | Popup::Compare(row),
    ) = state.popups.last_mut()
    else {
        return;
    };
    *row = moves::moved(action, *row, len, page);
}

/// Takes the row of a number, where rows can be taken.
pub fn pick(state: &mut State, row: usize) -> Effect {
    let len = len(state);
    match state.popups.last_mut() {
        Some(Popup::Choice(_, _, at) | Popup::Quiz(at) | Popup::Form(_, at)) if row < len => {
            *at = row;
            accept(state)
        }
        _ => Effect::None,
    }
}

fn accept(state: &mut State) -> Effect {
    match state.popups.pop() {
        Some(Popup::Choice(_, rows, at)) => match rows.into_iter().nth(at) {
            Some((_, pick)) => take(state, pick),
            None => Effect::None,
        },
        Some(Popup::Quiz(at)) => {
            answer(state, at);
            Effect::None
        }
        Some(Popup::Form(fields, at)) => form(state, fields, at),
        Some(Popup::Prompt(typing, line)) => typed(state, typing, line.text().trim()),
        Some(Popup::Compare(at)) => {
            let event = compare::pairs(state).get(at).and_then(|p| p.1.or(p.0));
            if let Some(event) = event {
                moves::to(state, event.min(state.trace().events.len().saturating_sub(1)));
            }
            Effect::None
        }
        Some(Popup::Help(_) | Popup::Text(..)) | None => Effect::None,
    }
}

fn take(state: &mut State, pick: Pick) -> Effect {
    match pick {
        Pick::Way(way) => {
            let prefix = state.shown().trace.events.iter().zip(&state.session.ways[way].trace.events);
            let same = prefix.take_while(|(a, b)| a == b).count();
            state.way = way;
            moves::reload(state);
            let at = state.timeline.stops().iter().copied().find(|s| *s >= state.at.min(same)).unwrap_or(0);
            moves::to(state, at);
            let summary = state.shown().summary.clone();
            state.say(format!("another outcome: {summary}"));
            Effect::None
        }
        Pick::Look(chain) => {
            moves::look(state, chain);
            Effect::None
        }
        Pick::Pin(key, answer) => {
            let mut request = state.session.request.clone();
            request.pins.retain(|p| p.0 != key);
            request.pins.push((key, answer));
            state.ask(request, Waiting::Walk)
        }
    }
}

fn answer(state: &mut State, at: usize) {
    let Some(course) = &mut state.course else { return };
    let Some(target) = course.open().map(|q| q.at) else { return };
    let lines = course.answer(at);
    moves::to(state, target);
    state.popups.push(Popup::Text("Answer".to_string(), lines, 0));
}

/// The packet's form: a field is typed, or the last row walks it.
fn form(state: &mut State, fields: Vec<crate::session::Asked>, at: usize) -> Effect {
    if let Some(field) = fields.get(at) {
        let line = Line::new(&field.text);
        state.popups.push(Popup::Form(fields, at));
        state.popups.push(Popup::Prompt(Typing::Field(at), line));
        return Effect::None;
    }
    let request = Request { packet: fields, ..state.session.request.clone() };
    state.ask(request, Waiting::Walk)
}

fn typed(state: &mut State, typing: Typing, text: &str) -> Effect {
    match typing {
        Typing::Search => {
            state.search = text.to_string();
            if !text.is_empty() {
                moves::find(state, true);
            }
        }
        Typing::Command if !text.is_empty() => {
            let mut request = state.session.request.clone();
            request.with.push(text.to_string());
            return state.ask(request, Waiting::Walk);
        }
        Typing::Field(at) => {
            if let Some(Popup::Form(fields, _)) = state.popups.last_mut()
                && let Some(field) = fields.get_mut(at)
            {
                field.text = text.to_string();
            }
        }
        Typing::File if !text.is_empty() => {
            let is = |wanted: &str| text.rsplit('.').next().is_some_and(|e| e.eq_ignore_ascii_case(wanted));
            let held = match () {
                () if is("json") => export::json(state),
                () if is("svg") => picture::svg(state),
                () => export::markdown(state),
            };
            return Effect::Save(text.to_string(), held);
        }
        Typing::Chain if !text.is_empty() => moves::look_for(state, text),
        Typing::Command | Typing::File | Typing::Chain => {}
    }
    Effect::None
}

/// Whether a lesson has questions left.
fn is_being_asked(state: &State) -> bool {
    state.course.as_ref().is_some_and(|c| c.open().is_some())
}

/// Opens the choice at a fact, or between the outcomes.
pub fn choose(state: &mut State) {
    if is_being_asked(state) {
        return state.say("answer the lesson's questions first: this would tell what comes");
    }
    let mut rows = Vec::new();
    if let Some(Event::Answer { fact, label, assumed: true, .. }) = state.event() {
        let key = fact.key(state.model()).to_string();
        rows.push((format!("explore it instead of assuming \"{label}\""), Pick::Pin(key, "ask".to_string())));
    }
    let events = &state.trace().events;
    for (i, way) in state.session.ways.iter().enumerate().filter(|w| w.0 != state.way) {
        let at_answer = matches!(state.event(), Some(Event::Answer { .. }));
        let other = way.trace.events.get(state.at).filter(|_| way.trace.events.starts_with(&events[..state.at]));
        let said = match other {
            Some(Event::Answer { label, .. }) if at_answer => format!("{label}: "),
            _ => String::new(),
        };
        let odds = way.odds.map_or_else(String::new, |p| format!("  ({:.1} %)", p * 100.0));
        rows.push((format!("{said}{}{odds}", way.summary), Pick::Way(i)));
    }
    if rows.is_empty() {
        return state.say("nothing to choose: this is the only outcome, and no fact is assumed at this step");
    }
    state.popups.push(Popup::Choice("Choose another answer or outcome".to_string(), rows, 0));
}

/// Opens why the rule under the cursor did not decide.
pub fn why_not(state: &mut State) {
    let Some(rule) = state.rule_at_cursor() else { return state.say("no rule under the cursor of the chain") };
    if is_being_asked(state) {
        return state.say("answer the lesson's questions first: this would tell what comes");
    }
    let mut lines = vec![state.session.words.rule(rule).into_owned(), String::new()];
    lines.extend(state.session.words.why_not(state.way, rule));
    let title = format!("Why not {}", crate::label::rule(state.model(), rule));
    state.popups.push(Popup::Text(title, lines, 0));
}
