//! Selectors with arguments: `fib daddr . iif type`, `numgen inc mod 3`, `tcp option maxseg size`, `@th,16,16`, `jhash …`.
//!
//! Each head has one line in [`SPECIAL`]. The name of an `osf` fingerprint and an IPsec policy's request id are fields that no
//! dump tells, and asked for. Left out: selectors that are asked for with their whole condition ([`super::asked`]).

use nettrace_grammar::nft::tree::{Expr as Written, Run};

use super::cx::Cx;
use super::expr::{Operand, Shape};
use super::kind::{Kind, number};
use crate::field::Field;
use crate::model::*;

/// A selector's first word and how it is read.
pub(super) struct Special {
    /// The first word.
    pub(super) head: &'static str,
    /// What may follow.
    pub(super) form: &'static str,
    read: fn(&mut Cx, &[&str]) -> Option<Operand>,
}

/// All of them.
pub(super) const SPECIAL: &[Special] = &[
    Special { head: "fib", form: "ADDR [. mark] [. iif] [. oif] type|oif|oifname", read: fib },
    Special { head: "numgen", form: "inc|random mod N [offset N]", read: numgen },
    Special { head: "symhash", form: "mod N [offset N]", read: symhash },
    Special { head: "tcp", form: "option NAME [FIELD]", read: tcp_option },
    Special { head: "ip", form: "option NAME [FIELD]", read: ip_option },
    Special { head: "sctp", form: "chunk NAME [FIELD]", read: sctp_chunk },
    Special { head: "osf", form: "[ttl loose|skip] name", read: osf },
    Special { head: "ipsec", form: "in|out [spnum 0] reqid|spi", read: ipsec },
    Special { head: "exthdr", form: "NAME", read: ext_header_exists },
    Special { head: "hbh", form: "FIELD", read: ext_header },
    Special { head: "rt", form: "FIELD", read: ext_header },
    Special { head: "frag", form: "FIELD", read: ext_header },
    Special { head: "dst", form: "FIELD", read: ext_header },
    Special { head: "mh", form: "FIELD", read: ext_header },
    Special { head: "srh", form: "FIELD | sid[N]", read: ext_header },
    Special { head: "rt0", form: "addr[N]", read: ext_header },
    Special { head: "meta", form: "random", read: random },
];

impl Cx<'_> {
    /// A selector that has no row.
    pub(super) fn special(&mut self, text: &str) -> Option<Operand> {
        if let Some(raw) = text.strip_prefix('@') {
            return self.raw(raw);
        }
        let words: Vec<&str> = text.split(' ').collect();
        let entry = SPECIAL.iter().find(|s| Some(&s.head) == words.first())?;
        (entry.read)(self, &words)
    }

    fn operand_of(&mut self, expr: Expr, kind: Kind, bits: u32) -> Operand {
        Operand { shape: Shape::Expr(self.model.push_expr(expr)), kind, bits }
    }

    /// `@th,16,16`.
    fn raw(&mut self, text: &str) -> Option<Operand> {
        let mut parts = text.split(',');
        let base = match parts.next()? {
            "ll" => Base::Link,
            "nh" => Base::Network,
            "th" => Base::Transport,
            "ih" => Base::Inner,
            _ => return None,
        };
        let (offset, bits): (u32, u32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let fits = (1..=128).contains(&bits) && offset <= 1 << 20;
        // What stands there the text does not tell: a listing shows addresses among the numbers.
        let kind = match bits {
            128 => Kind::Ip6,
            33.. => Kind::Wide,
            _ => Kind::Int,
        };
        fits.then(|| self.operand_of(Expr::Bytes { base, offset, bits }, kind, bits))
    }

    /// `jhash KEY mod N [seed N] [offset N]`.
    pub(super) fn jhash(&mut self, run: Run) -> Option<Operand> {
        let [key, options @ ..] = run.of(&self.tree.lists) else { return None };
        let parts = self.operands(*key)?;
        let exprs: Vec<ExprId> = parts.iter().map(|p| self.expr(p.shape)).collect();
        let of = if let [one] = exprs[..] { one } else { self.model.concat_expr(&exprs) };
        let (mut modulus, mut seed, mut offset) = (1, None, 0);
        for pair in options.chunks_exact(2) {
            let n = u32::try_from(self.constant(Kind::Int, pair[1])?).ok()?;
            match self.tree.word(pair[0])? {
                "mod" => modulus = n.max(1),
                "seed" => seed = Some(n),
                "offset" => offset = n,
                _ => return None,
            }
        }
        Some(self.operand_of(Expr::Hash { kind: HashKind::Jhash, of, seed, modulus, offset }, Kind::Int, 32))
    }

    /// Whether a written value asks for existence.
    pub(super) fn asks_existence(&self, id: nettrace_grammar::nft::tree::ExprId) -> Option<bool> {
        match self.tree.expr(id) {
            Written::Word(n) | Written::Str(n) => match self.text(n) {
                "exists" => Some(true),
                "missing" => Some(false),
                _ => None,
            },
            Written::Num(n @ (0 | 1)) => Some(n == 1),
            _ => None,
        }
    }
}

