//! Lookups on small hosts: a router with three devices, and hosts of which only a part is known.

mod reading;

use std::net::IpAddr;

use nettrace_grammar::{Diagnostic, Sources};

use super::*;

const ADDR: &str = r#"[
{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"mtu":65536,"group":"default","link_type":"loopback",
 "address":"00:00:00:00:00:00","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"},
 {"family":"inet6","local":"::1","prefixlen":128,"scope":"host"}]},
{},
{"ifindex":2,"ifname":"eth0","flags":["BROADCAST","MULTICAST","UP"],"address":"02:00:00:00:01:01","addr_info":[
 {"family":"inet","local":"10.0.1.1","prefixlen":24,"broadcast":"10.0.1.255","scope":"global","label":"eth0"},
 {"family":"inet","local":"10.0.1.2","prefixlen":24,"scope":"global","secondary":true},
 {"family":"inet","local":"172.16.0.1","prefixlen":24,"scope":"global"},
 {"family":"inet6","local":"fd01::1","prefixlen":64,"scope":"global"},
 {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]},
{"ifindex":3,"ifname":"eth1","flags":["BROADCAST","MULTICAST","UP"],"group":"5","addr_info":[
 {"family":"inet","local":"10.0.2.1","prefixlen":24,"scope":"global"},
 {"family":"inet6","local":"fd02::1","prefixlen":64,"scope":"global"}]},
{"ifindex":4,"ifname":"tun0","flags":["UP"],"addr_info":[
 {"family":"inet","local":"10.9.0.1","address":"10.9.0.2","prefixlen":32,"scope":"global"}]},
{"ifindex":5,"ifname":"wg0","flags":["UP"],"addr_info":[]}]"#;

const ROUTES: &str = r#"[{"dst":"default","gateway":"10.0.1.254","dev":"eth0","flags":[]},
{"dst":"10.0.1.0/24","dev":"eth0","protocol":"kernel","scope":"link","prefsrc":"10.0.1.1","flags":[]},
{"dst":"10.0.2.0/24","dev":"eth1","protocol":"kernel","scope":"link","prefsrc":"10.0.2.1","flags":[]},
{"dst":"10.5.0.0/16","flags":[],"nexthops":[{"gateway":"10.0.1.5","dev":"eth0","weight":1,"flags":[]},
 {"gateway":"10.0.2.5","dev":"eth1","weight":3,"flags":[]},{"gateway":"10.0.2.6","dev":"eth1","weight":1,"flags":["dead"]}]},
{"dst":"10.6.0.0/16","via":{"family":"inet6","host":"fd01::9"},"dev":"eth0","flags":[]},
{"dst":"10.7.0.0/16","gateway":"10.0.1.7","dev":"eth0","metric":50,"flags":[]},
{"dst":"10.7.0.0/16","gateway":"10.0.2.7","dev":"eth1","metric":10,"flags":[]},
{"dst":"10.7.0.0/16","tos":"0x10","gateway":"10.0.1.8","dev":"eth0","flow":{"from":"4","to":"5"},"flags":[]},
{"dst":"10.9.0.2","dev":"tun0","scope":"link","prefsrc":"10.9.0.1","flags":[]},
{"type":"blackhole","dst":"10.10.0.0/16","flags":[]},{"type":"unreachable","dst":"10.11.0.0/16","flags":[]},
{"type":"prohibit","dst":"10.12.0.0/16","flags":[]},{"type":"throw","dst":"10.13.0.0/16","flags":[]},
{"dst":"10.14.0.0/16","dev":"wg0","scope":"link","flags":[]},
{"dst":"default","gateway":"10.0.2.254","dev":"eth1","table":"100","flags":[]},
{"type":"local","dst":"10.20.0.0/16","dev":"lo","table":"200","scope":"host","flags":[]},
{"dst":"fd01::/64","dev":"eth0","metric":256,"flags":[],"pref":"medium"},
{"dst":"fd02::/64","dev":"eth1","metric":256,"flags":[],"pref":"medium"},
{"dst":"fe80::/64","dev":"eth0","metric":256,"flags":[],"pref":"medium"},
{"dst":"default","gateway":"fd01::fe","dev":"eth0","metric":1024,"flags":[],"pref":"medium"},
{"type":"prohibit","dst":"fd09::/64","dev":"lo","metric":1024,"flags":[],"pref":"medium"}]"#;

