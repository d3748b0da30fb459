//! Explanations on the samples: names, why-not, unasked, what mattered, what-if and placement.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{Sample, sample};
use nettrace_engine::explain::diff::diff;
use nettrace_engine::explain::mattered::mattered;
use nettrace_engine::explain::names::Labels;
use nettrace_engine::explain::place::{Advice, Fare, Ground, Want, advise};
use nettrace_engine::explain::rules;
use nettrace_engine::explain::unasked::unasked;
use nettrace_engine::explain::way::Way;
use nettrace_engine::explain::whynot::{Inquiry, Miss, rule_name};
use nettrace_engine::explore::Pins;
use nettrace_engine::host::Host;
use nettrace_engine::model::RuleId;
use nettrace_engine::state::State;
use nettrace_engine::trace::Fate;
use nettrace_engine::whatif;

const REMOTE: &str = r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"172.16.4.21","dport":31002}"#;
const LOCAL: &str = r#"{"origin":"node","proto":"tcp","saddr":"127.0.0.1","daddr":"127.0.0.1","dport":31002}"#;

fn rule(s: &Sample, cited: &str) -> RuleId {
    let found = rules::find(&s.model, &s.sources, cited);
    assert_eq!(found.len(), 1, "{cited}");
    found[0]
}

fn why(s: &Sample, packet: &str, cited: &str) -> (String, String) {
    let trace = s.walk(packet);
    let inquiry = Inquiry::new(s.world(), &trace);
    let why = inquiry.why_not(rule(s, cited));
    (why.reason.code().to_string(), inquiry.words(&why, &|r| rule_name(&s.model, r)))
}

#[test]
fn the_drop_that_does_nothing_has_both_reasons() {
    let s = sample("nodeport-drop");
    let expect = "the packet does not pass INPUT: routing behind nat/KUBE-SEP-VKIPXDQHDOL5KL3V#2 sends it to FORWARD by \
                  cali7d3f1b2a9c4, because 10.244.166.136 is not an address of this host; and even there it asks for \
                  dport 31002, and dport is 8200 since nat/KUBE-SEP-VKIPXDQHDOL5KL3V#2; in mangle PREROUTING it was \
                  31002 and this rule would have matched there";
    for cited in ["filter/INPUT#1", "-A INPUT -p tcp --dport 31002 -j DROP", "iptables-save:410"] {
        assert_eq!(why(&s, REMOTE, cited), ("hook-not-on-path".to_string(), expect.to_string()));
    }
    let (code, words) = why(&s, LOCAL, "filter/INPUT#1");
    assert_eq!(code, "hook-not-on-path");
    assert!(words.contains("this host sends it behind nat/KUBE-SEP-VKIPXDQHDOL5KL3V#2"), "{words}");
}

#[test]
fn each_reason_has_its_code() {
    let s = sample("nodeport-drop");
    let check = |cited: &str, code: &str| assert_eq!(why(&s, REMOTE, cited).0, code, "{cited}");
    check("filter/FORWARD#3", "ended-before");
    check("raw/cali-PREROUTING#2", "condition-failed");
    check("raw/cali-PREROUTING#1", "matched-not-deciding");
    check("filter/KUBE-FORWARD#2", "decided");
    check("nat/KUBE-MARK-DROP#1", "not-hooked");
    check("nat/KUBE-SEP-26G3WXNDXWWSPE6B#2", "chain-not-entered");
}

#[test]
fn the_drop_is_told_without_being_asked_for() {
    let s = sample("nodeport-drop");
    for packet in [REMOTE, LOCAL] {
        let trace = s.walk(packet);
        let inquiry = Inquiry::new(s.world(), &trace);
        let found = unasked(&inquiry, s.world(), &trace, &[]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].why.rule, rule(&s, "filter/INPUT#1"));
        assert_eq!(found[0].why.reason.code(), "hook-not-on-path");
    }
    let ssh = s.walk(r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"172.16.4.21","dport":22}"#);
    assert_eq!(unasked(&Inquiry::new(s.world(), &ssh), s.world(), &ssh, &[]), []);
}

