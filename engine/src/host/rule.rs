//! Policy rules, from `ip -j rule`: `{"priority":100,"src":"all","fwmark":"0x1","fwmask":"0xff","table":"100"}`.
//!
//! Left out: tunnel ids (no packet here has one, so such a rule never matches).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use ipnet::IpNet;
use nettrace_grammar::{Diagnostic, Source, Span};
use serde::Deserialize;
use serde_json::Value;

use super::fib::FibQuery;
use super::link::group_number;
use super::route::{as_text, prefix, tos};
use super::{Assumed, Dev, Family, Parts, Table, json, text};
use crate::field::Field;

/// What a rule does with a packet that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Looks in a table.
    Lookup(Table),
    /// Looks in the table of the VRF that the packet belongs to.
    Vrf,
    /// Goes on with the rules from this priority on; with none of that priority it does nothing.
    Goto(u32),
    /// Does nothing.
    Nop,
    /// Ends the lookup: dropped silently.
    Blackhole,
    /// Ends the lookup: network unreachable.
    Unreachable,
    /// Ends the lookup: prohibited.
    Prohibit,
}

/// A policy rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Priority; smaller comes first.
    pub priority: u32,
    /// The selectors count the other way round.
    pub not: bool,
    /// Source prefix.
    pub src: Option<IpNet>,
    /// Destination prefix.
    pub dst: Option<IpNet>,
    /// Incoming device; `lo` for locally generated packets.
    pub iif: Option<Dev>,
    /// Outgoing device, of sockets bound to one.
    pub oif: Option<Dev>,
    /// Mark and mask.
    pub mark: Option<(u32, u32)>,
    /// Type of service.
    pub tos: u8,
    /// All six bits of the DSCP.
    pub dscp: Option<u8>,
    /// User ids of the socket's owner.
    pub uids: Option<RangeInclusive<u32>>,
    /// Protocol number.
    pub proto: Option<u8>,
    /// Source ports.
    pub sports: Option<RangeInclusive<u16>>,
    /// Destination ports.
    pub dports: Option<RangeInclusive<u16>>,
    /// Has a selector that no packet here can fit (a tunnel id).
    pub never: bool,
    /// Answers with a prefix this long or shorter do not count.
    pub suppress_prefix_len: Option<u8>,
    /// Answers by a device of this group do not count.
    pub suppress_group: Option<u32>,
    /// The realm of the destination.
    pub realm: Option<u32>,
    /// What it does.
    pub action: RuleAction,
    /// Where it was given.
    pub span: Span,
}

impl PolicyRule {
    /// A rule for every packet.
    pub fn new(priority: u32, action: RuleAction) -> PolicyRule {
        PolicyRule {
            priority,
            not: false,
            src: None,
            dst: None,
            iif: None,
            oif: None,
            mark: None,
            tos: 0,
            dscp: None,
            uids: None,
            proto: None,
            sports: None,
            dports: None,
            never: false,
            suppress_prefix_len: None,
            suppress_group: None,
            realm: None,
            action,
            span: Span::default(),
        }
    }

    /// The rules a host starts with.
    pub fn defaults(family: Family) -> Vec<PolicyRule> {
        let mut rules = vec![(0, Table::Local), (32766, Table::Main)];
        if family == Family::V4 {
            rules.push((32767, Table::Default));
        }
        rules.into_iter().map(|(priority, table)| PolicyRule::new(priority, RuleAction::Lookup(table))).collect()
    }

