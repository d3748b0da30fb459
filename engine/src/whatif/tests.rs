//! Commands and what they leave behind.

use nettrace_grammar::Sources;

use super::apply;
use crate::host::{Family, Part, Parts, Table};
use crate::model::{Contents, Model};

fn chain(model: &Model, sources: &Sources, name: &str) -> Vec<String> {
    let chain = model.chains.iter().find(|c| model.name(c.name) == name);
    let rules = chain.into_iter().flat_map(|c| c.rules.iter());
    rules.map(|r| sources.text(model.rule(r).span).to_string()).collect()
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
        assert!(apply(&mut m, &mut p, &mut s, command).is_ok(), "{command}");
    }
    let shown = chain(&m, &s, "INPUT");
    assert_eq!(shown.len(), 2);
    assert!(shown[0].contains("--dport 82") && shown[1].contains("--dport 80"), "{shown:?}");
}

/// Recorded from iptables 1.8.9, legacy and nft, which agree.
#[test]
fn what_the_kernel_refuses_at_a_place_is_refused() {
    let check = |command: &str, ok: bool| {
        let (mut m, mut p, mut s) = (Model::default(), Parts::default(), Sources::default());
        assert!(apply(&mut m, &mut p, &mut s, "iptables -N FOO").is_ok());
        assert_eq!(apply(&mut m, &mut p, &mut s, command).is_ok(), ok, "{command}");
    };
    for refused in [
        "-t nat -I INPUT -p tcp --dport 22 -j DNAT --to 1.2.3.4",
        "-t nat -A PREROUTING -j SNAT --to 1.2.3.4",
        "-t nat -A OUTPUT -j MASQUERADE",
        "-t nat -A POSTROUTING -j REDIRECT --to-ports 80",
        "-t nat -A PREROUTING -j DROP",
        "-A INPUT -j DNAT --to 1.2.3.4",
        "-A INPUT -j MASQUERADE",
        "-t mangle -A PREROUTING -j REJECT",
        "-A INPUT -j TTL --ttl-set 5",
        "-A INPUT -j NOTRACK",
        "-t mangle -A PREROUTING -j CT --notrack",
        "-t mangle -A INPUT -p tcp -j TPROXY --on-port 80",
        "-t mangle -A INPUT -j CLASSIFY --set-class 1:1",
        "-A OUTPUT -m mac --mac-source 02:00:00:00:00:01 -j DROP",
        "-A OUTPUT -m socket -j DROP",
        "-A INPUT -m policy --dir out --pol ipsec -j DROP",
        "-A OUTPUT -m addrtype --dst-type LOCAL --limit-iface-in -j DROP",
        "-A OUTPUT -m physdev --physdev-out eth0 -j DROP",
        "-A INPUT -j OUTPUT",
        "-A input -j DROP",
        "-A PREROUTING -j DROP",
        "-A INPUT -s ! 10.0.0.1 -j DROP",
        "-A INPUT -m connntrack --ctstate NEW -j DROP",
        "-N FOO",
        "-N averyveryverylongchainnamethatistoolong",
        "-X INPUT",
        "-X NOSUCH",
    ] {
        check(&format!("iptables {refused}"), false);
    }
    for taken in [
        "-t nat -A INPUT -j SNAT --to 1.2.3.4",
        "-t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 80",
        "-t mangle -A PREROUTING -j DROP",
        "-A OUTPUT -j CLASSIFY --set-class 1:1",
        "-A INPUT -j MARK --set-mark 1",
        "-t raw -A PREROUTING -j CT --notrack",
        "-A FORWARD -m mac --mac-source 02:00:00:00:00:01 -j DROP",
        "-A OUTPUT -m policy --dir out --pol ipsec -j DROP",
        "-A INPUT -m geoip --src-cc DE -j DROP",
        "-X FOO",
        "-X",
    ] {
        check(&format!("iptables {taken}"), true);
    }
}

