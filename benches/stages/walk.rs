//! Packets a second through kube-proxy's chains, with full traces: rule by rule and by the decision index, in turns.
//!
//! Every packet is a new connection of a pod to a service's address and port, with addresses, routes and sysctls known, so
//! that nothing has to be asked but which endpoint takes it; random choices fall by their odds.

use std::time::Instant;

use nettrace_engine::World;
use nettrace_engine::fact::{Chooser, Options};
use nettrace_engine::host::{Family as HostFamily, Host, Part, Parts};
use nettrace_engine::lower::iptables::{Options as Read, lower};
use nettrace_engine::model::{Dialect, Family, Model};
use nettrace_engine::spec::{PacketSpec, ProtoName, Start, complete};
use nettrace_engine::state::State;
use nettrace_engine::trace::Event;
use nettrace_engine::walk::walk;
use nettrace_grammar::Sources;
use nettrace_grammar::iptables::{self, Tree};

use super::dumps::{self, Rng, Size};
use super::table::{Figures, Stage, interleaved};

const PACKETS: usize = 2_000;
const ROUNDS: usize = 20;

const ADDRESSES: &str = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    inet 127.0.0.1/8 scope host lo\n\
                         2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n    inet 192.168.0.10/24 scope global eth0\n\
                         3: cbr0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n    inet 10.128.0.1/9 scope global cbr0\n";
const ROUTES: &str =
    "default via 192.168.0.1 dev eth0\n192.168.0.0/24 dev eth0 scope link\n10.128.0.0/9 dev cbr0 scope link\n";
/// What `sysctl -a` tells of the settings that a packet's way depends on; each device has the settings of `all`.
const SYSCTLS: &str = "net.ipv4.ip_forward = 1\nnet.netfilter.nf_conntrack_tcp_loose = 1\n\
                       net.netfilter.nf_conntrack_checksum = 1\n";
const CONF: &str = "forwarding = 1\nrp_filter = 0\nroute_localnet = 0\naccept_local = 0\nsrc_valid_mark = 0\n\
                    bc_forwarding = 0\nsend_redirects = 1\naccept_source_route = 0";

fn sysctls() -> String {
    let of = |device| CONF.lines().map(move |l| format!("net.ipv4.conf.{device}.{l}\n"));
    SYSCTLS.to_string() + &["all", "default", "lo", "eth0", "cbr0"].into_iter().flat_map(of).collect::<String>()
}

/// The model of a dump.
pub fn lowered(tree: &Tree) -> Model {
    let mut model = Model::default();
    lower(tree, Read { family: Family::Ip, dialect: Dialect::Legacy }, &mut model);
    model
}

fn host() -> Host {
    let (mut sources, mut parts, sysctls) = (Sources::default(), Parts::default(), sysctls());
    let dumps = [(Part::Addresses, ADDRESSES), (Part::Routes(Some(HostFamily::V4)), ROUTES), (Part::Sysctls, &sysctls)];
    for (part, text) in dumps {
        let source = sources.add("host", text).expect("small texts fit the position space");
        parts.read(part, source);
    }
    Host::new(parts)
}

/// Answers random choices by their odds.
struct Dice(Rng);

impl Chooser for Dice {
    fn choose(&mut self, _: &dyn std::fmt::Display, options: &Options) -> usize {
        let mut left = (self.0.next() >> 11) as f64 / (1u64 << 53) as f64;
        options
            .choices
            .iter()
            .position(|c| {
                left -= c.odds.unwrap_or(0.0);
                left < 0.0
            })
            .unwrap_or(0)
    }
}

fn packet(proto: &str, daddr: &str, dport: u16, rng: &mut Rng) -> PacketSpec {
    PacketSpec {
        proto: Some(ProtoName::Name(proto.to_string())),
        saddr: Some(dumps::ip(0x0a80_0002 + rng.below(1 << 20) as u32)),
        daddr: Some(daddr.to_string()),
        sport: Some(1024 + rng.below(60_000) as u16),
        dport: Some(dport),
        iif: Some("cbr0".to_string()),
        ..PacketSpec::default()
    }
}

/// Packets to the addresses of services that the dump's `-d … -p … --dport …` lines name.
fn packets(dump: &str, world: World) -> Vec<Start> {
    let portals: Vec<(&str, &str, u16)> =
        dump.lines().filter(|l| l.contains(" cluster IP\"")).filter_map(portal).collect();
    let mut rng = Rng(7);
    let one = |_| {
        let (proto, daddr, dport) = *portals.get(rng.below(portals.len() as u64) as usize)?;
        complete(&packet(proto, daddr, dport, &mut rng), world).ok()
    };
    (0..PACKETS).filter_map(one).collect()
}

