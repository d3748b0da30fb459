//! What-if: commands as people type them, carried out on the model and the host instead of a kernel.
//!
//! `iptables -t mangle -I OUTPUT 2 -p tcp --dport 31002 -j DROP`, `nft add rule …`, `ipset add …`, `ip route add …`,
//! `sysctl -w …`. Rules and sets are read by the parsers and the lowering that read the dumps. Left out: everything that
//! is not an edit (`-L`, `list`), and links and addresses.

mod host;
mod rules;

use nettrace_grammar::{Diagnostic, Severity, Sources, Span};

use crate::host::Parts;
use crate::model::Model;

/// Carries out a command; what it adds has its place in `sources`, under the name `--with`.
///
/// # Errors
/// The diagnostics, when the command cannot be read or makes no sense here.
pub fn apply(
    model: &mut Model,
    parts: &mut Parts,
    sources: &mut Sources,
    command: &str,
) -> Result<(), Vec<Diagnostic>> {
    let command = command.trim();
    let command = command.strip_prefix("sudo ").unwrap_or(command).trim_start();
    let program = command.split_whitespace().next().unwrap_or("");
    let program = program.rsplit('/').next().unwrap_or(program);
    match program {
        "ip" | "sysctl" => host::apply(parts, sources, command),
        _ => rules::apply(model, sources, (program, command)),
    }
}

/// Carries out a command that changes rules only, without keeping its text.
///
/// # Errors
/// As [`apply`].
pub(crate) fn rules(model: &mut Model, command: &str) -> Result<(), Vec<Diagnostic>> {
    let program = command.split_whitespace().next().unwrap_or("");
    rules::apply(model, &mut Sources::default(), (program, command))
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
