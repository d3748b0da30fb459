//! firewalld, nftables and iptables backends: `filter_IN_public_allow` is "zone public, inbound: allowed services".

use crate::field::device_name;
use crate::model::{ChainId, Dialect, Hook};

use super::opens::{Opening, Wish};
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
    opens,
    ..PLAIN
};

/// A port of the zone, a policy between two zones, or the source made a trusted one.
fn opens(labels: &Labels, wish: &Wish) -> Vec<Opening> {
    let nft =
        labels.model().tables.iter().any(|t| t.dialect == Dialect::Nft && labels.model().name(t.name) == "firewalld");
    if !nft {
        return Vec::new();
    }
    let add = |chain: String, rule: &str| format!("nft add rule inet firewalld {chain} {rule}");
    let first = |chain: &str, rule: &str| format!("nft insert rule inet firewalld {chain} {rule}");
    let ip = if wish.saddr.is_ipv6() { "ip6" } else { "ip" };
    let from = wish.saddr;
    let mut out = Vec::new();
    if let (Hook::Input, Some(zone), Some(port)) = (wish.hook, zone(labels, wish, "filter_IN_"), wish.port) {
        let command = format!("firewall-cmd --zone={zone} --add-port={port}/{}", wish.proto);
        out.push(Opening::new(
            command,
            add(format!("filter_IN_{zone}_allow"), &format!("{} dport {port} accept", wish.proto)),
        ));
    }
    if let (Hook::Forward, Some(zone), Some(port)) = (wish.hook, zone(labels, wish, "filter_FWD_"), wish.port)
        && let Some((oif, to)) = wish.oif.as_ref().and_then(|oif| Some((oif, zone_of(labels, oif)?)))
    {
        let policy = format!("--permanent --policy={zone}-to-{to}");
        let commands = vec![
            format!("firewall-cmd --permanent --new-policy={zone}-to-{to}"),
            format!("firewall-cmd {policy} --add-ingress-zone={zone}"),
            format!("firewall-cmd {policy} --add-egress-zone={to}"),
            format!("firewall-cmd {policy} --add-port={port}/{}", wish.proto),
            "firewall-cmd --reload".to_string(),
        ];
        let iif = wish.iif.as_ref().map(|i| format!("iifname \"{i}\" ")).unwrap_or_default();
        let rule = format!("{iif}oifname \"{oif}\" {} dport {port} accept", wish.proto);
        let chains = ["filter_FORWARD_POLICIES_pre", "filter_FORWARD_POLICIES"];
        let chain = chains.into_iter().find(|c| labels.has_chain(c));
        out.extend(chain.map(|c| Opening { commands, rules: vec![first(c, &rule)] }));
    }
    if labels.has_chain("filter_IN_trusted") {
        let dispatch = [("filter_INPUT_ZONES", "filter_IN_trusted"), ("filter_FORWARD_ZONES", "filter_FWD_trusted")];
        let known = dispatch.into_iter().filter(|(c, to)| labels.has_chain(c) && labels.has_chain(to));
        let rules = known.map(|(c, to)| first(c, &format!("{ip} saddr {from} goto {to}"))).collect();
        out.push(Opening { commands: vec![format!("firewall-cmd --zone=trusted --add-source={from}")], rules });
    }
    out
}

/// The zone whose chain (`filter_IN_public`) was entered last.
fn zone<'l>(labels: &'l Labels, wish: &Wish, prefix: &str) -> Option<&'l str> {
    labels.last_entered(wish, |name| {
        let zone = name.strip_prefix(prefix).filter(|z| !z.starts_with("policy_"))?;
        Some(STAGES.iter().find_map(|(end, _)| zone.strip_suffix(end)).unwrap_or(zone))
    })
}

/// The zone of a device.
fn zone_of(labels: &Labels, device: &str) -> Option<String> {
    let model = labels.model();
    let name = model.names.find("filter_INPUT_ZONES")?;
    let chain = model.chains.iter().find(|c| c.name == name)?;
    let rule = chain.rules.iter().find(|r| {
        let wanted = labels.wanted_device(*r);
        wanted.is_none_or(|d| *device_name(d) == *device) && labels.jump(*r).is_some() && !labels.asks_source(*r)
    })?;
    Some(labels.name(labels.jump(rule)?).strip_prefix("filter_IN_")?.to_string())
}

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
    let base = [("PREROUTING_", "before routing"), ("POSTROUTING_", "after routing"), ("OUTPUT_", "outbound")];
    if let Some((rest, direction)) = base.iter().find_map(|(p, words)| Some((name.strip_prefix(p)?, words))) {
        let what = if rest.starts_with("ZONES") { "zone" } else { "policies" };
        return Some(format!("which {what}, {direction}"));
    }
    let (zone, direction) = DIRECTIONS.iter().find_map(|(p, words)| Some((name.strip_prefix(p)?, words)))?;
    let kind = if zone.starts_with("policy_") { "policy" } else { "zone" };
    let zone = zone.strip_prefix("policy_").unwrap_or(zone);
    Some(match STAGES.iter().find_map(|(end, words)| Some((zone.strip_suffix(end)?, words))) {
        Some((zone, stage)) => format!("{kind} {zone}, {direction}: {stage}"),
        None => format!("{kind} {zone}, {direction}"),
    })
}
