//! Rules in nft's words and what they become in the model's.

use nettrace_grammar::{Diagnostic, Sources};

use super::*;
use crate::model::*;

fn model(text: &str) -> (Model, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let parsed = nettrace_grammar::nft::parse(sources.add("f", text).unwrap());
    let mut model = Model::default();
    let mut diagnostics = parsed.diagnostics;
    diagnostics.extend(lower(&parsed.tree, &mut model));
    (model, diagnostics)
}

fn shown(model: &Model, chain: &str, family: u128) -> Vec<String> {
    let chain = model.chains.iter().find(|c| model.name(c.name) == chain).unwrap();
    let op = |r: RuleId| model.rule_ops(r).iter().map(|op| model.show_op(*op, family)).collect::<Vec<_>>().join("; ");
    chain.rules.iter().map(op).collect()
}

/// The ops of one rule in a table of `family`, with the codes of diagnostics.
fn ops(family: &str, rule: &str) -> String {
    let text = format!(
        "table {family} t {{\n\
         \tset s {{\n\t\ttype ipv4_addr . inet_service\n\t\tflags interval\n\t\telements = {{ 1.2.3.4 . 80-90 }}\n\t}}\n\
         \tset a {{\n\t\ttype ipv4_addr\n\t\telements = {{ 1.2.3.4, 5.6.7.8 }}\n\t}}\n\
         \tmap m {{\n\t\ttype inet_service : verdict\n\t\telements = {{ 80 : jump d, 81 : drop }}\n\t}}\n\
         \tlimit l {{\n\t\trate 5/second\n\t}}\n\
         \tchain d {{\n\t}}\n\n\tchain c {{\n\t\t{rule}\n\t}}\n}}\n"
    );
    let (model, diagnostics) = model(&text);
    let shown = shown(&model, "c", if family == "ip6" { 10 } else { 2 });
    let codes: Vec<_> = diagnostics.iter().map(|d| format!(" [{}]", d.code)).collect();
    format!("{}{}", shown.join(" | "), codes.concat())
}

