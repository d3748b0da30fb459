//! Text in, printed ops out: every option of every extension, and what becomes of text that is not understood.

use nettrace_grammar::Sources;

use super::*;
use crate::model::ChainId;

fn model(text: &str, options: Options) -> (Model, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let source = sources.add("f", text).unwrap().clone();
    let (tree, mut diagnostics) = nettrace_grammar::iptables::parse(&source);
    let mut model = Model::default();
    diagnostics.extend(lower(&tree, options, &mut model));
    (model, diagnostics)
}

fn options(family: Family, dialect: Dialect) -> Options {
    Options { family, dialect }
}

fn shown(model: &Model, chain: ChainId, family: Family) -> Vec<String> {
    let number = if family == Family::Ip6 { 10 } else { 2 };
    let rules = model.chain(chain).rules.iter();
    rules
        .map(|r| model.rule_ops(r).iter().map(|op| model.show_op(*op, number)).collect::<Vec<_>>().join("; "))
        .collect()
}

/// The ops of one rule in chain X of the table, with the number of diagnostics behind them when there are any.
fn ops(table: &str, rule: &str, options: Options) -> String {
    let text = format!("*{table}\n:X -\n:Y -\n-A X {rule}\nCOMMIT\n");
    let (model, diagnostics) = model(&text, options);
    let table = model.find_table(options.family, table).unwrap();
    let shown = shown(&model, model.find_chain(table, "X").unwrap(), options.family);
    let codes: Vec<_> = diagnostics.iter().map(|d| format!(" [{}]", d.code)).collect();
    format!("{}{}", shown.join(" | "), codes.concat())
}

fn check_in(table: &str, family: Family, rows: &[(&str, &str)]) {
    for (rule, expect) in rows {
        assert_eq!(ops(table, rule, options(family, Dialect::Legacy)), *expect, "{rule}");
    }
}

fn check(rows: &[(&str, &str)]) {
    check_in("filter", Family::Ip, rows);
}

fn check6(rows: &[(&str, &str)]) {
    check_in("filter", Family::Ip6, rows);
}

#[test]
fn built_in_conditions() {
    check(&[
        (
            "-s 10.0.0.0/8 ! -d 1.2.3.4 -i eth0 ! -o veth+ -p tcp",
            "saddr 10.0.0.0/8; daddr not 1.2.3.4; iif eth0; oif not veth+; proto tcp",
        ),
        ("-s 10.0.12.0/255.0.255.0 ! -f -i +", "saddr & 0xff00ff00 = 10.0.12.0; frag offset 0"),
        ("-s 0.0.0.0/0 -p all -f", "frag offset not 0"),
        ("! -s 0.0.0.0/0", "never"),
        ("! -i +", "never"),
        ("--protocol=tcp -s1.2.3.4 -jACCEPT --source-po 80", "saddr 1.2.3.4; proto tcp; need tcp; sport 80; accept"),
        (
            "-s 1.1.1.1,2.2.2.2 -d 3.3.3.3 -j DROP",
            "saddr 1.1.1.1; daddr 3.3.3.3; drop | saddr 2.2.2.2; daddr 3.3.3.3; drop",
        ),
        ("-j QUEUE", "queue"),
        ("-g Y", "goto Y"),
        ("-c 1 2 -j RETURN", "return"),
    ]);
    check6(&[("-s fd00::/8 -d ::1 -p icmpv6", "saddr fd00::/8; daddr ::1; proto icmpv6")]);
}

