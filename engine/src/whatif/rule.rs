//! `ip rule add fwmark 0x1 lookup 100 pref 99` and `ip rule del pref 99`.
//!
//! The words become the line that `ip rule` would print, and are read like one. Without a priority a new rule goes in front
//! of the second one there is, as in the kernel. Left out: changing a rule in place, which the kernel cannot do either.

use nettrace_grammar::{Diagnostic, Source, Span};

use super::{checked, refused};
use crate::host::{Family, Part, Parts, PolicyRule, RuleAction, Table};

const HELP: &str = "`ip rule add from 10.0.0.0/8 fwmark 0x1 lookup 100 pref 99`";

/// Words that take a value, with the word that `ip rule` prints for them.
const WITH_VALUE: &[(&str, &str)] = &[
    ("from", "from"),
    ("to", "to"),
    ("fwmark", "fwmark"),
    ("iif", "iif"),
    ("dev", "iif"),
    ("oif", "oif"),
    ("tos", "tos"),
    ("dsfield", "tos"),
    ("ipproto", "ipproto"),
    ("sport", "sport"),
    ("dport", "dport"),
    ("uidrange", "uidrange"),
    ("lookup", "lookup"),
    ("table", "lookup"),
    ("goto", "goto"),
    ("suppress_prefixlength", "suppress_prefixlength"),
    ("suppress_ifgroup", "suppress_ifgroup"),
    ("protocol", "proto"),
];

/// Words that stand alone.
const ALONE: &[&str] = &["not", "nop", "blackhole", "unreachable", "prohibit"];

/// A rule as typed.
struct Typed {
    rule: PolicyRule,
    /// A priority was given.
    priority: bool,
    /// An action was given.
    action: bool,
}

/// Carries out `ip rule WORDS`.
pub(super) fn apply(parts: &mut Parts, words: &[&str], v6: bool, span: Span) -> Result<(), Vec<Diagnostic>> {
    let Some((action, words)) = words.split_first() else { return Err(refused(span, "what about rules?", HELP)) };
    let family = if v6 || words.iter().any(|w| w.contains(':')) { Family::V6 } else { Family::V4 };
    let typed = read(words, family, span)?;
    let list = if family == Family::V4 { &mut parts.rules4 } else { &mut parts.rules6 };
    let list = list.get_or_insert_with(|| PolicyRule::defaults(family));
    match *action {
        "add" => add(list, typed, span),
        "del" | "delete" => delete(list, &typed, words.is_empty(), span),
        other => Err(refused(span, format!("`ip rule {}` is no edit", other.escape_debug()), "add, del")),
    }
}

fn add(list: &mut Vec<PolicyRule>, typed: Typed, span: Span) -> Result<(), Vec<Diagnostic>> {
    let mut rule = typed.rule;
    if !typed.priority {
        rule.priority = list.get(1).map_or(0, |second| second.priority.saturating_sub(1));
    }
    if list.iter().any(|r| PolicyRule { span, ..r.clone() } == rule) {
        return Err(refused(span, "there is such a rule already", "see `ip rule`"));
    }
    let behind = list.iter().position(|r| r.priority > rule.priority).unwrap_or(list.len());
    list.insert(behind, rule);
    Ok(())
}

fn delete(list: &mut Vec<PolicyRule>, typed: &Typed, all: bool, span: Span) -> Result<(), Vec<Diagnostic>> {
    if all {
        return Err(refused(span, "which rule is to go?", "`ip rule del pref 99`"));
    }
    let Some(at) = list.iter().position(|r| fits(typed, r)) else {
        return Err(refused(span, "there is no such rule", "see `ip rule`"));
    };
    list.remove(at);
    Ok(())
}

/// Whether a rule has everything that was typed.
fn fits(typed: &Typed, rule: &PolicyRule) -> bool {
    fn is<T: PartialEq>(wanted: Option<&T>, had: Option<&T>) -> bool {
        wanted.is_none() || wanted == had
    }
    let wanted = &typed.rule;
    (!typed.priority || wanted.priority == rule.priority)
        && (!typed.action || wanted.action == rule.action)
        && (!wanted.not || rule.not)
        && (wanted.tos == 0 || wanted.tos == rule.tos)
        && is(wanted.src.as_ref(), rule.src.as_ref())
        && is(wanted.dst.as_ref(), rule.dst.as_ref())
        && is(wanted.iif.as_ref(), rule.iif.as_ref())
        && is(wanted.oif.as_ref(), rule.oif.as_ref())
        && is(wanted.mark.as_ref(), rule.mark.as_ref())
        && is(wanted.proto.as_ref(), rule.proto.as_ref())
        && is(wanted.sports.as_ref(), rule.sports.as_ref())
        && is(wanted.dports.as_ref(), rule.dports.as_ref())
        && is(wanted.uids.as_ref(), rule.uids.as_ref())
}

fn read(words: &[&str], family: Family, span: Span) -> Result<Typed, Vec<Diagnostic>> {
    let (mut line, mut priority, mut action) = (String::new(), None, false);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if ALONE.contains(&word) {
            action |= word != "not";
            line.extend([" ", word]);
            continue;
        }
        let asks = matches!(word, "pref" | "priority" | "order" | "prio" | "preference");
        let known = WITH_VALUE.iter().find(|(typed, _)| *typed == word).map(|(_, printed)| *printed);
        let Some(value) = (asks || known.is_some()).then(|| words.next()).flatten() else {
            return Err(refused(span, format!("`{}` is not understood here", word.escape_debug()), HELP));
        };
        if asks {
            let wrong = || refused(span, format!("`{}` is no priority", value.escape_debug()), HELP);
            priority = Some(value.parse::<u32>().map_err(|_| wrong())?);
        } else if let Some(printed) = known {
            action |= matches!(printed, "lookup" | "goto");
            line.extend([" ", printed, " ", value]);
        }
    }
    let table = if action { "" } else { " lookup main" };
    let source = Source {
        name: "--with".to_string(),
        text: format!("{}:\tfrom all{line}{table}", priority.unwrap_or(0)),
        base: span.start,
    };
    let mut read = Parts::default();
    let found = read.read(Part::Rules(family), &source);
    checked(found.into_iter().map(|d| refused(span, d.message, HELP)).next().unwrap_or_default())?;
    let list = if family == Family::V4 { read.rules4 } else { read.rules6 };
    let Some(rule) = list.into_iter().flatten().next() else {
        return Err(refused(span, "this is no rule", HELP));
    };
    let rule = if action { rule } else { PolicyRule { action: RuleAction::Lookup(Table::Main), ..rule } };
    Ok(Typed { rule: PolicyRule { span, ..rule }, priority: priority.is_some(), action })
}
