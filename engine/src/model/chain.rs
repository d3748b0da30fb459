//! Tables, chains and hooks.

use nettrace_grammar::{Name, Span};

use super::{RuleList, Verdict};
use crate::field::Value;

/// A table in [`super::Model::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub u32);

/// A chain in [`super::Model::chains`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId(pub u32);

/// Address family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// ARP.
    Arp,
    /// Bridged frames.
    Bridge,
    /// A device's ingress and egress.
    Netdev,
}

impl Family {
    /// Its name in nft.
    pub fn name(self) -> &'static str {
        match self {
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
            Family::Inet => "inet",
            Family::Arp => "arp",
            Family::Bridge => "bridge",
            Family::Netdev => "netdev",
        }
    }

    /// The family of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Family::Ip, Family::Ip6, Family::Inet, Family::Arp, Family::Bridge, Family::Netdev]
            .into_iter()
            .find(|f| f.name() == name)
    }
}

/// Who made a table: it decides when its rules are logged, and how its text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// iptables-legacy (`ip_tables`).
    Legacy,
    /// iptables-nft.
    IptablesNft,
    /// nft.
    Nft,
}

/// A netfilter hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// A frame arrives at a device.
    Ingress,
    /// Before routing.
    Prerouting,
    /// Delivered to this host.
    Input,
    /// Passing through.
    Forward,
    /// Sent by this host.
    Output,
    /// Leaving, after routing.
    Postrouting,
    /// A frame leaves by a device.
    Egress,
}

impl Hook {
    /// Its name as nft prints it.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Ingress => "ingress",
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
            Hook::Egress => "egress",
        }
    }

    /// The hook of that name, in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Hook::Ingress, Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting, Hook::Egress]
            .into_iter()
            .find(|h| h.name().eq_ignore_ascii_case(name))
    }
}

/// Type of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChainKind {
    /// Plain.
    Filter,
    /// Runs in the NAT core's slot, for a connection's first packet.
    Nat,
    /// Output is routed again when it changed the packet (nft `type route`, iptables mangle OUTPUT).
    Route,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: Name,
    /// Who made it.
    pub dialect: Dialect,
    /// Its hooks are off (`flags dormant`).
    pub dormant: bool,
    /// Where it begins in the input.
    pub span: Span,
}

/// What makes a chain a base chain.
#[derive(Clone, Debug)]
pub struct BaseChain {
    /// The hook.
    pub hook: Hook,
    /// The type.
    pub kind: ChainKind,
    /// The priority; lower runs first.
    pub priority: i32,
    /// What happens at its end: accept or drop.
    pub policy: Verdict,
    /// The input says what the policy is; else it is that of a table nobody changed.
    pub told: bool,
    /// Devices of a netdev chain.
    pub devices: Vec<Value>,
    /// When it was registered, compared with other chains and with conntrack: at equal priority the last one runs first.
    pub order: u32,
}

/// A chain.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Its name; anonymous chains (`jump { … }`) have an empty one.
    pub name: Name,
    /// Its table.
    pub table: TableId,
    /// Set for base chains.
    pub base: Option<Box<BaseChain>>,
    /// Its rules in order. What-if edits change this list and nothing else.
    pub rules: RuleList,
    /// Where it is declared in the input.
    pub span: Span,
}
