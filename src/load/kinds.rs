//! What kind of dump a file is: in a folder by its name, for a named file by its content.
//!
//! `iptables-save` and `ruleset.iptables` are the same kind; `iptables-save.bak` is none (variants are named
//! explicitly, and then `*filter` and `-A` lines tell).

use serde_json::Value;

/// A kind of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `ipset save` or `ipset list`.
    Ipset,
    /// `iptables-save` or `iptables -S`.
    Iptables,
    /// `ip6tables-save` or `ip6tables -S`.
    Ip6tables,
    /// `nft list ruleset`.
    Nft,
    /// `nft -j list ruleset`.
    NftJson,
    /// `ip -j link`.
    Links,
    /// `ip -j addr`.
    Addresses,
    /// `ip -j route`.
    Routes4,
    /// `ip -6 -j route`.
    Routes6,
    /// `ip -j rule`.
    Rules4,
    /// `ip -6 -j rule`.
    Rules6,
    /// `ip -j neigh`.
    Neighbours,
    /// `bridge -j link`.
    BridgeLinks,
    /// `bridge -j fdb`.
    Fdb,
    /// `sysctl -a`, text or JSON.
    Sysctls,
    /// `conntrack -L`.
    Conntrack,
    /// `conntrack -L expect`.
    Expectations,
    /// A recorded case's `case.json`: which iptables it was.
    Case,
}

/// The names that are read in a folder, with `.txt` behind them too. Of two names of one kind the first that exists is taken.
pub const NAMES: &[(&str, Kind)] = &[
    ("iptables-save", Kind::Iptables),
    ("ruleset.iptables", Kind::Iptables),
    ("ip6tables-save", Kind::Ip6tables),
    ("ruleset.ip6tables", Kind::Ip6tables),
    ("nft-ruleset", Kind::Nft),
    ("ruleset.nft", Kind::Nft),
    ("nft-ruleset.json", Kind::NftJson),
    ("ipset-save", Kind::Ipset),
    ("ipset.save", Kind::Ipset),
    ("ip-addr.json", Kind::Addresses),
    ("addr.json", Kind::Addresses),
    ("ip-link.json", Kind::Links),
    ("link.json", Kind::Links),
    ("ip-route.json", Kind::Routes4),
    ("route.json", Kind::Routes4),
    ("ip6-route.json", Kind::Routes6),
    ("route6.json", Kind::Routes6),
    ("ip-rule.json", Kind::Rules4),
    ("rule.json", Kind::Rules4),
    ("ip6-rule.json", Kind::Rules6),
    ("rule6.json", Kind::Rules6),
    ("ip-neigh.json", Kind::Neighbours),
    ("neigh.json", Kind::Neighbours),
    ("bridge-link.json", Kind::BridgeLinks),
    ("bridge-fdb.json", Kind::Fdb),
    ("ip-addr", Kind::Addresses),
    ("ip-link", Kind::Links),
    ("ip-route", Kind::Routes4),
    ("ip6-route", Kind::Routes6),
    ("ip-rule", Kind::Rules4),
    ("ip6-rule", Kind::Rules6),
    ("ip-neigh", Kind::Neighbours),
    ("bridge-link", Kind::BridgeLinks),
    ("bridge-fdb", Kind::Fdb),
    ("sysctl", Kind::Sysctls),
    ("sysctl.json", Kind::Sysctls),
    ("conntrack", Kind::Conntrack),
    ("conntrack-list", Kind::Conntrack),
    ("conntrack-expect", Kind::Expectations),
    ("case.json", Kind::Case),
];