    /// The same, made once.
    pub(super) fn defaults_of(family: Family) -> &'static [PolicyRule] {
        static V4: LazyLock<Vec<PolicyRule>> = LazyLock::new(|| PolicyRule::defaults(Family::V4));
        static V6: LazyLock<Vec<PolicyRule>> = LazyLock::new(|| PolicyRule::defaults(Family::V6));
        if family == Family::V4 { &V4 } else { &V6 }
    }

    /// Whether the packet fits.
    pub fn matches(&self, query: &FibQuery) -> bool {
        self.selects(query) != self.not
    }

    fn selects(&self, q: &FibQuery) -> bool {
        let within = |net: Option<IpNet>, addr: Option<IpAddr>| match (net, addr) {
            (None, _) => true,
            (Some(net), Some(addr)) => net.contains(&addr),
            (Some(net), None) => net.prefix_len() == 0,
        };
        let port = |wanted: &Option<RangeInclusive<u16>>, had: Option<u16>| {
            wanted.as_ref().is_none_or(|w| w.contains(&had.unwrap_or(0)))
        };
        !self.never
            && within(self.src, q.src)
            && within(self.dst, Some(q.dst))
            && self.iif.as_deref().is_none_or(|iif| iif == q.iif.unwrap_or("lo"))
            && self.oif.as_deref().is_none_or(|oif| q.oif == Some(oif))
            && self.mark.is_none_or(|(value, mask)| (value ^ q.mark.unwrap_or(0)) & mask == 0)
            && (self.tos == 0 || (self.tos ^ q.tos) & LEGACY_TOS == 0)
            && self.dscp.is_none_or(|dscp| dscp == q.tos >> 2)
            && self.uids.as_ref().is_none_or(|uids| uids.contains(&q.uid))
            && self.proto.is_none_or(|proto| proto == q.proto)
            && port(&self.sports, q.sport)
            && port(&self.dports, q.dport)
    }

    /// Notes what only the packet tells: its mark and type of service, where nothing else keeps the rule from matching.
    pub(super) fn note_asked(&self, q: &FibQuery, assumed: &mut Vec<Assumed>) {
        let mut note = |field| {
            let asked = Assumed::Packet(field);
            if !assumed.contains(&asked) {
                assumed.push(asked);
            }
        };
        if q.mark.is_some() && self.mark.is_some_and(|(mark, _)| self.selects(&FibQuery { mark: Some(mark), ..*q })) {
            note(Field::Mark);
        }
        if self.tos != 0 && self.selects(&FibQuery { tos: self.tos, ..*q }) {
            note(Field::Tos);
        }
    }

    /// Whether it is one of those that a host starts with.
    pub fn is_default(&self) -> bool {
        let plain = |table| PolicyRule { span: self.span, ..PolicyRule::new(self.priority, RuleAction::Lookup(table)) };
        match self.priority {
            0 => *self == plain(Table::Local),
            32766 => *self == plain(Table::Main),
            32767 => *self == plain(Table::Default),
            _ => false,
        }
    }
}

/// The bits of the type of service that rules and routes compare.
pub(super) const LEGACY_TOS: u8 = 0x1c;

#[derive(Deserialize)]
struct RuleEntry {
    #[serde(default)]
    priority: u32,
    #[serde(default, deserialize_with = "present")]
    not: bool,
    src: Option<String>,
    srclen: Option<u8>,
    dst: Option<String>,
    dstlen: Option<u8>,
    iif: Option<Dev>,
    oif: Option<Dev>,
    fwmark: Option<Value>,
    fwmask: Option<Value>,
    tos: Option<Value>,
    dscp: Option<Value>,
    uid_start: Option<u32>,
    uid_end: Option<u32>,
    ipproto: Option<Value>,
    sport: Option<u16>,
    sport_start: Option<u16>,
    sport_end: Option<u16>,
    dport: Option<u16>,
    dport_start: Option<u16>,
    dport_end: Option<u16>,
    tun_id: Option<Value>,
    suppress_prefixlen: Option<u8>,
    suppress_prefixlength: Option<u8>,
    suppress_ifgroup: Option<Value>,
    flow_to: Option<Value>,
    table: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    l3mdev: bool,
    goto: Option<u32>,
    #[serde(default, deserialize_with = "present")]
    nop: bool,
    action: Option<String>,
    /// Selectors of newer kernels among them.
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

/// What `ip` prints of a rule besides, and what keeps no packet from fitting.
const REMARKS: &[&str] = &["protocol", "iif_detached", "oif_detached", "unresolved", "flow_from"];

/// A key that stands for itself, whatever its value (`"not": null`).
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|v| v != Value::Bool(false))
}

pub(super) fn read(parts: &mut Parts, family: Family, source: &Source) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let found = json::entries::<RuleEntry>(source, text::rules, &mut diagnostics);
    let all = if family == Family::V4 { &mut parts.rules4 } else { &mut parts.rules6 };
    let all = all.get_or_insert_default();
    for (span, entry) in found {
        match rule(&entry, family) {
            Ok(rule) => all.push(PolicyRule { span, ..rule }),
            Err(why) => diagnostics.push(json::malformed(span, why)),
        }
    }
    all.sort_by_key(|r| r.priority);
    diagnostics
}