#[test]
fn what_is_not_understood_costs_that_condition() {
    check(&[
        ("-m foo --bar 1 ! --baz -p tcp -j ACCEPT", "proto tcp; `-m foo --bar 1 ! --baz`; accept [NT102]"),
        ("-p tcp --dprot 80 -j ACCEPT", "proto tcp; need tcp; `--dprot 80`; accept [NT101]"),
        ("-p tcp --dport ! 80 -j ACEPT", "proto tcp; need tcp; dport not 80; `-j ACEPT` [NT106] [NT110]"),
        ("-p tcp --dport 80x -j DROP", "proto tcp; `-m tcp --dport 80x`; drop [NT111]"),
        ("-s nowhere -j DROP", "`-s nowhere`; drop [NT108]"),
        ("-m state -j DROP", "`-m state`; drop [NT111]"),
        ("-m conntrack ! --ctdir REPLY -j DROP", "`-m conntrack`; `! --ctdir REPLY`; drop [NT107] [NT111]"),
        ("-p tcp --d 80 -j DROP", "proto tcp; `--d 80`; drop [NT101]"),
        ("-j DROP -p", "`-p`; drop [NT104]"),
        ("-m iprange --src-range 1.1.1.9-1.1.1.1", "never"),
        ("-p tcp -m multiport --dports 1000:", "proto tcp; `-m multiport --dports 1000:` [NT111]"),
        ("-j LOG --log-level deb", "`-j LOG --log-level deb` [NT111]"),
        ("-j NFQUEUE --queue-num 1 --queue-balance 1:3", "`-j NFQUEUE --queue-num 1 --queue-balance 1:3` [NT111]"),
        ("-i eth0 -i eth1 -j DROP", "iif eth0; drop [NT105]"),
    ]);
}

/// Rows of `extensions.txt`: table, family, rule; the ops on the next line.
fn fixture() -> impl Iterator<Item = (&'static str, Family, &'static str, &'static str)> {
    let lines: Vec<_> = include_str!("extensions.txt").lines().filter(|l| !l.starts_with('#')).collect();
    let rows: Vec<_> = lines.chunks(2).map(|c| (c[0], c.get(1).map_or("", |l| l.trim()))).collect();
    rows.into_iter().map(|(row, expect)| {
        let (table, rest) = row.split_once(' ').unwrap();
        let (family, rule) = rest.split_once(' ').unwrap();
        (table, if family == "6" { Family::Ip6 } else { Family::Ip }, rule, expect)
    })
}

#[test]
fn every_option_of_every_extension() {
    for (table, family, rule, expect) in fixture() {
        check_in(table, family, &[(rule, expect)]);
    }
}

