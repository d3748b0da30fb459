//! Every match and target of iptables 1.8.9: one line each, and what an extension is made of.
//!
//! An extension has a name, options with their arity, and a function that lowers what was given. The plain ones are rows
//! of [`super::fields`]; those with behaviour of their own have a file. Adding one is an item and a line here.

use crate::field::{Field, Value};
use crate::model::{Family, Hook};

use super::args::Given;
use super::cx::{Cx, Lowered};
use super::{fields, matches, targets};

/// Match or target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `-m NAME`.
    Match,
    /// `-j NAME`.
    Target,
}

/// How the argument of a plain option is read.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// A number up to this.
    Number(u64),
    /// A range of numbers up to this.
    Range(u64),
    /// `VALUE[/MASK]`.
    Masked,
    /// `ADDRESS[/MASK]`.
    Network,
    /// `ADDRESS-ADDRESS`.
    AddrRange,
    /// Ports or services: `80`, `1024:`.
    Ports,
    /// A protocol.
    Protocol,
    /// One of these names.
    Name(&'static [(Value, &'static str)]),
    /// A MAC address.
    Mac,
    /// Less than a number up to this.
    Below(u64),
    /// More than a number up to this.
    Above(u64),
}

/// An option of an extension.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Its name, `--dport`.
    pub name: &'static str,
    /// Another name of the same option, or nothing.
    pub alias: &'static str,
    /// How many words belong to it.
    pub args: u8,
    /// `!` may stand in front.
    pub neg: bool,
    /// The extension does not work without it.
    pub must: bool,
    /// It may be given more than once.
    pub many: bool,
    /// For plain options: the field, and how its argument is read.
    pub read: Option<(Field, Read)>,
}

/// An option with one argument.
pub const fn opt(name: &'static str) -> Opt {
    Opt { name, alias: "", args: 1, neg: false, must: false, many: false, read: None }
}

/// An option without argument.
pub const fn flag(name: &'static str) -> Opt {
    Opt { args: 0, ..opt(name) }
}

/// An option with two arguments.
pub const fn pair(name: &'static str) -> Opt {
    Opt { args: 2, ..opt(name) }
}

impl Opt {
    /// The same, and `!` may stand in front.
    #[must_use]
    pub const fn neg(self) -> Self {
        Opt { neg: true, ..self }
    }

    /// The same, and it has to be given.
    #[must_use]
    pub const fn must(self) -> Self {
        Opt { must: true, ..self }
    }

    /// The same, and it may be given more than once.
    #[must_use]
    pub const fn many(self) -> Self {
        Opt { many: true, ..self }
    }

    /// The same with another name.
    #[must_use]
    pub const fn alias(self, alias: &'static str) -> Self {
        Opt { alias, ..self }
    }

    /// The same as a plain test of a field.
    #[must_use]
    pub const fn reads(self, field: Field, read: Read) -> Self {
        Opt { read: Some((field, read)), ..self }
    }

    /// Whether it goes by this name.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || (!self.alias.is_empty() && self.alias == name)
    }
}

/// How well an extension is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its effect is computed.
    Full,
    /// It needs input that is often missing, or a declared default stands in.
    Assumed,
    /// It is kept as text: a fact to ask for.
    Opaque,
}

/// Which IP families an extension is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Both.
    Both,
    /// iptables.
    V4,
    /// ip6tables.
    V6,
}

/// A match or target.
#[derive(Clone, Copy, Debug)]
pub struct Extension {
    /// Its name, `multiport`.
    pub name: &'static str,
    /// Another name of the same extension, or nothing.
    pub alias: &'static str,
    /// Match or target.
    pub kind: Kind,
    /// Its families.
    pub families: For,
    /// Its options.
    pub options: &'static [Opt],
    /// At least one option has to be given.
    pub some: bool,
    /// It needs `-p` with one of these.
    pub protos: &'static [u8],
    /// It is refused in a built-in chain of another hook; empty for any.
    pub hooks: &'static [Hook],
    /// It is refused in other tables; empty for any.
    pub tables: &'static [&'static str],
    /// Turns what was given into ops.
    pub lower: fn(&mut Cx<'_>, &Given<'_, '_>) -> Lowered,
    /// How well it is understood.
    pub status: Status,
    /// What documentation says about it.
    pub note: &'static str,
}

