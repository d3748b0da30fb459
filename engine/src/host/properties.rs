//! What holds for any host: reading never panics, and the indexed lookup is the plain one.

use nettrace_grammar::Sources;
use proptest::prelude::*;

use super::*;

const WORDS: &[&str] = &[
    "10.0.0.1/24",
    "10.0.0.0/33",
    "fe80::1/64",
    "default",
    "via",
    "dev",
    "eth0",
    "metric",
    "99999999999",
    "nexthop",
    "weight",
    "table",
    "local",
    "scope",
    "\n",
    "\n    ",
    "1:",
    "2: eth0@:",
    "<UP>",
    "inet",
    "peer",
    "brd",
    "from",
    "all",
    "lookup",
    "fwmark",
    "0x1/0xff",
    "uidrange",
    "5-",
    "lladdr",
    "02:00:00:00:00:0",
    "mtu",
    "lock",
    "src",
    "tos",
    "0x1ff",
    "realms",
    "/",
    "goto",
    "é",
    "[{",
    "\"dst\":\"default\"",
    "}]",
    ",",
    "{}",
    "=",
    "net.ipv4.ip_forward",
    "tcp 6 1",
    "src=10.0.0.1",
    "dst=::1",
    "id=7",
];

fn parts_of(text: &str) -> Parts {
    let (mut sources, mut parts) = (Sources::default(), Parts::default());
    let source = sources.add("any", text).expect("small").clone();
    for part in [
        Part::Addresses,
        Part::Links,
        Part::Routes(None),
        Part::Routes(Some(Family::V6)),
        Part::Rules(Family::V4),
        Part::Rules(Family::V6),
        Part::Neighbours,
        Part::BridgeLinks,
        Part::Fdb,
        Part::Sysctls,
    ] {
        for found in parts.read(part, &source) {
            assert!(found.span.end <= source.base + source.text.len() as u32, "{found:?}");
        }
    }
    let _ = connections(&source);
    parts
}

prop_compose! {
    fn route()(addr in any::<u32>(), len in 0u8..=32, tos in prop::sample::select(vec![0u8, 0x10, 0x04]), metric in 0u32..3,
        kind in prop::sample::select(vec![RouteKind::Unicast, RouteKind::Local, RouteKind::Throw])) -> Route {
        // Few different addresses, so that prefixes nest.
        let addr = IpAddr::from((addr & 0x0003_0301 | 0x0a00_0000).to_be_bytes());
        let dst = ipnet::IpNet::new(addr, len).expect("a length up to 32").trunc();
        Route { metric, tos, ..Route::new(kind, dst, Table::Main).by(Some("eth0".into()), None) }
    }
}

proptest! {
    #[test]
    fn reading_never_panics(words in prop::collection::vec(prop::sample::select(WORDS), 0..40), junk in "\\PC{0,40}") {
        let host = Host::new(parts_of(&(words.join(" ") + &junk)));
        let query = InputQuery::new(IpAddr::from([10, 0, 0, 9]), IpAddr::from([10, 0, 0, 1]), "eth0");
        let _ = host.input_route(&query, &mut Vec::new());
        let _ = host.output_route(&FibQuery::to(query.dst), &mut Vec::new());
    }

    #[test]
    fn the_longest_prefix_wins(routes in prop::collection::vec(route(), 0..30), dst in any::<u32>(), tos in any::<u8>()) {
        let dst = IpAddr::from((dst & 0x0003_0301 | 0x0a00_0000).to_be_bytes());
        let rank = |r: &&Route| (r.dst.prefix_len(), r.tos, std::cmp::Reverse(r.metric));
        let fits = |r: &&Route| r.dst.contains(&dst) && (r.tos == 0 || r.tos == tos & 0x1c);
        // Of equals the first one counts.
        let best = routes.iter().filter(fits).fold(None, |best: Option<&Route>, r| match best {
            Some(b) if rank(&r) <= rank(&b) => Some(b),
            _ => Some(r),
        });
        let expect = best.filter(|r| r.kind != RouteKind::Throw).map(|r| (r.kind, r.dst, r.metric, r.tos));
        let rule = PolicyRule::new(1, RuleAction::Lookup(Table::Main));
        let parts = Parts {
            routes4: Some(routes.clone()),
            addresses: Some(Vec::new()),
            rules4: Some(vec![rule]),
            ..Parts::default()
        };
        let host = Host::new(parts);
        let found = host.fib(&FibQuery { tos, ..FibQuery::to(dst) }, &mut Vec::new());
        let found = match found {
            Ok(Fib::Route { route, .. }) => Some((route.kind, route.dst, route.metric, route.tos)),
            _ => None,
        };
        prop_assert_eq!(found, expect);
    }
}
