//! Generated values: `numgen`, `jhash` and friends, and the kernel's Jenkins hash itself.

use super::{Eval, View, keys};
use crate::fact::Fact;
use crate::field::{Field, Value};
use crate::model::{Expr, ExprId, HashKind};
use crate::state::{Cell, StateKey};

/// The state key of a counting expression.
pub fn counter_key(expr: ExprId) -> StateKey {
    StateKey { site: 1 << 40 | u64::from(expr.0), key: Vec::new() }
}

/// `numgen`: a counter of this place, or a draw.
pub(super) fn numgen(view: View, expr: ExprId, random: bool, (modulus, offset): (u32, u32)) -> Eval {
    let modulus = modulus.max(1);
    if !random {
        let fact = Fact::Counter(expr, view.site);
        let count = match view.state.rules.get(&counter_key(expr)) {
            Some(Cell::Count(n)) => Some(Value::from(*n)),
            _ => view.facts.get(&fact),
        };
        return count.map_or(Eval::Ask(fact), |n| Eval::Value(n % Value::from(modulus) + Value::from(offset)));
    }
    if modulus == 1 {
        return Eval::Value(offset.into());
    }
    draw(view, expr, offset)
}

fn draw(view: View, expr: ExprId, offset: u32) -> Eval {
    let fact = Fact::Chance { site: view.site, at: view.at, expr: Some(expr) };
    view.facts.get(&fact).map_or(Eval::Ask(fact), |v| Eval::Value(v + Value::from(offset)))
}

/// The hashes that are computed, by the seed that the rule gives; every other one is a draw.
pub(super) fn value(view: View, expr: ExprId) -> Eval {
    let Expr::Hash { kind, of, seed, modulus, offset } = view.world.model.expr(expr) else { return Eval::Absent };
    let modulus = modulus.max(1);
    if let (HashKind::Hmark | HashKind::HmarkCt, Some(seed), Expr::Concat(list)) =
        (kind, seed, view.world.model.expr(of))
    {
        let parts = &view.world.model.expr_lists[list.range()];
        return match super::hmark::mark(view, kind, parts, seed, modulus) {
            // The sum is one of 32 bits.
            Eval::Value(v) => Eval::Value((v + Value::from(offset)) & 0xffff_ffff),
            other => other,
        };
    }
    let values = match keys(view, &[of]) {
        Ok(v) => v,
        Err(e) => return e,
    };
    if modulus == 1 {
        return Eval::Value(offset.into());
    }
    match (kind, seed) {
        (HashKind::Cluster, Some(seed)) => {
            let addr = values.first().copied().unwrap_or(0);
            let hash = if view.packet.or_zero(Field::CtL3Proto) == 10 {
                jhash2(&words6(addr), seed)
            } else {
                jhash1((addr as u32).swap_bytes(), seed)
            };
            Eval::Value(scale(hash, modulus) + Value::from(offset))
        }
        (HashKind::Jhash, Some(seed)) => match register_bytes(view, of, &values) {
            Some(bytes) => Eval::Value(scale(jhash(&bytes, seed), modulus) + Value::from(offset)),
            None => draw(view, expr, offset),
        },
        _ => draw(view, expr, offset),
    }
}

/// A key's bytes as nft holds them: those of one expression as they are, those of several filled up to words of four bytes each.
/// `None`: of a part that has no place in a header.
fn register_bytes(view: View, of: ExprId, values: &[Value]) -> Option<Vec<u8>> {
    let model = view.world.model;
    let one = [of];
    let parts = match model.expr(of) {
        Expr::Concat(list) => &model.expr_lists[list.range()],
        _ => &one,
    };
    let mut out = Vec::new();
    for (part, value) in parts.iter().zip(values) {
        let bytes = match model.expr(*part) {
            Expr::Field(f) => header_bytes(view, f)?,
            Expr::Bytes { bits, .. } if bits % 8 == 0 => bits as usize / 8,
            _ => return None,
        };
        out.extend_from_slice(&value.to_be_bytes()[16usize.checked_sub(bytes)?..]);
        if parts.len() > 1 {
            out.resize(out.len().next_multiple_of(4), 0);
        }
    }
    Some(out)
}