impl Extension {
    /// A match.
    pub const fn of_match(
        name: &'static str,
        options: &'static [Opt],
        lower: fn(&mut Cx<'_>, &Given<'_, '_>) -> Lowered,
    ) -> Self {
        Extension {
            name,
            alias: "",
            kind: Kind::Match,
            families: For::Both,
            options,
            some: false,
            protos: &[],
            hooks: &[],
            tables: &[],
            lower,
            status: Status::Full,
            note: "",
        }
    }

    /// A match whose options are all plain tests of fields; at least one has to be given.
    pub const fn of_fields(name: &'static str, options: &'static [Opt]) -> Self {
        Extension { some: true, ..Self::of_match(name, options, fields::lower) }
    }

    /// A target.
    pub const fn of_target(
        name: &'static str,
        options: &'static [Opt],
        lower: fn(&mut Cx<'_>, &Given<'_, '_>) -> Lowered,
    ) -> Self {
        Extension { kind: Kind::Target, ..Self::of_match(name, options, lower) }
    }

    /// The same for iptables only.
    #[must_use]
    pub const fn v4(self) -> Self {
        Extension { families: For::V4, ..self }
    }

    /// The same for ip6tables only.
    #[must_use]
    pub const fn v6(self) -> Self {
        Extension { families: For::V6, ..self }
    }

    /// The same with another name.
    #[must_use]
    pub const fn alias(self, alias: &'static str) -> Self {
        Extension { alias, ..self }
    }

    /// The same, and at least one option has to be given.
    #[must_use]
    pub const fn some(self) -> Self {
        Extension { some: true, ..self }
    }

    /// The same, and it needs `-p` with one of these.
    #[must_use]
    pub const fn protos(self, protos: &'static [u8]) -> Self {
        Extension { protos, ..self }
    }

    /// The same, and it is refused in a built-in chain of another hook.
    #[must_use]
    pub const fn hooks(self, hooks: &'static [Hook]) -> Self {
        Extension { hooks, ..self }
    }

    /// The same, and it is refused in other tables.
    #[must_use]
    pub const fn tables(self, tables: &'static [&'static str]) -> Self {
        Extension { tables, ..self }
    }

    /// The same with a word for documentation.
    #[must_use]
    pub const fn note(self, status: Status, note: &'static str) -> Self {
        Extension { status, note, ..self }
    }

    /// Whether it is for this family and goes by this name.
    pub fn is(&self, name: &str, family: Family) -> bool {
        let family = match self.families {
            For::Both => true,
            For::V4 => family != Family::Ip6,
            For::V6 => family == Family::Ip6,
        };
        family && (self.name == name || (!self.alias.is_empty() && self.alias == name))
    }
}

/// All matches.
pub const MATCHES: &[&Extension] = &[
    &matches::addrtype::MATCH,
    &matches::bytes::BPF,
    &matches::bytes::STRING,
    &matches::bytes::U32,
    &matches::connection::CLUSTER,
    &matches::connection::CONNBYTES,
    &matches::connection::CONNLABEL,
    &matches::connection::CONNLIMIT,
    &matches::connection::HELPER,
    &matches::conntrack::CONNTRACK,
    &matches::conntrack::STATE,
    &matches::ecn::MATCH,
    &matches::headers::AH4,
    &matches::headers::AH6,
    &matches::headers::DST,
    &matches::headers::ESP,
    &matches::headers::EUI64,
    &matches::headers::FRAG,
    &matches::headers::HBH,
    &matches::headers::IPCOMP,
    &matches::headers::IPV6HEADER,
    &matches::headers::MH,
    &matches::headers::RT,
    &matches::headers::SRH,
    &matches::host::CGROUP,
    &matches::host::IPVS,
    &matches::host::NFACCT,
    &matches::host::OSF,
    &matches::host::POLICY,
    &matches::host::QUOTA,
    &matches::host::RATEEST,
    &matches::host::RECENT,
    &matches::host::RPFILTER,
    &matches::host::SOCKET,
    &matches::host::TIME,
    &matches::icmp::ICMP,
    &matches::icmp::ICMP6,
    &matches::limit::HASHLIMIT,
    &matches::limit::LIMIT,
    &matches::multiport::MATCH,
    &matches::owner::MATCH,
    &matches::physdev::MATCH,
    &matches::ports::DCCP,
    &matches::ports::SCTP,
    &matches::ports::TCP,
    &matches::ports::UDP,
    &matches::set::MATCH,
    &matches::statistic::MATCH,
    &fields::COMMENT,
    &fields::CONNMARK,
    &fields::CPU,
    &fields::DEVGROUP,
    &fields::DSCP,
    &fields::HL,
    &fields::IPRANGE,
    &fields::LENGTH,
    &fields::MAC,
    &fields::MARK,
    &fields::PKTTYPE,
    &fields::REALM,
    &fields::TCPMSS,
    &fields::TOS,
    &fields::TTL,
];

/// All targets.
pub const TARGETS: &[&Extension] = &[
    &targets::ct::CT,
    &targets::ct::NOTRACK,
    &targets::log::LOG,
    &targets::log::NFLOG,
    &targets::log::CHECKSUM,
    &targets::mark::CONNMARK,
    &targets::mark::MARK,
    &targets::nat::DNAT,
    &targets::nat::MASQUERADE,
    &targets::nat::NETMAP,
    &targets::nat::REDIRECT,
    &targets::nat::SNAT,
    &targets::header::CLASSIFY,
    &targets::header::DSCP,
    &targets::header::ECN,
    &targets::header::HL,
    &targets::header::TCPMSS,
    &targets::header::TOS,
    &targets::header::TRACE,
    &targets::header::TTL,
    &targets::other::NFQUEUE,
    &targets::other::REJECT4,
    &targets::other::REJECT6,
    &targets::other::SET,
    &targets::other::TEE,
    &targets::other::TPROXY,
    &targets::rare::AUDIT,
    &targets::rare::CLUSTERIP,
    &targets::rare::CONNSECMARK,
    &targets::rare::DNPT,
    &targets::hmark::HMARK,
    &targets::rare::IDLETIMER,
    &targets::rare::LED,
    &targets::rare::MIRROR,
    &targets::rare::RATEEST,
    &targets::rare::SECMARK,
    &targets::rare::SNPT,
    &targets::rare::SYNPROXY,
    &targets::rare::TCPOPTSTRIP,
    &targets::rare::ULOG,
];

/// The match of that name.
pub fn find_match(name: &str, family: Family) -> Option<&'static Extension> {
    MATCHES.iter().copied().find(|e| e.is(name, family))
}

/// The target of that name.
pub fn find_target(name: &str, family: Family) -> Option<&'static Extension> {
    TARGETS.iter().copied().find(|e| e.is(name, family))
}

/// A row of the table of extensions in the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name.
    pub name: &'static str,
    /// Match or target.
    pub kind: Kind,
    /// Families.
    pub families: For,
    /// Names of its options.
    pub options: Vec<&'static str>,
    /// How well it is understood.
    pub status: Status,
    /// A word about it.
    pub note: &'static str,
}

/// The table of all extensions, for documentation.
pub fn table() -> Vec<Row> {
    let all = MATCHES.iter().chain(TARGETS);
    all.map(|e| Row {
        name: e.name,
        kind: e.kind,
        families: e.families,
        options: e.options.iter().map(|o| o.name).collect(),
        status: e.status,
        note: e.note,
    })
    .collect()
}
