//! What is read: plain text and JSON tell the same, and what is malformed costs its own entry.
//!
//! `inet 10.0.1.1/24 brd 10.0.1.255 scope global eth0` beside `{"local":"10.0.1.1","prefixlen":24,…}`. Left out: lookups.

use super::*;

/// What plain text and JSON of the same host say, apart from places.
fn same(part: Part, plain: &str, json: &str) {
    let strip = |text: &str| {
        let (mut parts, found) = parts(&[(part, text)]);
        assert_eq!(found, [], "{text}");
        let lists = [&mut parts.routes4, &mut parts.routes6];
        lists.into_iter().flatten().flatten().for_each(|r| r.span = nettrace_grammar::Span::default());
        let lists = [&mut parts.rules4, &mut parts.rules6];
        lists.into_iter().flatten().flatten().for_each(|r| r.span = nettrace_grammar::Span::default());
        parts.addresses.iter_mut().flatten().for_each(|a| a.span = nettrace_grammar::Span::default());
        format!("{parts:#?}")
    };
    assert_eq!(strip(plain), strip(json));
}

#[test]
fn plain_text_says_the_same_as_json() {
    let addr = "2: eth0@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state UP group default qlen 1000\n    \
        link/ether 02:00:00:00:01:01 brd ff:ff:ff:ff:ff:ff\n    altname enp1s0\n    \
        inet 10.0.1.1/24 brd 10.0.1.255 scope global eth0\n       valid_lft forever preferred_lft forever\n    \
        inet 10.0.1.2/24 scope global secondary noprefixroute eth0:1\n    inet 10.9.0.1 peer 10.9.0.2/32 scope link eth0\n    \
        inet6 fe80::1/64 scope link tentative \n       valid_lft 10sec preferred_lft 0sec\n";
    let addr_json = r#"[{"ifindex":2,"ifname":"eth0","flags":["BROADCAST","MULTICAST","UP"],"mtu":1500,"master":"br0",
        "group":"default","link_type":"ether","address":"02:00:00:00:01:01","altnames":["enp1s0"],"addr_info":[
        {"family":"inet","local":"10.0.1.1","prefixlen":24,"broadcast":"10.0.1.255","scope":"global","label":"eth0"},
        {"family":"inet","local":"10.0.1.2","prefixlen":24,"scope":"global","secondary":true,"noprefixroute":true,"label":"eth0:1"},
        {"family":"inet","local":"10.9.0.1","address":"10.9.0.2","prefixlen":32,"scope":"link","label":"eth0"},
        {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link","tentative":true,"deprecated":true}]}]"#;
    same(Part::Addresses, addr, addr_json);
    let lines = "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n\
        2: eth0    inet 10.0.1.1/24 brd 10.0.1.255 scope global eth0\\       valid_lft forever preferred_lft forever\n\
        2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever\n";
    let lines_json = r#"[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"}]},
        {"ifname":"eth0","addr_info":[{"family":"inet","local":"10.0.1.1","prefixlen":24,"broadcast":"10.0.1.255",
        "scope":"global","label":"eth0"},{"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]}]"#;
    same(Part::Addresses, lines, lines_json);
    let brief = "lo               UNKNOWN        127.0.0.1/8 ::1/128 \neth0@if7         UP             10.0.1.1/24 fe80::1/64 \n";
    let brief_json = r#"[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"},
        {"family":"inet6","local":"::1","prefixlen":128,"scope":"host"}]},{"ifname":"eth0","addr_info":[
        {"family":"inet","local":"10.0.1.1","prefixlen":24,"scope":"global"},
        {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]}]"#;
    same(Part::Addresses, brief, brief_json);
    let link = "eth0@if7         UP             02:00:00:00:01:01 <BROADCAST,MULTICAST,UP,LOWER_UP> \n";
    same(
        Part::Links,
        link,
        r#"[{"ifname":"eth0","flags":["BROADCAST","MULTICAST","UP"],"address":"02:00:00:00:01:01"}]"#,
    );
    let routes = "default via 10.0.1.254 dev eth0 proto static metric 100 \n10.5.0.0/16 \n\tnexthop via 10.0.1.5 dev eth0 weight 1 \n\t\
        nexthop via 10.0.2.5 dev eth1 weight 3 linkdown \n10.6.0.0/16 via inet6 fd01::9 dev eth0 \n\
        10.8.0.0/16  encap ip id 5 src 1.2.3.4 dst 9.9.9.9 ttl 0 tos 0 dev t0 scope link \n\
        10.7.0.0/16 tos 0x10 via 10.0.1.8 dev eth0 table 100 realms 4/5 mtu lock 1400 \nblackhole 10.10.0.0/16 \n\
        local 10.0.1.1 dev eth0 table local proto kernel scope host src 10.0.1.1 \n\
        fe80::/64 dev eth0 proto kernel metric 256 expires 5sec pref medium\ndefault dev eth0 metric 1024 pref high\n";
    let routes_json = r#"[{"dst":"default","gateway":"10.0.1.254","dev":"eth0","protocol":"static","metric":100},
        {"dst":"10.5.0.0/16","nexthops":[{"gateway":"10.0.1.5","dev":"eth0","weight":1},
        {"gateway":"10.0.2.5","dev":"eth1","weight":3,"flags":["linkdown"]}]},
        {"dst":"10.6.0.0/16","via":{"family":"inet6","host":"fd01::9"},"dev":"eth0"},
        {"dst":"10.8.0.0/16","encap":"ip","dev":"t0","scope":"link"},
        {"dst":"10.7.0.0/16","tos":"0x10","gateway":"10.0.1.8","dev":"eth0","table":"100","flow":{"from":"4","to":"5"},
        "metrics":[{"mtu":1400}]},{"type":"blackhole","dst":"10.10.0.0/16"},
        {"type":"local","dst":"10.0.1.1","dev":"eth0","table":"local","protocol":"kernel","scope":"host","prefsrc":"10.0.1.1"},
        {"dst":"fe80::/64","dev":"eth0","protocol":"kernel","metric":256,"pref":"medium"},
        {"dst":"default","dev":"eth0","metric":1024,"pref":"high"}]"#;
    same(Part::Routes(None), routes, routes_json);
    let rules = "0:\tfrom all lookup local\n100:\tnot from 10.0.0.0/24 to 10.5.0.0/16 tos 0x10 fwmark 0x1/0xff iif br0 oif d1 [detached] \
        uidrange 5-10 ipproto tcp sport 80 dport 1000-2000 lookup 1234 suppress_prefixlength 8 proto static\n\
        110:\tfrom 10.1.1.1 goto 32766\n120:\tfrom all to 1.2.3.4 blackhole\n123:\tfrom all nop\n\
        124:\tfrom all lookup main suppress_ifgroup 5\n125:\tfrom all lookup main realms 3/4\n1000:\tfrom all lookup [l3mdev-table]\n";
    let rules_json = r#"[{"priority":0,"src":"all","table":"local"},{"priority":100,"not":null,"src":"10.0.0.0","srclen":24,
        "dst":"10.5.0.0","dstlen":16,"tos":"0x10","fwmark":"0x1","fwmask":"0xff","iif":"br0","oif":"d1","oif_detached":null,
        "uid_start":5,"uid_end":10,"ipproto":"tcp","sport":80,"dport_start":1000,"dport_end":2000,"table":"1234",
        "suppress_prefixlen":8},{"priority":110,"src":"10.1.1.1","goto":32766},
        {"priority":120,"src":"all","dst":"1.2.3.4","action":"blackhole"},{"priority":123,"src":"all","nop":null},
        {"priority":124,"src":"all","table":"main","suppress_ifgroup":"5"},
        {"priority":125,"src":"all","table":"main","flow_from":"3","flow_to":"4"},
        {"priority":1000,"src":"all","l3mdev":null}]"#;
    same(Part::Rules(Family::V4), rules, rules_json);
    let neigh = "10.0.0.2 dev br0 lladdr 02:00:00:00:00:02 router PERMANENT\n10.0.0.3 dev br0 FAILED\n";
    let neigh_json = r#"[{"dst":"10.0.0.2","dev":"br0","lladdr":"02:00:00:00:00:02","state":["PERMANENT"]},
        {"dst":"10.0.0.3","dev":"br0","state":["FAILED"]}]"#;
    same(Part::Neighbours, neigh, neigh_json);
    let ports = "4: v1@if3: <BROADCAST,UP> mtu 1500 master br0 state forwarding priority 32 cost 2 \n    hairpin on guard off flood on isolated off \n";
    let ports_json = r#"[{"ifindex":4,"ifname":"v1","master":"br0","state":"forwarding","hairpin":true,"flood":true,"isolated":false}]"#;
    same(Part::BridgeLinks, ports, ports_json);
    let fdb = "0e:00:00:00:70:49 dev v1 master br0 \n33:33:00:00:00:01 dev v1 self permanent\n";
    let fdb_json = r#"[{"mac":"0e:00:00:00:70:49","ifname":"v1","master":"br0","state":""},
        {"mac":"33:33:00:00:00:01","ifname":"v1","flags":["self"],"state":"permanent"}]"#;
    same(Part::Fdb, fdb, fdb_json);
}

