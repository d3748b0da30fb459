//! The vocabulary: which words begin a statement, which pairs are a selector (`tcp dport`), which go on (`tcp option maxseg size`).
//!
//! Only the shape of the language is here; what `tcp dport` reads is the engine's knowledge.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::tree::{BinOp, Rel, To};
use crate::names::{Name, Names};

/// What a word is where a statement may begin or go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A value.
    Plain,
    /// `accept`, …
    Verdict,
    /// `jump`, `goto`
    Jump,
    /// A statement that is its keyword and words.
    Keyword,
    /// `timeout`, `expires`: a keyword between braces only.
    ElementKeyword,
    /// `to`, or after its keyword `num` and `name`
    To(To),
    /// `mod`, `seed`, `offset`
    HashOption,
    /// `jhash`
    Jhash,
    /// `eq`, …
    Rel(Rel),
    /// `and`, …
    Bin(BinOp),
    /// `map`
    Map,
    /// `vmap`
    Vmap,
    /// `set`
    Set,
    /// `meter`
    Meter,
    /// A selector of one word.
    Selector,
}

/// How a selector goes on after its second word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Not at all; the name is both words.
    Done(Name),
    /// The pair is a statement's keyword: `flow add`, `ct count`.
    Keyword(Name),
    /// `tcp option NAME [FIELD]`, `sctp chunk NAME [FIELD]`
    Option,
    /// `ct original [ip] FIELD`
    Direction,
    /// `rt ip nexthop`, `arp saddr ip`
    Word,
    /// `ipsec in [spnum N] [ip] FIELD`
    Ipsec,
    /// `socket cgroupv2 level N`
    Level,
    /// `osf ttl loose name`
    Osf,
    /// `fib saddr . iif type`
    Fib,
    /// `numgen inc mod N [offset N]`
    Numgen,
    /// `symhash mod N [offset N]`
    Symhash,
    /// `vxlan ip saddr`: the pair of the second and third word is a selector.
    Inner,
}

const CLASSES: &[(Class, &[&str])] = &[
    (Class::Verdict, &["accept", "drop", "continue", "return"]),
    (Class::Jump, &["jump", "goto"]),
    (
        Class::Keyword,
        &[
            "counter",
            "limit",
            "quota",
            "last",
            "log",
            "reject",
            "notrack",
            "snat",
            "dnat",
            "masquerade",
            "redirect",
            "tproxy",
            "dup",
            "fwd",
            "queue",
            "synproxy",
            "comment",
            "tunnel",
        ],
    ),
    (Class::ElementKeyword, &["timeout", "expires"]),
    (Class::To(To::To), &["to"]),
    (Class::To(To::Num), &["num"]),
    (Class::To(To::Name), &["name"]),
    (Class::HashOption, &["mod", "seed", "offset"]),
    (Class::Jhash, &["jhash"]),
    (Class::Rel(Rel::Eq), &["eq"]),
    (Class::Rel(Rel::Ne), &["ne"]),
    (Class::Rel(Rel::Not), &["not"]),
    (Class::Rel(Rel::LtWord), &["lt"]),
    (Class::Rel(Rel::GtWord), &["gt"]),
    (Class::Rel(Rel::Le), &["le"]),
    (Class::Rel(Rel::Ge), &["ge"]),
    (Class::Bin(BinOp::And), &["and"]),
    (Class::Bin(BinOp::Or), &["or"]),
    (Class::Bin(BinOp::Xor), &["xor"]),
    (Class::Bin(BinOp::Shl), &["lshift"]),
    (Class::Bin(BinOp::Shr), &["rshift"]),
    (Class::Map, &["map"]),
    (Class::Vmap, &["vmap"]),
    (Class::Set, &["set"]),
    (Class::Meter, &["meter"]),
    (Class::Selector, BARE),
];

/// Keys of `meta` that stand alone too.
const BARE: &[&str] = &[
    "mark",
    "iif",
    "iifname",
    "iiftype",
    "oif",
    "oifname",
    "oiftype",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "ibriport",
    "obriport",
    "ibridgename",
    "obridgename",
    "ibrname",
    "obrname",
    "pkttype",
    "cpu",
    "iifgroup",
    "oifgroup",
    "cgroup",
    "day",
    "hour",
    "time",
    "iifkind",
    "oifkind",
];

/// The other keys of `meta`.
const META: &[&str] = &[
    "length",
    "protocol",
    "nfproto",
    "l4proto",
    "priority",
    "random",
    "secmark",
    "ipsec",
    "secpath",
    "ibrpvid",
    "ibrvproto",
    "ibrhwaddr",
    "sdif",
    "sdifname",
    "broute",
];