const RULES: &str = r#"[{"priority":0,"src":"all","table":"local"},
{"priority":90,"not":null,"src":"0.0.0.0","srclen":0,"action":"blackhole"},
{"priority":100,"src":"all","fwmark":"0x100","fwmask":"0xff00","table":"100"},
{"priority":101,"src":"10.0.2.0","srclen":24,"iif":"eth1","ipproto":"tcp","dport_start":80,"dport_end":90,"table":"200"},
{"priority":102,"src":"all","fwmark":"0x1","goto":32766},
{"priority":103,"src":"all","fwmark":"0x2","goto":5000,"unresolved":null},
{"priority":104,"src":"all","tos":"0x08","action":"prohibit"},
{"priority":105,"src":"all","fwmark":"0x3","table":"main","suppress_prefixlen":0},
{"priority":106,"src":"all","fwmark":"0x3","action":"unreachable"},
{"priority":107,"src":"all","uid_start":5,"uid_end":10,"table":"100"},
{"priority":32766,"src":"all","table":"main"},{"priority":32767,"src":"all","table":"default"}]"#;

const SYSCTL: &str = "net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\nnet.ipv4.conf.all.rp_filter = 0\n";

fn parts(inputs: &[(Part, &str)]) -> (Parts, Vec<Diagnostic>) {
    let (mut sources, mut parts, mut found) = (Sources::default(), Parts::default(), Vec::new());
    for (part, text) in inputs {
        found.extend(parts.read(*part, sources.add("input", *text).unwrap()));
    }
    (parts, found)
}

fn host(inputs: &[(Part, &str)]) -> Host {
    let (parts, found) = parts(inputs);
    assert_eq!(found, []);
    Host::new(parts)
}

fn router_with(sysctls: &str) -> Host {
    let mut inputs = vec![(Part::Addresses, ADDR), (Part::Routes(None), ROUTES), (Part::Rules(Family::V4), RULES)];
    inputs.push((Part::Sysctls, SYSCTL));
    inputs.push((Part::Sysctls, sysctls));
    host(&inputs)
}

fn router() -> Host {
    router_with("")
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn show_ways(ways: &[Way]) -> String {
    let one = |w: &Way| w.via.map_or(w.dev.to_string(), |via| format!("{via} {}", w.dev));
    ways.iter().map(one).collect::<Vec<_>>().join(" | ")
}

fn show_input(route: &Known<InputRoute>) -> String {
    match route {
        Ok(InputRoute::Local { delivery, .. }) => format!("local {delivery:?}"),
        Ok(InputRoute::Forward { ways, realm, .. }) => {
            show_ways(ways) + &realm.map_or(String::new(), |r| format!(" realm {r}"))
        }
        Ok(InputRoute::Elsewhere(missing)) => format!("elsewhere {missing:?}"),
        Ok(InputRoute::Drop(why)) => format!("drop {why:?}"),
        Ok(InputRoute::Error { icmp_type, icmp_code, .. }) => format!("icmp {icmp_type}/{icmp_code}"),
        Ok(InputRoute::Blackhole(by)) => format!("drop by {by}"),
        Err(missing) => format!("unknown {missing:?}"),
    }
}

/// `src > dst iif`, with `key=value` for mark, tos, proto and dport behind it.
fn query(text: &str) -> InputQuery<'_> {
    let words: Vec<&str> = text.split(' ').filter(|w| *w != ">").collect();
    let mut query = InputQuery::new(ip(words[0]), ip(words[1]), words[2]);
    for (key, value) in words[3..].iter().map(|w| w.split_once('=').unwrap()) {
        let value: u32 = value.parse().unwrap();
        match key {
            "mark" => query.mark = value,
            "tos" => query.tos = value as u8,
            "proto" => query.proto = value as u8,
            _ => query.dport = Some(value as u16),
        }
    }
    query
}

fn check_input(host: &Host, cases: &[(&str, &str)]) {
    for (packet, expect) in cases {
        let found = show_input(&host.input_route(&query(packet), &mut Vec::new()));
        assert_eq!(found, *expect, "{packet}");
    }
}

