//! OVN-Kubernetes: its rules have no comments, so a NodePort is named by the cluster address it leads to.

use crate::field::Field;
use crate::model::RuleId;

use super::{Labels, Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "OVN-Kubernetes",
    tables: &["ovn-kubernetes"],
    chains: &[
        ("OVN-KUBE-NODEPORT", "NodePorts"),
        ("OVN-KUBE-EXTERNALIP", "external and load balancer addresses"),
        ("OVN-KUBE-ITP", "services with internalTrafficPolicy Local"),
        ("OVN-KUBE-ETP", "services with externalTrafficPolicy Local"),
        ("OVN-KUBE-EGRESS-SVC", "source addresses of egress services"),
        ("OVN-KUBE-EGRESS-IP-*", "egress addresses"),
        ("OVN-KUBE-SNAT-MGMTPORT", "source address towards the management port"),
        ("OVN-KUBE-UDN-MASQUERADE", "masquerades user defined networks"),
        ("mgmtport-snat", "source address towards the management port"),
    ],
    marks: &[
        (0xffff_ffff, 0x0017_45ec, "goes to the management port"),
        (0xffff_ffff, 0x3f0, "keeps the node's address (egress service)"),
    ],
    rewrites: "restores its chains when services change",
    unseen: "network policies are ACLs in OVN; rules in these dumps do not show them",
    rule,
    ..PLAIN
};

fn rule(labels: &Labels, rule: RuleId) -> Option<String> {
    let to = labels.dnat(rule)?;
    let port = labels.wanted(rule, Field::Dport)?;
    match labels.name(labels.model().rule(rule).chain) {
        "OVN-KUBE-NODEPORT" => Some(format!("NodePort {port} of the service at {to}")),
        "OVN-KUBE-EXTERNALIP" => Some(format!("external address of the service at {to}")),
        "OVN-KUBE-ETP" => Some(format!("port {port} of a service with local policy")),
        _ => None,
    }
}