#[test]
fn the_way_is_told_in_kubernetes_words() {
    let s = sample("nodeport-drop");
    let labels = Labels::build(&s.model);
    let check = |cited: &str, expect: &str| {
        assert_eq!(labels.rule(rule(&s, cited)).as_deref(), Some(expect), "{cited}");
    };
    check("nat/KUBE-NODEPORTS#13", "NodePort of paas/config-center:http");
    check("nat/KUBE-SVC-MXEESVGUBJLGA3P6#2", "will be masqueraded (0x4000)");
    check("nat/KUBE-SVC-MXEESVGUBJLGA3P6#3", "endpoint 10.244.166.136:8200 of paas/config-center:http");
    check("nat/KUBE-SEP-VKIPXDQHDOL5KL3V#2", "to endpoint 10.244.166.136:8200");
    check("filter/cali-to-wl-dispatch#1", "to workload cali7d3f1b2a9c4");
    let k3s = sample("k3s-netpol");
    let labels = Labels::build(&k3s.model);
    let check = |chain: &str, expect: &str| {
        let chain = rules::chains(&k3s.model, chain)[0];
        assert_eq!(labels.chain(chain).as_deref(), Some(expect));
    };
    check("KUBE-POD-FW-7KDYWFZ2NUU6E6UX", "firewall of pod sample2/nginx-6c8b449b8f-x7kzq");
    check("KUBE-NWPLCY-C2FYJMLX3KBM3TXL", "policy allow-same-namespace of sample1");
    check("KUBE-NWPLCY-B2KZM6POAF7L6QDN", "policy deny-by-default of sample2");
}

#[test]
fn what_mattered_leaves_out_what_did_not() {
    let s = sample("nodeport-drop");
    let found = mattered(s.world(), &s.walk(REMOTE));
    let names: BTreeSet<_> = found.fields.iter().map(|f| f.name()).collect();
    for name in ["daddr", "dport", "proto", "iif", "ttl", "tcp flags"] {
        assert!(names.contains(name), "{names:?}");
    }
    for name in ["sport", "tos", "length", "uid"] {
        assert!(!names.contains(name), "{names:?}");
    }
    assert!(found.routes);
}

/// A sample after commands.
fn edited(mut s: Sample, commands: &[&str]) -> Sample {
    for command in commands {
        let _undo = whatif::apply(&mut s.model, &mut s.parts, &mut s.sources, command).unwrap();
    }
    s.host = Host::new(s.parts.clone());
    s
}

#[test]
fn what_if_shows_the_difference() {
    let before = sample("nodeport-drop").walk(REMOTE);
    let with = |command: &str| diff(&before, &edited(sample("nodeport-drop"), &[command]).walk(REMOTE));
    assert!(with("iptables -I INPUT -p tcp --dport 31002 -j DROP").is_empty());
    let dropped = with("iptables -t mangle -I PREROUTING -p tcp --dport 31002 -j DROP");
    assert!(matches!(dropped.fates, Some((Fate::Out { .. }, Fate::Drop { .. }))));
    let unrouted = with("sysctl -w net.ipv4.conf.eth0.forwarding=0");
    assert!(matches!(unrouted.fates, Some((Fate::Out { .. }, Fate::StackDrop { .. }))), "{unrouted:?}");
}

fn advice(s: &Sample, packet: &str, want: Want) -> Advice {
    let (state, pins) = (State::default(), Pins::default());
    advise(Ground { world: s.world(), state: &state, pins: &pins }, &s.start(packet), want)
}

