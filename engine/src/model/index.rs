//! The decision index: which rules of a long chain can match a packet at all, for walks of many packets.
//!
//! A rule is filed under one exact value that it wants of a field (`daddr 10.96.0.10`, `dport 31002`), if its first run of
//! tests holds such a comparison; the others are generic. A rule that is passed over would have ended, without an effect
//! or a question, at that comparison: walks with and without an index are equal (a property test holds it).

use rustc_hash::FxHashMap;

use super::{ChainId, Expr, Model, Op, Test, ones};
use crate::field::{Field, Value};
use crate::packet::{Got, Packet};

/// Shorter chains are walked rule by rule.
const WORTH_IT: usize = 8;

/// Fields that a rule is filed under, the best first.
const KEYS: [Field; 5] = [Field::Daddr, Field::Saddr, Field::Dport, Field::Oif, Field::Iif];

/// The index of a model's long chains.
#[derive(Clone, Debug, Default)]
pub struct Index {
    chains: FxHashMap<ChainId, ChainIndex>,
}

/// The index of one chain: positions from 0, ascending in each list.
#[derive(Clone, Debug, Default)]
struct ChainIndex {
    exact: FxHashMap<(Field, Value), Vec<u32>>,
    fields: Vec<Field>,
    generic: Vec<u32>,
}

impl Index {
    /// Indexes all long chains.
    pub fn new(model: &Model) -> Self {
        let long = model.chains.iter().enumerate().filter(|(_, c)| c.rules.len() >= WORTH_IT);
        let chains = long.map(|(i, _)| (ChainId(i as u32), ChainIndex::new(model, ChainId(i as u32)))).collect();
        Index { chains }
    }

    /// The next position from `from` on whose rule may match; `None`: no further one does. A chain without an index
    /// gives `from` itself.
    pub fn next(&self, chain: ChainId, from: u32, packet: &Packet) -> Option<u32> {
        let Some(index) = self.chains.get(&chain) else { return Some(from) };
        let mut best = after(&index.generic, from);
        for field in &index.fields {
            let list = match packet.get(*field) {
                Got::Value(v) => index.exact.get(&(*field, v)),
                // A strict comparison with an absent value fails.
                Got::Absent => None,
                Got::Unknown => return Some(from),
            };
            if let Some(at) = list.and_then(|l| after(l, from)) {
                best = Some(best.map_or(at, |b| b.min(at)));
            }
        }
        best
    }
}

fn after(list: &[u32], from: u32) -> Option<u32> {
    list.get(list.partition_point(|p| *p < from)).copied()
}

impl ChainIndex {
    fn new(model: &Model, chain: ChainId) -> Self {
        let mut index = ChainIndex::default();
        for (at, rule) in model.chain(chain).rules.iter().enumerate() {
            match key(model, model.rule_ops(*rule)) {
                Some(key) => {
                    if !index.fields.contains(&key.0) {
                        index.fields.push(key.0);
                    }
                    index.exact.entry(key).or_default().push(at as u32);
                }
                None => index.generic.push(at as u32),
            }
        }
        index
    }
}

/// The exact value that a rule wants of the best field, by its first run of tests.
fn key(model: &Model, ops: &[Op]) -> Option<(Field, Value)> {
    let mut best: Option<(usize, Value)> = None;
    for op in ops {
        let Op::Test(test) = op else { break };
        if counts(model, *test) {
            // Passing over the rule would leave its counter behind.
            break;
        }
        let Some((field, value)) = exact(model, *test) else { continue };
        let Some(rank) = KEYS.iter().position(|k| *k == field) else { continue };
        if best.is_none_or(|b| rank < b.0) {
            best = Some((rank, value));
        }
    }
    best.map(|(rank, value)| (KEYS[rank], value))
}

/// Whether evaluating the test moves a counter (`numgen inc`, an ipset element's counters).
fn counts(model: &Model, test: Test) -> bool {
    let inc = |e| matches!(model.expr(e), Expr::Numgen { random: false, .. });
    match test {
        Test::In { expr, .. } => inc(expr),
        Test::Relation { left, right, .. } => inc(left) || inc(right),
        Test::Not(inner) => counts(model, model.test(inner)),
        Test::Lookup { .. } => true,
        _ => false,
    }
}

fn exact(model: &Model, test: Test) -> Option<(Field, Value)> {
    match test {
        Test::Masked { field, neg: false, mask: u32::MAX, value } => Some((field, value.into())),
        Test::Wide { field, neg: false, wide } => {
            let (mask, value) = model.wides[wide.0 as usize];
            (mask == ones(field.bits())).then_some((field, value))
        }
        _ => None,
    }
}
