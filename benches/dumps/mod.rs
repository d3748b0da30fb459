//! Large dumps in the shapes that generators write, the same bytes for the same arguments.
//!
//! `kube(Size::Rules(100_000))` is `iptables-save` of a kube-proxy node; [`kube_nft`] the same cluster in nftables mode; [`flat`] one long
//! chain; [`sets_nft`] few rules over large sets; [`policies`] kube-router's network policies with their ipsets. Left out: counters,
//! IPv6, session affinity.

mod kube;
mod kube_nft;
mod policies;

use std::fmt::Write;

pub use kube::kube;
pub use kube_nft::kube_nft;
pub use policies::policies;

/// How much to generate.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// Stop at this many rules.
    Rules(usize),
    /// Stop at this many services.
    Services(usize),
}

/// Pseudo-random numbers: splitmix64.
pub struct Rng(pub u64);

impl Rng {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// True with a chance of `percent` in 100.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `items`.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len() as u64) as usize]
    }
}

/// A dotted address.
pub fn ip(n: u32) -> String {
    std::net::Ipv4Addr::from(n).to_string()
}

/// A name of `len` letters like those that kube-proxy hashes: the same for the same text.
pub fn hash(text: &str, len: usize) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let seed = text.bytes().fold(0xCBF2_9CE4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
    let mut rng = Rng(seed);
    (0..len).map(|_| char::from(LETTERS[rng.below(32) as usize])).collect()
}

/// `1/share` as the kernel gives it back: kept in steps of 1/2^31.
pub fn probability(share: u32) -> String {
    let unit = f64::from(1u32 << 31);
    format!("{:.11}", (unit / f64::from(share)).round() / unit)
}

const POD_BASE: u32 = (10 << 24) | (128 << 16);
const WORDS: &[&str] = &[
    "api", "auth", "billing", "cache", "cart", "config", "edge", "feed", "jobs", "mail", "orders", "proxy", "search",
    "users", "web",
];
const PORTS: &[(u16, &str)] =
    &[(80, "http"), (443, "https"), (8080, "http-alt"), (9090, "metrics"), (50051, "grpc"), (6379, "redis")];

/// A service of the cluster.
pub struct Service {
    /// `namespace/name:port`.
    pub name: String,
    /// `namespace/name/proto/port`, as nftables mode writes it.
    pub path: String,
    /// `tcp` or `udp`.
    pub proto: &'static str,
    /// Its address.
    pub ip: String,
    /// Its port.
    pub port: u16,
    /// `address:port` of each endpoint.
    pub endpoints: Vec<String>,
    /// The port on every node.
    pub node_port: Option<u16>,
}

impl Service {
    fn rules(&self) -> usize {
        match (self.endpoints.len(), self.node_port) {
            (0, _) => 1,
            (n, None) => 2 + 3 * n,
            (n, Some(_)) => 5 + 3 * n,
        }
    }
}

fn service(rng: &mut Rng, index: u32, pod: &mut u32) -> Service {
    let ns = format!("{}-{}", rng.pick(WORDS), rng.below(400));
    let name = format!("{}-{}-{index}", rng.pick(WORDS), rng.pick(WORDS));
    let udp = rng.chance(10);
    let (port, port_name) = if udp { (53, "dns") } else { PORTS[rng.below(PORTS.len() as u64) as usize] };
    let proto = if udp { "udp" } else { "tcp" };
    let count = if rng.chance(2) { 0 } else { 1 + rng.below(5) as u32 };
    let target = [port, 8080, 3000, 9000][rng.below(4) as usize];
    let endpoints = (0..count).map(|k| format!("{}:{target}", ip(POD_BASE + *pod + k))).collect();
    *pod += count + rng.below(3) as u32;
    // Node ports are few: the first ones take them, in an order that is not the services'.
    let node_port =
        (count > 0 && rng.chance(10) && index < 25_000).then_some(30_000 + (index.wrapping_mul(1117) % 2768) as u16);
    Service {
        name: format!("{ns}/{name}:{port_name}"),
        path: format!("{ns}/{name}/{proto}/{port_name}"),
        proto,
        ip: ip((10 << 24) + (64 << 16) + index),
        port,
        endpoints,
        node_port,
    }
}

