//! What-if: commands as people type them, carried out on the model and the host instead of a kernel.
//!
//! `iptables -t mangle -I OUTPUT 2 -p tcp --dport 31002 -j DROP`, `nft add rule …`, `ipset add …`, `ip route add …`,
//! `ip rule add …`, `ip addr add …`, `sysctl -w …`. Rules and sets are read by the parsers and the lowering that read the
//! dumps. A command that fails changes nothing, and what one did can be taken back ([`Undo`]). Left out: everything that is
//! not an edit (`-L`, `list`), and links.

mod addr;
mod route;
mod rule;
mod rules;
mod sysctl;

use nettrace_grammar::{Diagnostic, Severity, Sources, Span};

use crate::host::Parts;
use crate::model::{Checkpoint, Model, SetId};

/// What takes a command back. Commands are taken back in the reverse order.
#[derive(Clone, Debug)]
#[must_use]
pub enum Undo {
    /// Rules and sets before.
    Rules(Box<Checkpoint>),
    /// The host before.
    Host(Box<Parts>),
}

impl Undo {
    /// Makes rules and host as they were.
    pub fn undo(self, model: &mut Model, parts: &mut Parts) {
        match self {
            Undo::Rules(before) => model.back_to(&before),
            Undo::Host(before) => *parts = *before,
        }
    }
}

/// What this can read, for messages.
const PROGRAMS: &str = "iptables, ip6tables, nft, ipset, ip route, ip rule, ip addr, sysctl";

/// Carries out a command; what it adds has its place in `sources`, under the name `--with`.
///
/// # Errors
/// The diagnostics, when the command cannot be read or makes no sense here; then nothing has changed.
pub fn apply(
    model: &mut Model,
    parts: &mut Parts,
    sources: &mut Sources,
    command: &str,
) -> Result<Undo, Vec<Diagnostic>> {
    let command = command.trim();
    let command = command.strip_prefix("sudo ").unwrap_or(command).trim_start();
    let program = command.split_whitespace().next().unwrap_or("");
    let program = program.rsplit('/').next().unwrap_or(program);
    let host = matches!(program, "ip" | "sysctl");
    let undo = if host { Undo::Host(Box::new(parts.clone())) } else { Undo::Rules(Box::new(before(model, command))) };
    let done = match program {
        "ip" => ip(parts, sources, command),
        "sysctl" => sysctl::apply(parts, sources, command),
        _ => rules::apply(model, sources, (program, command)),
    };
    match done {
        Ok(()) => Ok(undo),
        Err(found) => {
            undo.undo(model, parts);
            Err(found)
        }
    }
}

/// What there is before a command: a set that the command does not name keeps its contents.
fn before(model: &Model, command: &str) -> Checkpoint {
    let named = |id: &SetId| model.set(*id).name.is_some_and(|n| command.contains(model.name(n)));
    model.checkpoint((0..model.sets.len() as u32).map(SetId).filter(named))
}

/// `ip [-4|-6] OBJECT …`.
fn ip(parts: &mut Parts, sources: &mut Sources, command: &str) -> Result<(), Vec<Diagnostic>> {
    let (_, span) = keep(sources, command)?;
    let mut words = command.split_whitespace().skip(1).peekable();
    let v6 = words.next_if(|w| matches!(*w, "-4" | "-6")) == Some("-6");
    let object = words.next().unwrap_or("");
    let rest: Vec<&str> = words.collect();
    match object {
        "route" | "ro" | "r" => route::apply(parts, &rest, v6, span),
        "rule" | "ru" => rule::apply(parts, &rest, v6, span),
        "address" | "addr" | "a" => addr::apply(parts, &rest, span),
        other => Err(refused(
            span,
            format!("`ip {}` is not understood", other.escape_debug()),
            "`ip route add|replace|del …`, `ip rule add|del …`, `ip addr add|del …`",
        )),
    }
}

/// Ok when no diagnostic is an error.
fn checked(diagnostics: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if diagnostics.iter().any(|d| d.severity == Severity::Error) { Err(diagnostics) } else { Ok(()) }
}

/// One error about a whole command.
fn refused(span: Span, message: impl Into<String>, help: &str) -> Vec<Diagnostic> {
    vec![Diagnostic::error("NT120", span, message).help(help)]
}

/// Adds a command's text to the inputs; its span is the whole text.
fn keep(sources: &mut Sources, text: &str) -> Result<(nettrace_grammar::Source, Span), Vec<Diagnostic>> {
    let source = sources.add("--with", text).map_err(|e| refused(Span::default(), e.to_string(), ""))?.clone();
    let span = Span::new(source.base, source.base + text.len() as u32);
    Ok((source, span))
}

#[cfg(test)]
mod tests;