#[test]
fn the_fixture_leaves_no_option_out() {
    let rules: Vec<_> = fixture().map(|(_, family, rule, _)| (family, format!("{rule} "))).collect();
    let mut missing = Vec::new();
    for row in registry::table() {
        let load = if row.kind == registry::Kind::Match { "-m" } else { "-j" };
        let load = format!("{load} {} ", row.name);
        let of_family = |f: Family| {
            row.families == registry::For::Both || (row.families == registry::For::V6) == (f == Family::Ip6)
        };
        for option in row.options.iter().map(|o| format!(" {o} ")).chain([load.clone()]) {
            let found = rules.iter().any(|(f, r)| of_family(*f) && r.contains(&load) && r.contains(&option));
            if !found {
                missing.push(format!("{load}{option}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn iptables_nft_reads_some_rules_otherwise() {
    let check = |rule: &str, expect: &str| {
        assert_eq!(ops("filter", rule, options(Family::Ip, Dialect::IptablesNft)), expect, "{rule}");
    };
    check("-p tcp -m tcp --dport 80", "proto tcp; dport 80");
    check("-p tcp -m tcp --syn", "proto tcp; tcp flags & 0x17 = SYN");
    check("-p tcp -m tcp", "proto tcp; need tcp");
    check("-p tcp -m tcp --tcp-option 2 --dport 80", "proto tcp; need tcp; dport 80; tcp option 2 exists");
    check("-p tcp -m tcp ! --dport 0:65535", "proto tcp");
    check("-p udp -m udp ! --sport 53 ! --dport 54", "proto udp; (sport not 53 or dport not 54)");
    check("-p udp -m udp ! --sport 53 ! --dport 54:55", "proto udp; sport not 53; dport not 54-55");
    check("-p udp -m udp --sport 53", "proto udp; sport 53");
    check("-p tcp -m multiport --dports 80", "proto tcp; need ports; dport 80");
}

#[test]
fn tables_chains_and_edits() {
    let text = "# Generated by ip6tables-save v1.8.9 (nf_tables) on Mon\n*mangle\n:OUTPUT DROP [1:2]\n:X -\n-A OUTPUT -j X\n\
                COMMIT\n*security\n:INPUT ACCEPT\nCOMMIT\n";
    let (model, diagnostics) = model(text, options(Family::Ip6, Dialect::IptablesNft));
    assert!(diagnostics.is_empty());
    let base = |i: usize| {
        let b = model.chains[i].base.as_ref();
        b.map(|b| (b.hook.name(), b.kind, b.priority, model.show_verdict(b.policy)))
    };
    use crate::model::ChainKind::{Filter, Route};
    assert_eq!(base(0), Some(("output", Route, -150, "drop".to_owned())));
    assert_eq!(base(1), None);
    assert_eq!(base(2), Some(("input", Filter, 150, "accept".to_owned())));
    assert_eq!(shown(&model, ChainId(0), Family::Ip6), ["jump X"]);
}

#[test]
fn comments_tell_who_wrote_a_dump() {
    let check = |text: &str, expect| {
        let mut sources = Sources::default();
        let source = sources.add("f", text).unwrap().clone();
        assert_eq!(detect(&nettrace_grammar::iptables::parse(&source).0), expect, "{text}");
    };
    let (v4, v6, nft) = (Some(Family::Ip), Some(Family::Ip6), Some(Dialect::IptablesNft));
    check("# Generated by ip6tables-save v1.8.9 (nf_tables) on x\n*filter\nCOMMIT\n", (v6, nft));
    check("# Generated by iptables-save v1.8.9 on x\n*filter\nCOMMIT\n", (v4, Some(Dialect::Legacy)));
    check("-P INPUT DROP\n# Warning: iptables-legacy tables present, use iptables-legacy to see them\n", (v4, nft));
    check(
        "*filter\nCOMMIT\n# Warning: ip6tables-legacy tables present, use ip6tables-legacy-save to see them\n",
        (v6, nft),
    );
    check("*filter\nCOMMIT\n", (None, None));
}

#[test]
fn edits_change_the_list_of_rules() {
    let all = |text: &str| {
        let (model, diagnostics) = model(text, options(Family::Ip, Dialect::Legacy));
        let table = model.find_table(Family::Ip, "filter").unwrap();
        let rules = shown(&model, model.find_chain(table, "INPUT").unwrap(), Family::Ip).join(" | ");
        rules + &diagnostics.iter().map(|d| format!(" [{}]", d.code)).collect::<Vec<_>>().concat()
    };
    let check = |text: &str, expect: &str| assert_eq!(all(text), expect, "{text}");
    let dump = "*filter\n:INPUT ACCEPT\n-A INPUT -p 6 -j DROP\n-A INPUT -p 17 -j DROP\n-A INPUT -p 6 -j DROP\nCOMMIT\n";
    check(dump, "proto tcp; drop | proto udp; drop | proto tcp; drop");
    let edited = |line: &str| all(&format!("{dump}{line}\n"));
    assert_eq!(edited("iptables -I INPUT 2 -j RETURN"), "proto tcp; drop | return | proto udp; drop | proto tcp; drop");
    assert_eq!(edited("iptables -D INPUT -p tcp -j DROP"), "proto udp; drop | proto tcp; drop");
    assert_eq!(edited("-D INPUT 2"), "proto tcp; drop | proto tcp; drop");
    assert_eq!(edited("iptables -t filter -R INPUT 1 -j ACCEPT"), "accept | proto udp; drop | proto tcp; drop");
    assert_eq!(edited("iptables -F INPUT"), "");
    assert_eq!(edited("iptables -I INPUT 9 -j ACCEPT"), "proto tcp; drop | proto udp; drop | proto tcp; drop [NT109]");
    assert_eq!(
        edited("iptables -A INPUT -j NEW"),
        "proto tcp; drop | proto udp; drop | proto tcp; drop | `-j NEW` [NT110]"
    );
    check("*filter\n-A INPUT -j X \n:X -\n-A X -p\n:\n-A INPUT\nCOMMIT\n", "jump X |  [NT001] [NT104]");
    check("*filter\n-A INPUT -j DROP\n*nat\nCOMMIT\n", "drop [NT006]");
    check("*filter\n-A INPUT -j DROP\nCOMMIT\n*filtr\n-A INPUT -j ACCEPT\nCOMMIT\n", "drop [NT109]");
    check(
        "*filter\n-A INPUT -j DROP\nCOMMIT\n*filter\n-A INPUT -p 6\n-4 -A INPUT -p 17\n-6 -A INPUT\nCOMMIT\n",
        "proto tcp | proto udp [NT007]",
    );
    check(":INPUT DROP\n:X -\n-A INPUT -j X\nCOMMIT\n", "jump X [NT109]");
    check("*filter\n:INPUT -\n-A input -j DROP\n-A PREROUTING -j DROP\nCOMMIT\n", " [NT109] [NT109]");
    check("iptables -N X\niptables -A INPUT -g X\niptables -E X Y\n", "goto Y");
}

mod any_words {
    use proptest::prelude::*;

    use super::*;

    /// Words that lowering looks at, and some that it does not expect.
    fn vocabulary() -> Vec<String> {
        let table = registry::table();
        let names = table.iter().map(|r| r.name.to_owned());
        let options = table.iter().flat_map(|r| r.options.iter().map(|o| (*o).to_owned()));
        let odd = "! -m -j -g -p -s -d -i -o -f -t -c -w -4 -6 --proto -ptcp -Ä -jé --x= tcp udp icmp ipv6-icmp 6 255 80 \
                   1:2 2:1 : :5 5: -1 4294967295 4294967296 18446744073709551616 0x 0xfg 08 1/33 1.2.3.4/33 ::/129 ::1 \
                   10.0.0.0/8 1.1.1.1,2.2.2.2 a-b 9.9.9.9-1.1.1.1 [::1]:80 [ ] :80 + eth+ aaaaaaaaaaaaaaaa src,dst src,x \
                   ALL NONE SYN, , 1/sec 0/day 9999999999999999999/s 1kb/s 99999999999999999999mb 0.5 1.1 NaN inf 24:00 \
                   2038-01-19T03:14:08 9999-99-99 Mon 7 8 |0g| |00| \"\" 1,6_0_0_1 X Y INPUT ACCEPT é 0>>22&0x3C@0=1 = && @";
        let odd = odd.split_whitespace().map(|w| w.replace('_', " "));
        names.chain(options).chain(odd).collect()
    }

    fn rule() -> impl Strategy<Value = String> {
        let word = proptest::sample::select(vocabulary());
        let starts = "-A X|-A X|-A X|-I X 2|-D X|-R X 1|-C X|-P INPUT|-N|-F|-E|*filter|*nat|:X|COMMIT|iptables -A INPUT|\
                      ip6tables -t nat -I OUTPUT";
        let start = proptest::sample::select(starts.split('|').collect::<Vec<_>>());
        (start, prop::collection::vec(word, 0..9)).prop_map(|(start, words)| {
            let quoted = words.iter().map(|w| if w.contains(' ') { format!("\"{w}\"") } else { w.clone() });
            format!("{start} {}", quoted.collect::<Vec<_>>().join(" "))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn nothing_panics_and_every_rule_is_shown(lines in prop::collection::vec(rule(), 1..6), v6: bool, nft: bool) {
            let family = if v6 { Family::Ip6 } else { Family::Ip };
            let dialect = if nft { Dialect::IptablesNft } else { Dialect::Legacy };
            let text = format!("*filter\n:INPUT DROP\n:X -\n:Y -\n{}\n", lines.join("\n"));
            let (model, _) = model(&text, options(family, dialect));
            for chain in 0..model.chains.len() as u32 {
                shown(&model, ChainId(chain), family);
            }
        }
    }
}