impl Kind {
    /// What prints it.
    pub fn command(self) -> &'static str {
        match self {
            Kind::Ipset => "ipset save",
            Kind::Iptables => "iptables-save",
            Kind::Ip6tables => "ip6tables-save",
            Kind::Nft => "nft list ruleset",
            Kind::NftJson => "nft -j list ruleset",
            Kind::Links => "ip -j link",
            Kind::Addresses => "ip -j addr",
            Kind::Routes4 => "ip -j route show table all",
            Kind::Routes6 => "ip -6 -j route show table all",
            Kind::Rules4 => "ip -j rule",
            Kind::Rules6 => "ip -6 -j rule",
            Kind::Neighbours => "ip -j neigh",
            Kind::BridgeLinks => "bridge -j link",
            Kind::Fdb => "bridge -j fdb",
            Kind::Sysctls => "sysctl -a",
            Kind::Conntrack => "conntrack -L",
            Kind::Expectations => "conntrack -L expect",
            Kind::Case => "a recorded case",
        }
    }

    /// Whether both tell the same: nft's JSON is its listing in another form.
    pub fn same(self, other: Kind) -> bool {
        let form = |k| if k == Kind::NftJson { Kind::Nft } else { k };
        form(self) == form(other)
    }

    /// Whether a line of such a text stands for itself; nft's language and JSON have no lines.
    pub fn has_lines(self, text: &str) -> bool {
        !matches!(self, Kind::Nft | Kind::NftJson | Kind::Case) && !text.trim_start().starts_with(['[', '{'])
    }

    /// Whether it holds rules that packets meet.
    pub fn is_ruleset(self) -> bool {
        matches!(self, Kind::Iptables | Kind::Ip6tables | Kind::Nft | Kind::NftJson)
    }
}

/// The kind of a text; `name` only helps where the text leaves the IP family open.
pub fn by_content(text: &str, name: &str) -> Option<Kind> {
    let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    // A shell's prompt may stand in front of what was copied: `[root@node ~]# iptables-save`.
    if start.starts_with(['[', '{'])
        && let Ok(json) = serde_json::from_str(start)
    {
        return by_json(&json, name);
    }
    text.lines().take(400).find_map(|line| by_line(line, text, name))
}

fn by_line(line: &str, text: &str, name: &str) -> Option<Kind> {
    let line = line.trim();
    let words: Vec<&str> = line.split_whitespace().take(3).collect();
    let first = *words.first()?;
    let xtables = |six: bool| Some(if six { Kind::Ip6tables } else { Kind::Iptables });
    match first {
        "#" if line.contains("Generated by ip6tables-save") => xtables(true),
        "#" if line.contains("Generated by iptables-save") => xtables(false),
        _ if first.starts_with("#!") && line.contains("nft") => Some(Kind::Nft),
        // Whatever else a comment says, it is no sign.
        _ if first.starts_with('#') => None,
        "ip6tables" => xtables(true),
        "iptables" => xtables(false),
        "table" | "flush" | "nft" | "define" | "include" => Some(Kind::Nft),
        "add" if matches!(words.get(1), Some(&("table" | "chain" | "rule" | "set" | "map" | "element"))) => {
            Some(Kind::Nft)
        }
        "create" | "add" | "ipset" | "Name:" => Some(Kind::Ipset),
        _ if first.starts_with('*') && first.len() > 1 => xtables(is_six(text, name)),
        "-P" | "-N" | "-A" | "-I" => xtables(is_six(text, name)),
        _ if first.starts_with("net.") || first.starts_with("kernel.") || line.contains(" = ") => Some(Kind::Sysctls),
        "ipv4" | "ipv6" | "tcp" | "udp" | "icmp" | "icmpv6" | "sctp" | "unknown" if line.contains("src=") => {
            Some(Kind::Conntrack)
        }
        _ if line.contains(" mask-src=") && line.contains(" master-src=") => Some(Kind::Expectations),
        _ => by_ip_line(line, text, name),
    }
}

/// The program whose rules look like iptables' and are not: `ebtables-save`, `arptables-save`. Its header tells, or what only
/// it has.
pub fn not_walked(kind: Kind, text: &str) -> Option<&'static str> {
    if !matches!(kind, Kind::Iptables | Kind::Ip6tables) {
        return None;
    }
    text.lines().take(400).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let has = |options: &[&str]| line.starts_with("-A") && words.iter().any(|w| options.contains(w));
        let layer3 = line.starts_with("-A") && words.windows(2).any(|w| matches!(w, ["-p", "IPv4" | "IPv6" | "ARP"]));
        if line.starts_with('#') {
            ["ebtables-save", "arptables-save"].into_iter().find(|tool| line.contains(&format!("Generated by {tool}")))
        } else if line == "*broute" || layer3 || has(&["--logical-in", "--logical-out"]) {
            Some("ebtables-save")
        } else {
            has(&["--opcode", "--h-length"]).then_some("arptables-save")
        }
    })
}

