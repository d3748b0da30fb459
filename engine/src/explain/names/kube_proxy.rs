//! kube-proxy: iptables mode (`KUBE-SVC-NPX46M4PTMTKRN6Y`), where the service's name stands in comments or is recognised
//! by its hash, and nftables mode (`service-ZGZYMXMC-web/shop/tcp/http`), where the chain's name holds it.

use rustc_hash::FxHashMap;

use crate::field::Field;
use crate::model::{ChainId, RuleId};

use super::hash::b32;
use super::read::namespaced;
use super::{Labels, Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "kube-proxy",
    tables: &["kube-proxy"],
    chains: &[
        ("KUBE-SERVICES", "service addresses"),
        ("KUBE-NODEPORTS", "NodePorts"),
        ("KUBE-EXTERNAL-SERVICES", "externally visible services"),
        ("KUBE-MARK-MASQ", "marks for masquerading"),
        ("KUBE-MARK-DROP", "marks for dropping"),
        ("KUBE-POSTROUTING", "masquerades what is marked"),
        ("KUBE-FIREWALL", "drops what is marked for dropping"),
        ("KUBE-FORWARD", "accepts forwarded service traffic"),
        ("KUBE-PROXY-FIREWALL", "load balancer source ranges"),
        ("KUBE-PROXY-CANARY", "canary: tells whether the table was flushed"),
        ("KUBE-KUBELET-CANARY", "canary: tells whether the table was flushed"),
        ("KUBE-SVC-*", ""),
        ("KUBE-SVL-*", ""),
        ("KUBE-XLB-*", ""),
        ("KUBE-EXT-*", ""),
        ("KUBE-FW-*", ""),
        ("KUBE-SEP-*", ""),
        ("KUBE-LOAD-BALANCER*", "load balancer addresses"),
        ("KUBE-NODE-PORT*", "NodePorts"),
        ("KUBE-IPVS-*", "IPVS checks"),
        ("KUBE-SOURCE-RANGES-FIREWALL", "load balancer source ranges"),
        ("services", "service addresses and NodePorts"),
        ("mark-for-masquerade", "marks for masquerading"),
        ("masquerading", "masquerades what is marked"),
        ("firewall-check", "load balancer source ranges"),
        ("reject-chain", "rejects"),
        ("cluster-ips-check", "unused ports and addresses of the service range"),
        ("service-endpoints-check", "services without endpoints"),
        ("nodeport-endpoints-check", "NodePorts without endpoints"),
        ("nat-*", "services and NodePorts"),
        ("filter-*", "services without endpoints, source ranges"),
    ],
    marks: &[
        (0x4000, 0x4000, "will be masqueraded"),
        (0x8000, 0x8000, "will be dropped in INPUT and OUTPUT"),
        (0xffff_ffff, 0x4d41_5351, "will be masqueraded"),
    ],
    rewrites: "rewrites its chains at every sync",
    chain,
    rule,
    ..PLAIN
};

/// Names of chain kinds in iptables mode, and of those in nftables mode.
const KINDS: &[(&str, &str)] = &[
    ("KUBE-SVC-", "service "),
    ("KUBE-SVL-", "local endpoints of "),
    ("KUBE-XLB-", "local endpoints of "),
    ("KUBE-EXT-", "outside traffic to "),
    ("KUBE-FW-", "source ranges of "),
    ("service-", "service "),
    ("local-", "local endpoints of "),
    ("external-", "outside traffic to "),
    ("firewall-", "source ranges of "),
];

fn chain(labels: &Labels, chain: ChainId) -> Option<String> {
    let name = labels.name(chain);
    if name.starts_with("KUBE-SEP-") {
        let endpoint = labels.endpoint(chain);
        return match (endpoint, service(labels, chain, 3)) {
            (Some(e), Some(s)) => Some(format!("endpoint {e} of {s}")),
            (Some(e), None) => Some(format!("endpoint {e}")),
            (None, s) => s.map(|s| format!("an endpoint of {s}")),
        };
    }
    if let Some(rest) = name.strip_prefix("endpoint-") {
        let (service, endpoint) = rest.split_once('-')?.1.split_once("__")?;
        return Some(format!("endpoint {} of {}", endpoint.replacen('/', ":", 1), spelled(service)?));
    }
    let (prefix, words) = KINDS.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    let service = if prefix.starts_with("KUBE-") {
        service(labels, chain, 3)?
    } else {
        spelled(name.strip_prefix(prefix)?.split_once('-')?.1)?
    };
    Some(format!("{words}{service}"))
}

/// `web/shop/tcp/http` as `web/shop:http`.
fn spelled(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    let (ns, name, _proto, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next().unwrap_or(""));
    Some(if port.is_empty() { format!("{ns}/{name}") } else { format!("{ns}/{name}:{port}") })
}

