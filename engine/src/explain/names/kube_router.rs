//! kube-router's network policies (k3s and k0s embed it): `KUBE-POD-FW-7KDYWFZ2NUU6E6UX` is the firewall of a pod,
//! `KUBE-NWPLCY-…` a policy, `KUBE-SRC-…` and `KUBE-DST-…` ipsets whose names are hashes of the policy's name.
//!
//! Left out: recomputing chain names; they also hash the time of the sync.

use rustc_hash::FxHashMap;

use crate::field::{Field, to_address};
use crate::model::{ChainId, RuleId};

use super::hash::b32;
use super::opens::{Opening, Wish};
use super::read::{between, namespaced};
use super::{Labels, Owner};

pub(super) const OWNER: Owner = Owner {
    name: "kube-router",
    tables: &["kube-router*"],
    chains: &[
        ("KUBE-ROUTER-INPUT", "network policies, to this host"),
        ("KUBE-ROUTER-FORWARD", "network policies, forwarded"),
        ("KUBE-ROUTER-OUTPUT", "network policies, from this host"),
        ("KUBE-ROUTER-SERVICES", "IPVS services"),
        ("KUBE-NWPLCY-DEFAULT", "no policy for this direction: accepts"),
        ("KUBE-NWPLCY-COMMON", "common to all pods: state and ICMP"),
        ("KUBE-NWPLCY-TAIL", "accepts what the policies passed"),
        ("KUBE-POD-FW-*", ""),
        ("KUBE-NWPLCY-*", ""),
    ],
    marks: &[(0x10000, 0x10000, "accepted by a network policy"), (0x20000, 0x20000, "passed a pod's firewall")],
    rewrites: "rebuilds its chains at every sync",
    unseen: "",
    programs: &[],
    chain,
    rule,
    set,
    opens,
};

/// A network policy for the pod whose firewall rejected it.
fn opens(labels: &Labels, wish: &Wish) -> Vec<Opening> {
    let model = labels.model();
    let Some((rule, chain)) = wish.dropper.map(|r| (r, model.rule(r).chain)) else { return Vec::new() };
    let Some((pod, port)) =
        pod(labels, chain).zip(wish.port).filter(|_| labels.name(chain).starts_with("KUBE-POD-FW-"))
    else {
        return Vec::new();
    };
    let (namespace, name) = pod.split_once('/').unwrap_or(("", &pod));
    let family = if wish.daddr.is_ipv6() { 10 } else { 2 };
    let to_pod = model
        .chain(chain)
        .rules
        .iter()
        .any(|r| labels.wanted(r, Field::Daddr).is_some_and(|a| to_address(a, family) == wish.daddr));
    let (direction, peer) = if to_pod { ("ingress from", wish.saddr) } else { ("egress to", wish.daddr) };
    let proto = wish.proto.to_uppercase();
    let command =
        format!("NetworkPolicy in {namespace}: selects pod {name}, allows {direction} {peer}, port {port}/{proto}");
    // In front of the rules for what no policy marked: logging comes first.
    let at = model.position(rule).map_or(1, |p| p.saturating_sub(1).max(1));
    let program = if wish.saddr.is_ipv6() { "ip6tables" } else { "iptables" };
    let (chain, proto) = (labels.name(chain), &wish.proto);
    let (from, to) = (wish.saddr, wish.daddr);
    let rule = format!(
        "{program} -I {chain} {at} -s {from} -d {to} -p {proto} --dport {port} -j MARK --set-xmark 0x10000/0x10000"
    );
    vec![Opening::new(command, rule)]
}

fn chain(labels: &Labels, chain: ChainId) -> Option<String> {
    if labels.name(chain).starts_with("KUBE-POD-FW-") {
        return pod(labels, chain).map(|p| format!("firewall of pod {p}"));
    }
    policy(labels, chain).map(|(ns, name)| match ns {
        Some(ns) => format!("policy {name} of {ns}"),
        None => format!("policy {name}"),
    })
}

/// `namespace/name` of the pod that a firewall chain belongs to.
fn pod(labels: &Labels, chain: ChainId) -> Option<String> {
    labels.comments(chain).find_map(pod_in)
}

