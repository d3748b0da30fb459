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
        .map(|r| model.rule_ops(*r).iter().map(|op| model.show_op(*op, number)).collect::<Vec<_>>().join("; "))
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
        ("--protocol=tcp -s1.2.3.4 -jACCEPT --source-po 80", "proto tcp; saddr 1.2.3.4; need tcp; sport 80; accept"),
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
        ("-i eth0 -i eth1 -j DROP", "iif eth0; drop [NT105]"),
    ]);
}