/// The service that a chain belongs to: by comments, by its hash, or by a neighbour in the chain graph.
fn service(labels: &Labels, chain: ChainId, depth: u32) -> Option<String> {
    let said = labels.comments(chain).find_map(namespaced);
    let hashed = || recognised(labels).get(suffix(labels.name(chain))?).cloned();
    let near = || {
        let above = labels.callers_of(chain).iter().map(|r| labels.model().rule(*r).chain);
        let below = labels.model().chain(chain).rules.iter().filter_map(|r| labels.jump(r));
        // Not the service tables: their comments are of all services.
        let kin = |c: &ChainId| {
            let name = labels.name(*c);
            name.starts_with("KUBE-SEP-") || KINDS.iter().any(|(prefix, _)| name.starts_with(prefix))
        };
        above.chain(below).filter(kin).find_map(|c| service(labels, c, depth.checked_sub(1)?))
    };
    said.map(ToString::to_string).or_else(hashed).or_else(|| if depth > 0 { near() } else { None })
}

/// The hash at the end of `KUBE-SVC-NPX46M4PTMTKRN6Y`.
fn suffix(name: &str) -> Option<&str> {
    name.rsplit_once('-').map(|(_, hash)| hash).filter(|h| h.len() == 16)
}

/// Services that every cluster has.
const COMMON: &[&str] = &[
    "default/kubernetes:https",
    "kube-system/kube-dns:dns",
    "kube-system/kube-dns:dns-tcp",
    "kube-system/kube-dns:metrics",
    "kube-system/metrics-server:https",
    "kube-system/metrics-server",
    "kube-system/traefik:web",
    "kube-system/traefik:websecure",
    "calico-system/calico-typha:calico-typha",
    "calico-apiserver/calico-api:apiserver",
    "openshift-dns/dns-default:dns",
    "openshift-dns/dns-default:dns-tcp",
    "ingress-nginx/ingress-nginx-controller:http",
    "ingress-nginx/ingress-nginx-controller:https",
];

/// Hash suffixes of the services that comments name anywhere, and of those that every cluster has.
fn recognised<'a>(labels: &'a Labels) -> &'a FxHashMap<String, String> {
    labels.services.get_or_init(|| {
        let said = labels
            .model()
            .rules
            .iter()
            .filter_map(|r| r.comment)
            .map(|c| labels.model().name(c))
            .filter_map(namespaced);
        let mut names: Vec<&str> = COMMON.iter().copied().chain(said.take(20_000)).collect();
        names.sort_unstable();
        names.dedup();
        let hash = |n: &&str, proto: &str| (b32(&format!("{n}{proto}"), 16), (*n).to_string());
        names.iter().flat_map(|n| ["tcp", "udp", "sctp"].map(|p| hash(n, p))).collect()
    })
}

/// First words of comments in `KUBE-SERVICES`, and how to say them.
const ADDRESSES: &[(&str, &str)] = &[
    (" cluster IP", "cluster IP of "),
    (" external IP", "external IP of "),
    (" loadbalancer IP", "load balancer IP of "),
    (" has no endpoints", "no endpoints: "),
    (" has no local endpoints", "no local endpoints: "),
    (" health check node port", "health check port of "),
];

fn rule(labels: &Labels, rule: RuleId) -> Option<String> {
    let chain = labels.model().rule(rule).chain;
    let target = labels.jump(rule);
    if let Some(to) = target.filter(|t| matches!(labels.name(*t), "KUBE-MARK-MASQ" | "mark-for-masquerade")) {
        let own = labels.wanted(rule, Field::Saddr).is_some() && labels.endpoint(chain).is_some();
        let why = if own { "the endpoint calls itself: " } else { "" };
        let said = labels.model().chain(to).rules.iter().find_map(|r| labels.marks_set(r, Some(&OWNER)));
        return Some(format!("{why}{}", said.unwrap_or_else(|| "will be masqueraded".to_string())));
    }
    if let Some(endpoint) = labels.dnat(rule) {
        return Some(format!("to endpoint {endpoint}"));
    }
    let of_service = target.filter(|t| KINDS.iter().any(|(p, _)| labels.name(*t).starts_with(p)));
    let said = labels.comment(rule);
    let named = namespaced(said).map(ToString::to_string).or_else(|| service(labels, of_service?, 2));
    match (labels.name(chain), named) {
        ("KUBE-NODEPORTS", Some(s)) if labels.wanted(rule, Field::Dport).is_some() => Some(format!("NodePort of {s}")),
        ("KUBE-SERVICES" | "KUBE-EXTERNAL-SERVICES", Some(s)) => {
            let words = ADDRESSES.iter().find(|(end, _)| said.ends_with(end)).map_or("service ", |(_, w)| w);
            Some(format!("{words}{s}"))
        }
        _ => None,
    }
}
