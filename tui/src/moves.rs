//! Moving: in time (steps, hooks, rewrites, breakpoints), in a pane, and by searching. A lesson stops every way forward
//! at its next open question.

use nettrace_engine::model::{ChainId, Verdict};
use nettrace_engine::trace::Event;

use crate::keymap::Action;
use crate::panes::{chain, packet, path, why};
use crate::rows::{Cursor, Row};
use crate::state::{Break, Pane, Pick, Popup, State};
use crate::timeline::{Mark, Timeline, is};
use crate::{label, layout};

/// Makes an event the step. Behind an open question of a lesson it stays there and asks.
pub fn to(state: &mut State, target: usize) {
    let mut target = target;
    if let Some(course) = &mut state.course {
        let question = course.open().map(|q| q.at).filter(|q| state.at < *q && *q <= target);
        if let Some(question) = question {
            target = state.timeline.previous(question, |_| true).unwrap_or(state.at);
            state.popups.push(Popup::Quiz(0));
        }
        course.shown = course.shown.max(target);
    }
    let chain = state.chain();
    state.at = target;
    if state.chain() != chain {
        state.folds.open.clear();
    }
    state.path = None;
    state.rule = None;
    state.look = None;
    state.why = 0;
}

/// Shows a chain in the chain pane without going there; the next step shows the walk again.
pub fn look(state: &mut State, chain: ChainId) {
    state.look = Some(chain);
    state.rule = None;
    state.folds.open.clear();
    state.focus = Pane::Chain;
}

/// Looks at the chain of this name (`filter/INPUT`, `INPUT`); offers a choice where several have it.
pub fn look_for(state: &mut State, name: &str) {
    let found = nettrace_engine::explain::rules::chains(state.model(), name);
    match found.as_slice() {
        [] => state.say(format!("there is no chain {name:?}")),
        [one] => look(state, *one),
        many => offer(state, "Which chain?".to_string(), many),
    }
}

fn offer(state: &mut State, title: String, chains: &[ChainId]) {
    let row = |c: &ChainId| (label::chain(state.model(), *c), Pick::Look(*c));
    let rows = chains.iter().map(row).collect();
    state.popups.push(Popup::Choice(title, rows, 0));
}

fn to_or_say(state: &mut State, target: Option<usize>, why: &str) {
    match target {
        Some(target) => to(state, target),
        None => state.say(why),
    }
}

/// One step in some direction.
pub fn step(state: &mut State, action: Action) {
    let (t, at) = (&state.timeline, state.at);
    let (target, why) = match action {
        Action::Back => (t.previous(at, |_| true), "this is the first step"),
        Action::Over => (t.over(at).or_else(|| t.next(at, |_| true)), "this is the last step"),
        Action::OverBack => (t.over_back(at).or_else(|| t.previous(at, |_| true)), "this is the first step"),
        Action::Into => (t.into(at), "nothing is called here"),
        Action::Out => (t.out(at), "nothing around this step"),
        Action::First => (t.stops().first().copied(), "there are no steps"),
        Action::Last => (t.stops().last().copied(), "there are no steps"),
        _ => (t.next(at, |_| true), "this is the last step"),
    };
    to_or_say(state, target, why);
    if action == Action::Forward && target.is_none() {
        finish(state);
    }
}

/// The end of a lesson, once.
fn finish(state: &mut State) {
    if let Some(course) = &state.course
        && course.open().is_none()
    {
        state.popups.push(Popup::Text("The end of the lesson".to_string(), course.end(), 0));
    }
}

/// To the next or the previous event of a kind.
pub fn seek(state: &mut State, mark: Mark, forward: bool) {
    let hit = |i: usize| state.trace().events.get(i).is_some_and(|e| is(e, mark));
    let target = if forward { state.timeline.next(state.at, hit) } else { state.timeline.previous(state.at, hit) };
    to_or_say(state, target, if forward { "none ahead" } else { "none before" });
}

