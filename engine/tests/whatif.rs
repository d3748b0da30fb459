//! What-if on real hosts: a command taken back leaves everything as it was, whatever came before it; and each kind of
//! command changes the walk that it should.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Sample, sample};
use nettrace_engine::host::Host;
use nettrace_engine::model::{Contents, Model};
use nettrace_engine::whatif;
use proptest::prelude::*;

/// Commands of every kind, as they fit on these hosts; not all fit on each, and not all are right.
const COMMANDS: &[&str] = &[
    "iptables -I INPUT -p tcp --dport 31002 -j DROP",
    "iptables -A FORWARD -s 10.42.0.0/16 -j ACCEPT",
    "iptables -D FORWARD 1",
    "iptables -R FORWARD 1 -j LOG",
    "iptables -P FORWARD DROP",
    "iptables -t mangle -N guard",
    "iptables -t mangle -A guard -j DROP",
    "iptables -t mangle -I PREROUTING -j guard",
    "iptables -t nat -F KUBE-SERVICES",
    "iptables -F NOWHERE",
    "ip6tables -I INPUT -j DROP",
    "nft add table ip guard",
    "nft add chain ip guard in '{ type filter hook input priority 5; }'",
    "nft add rule ip guard in tcp dport 80 drop",
    "nft add set ip guard bad '{ type ipv4_addr; }'",
    "nft add element ip guard bad '{ 10.0.0.1 }'",
    "nft flush chain ip guard in",
    "nft delete table ip guard",
    "nft insert rule inet firewalld filter_INPUT tcp dport 9100 accept",
    "nft add chain inet firewalld filter_INPUT '{ policy drop; }'",
    "nft add rule ip kube-proxy nowhere accept",
    "nft delete rule inet firewalld filter_INPUT handle 4711",
    "nft flush ruleset",
    "ipset create blocked hash:net",
    "ipset add blocked 10.0.0.0/8",
    "ipset add KUBE-SRC-B7VDGJPYEKRNRSM3 10.42.0.59",
    "ipset flush KUBE-SRC-B7VDGJPYEKRNRSM3",
    "ipset del blocked 10.0.0.0/8",
    "ip route add 10.9.0.0/16 dev eth0",
    "ip route del default",
    "ip route replace default dev eth0",
    "ip rule add fwmark 0x1 lookup 100",
    "ip rule del pref 32766",
    "ip addr add 10.42.0.59/32 dev eth0",
    "ip addr del 127.0.0.1/8 dev lo",
    "sysctl -w net.ipv4.ip_forward=0",
    "sysctl -w net.bridge.bridge-nf-call-iptables=0 net.ipv4.conf.all.rp_filter=1",
    "sysctl -w vm.swappiness=1",
    "echo hello",
];

