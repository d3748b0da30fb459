//! firewalld, nftables and iptables backends: `filter_IN_public_allow` is "zone public, inbound: allowed services".

use crate::model::ChainId;

use super::{Labels, Owner, PLAIN};

pub(super) const OWNER: Owner = Owner {
    name: "firewalld",
    tables: &["firewalld", "firewalld_policy_drop"],
    chains: &[
        ("filter_INPUT_ZONES", "which zone, inbound"),
        ("filter_FORWARD_ZONES", "which zone, forwarded"),
        ("filter_INPUT_POLICIES*", "which policies, inbound"),
        ("filter_FORWARD_POLICIES*", "which policies, forwarded"),
        ("filter_INPUT_dispatch*", "which zone, inbound"),
        ("filter_FORWARD_dispatch*", "which zone, forwarded"),
        ("filter_INPUT", "firewalld, inbound"),
        ("filter_FORWARD", "firewalld, forwarded"),
        ("filter_OUTPUT", "firewalld, outbound"),
        ("INPUT_ZONES*", "which zone, inbound"),
        ("FORWARD_IN_ZONES*", "which zone, forwarded from"),
        ("FORWARD_OUT_ZONES*", "which zone, forwarded to"),
        ("FORWARD_ZONES*", "which zone, forwarded"),
        ("INPUT_direct", "direct rules"),
        ("FORWARD_direct", "direct rules"),
        ("OUTPUT_direct", "direct rules"),
        ("IN_*", ""),
        ("FWDI_*", ""),
        ("FWDO_*", ""),
        ("FWD_*", ""),
        ("PRE_*", ""),
        ("POST_*", ""),
    ],
    rewrites: "rebuilds its tables at every reload; use a rich or direct rule",
    chain,
    ..PLAIN
};

/// The direction in a chain's name.
const DIRECTIONS: &[(&str, &str)] = &[
    ("IN_", "inbound"),
    ("FWDI_", "forwarded from it"),
    ("FWDO_", "forwarded to it"),
    ("FWD_", "forwarded"),
    ("PRE_", "before routing"),
    ("POST_", "after routing"),
];

/// The stage at the end of a chain's name.
const STAGES: &[(&str, &str)] = &[
    ("_pre", "rules with a negative priority"),
    ("_log", "logging"),
    ("_deny", "denied sources and rich rules"),
    ("_allow", "allowed services and ports"),
    ("_post", "rules with a positive priority"),
];

fn chain(labels: &Labels, chain: ChainId) -> Option<String> {
    let name = labels.name(chain);
    let name = ["filter_", "nat_", "mangle_", "raw_"].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    let (zone, direction) = DIRECTIONS.iter().find_map(|(p, words)| Some((name.strip_prefix(p)?, words)))?;
    let kind = if zone.starts_with("policy_") { "policy" } else { "zone" };
    let zone = zone.strip_prefix("policy_").unwrap_or(zone);
    Some(match STAGES.iter().find_map(|(end, words)| Some((zone.strip_suffix(end)?, words))) {
        Some((zone, stage)) => format!("{kind} {zone}, {direction}: {stage}"),
        None => format!("{kind} {zone}, {direction}"),
    })
}