/// How many bytes a field takes that is kept in the network's order.
fn header_bytes(view: View, field: Field) -> Option<usize> {
    let address = |family: Field| if view.packet.or_zero(family) == 10 { 16 } else { 4 };
    Some(match field {
        Field::Saddr | Field::Daddr => address(Field::Family),
        Field::CtOrigSrc | Field::CtOrigDst | Field::CtReplSrc | Field::CtReplDst => address(Field::CtL3Proto),
        Field::Sport | Field::Dport | Field::IpId | Field::IcmpId | Field::IcmpSeq | Field::EtherType => 2,
        Field::CtOrigSport | Field::CtOrigDport | Field::CtReplSport | Field::CtReplDport => 2,
        Field::Proto | Field::NextHeader | Field::Ttl | Field::IcmpType | Field::IcmpCode | Field::CtProto => 1,
        Field::EtherSaddr | Field::EtherDaddr => 6,
        Field::TcpSeq | Field::TcpAck | Field::Spi => 4,
        _ => return None,
    })
}

/// `reciprocal_scale`: a hash spread over `0..n`.
pub fn scale(hash: u32, n: u32) -> Value {
    Value::from((u64::from(hash) * u64::from(n)) >> 32)
}

/// An address as four words in host byte order of a little-endian machine.
pub fn words6(addr: Value) -> [u32; 4] {
    let b = addr.to_be_bytes();
    std::array::from_fn(|i| u32::from_le_bytes([b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]]))
}

const INIT: u32 = 0xdead_beef;

fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    for (x, y, z, r) in [(0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4)] {
        // x -= y; x ^= rol(y, r); y += z over (a, b, c).
        let mut v = [*a, *b, *c];
        v[x] = v[x].wrapping_sub(v[y]) ^ v[y].rotate_left(r);
        v[y] = v[y].wrapping_add(v[z]);
        [*a, *b, *c] = v;
    }
}

fn finish(a: u32, b: u32, c: u32) -> u32 {
    let mut v = [a, b, c];
    for (x, y, r) in [(2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)] {
        v[x] = (v[x] ^ v[y]).wrapping_sub(v[y].rotate_left(r));
    }
    v[2]
}

/// The kernel's `jhash2` (`include/linux/jhash.h`): the hash of a list of words.
pub fn jhash2(words: &[u32], seed: u32) -> u32 {
    let start = INIT.wrapping_add((words.len() as u32) << 2).wrapping_add(seed);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut rest = words;
    while rest.len() > 3 {
        a = a.wrapping_add(rest[0]);
        b = b.wrapping_add(rest[1]);
        c = c.wrapping_add(rest[2]);
        mix(&mut a, &mut b, &mut c);
        rest = &rest[3..];
    }
    if rest.is_empty() {
        return c;
    }
    let get = |i: usize| rest.get(i).copied().unwrap_or(0);
    finish(a.wrapping_add(get(0)), b.wrapping_add(get(1)), c.wrapping_add(get(2)))
}

/// The kernel's `jhash`: the hash of bytes.
fn jhash(bytes: &[u8], seed: u32) -> u32 {
    // Words of the machine, which is taken for a little-endian one; the length counts in bytes.
    let word = |c: &[u8]| c.iter().rev().fold(0, |w, b| w << 8 | u32::from(*b));
    let words: Vec<u32> = bytes.chunks(4).map(word).collect();
    let more = (bytes.len() as u32).wrapping_sub((words.len() as u32) << 2);
    jhash2(&words, seed.wrapping_add(more))
}

/// `jhash_1word`.
pub fn jhash1(word: u32, seed: u32) -> u32 {
    let start = INIT.wrapping_add(4).wrapping_add(seed);
    finish(word.wrapping_add(start), start, start)
}