/// The kernel's own answers (peers.md, section 3, item 1): rule, remote client, local client.
const MEASURED: &[(&str, bool, bool)] = &[
    ("iptables -I INPUT -p tcp --dport 31002 -j DROP", false, false),
    ("iptables -t mangle -I OUTPUT -p tcp --dport 31002 -j DROP", false, true),
    ("iptables -t mangle -I PREROUTING -p tcp --dport 31002 -j DROP", true, false),
    ("iptables -t raw -I PREROUTING -p tcp --dport 31002 -j DROP", true, false),
    ("iptables -t raw -I OUTPUT -p tcp --dport 31002 -j DROP", false, true),
    ("iptables -I OUTPUT -p tcp -m conntrack --ctorigdstport 31002 -j DROP", false, true),
    ("iptables -t mangle -I POSTROUTING -p tcp -m conntrack --ctorigdstport 31002 -j DROP", true, true),
    ("iptables -t mangle -I POSTROUTING -o cali7d3f1b2a9c4 -p tcp --dport 8200 -j DROP", true, true),
    ("iptables -I FORWARD -p tcp -m conntrack --ctorigdstport 31002 -j DROP", true, false),
    ("iptables -I FORWARD -p tcp --dport 8200 -j DROP", true, false),
    ("iptables -I OUTPUT -p tcp --dport 31002 -j DROP", false, false),
    ("iptables -I OUTPUT -o lo -p tcp --dport 8200 -j DROP", false, true),
    ("iptables -I OUTPUT -o cali7d3f1b2a9c4 -p tcp --dport 8200 -j DROP", false, false),
];

#[test]
fn placement_is_the_kernels() {
    let s = sample("nodeport-drop");
    let found = advice(&s, REMOTE, Want::Drop);
    let origins = ["a remote client", "this host, to 127.0.0.1", "this host, to 172.16.4.21", "a pod (10.244.166.136)"];
    assert_eq!(found.origins, origins);
    for (command, remote, local) in MEASURED {
        let tried = found.tried.iter().find(|p| p.commands == [*command]);
        let fares = &tried.unwrap_or_else(|| panic!("{command} was not tried")).fares;
        let blocked: Vec<bool> = fares.iter().map(|f| f.is(Want::Drop)).collect();
        // A pod's packet comes in by a device, and takes a remote client's way.
        assert_eq!(blocked, [*remote, *local, *local, *remote], "{command}");
    }
    assert!(found.notes[0].contains("nat PREROUTING"));
    let best = found.best();
    assert_eq!(best[0].place.table, "mangle");
    assert!(best[0].commands[0].contains("--ctorigdstport 31002"), "{best:?}");
    let straight =
        |p: &&nettrace_engine::explain::place::Placement| p.also.iter().any(|a| a.starts_with("connections straight"));
    assert!(found.tried.iter().filter(|p| p.commands[0].contains("--dport 8200") && p.works[0]).all(|p| straight(&p)));
}

#[test]
fn nat_rules_are_asked_until_one_decides() {
    let s = edited(sample("nodeport-drop"), &["iptables -t nat -A PREROUTING -p tcp --dport 31002 -j REDIRECT"]);
    // A jump that returned is passed by; the translation ended the chain in front of the rule.
    assert_eq!(why(&s, REMOTE, "nat/PREROUTING#3").0, "ended-before");
    let s = edited(
        sample("nodeport-drop"),
        &[
            "nft add table ip late",
            "nft add chain ip late pre '{ type nat hook prerouting priority -90; }'",
            "nft add rule ip late pre tcp dport 31002 redirect",
        ],
    );
    let (code, words) = why(&s, REMOTE, "late/pre#1");
    assert_eq!(code, "nat-already-decided");
    assert!(words.ends_with("and nat/KUBE-SEP-VKIPXDQHDOL5KL3V#2 had decided"), "{words}");
}

/// The NodePort with an endpoint on the host's own network.
fn host_network() -> Sample {
    let to = "-p tcp --dport 31002 -j DNAT --to-destination 172.16.4.21:8200";
    let commands = [format!("iptables -t nat -I PREROUTING {to}"), format!("iptables -t nat -I OUTPUT {to}")];
    edited(sample("nodeport-drop"), &[&commands[0], &commands[1]])
}

#[test]
fn behind_a_dnat_to_the_host_itself_input_sees_the_new_port() {
    let s = host_network();
    let (code, words) = why(&s, REMOTE, "filter/INPUT#1");
    assert_eq!(code, "condition-failed");
    let expect = "it asks for dport 31002, and dport is 8200 since nat/PREROUTING#1; in mangle PREROUTING it was 31002 \
                  and this rule would have matched there";
    assert_eq!(words, expect);
    let found = advice(&s, REMOTE, Want::Drop);
    for command in [
        "iptables -I INPUT -p tcp --dport 8200 -j DROP",
        "iptables -I INPUT -p tcp -m conntrack --ctorigdstport 31002 -j DROP",
    ] {
        let tried = found.tried.iter().find(|p| p.commands == [command]).unwrap();
        assert_eq!(tried.fares[..3], [Fare::Blocked; 3], "{command}");
    }
}

