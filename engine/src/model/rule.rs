//! Rules as short programs: a run of [`Op`]s, each of which ends as next, miss, a verdict or stolen.

use nettrace_grammar::Span;

use crate::field::Field;

use super::{Base, ChainId, ExprId, LookupId, ObjectKind, SetId, Span32, Test, TextId};
use nettrace_grammar::Name;

/// A rule in [`super::Model::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// An effect in [`super::Model::effects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EffectId(pub u32);

/// What a rule, a policy or a map's element decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Ends this base chain; later ones of the hook still run.
    Accept,
    /// Final.
    Drop,
    /// Go on in a chain and come back.
    Jump(ChainId),
    /// Go on in a chain and come back to where the last jump came from.
    Goto(ChainId),
    /// Back to the caller; in a base chain to its policy.
    Return,
    /// On to the next rule.
    Continue,
    /// The rule took the packet away (`fwd`, `synproxy`): how the kernel's trace calls it, never what a rule says.
    Stolen,
    /// To a program in user space.
    Queue {
        /// First queue number.
        num: u16,
        /// Accepted when nobody listens (`--queue-bypass`).
        bypass: bool,
    },
}

/// A header that a match needs before it compares (lowering.md "Need").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// 20 bytes of TCP.
    Tcp,
    /// The same for a match that takes a later fragment's payload for one.
    TcpAnywhere,
    /// The same for one that fails without the header.
    TcpOrFail,
    /// 8 bytes of UDP or UDP-Lite.
    Udp,
    /// 12 bytes of SCTP.
    Sctp,
    /// 12 bytes of DCCP.
    Dccp,
    /// 8 bytes of ICMP or ICMPv6.
    Icmp,
    /// 4 bytes of ports.
    Ports,
    /// Ports as part of a key, of those protocols that have some.
    KeyPorts,
    /// What conntrack needs to tell a connection: a later fragment has it not.
    Tuple,
    /// 8 bytes of ESP.
    Esp,
    /// 12 bytes of AH.
    Ah,
    /// 4 bytes of IPComp.
    Comp,
    /// 6 bytes of mobility header.
    Mh,
}

/// One step of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The rule ends here, not matching, when the test fails.
    Test(Test),
    /// A non-first fragment misses; a packet too short for the header is dropped on the spot, without an event.
    Need(Header),
    /// Writes a field.
    Set {
        /// The field.
        field: Field,
        /// Its new value.
        expr: ExprId,
        /// What happens when the value or the place to write is absent: the rule misses (nft), or nothing happens (xt).
        miss: bool,
    },
    /// Something else that happens.
    Effect(EffectId),
    /// Decides.
    Verdict(Verdict),
    /// Decides by a map's element; without one the rule misses.
    VerdictMap(LookupId),
    /// A target or statement that is only understood as text: an unknown fact (continue, accept or drop).
    Opaque(TextId),
}

/// NAT targets and statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// New destination.
    Dnat,
    /// New source.
    Snat,
    /// New source: an address of the outgoing device.
    Masquerade,
    /// New destination: this host.
    Redirect,
    /// New network part of the source or destination, by hook.
    Netmap,
}

/// A NAT mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Which.
    pub kind: NatKind,
    /// Lowest and highest new address; none keeps it (or is chosen, for masquerade and redirect).
    pub addr: Option<(ExprId, ExprId)>,
    /// Lowest and highest new port.
    pub port: Option<(ExprId, ExprId)>,
    /// Base of a shifted port range (`--to-destination a:1000-2000/80`).
    pub port_base: Option<u16>,
    /// The addresses are the ends of a prefix whose host part is kept (nft `prefix to`, NETMAP).
    pub prefix: bool,
    /// `random`: a port by a hash.
    pub random: bool,
    /// `fully-random`.
    pub fully_random: bool,
    /// `persistent`: the same address for all connections of a source.
    pub persistent: bool,
    /// Only for packets of this family (2 or 10) in an `inet` table; 0 for any.
    pub family: u8,
}

/// How `REJECT` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectWith {
    /// ICMP (IPv4) type 3 with this code.
    Icmp(u8),
    /// ICMPv6 type 1 with this code.
    Icmp6(u8),
    /// nft `icmpx`: 0 no-route, 1 port-unreachable, 2 host-unreachable, 3 admin-prohibited.
    Icmpx(u8),
    /// A TCP reset.
    TcpReset,
}

/// An update of a set from the packet path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUpdate {
    /// The set.
    pub set: SetId,
    /// What is done.
    pub op: UpdateOp,
    /// The key: as in a lookup.
    pub key: super::LookupKey,
    /// Data for a map.
    pub data: Vec<ExprId>,
    /// Timeout in milliseconds, if given.
    pub timeout: Option<u64>,
    /// Statements that run for the element (limit, quota, connlimit, counter): the rule misses when one says so.
    pub stateful: Vec<Stateful>,
    /// A full set or a failing statement makes the rule miss (nft) instead of doing nothing (xt).
    pub miss: bool,
}

/// What a set update does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOp {
    /// Adds a key that is not there.
    Add,
    /// Adds or refreshes.
    Update,
    /// Removes.
    Delete,
}

/// A rate in units per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Packets, or bytes.
    pub amount: u64,
    /// Per how many milliseconds.
    pub per_ms: u64,
    /// Size of the bucket.
    pub burst: u64,
    /// Bytes instead of packets.
    pub bytes: bool,
}