const CT: &[&str] = &[
    "state",
    "direction",
    "status",
    "mark",
    "expiration",
    "helper",
    "timeout",
    "expectation",
    "label",
    "zone",
    "id",
    "bytes",
    "packets",
    "avgpkt",
    "event",
    "l3proto",
    "protocol",
    "secmark",
    "src",
    "dst",
    "saddr",
    "daddr",
    "proto-src",
    "proto-dst",
];

/// Selectors of two words: the first, and what may follow it.
const PAIRS: &[(&str, &[&str])] = &[
    ("meta", META),
    ("meta", BARE),
    ("ct", CT),
    ("ether", &["daddr", "saddr", "type"]),
    ("vlan", &["id", "dei", "cfi", "pcp", "type"]),
    ("arp", &["htype", "ptype", "hlen", "plen", "operation"]),
    (
        "ip",
        &[
            "version",
            "hdrlength",
            "dscp",
            "ecn",
            "length",
            "id",
            "frag-off",
            "ttl",
            "protocol",
            "checksum",
            "saddr",
            "daddr",
            "tos",
        ],
    ),
    ("ip6", &["version", "dscp", "ecn", "flowlabel", "length", "nexthdr", "hoplimit", "saddr", "daddr", "priority"]),
    ("icmp", &["type", "code", "checksum", "id", "sequence", "gateway", "mtu"]),
    ("igmp", &["type", "mrt", "checksum", "group"]),
    (
        "icmpv6",
        &[
            "type",
            "code",
            "checksum",
            "parameter-problem",
            "packet-too-big",
            "mtu",
            "id",
            "sequence",
            "max-delay",
            "taddr",
            "daddr",
            "ppd",
        ],
    ),
    ("tcp", &["sport", "dport", "sequence", "ackseq", "doff", "reserved", "flags", "window", "checksum", "urgptr"]),
    ("udp", &["sport", "dport", "length", "checksum"]),
    ("udplite", &["sport", "dport", "csumcov", "checksum"]),
    ("sctp", &["sport", "dport", "vtag", "checksum"]),
    ("dccp", &["sport", "dport", "type"]),
    ("ah", &["nexthdr", "hdrlength", "reserved", "spi", "sequence"]),
    ("esp", &["spi", "sequence"]),
    ("comp", &["nexthdr", "flags", "cpi"]),
    ("th", &["sport", "dport"]),
    ("hbh", &["nexthdr", "hdrlength"]),
    ("rt", &["nexthdr", "hdrlength", "type", "seg-left", "classid", "nexthop", "mtu", "ipsec"]),
    ("rt0", &["addr"]),
    ("rt2", &["addr"]),
    ("srh", &["last-entry", "flags", "tag", "sid", "seg-left"]),
    ("frag", &["nexthdr", "reserved", "frag-off", "more-fragments", "id", "reserved2"]),
    ("dst", &["nexthdr", "hdrlength"]),
    ("mh", &["nexthdr", "hdrlength", "type", "reserved", "checksum"]),
    ("exthdr", &["hbh", "rt", "frag", "dst", "mh", "srh", "rt0", "rt2", "rt4"]),
    ("gre", &["flags", "version", "protocol"]),
    ("vxlan", &["flags", "vni"]),
    ("geneve", &["vni", "type"]),
    ("socket", &["transparent", "mark", "wildcard"]),
    ("osf", &["name", "version"]),
    ("tunnel", &["path", "id"]),
];

/// Pairs that go on.
const LONGER: &[(&str, &[&str], Tail)] = &[
    ("tcp", &["option"], Tail::Option),
    ("ip", &["option"], Tail::Option),
    ("sctp", &["chunk"], Tail::Option),
    ("dccp", &["option"], Tail::Option),
    ("ct", &["original", "reply"], Tail::Direction),
    ("rt", &["ip", "ip6"], Tail::Word),
    ("arp", &["saddr", "daddr"], Tail::Word),
    ("ipsec", &["in", "out"], Tail::Ipsec),
    ("socket", &["cgroupv2"], Tail::Level),
    ("osf", &["ttl"], Tail::Osf),
    ("fib", &["saddr", "daddr", "mark", "iif", "oif"], Tail::Fib),
    ("numgen", &["inc", "random"], Tail::Numgen),
    ("symhash", &["mod"], Tail::Symhash),
    ("vxlan", INNER, Tail::Inner),
    ("geneve", INNER, Tail::Inner),
    ("gre", INNER, Tail::Inner),
    ("gretap", INNER, Tail::Inner),
];

