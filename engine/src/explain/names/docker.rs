//! Docker: `DOCKER-USER`, the isolation stages, and published ports by the container's address.

use crate::field::Field;
use crate::model::{ChainId, Hook, RuleId};

use super::opens::{Opening, Wish};
use super::{Labels, Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "Docker",
    tables: &["docker-bridges"],
    chains: &[
        ("DOCKER-USER", "your own rules before Docker's"),
        ("DOCKER-FORWARD", "forwarding to and from containers"),
        ("DOCKER-CT", "answers to containers' connections"),
        ("DOCKER-BRIDGE", "to containers, by bridge"),
        ("DOCKER-INTERNAL", "internal networks"),
        ("DOCKER-ISOLATION-STAGE-1", "keeps Docker networks apart, leaving one"),
        ("DOCKER-ISOLATION-STAGE-2", "keeps Docker networks apart, entering another"),
        ("DOCKER-INGRESS", "published ports of the swarm"),
        ("DOCKER_OUTPUT", "Docker's name server"),
        ("DOCKER_POSTROUTING", "Docker's name server"),
        ("DOCKER", "published ports"),
    ],
    rewrites: "rewrites its chains when containers or the daemon start (DOCKER-USER is left alone)",
    chain,
    rule,
    opens,
    ..PLAIN
};

/// Chains of a network in Docker's own nft tables, by the beginning of their names; the bridge follows.
const NFT: &[(&str, &str)] = &[
    ("filter-forward-in__", "to containers on"),
    ("filter-forward-out__", "from containers on"),
    ("nat-postrouting-in__", "source of connections to containers on"),
    ("nat-postrouting-out__", "masquerades containers on"),
];

fn chain(labels: &Labels, chain: ChainId) -> Option<String> {
    let name = labels.name(chain);
    match name {
        "nat-prerouting-and-output" => Some("published ports".to_string()),
        "raw-PREROUTING" => Some("closes what is published for this host only".to_string()),
        _ => NFT.iter().find_map(|(prefix, words)| Some(format!("{words} {}", name.strip_prefix(prefix)?))),
    }
}

/// A rule in `DOCKER-USER`, which Docker leaves alone.
fn opens(labels: &Labels, wish: &Wish) -> Vec<Opening> {
    let Some(port) = wish.port.filter(|_| wish.hook == Hook::Forward && labels.has_chain("DOCKER-USER")) else {
        return Vec::new();
    };
    let program = if wish.saddr.is_ipv6() { "ip6tables" } else { "iptables" };
    let (from, to, proto) = (wish.saddr, wish.daddr, &wish.proto);
    let rule = format!("{program} -I DOCKER-USER -s {from} -d {to} -p {proto} --dport {port} -j ACCEPT");
    vec![Opening::new(rule.clone(), rule)]
}

fn rule(labels: &Labels, rule: RuleId) -> Option<String> {
    let to = labels.dnat(rule)?;
    let port = labels.wanted(rule, Field::Dport)?;
    Some(format!("published port {port} of the container at {to}"))
}
