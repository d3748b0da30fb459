//! The session as text: Markdown for a postmortem, JSON for a machine, plain lines for `p`.

use std::fmt::Write as _;

use nettrace_engine::trace::Event;
use serde_json::{Value, json};

use crate::label;
use crate::state::State;
use crate::text::clean;

/// A step as it is written down: its event, level, text, and the rule with its place.
struct Step {
    event: usize,
    level: u16,
    text: String,
    rule: Option<(String, Option<String>)>,
}

fn steps(state: &State) -> Vec<Step> {
    let family = state.trace().start.family();
    let step = |event: usize| {
        let e = &state.trace().events[event];
        let words = &state.session.words;
        let rule = match e {
            Event::Rule { rule, .. } => {
                Some((clean(&words.rule(*rule)).into_owned(), words.place(*rule).map(|p| p.to_string())))
            }
            _ => None,
        };
        let text = clean(&label::event(state.model(), e, family).0).into_owned();
        Step { event, level: state.timeline.level(event), text, rule }
    };
    state.timeline.stops().iter().copied().filter(|i| *i <= state.horizon()).map(step).collect()
}

/// How the walk ends, as far as a lesson has shown it.
fn outcome(state: &State) -> String {
    let shown = state.horizon().saturating_add(1) >= state.trace().events.len();
    if shown { clean(&state.shown().summary).into_owned() } else { "The way so far".to_string() }
}

/// The way in plain lines, indented by level.
pub fn path(state: &State) -> String {
    let mut out = format!("{}\n", label::packet(&state.trace().start));
    for step in steps(state) {
        let indent = " ".repeat(usize::from(step.level) * 2);
        let place = step.rule.and_then(|r| r.1).map_or_else(String::new, |p| format!("  {p}"));
        let _ = writeln!(out, "{indent}{}{place}", step.text);
    }
    out
}

/// Makes text harmless inside a Markdown code span.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// The session as Markdown.
pub fn markdown(state: &State) -> String {
    let s = &state.session;
    let mut out = format!("# {}\n\n", outcome(state));
    let _ = writeln!(out, "- Input: {}", code(&clean(&s.title)));
    let _ = writeln!(out, "- Command: {}", code(&clean(&s.words.command())));
    let _ = writeln!(out, "- Packet: {}", code(&label::packet(&state.trace().start)));
    for with in &s.request.with {
        let _ = writeln!(out, "- What if: {}", code(&clean(with)));
    }
    for rule in &s.request.without {
        let _ = writeln!(out, "- Without: {}", code(&clean(&s.words.rule(*rule))));
    }
    for a in state.trace().assumptions(state.model()) {
        let _ =
            writeln!(out, "- Assumed: {} = {}: {} ({})", clean(&a.fact), clean(&a.value), clean(&a.why), code(&a.flag));
    }
    out.push_str("\n## The way\n\n");
    for (n, step) in steps(state).into_iter().enumerate() {
        let _ = write!(out, "{}. {}{}", n + 1, if step.event == state.at { "**here** " } else { "" }, code(&step.text));
        if let Some((text, place)) = step.rule {
            let _ =
                write!(out, " — {}{}", code(&text), place.map_or_else(String::new, |p| format!(" ({})", clean(&p))));
        }
        out.push('\n');
    }
    out.push_str("\n## This step\n\n");
    for line in s.words.why(state.way, state.at) {
        let _ = writeln!(out, "    {}", clean(&line));
    }
    out
}

/// The session as JSON.
pub fn json(state: &State) -> String {
    let s = &state.session;
    let step = |x: Step| -> Value {
        let (rule, place) = x.rule.map_or((None, None), |(r, p)| (Some(r), p));
        json!({"event": x.event, "level": x.level, "text": x.text, "rule": rule, "at": place})
    };
    let value = json!({
        "schema": "nettrace.session/1",
        "input": clean(&s.title),
        "command": clean(&s.words.command()),
        "packet": label::packet(&state.trace().start),
        "with": s.request.with.iter().map(|w| clean(w)).collect::<Vec<_>>(),
        "without": s.request.without.iter().map(|r| clean(&s.words.rule(*r)).into_owned()).collect::<Vec<_>>(),
        "assumptions": state.trace().assumptions(state.model()),
        "outcome": outcome(state),
        "at": state.at,
        "steps": steps(state).into_iter().map(step).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}