/// Whether it is what `conntrack -L -o save` prints: `-A -t 499 -u SEEN_REPLY -s 10.0.0.1 …`. No chain is called `-t`.
pub fn is_connections_save(text: &str) -> bool {
    let first = text.lines().take(400).find(|l| l.starts_with("-A ") || l.starts_with('*'));
    first.is_some_and(|l| l.split_whitespace().nth(1).is_some_and(|w| w.starts_with('-')))
}

/// Whether it is what `iptables -L` prints for people: it leaves out parts of the rules, devices at least.
pub fn is_listing(text: &str) -> bool {
    let head = |l: &str| l.starts_with("Chain ") && (l.contains(" (policy ") || l.ends_with(" references)"));
    let dump = |l: &str| l.starts_with(['*', ':']) || l.starts_with("-A ");
    let mut lines = text.lines().take(400).map(str::trim_end);
    lines.find(|l| head(l) || dump(l)).is_some_and(head)
}

/// The plain output of `ip` and `bridge`.
fn by_ip_line(line: &str, text: &str, name: &str) -> Option<Kind> {
    let mut words = line.split_whitespace();
    let (first, second) = (words.next()?, words.next().unwrap_or(""));
    let six = || is_six(text, name);
    let numbered = first.strip_suffix(':').is_some_and(|n| n.parse::<u32>().is_ok());
    if numbered && matches!(second, "from" | "not") {
        return Some(if six() { Kind::Rules6 } else { Kind::Rules4 });
    }
    if numbered && second.ends_with(':') && line.contains('<') {
        let has = |what: &str| text.contains(what);
        let port = has(" state forwarding") || has(" state disabled");
        return Some(if has("    inet") {
            Kind::Addresses
        } else if port {
            Kind::BridgeLinks
        } else {
            Kind::Links
        });
    }
    if numbered && line.split_whitespace().nth(2).is_some_and(|w| matches!(w, "inet" | "inet6")) {
        return Some(Kind::Addresses);
    }
    if matches!(second, "UP" | "DOWN" | "UNKNOWN" | "LOWERLAYERDOWN") && (line.contains('/') || line.contains('<')) {
        return Some(if line.contains('<') { Kind::Links } else { Kind::Addresses });
    }
    let way = line.contains(" dev ") || line.contains(" via ");
    if way && first.split(':').count() == 6 && first.len() == 17 {
        return Some(Kind::Fdb);
    }
    let states = ["REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT", "NOARP", "FAILED", "INCOMPLETE"];
    if way && (line.contains(" lladdr ") || states.iter().any(|s| line.ends_with(s))) {
        return Some(Kind::Neighbours);
    }
    let prefix = first.split('/').next().is_some_and(|a| a.parse::<std::net::IpAddr>().is_ok());
    let kind = matches!(first, "local" | "broadcast" | "anycast" | "multicast" | "unicast");
    let refuses = matches!(first, "blackhole" | "unreachable" | "prohibit" | "throw");
    let route = refuses || (way && (kind || prefix || first == "default"));
    route.then(|| if six() { Kind::Routes6 } else { Kind::Routes4 })
}

/// Whether rules without a header are for IPv6: by an address in them, else by the file's name.
fn is_six(text: &str, name: &str) -> bool {
    let v6 = |word: &str| word.split('/').next().is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok());
    let v4 = |word: &str| word.split('/').next().is_some_and(|a| a.parse::<std::net::Ipv4Addr>().is_ok());
    let rules = text.lines().take(20_000).filter(|line| !line.trim_start().starts_with('#'));
    let told = rules.flat_map(str::split_whitespace).find_map(|word| match word {
        "icmp6" | "icmpv6" | "ipv6-icmp" | "--icmpv6-type" | "icmp6-port-unreachable" | "hl" => Some(true),
        "icmp" | "icmp-port-unreachable" => Some(false),
        _ if v6(word) => Some(true),
        _ if v4(word) => Some(false),
        _ => None,
    });
    told.unwrap_or_else(|| name.contains('6'))
}