#[test]
fn packets_that_came_in_are_routed_as_the_kernel_does() {
    check_input(
        &router(),
        &[
            ("10.0.1.9 > 10.0.1.1 eth0", "local Unicast"),
            ("10.0.1.9 > 10.0.2.1 eth0", "local Unicast"),
            ("10.0.1.9 > 10.0.2.255 eth0", "local Broadcast"),
            ("10.0.1.9 > 10.0.1.0 eth0", "eth0"),
            ("10.0.1.9 > 255.255.255.255 eth0", "local Broadcast"),
            ("0.0.0.0 > 255.255.255.255 eth0", "local Broadcast"),
            ("0.0.0.0 > 10.0.1.1 eth0", "drop MartianSource"),
            ("10.0.1.9 > 0.0.0.0 eth0", "drop MartianDestination"),
            ("10.0.1.9 > 127.0.0.1 eth0", "drop MartianDestination"),
            ("127.0.0.1 > 10.0.1.1 eth0", "drop MartianSource"),
            ("224.0.0.1 > 10.0.1.1 eth0", "drop MartianSource"),
            ("10.0.2.1 > 10.0.1.1 eth0", "drop OwnSource"),
            ("10.0.1.9 > 224.0.0.1 eth0", "local Multicast"),
            ("10.0.1.9 > 224.0.0.9 eth0", "drop MaybeJoined"),
            ("10.0.1.9 > 10.0.2.9 eth0", "eth1"),
            ("10.0.1.9 > 8.8.8.8 eth0", "10.0.1.254 eth0"),
            ("10.0.1.9 > 10.5.0.1 eth0", "10.0.1.5 eth0 | 10.0.2.5 eth1"),
            ("10.0.1.9 > 10.6.0.1 eth0", "fd01::9 eth0"),
            ("10.0.1.9 > 10.7.0.1 eth0", "10.0.2.7 eth1"),
            ("10.0.1.9 > 10.7.0.1 eth0 tos=16", "10.0.1.8 eth0 realm 5"),
            ("10.0.1.9 > 10.10.0.1 eth0", "drop by the route `blackhole 10.10.0.0/16` of table main"),
            ("10.0.1.9 > 10.11.0.1 eth0", "icmp 3/1"),
            ("10.0.1.9 > 10.12.0.1 eth0", "icmp 3/13"),
            ("10.0.1.9 > 10.13.0.1 eth0", "icmp 3/0"),
            ("10.0.1.9 > 8.8.8.8 eth0 mark=256", "10.0.2.254 eth1"),
            ("10.0.1.9 > 8.8.8.8 eth0 mark=65792", "10.0.2.254 eth1"),
            ("10.0.2.9 > 10.20.0.1 eth1 proto=6 dport=85", "local Unicast"),
            ("10.0.2.9 > 10.20.0.1 eth1 proto=6 dport=91", "10.0.1.254 eth0"),
            ("10.0.1.9 > 8.8.8.8 eth0 tos=8", "icmp 3/13"),
            ("10.0.1.9 > 8.8.8.8 eth0 tos=8 mark=1", "10.0.1.254 eth0"),
            ("10.0.1.9 > 8.8.8.8 eth0 tos=8 mark=2", "icmp 3/13"),
            ("10.0.1.9 > 8.8.8.8 eth0 mark=3", "icmp 3/0"),
            ("10.0.1.9 > 10.0.2.9 eth0 mark=3", "eth1"),
            ("fd01::9 > fd01::1 eth0", "local Unicast"),
            ("fd01::9 > fd01:: eth0", "local Anycast"),
            ("fd01::9 > fe80::1 eth0", "local Unicast"),
            ("fd02::9 > fe80::1 eth1", "icmp 1/0"),
            ("fd02::9 > ::1 eth1", "icmp 1/0"),
            ("fd01::9 > ff02::1 eth0", "local Multicast"),
            ("fd01::9 > ff02::1:ff00:1 eth0", "local Multicast"),
            ("fd01::9 > ff02::1:ff00:9 eth0", "drop NotJoined"),
            ("fd01::9 > ff02::99 eth0", "drop MaybeJoined"),
            ("fd01::9 > fd02::9 eth0", "eth1"),
            ("fe80::9 > fd02::9 eth0", "icmp 1/2"),
            ("fd01::9 > fd09::9 eth0", "icmp 1/1"),
            ("fd02::1 > fd01::1 eth0", "local Unicast"),
        ],
    );
}

