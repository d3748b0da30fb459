//! `iptables -I INPUT …`, `nft add rule …`, `ipset add …`: read by what reads the dumps, lowered into the model there is.

use nettrace_grammar::ipset::{self, tree::LineKind};
use nettrace_grammar::{Diagnostic, Severity, Sources, Span, iptables, nft};

use super::{checked, keep, refused};
use crate::lower;
use crate::model::{Contents, Dialect, Family, Model};

/// Carries out a command on the rules and sets.
pub(super) fn apply(
    model: &mut Model,
    sources: &mut Sources,
    (program, command): (&str, &str),
) -> Result<(), Vec<Diagnostic>> {
    match program {
        p if p.starts_with("iptables") || p.starts_with("ip6tables") => xt(model, sources, (p, command)),
        "nft" => nft_command(model, sources, command),
        "ipset" => ipset_command(model, sources, command),
        other => {
            let (_, span) = keep(sources, command)?;
            let message = format!("`{}` is not a program whose commands are understood", other.escape_debug());
            Err(refused(span, message, super::PROGRAMS))
        }
    }
}

/// The backend of the rules there are; a program's name may say it.
fn dialect(model: &Model, program: &str) -> Dialect {
    if program.ends_with("-nft") {
        return Dialect::IptablesNft;
    }
    let mine = model.tables.iter().find(|t| t.dialect != Dialect::Nft).map(|t| t.dialect);
    if program.ends_with("-legacy") { Dialect::Legacy } else { mine.unwrap_or(Dialect::Legacy) }
}

fn xt(model: &mut Model, sources: &mut Sources, (program, command): (&str, &str)) -> Result<(), Vec<Diagnostic>> {
    let (source, span) = keep(sources, command)?;
    let (tree, mut found) = iptables::parse(&source);
    if tree.items.is_empty() && found.is_empty() {
        return Err(refused(span, "there is no command here", "`iptables -I INPUT -p tcp --dport 80 -j DROP`"));
    }
    let family = if program.starts_with("ip6") { Family::Ip6 } else { Family::Ip };
    let options = lower::iptables::Options { family, dialect: dialect(model, program) };
    let (before, sets) = (model.chains.len(), model.sets.len());
    if found.is_empty() {
        found = lower::iptables::lower(&tree, options, model);
        // A table that the command brings is as the kernel makes it.
        model.chains.iter_mut().skip(before).filter_map(|c| c.base.as_mut()).for_each(|b| b.told = true);
    }
    found.extend(unheard_set(model, sets, span));
    // iptables would stop at what costs a dump no more than a warning: a match that is misspelt, `!` where it stood of old.
    let stops = |d: &Diagnostic| d.code == "NT106" || (d.code == "NT102" && d.help.is_some());
    checked(
        found.into_iter().map(|d| if stops(&d) { Diagnostic { severity: Severity::Error, ..d } } else { d }).collect(),
    )
}

/// A set that a command names and nothing makes, where the sets of the host were given.
fn unheard_set(model: &Model, before: usize, span: Span) -> Option<Diagnostic> {
    let (given, new) = model.sets.split_at(before.min(model.sets.len()));
    let given = given.iter().filter(|s| matches!(s.contents, Contents::Ipset(_)));
    let names: Vec<&str> = given.filter_map(|s| Some(model.name(s.name?))).collect();
    let unheard = new.iter().find(|s| matches!(s.contents, Contents::Unknown)).filter(|_| !names.is_empty())?;
    let name = model.name(unheard.name?);
    let mut said = Diagnostic::error("NT120", span, format!("there is no set `{}`", name.escape_debug()));
    said.help = lower::iptables::did_you_mean(name, names.into_iter());
    Some(said)
}

fn ipset_command(model: &mut Model, sources: &mut Sources, command: &str) -> Result<(), Vec<Diagnostic>> {
    let (source, span) = keep(sources, command)?;
    let (tree, found) = ipset::parse(&source);
    checked(found)?;
    let asks = |kind| matches!(kind, LineKind::Test | LineKind::Save | LineKind::List);
    if tree.lines.is_empty() || tree.lines.iter().any(|l| asks(l.kind)) {
        return Err(refused(span, "this `ipset` command changes nothing", "`ipset add blocked 10.0.0.1`"));
    }
    checked(crate::sets::lower(&tree, model))
}

/// What a shell would take away around nft's words.
fn unquoted(command: &str) -> String {
    let text = command.strip_prefix("nft").unwrap_or(command).trim();
    let whole = ['\'', '"'].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q));
    let outer = whole.filter(|t| !t.contains('\''));
    outer.unwrap_or(text).replace('\'', "").replace("\\;", ";")
}

fn nft_command(model: &mut Model, sources: &mut Sources, command: &str) -> Result<(), Vec<Diagnostic>> {
    let (source, _) = keep(sources, &unquoted(command))?;
    let parsed = nft::parse(&source);
    checked(parsed.diagnostics)?;
    let lists = |m: &Model| m.chains.iter().map(|c| c.rules.clone()).collect::<Vec<_>>();
    let (before, sets, rules) = (lists(model), model.sets.len(), model.rules.len());
    let found = lower::nft::carry_out(&parsed.tree, model);
    // A warning in a dump costs a part of it; a command that did nothing but warn has failed.
    let nothing = !found.is_empty() && model.sets.len() == sets && model.rules.len() == rules && lists(model) == before;
    if nothing {
        return Err(found.into_iter().map(|d| Diagnostic { severity: Severity::Error, ..d }).collect());
    }
    checked(found)
}