#[test]
fn a_malformed_entry_costs_that_entry() {
    let cases = [
        (Part::Addresses, r#"[{"ifname":"a","addr_info":[{"family":"inet","local":"10.0.0.1","prefixlen":99}]}]"#, 1),
        (Part::Addresses, r#"[{"ifname":7},{"ifname":"b"}]"#, 1),
        (Part::Routes(None), r#"[{"dst":"10.0.0.0/40"},{"dst":"10.0.0.0/8","type":"odd"},{"dst":"10/8"}]"#, 2),
        (Part::Rules(Family::V4), r#"[{"priority":5,"src":"all"},{"priority":6,"src":"all","table":"main"}]"#, 1),
        (Part::Rules(Family::V4), r#"[{"priority":5,"table":"main","flowlabel":"0x1"}]"#, 1),
        (
            Part::Rules(Family::V4),
            "5:\tfrom all flowlabel 0x1 lookup main\n6:\tfrom all sport 80/0xfff0 lookup main\n",
            2,
        ),
        (Part::Routes(None), "10.0.0.0/8  encap seg6 mode encap segs 1 [ fc00::9 ] dev d0\n10.1.0.0/16 dev d0\n", 1),
        (
            Part::Routes(None),
            r#"[{"dst":"10.0.0.0/8","encap":"seg6","mode":"encap","segs":["fc00::9"],"dev":"d0"}]"#,
            1,
        ),
        (Part::Sysctls, "a.b = 1\nnonsense\n# comment\n", 1),
        (Part::Sysctls, r#"{"a.b": "1", "c": []}"#, 1),
        (Part::Neighbours, "[{\"dst\": 7}", 1),
        (Part::Fdb, "not json", 1),
        (Part::Routes(None), "", 0),
        (Part::Routes(None), "[]\n[]", 0),
    ];
    for (part, text, errors) in cases {
        let (_, found) = parts(&[(part, text)]);
        assert_eq!(found.len(), errors, "{part:?} {text}: {found:?}");
    }
    let (read, _) = parts(&[(cases[2].0, cases[2].1)]);
    assert_eq!(read.routes4.unwrap()[0].dst.to_string(), "10.0.0.0/8");
}