#[test]
fn sysctls_change_the_decision() {
    let off = "net.ipv4.conf.eth0.forwarding = 0";
    check_input(
        &router_with(off),
        &[
            ("10.0.1.9 > 8.8.8.8 eth0", "drop ForwardingOff"),
            ("10.0.1.9 > 10.11.0.1 eth0", "drop ForwardingOff"),
            ("10.0.2.9 > 8.8.8.8 eth1", "10.0.1.254 eth0"),
        ],
    );
    let localnet = "net/ipv4/conf/eth0/route_localnet = 1\nnet.ipv4.conf.all.accept_local = 1";
    check_input(
        &router_with(localnet),
        &[("10.0.1.9 > 127.0.0.1 eth0", "local Unicast"), ("10.0.2.1 > 10.0.1.1 eth0", "local Unicast")],
    );
    let strict = "net.ipv4.conf.eth0.rp_filter = 1";
    check_input(
        &router_with(strict),
        &[("10.0.2.9 > 10.0.1.1 eth0", "drop WayBack"), ("10.0.1.9 > 10.0.1.1 eth0", "local Unicast")],
    );
    let loose = "net.ipv4.conf.all.rp_filter = 2";
    check_input(
        &router_with(loose),
        &[("10.0.2.9 > 10.0.1.1 eth0", "local Unicast"), ("10.11.0.9 > 10.0.1.1 eth0", "drop WayBack")],
    );
}

