//! The decision index: what walks of many packets look up instead of working it out for each: which rules of a long chain
//! can match a packet at all, and what each hook runs.
//!
//! A rule is filed under one exact value that it wants of a field (`daddr 10.96.0.10`, `dport 31002`), if its first run of
//! tests holds such a comparison; the others are generic. A rule that is passed over would have ended, without an effect
//! or a question, at that comparison: walks with and without an index are equal (a property test holds it).

use rustc_hash::FxHashMap;

use super::{ChainId, Expr, HookKey, HookPlan, Model, Op, Test, Traits, ones};
use crate::field::{Field, Show, Value};
use crate::packet::{Got, Packet};

/// Shorter chains are walked rule by rule.
const WORTH_IT: usize = 8;

/// Fields that a rule is filed under, the best first.
const KEYS: [Field; 5] = [Field::Daddr, Field::Saddr, Field::Dport, Field::Oif, Field::Iif];

/// The index of a model's long chains, and the plans of its hooks.
#[derive(Clone, Debug, Default)]
pub struct Index {
    traits: Traits,
    plans: FxHashMap<HookKey, HookPlan>,
    /// For each chain the place of its index, if it has one.
    places: Vec<Option<u32>>,
    chains: Vec<ChainIndex>,
}

/// What a rule is filed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lane {
    field: Field,
    /// Only the 32 bits of an IPv4 address are compared: other packets are not told apart by it.
    v4: bool,
}

/// The index of one chain: positions from 0, ascending in each list.
#[derive(Clone, Debug, Default)]
struct ChainIndex {
    exact: FxHashMap<(Lane, Value), Vec<u32>>,
    lanes: Vec<Lane>,
    generic: Vec<u32>,
}

impl Index {
    /// Indexes all long chains.
    pub fn new(model: &Model) -> Self {
        let mut index = Index { traits: Traits::new(model), plans: HookPlan::all(model).collect(), ..Index::default() };
        for (i, chain) in model.chains.iter().enumerate() {
            let long = chain.rules.len() >= WORTH_IT;
            index.places.push(long.then_some(index.chains.len() as u32));
            if long {
                index.chains.push(ChainIndex::new(model, ChainId(i as u32)));
            }
        }
        index
    }

    /// What was found out about all rules together.
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// The plan of a hook, if it was made.
    pub fn plan(&self, key: HookKey) -> Option<&HookPlan> {
        self.plans.get(&key)
    }

    /// The next position from `from` on whose rule may match; `None`: no further one does. A chain without an index
    /// gives `from` itself.
    pub fn next(&self, chain: ChainId, from: u32, packet: &Packet) -> Option<u32> {
        let place = self.places.get(chain.0 as usize).copied().flatten();
        let Some(index) = place.and_then(|place| self.chains.get(place as usize)) else { return Some(from) };
        let mut best = after(&index.generic, from);
        for lane in &index.lanes {
            let list = match packet.told(lane.field) {
                _ if lane.v4 && packet.family() != 2 => return Some(from),
                Got::Value(v) => index.exact.get(&(*lane, v)),
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
            match key(model, model.rule_ops(rule)) {
                Some(key) => {
                    if !index.lanes.contains(&key.0) {
                        index.lanes.push(key.0);
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
fn key(model: &Model, ops: &[Op]) -> Option<(Lane, Value)> {
    let mut best: Option<(usize, (Lane, Value))> = None;
    for op in ops {
        let Op::Test(test) = op else { break };
        if counts(model, *test) {
            // Passing over the rule would leave its counter behind.
            break;
        }
        let Some(key) = exact(model, *test) else { continue };
        let Some(rank) = KEYS.iter().position(|k| *k == key.0.field) else { continue };
        if best.is_none_or(|b| rank < b.0) {
            best = Some((rank, key));
        }
    }
    best.map(|(_, key)| key)
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

/// The one value that the test wants of a field.
fn exact(model: &Model, test: Test) -> Option<(Lane, Value)> {
    let (field, mask, value) = match test {
        Test::Masked { field, neg: false, mask, value } => (field, mask.into(), value.into()),
        Test::Wide { field, neg: false, wide } => {
            let (mask, value) = model.wides[wide.0 as usize];
            (field, mask, value)
        }
        _ => return None,
    };
    let bits = field.bits();
    let v4 = bits > 32 && mask == ones(32) && field.show() == Show::Addr;
    let whole = mask & ones(bits) == ones(bits) || v4;
    whole.then_some((Lane { field, v4 }, value))
}