#[test]
fn a_typed_command_of_nft_works_on_the_tables_of_iptables_nft() {
    let (mut m, mut p, mut s) = (Model::default(), Parts::default(), Sources::default());
    for (command, ok, rules) in [
        ("iptables-nft -A INPUT -p tcp -j DROP", true, 1),
        ("nft insert rule ip filter INPUT tcp dport 22 accept", true, 2),
        ("nft insert rule inet filter INPUT tcp dport 22 accept", false, 2),
        ("nft flush ruleset", true, 0),
    ] {
        assert_eq!(apply(&mut m, &mut p, &mut s, command).is_ok(), ok, "{command}");
        assert_eq!(chain(&m, &s, "INPUT").len(), rules, "{command}");
    }
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
        ("iptables -A INPUT -m set --match-set blockd src -j DROP", false),
        ("iptables -A INPUT -m set --match-set blocked src -j DROP", true),
    ] {
        assert_eq!(apply(&mut m, &mut p, &mut s, command).is_ok(), ok, "{command}");
    }
    let Contents::Ipset(set) = &m.set(m.find_set(None, "blocked").unwrap()).contents else { panic!("no set") };
    let entries: Vec<String> = set.entries().map(|e| set.show(&e)).collect();
    assert_eq!(entries, ["11.0.0.0/8"]);
}

/// A host with eth0 (192.168.1.5/24), eth1 and nothing else.
fn host() -> Parts {
    let mut sources = Sources::default();
    let mut parts = Parts::default();
    for (part, text) in [
        (
            Part::Addresses,
            r#"[{"ifindex":1,"ifname":"eth0","flags":["UP"],"addr_info":[{"local":"192.168.1.5","prefixlen":24}]},
                {"ifindex":2,"ifname":"eth1","flags":["UP"],"addr_info":[]}]"#,
        ),
        (Part::Routes(Some(Family::V4)), r#"[{"dst":"192.168.1.0/24","dev":"eth0","prefsrc":"192.168.1.5"}]"#),
        (Part::Routes(Some(Family::V6)), "[]"),
    ] {
        assert_eq!(parts.read(part, sources.add("dump", text).unwrap()), []);
    }
    parts
}

#[test]
fn commands_about_the_host_are_carried_out_or_refused_with_a_reason() {
    let (mut m, mut p, mut s) = (Model::default(), host(), Sources::default());
    let mut check = |command: &str, expect: &str| {
        let said = match apply(&mut m, &mut p, &mut s, command) {
            Ok(_undo) => String::new(),
            Err(found) => found.into_iter().map(|d| d.message).collect::<Vec<_>>().join("; "),
        };
        assert_eq!(said, expect, "{command}");
    };
    check("ip route add 10.1.0.0/16 via 192.168.1.1 dev eth0 metric 5", "");
    check("ip route add 10.1.0.0/16 via 192.168.1.1 metric 5", "there is such a route in table main already");
    check("ip route add 10.2.0.0/16 via 192.168.1.1", "");
    check("ip route add 10.3.0.0/16 via 172.16.0.1", "the gateway 172.16.0.1 is on no link of this host");
    check("ip route add default dev eth1 table 100", "");
    check("ip route replace 10.1.0.0/16 dev eth1 metric 5", "");
    check("ip -6 route add blackhole 2001:db8::/32", "");
    check("ip route del 10.9.0.0/16", "there is no such route in table main");
    check("ip route add via 192.168.1.1", "which destination? `via` is an option");
    check("ip route add 10.4.0.0/16 dev eth7", "there is no device eth7");
    check("ip route add 10.4.0.0/99 dev eth0", "`10.4.0.0/99` is not a prefix");
    check("ip route add 10.4.0.0/16 dev eth0 metric x", "`x` is no metric");
    check("ip route show", "which destination?");
    check("ip rule add fwmark 0x1/0xff lookup 100 pref 99", "");
    check("ip rule add fwmark 0x1/0xff lookup 100 pref 99", "there is such a rule already");
    check("ip rule add from 10.0.0.0/8 table 7", "");
    check("ip rule add fwmark zzz lookup 7", "`zzz` is not a mark");
    check("ip rule del pref 4711", "there is no such rule");
    check("ip rule del from 10.0.0.0/8", "");
    check("ip rule add lookup", "`lookup` is not understood here");
    check("ip addr add 10.5.0.1/24 brd + dev eth1", "");
    check("ip addr add 10.5.0.1/24 dev eth1", "eth1 has 10.5.0.1 already");
    check("ip addr add 10.6.0.1/24", "on which device?");
    check("ip addr add 10.6.0.1/24 dev eth9", "there is no device eth9");
    check("ip addr add 10.6.0.x/24 dev eth1", "`10.6.0.x/24` is no address");
    check("ip addr del 10.7.0.1/24 dev eth1", "eth1 has no address 10.7.0.1");
    check("sysctl -w net.ipv4.conf.eth0.rp_filter=2 net.ipv4.conf.all.rp_filter=1", "");
    check("sysctl -w net.ipv4.ip_forward=0", "");
    let unknown =
        "no packet's way depends on a sysctl `net.ipv4.ip_forwrd`; one that it may depend on is `net.ipv4.ip_forward`";
    check("sysctl -w net.ipv4.ip_forwrd=0", unknown);
    check("sysctl -w net.ipv4.ip_forward=yes", "`yes` is no number, and net.ipv4.ip_forward takes one");
    check("sysctl net.ipv4.ip_forward", "`net.ipv4.ip_forward` is not KEY=VALUE");
    check("ip link set eth0 down", "`ip link` is not understood");
    check("rm -rf /", "`rm` is not a program whose commands are understood");
    let routes = p.routes4.unwrap();
    let shown: Vec<_> =
        routes.iter().map(|r| (r.dst.to_string(), r.table.clone(), r.hops[0].dev.as_deref().unwrap())).collect();
    let expect = [
        ("192.168.1.0/24", "main", "eth0"),
        ("10.2.0.0/16", "main", "eth0"),
        ("0.0.0.0/0", "100", "eth1"),
        ("10.1.0.0/16", "main", "eth1"),
        ("10.5.0.0/24", "main", "eth1"),
    ];
    assert_eq!(shown, expect.map(|(dst, table, dev)| (dst.to_string(), Table::named(table), dev)));
    let rules: Vec<_> = p.rules4.unwrap().iter().map(|r| r.priority).collect();
    assert_eq!(rules, [0, 99, 32766, 32767]);
    assert_eq!(p.routes6.unwrap().len(), 1);
}

