//! Diagnostics in rustc's manner: `error[NT012]: …`, file:line:column, the line, what was expected, a hint.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use nettrace_engine::limits;
use nettrace_grammar::{Diagnostic, Severity, Source, Sources};

use crate::output::{Paint, safe};

/// The first few diagnostics, errors before warnings, and how many more there are.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], paint: Paint) -> String {
    let mut order: Vec<&Diagnostic> = diagnostics.iter().collect();
    order.sort_by_key(|d| std::cmp::Reverse(d.severity));
    let mut out = String::new();
    for d in order.iter().take(limits::DIAGNOSTICS) {
        out.push_str(&one(sources, d, paint));
        out.push('\n');
    }
    let more = order.len().saturating_sub(limits::DIAGNOSTICS);
    if more > 0 {
        out.push_str(&format!("... and {more} more\n"));
    }
    out
}

fn one(sources: &Sources, d: &Diagnostic, paint: Paint) -> String {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = safe(&d.message);
    let title = level.primary_title(message).id(d.code);
    let place = sources.source(d.span.start).and_then(|s| Some((s, window(s, d)?)));
    let (label, path) = (safe(&d.label), place.as_ref().map_or(String::new(), |p| safe(&p.0.name)));
    let mut group = match &place {
        Some((_, w)) => {
            let annotation = AnnotationKind::Primary.span(w.start..w.end).label(label.as_str());
            let snippet =
                Snippet::source(w.text.as_str()).path(path.as_str()).line_start(w.line).annotation(annotation);
            Group::with_title(title).element(snippet)
        }
        None => Group::with_title(title),
    };
    if !d.expected.is_empty() {
        group = group.element(Level::NOTE.message(safe(&format!("expected {}", d.expected.join(", ")))));
    }
    if let Some(help) = &d.help {
        group = group.element(Level::HELP.message(safe(help)));
    }
    let renderer = if paint.color { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// The line that a diagnostic is about, cut to a readable piece, with the marked place in it.
struct Window {
    text: String,
    line: usize,
    start: usize,
    end: usize,
}

/// Bytes shown on each side of the marked place.
const AROUND: usize = 100;

fn window(source: &Source, d: &Diagnostic) -> Option<Window> {
    let text = source.text.as_str();
    let at = (d.span.start.checked_sub(source.base)? as usize).min(text.len());
    let end = (d.span.end.saturating_sub(source.base) as usize).clamp(at, text.len());
    let (at, end) = (floor(text, at), floor(text, end));
    let line_start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let line_end = text[at..].find('\n').map_or(text.len(), |i| at + i);
    let end = end.min(line_end).max(at);
    let from = floor(text, at.saturating_sub(AROUND).max(line_start));
    let to = floor(text, (end.min(at + AROUND) + AROUND).min(line_end));
    let end = end.min(to);
    let (before, marked, after) = (safe(&text[from..at]), safe(&text[at..end]), safe(&text[end..to]));
    let line = text[..at].bytes().filter(|b| *b == b'\n').count() + 1;
    let (start, stop) = (before.len(), before.len() + marked.len());
    Some(Window { text: format!("{before}{marked}{after}"), line, start, end: stop })
}

/// The character boundary at or before `i`.
fn floor(text: &str, i: usize) -> usize {
    (0..=i.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}