/// The first command of each kind of way that lets a packet pass, best first.
fn openings(s: &Sample, packet: &str) -> Vec<String> {
    let found = advice(s, packet, Want::Accept);
    assert_eq!(found.before[0], Fare::Blocked);
    let best = found.best();
    assert!(best.iter().all(|p| p.fares[0] == Fare::Passes && p.works[0]), "{best:?}");
    best.iter().map(|p| p.commands[0].clone()).collect()
}

#[test]
fn a_rejected_packet_gets_an_accept_that_works() {
    let s = sample("k3s-netpol");
    let packet = r#"{"iif":"cni0","physin":"veth","proto":"tcp","saddr":"10.42.0.59","daddr":"10.42.0.60","dport":80}"#;
    let expect = [
        "NetworkPolicy in sample2: selects pod nginx-6c8b449b8f-x7kzq, allows ingress from 10.42.0.59, port 80/TCP",
        "ipset add KUBE-SRC-B7VDGJPYEKRNRSM3 10.42.0.59",
        "iptables -I FORWARD -i cni0 -s 10.42.0.59 -d 10.42.0.60 -p tcp --dport 80 -j ACCEPT",
        "iptables -D KUBE-POD-FW-7KDYWFZ2NUU6E6UX 9",
    ];
    assert_eq!(openings(&s, packet), expect);
    let found = advice(&s, packet, Want::Accept);
    assert!(found.best()[2].warnings.iter().any(|w| w.starts_with("kube-router")), "{found:?}");
}

#[test]
fn whatever_dropped_a_packet_is_undone() {
    let ssh = r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"172.16.4.21","dport":22}"#;
    let node = r#"{"origin":"node","proto":"tcp","daddr":"10.9.9.9","dport":22}"#;
    let through = r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"9.9.9.9","dport":22}"#;
    let check = |commands: &[&str], packet: &str, expect: &[&str]| {
        let found = openings(&edited(sample("nodeport-drop"), commands), packet);
        assert_eq!(found, expect, "{commands:?}");
    };
    let insert = "iptables -I INPUT -i eth0 -s 172.16.4.9 -d 172.16.4.21 -p tcp --dport 22 -j ACCEPT";
    check(&["iptables -P INPUT DROP"], ssh, &[insert, "iptables -P INPUT ACCEPT"]);
    let block = "iptables -I INPUT -m set --match-set bad src -j DROP";
    check(
        &["ipset create bad hash:net", "ipset add bad 172.16.4.9", block],
        ssh,
        &["ipset del bad 172.16.4.9", &insert.replace("INPUT", "INPUT 1"), "iptables -D INPUT 1"],
    );
    let good = "iptables -I INPUT -m set ! --match-set good src -j DROP";
    check(
        &["ipset create good hash:ip", good],
        ssh,
        &["ipset add good 172.16.4.9", &insert.replace("INPUT", "INPUT 1"), "iptables -D INPUT 1"],
    );
    // Two chains drop it: one ACCEPT is not enough.
    let raw = "iptables -t raw -I PREROUTING -p tcp --dport 22 -j DROP";
    let both = advice(&edited(sample("nodeport-drop"), &[raw, "iptables -P INPUT DROP"]), ssh, Want::Accept);
    let first = both.best()[0];
    assert_eq!(
        first.commands,
        ["iptables -t raw -I PREROUTING 1 -i eth0 -s 172.16.4.9 -d 172.16.4.21 -p tcp --dport 22 -j ACCEPT", insert,]
    );
    check(&["sysctl -w net.ipv4.ip_forward=0"], through, &["sysctl -w net.ipv4.ip_forward=1"]);
    check(&["ip route add blackhole 9.9.0.0/16"], through, &["ip route del blackhole 9.9.0.0/16"]);
    check(&["ip route del default"], node, &["ip route add 10.9.9.9 via 172.16.4.22 dev eth0"]);
}