/// On or back to a breakpoint.
pub fn run(state: &mut State, forward: bool) {
    if state.breaks.is_empty() {
        return state.say("no breakpoint is set: b sets one on a rule or a field, B on a chain");
    }
    let hit = |i: usize| match state.trace().events.get(i) {
        Some(Event::Rule { rule, verdict, .. }) => {
            let entered = match verdict {
                Verdict::Jump(c) | Verdict::Goto(c) => state.breaks.contains(&Break::Chain(*c)),
                _ => false,
            };
            entered || state.breaks.contains(&Break::Rule(*rule))
        }
        Some(Event::Enter(chain)) => state.breaks.contains(&Break::Chain(*chain)),
        Some(Event::Write { field, .. }) => state.breaks.contains(&Break::Field(*field)),
        _ => false,
    };
    let target = if forward { state.timeline.next(state.at, hit) } else { state.timeline.previous(state.at, hit) };
    to_or_say(state, target, if forward { "no breakpoint ahead" } else { "no breakpoint before" });
}

/// A row number moved by a key.
pub fn moved(action: Action, row: usize, len: usize, page: usize) -> usize {
    let last = len.saturating_sub(1);
    let half = (page / 2).max(1);
    let row = match action {
        Action::Down => row + 1,
        Action::Up => row.saturating_sub(1),
        Action::PageDown => row + half,
        Action::PageUp => row.saturating_sub(half),
        Action::Top => 0,
        Action::Bottom => last,
        _ => row,
    };
    row.min(last)
}

/// Moves the cursor of the pane that has the focus.
pub fn scroll(state: &mut State, action: Action) {
    let page = layout::inner(state, state.focus).height as usize;
    match state.focus {
        Pane::Path => {
            let rows = path::rows(state);
            let row = state.path.unwrap_or_else(|| path::current(state, &rows));
            state.path = Some(moved(action, row, rows.len(), page));
        }
        Pane::Chain => {
            let Some(chain) = state.chain() else { return state.say("no chain at this step") };
            let pass = state.pass();
            let rows = state.rows(chain, &pass);
            let row = rows.of(state.cursor(chain, &pass).index);
            state.rule = Some(rows.cursor(moved(action, row, rows.len(), page)));
        }
        Pane::Packet => state.field = moved(action, state.field, packet::rows(state).len(), page),
        Pane::Why => {
            let lines = why::lines(state, layout::inner(state, Pane::Why).width as usize).len();
            state.why = moved(action, state.why, lines.saturating_sub(page) + 1, page);
        }
    }
}

/// To the step of the row under the cursor.
pub fn go(state: &mut State) {
    match state.focus {
        Pane::Path => {
            let rows = path::rows(state);
            let row = state.path.unwrap_or_else(|| path::current(state, &rows));
            match rows.get(row).and_then(path::PathRow::event) {
                Some(event) => to(state, event),
                None => say_skipped(state, rows.get(row).copied()),
            }
        }
        Pane::Packet => {
            let Some(field) = packet::field_at(state, state.field) else { return };
            let since = state.trace().since(field, state.at + 1);
            to_or_say(state, since, &format!("{} is as it was at the start", field.name()));
        }
        Pane::Chain | Pane::Why => go_to_rule(state),
    }
}

fn say_skipped(state: &mut State, row: Option<path::PathRow>) {
    if let Some(path::PathRow::Skipped(i)) = row
        && let Some((hook, why)) = state.shown().skipped.get(i).cloned()
    {
        let chains: Vec<_> = chain::bases(state.model(), hook).into_iter().map(|b| b.1).collect();
        offer(state, format!("{} is not on the path: {why}", label::hook(hook)), &chains);
    }
}

fn go_to_rule(state: &mut State) {
    let Some(rule) = state.rule_at_cursor() else { return fold(state) };
    let hit = |i: usize| matches!(state.trace().events.get(i), Some(Event::Rule { rule: r, .. }) if *r == rule);
    let target = state.timeline.next(state.at, hit).or_else(|| state.timeline.previous(state.at + 1, hit));
    to_or_say(state, target, "this rule did not match on this way: W says why");
}

