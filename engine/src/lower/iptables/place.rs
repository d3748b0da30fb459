//! Where the kernel takes a match or a target: `SNAT` in nat's POSTROUTING and INPUT, `-m mac` where a frame came in.
//!
//! No dump has a rule at a place that it is not for, so what is found here is said of rules that somebody types; the rule keeps its
//! meaning. Left out: chains that people make, which have the hooks of all that lead to them.

use nettrace_grammar::Diagnostic;

use super::args::Given;
use super::cx::Cx;
use super::tables::is_builtin;
use super::words::Jump;
use crate::model::Hook;

/// What the kernel says of an extension that stands at a place it is not for.
pub(super) fn extension(cx: &Cx<'_>, given: &Given<'_, '_>) -> Option<Diagnostic> {
    let ext = given.load.ext;
    let refused = |message: String, help: String| Some(Diagnostic::error("NT112", given.load.span, message).help(help));
    let upper = |hook: Hook| hook.name().to_ascii_uppercase();
    if let Some(hook) = cx.hook.filter(|h| !ext.hooks.is_empty() && !ext.hooks.contains(h)) {
        let fit: Vec<String> = ext.hooks.iter().map(|h| upper(*h)).collect();
        return refused(
            format!("`{}` is refused in {}", ext.name, upper(hook)),
            format!("it works in {}", fit.join(", ")),
        );
    }
    if let Some((hook, option)) = cx.hook.and_then(|hook| Some((hook, option(given, hook)?))) {
        return refused(
            format!("`{option}` is refused in {}", upper(hook)),
            "it asks for what is not known there".to_string(),
        );
    }
    let table = cx.model.name(cx.model.table(cx.table).name);
    if ext.tables.is_empty() || ext.tables.contains(&table) {
        return None;
    }
    let message = format!("`{}` is refused in table {table}", ext.name);
    refused(message, format!("it works in {} (`-t {}`)", ext.tables.join(", "), ext.tables[0]))
}

/// An option that the kernel refuses at a hook.
fn option(given: &Given<'_, '_>, hook: Hook) -> Option<String> {
    let arrives = matches!(hook, Hook::Prerouting | Hook::Input);
    let leaves = matches!(hook, Hook::Output | Hook::Postrouting);
    let has = |names: &[&str]| names.iter().find(|n| given.has(n)).map(ToString::to_string);
    match given.load.ext.name {
        "policy" => {
            let direction = given.get("--dir").map(super::args::Arg::text)?;
            let wrong = (direction == "out" && arrives) || (direction == "in" && leaves);
            wrong.then(|| format!("--dir {direction}"))
        }
        "addrtype" if leaves => has(&["--limit-iface-in"]),
        "addrtype" if arrives => has(&["--limit-iface-out"]),
        "physdev" if hook == Hook::Output && !given.has("--physdev-is-bridged") => {
            has(&["--physdev-out", "--physdev-is-out"])
        }
        "TCPMSS" if arrives => has(&["--clamp-mss-to-pmtu"]),
        _ => None,
    }
}

/// What iptables says of a verdict or a jump.
pub(super) fn jump(cx: &Cx<'_>, jump: &Jump<'_>) -> Option<Diagnostic> {
    let table = cx.model.name(cx.model.table(cx.table).name);
    // By its name: the chain itself is far away in memory, and a dump has a jump to each.
    if jump.chain.is_some() && is_builtin(table, jump.name) {
        return Some(Diagnostic::error("NT112", jump.span, "no rule may jump to a built-in chain"));
    }
    let nat = table == "nat";
    let drops = jump.name == "DROP" && jump.load.is_none() && jump.chain.is_none();
    let message = "iptables refuses DROP in table nat";
    (nat && drops)
        .then(|| Diagnostic::error("NT112", jump.span, message).help("drop in filter, or in raw for all packets"))
}
