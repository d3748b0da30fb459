//! Commands and what they leave behind.

use nettrace_grammar::Sources;

use super::apply;
use crate::host::{Parts, Table};
use crate::model::{Contents, Model};

fn chain(model: &Model, sources: &Sources, name: &str) -> Vec<String> {
    let chain = model.chains.iter().find(|c| model.name(c.name) == name);
    let rules = chain.map_or(&[][..], |c| &c.rules);
    rules.iter().map(|r| sources.text(model.rule(*r).span).to_string()).collect()
}

#[test]
fn rules_go_where_the_command_says() {
    let (mut m, mut p, mut s) = (Model::default(), Parts::default(), Sources::default());
    for command in [
        "iptables -A INPUT -p tcp --dport 80 -j ACCEPT",
        "sudo iptables -I INPUT -p tcp --dport 81 -j DROP",
        "iptables -I INPUT 2 -p tcp --dport 82 -j DROP",
        "iptables -D INPUT 1",
    ] {
        assert_eq!(apply(&mut m, &mut p, &mut s, command), Ok(()), "{command}");
    }
    let shown = chain(&m, &s, "INPUT");
    assert_eq!(shown.len(), 2);
    assert!(shown[0].contains("--dport 82") && shown[1].contains("--dport 80"), "{shown:?}");
}

#[test]
fn sets_take_entries() {
    let (mut m, mut p, mut s) = (Model::default(), Parts::default(), Sources::default());
    for (command, ok) in [
        ("ipset create blocked hash:net", true),
        ("ipset add blocked 10.0.0.0/8", true),
        ("ipset -exist add blocked 10.0.0.0/8", true),
        ("ipset add blocked 11.0.0.0/8 -exist", true),
        ("sudo ipset del blocked 10.0.0.0/8", true),
        ("ipset add blocked nonsense", false),
        ("ipset add unheard 10.0.0.1", false),
        ("ipset list", false),
    ] {
        assert_eq!(apply(&mut m, &mut p, &mut s, command).is_ok(), ok, "{command}");
    }
    let Contents::Ipset(set) = &m.set(m.find_set(None, "blocked").unwrap()).contents else { panic!("no set") };
    let entries: Vec<String> = set.entries().map(|e| set.show(&e)).collect();
    assert_eq!(entries, ["11.0.0.0/8"]);
}

#[test]
fn routes_and_sysctls_change_the_host() {
    let (mut m, mut p, mut s) = (Model::default(), Parts::default(), Sources::default());
    let mut run = |command: &str| apply(&mut m, &mut p, &mut s, command).is_ok();
    assert!(run("ip route add 10.1.0.0/16 via 192.168.1.1 dev eth0 metric 5"));
    assert!(run("ip route add default dev eth0 table 100"));
    assert!(run("ip route replace 10.1.0.0/16 dev eth1 metric 5"));
    assert!(run("ip -6 route add blackhole 2001:db8::/32"));
    assert!(run("sysctl -w net.ipv4.ip_forward=0"));
    assert!(!run("ip route del 10.9.0.0/16"));
    assert!(!run("ip link set eth0 down"));
    assert!(!run("rm -rf /"));
    let routes = p.routes4.unwrap();
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[0].table, Table::named("100"));
    assert!(routes[1].uses("eth1") && routes[1].metric == 5);
    assert_eq!(p.routes6.unwrap().len(), 1);
    assert_eq!(p.sysctls.unwrap().number("net.ipv4.ip_forward"), Some(0));
}

#[test]
fn nft_commands_are_read_as_a_shell_would_hand_them_over() {
    let (mut m, mut p, mut s) = (Model::default(), Parts::default(), Sources::default());
    for command in [
        "nft add table ip guard",
        "nft add chain ip guard in '{ type filter hook input priority 0; }'",
        "nft add rule ip guard in tcp dport 80 drop",
        "nft 'insert rule ip guard in tcp dport 81 drop'",
    ] {
        assert_eq!(apply(&mut m, &mut p, &mut s, command), Ok(()), "{command}");
    }
    let shown = chain(&m, &s, "in");
    assert_eq!(shown.len(), 2);
    assert!(shown[0].contains("dport 81") && shown[1].contains("dport 80"), "{shown:?}");
    assert!(m.chains[0].base.is_some());
}