/// Everything in force, in words.
fn state(s: &Sample) -> String {
    let m: &Model = &s.model;
    let chain =
        |c: &nettrace_engine::model::Chain| format!("{:?} {} {:?} {:?}", c.table, m.name(c.name), c.base, c.rules);
    let chains: Vec<_> = m.chains.iter().map(chain).collect();
    let entries = |c: &Contents| match c {
        Contents::Ipset(set) => set.entries().map(|e| set.show(&e)).collect::<Vec<_>>().join(","),
        Contents::Elements(e) => {
            (0..e.len() as u32).map(|i| format!("{:?}={:?}", e.key(i), e.data(i))).collect::<Vec<_>>().join(",")
        }
        Contents::Unknown => "?".to_string(),
    };
    let sets: Vec<_> = m.sets.iter().map(|s| format!("{:?} {:?} {}", s.name, s.table, entries(&s.contents))).collect();
    let lengths = [m.rules.len(), m.ops.len(), m.tests.len(), m.exprs.len(), m.effects.len(), m.lookups.len()];
    let host =
        format!("{:?}", (&s.parts.links, &s.parts.addresses, &s.parts.routes4, &s.parts.routes6, &s.parts.rules4));
    let mut sysctls: Vec<_> = format!("{:?}", s.parts.sysctls).split(", ").map(str::to_string).collect();
    sysctls.sort();
    format!("{:?}\n{chains:?}\n{:?} {:?}\n{sets:?}\n{lengths:?}\n{host}\n{sysctls:?}", m.tables, m.bases, m.asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn edits_taken_back_leave_everything_as_it_was(
        host in 0usize..3,
        picks in prop::collection::vec(0usize..COMMANDS.len(), 1..10),
    ) {
        let mut s = sample(["k3s-netpol", "firewalld-nft", "kube-proxy-nftables"][host]);
        let mut states = vec![state(&s)];
        let mut undos = Vec::new();
        for pick in picks {
            if let Ok(undo) = whatif::apply(&mut s.model, &mut s.parts, &mut s.sources, COMMANDS[pick]) {
                undos.push(undo);
                states.push(state(&s));
            }
            // A command that failed left no trace.
            prop_assert_eq!(&state(&s), states.last().unwrap(), "{}", COMMANDS[pick]);
        }
        for undo in undos.into_iter().rev() {
            prop_assert_eq!(&state(&s), &states.pop().unwrap());
            undo.undo(&mut s.model, &mut s.parts);
        }
        prop_assert_eq!(&state(&s), &states.pop().unwrap());
    }
}

/// How the most likely walk ends after commands.
fn ends(host: &str, packet: &str, commands: &[&str]) -> String {
    let mut s = sample(host);
    for command in commands {
        let _undo = whatif::apply(&mut s.model, &mut s.parts, &mut s.sources, command).unwrap();
    }
    s.host = Host::new(s.parts.clone());
    let end = s.walk(packet);
    let fate = format!("{:?}", end.fate());
    fate.split([' ', '{']).next().unwrap_or("").to_string()
}

#[test]
fn each_kind_of_command_changes_the_walk_that_it_should() {
    let remote = r#"{"iif":"eth0","proto":"tcp","saddr":"172.16.4.9","daddr":"172.16.4.21","dport":31002}"#;
    let pods = r#"{"iif":"cni0","proto":"tcp","saddr":"10.42.0.59","daddr":"10.42.0.60","dport":80}"#;
    let closed = r#"{"iif":"eth0","proto":"tcp","saddr":"192.168.30.9","daddr":"192.168.30.21","dport":9100}"#;
    let v6 = r#"{"iif":"eth0","proto":"tcp","saddr":"fd00:10::9","daddr":"fd00:10::21","dport":31002}"#;
    let check = |host: &str, packet: &str, commands: &[&str], expect: &str| {
        assert_eq!(ends(host, packet, commands), expect, "{host}: {commands:?}");
    };
    check("nodeport-drop", remote, &[], "Out");
    check("nodeport-drop", remote, &["iptables -t raw -I PREROUTING -p tcp --dport 31002 -j DROP"], "Drop");
    check("nodeport-drop", remote, &["ip6tables -I FORWARD -j DROP"], "Out");
    check("nodeport-drop", remote, &["ip route del 10.244.166.136"], "StackDrop");
    check("nodeport-drop", remote, &["ip rule add to 10.244.166.136 blackhole"], "StackDrop");
    check("nodeport-drop", remote, &["ip rule add from 10.1.2.3 blackhole"], "Out");
    check(
        "nodeport-drop",
        remote,
        &["ip rule add to 10.244.166.136 blackhole", "ip rule del to 10.244.166.136"],
        "Out",
    );
    check("nodeport-drop", remote, &["ip addr add 10.244.166.136/32 dev eth0"], "Local");
    check("nodeport-drop", remote, &["sysctl -w net.ipv4.ip_forward=0"], "StackDrop");
    check("nodeport-drop", remote, &["sysctl -w net.ipv4.ip_forward=0", "sysctl -w net.ipv4.ip_forward=1"], "Out");
    check("k3s-netpol", pods, &[], "Drop");
    check("k3s-netpol", pods, &["ipset add KUBE-SRC-B7VDGJPYEKRNRSM3 10.42.0.59"], "Out");
    check("k3s-netpol", pods, &["sysctl -w net.bridge.bridge-nf-call-iptables=0"], "Bridged");
    check("firewalld-nft", closed, &[], "Drop");
    check(
        "firewalld-nft",
        closed,
        &["nft add rule inet firewalld filter_IN_public_allow tcp dport 9100 accept"],
        "Local",
    );
    check("firewalld-nft", closed, &["nft flush ruleset"], "Local");
    check(
        "firewalld-nft",
        closed,
        &[
            "nft flush ruleset",
            "nft add table ip t",
            "nft add chain ip t c '{ type filter hook input priority 0; policy drop; }'",
        ],
        "Drop",
    );
    check("ipv6-nodeport", v6, &[], "Out");
    check("ipv6-nodeport", v6, &["ip6tables -t mangle -I PREROUTING -p tcp --dport 31002 -j DROP"], "Drop");
    check("ipv6-nodeport", v6, &["sysctl -w net.ipv6.conf.all.forwarding=0"], "StackDrop");
    check("ipv6-nodeport", v6, &["ip -6 route replace blackhole 2001:db8:42:1::/64 metric 256"], "StackDrop");
}