fn fib(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let (result, flags) = words[1..].split_last()?;
    let has = |flag: &str| flags.contains(&flag);
    let side = match (has("saddr"), has("daddr")) {
        (true, false) => Side::Src,
        (false, true) => Side::Dst,
        _ => return None,
    };
    let (result, kind, bits) = match *result {
        "type" => (FibResult::Type, Kind::FibType, 32),
        "oif" => (FibResult::Oif, Kind::Ifindex, 32),
        "oifname" => (FibResult::OifName, Kind::Ifname, 128),
        "check" => (FibResult::Present, Kind::Bool, 1),
        _ => return None,
    };
    let fib = Fib { side, mark: has("mark"), iif: has("iif"), oif: has("oif"), result };
    Some(cx.operand_of(Expr::Fib(fib), kind, bits))
}

/// The number behind a word.
fn option(words: &[&str], name: &str) -> Option<u32> {
    let at = words.iter().position(|w| *w == name)?;
    u32::try_from(number(words.get(at + 1)?)?).ok()
}

fn numgen(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let modulus = option(words, "mod")?.max(1);
    let offset = option(words, "offset").unwrap_or(0);
    let random = words.get(1) == Some(&"random");
    Some(cx.operand_of(Expr::Numgen { random, modulus, offset }, Kind::Int, 32))
}

/// `meta random` where it is not compared with numbers, which is a chance with its odds ([`Cx::random_chance`]).
fn random(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    (words == ["meta", "random"]).then_some(())?;
    Some(cx.operand_of(Expr::Numgen { random: true, modulus: u32::MAX, offset: 0 }, Kind::Int, 32))
}

fn symhash(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let modulus = option(words, "mod")?.max(1);
    let offset = option(words, "offset").unwrap_or(0);
    let parts = [Field::Saddr, Field::Daddr].map(|f| cx.model.field_expr(f));
    let of = cx.model.concat_expr(&parts);
    Some(cx.operand_of(Expr::Hash { kind: HashKind::Symhash, of, seed: None, modulus, offset }, Kind::Int, 32))
}

