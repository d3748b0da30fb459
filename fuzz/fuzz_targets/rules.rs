//! Rules put together from words: each byte is an option, a keyword or a value, so that most inputs get past the parsers.
//!
//! The first byte says in which dialect; 255 ends a rule. Packets walk through what is lowered.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nettrace_engine::lower::iptables::registry::{MATCHES, TARGETS};
use nettrace_fuzz::walks::Bench;

/// Values, and words of both dialects.
const WORDS: &str = "! 0 1 80 443 65535 0x10/0xff 4294967295 18446744073709551616 -1 10.0.0.0/8 10.0.0.1 fd00::/64 ::1 \
    80:90 53,80,443 eth0 br+ tcp udp icmp icmpv6 sctp all SYN,ACK SYN NEW,ESTABLISHED ESTABLISHED web src dst src,src \
    own ACCEPT DROP RETURN REJECT 10/sec 5 2026-01-01T00:00:00 Mon,Tue 08:00 $x @web { } { , } : . { 1-5 } 0/0 \
    accept drop return continue jump goto own vmap map meta mark set ct state established,related new invalid ip ip6 \
    saddr daddr dport sport th protocol nexthdr l4proto iifname oifname \"eth0\" != < > <= >= == & | ^ << >> and or xor \
    counter limit rate over 10/second burst 5 packets log prefix \"x\" reject with tcp reset dnat snat to 10.0.0.1:80 \
    masquerade redirect fib type local oif exists numgen random inc mod 2 jhash symhash offset @nh,0,8 @th,16,16 @ll \
    ether vlan arp tcp flags syn / option maxseg size rt mtu exthdr frag dup fwd tproxy notrack queue num bypass add \
    update delete @s timeout 1m socket transparent secmark flow skuid skgid time hour day cgroupv2 level comment \
    ct status dnat snat ct mark set 1 ct count over 3 ct helper set \"ftp\" ct direction original ct zone set";

static TOKENS: LazyLock<(Vec<String>, Vec<String>)> = LazyLock::new(|| {
    let words: Vec<String> = WORDS.split_whitespace().map(str::to_string).collect();
    let mut xt: Vec<String> = ["-p", "-s", "-d", "-i", "-o", "-f", "-j", "-g", "-m"].map(str::to_string).to_vec();
    for e in MATCHES.iter().chain(TARGETS) {
        xt.push(e.name.to_string());
        xt.extend(e.options.iter().map(|o| format!("--{}", o.name)));
    }
    xt.extend(words.iter().take(64).cloned());
    (xt, words)
});

/// The rules of an input: two bytes are a word, since there are more words than bytes.
fn rules(bytes: &[u8], words: &[String]) -> Vec<String> {
    let word = |pair: &[u8]| &words[(usize::from(pair[0]) << 8 | usize::from(pair[1])) % words.len()];
    let rule = |part: &[u8]| part.chunks_exact(2).map(|p| word(p).as_str()).collect::<Vec<_>>().join(" ");
    bytes.split(|b| *b == 255).take(24).map(rule).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((dialect, rest)) = bytes.split_first() else { return };
    let mut bench = Bench::default();
    bench.read(5, "create web hash:ip family inet\nadd web 10.0.0.1\n");
    if dialect % 2 == 0 {
        let table = ["filter", "nat", "mangle", "raw"][usize::from(dialect >> 1) % 4];
        let lines = rules(rest, &TOKENS.0).iter().map(|r| format!("-A OUTPUT {r}\n-A own {r}\n")).collect::<String>();
        bench.read(dialect >> 3, &format!("*{table}\n:OUTPUT ACCEPT [0:0]\n:own - [0:0]\n{lines}COMMIT\n"));
    } else {
        let family = ["ip", "ip6", "inet"][usize::from(dialect >> 1) % 3];
        let head = "type filter hook output priority 0; policy accept;";
        let lines = rules(rest, &TOKENS.1).join("\n");
        let set = "define x = 5\nset s { type ipv4_addr; flags dynamic; }\nset web { type inet_service; elements = { 80 } }";
        bench.read(3, &format!("table {family} t {{\n{set}\nchain own {{\n}}\nchain o {{\n{head}\n{lines}\n}}\n}}\n"));
    }
    bench.walk_some();
});
