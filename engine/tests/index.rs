//! Walks with the decision index are walks without it, event for event.

use nettrace_engine::World;
use nettrace_engine::explore::{Pins, explore};
use nettrace_engine::host::Host;
use nettrace_engine::lower::iptables::{Options, lower};
use nettrace_engine::model::{Dialect, Family, Model};
use nettrace_engine::spec::{PacketSpec, ProtoName, complete};
use nettrace_engine::state::State;
use nettrace_engine::trace::Event;
use nettrace_engine::walk::walk;
use nettrace_grammar::{Sources, iptables};
use proptest::prelude::*;

/// One rule's text: matches on few values, so that many rules match.
fn rule() -> impl Strategy<Value = String> {
    let matches = prop::sample::subsequence(
        vec![
            "-s 10.0.0.1/32",
            "-d 10.0.0.2/32",
            "-d 10.0.0.3/32",
            "! -d 10.0.0.2/32",
            "-i eth0",
            "-i eth+",
            "-m mark --mark 0x1",
            "-m statistic --mode random --probability 0.5",
            "-m set --match-set S src",
            "-p tcp -m tcp --dport 80",
            "-m conntrack --ctstate NEW",
        ],
        0..3,
    );
    let target =
        prop::sample::select(vec!["-j RETURN", "-j ACCEPT", "-j DROP", "-j U", "-g U", "-j MARK --set-mark 1", ""]);
    let chain = prop::sample::select(vec!["INPUT", "INPUT", "U"]);
    (chain, matches, target).prop_map(|(chain, m, target)| {
        let target = if chain == "U" && target.ends_with('U') { "-j RETURN" } else { target };
        // At most one protocol and one destination fit into a rule.
        let mut seen = (false, false);
        let kept = m.iter().filter(|t| match t.as_bytes() {
            [b'-', b'd', ..] | [b'!', ..] => !std::mem::replace(&mut seen.0, true),
            [b'-', b'i', ..] => !std::mem::replace(&mut seen.1, true),
            _ => true,
        });
        format!("-A {chain} {} {target}\n", kept.copied().collect::<Vec<_>>().join(" "))
    })
}

fn events(model: &Model, packet: &PacketSpec) -> Vec<Vec<Event>> {
    let host = Host::default();
    let world = World { model, host: &host };
    let start = complete(packet, world).expect("the packets of this test can be read");
    let run = explore(64, &Pins::default(), |ask| walk(world, &start, &mut State::default(), ask).events);
    run.list.into_iter().map(|o| o.result).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn indexed_walks_are_linear_walks(
        rules in prop::collection::vec(rule(), 8..40),
        src in 1u8..3, dst in 1u8..4, dport in prop::sample::select(vec![80u16, 81]),
    ) {
        let text = format!("*filter\n:INPUT ACCEPT [0:0]\n:U - [0:0]\n{}COMMIT\n", rules.concat());
        let mut sources = Sources::default();
        let (tree, _) = iptables::parse(sources.add("test", text).expect("small"));
        let mut model = Model::default();
        lower(&tree, Options { family: Family::Ip, dialect: Dialect::Legacy }, &mut model);
        let packet = PacketSpec {
            saddr: Some(format!("10.0.0.{src}")), daddr: Some(format!("10.0.0.{dst}")), dport: Some(dport), sport: Some(1000),
            proto: Some(ProtoName::Name("tcp".to_string())), iif: Some("eth0".to_string()), ..PacketSpec::default()
        };
        let linear = events(&model, &packet);
        model.build_index();
        prop_assert_eq!(linear, events(&model, &packet));
    }
}