fn check(family: &str, rows: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (rule, expect) in rows {
        let got = ops(family, rule);
        if got != *expect {
            wrong.push(format!("        (\"{}\", \"{}\"),", rule.escape_debug(), got.escape_debug()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn selectors_and_what_they_need_in_front() {
    check(
        "inet",
        &[
            ("tcp dport 80 accept", "proto tcp; dport 80; accept"),
            ("tcp dport != 80 tcp sport 1024-65535 drop", "proto tcp; dport not 80; sport 1024-65535; drop"),
            (
                "ip saddr 10.0.0.0/8 ip daddr 1.2.3.4 udp dport { 53, 5353, 100-200 }",
                "family ip; saddr 10.0.0.0-10.255.255.255; daddr 1.2.3.4; proto udp; dport { 53, 100-200, 5353 }",
            ),
            (
                "ip6 saddr fe80::/64 icmpv6 type nd-router-solicit",
                "family ip6; saddr fe80::-fe80::ffff:ffff:ffff:ffff; proto icmpv6; icmp type 133",
            ),
            ("icmp type echo-request", "family ip; proto icmp; icmp type 8"),
            (
                "icmp type { echo-reply, redirect } icmp code 0",
                "family ip; proto icmp; icmp type { 0, 5 }; icmp code 0",
            ),
            ("meta l4proto { tcp, udp } th dport 53", "proto { tcp, udp }; dport 53"),
            ("th dport 53", "th dport 53"),
            ("ether saddr 02:00:00:00:01:02", "iif type 1; ether saddr 02:00:00:00:01:02"),
            ("iif \"eth0\" oif != lo", "iif eth0; oif not lo"),
            ("iif 2", "iif index 2"),
            ("iifname \"eth*\" oifname != \"lo\"", "iif eth+; oif not lo"),
            ("ip dscp != cs1", "family ip; tos & 0xfc != 0x20"),
            ("ip dscp { cs0, ef }", "family ip; (tos >> 0x2) { 0x0, 0x2e }"),
            ("ip6 ecn ce", "family ip6; tos & 0x3 = 0x3"),
            ("ip ttl < 64", "family ip; ttl 0-63"),
            ("ip ttl gt 64", "family ip; ttl 65-255"),
            ("ct original ip saddr 10.0.0.1", "ct l3proto ip; ct original saddr 10.0.0.1"),
            ("ct original proto-dst 80", "ct original dport 80"),
            ("meta protocol { ip, ip6 }", "ether type { 0x800, 0x86dd }"),
            ("ip option rr exists", "family ip; ip option 7 exists"),
            ("exthdr hbh missing", "family ip6; not (extension header 0 exists)"),
            ("tcp option maxseg missing", "not (tcp option 2 exists)"),
            ("tcp option maxseg size > 1000", "tcp option 2 @16,16 0x3e9-0xffff"),
            ("@nh,72,8 6", "@network,72,8 0x6"),
            ("fib daddr . iif type local", "fib daddr on iif type 0x2"),
            ("fib saddr . mark . iif oif missing", "fib saddr on iif present 0x0"),
            ("fib saddr . mark oif eth0", "fib saddr oifname 0x65746830000000000000000000000000"),
            ("fib saddr . mark . iif oif != 0", "fib saddr on iif oif not 0x0"),
            ("fib daddr oifname \"eth0\"", "fib daddr oifname 0x65746830000000000000000000000000"),
            ("fib daddr type { local, broadcast }", "fib daddr type 0x2-0x3"),
            ("rt classid 0 rt nexthop 192.168.1.1", "realm 0; rt nexthop 192.168.1.1"),
            ("rt ipsec missing", "realm exists; ipsec no"),
            ("meta skuid 1000 meta skgid != root", "uid 1000; gid not 0"),
            ("ip6 hoplimit != 100-64 drop", "`ip6 hoplimit != 100-64`; drop [NT301]"),
            ("tcp dport { 22, 90-80 } drop", "`tcp dport { 22, 90-80 }`; drop [NT301]"),
            ("meta hour \"23:00\"-\"01:00\"", "hour { 00:00:00-01:00:00, 23:00:00-23:59:59 }"),
            ("meta skuid nobody drop", "`meta skuid nobody`; drop [NT301]"),
            ("osf name \"Linux\"", "proto tcp; tcp flags & 0x2 = SYN; osf name Linux"),
            ("ct packets > 5", "(ct original packets + ct reply packets) 0x6-0xffffffffffffffff"),
            ("meta priority 1:9", "priority 0x10009"),
            ("ct expiration > 10s", "ct expiration 11-4294967295"),
            ("ct helper \"ftp\"", "ct helper ftp"),
            (
                "meta iiftype ether meta iifgroup default meta iifkind \"veth\"",
                "iif type 1; iif group 0; iif kind veth",
            ),
            ("igmp type 0x11", "family ip; proto igmp; @transport,0,8 0x11"),
            ("igmp type leave-group", "family ip; proto igmp; @transport,0,8 0x17"),
            ("meta sdif \"vrf1\" meta sdifname != \"vrf2\"", "sdifname vrf1; sdifname not vrf2"),
            ("hbh nexthdr xns-idp", "family ip6; extension header 0 @0,8 0x16"),
            ("srh sid[2] dead::1", "family ip6; extension header 43 @192,128 0xdead0000000000000000000000000001"),
            ("mh type home-test", "family ip6; extension header 135 @16,8 0x3"),
            ("tcp option mptcp subtype dss", "tcp option 30 @16,4 0x2"),
            ("sctp chunk init initial-tsn 3", "sctp chunk 1 @128,32 0x3"),
            (
                "arp htype 1 arp saddr ether 1:2:3:4:5:6",
                "ether type 0x806; @network,0,16 0x1; @network,64,48 0x10203040506",
            ),
            ("meta priority root", "priority 0xffffffff"),
            ("@ll,0,48 0x112233445566", "@link,0,48 0x112233445566"),
            ("ct bytes > 10000000000", "(ct original bytes + ct reply bytes) 0x2540be401-0xffffffffffffffff"),
            ("ct original avgpkt 5", "(ct original bytes / ct original packets) 0x5"),
            ("vxlan vni 10", "proto udp; @transport,96,24 0xa"),
            ("arp saddr ip 1.2.3.4", "arp saddr 1.2.3.4"),
        ],
    );
}

#[test]
fn what_nobody_tells_is_asked_behind_its_guard() {
    check(
        "inet",
        &[
            ("vxlan ip saddr 1.2.3.4 drop", "proto udp; `vxlan ip saddr 1.2.3.4`; drop"),
            (
                "gre ip saddr . gre ip daddr { 1.2.3.4 . 5.6.7.8 }",
                "proto gre; `gre ip saddr . gre ip daddr { 1.2.3.4 . 5.6.7.8 }`",
            ),
            ("socket cgroupv2 level 1 == \"a\"", "socket wildcard exists; `socket cgroupv2 level 1 \"a\"`"),
            ("ipsec in ip saddr 1.2.3.4", "ipsec yes; `ipsec in ip saddr 1.2.3.4`"),
            ("meta random < 0x80000000", "a chance of 0.500"),
            ("meta random & 3 != 0", "not a chance of 0.250"),
            ("meta secmark set ct secmark", "ct mark exists; secmark set"),
            (
                "ct timeout set tcp dport map { 22 : \"t\" }",
                "proto tcp; object dport map { 22 }; ct template timeout chosen by a map",
            ),
        ],
    );
}

#[test]
fn priorities_and_devices() {
    let told = |head: &str| {
        let (model, diagnostics) = model(&format!("table netdev t {{\n\tchain c {{\n\t\t{head}\n\t}}\n}}\n"));
        let base = model.chains[0].base.as_ref().map(|b| (b.priority, b.devices.len()));
        (base, diagnostics.len())
    };
    let line =
        |devices: &str, priority: &str| told(&format!("type filter hook ingress {devices} priority {priority};"));
    assert_eq!(line("device \"eth0\"", "-2147483648"), (Some((i32::MIN, 1)), 0));
    assert_eq!(line("devices = { eth0, \"eth1\" }", "filter-10"), (Some((-10, 2)), 0));
    assert_eq!(line("devices = { \"eth*\" }", "filter"), (Some((0, 1)), 1));
}

#[test]
fn flags_masks_and_relations() {
    check(
        "ip",
        &[
            ("tcp flags syn", "proto tcp; tcp flags & 0x2 != none"),
            ("tcp flags == syn", "proto tcp; tcp flags SYN"),
            ("tcp flags != syn", "proto tcp; tcp flags not SYN"),
            ("tcp flags ! syn", "proto tcp; tcp flags & 0x2 = none"),
            ("tcp flags & (fin|syn|rst|ack) == syn", "proto tcp; tcp flags & 0x17 = SYN"),
            ("tcp flags syn / fin,syn,rst,ack", "proto tcp; tcp flags & 0x17 = SYN"),
            ("tcp flags != syn / fin,syn,rst,ack", "proto tcp; tcp flags & 0x17 != SYN"),
            ("tcp flags & rst != 0", "proto tcp; tcp flags & 0x4 != none"),
            ("tcp flags { syn, syn | ack }", "proto tcp; tcp flags { SYN, SYN,ACK }"),
            ("ct state established,related", "ct state RELATED,ESTABLISHED"),
            ("ct state { established, related }", "ct state { ESTABLISHED, RELATED }"),
            ("ct state != new,established", "ct state not NEW,ESTABLISHED"),
            ("ct state & (new|established) != 0", "ct state NEW,ESTABLISHED"),
            ("ct status ! dnat", "ct status not DNAT"),
            ("ct status snat,dnat", "ct status SNAT,DNAT"),
            ("meta mark & 0xff == 0x1", "mark & 0xff = 0x1"),
            ("meta mark and 0xff != 0x1", "mark & 0xff != 0x1"),
            ("meta mark xor 0x1 == 0x4001", "(mark ^ 0x1) 0x4001"),
            ("meta mark >= 0x10", "mark 0x10-0xffffffff"),
            ("meta mark { 0x1, 0x10-0x20 }", "mark { 0x1, 0x10-0x20 }"),
            ("ip daddr & 0.0.0.255 == 0.0.0.3", "daddr & 0xff = 0.0.0.3"),
            ("meta mark != ct mark", "mark != ct mark"),
            ("ct mark 0x80000000/1", "ct mark 0x80000000-0xffffffff"),
            (
                "ip saddr . tcp dport { 1.2.3.4 . 80, 10.0.0.0/8 . 1-5 }",
                "proto tcp; saddr . dport in { 1.2.3.4 . 80, 10.0.0.0-10.255.255.255 . 1-5 }",
            ),
            ("ip saddr . tcp dport != @s", "proto tcp; saddr . dport not in set s"),
            ("ip saddr . 80 @s", "saddr . 0x50 in set s"),
            ("ct original saddr 10.1.2.3", "ct l3proto ip; ct original saddr 10.1.2.3"),
            ("meter x { ip saddr & 255.255.255.0 counter }", "update set x (saddr & 0xffffff00), count"),
            ("ip saddr @a drop", "saddr in set a; drop"),
            ("ip saddr != 1.2.3.4-1.2.3.9", "saddr not 1.2.3.4-1.2.3.9"),
            ("numgen inc mod 3 < 2", "numgen inc mod 3 + 0 0x0-0x1"),
        ],
    );
}

#[test]
fn statements() {
    check(
        "inet",
        &[
            ("accept", "accept"),
            ("jump d", "jump d"),
            ("ipsec in reqid 23", "ipsec yes; ipsec reqid 23"),
            ("osf version \"Linux:4.5\"", "proto tcp; tcp flags & 0x2 = SYN; `osf version \"Linux:4.5\"`"),
            (
                "tcp dport 80 dnat to 192.168.1.101/31:8080",
                "proto tcp; dport 80; dnat to 192.168.1.100-192.168.1.101:8080",
            ),
            ("goto nowhere", "`goto nowhere` [NT301]"),
            ("jump { ip saddr 1.2.3.4 drop; accept; }", "jump "),
            ("tcp dport vmap @m", "proto tcp; dport vmap set m"),
            ("tcp dport vmap { 80 : jump d, 1-5 : accept, * : drop }", "proto tcp; dport vmap { 80, 1-5, 1-0 }"),
            ("ct state vmap { established : accept, invalid : drop }", "ct state vmap { 2, 1 }"),
            ("reject", "reject with icmpx 1"),
            ("reject with icmp type host-unreachable", "family ip; reject with icmp 3/1"),
            ("reject with icmpx admin-prohibited", "reject with icmpx 3"),
            ("meta mark set 0x1", "mark := 0x1"),
            ("meta mark set meta mark and 0xff or 0x100", "mark := ((mark & 0xff) | 0x100)"),
            ("meta mark set ct mark", "mark := ct mark"),
            ("ct mark set meta mark", "ct mark := mark"),
            ("ip dscp set cs1", "family ip; tos := ((tos & 0x3) ^ 0x20)"),
            ("ip ttl set 33", "family ip; ttl := 0x21"),
            ("meta mark set tcp dport map { 80 : 0x1, 443 : 0x2 }", "proto tcp; mark := dport map { 80, 443 }"),
            ("tcp option maxseg size set rt mtu", "proto tcp; rt mtu exists; tcp mss := (tcp mss min rt mtu)"),
            ("ct helper set \"ftp\"", "ct template helper ftp"),
            ("notrack", "notrack"),
            ("queue num 3 bypass", "queue"),
            ("queue flags bypass,fanout to 1-3", "queue"),
            ("xt match \"comment\" xt match \"set\" xt target \"CT\"", "`xt match set`; `xt target CT`"),
            ("reset tcp option sack-perm", "proto tcp; frag offset 0; need tcporfail; strip tcp options 4"),
            ("th dport set 81", "th dport exists; transport,16,16 := 0x51"),
            ("@nh,48,8 set 0x21", "@network,48,8 exists; network,48,8 := 0x21"),
        ],
    );
}

/// As nft 1.0.6 loads them: `nft --debug=netlink` shows one comparison.
#[test]
fn comparisons_that_may_be_loaded_as_one_are_warned_of() {
    let check = |family: &str, rule: &str, warned: bool| {
        assert_eq!(ops(family, rule).contains("[NT303]"), warned, "{rule}");
    };
    check("inet", "tcp sport != 1 tcp dport != 2", true);
    check("inet", "tcp dport != 2 counter log tcp sport != 1", true);
    check("ip", "ip ttl != 1 ip protocol != 6", true);
    check("ip", "ip protocol != 6 meta mark 1 ip checksum != 2", true);
    check("bridge", "ether saddr != 02:00:00:00:00:01 ether type != ip", true);
    check("ip", "ip saddr != 1.1.1.1 ip daddr != 2.2.2.2", false);
    check("inet", "tcp dport != 2 tcp sequence != 3", false);
    check("inet", "tcp sport 1 tcp dport != 2", false);
    check("inet", "tcp sport != 1 tcp dport != { 2, 3 }", false);
    check("inet", "tcp sport != 1-5 tcp dport != 2", false);
    check("inet", "udp sport != 1 udp length != 2", false);
}

#[test]
fn a_deleted_table_takes_its_sets_and_objects_along() {
    let table = |set: &str, rule: &str| {
        format!(
            "table inet t {{\n\tcounter x {{\n\t}}\n\tquota x {{\n\t\tover 10 bytes\n\t}}\n\tlimit x {{\n\t\trate 1/second\n\t}}\n\
             \tset s {{\n\t\t{set}\n\t}}\n\tchain c {{\n\t\ttype filter hook input priority 0\n\t\t{rule}\n\t}}\n}}\n"
        )
    };
    let addresses = table("type ipv4_addr; elements = { 1.2.3.4 }", "ct state new ip saddr @s drop");
    let ports = table("type inet_service; elements = { 80 }", "tcp dport @s counter name \"x\" quota name \"x\" drop");
    for gone in ["flush ruleset\n", "delete table inet t\n", "flush ruleset inet\n", "destroy table inet t\n"] {
        let (m, found) = model(&format!("{addresses}{gone}{ports}"));
        assert!(found.is_empty(), "{gone}: {found:?}");
        let table = m.find_table(Family::Inet, "t").unwrap();
        let chain = m.find_chain(table, "c").unwrap();
        assert!(m.bases.iter().eq([&chain]), "{gone}");
        let quota = |r| m.rule_ops(r).iter().map(|op| m.show_op(*op, 2)).find(|op| op.contains("quota"));
        assert!(m.chain(chain).rules.iter().any(|r| quota(r).is_some()), "{gone}");
        let Contents::Elements(set) = &m.set(m.find_set(Some(table), "s").unwrap()).contents else { panic!("{gone}") };
        assert!(set.find(&[80]).is_some() && set.find(&[0x0102_0304]).is_none(), "{gone}");
        assert_eq!(m.asked.conntrack, [None, None], "{gone}");
    }
}

#[test]
fn a_flushed_table_keeps_its_sets() {
    let (m, found) = model(
        "table ip t {\n\tset s {\n\t\ttype ipv4_addr; elements = { 1.2.3.4 }\n\t}\n\tchain c {\n\t\tip saddr @s drop\n\t}\n}\n\
         flush table ip t\nadd set ip t u { type ipv4_addr; }\ndelete set ip t u\nadd set ip t u { type inet_service; elements = { 80 }; }\n",
    );
    assert!(found.is_empty(), "{found:?}");
    let table = m.find_table(Family::Ip, "t").unwrap();
    let has = |set, key| match &m.set(m.find_set(Some(table), set).unwrap()).contents {
        Contents::Elements(elements) => elements.find(&[key]).is_some(),
        _ => false,
    };
    assert!(m.chain(m.find_chain(table, "c").unwrap()).rules.is_empty());
    assert!(has("s", 0x0102_0304) && has("u", 80));
}