fn portal(line: &str) -> Option<(&str, &str, u16)> {
    let behind = |option: &str| line.split_once(option)?.1.split(' ').next();
    Some((behind(" -p ")?, behind(" -d ")?.strip_suffix("/32")?, behind(" --dport ")?.parse().ok()?))
}

/// Walks all packets and counts the events.
fn walk_all(world: World, starts: &[Start]) -> usize {
    let mut dice = Dice(Rng(11));
    starts.iter().map(|start| walk(world, start, &mut State::default(), &mut dice).events.len()).sum()
}

/// Walks all packets on all cores, as `replay` does; packets a second by the clock, the best of a few rounds, for other
/// work on the machine counts here.
fn on_all_cores(world: World, starts: &[Start]) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let round = |_| {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for share in starts.chunks(starts.len().div_ceil(cores).max(1)) {
                scope.spawn(move || std::hint::black_box(walk_all(world, share)));
            }
        });
        starts.len() as f64 / begin.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(round).fold(0.0, f64::max)
}

/// Ten thousand services, and one flat chain.
pub fn measure(figures: &mut Figures) {
    services(figures);
    flat(figures);
}

fn services(figures: &mut Figures) {
    let mut sources = Sources::default();
    let source = sources.add("kube", dumps::kube(Size::Services(10_000))).expect("the dump fits the position space");
    let host = host();
    let linear = lowered(&iptables::parse(source).0);
    let mut indexed = linear.clone();
    indexed.build_index();
    let (linear, indexed) = (World { model: &linear, host: &host }, World { model: &indexed, host: &host });
    let starts = packets(&source.text, linear);
    let (some, rules) = (&starts[..starts.len() / 10], looked_at(linear, &starts));
    let stages: [Stage; 2] =
        [("linear", Box::new(|| walk_all(linear, some))), ("indexed", Box::new(|| walk_all(indexed, &starts)))];
    let rows = interleaved(&stages);
    let each = |i: usize, n: usize| rows[i].time.as_secs_f64() / n as f64;
    let (slow, quick) = (each(0, some.len()), each(1, starts.len()));
    println!("\nkube-proxy, 10,000 services: a packet looks at {rules:.0} rules");
    println!("linear {:.0} packets/s, indexed {:.0} packets/s, both with full traces", 1.0 / slow, 1.0 / quick);
    figures.at_least("walk, indexed, one core: packets/s", 1.0 / quick, 500_000.0, 2_000_000.0);
    figures.at_least("walk, indexed, all cores: packets/s", on_all_cores(indexed, &starts), 500_000.0, 2_000_000.0);
    figures.at_least("walk, indexed / linear", slow / quick, 10.0, 30.0);
}

/// How many rules a packet looks at, on average.
fn looked_at(world: World, starts: &[Start]) -> f64 {
    let mut dice = Dice(Rng(11));
    let mut sum = 0;
    for start in starts {
        for event in walk(world, start, &mut State::default(), &mut dice).events {
            sum += match event {
                Event::Rule { index, from, .. } => index + 1 - from,
                Event::Return { chain, from, .. } | Event::Policy { chain, from, .. } => {
                    world.model.chain(chain).rules.len() as u32 - from
                }
                _ => 0,
            };
        }
    }
    f64::from(sum) / starts.len().max(1) as f64
}

fn flat(figures: &mut Figures) {
    const RULES: usize = 100_000;
    let mut sources = Sources::default();
    let source = sources.add("flat", dumps::flat(RULES)).expect("the dump fits the position space");
    let (host, model) = (host(), lowered(&iptables::parse(source).0));
    let world = World { model: &model, host: &host };
    let mut rng = Rng(3);
    let start = complete(&packet("tcp", "192.168.0.10", 9, &mut rng), world).expect("the packet is one");
    let stages: [Stage; 1] = [("walk", Box::new(|| walk_all(world, std::slice::from_ref(&start))))];
    let rows = interleaved(&stages);
    println!("\none flat chain: a packet looks at {:.0} rules", looked_at(world, std::slice::from_ref(&start)));
    figures.at_most("walk, linear: ns a rule", rows[0].time.as_secs_f64() * 1e9 / RULES as f64, 4.0, 1.5);
}