#[test]
fn what_is_not_known_cannot_be_changed() {
    let (mut m, mut p, mut s) = (Model::default(), Parts::default(), Sources::default());
    for command in ["ip route add 10.0.0.0/8 dev eth0", "ip addr add 10.0.0.1/8 dev eth0"] {
        let found = apply(&mut m, &mut p, &mut s, command).unwrap_err();
        assert!(found[0].message.contains("are not known"), "{found:?}");
    }
    assert!(p.routes4.is_none() && p.addresses.is_none());
}

#[test]
fn who_turns_forwarding_off_turns_it_off_for_every_device() {
    let (mut m, mut p, mut s) = (Model::default(), host(), Sources::default());
    let dump = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.eth0.forwarding = 1\nnet.ipv4.conf.eth0.rp_filter = 1\n";
    assert_eq!(p.read(Part::Sysctls, s.add("sysctl", dump).unwrap()), []);
    let undo = apply(&mut m, &mut p, &mut s, "sysctl -w net.ipv4.ip_forward=0").unwrap();
    let number = |p: &Parts, key: &str| p.sysctls.as_ref().unwrap().number(key);
    assert_eq!(number(&p, "net.ipv4.conf.eth0.forwarding"), Some(0));
    assert_eq!(number(&p, "net.ipv4.conf.all.forwarding"), Some(0));
    assert_eq!(number(&p, "net.ipv4.conf.eth0.rp_filter"), Some(1));
    undo.undo(&mut m, &mut p);
    assert_eq!(number(&p, "net.ipv4.conf.eth0.forwarding"), Some(1));
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
        assert!(apply(&mut m, &mut p, &mut s, command).is_ok(), "{command}");
    }
    let shown = chain(&m, &s, "in");
    assert_eq!(shown.len(), 2);
    assert!(shown[0].contains("dport 81") && shown[1].contains("dport 80"), "{shown:?}");
    assert!(m.chains[0].base.is_some());
}

#[test]
fn flush_ruleset_takes_iptables_nft_tables_too_and_comes_back() {
    let (mut m, mut p, mut s) = (Model::default(), Parts::default(), Sources::default());
    for command in ["iptables-nft -N mine", "nft add table ip guard", "nft add set ip guard s '{ type ipv4_addr; }'"] {
        let _ = apply(&mut m, &mut p, &mut s, command).unwrap();
    }
    let tables = |m: &Model| ["filter", "guard"].map(|name| m.find_table(crate::model::Family::Ip, name).is_some());
    assert_eq!(tables(&m), [true, true]);
    let undo = apply(&mut m, &mut p, &mut s, "nft flush ruleset").unwrap();
    assert_eq!(tables(&m), [false, false]);
    undo.undo(&mut m, &mut p);
    assert_eq!(tables(&m), [true, true]);
}
