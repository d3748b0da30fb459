//! What the inputs leave open, and what is therefore taken for granted: rules that were not given, places that could not be
//! read, dumps that may be a part of more.
//!
//! `iptables-save` alone says nothing of IPv6: that there are no rules for it is an assumption of every IPv6 packet's answer.
//! Left out: what a walk takes for granted ([`nettrace_engine::fact::Taken`]).

use nettrace_engine::fact::Assumption;
use nettrace_engine::lower::iptables as xt;
use nettrace_engine::model::{Dialect, Family, Model, Unread};
use nettrace_engine::packet::Packet;
use nettrace_grammar::iptables::tree::Item;
use nettrace_grammar::nft::tree::{Body, Expr, Line};
use nettrace_grammar::{Sources, iptables, nft};

use super::files::{Found, Input};
use super::kinds::Kind;

/// What is taken for granted of the inputs.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// Of all packets.
    always: Vec<Assumption>,
    /// Of the packets of a family of which rules were not given.
    missing: Vec<(Family, Assumption)>,
}

impl Granted {
    /// These of all packets, and that rules which were not given do nothing.
    pub(super) fn new(always: Vec<Assumption>, model: &Model) -> Self {
        Granted { always, missing: model.unread.iter().map(none_of).collect() }
    }

    /// For this packet.
    pub fn of(&self, packet: &Packet) -> Vec<Assumption> {
        let family = if packet.family() == 10 { Family::Ip6 } else { Family::Ip };
        let missing = self.missing.iter().filter(|(f, _)| *f == family).map(|(_, missing)| missing);
        self.always.iter().chain(missing).cloned().collect()
    }
}

/// What is assumed of places that could not be read.
pub(super) fn lost(model: &mut Model, sources: &Sources) -> Option<Assumption> {
    model.lost.sort_unstable_by_key(|span| span.start);
    model.lost.dedup();
    let at = sources.locate(*model.lost.first()?)?;
    let more = model.lost.len() - 1;
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(Assumption {
        fact: "what could not be read".into(),
        value: "of no effect".into(),
        why: format!("{}:{}{more}", at.name, at.line).into(),
        flag: "correct the input".into(),
    })
}

/// What is taken for granted of nft's listing, which may be one of something else: that there are no rules where it has none, and
/// that sets are empty where no set has elements.
pub(super) fn as_ruleset(tree: &nft::tree::Tree) -> Option<Assumption> {
    let listed = |fact: &'static str, why: &'static str| Assumption {
        fact: fact.into(),
        value: "none".into(),
        why: why.into(),
        flag: "give what `nft list ruleset` prints".into(),
    };
    if tree.rules.is_empty() && !tree.items.is_empty() {
        return Some(listed(
            "rules",
            "there are none in the listing, and `nft list chains`, `tables` and `sets` print none",
        ));
    }
    is_terse(tree)
        .then(|| listed("elements of the sets", "no set of the listing has any, and `nft -t` leaves them out"))
}

/// Whether no set of a listing has elements, though not all are of those that packets fill.
fn is_terse(tree: &nft::tree::Tree) -> bool {
    if tree.items.iter().any(|i| tree.text(i.kind) == "element") {
        return false;
    }
    let says = |line: &Line, word: &str| match line {
        Line::Words(words) => words.of(&tree.lists).iter().any(|w| match tree.expr(*w) {
            Expr::List(list) => list.of(&tree.lists).iter().any(|w| tree.word(*w) == Some(word)),
            _ => tree.word(*w) == Some(word),
        }),
        Line::Assign { name, .. } => tree.text(*name) == word,
        _ => false,
    };
    let sets = tree.items.iter().filter(|i| matches!(tree.text(i.kind), "set" | "map")).filter_map(|i| match i.body {
        Body::Lines(lines) => Some(lines.of(&tree.lines)),
        _ => None,
    });
    let mut fixed = false;
    for lines in sets {
        if lines.iter().any(|l| says(l, "elements")) {
            return false;
        }
        fixed |= !lines.iter().any(|l| says(l, "dynamic") || says(l, "timeout"));
    }
    fixed
}