/// Folds or unfolds at the cursor.
pub fn fold(state: &mut State) {
    match state.focus {
        Pane::Path => toggle_steps(state),
        Pane::Packet => state.all_fields = !state.all_fields,
        Pane::Why => {}
        Pane::Chain => {
            let Some(chain) = state.chain() else { return };
            let pass = state.pass();
            let rows = state.rows(chain, &pass);
            let cursor = state.cursor(chain, &pass);
            if let Row::Fold(from, to) = rows.row(rows.of(cursor.index)) {
                state.folds.open.push((from, to));
                state.rule = Some(Cursor { index: from, fold: false });
            } else if state.folds.close(cursor.index) {
                state.rule = Some(Cursor { index: cursor.index, fold: true });
            } else {
                state.say("nothing to fold here");
            }
        }
    }
}

fn toggle_steps(state: &mut State) {
    state.all_steps = !state.all_steps;
    state.path = None;
}

/// Folds or unfolds the whole pane.
pub fn fold_all(state: &mut State) {
    if state.focus == Pane::Chain {
        state.folds.none = !state.folds.none;
        state.folds.open.clear();
    } else {
        fold(state);
    }
}

/// Whether `text` holds `needle`; capitals in the needle count.
pub fn holds(text: &str, needle: &str) -> bool {
    if needle.chars().any(char::is_uppercase) {
        return text.contains(needle);
    }
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    !needle.is_empty() && text.windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle))
}

/// To the next or the previous hit of the search.
pub fn find(state: &mut State, forward: bool) {
    if state.search.is_empty() {
        return state.say("nothing is looked for: / begins a search");
    }
    match (state.focus, state.chain()) {
        (Pane::Chain, Some(chain)) => find_rule(state, chain, forward),
        _ => find_step(state, forward),
    }
}

fn find_rule(state: &mut State, chain: ChainId, forward: bool) {
    let rules = &state.model().chain(chain).rules;
    let at = state.cursor(chain, &state.pass()).index as usize;
    let n = rules.len();
    let order = (1..=n).map(|d| if forward { (at + d) % n } else { (at + 2 * n - d) % n });
    let words = &state.session.words;
    let hit = order.into_iter().find(|i| rules.get(*i).is_some_and(|rule| holds(&words.rule(rule), &state.search)));
    let Some(i) = hit else {
        let text = format!("no rule of {} holds {:?}", state.model().chain_name(chain), state.search);
        return state.say(text);
    };
    state.rule = Some(Cursor { index: i as u32, fold: false });
}

fn find_step(state: &mut State, forward: bool) {
    let family = state.trace().start.family();
    let hit = |i: usize| {
        let event = &state.trace().events[i];
        let rule = match event {
            Event::Rule { rule, .. } => holds(&state.session.words.rule(*rule), &state.search),
            _ => false,
        };
        rule || holds(&label::event(state.model(), event, family).0, &state.search)
    };
    let (at, limit) = (state.at, state.horizon());
    let target =
        if forward { state.timeline.next(at, |i| i <= limit && hit(i)) } else { state.timeline.previous(at, hit) };
    let text = format!("no step {} holds {:?}", if forward { "ahead" } else { "before" }, state.search);
    to_or_say(state, target, &text);
}

/// Makes the timeline fit the way shown again, and puts the cursors back. A lesson is about the walk before: it ends.
pub fn reload(state: &mut State) {
    state.course = None;
    state.timeline = Timeline::new(&state.session.model, &state.shown().trace);
    (state.path, state.rule, state.look, state.why) = (None, None, None, 0);
    state.folds.open.clear();
}

/// Whether two events are the same but for the numbering of rules, which an edit shifts.
pub fn same(a: &Event, b: &Event) -> bool {
    match (a, b) {
        (Event::Rule { rule: a, verdict: x, .. }, Event::Rule { rule: b, verdict: y, .. }) => a == b && x == y,
        (Event::Return { chain: a, .. }, Event::Return { chain: b, .. }) => a == b,
        (Event::Policy { chain: a, verdict: x, .. }, Event::Policy { chain: b, verdict: y, .. }) => a == b && x == y,
        _ => a == b,
    }
}