/// What `-m recent` does with its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecentOp {
    /// Adds the address, always holds.
    Set,
    /// Holds when it is listed.
    Check,
    /// Holds when it is listed, and refreshes it.
    Update,
    /// Holds when it was listed, and removes it.
    Remove,
}

/// A test that reads and changes state of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stateful {
    /// What it keeps.
    pub kind: StatefulKind,
    /// The result is inverted (`over`, `above`, `!`).
    pub invert: bool,
    /// Named objects and lists share state by this name; otherwise each place has its own.
    pub shared: Option<Name>,
}

/// The kinds of rule state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatefulKind {
    /// A token bucket.
    Limit(Rate),
    /// A token bucket for each key.
    HashLimit {
        /// The rate.
        rate: Rate,
        /// The key.
        key: Vec<ExprId>,
    },
    /// Bytes left.
    Quota {
        /// Whole quota in bytes.
        bytes: u64,
        /// Used up already, from the dump.
        used: u64,
    },
    /// `-m statistic --mode nth`: holds on evaluation `packet` of every `every`.
    Nth {
        /// Period.
        every: u32,
        /// Which of them, from 0.
        packet: u32,
    },
    /// `-m recent`.
    Recent {
        /// What it does.
        op: RecentOp,
        /// The key (masked address).
        key: ExprId,
        /// `--seconds`.
        seconds: Option<u32>,
        /// `--hitcount`.
        hitcount: Option<u32>,
        /// `--rttl`.
        rttl: bool,
    },
    /// Connections for each key (`connlimit`, `ct count`): holds while there are at most `count`.
    Connlimit {
        /// The limit.
        count: u32,
        /// The key; empty for nft's plain `ct count`.
        key: Vec<ExprId>,
    },
    /// An nfacct object without a quota, a counter: always holds.
    Count,
}

/// Attaches a conntrack template (`-j CT`, nft `ct zone set` and friends).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CtAttach {
    /// It makes a template where there is no connection yet; what nft sets but for zones needs one.
    pub template: bool,
    /// Zone number, if given.
    pub zone: Option<ZoneFrom>,
    /// Helper name.
    pub helper: Option<Name>,
    /// Timeout policy name.
    pub timeout: Option<Name>,
    /// Event mask as written.
    pub events: Option<Name>,
}

/// Where a zone's number comes from, and for which direction it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneFrom {
    /// The number.
    pub zone: ExprId,
    /// Original direction.
    pub orig: bool,
    /// Reply direction.
    pub reply: bool,
}

/// Ops that are neither tests nor writes nor verdicts.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Address translation; ends as accept.
    Nat(Nat),
    /// The packet is not tracked.
    Notrack,
    /// A conntrack template.
    CtAttach(CtAttach),
    /// LOG, NFLOG, AUDIT, CHECKSUM, …: a note, no effect on the walk.
    Log {
        /// What kind, as its target is called: `LOG`, `NFLOG`, `CHECKSUM`.
        kind: Name,
        /// Its prefix, if it has one.
        prefix: Option<Name>,
    },
    /// Drops and answers.
    Reject(RejectWith),
    /// Changes a set.
    SetUpdate(Box<SetUpdate>),
    /// `SET --map-set`: writes a field from an ipset element's extension, when there is one.
    SetMap {
        /// The lookup.
        lookup: LookupId,
        /// `--map-mark`.
        mark: bool,
        /// `--map-prio`.
        prio: bool,
        /// `--map-queue`.
        queue: bool,
    },
    /// Transparent proxy.
    Tproxy {
        /// Listener's address, else the incoming device's.
        addr: Option<ExprId>,
        /// Listener's port, else the packet's.
        port: Option<ExprId>,
        /// xt: mark mask and value written, and a verdict (accept, or drop without a socket). nft: none of it.
        mark: Option<(u32, u32)>,
        /// Without a socket the packet is dropped (xt) instead of the rule missing (nft).
        drops: bool,
    },
    /// SYN proxy.
    Synproxy {
        /// Every SYN and every other ACK is its business (`nft_synproxy.c`), not just those without FIN and RST (`ipt_SYNPROXY.c`).
        loose: bool,
    },
    /// A copy is sent elsewhere.
    Dup {
        /// Gateway or address.
        to: Option<ExprId>,
        /// Device.
        device: Option<ExprId>,
    },
    /// The packet is handed to a device; the walk ends, nothing is dropped.
    Fwd {
        /// Device.
        device: ExprId,
    },
    /// Later packets of the connection go by the flowtable.
    Offload {
        /// Name of the flowtable.
        table: Name,
    },
    /// TCP options are removed.
    Strip(Vec<u8>),
    /// Writes bits of a header.
    Patch {
        /// The header.
        base: Base,
        /// The first bit.
        offset: u32,
        /// How many.
        bits: u32,
        /// What is written.
        value: ExprId,
    },
    /// State that decides.
    Stateful(Box<Stateful>),
    /// A named object chosen by a map; without an element the rule misses.
    ObjectMap(ObjectKind, LookupId),
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Its ops in [`super::Model::ops`].
    pub ops: Span32,
    /// How many of the ops belong to matches: a legacy table logs the rule behind them, before its target runs.
    pub matches: u16,
    /// The rule's text in the input.
    pub span: Span,
    /// The chain that it was written for.
    pub chain: ChainId,
    /// Its comment, if it has one.
    pub comment: Option<Name>,
    /// nft handle, 0 for none.
    pub handle: u32,
    /// Has no condition at all, not even a comment match, and a standard verdict: legacy logs it as `policy` or
    /// `return` (semantics.md 10.1).
    pub unconditional: bool,
}