/// Rules that were not given: those of one family where iptables printed the other's, for nft prints both; and those of
/// iptables-legacy where iptables-nft says that there are some.
pub(super) fn unread(found: &Found, sources: &Sources, model: &Model) -> Vec<Unread> {
    let given = |kinds: &[Kind]| found.inputs.iter().any(|i| kinds.contains(&i.kind));
    let (nft, v4, v6) = (given(&[Kind::Nft, Kind::NftJson]), given(&[Kind::Iptables]), given(&[Kind::Ip6tables]));
    let unread = |missing: bool, family, name, command| missing.then_some(Unread { family, name, command });
    let legacy = |family, program: &str| {
        let read = model.tables.iter().any(|t| t.family == family && t.dialect == Dialect::Legacy);
        let sign = format!("# Warning: {program} tables present");
        !read && sources.iter().any(|s| s.text.lines().rev().take(LAST_LINES).any(|l| l.starts_with(&sign)))
    };
    let all = [
        unread(!nft && v4 && !v6, Family::Ip6, "IPv6 rules", "ip6tables-save"),
        unread(!nft && v6 && !v4, Family::Ip, "IPv4 rules", "iptables-save"),
        unread(legacy(Family::Ip, "iptables-legacy"), Family::Ip, "iptables-legacy's rules", "iptables-legacy-save"),
        unread(
            legacy(Family::Ip6, "ip6tables-legacy"),
            Family::Ip6,
            "ip6tables-legacy's rules",
            "ip6tables-legacy-save",
        ),
    ];
    all.into_iter().flatten().collect()
}

/// iptables-nft says at its output's end that there are other rules.
const LAST_LINES: usize = 8;

/// The assumption that there are none.
fn none_of(unread: &Unread) -> (Family, Assumption) {
    let (why, flag) = (format!("no `{}` was given", unread.command), format!("give `{}`", unread.command));
    let (fact, value) = (unread.name.into(), "none".into());
    (unread.family, Assumption { fact, value, why: why.into(), flag: flag.into() })
}

/// What is taken for granted of tables that only nft lists and that may be iptables-nft's.
pub(super) fn as_listed(model: &Model) -> Option<Assumption> {
    let tables = xt::lookalikes(model);
    (!tables.is_empty()).then(|| Assumption {
        fact: format!("{}: the rules", tables.join(", ")).into(),
        value: "as listed".into(),
        why: "nft's listing of an iptables-nft table leaves things out".into(),
        flag: "give `iptables-save`".into(),
    })
}

/// What is taken for granted of a dump that may be a part of one (`-t nat`).
pub(super) fn as_whole(input: &Input, tree: &iptables::tree::Tree) -> Option<Assumption> {
    let tables: Vec<&str> = xt::tables(tree).collect();
    let listed = listed_tables(tree);
    let (only, why) = match (&tables[..], &listed[..]) {
        // That filter is the only one is no news of a save.
        (["filter"], _) => return None,
        ([only], _) => (*only, "it holds this table alone"),
        ([], [only]) => (*only, "`iptables -S` prints one table"),
        _ => return None,
    };
    let name = input.name.rsplit('/').next().unwrap_or(&input.name);
    Some(Assumption {
        fact: format!("tables beside {only} in {name}").into(),
        value: "none".into(),
        why: why.into(),
        flag: "give all that `iptables-save` prints".into(),
    })
}

/// The tables of what `iptables -S` printed, by its policies' lines: filter where no `-t` says another.
fn listed_tables<'t>(tree: &'t iptables::tree::Tree) -> Vec<&'t str> {
    let mut found = Vec::new();
    for (item, _) in tree.items.iter() {
        if let Item::Policy { program: None, words, .. } = item {
            let table = tree.words(words).skip_while(|w| w.text != "-t").nth(1).map_or("filter", |w| w.text);
            if !found.contains(&table) {
                found.push(table);
            }
        }
    }
    found
}