fn by_json(json: &Value, name: &str) -> Option<Kind> {
    if let Value::Object(map) = json {
        if map.contains_key("nftables") {
            return Some(Kind::NftJson);
        }
        if map.contains_key("backend") && map.contains_key("name") {
            return Some(Kind::Case);
        }
        return map.keys().any(|k| k.contains('.')).then_some(Kind::Sysctls);
    }
    let entries: Vec<&Value> =
        json.as_array()?.iter().filter(|e| e.as_object().is_some_and(|o| !o.is_empty())).collect();
    let has = |key: &str| entries.iter().any(|e| e.get(key).is_some());
    let six = |keys: &[&str]| {
        let told = entries.iter().flat_map(|e| keys.iter().filter_map(|k| e.get(*k)?.as_str())).find_map(|text| {
            let colon = text.contains(':');
            (colon || text.contains('.')).then_some(colon)
        });
        told.unwrap_or_else(|| name.contains('6'))
    };
    if has("addr_info") {
        Some(Kind::Addresses)
    } else if has("priority") && (has("src") || has("srclen") || has("table")) {
        Some(if six(&["src", "dst"]) { Kind::Rules6 } else { Kind::Rules4 })
    } else if has("mac") && has("ifname") {
        Some(Kind::Fdb)
    } else if has("lladdr")
        || (has("dst") && has("dev") && entries.iter().any(|e| e.get("state").is_some_and(Value::is_array)))
    {
        Some(Kind::Neighbours)
    } else if has("dst") {
        Some(if six(&["dst", "gateway", "prefsrc"]) { Kind::Routes6 } else { Kind::Routes4 })
    } else if has("link_type") {
        Some(Kind::Links)
    } else if has("ifname") && (has("master") || has("hairpin")) {
        Some(Kind::BridgeLinks)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_the_book() {
        let page = include_str!("../../docs/guide/collecting.md");
        for (name, _) in NAMES {
            assert!(page.contains(&format!("`{name}`")), "docs/guide/collecting.md leaves out {name}");
        }
    }

    #[test]
    fn ebtables_and_arptables_are_told_from_iptables() {
        let check = |text: &str, expect| assert_eq!(not_walked(Kind::Iptables, text), expect, "{text}");
        check("# Generated by ebtables-save v1.8.9 on x\n*filter\n:INPUT ACCEPT\n", Some("ebtables-save"));
        check("# Generated by arptables-save v1.8.9 on x\n*filter\n:INPUT ACCEPT\n", Some("arptables-save"));
        check("*broute\n:BROUTING ACCEPT\n", Some("ebtables-save"));
        check("*filter\n:FORWARD ACCEPT\n-A FORWARD -p IPv4 -j DROP\n", Some("ebtables-save"));
        check("*filter\n:FORWARD ACCEPT\n-A FORWARD --logical-in br0 -j DROP\n", Some("ebtables-save"));
        check("*filter\n:INPUT ACCEPT\n-A INPUT -j DROP --opcode 1\n", Some("arptables-save"));
        check(
            "# Generated by iptables-save v1.8.9 on x\n*filter\n-A INPUT -m mac --mac-source 02:00:00:00:00:01\n",
            None,
        );
    }

    #[test]
    fn the_content_tells_the_kind() {
        let check = |text: &str, expect| assert_eq!(by_content(text, "x"), expect, "{text}");
        check("# Generated by ip6tables-save v1.8.9 on x\n*filter\n", Some(Kind::Ip6tables));
        check("# icmp first\n*filter\n-A INPUT -p icmpv6 --icmpv6-type 128 -j ACCEPT\n", Some(Kind::Ip6tables));
        check("# mine\n\n*filter\n:INPUT DROP [0:0]\n-A INPUT -s fd00::/8 -j DROP\n", Some(Kind::Ip6tables));
        check("*filter\n:INPUT DROP [0:0]\n-A INPUT -s 10.0.0.0/8 -j DROP\n", Some(Kind::Iptables));
        check("-P INPUT ACCEPT\n", Some(Kind::Iptables));
        check("table inet filter {\n}\n", Some(Kind::Nft));
        check("#!/usr/sbin/nft -f\nflush ruleset\n", Some(Kind::Nft));
        check("add rule inet filter input tcp dport 1 drop", Some(Kind::Nft));
        check("create web hash:ip family inet\n", Some(Kind::Ipset));
        check("Name: web\nType: hash:ip\n", Some(Kind::Ipset));
        check("1: lo: <LOOPBACK,UP> mtu 65536\n    link/loopback 00:00:00:00:00:00\n", Some(Kind::Links));
        check("1: lo: <LOOPBACK,UP> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n", Some(Kind::Addresses));
        check("0:\tfrom all lookup local\n", Some(Kind::Rules4));
        check("default via 10.0.0.1 dev eth0\n10.0.0.0/24 dev eth0 scope link\n", Some(Kind::Routes4));
        check("fe80::/64 dev eth0 metric 256 pref medium\n", Some(Kind::Routes6));
        check("10.0.0.2 dev br0 lladdr 02:00:00:00:00:02 PERMANENT\n", Some(Kind::Neighbours));
        check("02:00:00:00:00:02 dev v1 master br0\n", Some(Kind::Fdb));
        check("4: v1@if3: <UP> mtu 1500 master br0 state forwarding priority 32 cost 2\n", Some(Kind::BridgeLinks));
        check("net.ipv4.ip_forward = 1\n", Some(Kind::Sysctls));
        check("{\"net.ipv4.ip_forward\": \"1\"}", Some(Kind::Sysctls));
        check("{\"nftables\": []}", Some(Kind::NftJson));
        check("[{\"ifname\":\"lo\",\"addr_info\":[]}]", Some(Kind::Addresses));
        check("[{},{\"dst\":\"default\",\"gateway\":\"10.0.0.1\",\"dev\":\"eth0\"}]", Some(Kind::Routes4));
        check("[{\"dst\":\"fd00::/64\",\"dev\":\"eth0\"}]", Some(Kind::Routes6));
        check("[{\"priority\":0,\"src\":\"all\",\"table\":\"local\"}]", Some(Kind::Rules4));
        check(
            "[{\"dst\":\"10.0.0.1\",\"dev\":\"eth0\",\"lladdr\":\"00:00:00:00:00:01\",\"state\":[\"STALE\"]}]",
            Some(Kind::Neighbours),
        );
        check("[{\"mac\":\"33:33:00:00:00:01\",\"ifname\":\"eth0\"}]", Some(Kind::Fdb));
        check("#!/usr/sbin/nft -f\n# a = b\n", Some(Kind::Nft));
        check("# a = b, tables of 10.0.0.1 via x\n\ntable ip t {\n}\n", Some(Kind::Nft));
        check("[root@node ~]# iptables-save\n*filter\n:INPUT DROP [0:0]\n", Some(Kind::Iptables));
        check("hello world\n", None);
    }

    #[test]
    fn saved_connections_are_no_rules() {
        assert!(is_connections_save("conntrack v1.4.7: 1 shown\n-A -t 499 -u UNSET -s 1.1.1.1 -d 2.2.2.2 -p 50\n"));
        assert!(
            !is_connections_save("*filter\n-A -t 499\n") && !is_connections_save("-P INPUT DROP\n-A INPUT -j DROP\n")
        );
        assert!(!is_connections_save("tcp 6 499 ESTABLISHED src=1.1.1.1\n"));
    }

    #[test]
    fn a_listing_for_people_is_no_dump() {
        assert!(is_listing("$ iptables -L\nChain INPUT (policy ACCEPT)\ntarget prot opt source destination\n"));
        assert!(is_listing("Chain DOCKER-USER (1 references)\n pkts bytes target\n"));
        assert!(!is_listing("*filter\n:INPUT DROP [0:0]\n-A INPUT -j DROP\nChain INPUT (policy ACCEPT)\n"));
        assert!(!is_listing("table ip t {\n\tchain c {\n\t}\n}\n"));
    }
}
