//! The entries of a JSON list with their places: `[{"ifname":"lo"},{"ifname":"eth0"}]`, or several such lists one after
//! another (`ip -j route; ip -6 -j route` into one file).
//!
//! An entry that does not fit costs that entry. Left out: what an entry means.

use nettrace_grammar::{Diagnostic, Source, Span};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// The span of `part`, which has to be a slice of the source's text.
pub(super) fn span_of(source: &Source, part: &str) -> Span {
    let start = (part.as_ptr() as usize).saturating_sub(source.text.as_ptr() as usize).min(source.text.len()) as u32;
    Span::new(source.base + start, source.base + start + part.len() as u32)
}

/// The entries of the lists in `source`; empty objects (which some `ip` versions print for what was filtered out) are
/// skipped.
///
/// A text that does not begin like JSON is read by `plain`, which makes the same objects of it.
pub(super) fn entries<T: DeserializeOwned>(
    source: &Source,
    plain: fn(&Source) -> Vec<(Span, Value)>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Span, T)> {
    let mut found = Vec::new();
    if !source.text.trim_start().starts_with(['[', '{']) {
        let objects = plain(source);
        if objects.is_empty() && !source.text.trim().is_empty() {
            let first = source.text.trim_start().lines().next().unwrap_or("");
            diagnostics.push(Diagnostic::error("NT401", span_of(source, first), "this is not the list expected here"));
        }
        for (span, value) in objects {
            match serde_json::from_value(value) {
                Ok(value) => found.push((span, value)),
                Err(error) => diagnostics.push(malformed(span, format!("this line cannot be read: {error}"))),
            }
        }
        return found;
    }
    let mut lists = serde_json::Deserializer::from_str(&source.text).into_iter::<Vec<&RawValue>>();
    while let Some(list) = lists.next() {
        match list {
            Ok(list) => found.extend(list.into_iter().filter_map(|raw| entry(source, raw, diagnostics))),
            Err(error) => {
                diagnostics.push(not_json(source, lists.byte_offset(), &error));
                break;
            }
        }
    }
    found
}

fn entry<T: DeserializeOwned>(source: &Source, raw: &RawValue, out: &mut Vec<Diagnostic>) -> Option<(Span, T)> {
    let text = raw.get();
    if text.trim_start_matches('{').trim_start().starts_with('}') && text.len() < 16 {
        return None;
    }
    let span = span_of(source, text);
    match serde_json::from_str(text) {
        Ok(value) => Some((span, value)),
        Err(error) => {
            out.push(malformed(span, format!("this entry cannot be read: {}", without_place(&error))));
            None
        }
    }
}

/// The diagnostic for an entry that is left out.
pub(super) fn malformed(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("NT402", span, message).label("left out")
}

fn not_json(source: &Source, offset: usize, error: &serde_json::Error) -> Diagnostic {
    let rest = source.text.get(offset..).unwrap_or("");
    let start = offset + rest.len() - rest.trim_start().len();
    let length = source.text.get(start..).unwrap_or("").chars().next().map_or(0, char::len_utf8);
    let at = Span::new(source.base + start as u32, source.base + (start + length) as u32);
    Diagnostic::error("NT401", at, format!("this is not the JSON list expected here: {error}"))
}

/// The message without "at line 1 column 20", which counts from the entry's start.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