const INNER: &[&str] = &["ether", "vlan", "ip", "ip6", "icmp", "icmpv6", "tcp", "udp", "th", "arp"];

/// Pairs that are a statement's keyword.
const KEYWORDS: &[(&str, &[&str])] =
    &[("flow", &["add", "offload"]), ("ct", &["count"]), ("xt", &["match", "target", "watcher"])];

/// Fields of a TCP or IP option and of an SCTP chunk.
const OPTION_FIELDS: &[&str] = &[
    "kind",
    "length",
    "count",
    "size",
    "left",
    "right",
    "left1",
    "right1",
    "left2",
    "right2",
    "left3",
    "right3",
    "tsval",
    "tsecr",
    "subtype",
    "type",
    "ptr",
    "value",
    "addr",
    "flags",
    "tsn",
    "stream",
    "ssn",
    "ppid",
    "init-tag",
    "a-rwnd",
    "num-outbound-streams",
    "num-inbound-streams",
    "initial-tsn",
    "cum-tsn-ack",
    "num-gap-ack-blocks",
    "num-dup-tsns",
    "lowest-tsn",
    "seqno",
    "new-cum-tsn",
    "ack-tsn",
    "vtag",
];

/// The vocabulary, made once.
pub(super) struct Vocabulary {
    /// Names of all its words; a parse starts from a copy.
    pub(super) names: Names,
    /// The name of `comment`.
    pub(super) comment: Name,
    /// The name of `counter`.
    pub(super) counter: Name,
    /// The name of the empty text.
    pub(super) empty: Name,
    classes: Vec<Class>,
    bases: Vec<bool>,
    tails: FxHashMap<(Name, Name), Tail>,
}

/// The one vocabulary.
pub(super) static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::new);

impl Vocabulary {
    fn new() -> Self {
        let mut v = Vocabulary {
            names: Names::default(),
            comment: Name(0),
            counter: Name(0),
            empty: Name(0),
            classes: Vec::new(),
            bases: Vec::new(),
            tails: FxHashMap::default(),
        };
        for (class, words) in CLASSES {
            for word in *words {
                v.names.intern(word);
                v.classes.push(*class);
            }
        }
        for (base, words) in PAIRS {
            v.pairs(base, words, Tail::Done);
        }
        for (base, words) in KEYWORDS {
            v.pairs(base, words, Tail::Keyword);
        }
        for (base, words, tail) in LONGER {
            v.pairs(base, words, |_| *tail);
        }
        v.comment = v.names.intern("comment");
        v.counter = v.names.intern("counter");
        v.empty = v.names.intern("");
        v
    }

    fn pairs(&mut self, base: &str, words: &[&str], tail: impl Fn(Name) -> Tail) {
        let first = self.names.intern(base);
        for word in words {
            let key = (first, self.names.intern(word));
            let both = self.names.intern(&format!("{base} {word}"));
            self.tails.insert(key, tail(both));
        }
        self.bases.resize(self.names.len(), false);
        if let Some(flag) = self.bases.get_mut(first.0 as usize) {
            *flag = true;
        }
    }

    /// What a word is.
    pub(super) fn class(&self, word: Name) -> Class {
        self.classes.get(word.0 as usize).copied().unwrap_or(Class::Plain)
    }

    /// Whether a word is the first of some pair.
    pub(super) fn is_base(&self, word: Name) -> bool {
        self.bases.get(word.0 as usize).copied().unwrap_or(false)
    }

    /// What the pair is.
    pub(super) fn tail(&self, first: Name, second: Name) -> Option<Tail> {
        self.tails.get(&(first, second)).copied()
    }
}

/// Whether a word is a field of an option or chunk.
pub(super) fn is_option_field(word: &str) -> bool {
    OPTION_FIELDS.contains(&word)
}

/// Whether a word is an address family.
pub(super) fn is_family(word: &str) -> bool {
    matches!(word, "ip" | "ip6" | "inet" | "arp" | "bridge" | "netdev")
}

/// Whether a word begins a command of its own: `add`, `flush`, …
pub(super) fn is_verb(word: &str) -> bool {
    matches!(
        word,
        "add" | "create" | "insert" | "replace" | "delete" | "destroy" | "flush" | "list" | "rename" | "reset" | "get"
    )
}