/// The services of a cluster of this size.
pub fn services(size: Size) -> Vec<Service> {
    let (mut rng, mut pod, mut rules) = (Rng(1), 1, 36);
    let mut all: Vec<Service> = Vec::new();
    let mut ports = std::collections::HashSet::new();
    let enough = |count: usize, rules: usize| match size {
        Size::Rules(n) => rules >= n,
        Size::Services(n) => count >= n,
    };
    while !enough(all.len(), rules) {
        let mut s = service(&mut rng, all.len() as u32 + 2, &mut pod);
        s.node_port = s.node_port.filter(|p| ports.insert(*p));
        rules += s.rules();
        all.push(s);
    }
    all
}

fn flat_match(rng: &mut Rng) -> (String, u32, &'static str, u64) {
    let bits = [32, 32, 32, 24, 16][rng.below(5) as usize];
    let net = rng.next() as u32 & (u32::MAX << (32 - bits));
    (ip(net), bits, if rng.chance(50) { "tcp" } else { "udp" }, 1 + rng.below(65_535))
}

/// One long chain in filter INPUT, as `iptables-save` prints it.
pub fn flat(rules: usize) -> String {
    let mut rng = Rng(7);
    let mut out = String::from("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    out.push_str("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n");
    for _ in 1..rules {
        let (net, bits, proto, port) = flat_match(&mut rng);
        let verdict = rng.pick(&["ACCEPT", "DROP"]);
        let _ = writeln!(out, "-A INPUT -s {net}/{bits} -p {proto} -m {proto} --dport {port} -j {verdict}");
    }
    out.push_str("COMMIT\n");
    out
}

/// The same chain, as `nft list ruleset` prints it.
pub fn flat_nft(rules: usize) -> String {
    let mut rng = Rng(7);
    let mut out = String::from(
        "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n",
    );
    out.push_str("\t\tct state established,related accept\n");
    for _ in 1..rules {
        let (net, bits, proto, port) = flat_match(&mut rng);
        let net = if bits == 32 { net } else { format!("{net}/{bits}") };
        let verdict = rng.pick(&["accept", "drop"]);
        let _ = writeln!(out, "\t\tip saddr {net} {proto} dport {port} counter packets 0 bytes 0 {verdict}");
    }
    out.push_str("\t}\n}\n");
    out
}

fn rising(rng: &mut Rng, count: usize, from: u64, to: u64) -> Vec<u32> {
    let step = (to - from) / count.max(1) as u64;
    (0..count as u64).map(|k| (from + k * step + rng.below(step.max(1))) as u32).collect()
}

fn elements(out: &mut String, items: &[String]) {
    let _ = writeln!(out, "\t\telements = {{ {} }}\n\t}}\n", items.join(",\n\t\t\t     "));
}

/// Few rules over large sets, as `nft list ruleset` prints them.
pub fn sets_nft(entries: usize) -> String {
    let (mut rng, third) = (Rng(9), entries / 3);
    let mut out = String::from("table inet filter {\n\tset blocked {\n\t\ttype ipv4_addr\n");
    let hosts: Vec<_> = rising(&mut rng, third, 1 << 24, 200 << 24).into_iter().map(ip).collect();
    elements(&mut out, &hosts);
    out.push_str("\tset nets {\n\t\ttype ipv4_addr\n\t\tflags interval\n");
    let nets = rising(&mut rng, third, 1 << 16, 200 << 16);
    let net = |n: &u32| {
        if n.is_multiple_of(3) { format!("{}-{}", ip(n << 8), ip((n << 8) + 99)) } else { format!("{}/24", ip(n << 8)) }
    };
    elements(&mut out, &nets.iter().map(net).collect::<Vec<_>>());
    out.push_str("\tmap ports {\n\t\ttype ipv4_addr . inet_service : verdict\n");
    let keys = rising(&mut rng, third, 1 << 24, 200 << 24);
    let entry = |n: u32| format!("{} . {} : {}", ip(n), 1 + rng.below(65_535), rng.pick(&["accept", "drop"]));
    elements(&mut out, &keys.into_iter().map(entry).collect::<Vec<_>>());
    out.push_str("\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n");
    out.push_str("\t\tct state vmap { invalid : drop, established : accept, related : accept }\n\t\tip saddr @blocked counter packets 0 bytes 0 drop\n");
    out.push_str("\t\tip saddr @nets drop\n\t\tip saddr . tcp dport vmap @ports\n\t}\n}\n");
    out
}