/// The pod that a comment speaks of; both spellings of it.
fn pod_in(comment: &str) -> Option<String> {
    if let Some(name) = between(comment, "POD name:", " ") {
        return Some(format!("{}/{name}", between(comment, "namespace: ", " ")?));
    }
    let last = comment.rsplit(' ').next()?;
    matches!(last, "reject" | "log-drop" | "in" | "out").then(|| namespaced(comment)).flatten().map(ToString::to_string)
}

/// Namespace (as far as it is said) and name of a policy chain.
fn policy(labels: &Labels, chain: ChainId) -> Option<(Option<String>, String)> {
    labels.comments(chain).find_map(policy_in).or_else(|| {
        // Policies without rules are only named where a pod's chain runs through them; the namespace is the pod's.
        labels.callers_of(chain).iter().find_map(|r| {
            let name = between(labels.comment(*r), "run through nw policy ", " ")?;
            let pod = pod(labels, labels.model().rule(*r).chain);
            Some((pod.and_then(|p| Some(p.split_once('/')?.0.to_string())), name.to_string()))
        })
    })
}

fn policy_in(comment: &str) -> Option<(Option<String>, String)> {
    if let Some(rest) = between(comment, "selected by policy name", "\0") {
        let mut words = rest.trim_start_matches(':').split_whitespace();
        let name = words.next()?;
        let ns = words.nth(1).map(ToString::to_string);
        return Some((ns, name.to_string()));
    }
    let about = ["ingress", "egress", "policy"].iter().any(|w| comment.split(' ').nth(1) == Some(w));
    let (ns, name) = about.then(|| namespaced(comment)).flatten()?.split_once('/')?;
    Some((Some(ns.to_string()), name.to_string()))
}

fn rule(labels: &Labels, rule: RuleId) -> Option<String> {
    let chain = labels.model().rule(rule).chain;
    let name = labels.name(chain);
    if name.starts_with("KUBE-NWPLCY-") && labels.mark_bits(rule) == Some(0x10000) {
        return policy(labels, chain).map(|(ns, p)| match ns {
            Some(ns) => format!("accepted by policy {p} of {ns} (0x10000)"),
            None => format!("accepted by policy {p} (0x10000)"),
        });
    }
    let said = labels.comment(rule);
    if said.contains("REJECT traffic") || said.ends_with(" reject") {
        return pod_in(said).map(|p| format!("no policy of pod {p} accepted it"));
    }
    None
}

fn set(labels: &Labels, name: &str) -> Option<String> {
    let name = name.strip_prefix("inet6:").unwrap_or(name);
    let hash = name.strip_prefix("KUBE-SRC-").or_else(|| name.strip_prefix("KUBE-DST-"))?;
    let known = labels.policies.get_or_init(|| {
        let mut policies: Vec<_> = (0..labels.model().chains.len() as u32)
            .map(ChainId)
            .filter(|c| labels.name(*c).starts_with("KUBE-NWPLCY-"))
            .filter_map(|c| policy(labels, c))
            .filter_map(|(ns, name)| Some((ns?, name)))
            .take(2000)
            .collect();
        policies.sort_unstable();
        policies.dedup();
        policies.iter().flat_map(|(ns, name)| set_names(ns, name)).collect::<FxHashMap<_, _>>()
    });
    known.get(hash).cloned()
}

/// The hashes of all sets that a policy may have, with what each holds.
fn set_names(ns: &str, policy: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let of = format!("policy {policy} of {ns}");
    for family in ["IPv4", "IPv6", ""] {
        let mut add = |parts: &str, what: String| out.push((b32(&format!("{ns}{policy}{parts}"), 16), what));
        add(family, format!("pods selected by {of}"));
        for i in 0..8 {
            for (kind, words) in [("pod", "pods"), ("ipblock", "address blocks")] {
                add(
                    &format!("ingressrule{i}{family}{kind}"),
                    format!("source {words} of ingress rule {} of {of}", i + 1),
                );
                add(
                    &format!("egressrule{i}{family}{kind}"),
                    format!("destination {words} of egress rule {} of {of}", i + 1),
                );
            }
            for j in 0..4 {
                for direction in ["ingress", "egress"] {
                    let parts = format!("{direction}rule{i}{j}{family}namedport");
                    add(&parts, format!("pods with the named port of {direction} rule {} of {of}", i + 1));
                }
            }
        }
    }
    out
}
