//! Random small rulesets on hosts of which little is known: no outcome contradicts itself, chances add up to 1, and no
//! two outcomes come from the same answers.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};

use nettrace_engine::World;
use nettrace_engine::explore::{Outcomes, Pins, explore};
use nettrace_engine::field::Field;
use nettrace_engine::host::{Host, Parts};
use nettrace_engine::lower::iptables::{Options, lower};
use nettrace_engine::model::{Dialect, Family, Model};
use nettrace_engine::spec::{PacketSpec, complete};
use nettrace_engine::state::State;
use nettrace_engine::trace::{Event, Trace};
use nettrace_engine::walk::walk;
use nettrace_grammar::{Sources, iptables};
use proptest::prelude::*;

/// Conditions and their negations; of each pair exactly one holds.
const PAIRS: &[(&str, &str)] = &[
    ("-i eth0", "! -i eth0"),
    ("-i wg+", "! -i wg+"),
    ("-m set --match-set web src", "-m set ! --match-set web src"),
    ("-m geoip --src-cc DE", "-m geoip ! --src-cc DE"),
    ("-m addrtype --dst-type LOCAL", "-m addrtype ! --dst-type LOCAL"),
    ("-m addrtype --src-type LOCAL", "-m addrtype ! --src-type LOCAL"),
    ("-m mac --mac-source 02:00:00:00:00:01", "-m mac ! --mac-source 02:00:00:00:00:01"),
    ("-p tcp", "! -p tcp"),
];

const OTHERS: &[&str] = &[
    "-m statistic --mode random --probability 0.3",
    "-m statistic --mode random --probability 0.5",
    "-m limit --limit 4/min",
    "-m time --timestart 08:00:00 --timestop 18:00:00",
    "-o eth1",
    "-m frob --nicate",
];

const TARGETS: &[&str] = &["ACCEPT", "DROP", "RETURN", "FROB", "NFQUEUE --queue-num 1", "LOG", "REJECT"];

fn condition() -> impl Strategy<Value = String> {
    let pair = (0..PAIRS.len(), any::<bool>()).prop_map(|(i, no)| if no { PAIRS[i].1 } else { PAIRS[i].0 }.to_string());
    prop_oneof![3 => pair, 2 => (0..OTHERS.len()).prop_map(|i| OTHERS[i].to_string())]
}

fn rule() -> impl Strategy<Value = String> {
    (prop::collection::vec(condition(), 0..3), 0..TARGETS.len(), 0..2usize).prop_map(|(tests, target, chain)| {
        let tests = tests.iter().filter(|t| !t.contains("-o ") || chain == 1).cloned().collect::<Vec<_>>();
        format!("-A {} {} -j {}", ["INPUT", "FORWARD"][chain], tests.join(" "), TARGETS[target])
    })
}

/// The rules, behind rules that mark which of each pair of conditions holds.
fn dump(rules: &[String], pairs: &[usize]) -> String {
    let mut out = "*mangle\n:PREROUTING ACCEPT [0:0]\n".to_string();
    for (n, i) in pairs.iter().enumerate() {
        for (half, condition) in [PAIRS[*i].0, PAIRS[*i].1].into_iter().enumerate() {
            out.push_str(&format!(
                "-A PREROUTING {condition} -j MARK --set-xmark {0:#x}/{0:#x}\n",
                1 << (2 * n + half)
            ));
        }
    }
    format!("{out}COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n{}\nCOMMIT\n", rules.join("\n"))
}

fn outcomes(text: &str, packet: &str) -> Outcomes<Trace> {
    let mut sources = Sources::default();
    let source = sources.add("iptables-save", text).unwrap().clone();
    let mut model = Model::default();
    lower(&iptables::parse(&source).0, Options { family: Family::Ip, dialect: Dialect::Legacy }, &mut model);
    let host = Host::new(Parts::default());
    let world = World { model: &model, host: &host };
    let start = complete(&serde_json::from_str::<PacketSpec>(packet).unwrap(), world).unwrap();
    explore(128, &Pins::default(), |ask| walk(world, &start, &mut State::default(), ask))
}

fn check(rules: &[String], pairs: &[usize], packet: &str) -> Result<(), TestCaseError> {
    let text = dump(rules, pairs);
    let all = outcomes(&text, packet);
    let mut seen = HashSet::new();
    for o in &all.list {
        prop_assert!(seen.insert(format!("{:?}", o.choices)), "twice: {:?}\n{text}", o.choices);
        let mut answers = HashMap::new();
        for e in &o.result.events {
            if let Event::Answer { fact, value, .. } = e {
                let known = *answers.entry(fact.clone()).or_insert(*value);
                prop_assert_eq!(known, *value, "{:?}\n{}", fact, text);
            }
        }
        let mark = o.result.last_packet().or_zero(Field::Mark);
        for n in 0..pairs.len() {
            prop_assert!(
                matches!(mark >> (2 * n) & 3, 1 | 2),
                "{} of {mark:#x}: {:?}\n{text}",
                PAIRS[pairs[n]].0,
                o.choices
            );
        }
    }
    if all.complete && all.list.iter().all(|o| o.odds.is_some()) {
        let sum: f64 = all.list.iter().filter_map(|o| o.odds).sum();
        prop_assert!((sum - 1.0).abs() < 1e-6, "{sum}\n{text}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_outcome_contradicts_itself(
        rules in prop::collection::vec(rule(), 0..6),
        pairs in prop::collection::vec(0..PAIRS.len(), 0..4),
        dst in prop::sample::select(vec!["192.0.2.10", "10.0.0.9"]),
        udp in any::<bool>(),
    ) {
        let proto = if udp { "udp" } else { "tcp" };
        let packet = format!(r#"{{"proto":"{proto}","saddr":"203.0.113.7","daddr":"{dst}","sport":40000,"dport":80}}"#);
        check(&rules, &pairs, &packet)?;
    }
}