#[test]
fn where_nothing_helps_nothing_is_told() {
    // A multicast address cannot be a source, whatever the rules say.
    let s = sample("nodeport-drop");
    let found = advice(
        &s,
        r#"{"iif":"eth0","proto":"tcp","saddr":"224.0.0.9","daddr":"172.16.4.21","dport":22}"#,
        Want::Accept,
    );
    assert_eq!((found.before[0], found.best().len()), (Fare::Blocked, 0), "{found:?}");
}

#[test]
fn an_nft_host_gets_nft_commands() {
    let s = sample("kube-proxy-nftables");
    let packet = r#"{"iif":"eth0","proto":"tcp","saddr":"192.168.20.9","daddr":"192.168.20.21","dport":31080}"#;
    let found = advice(&s, packet, Want::Drop);
    let table = "nft add table ip guard";
    let chain = "nft add chain ip guard raw-prerouting '{ type filter hook prerouting priority -300; }'";
    let rule = "nft add rule ip guard raw-prerouting fib daddr type local tcp dport 31080 drop";
    let tried = found.tried.iter().find(|p| p.commands == [table, chain, rule]).unwrap();
    assert_eq!(tried.fares[0], Fare::Blocked);
    assert_eq!(tried.also, Vec::<String>::new());
    let f = sample("firewalld-nft");
    let packet = r#"{"iif":"eth0","proto":"tcp","saddr":"192.168.30.9","daddr":"192.168.30.21","dport":9100}"#;
    let found = advice(&f, packet, Want::Accept);
    let best = found.best();
    assert_eq!(best[0].commands, ["firewall-cmd --zone=public --add-port=9100/tcp"]);
    assert_eq!(best[0].walked, ["nft add rule inet firewalld filter_IN_public_allow tcp dport 9100 accept"]);
    assert!(best[1].commands[0].starts_with("nft insert rule inet firewalld filter_INPUT "), "{best:?}");
    assert!(best[1].warnings[0].starts_with("firewalld rebuilds"), "{best:?}");
    // Between zones it takes a policy; a denied source is only helped by another zone.
    let out = r#"{"iif":"eth1","proto":"tcp","saddr":"10.0.5.2","daddr":"192.168.30.9","dport":80}"#;
    assert_eq!(openings(&f, out)[0], "firewall-cmd --permanent --new-policy=internal-to-public");
    let denied = r#"{"iif":"eth0","proto":"tcp","saddr":"192.168.30.66","daddr":"192.168.30.21","dport":8080}"#;
    assert_eq!(openings(&f, denied)[0], "firewall-cmd --zone=trusted --add-source=192.168.30.66");
}

#[test]
fn rules_that_did_not_match_have_the_condition_that_failed() {
    let s = sample("nodeport-drop");
    let trace = s.walk(REMOTE);
    let inquiry = Inquiry::new(s.world(), &trace);
    let way = Way::of(&s.model, &trace);
    let steps = || way.passes().flat_map(|p| &p.steps);
    let show = |m: &Miss| {
        let f = m.failed.as_ref().unwrap();
        format!("#{} wants {}, has {}", m.number, f.wanted, f.had)
    };
    let into = |chain: &str| steps().find(|s2| s.model.chain_name(s2.chain) == chain).unwrap();
    let near = inquiry.misses(into("KUBE-NODEPORTS"), 2);
    let shown: Vec<_> = near.list.iter().map(show).collect();
    assert_eq!(shown, ["#11 wants dport 32298, has 31002", "#12 wants dport 31023, has 31002"]);
    assert_eq!(near.more, 10);
    for step in steps() {
        let all = inquiry.misses(step, usize::MAX);
        assert_eq!((all.list.len(), all.more), (step.looked(&s.model).len(), 0));
        for miss in &all.list {
            assert!(miss.failed.is_some(), "{}", rule_name(&s.model, miss.rule));
            let said = inquiry.why_not(miss.rule).reason.code();
            assert!(["condition-failed", "decided", "matched-not-deciding"].contains(&said), "{said}");
        }
    }
}

