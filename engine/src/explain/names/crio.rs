//! CRI-O's (and the old dockershim's) host ports: the comment `POD_NAMESPACE hostport 443` names the pod.

use crate::model::{ChainId, RuleId};

use super::{Labels, Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "CRI-O",
    tables: &["crio"],
    chains: &[
        ("KUBE-HOSTPORTS", "host ports"),
        ("CRIO-HOSTPORTS-MASQ", "masquerades pods that call their own host port"),
        ("KUBE-HP-*", ""),
        ("CRIO-MASQ-*", ""),
    ],
    rewrites: "rewrites its chains when pods come and go",
    chain,
    rule,
    ..PLAIN
};

/// `router-default_openshift-ingress hostport 443` as pod and port.
fn host_port(comment: &str) -> Option<(String, &str)> {
    let (pod, port) = comment.rsplit_once(" hostport ")?;
    let pod = pod.rsplit_once('_').map_or_else(|| pod.to_string(), |(name, ns)| format!("{ns}/{name}"));
    Some((pod, port))
}

fn chain(labels: &Labels, chain: ChainId) -> Option<String> {
    let (pod, port) = labels.comments(chain).find_map(host_port)?;
    Some(format!("host port {port} of pod {pod}"))
}

fn rule(labels: &Labels, rule: RuleId) -> Option<String> {
    let (pod, port) = host_port(labels.comment(rule))?;
    Some(match labels.dnat(rule) {
        Some(to) => format!("to pod {pod} at {to}"),
        None => format!("host port {port} of pod {pod}"),
    })
}