fn rule(entry: &RuleEntry, family: Family) -> Result<PolicyRule, String> {
    if let Some(unknown) = entry.other.keys().find(|k| !REMARKS.contains(&k.as_str())) {
        return Err(format!("a rule's `{}` is not known here", unknown.escape_debug()));
    }
    let number = |value: &Option<Value>, what| value.as_ref().map(|v| integer(&as_text(v), what)).transpose();
    let mut rule = PolicyRule::new(entry.priority, action(entry)?);
    rule.not = entry.not;
    rule.src = net(entry.src.as_deref(), entry.srclen, family)?;
    rule.dst = net(entry.dst.as_deref(), entry.dstlen, family)?;
    rule.iif.clone_from(&entry.iif);
    rule.oif.clone_from(&entry.oif);
    let mark = number(&entry.fwmark, "mark")?;
    let mask = number(&entry.fwmask, "mask")?;
    rule.mark = mark.map(|value| (value, mask.unwrap_or(u32::MAX)));
    rule.tos = entry.tos.as_ref().map_or(Ok(0), |v| tos(&as_text(v)))?;
    rule.dscp = entry.dscp.as_ref().map(|v| dscp(&as_text(v))).transpose()?;
    rule.uids = entry.uid_start.zip(entry.uid_end).map(|(a, b)| a..=b);
    rule.proto = entry.ipproto.as_ref().map(|v| protocol(&as_text(v))).transpose()?;
    rule.sports = ports(entry.sport, entry.sport_start, entry.sport_end);
    rule.dports = ports(entry.dport, entry.dport_start, entry.dport_end);
    rule.never = entry.tun_id.is_some();
    rule.suppress_prefix_len = entry.suppress_prefixlen.or(entry.suppress_prefixlength);
    rule.suppress_group = entry.suppress_ifgroup.as_ref().map(|g| group(&as_text(g))).transpose()?;
    rule.realm = entry.flow_to.as_ref().and_then(|f| as_text(f).parse().ok());
    Ok(rule)
}

fn action(entry: &RuleEntry) -> Result<RuleAction, String> {
    if let Some(to) = entry.goto {
        return Ok(RuleAction::Goto(to));
    }
    if entry.l3mdev {
        return Ok(RuleAction::Vrf);
    }
    match entry.action.as_deref() {
        Some("blackhole") => return Ok(RuleAction::Blackhole),
        Some("unreachable") => return Ok(RuleAction::Unreachable),
        Some("prohibit") => return Ok(RuleAction::Prohibit),
        Some("nop") => return Ok(RuleAction::Nop),
        Some(other) if !matches!(other, "to_tbl" | "lookup") => {
            return Err(format!("`{other}` is not a rule's action"));
        }
        _ => {}
    }
    match &entry.table {
        Some(table) => Ok(RuleAction::Lookup(Table::named(&as_text(table)))),
        None if entry.nop => Ok(RuleAction::Nop),
        None => Err("this rule has neither a table nor an action".to_owned()),
    }
}

fn net(addr: Option<&str>, len: Option<u8>, family: Family) -> Result<Option<IpNet>, String> {
    let Some(addr) = addr.filter(|a| *a != "all") else { return Ok(None) };
    match len {
        Some(len) => prefix(&format!("{addr}/{len}"), family).map(Some),
        None => prefix(addr, family).map(Some),
    }
}

fn ports(one: Option<u16>, start: Option<u16>, end: Option<u16>) -> Option<RangeInclusive<u16>> {
    one.map(|p| p..=p).or_else(|| Some(start?..=end?))
}

/// A number, decimal or with `0x`.
pub(super) fn integer(text: &str, what: &str) -> Result<u32, String> {
    let number = text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
    number.ok_or_else(|| format!("`{text}` is not a {what}"))
}

fn dscp(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(value) if value < 64 => Ok(value),
        _ => tos(text).map(|t| t >> 2),
    }
}

pub(super) fn group(text: &str) -> Result<u32, String> {
    group_number(text).ok_or_else(|| format!("the device group `{text}` is a name that only the host knows"))
}

/// The protocols that `ip rule` prints by name.
pub(super) fn protocol(text: &str) -> Result<u8, String> {
    Ok(match text {
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "ipv6-icmp" | "icmpv6" => 58,
        "dccp" => 33,
        "sctp" => 132,
        "udplite" => 136,
        "esp" => 50,
        "ah" => 51,
        other => {
            let name = other.strip_prefix("ipproto-").unwrap_or(other);
            name.parse().map_err(|_| format!("`{text}` is not a protocol known here"))?
        }
    })
}