/// Name, number and fields (name, offset, bits) of an option, header or chunk.
type Layout = (&'static str, u8, &'static [(&'static str, u16, u16)]);

const TCP_OPTIONS: &[Layout] = &[
    ("eol", 0, &[]),
    ("nop", 1, &[]),
    ("maxseg", 2, &[("size", 16, 16)]),
    ("mss", 2, &[("size", 16, 16)]),
    ("window", 3, &[("count", 16, 8)]),
    ("sack-perm", 4, &[]),
    ("sack-permitted", 4, &[]),
    ("sack", 5, SACK),
    ("sack0", 5, SACK),
    ("sack1", 5, &[("left", 80, 32), ("right", 112, 32)]),
    ("sack2", 5, &[("left", 144, 32), ("right", 176, 32)]),
    ("sack3", 5, &[("left", 208, 32), ("right", 240, 32)]),
    ("timestamp", 8, &[("tsval", 16, 32), ("tsecr", 48, 32)]),
    ("md5sig", 19, &[]),
    ("mptcp", 30, &[("subtype", 16, 4)]),
    ("fastopen", 34, &[]),
];
const SACK: &[(&str, u16, u16)] = &[("left", 16, 32), ("right", 48, 32)];

const IP_OPTIONS: &[Layout] = &[
    ("rr", 7, &[("ptr", 16, 8), ("addr", 24, 32)]),
    ("lsrr", 131, &[("ptr", 16, 8), ("addr", 24, 32)]),
    ("ssrr", 137, &[("ptr", 16, 8), ("addr", 24, 32)]),
    ("ra", 148, &[("value", 16, 16)]),
];

const EXT_HEADERS: &[Layout] = &[
    ("hbh", 0, &[]),
    ("rt", 43, &[("type", 16, 8), ("seg-left", 24, 8)]),
    ("rt0", 43, &[]),
    ("rt2", 43, &[]),
    ("rt4", 43, &[]),
    ("srh", 43, &[("seg-left", 24, 8), ("last-entry", 32, 8), ("flags", 40, 8), ("tag", 48, 16)]),
    (
        "frag",
        44,
        &[("reserved", 8, 8), ("frag-off", 16, 13), ("reserved2", 29, 2), ("more-fragments", 31, 1), ("id", 32, 32)],
    ),
    ("dst", 60, &[]),
    ("mh", 135, &[("type", 16, 8), ("reserved", 24, 8), ("checksum", 32, 16)]),
];

const CHUNKS: &[Layout] = &[
    ("data", 0, &[("tsn", 32, 32), ("stream", 64, 16), ("ssn", 80, 16), ("ppid", 96, 32)]),
    ("init", 1, INIT),
    ("init-ack", 2, INIT),
    (
        "sack",
        3,
        &[("cum-tsn-ack", 32, 32), ("a-rwnd", 64, 32), ("num-gap-ack-blocks", 96, 16), ("num-dup-tsns", 112, 16)],
    ),
    ("heartbeat", 4, &[]),
    ("heartbeat-ack", 5, &[]),
    ("abort", 6, &[]),
    ("shutdown", 7, &[("cum-tsn-ack", 32, 32)]),
    ("shutdown-ack", 8, &[]),
    ("error", 9, &[]),
    ("cookie-echo", 10, &[]),
    ("cookie-ack", 11, &[]),
    ("ecne", 12, &[("lowest-tsn", 32, 32)]),
    ("cwr", 13, &[("lowest-tsn", 32, 32)]),
    ("shutdown-complete", 14, &[]),
    ("asconf-ack", 128, &[("seqno", 32, 32)]),
    ("forward-tsn", 192, &[("new-cum-tsn", 32, 32)]),
    ("asconf", 193, &[("seqno", 32, 32)]),
];

const INIT: &[(&str, u16, u16)] = &[
    ("init-tag", 32, 32),
    ("a-rwnd", 64, 32),
    ("num-outbound-streams", 96, 16),
    ("num-inbound-streams", 112, 16),
    ("initial-tsn", 128, 32),
];

/// The layout of a name (or its number), and the place of a field; without a field the whole thing's existence.
fn layout(list: &[Layout], name: &str, field: Option<&str>, common: &[(&str, u16, u16)]) -> Option<(u8, u16, u16)> {
    let known = list.iter().find(|l| l.0 == name);
    let kind = match known {
        Some(l) => l.1,
        None => name.parse().ok()?,
    };
    let Some(field) = field else { return Some((kind, 0, 0)) };
    let own = known.map_or(&[][..], |l| l.2);
    let (_, offset, bits) = own.iter().chain(common).find(|f| f.0 == field)?;
    Some((kind, *offset, *bits))
}

impl Cx<'_> {
    fn part_of(&mut self, expr: Expr, bits: u16) -> Operand {
        let id = self.model.push_expr(expr);
        if bits == 0 {
            return Operand { shape: Shape::Exists(id), kind: Kind::Bool, bits: 1 };
        }
        Operand { shape: Shape::Expr(id), kind: Kind::Int, bits: bits.into() }
    }
}

fn tcp_option(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let ["tcp", "option", name, field @ ..] = words else { return None };
    if let Some(raw) = name.strip_prefix('@') {
        let n: Vec<u16> = raw.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [kind, offset, bits] = n[..] else { return None };
        return Some(cx.part_of(Expr::TcpOption { kind: u8::try_from(kind).ok()?, offset, bits }, bits));
    }
    let common = [("kind", 0, 8), ("length", 8, 8)];
    let (kind, offset, bits) = layout(TCP_OPTIONS, name, field.first().copied(), &common)?;
    let operand = cx.part_of(Expr::TcpOption { kind, offset, bits }, bits);
    let subtype = field == ["subtype"];
    Some(if subtype { Operand { kind: Kind::MptcpSubtype, ..operand } } else { operand })
}

fn ip_option(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let ["ip", "option", name, field @ ..] = words else { return None };
    let common = [("type", 0, 8), ("length", 8, 8)];
    let (kind, offset, bits) = layout(IP_OPTIONS, name, field.first().copied(), &common)?;
    cx.need_family(2);
    Some(cx.part_of(Expr::IpOption { kind, offset, bits }, bits))
}

fn sctp_chunk(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let ["sctp", "chunk", name, field @ ..] = words else { return None };
    let common = [("type", 0, 8), ("flags", 8, 8), ("length", 16, 16)];
    let (kind, offset, bits) = layout(CHUNKS, name, field.first().copied(), &common)?;
    Some(cx.part_of(Expr::SctpChunk { kind, offset, bits }, bits))
}

fn osf(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    if words.last() != Some(&"name") {
        return None;
    }
    cx.need_syn();
    Some(Operand { shape: Shape::Field(Field::OsfName), kind: Kind::Name, bits: 128 })
}

/// A packet that did not pass IPsec has none of it.
fn ipsec(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let field = match words {
        ["ipsec", "in" | "out", "reqid"] | ["ipsec", "in" | "out", "spnum", "0", "reqid"] => Field::IpsecReqid,
        ["ipsec", "in" | "out", "spi"] | ["ipsec", "in" | "out", "spnum", "0", "spi"] => Field::IpsecSpi,
        _ => return None,
    };
    cx.need(Field::Ipsec, 1);
    Some(Operand { shape: Shape::Field(field), kind: Kind::Int, bits: 32 })
}

fn ext_header_exists(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let (kind, ..) = layout(EXT_HEADERS, words.get(1)?, None, &[])?;
    cx.need_family(10);
    Some(cx.part_of(Expr::ExtHeader { kind, offset: 0, bits: 0 }, 0))
}

fn ext_header(cx: &mut Cx, words: &[&str]) -> Option<Operand> {
    let common = [("nexthdr", 0, 8), ("hdrlength", 8, 8)];
    let field = words.get(1).copied();
    let (kind, offset, bits) = match field.and_then(address_of_route) {
        Some(offset) => (43, offset, 128),
        None => layout(EXT_HEADERS, words[0], field, &common)?,
    };
    cx.need_family(10);
    let operand = cx.part_of(Expr::ExtHeader { kind, offset, bits }, bits);
    let kind = match field {
        Some("nexthdr") => Kind::Proto,
        Some("type") if words[0] == "mh" => Kind::MhType,
        _ if bits == 128 => Kind::Ip6,
        _ => operand.kind,
    };
    Some(Operand { kind, ..operand })
}

/// The offset in bits of `sid[N]` and `addr[N]`: addresses stand behind the first eight bytes, counted from 1.
fn address_of_route(field: &str) -> Option<u16> {
    let index = field.strip_prefix("sid[").or_else(|| field.strip_prefix("addr["))?.strip_suffix(']')?;
    let index: u16 = index.parse().ok().filter(|i| (1..=127).contains(i))?;
    Some(64 + 128 * (index - 1))
}