#[test]
fn what_is_not_told_is_unknown() {
    let packet = &["10.0.1.9 > 10.0.1.1 eth0", "10.0.1.9 > 8.8.8.8 eth0"];
    let cases = |expect: [&'static str; 2]| [(packet[0], expect[0]), (packet[1], expect[1])];
    check_input(&host(&[]), &cases(["unknown Local(10.0.1.1)", "unknown Local(8.8.8.8)"]));
    let addresses = host(&[(Part::Addresses, ADDR)]);
    check_input(&addresses, &cases(["local Unicast", "elsewhere Routes(V4)"]));
    let routes = host(&[(Part::Routes(None), ROUTES)]);
    check_input(&routes, &cases(["unknown Local(10.0.1.9)", "unknown Local(8.8.8.8)"]));
    for (says, expect) in [(true, "local Unicast"), (false, "10.0.1.254 eth0")] {
        let mut assumed = vec![Assumed::Local(ip("8.8.8.8"), says), Assumed::Local(ip("10.0.1.9"), false)];
        assert_eq!(show_input(&routes.input_route(&query(packet[1]), &mut assumed)), expect);
    }
    let main_only = r#"[{"dst":"default","gateway":"10.0.1.254","dev":"eth0"}]"#;
    let rules = [(Part::Routes(None), main_only), (Part::Addresses, ADDR), (Part::Rules(Family::V4), RULES)];
    check_input(&host(&rules), &[("10.0.1.9 > 8.8.8.8 eth0 mark=256", r#"elsewhere Table(Other("100"))"#)]);
    let (mut some, _) = parts(&[]);
    some.assumed_local = Some(vec![(ip("10.0.1.1"), Some("eth0".into()))]);
    let assuming = Host::new(some);
    check_input(&assuming, &cases(["local Unicast", "elsewhere Routes(V4)"]));
    let mut assumed = Vec::new();
    let _ = assuming.input_route(&query(packet[1]), &mut assumed);
    assert!(assumed.contains(&Assumed::Local(ip("8.8.8.8"), false)), "{assumed:?}");
    assert!(
        assumed.contains(&Assumed::Sysctl { key: SysctlKey::Plain("net.ipv4.ip_forward"), value: 1 }),
        "{assumed:?}"
    );
}

/// Without rules of its own a host keeps `local` and `main` in one table: a longer prefix in `main` wins.
#[test]
fn local_and_main_are_one_table_until_rules_part_them() {
    let routes = r#"[{"type":"local","dst":"10.0.1.1","dev":"eth0","table":"local","protocol":"kernel","scope":"host"},
        {"type":"local","dst":"20.0.0.0/8","dev":"lo","table":"local","scope":"host"},
        {"dst":"20.1.0.0/16","dev":"eth1","scope":"link"},{"dst":"20.0.0.0/8","dev":"eth1","scope":"link"},
        {"type":"blackhole","dst":"20.2.0.0/16"},{"type":"throw","dst":"20.3.0.0/16"}]"#;
    let cases = |more, hole, thrown| {
        let packets = ["10.0.1.9 > 20.9.9.9 eth1", "10.0.1.9 > 20.1.1.1 eth1", "10.0.1.9 > 20.2.1.1 eth1"];
        [(packets[0], "local Unicast"), (packets[1], more), (packets[2], hole), ("10.0.1.9 > 20.3.1.1 eth1", thrown)]
    };
    let given = [(Part::Routes(None), routes), (Part::Addresses, ADDR)];
    check_input(&host(&given), &cases("eth1", "drop by the route `blackhole 20.2.0.0/16` of table main", "icmp 3/0"));
    let parted = [given[0], given[1], (Part::Rules(Family::V4), RULES)];
    check_input(&host(&parted), &cases("local Unicast", "local Unicast", "local Unicast"));
}

#[test]
fn packets_from_here_get_a_device_a_source_or_an_error() {
    let cases = [
        ("8.8.8.8", "10.0.1.254 eth0 from 10.0.1.1"),
        ("10.0.2.9", "eth1 from 10.0.2.1"),
        ("10.0.1.2", "lo from 10.0.1.1"),
        ("127.0.0.1", "lo from 127.0.0.1"),
        ("10.9.0.2", "tun0 from 10.9.0.1"),
        ("10.14.0.1", "wg0 from 10.0.1.1"),
        ("10.10.0.1", "EINVAL"),
        ("10.11.0.1", "EHOSTUNREACH"),
        ("10.12.0.1", "EACCES"),
        ("10.13.0.1", "ENETUNREACH"),
        ("10.0.1.255", "eth0 from 10.0.1.1 and here"),
        ("255.255.255.255", "eth0 from 10.0.1.1 and here"),
        ("fd02::9", "eth1 from fd02::1"),
        ("fd02::1", "lo from fd02::1"),
        ("2001:db8::1", "fd01::fe eth0 from fd01::1"),
        ("fd09::9", "EACCES"),
    ];
    for (dst, expect) in cases {
        let router = router();
        let found = match router.output_route(&FibQuery::to(ip(dst)), &mut Vec::new()).unwrap() {
            OutputRoute::Send { ways, src, loops_back, .. } => {
                format!("{} from {}{}", show_ways(&ways), src.unwrap(), if loops_back { " and here" } else { "" })
            }
            OutputRoute::Error { errno, .. } => errno.name().to_owned(),
            OutputRoute::Elsewhere(missing) => format!("{missing:?}"),
        };
        assert_eq!(found, expect, "{dst}");
    }
    let loopback = FibQuery { src: Some(ip("127.0.0.1")), ..FibQuery::to(ip("8.8.8.8")) };
    let refused = router();
    let refused = refused.output_route(&loopback, &mut Vec::new()).unwrap();
    assert!(matches!(refused, OutputRoute::Error { errno: Errno::Einval, .. }), "{refused:?}");
}

#[test]
fn nat_takes_the_addresses_the_kernel_takes() {
    let router = router();
    let masquerade =
        |dev: &str, dst: &str, hop: &str| router.masquerade_address(dev, ip(dst), ip(hop), &mut Vec::new());
    for (dev, hop, expect) in [
        ("eth0", "10.0.1.254", "10.0.1.1"),
        ("eth0", "172.16.0.9", "172.16.0.1"),
        ("eth0", "192.168.0.1", "10.0.1.1"),
        ("wg0", "10.14.0.1", "10.0.1.1"),
        ("lo", "127.0.0.1", "10.0.1.1"),
    ] {
        assert_eq!(masquerade(dev, "8.8.8.8", hop), Ok(ip(expect)), "{dev} {hop}");
    }
    assert_eq!(masquerade("eth1", "2001:db8::1", "fd02::fe"), Ok(ip("fd02::1")));
    for (dev, dst, expect) in [
        (Some("eth0"), "10.0.1.2", Some("10.0.1.1")),
        (Some("wg0"), "10.0.1.2", None),
        (None, "8.8.8.8", Some("127.0.0.1")),
        (None, "fd01::1", Some("::1")),
        (Some("eth0"), "fd09::1", Some("fd01::1")),
        (Some("eth0"), "fe80::9", Some("fe80::1")),
    ] {
        assert_eq!(router.redirect_address(dev, ip(dst)), Ok(expect.map(ip)), "{dev:?} {dst}");
    }
}

#[test]
fn address_types() {
    use RouteKind::*;
    let router = router();
    for (addr, dev, expect) in [
        ("10.0.1.2", None, Local),
        ("127.9.9.9", None, Local),
        ("10.0.2.255", None, Broadcast),
        ("0.0.0.0", None, Broadcast),
        ("224.1.1.1", None, Multicast),
        ("10.10.0.1", None, Unicast),
        ("10.0.2.1", Some("eth0"), Unicast),
        ("10.0.2.1", Some("eth1"), Local),
    ] {
        let IpAddr::V4(addr) = ip(addr) else { continue };
        assert_eq!(router.addr_type4(addr, dev, &mut Vec::new()), Ok(expect), "{addr} {dev:?}");
    }
    for (addr, dev, expect) in [
        ("fd01::1", None, Local),
        ("fd01::1", Some("eth1"), Unicast),
        ("fd01::", None, Anycast),
        ("fd09::9", None, Prohibit),
        ("fd02::9", None, Unicast),
        ("ff02::1", None, Multicast),
    ] {
        let found = router.fib_type(&FibQuery::to(ip(addr)), dev, &mut Vec::new());
        assert_eq!(found, Ok(FibType::Kind(expect)), "{addr} {dev:?}");
    }
}

#[test]
fn the_way_back() {
    let router = router();
    let strict = RpFilter::default();
    for (packet, strictly, loosely) in [
        ("10.0.2.9 > 10.0.1.1 eth1", true, true),
        ("10.0.2.9 > 10.0.1.1 eth0", false, true),
        ("10.11.0.9 > 10.0.1.1 eth0", false, false),
        ("10.0.1.1 > 10.0.1.9 eth0", false, false),
        ("0.0.0.0 > 255.255.255.255 eth1", true, true),
        ("fe80::9 > fd01::1 eth0", true, true),
        ("fd02::9 > fd01::1 eth0", false, true),
    ] {
        let ask = |options| router.rpfilter(&query(packet), options, &mut Vec::new());
        assert_eq!(ask(strict), Ok(strictly), "{packet}");
        assert_eq!(ask(RpFilter { loose: true, ..strict }), Ok(loosely), "{packet} loose");
        let packet = query(packet);
        let fib = FibOif { packet, of_source: true, mark: false, by: Some(packet.iif), arriving: true, looped: false };
        assert_eq!(router.fib_oif(&fib, &mut Vec::new()).map(|d| d.is_some()), Ok(strictly), "{packet:?} fib");
    }
}

#[test]
fn bridges_and_neighbours() {
    let ports = r#"[{"ifname":"v1","master":"br0","state":"forwarding","hairpin":true},
        {"ifname":"v2","master":"br0","state":"forwarding","hairpin":false},
        {"ifname":"v3","master":"br0","state":"disabled","hairpin":false},{"ifname":"x","flags":["UP"]}]"#;
    let fdb = r#"[{"mac":"02:00:00:00:00:01","ifname":"v1","master":"br0","flags":[],"state":""},
        {"mac":"02:00:00:00:00:02","ifname":"v2","master":"br0","flags":[],"state":""},
        {"mac":"33:33:00:00:00:01","ifname":"v2","flags":["self"],"state":"permanent"}]"#;
    let neigh = r#"[{"dst":"10.0.0.2","dev":"br0","lladdr":"02:00:00:00:00:02","state":["PERMANENT"]},
        {"dst":"10.0.0.7","dev":"br0","proxy":null}]"#;
    let host = host(&[(Part::BridgeLinks, ports), (Part::Fdb, fdb), (Part::Neighbours, neigh)]);
    let mac = |n: u8| Mac([2, 0, 0, 0, 0, n]);
    assert_eq!(host.next_hop_mac("br0", ip("10.0.0.2")), Ok(mac(2)));
    assert_eq!(host.next_hop_mac("br0", ip("10.0.0.7")), Err(Missing::Neighbour(ip("10.0.0.7"))));
    let port = |n, from| host.bridge_port("br0", mac(n), Some(from)).unwrap();
    assert_eq!(port(2, "v1"), PortLookup::Port("v2".into()));
    assert_eq!(port(2, "v2"), PortLookup::Nowhere);
    assert_eq!(port(1, "v1"), PortLookup::Port("v1".into()));
    assert_eq!(port(9, "v2"), PortLookup::Flood(vec!["v1".into()]));
    assert_eq!(host.bridge_of("v1"), Ok(Some("br0".into())));
    assert_eq!(host.is_bridge("br0"), Ok(true));
}
