//! Calico (felix): `cali-tw-cali7d3f1b2a9c4` is "to workload cali7d3f1b2a9c4", `cali-pi-…` an inbound policy.
//!
//! Left out: undoing the hash of names longer than 28 characters; its policy is named in its rules' comments.

use crate::model::{ChainId, RuleId};

use super::read::between;
use super::{Labels, Owner};

pub(super) const OWNER: Owner = Owner {
    name: "Calico",
    tables: &["calico"],
    chains: &[
        ("cali-from-wl-dispatch*", "from workloads, by device"),
        ("cali-to-wl-dispatch*", "to workloads, by device"),
        ("cali-from-hep-forward", "from host endpoints, forwarded"),
        ("cali-to-hep-forward", "to host endpoints, forwarded"),
        ("cali-from-host-endpoint", "from host endpoints"),
        ("cali-to-host-endpoint", "to host endpoints"),
        ("cali-wl-to-host", "from workloads to this host"),
        ("cali-cidr-block", "blocked address ranges"),
        ("cali-nat-outgoing", "masquerades pods that leave the cluster"),
        ("cali-fip-dnat", "floating addresses, inbound"),
        ("cali-fip-snat", "floating addresses, outbound"),
        ("cali-rpf-skip", "exemptions from the reverse path check"),
        ("cali-*", ""),
        ("filter-cali-*", ""),
        ("nat-cali-*", ""),
        ("mangle-cali-*", ""),
        ("raw-cali-*", ""),
    ],
    marks: &[
        (0x10000, 0x10000, "accepted by Calico policy"),
        (0x20000, 0x20000, "passed on to the next tier"),
        (0x40000, 0x40000, "from a workload"),
    ],
    rewrites: "keeps its own chains in order; rules in the built-in chains stay, behind its jumps",
    unseen: "",
    programs: &[],
    chain,
    rule,
    set,
    opens: |_, _| Vec::new(),
};

/// Chain prefixes with an identity behind them.
const KINDS: &[(&str, &str)] = &[
    ("tw-", "to workload "),
    ("fw-", "from workload "),
    ("pi-", "inbound policy "),
    ("po-", "outbound policy "),
    ("pri-", "inbound profile "),
    ("pro-", "outbound profile "),
    ("thfw-", "to host endpoint, forwarded, "),
    ("fhfw-", "from host endpoint, forwarded, "),
    ("th-", "to host endpoint "),
    ("fh-", "from host endpoint "),
];

fn chain(labels: &Labels, chain: ChainId) -> Option<String> {
    let (_, name) = labels.name(chain).split_once("cali-")?;
    let (prefix, words) = KINDS.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    let id = name.strip_prefix(prefix)?;
    let said = || labels.comments(chain).find_map(|c| between(c, "Policy ", " "));
    Some(match id.strip_prefix("kns.") {
        Some(ns) => format!("{words}of namespace {ns}"),
        None => match id.strip_prefix("ksa.") {
            Some(account) => format!("{words}of service account {}", account.replacen('.', "/", 1)),
            None if id.starts_with('_') => format!("{words}{}", said().unwrap_or(id)),
            None => format!("{words}{id}"),
        },
    })
}

fn rule(labels: &Labels, rule: RuleId) -> Option<String> {
    // `cali:HASH` alone says nothing; what stands behind it does.
    let said = labels.comment(rule);
    let meaning = said.split_once("cali:").map_or(said, |(_, rest)| rest.split_once(' ').map_or("", |(_, m)| m));
    (!meaning.is_empty()).then(|| meaning.to_string())
}

fn set(_: &Labels, name: &str) -> Option<String> {
    let name = name.strip_prefix("cali40").or_else(|| name.strip_prefix("cali60"))?;
    Some(match name {
        "all-hosts-net" | "all-hosts" => "addresses of all Calico hosts".to_string(),
        "this-host" => "addresses of this host".to_string(),
        "masq-ipam-pools" => "pools whose pods are masqueraded".to_string(),
        "all-ipam-pools" => "all address pools".to_string(),
        _ if name.starts_with("s:") => "pods and networks of a policy's selector".to_string(),
        _ => return None,
    })
}
