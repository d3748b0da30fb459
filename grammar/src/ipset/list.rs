//! `ipset list` output, as the `create` and `add` lines that `ipset save` would print for it:
//! `Name: S`, `Type: hash:ip`, `Header: family inet …`, `Members:`, then one entry a line.
//!
//! A set whose entries are not listed (`ipset list -t`, or a listing that was cut off) is not created: what it holds is
//! unknown. Left out: revision, size in memory and references.

use super::builder::Builder;
use super::tree::LineKind;
use crate::diag::Diagnostic;
use crate::source::{Source, Span};

/// Whether the text looks like `ipset list` output.
pub fn is_list(text: &str) -> bool {
    text.trim_start().starts_with("Name: ")
}

#[derive(Default)]
struct Head<'t> {
    name: Option<(&'t str, u32)>,
    kind: &'t str,
    /// The text behind `Header:`, and where that line ends.
    options: &'t str,
    end: u32,
    created: bool,
    members: bool,
}

/// Reads the blocks of `source`.
pub fn read(source: &Source, out: &mut Builder<'_>) {
    let mut head = Head::default();
    let mut at = source.base;
    for line in source.text.split('\n') {
        let span = Span::new(at, at + line.len() as u32);
        read_line(line.trim_end_matches('\r'), span, &mut head, out);
        at = span.end + 1;
    }
    end(&head, out);
}

/// A set's block ends: with a diagnostic where nothing of its entries was said.
fn end(head: &Head<'_>, out: &mut Builder<'_>) {
    if let (Some((_, start)), false, false) = (head.name, head.created, head.kind.is_empty()) {
        let span = Span::new(start, head.end.max(start));
        let unlisted = "the entries of this set are not listed: what it holds is unknown";
        let warning = Diagnostic::warning("NT012", span, unlisted);
        out.diagnostics.push(warning.help("`ipset save` lists them, as does `ipset list` without -t"));
    }
}

fn read_line<'t>(line: &'t str, span: Span, head: &mut Head<'t>, out: &mut Builder<'_>) {
    if let Some(name) = line.strip_prefix("Name: ") {
        end(head, out);
        let name = Some((word(name), span.start)).filter(|n| !n.0.is_empty());
        *head = Head { name, ..Head::default() };
    } else if let Some(kind) = line.strip_prefix("Type: ") {
        head.kind = word(kind);
    } else if let Some(options) = line.strip_prefix("Header:") {
        (head.options, head.end) = (options.trim(), span.end);
    } else if line.trim() == "Members:" {
        create(head, span, out);
        head.members = true;
    } else if line.trim() == "Number of entries: 0" {
        create(head, span, out);
    } else if head.members && !line.trim().is_empty() {
        match head.name {
            Some((set, _)) => {
                let at = span.start + (line.len() - line.trim_start().len()) as u32;
                out.line(LineKind::Add, set, line.trim(), Some(at), span.start, span.end);
            }
            None => out.diagnostics.push(Diagnostic::error("NT011", span, "the set of this entry has no name")),
        }
    } else if !line.trim().is_empty() && !line.contains(": ") {
        out.diagnostics.push(Diagnostic::error("NT011", span, "not a line of `ipset list`"));
    }
}

/// Names and types are one word: `ipset save` has no quotes for them.
fn word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or("")
}

fn create(head: &mut Head<'_>, span: Span, out: &mut Builder<'_>) {
    if head.created || head.kind.is_empty() {
        return;
    }
    head.created = true;
    if let Some((name, start)) = head.name {
        let end = if head.end == 0 { span.end } else { head.end };
        out.line(LineKind::Create, name, &format!("{} {}", head.kind, head.options), None, start, end);
    }
}
