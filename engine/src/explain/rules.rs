//! A rule as people cite it: `filter/INPUT#1`, `ip6 filter/INPUT#1`, its text, or `iptables-save:35`.
//!
//! Text is compared option by option, in any order, as the rule stands in the dump; what iptables-save adds to what people type (`-m tcp`,
//! `/32`) does not count, nor the order of a list (`ESTABLISHED,RELATED`). Left out: understanding the text; `-p 6` is not found by `-p tcp`.

use nettrace_grammar::Sources;

use crate::model::{ChainId, Model, RuleId};

/// The rules in force that a citation means; none when it means nothing, several when it is not precise.
pub fn find(model: &Model, sources: &Sources, cited: &str) -> Vec<RuleId> {
    let cited = cited.trim();
    let found = by_number(model, cited);
    if !found.is_empty() {
        return found;
    }
    let found = by_line(model, sources, cited);
    if found.is_empty() { by_text(model, sources, cited) } else { found }
}

/// The chains that `table/chain`, `family table/chain` or `chain` means.
pub fn chains(model: &Model, cited: &str) -> Vec<ChainId> {
    let (path, family) = match cited.trim().rsplit_once(' ') {
        Some((family, path)) => (path, Some(family)),
        None => (cited.trim(), None),
    };
    let whole = model.names.find(path);
    let split = path.split_once('/').map(|(t, c)| (model.names.find(t), model.names.find(c)));
    let fits = |id: &ChainId| {
        let (chain, table) = (model.chain(*id), model.table_of(*id));
        let named = Some(chain.name) == whole
            || split.is_some_and(|(t, c)| Some(table.name) == t && Some(chain.name) == c && t.is_some());
        named && family.is_none_or(|f| table.family.name() == f)
    };
    (0..model.chains.len() as u32).map(ChainId).filter(fits).collect()
}

fn by_number(model: &Model, cited: &str) -> Vec<RuleId> {
    let Some((chain, number)) = cited.rsplit_once('#') else { return Vec::new() };
    let Some(index) = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1)) else { return Vec::new() };
    chains(model, chain).iter().filter_map(|c| model.chain(*c).rules.get(index)).collect()
}

fn by_line(model: &Model, sources: &Sources, cited: &str) -> Vec<RuleId> {
    let Some((file, line)) = cited.rsplit_once(':') else { return Vec::new() };
    let Ok(line) = line.parse::<u32>() else { return Vec::new() };
    let of_file = |name: &str| name == file || name.rsplit('/').next() == Some(file);
    let spans: Vec<_> =
        sources.iter().filter(|s| of_file(&s.name)).filter_map(|s| sources.line_span(&s.name, line)).collect();
    in_force(model)
        .filter(|r| {
            spans.iter().any(|s| {
                let span = model.rule(*r).span;
                span.start < s.end && s.start < span.end
            })
        })
        .collect()
}

fn by_text(model: &Model, sources: &Sources, cited: &str) -> Vec<RuleId> {
    let (table, wanted) = typed(cited);
    if wanted.is_empty() {
        return Vec::new();
    }
    let of_table = |r: &RuleId| table.is_none_or(|t| model.name(model.table_of(model.rule(*r).chain).name) == t);
    // The rarest word first: most rules are told apart without splitting their text.
    let rare = wanted.iter().filter(|w| !w.contains(',')).max_by_key(|w| w.len()).copied().unwrap_or("");
    let options = options(&wanted);
    let same = |r: &RuleId| {
        let text = sources.text(model.rule(*r).span);
        text.contains(rare.trim_end_matches("/32")) && {
            let words = words(text);
            let behind = words.get(2..).filter(|_| words[0] == "-A");
            self::options(&words) == options || behind.is_some_and(|w| self::options(w) == options)
        }
    };
    in_force(model).filter(of_table).filter(same).collect()
}

fn in_force(model: &Model) -> impl Iterator<Item = RuleId> + '_ {
    model.chains.iter().flat_map(|c| c.rules.iter())
}