#[test]
fn of_many_rules_those_that_name_the_packet_are_told() {
    let mut s = sample("nodeport-drop");
    let mut name = |command: &str| {
        let _undo = whatif::apply(&mut s.model, &mut s.parts, &mut s.sources, command).unwrap();
    };
    name("iptables -t raw -I PREROUTING -s 192.0.2.1 -p tcp --dport 31002 -j DROP");
    for port in 1..60 {
        name(&format!("iptables -t raw -I PREROUTING 2 -p tcp --dport {port} -j DROP"));
    }
    let trace = s.walk(REMOTE);
    let inquiry = Inquiry::new(s.world(), &trace);
    let way = Way::of(&s.model, &trace);
    let first = way.passes().find_map(|p| p.steps.first()).unwrap();
    let told: Vec<u32> = inquiry.misses(first, 3).list.iter().map(|m| m.number).collect();
    assert_eq!(told, [1, 59, 60], "the first names the packet's port, the others are the nearest");
}

/// The rules that are told unasked, as they are cited.
fn told(s: &Sample, packet: &str) -> Vec<String> {
    let trace = s.walk(packet);
    let inquiry = Inquiry::new(s.world(), &trace);
    let found = unasked(&inquiry, s.world(), &trace, &[]);
    found.iter().map(|u| format!("{} {}", rule_name(&s.model, u.why.rule), u.why.reason.code())).collect()
}

#[test]
fn rules_are_told_that_somebody_meant_for_the_packet_and_no_others() {
    let chain = ["nft add table inet fw", "nft add chain inet fw in '{ type filter hook input priority 0; }'"];
    let port = r#"{"iif":"eth0","proto":"tcp","saddr":"192.168.20.9","daddr":"192.168.20.21","dport":31080}"#;
    let check = |host: &str, commands: &[&str], packet: &str, expect: &[&str]| {
        assert_eq!(told(&edited(sample(host), commands), packet), expect, "{host}: {commands:?}");
    };
    for rule in [
        "tcp dport 31080 drop",
        "tcp dport { 31080, 31099 } drop",
        "tcp dport vmap { 31080 : drop }",
        "ip daddr . tcp dport { 192.168.20.21 . 31080 } reject",
    ] {
        let command = format!("nft add rule inet fw in {rule}");
        check("kube-proxy-nftables", &[chain[0], chain[1], &command], port, &["fw/in#1 hook-not-on-path"]);
    }
    check(
        "kube-proxy-nftables",
        &[chain[0], chain[1], "nft add rule inet fw in tcp dport 31080 limit rate 1/second drop"],
        port,
        &[],
    );
    check("kube-proxy-nftables", &[chain[0], chain[1], "nft add rule inet fw in tcp dport 31081 drop"], port, &[]);
    // A NodePort that is not translated on the way to ::1.
    let v6 = r#"{"origin":"node","proto":"tcp","daddr":"::1","dport":31002}"#;
    check("ipv6-nodeport", &[], v6, &["nat/KUBE-NODEPORTS#1 chain-not-entered"]);
    // What arrives is not meant by a rule for what leaves, nor by one of the other family.
    let ssh = r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"172.16.4.21","dport":22}"#;
    check("nodeport-drop", &["iptables -A OUTPUT -p tcp --dport 22 -j DROP"], ssh, &[]);
    check("nodeport-drop", &["iptables -A FORWARD -p tcp --dport 22 -j DROP"], ssh, &[]);
    check("nodeport-drop", &["ip6tables -A INPUT -p tcp --dport 22 -j DROP"], ssh, &[]);
    let closed = ["iptables -P INPUT DROP", "iptables -A OUTPUT -p tcp --dport 22 -j ACCEPT"];
    check("nodeport-drop", &closed, ssh, &[]);
    // The trusted first, the ports behind: nobody wonders. One port by itself is another matter.
    let trusted = "iptables -I INPUT -s 172.16.4.0/24 -j ACCEPT";
    check("nodeport-drop", &[trusted, "iptables -A INPUT -p tcp --dport 0:1023 -j DROP"], ssh, &[]);
    check(
        "nodeport-drop",
        &[trusted, "iptables -A INPUT -p tcp --dport 22 -j DROP"],
        ssh,
        &["filter/INPUT#7 ended-before"],
    );
}