/// The table (if it is named) and the words of a rule as typed: without the program and `-t TABLE`.
fn typed(cited: &str) -> (Option<&str>, Vec<&str>) {
    let mut words = words(cited);
    let is_program = |w: &str| w.starts_with("iptables") || w.starts_with("ip6tables") || w == "sudo";
    while words.first().is_some_and(|w| is_program(w)) {
        words.remove(0);
    }
    let at = words.iter().position(|w| matches!(*w, "-t" | "--table"));
    let table = at.and_then(|i| words.get(i + 1).copied());
    if let Some(i) = at {
        words.drain(i..(i + 2).min(words.len()));
    }
    (table, words)
}

/// The options with their arguments, sorted; lists in them too.
fn options(words: &[&str]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut negated = false;
    for word in words {
        let bang = *word == "!" && !negated;
        match all.last_mut() {
            Some(option) if !negated && !bang && !word.starts_with('-') => option.push(sorted(word)),
            Some(option) if negated => option.push(sorted(word)),
            _ => all.push(vec![sorted(word)]),
        }
        negated = bang;
    }
    all.sort();
    all
}

fn sorted(list: &str) -> String {
    let mut parts: Vec<&str> = list.split(',').collect();
    parts.sort_unstable();
    parts.join(",")
}

/// The words of a rule that count.
fn words(text: &str) -> Vec<&str> {
    let all: Vec<&str> = text.split_whitespace().filter(|w| !(w.starts_with('[') && w.ends_with(']'))).collect();
    let mut out = Vec::with_capacity(all.len());
    let mut i = 0;
    while let Some(word) = all.get(i) {
        let protocol = matches!(all.get(i + 1), Some(&("tcp" | "udp" | "icmp" | "sctp" | "icmp6")));
        if matches!(*word, "-m" | "--match") && protocol {
            i += 2;
            continue;
        }
        let word = if matches!(*word, "-I" | "--append" | "--insert") { "-A" } else { word };
        out.push(word.strip_suffix("/32").or_else(|| word.strip_suffix("/128")).unwrap_or(word).trim_matches('"'));
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dialect, Draft, Family};
    use nettrace_grammar::Span;

    const TEXT: &str = "*filter\n-A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 31002 -j DROP\n-A INPUT -j ACCEPT\n";

    fn model() -> (Model, Sources) {
        let (mut m, mut s) = (Model::default(), Sources::default());
        let base = s.add("dir/iptables-save", TEXT).unwrap().base;
        let t = m.add_table(Family::Ip, "filter", Dialect::Legacy, Span::default());
        let c = m.add_chain(t, "INPUT", None, Span::default());
        let mut at = base;
        for line in TEXT.split_inclusive('\n') {
            if line.starts_with("-A") {
                m.append_rule(c, &Draft::default(), Span::new(at, at + line.len() as u32 - 1));
            }
            at += line.len() as u32;
        }
        (m, s)
    }

    #[test]
    fn a_rule_is_found_by_number_line_or_text() {
        let (m, s) = model();
        let check = |cited: &str, expect: &[u32]| {
            let found: Vec<_> = find(&m, &s, cited).iter().map(|r| r.0).collect();
            assert_eq!(found, expect, "{cited}");
        };
        check("filter/INPUT#1", &[0]);
        check("ip filter/INPUT#2", &[1]);
        check("INPUT#2", &[1]);
        check("ip6 filter/INPUT#1", &[]);
        check("filter/INPUT#3", &[]);
        check("iptables-save:2", &[0]);
        check("dir/iptables-save:3", &[1]);
        check("-A INPUT -s 10.0.0.1 -p tcp --dport 31002 -j DROP", &[0]);
        check("iptables -t filter -I INPUT -j ACCEPT", &[1]);
        check("-s 10.0.0.1 -p tcp --dport 31002 -j DROP", &[0]);
        check("-p tcp --dport 31002 -s 10.0.0.1 -j DROP", &[0]);
        check("-p tcp ! --dport 31002 -s 10.0.0.1 -j DROP", &[]);
        check("-d 10.0.0.1 -p tcp --dport 31002 -j DROP", &[]);
        check("iptables -t nat -I INPUT -j ACCEPT", &[]);
        check("#", &[]);
        check("", &[]);
    }
}
