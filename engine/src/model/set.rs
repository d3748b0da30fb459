//! Named and anonymous nft sets and maps, and ipsets, as the rules look things up in them.
//!
//! Left out: what a dump says of a set that no packet can notice (size hints, `auto-merge`).

use hashbrown::HashTable;
use nettrace_grammar::{Name, Span};
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

use crate::field::Value;

use super::{Stateful, TableId, Verdict};

/// A set in [`super::Model::sets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId(pub u32);

/// A set or map.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its name; anonymous sets have none.
    pub name: Option<Name>,
    /// The nft table that holds it; ipsets have none.
    pub table: Option<TableId>,
    /// Where it stands in the input.
    pub span: Span,
    /// Most elements that it can hold, 0 for no limit: a full set refuses updates.
    pub size: u32,
    /// What it holds.
    pub contents: Contents,
}

/// What a set holds.
#[derive(Clone, Debug)]
pub enum Contents {
    /// The inputs don't tell: membership is a fact to ask for.
    Unknown,
    /// nft elements.
    Elements(Elements),
    /// An ipset's entries.
    Ipset(Box<crate::sets::Ipset>),
}

/// What an element maps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A plain set's element.
    None,
    /// Values, one range a part (a single value is a range of one).
    Values(Box<[(Value, Value)]>),
    /// A verdict map's element.
    Verdict(Verdict),
    /// The name of an object (counter, quota, limit).
    Object(Name),
    /// Only understood as text.
    Opaque(super::TextId),
}

/// A kind of nft object. Objects of different kinds may have one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ObjectKind {
    Counter,
    Limit,
    Quota,
    /// One that holds no rule state: `ct helper`, `secmark`.
    Other,
}

impl ObjectKind {
    /// The kind that nft calls so.
    pub fn from_name(name: &str) -> Self {
        match name {
            "counter" => ObjectKind::Counter,
            "limit" => ObjectKind::Limit,
            "quota" => ObjectKind::Quota,
            _ => ObjectKind::Other,
        }
    }
}

/// What some elements carry besides key and data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementExtra {
    /// Milliseconds left.
    pub expires: Option<u64>,
    /// Statements that run when a packet hits the element.
    pub stateful: Vec<Stateful>,
}

/// Elements of an nft set: keys of `arity` ranges each, flat, with an index.
#[derive(Clone, Debug, Default)]
pub struct Elements {
    arity: usize,
    keys: Vec<(Value, Value)>,
    data: Vec<Data>,
    extra: Vec<(u32, ElementExtra)>,
    catch_all: Option<u32>,
    shape: (usize, bool),
    /// Elements whose parts are all single values.
    exact: HashTable<u32>,
    /// The others; of arity 1 sorted by their lower end.
    ranged: Vec<u32>,
}

fn hash(key: impl Iterator<Item = Value>) -> u64 {
    let mut h = FxHasher::default();
    key.for_each(|v| v.hash(&mut h));
    h.finish()
}

impl Elements {
    /// No elements, with keys of `arity` parts (at least 1).
    pub fn new(arity: usize) -> Self {
        Elements { arity: arity.max(1), ..Elements::default() }
    }

    /// How many parts a key has.
    pub fn arity(&self) -> usize {
        self.arity
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Adds an element; a key with the wrong number of parts is refused with `false`.
    /// Call [`Elements::finish`] behind the last one.
    pub fn push(&mut self, key: &[(Value, Value)], data: Data, extra: Option<ElementExtra>) -> bool {
        if key.len() != self.arity {
            return false;
        }
        let id = self.data.len() as u32;
        self.note_shape(&data);
        self.keys.extend_from_slice(key);
        self.data.push(data);
        if let Some(extra) = extra {
            self.extra.push((id, extra));
        }
        if key.iter().all(|(lo, hi)| lo == hi) {
            let (keys, arity) = (&self.keys, self.arity);
            let of = |i: u32| hash(keys[i as usize * arity..][..arity].iter().map(|r| r.0));
            self.exact.insert_unique(of(id), id, |i| of(*i));
        } else {
            self.ranged.push(id);
        }
        true
    }

    /// Sets the element that every key without one of its own hits (`*`).
    pub fn push_catch_all(&mut self, data: Data) {
        self.note_shape(&data);
        self.catch_all = Some(self.data.len() as u32);
        self.keys.extend(std::iter::repeat_n((1, 0), self.arity));
        self.data.push(data);
    }

    fn note_shape(&mut self, data: &Data) {
        if let Data::Values(parts) = data {
            let ranges = parts.iter().any(|(lo, hi)| lo != hi);
            self.shape = (self.shape.0.max(parts.len()), self.shape.1 || ranges);
        }
    }

    /// How many parts the values have that keys map to, and whether some are ranges.
    pub fn shape(&self) -> (usize, bool) {
        self.shape
    }

    /// Sorts what needs sorting.
    pub fn finish(&mut self) {
        if self.arity == 1 {
            let keys = &self.keys;
            self.ranged.sort_unstable_by_key(|i| keys[*i as usize].0);
        }
    }

    /// The element for a key.
    pub fn find(&self, key: &[Value]) -> Option<u32> {
        if key.len() != self.arity {
            return None;
        }
        self.exact
            .find(hash(key.iter().copied()), |i| self.key(*i).iter().map(|r| r.0).eq(key.iter().copied()))
            .copied()
            .or_else(|| self.find_ranged(key))
            .or(self.catch_all)
    }

    fn find_ranged(&self, key: &[Value]) -> Option<u32> {
        let hit = |i: &u32| self.key(*i).iter().zip(key).all(|((lo, hi), v)| lo <= v && v <= hi);
        if self.arity == 1 {
            let end = self.ranged.partition_point(|i| self.keys[*i as usize].0 <= key[0]);
            return self.ranged[..end].last().copied().filter(hit);
        }
        self.ranged.iter().copied().find(|i| hit(i))
    }

    /// The ranges of an element's key.
    pub fn key(&self, id: u32) -> &[(Value, Value)] {
        &self.keys[id as usize * self.arity..][..self.arity]
    }

    /// What an element maps to.
    pub fn data(&self, id: u32) -> &Data {
        &self.data[id as usize]
    }

    /// The element for a key at a time (ms behind the dump).
    pub fn find_at(&self, key: &[Value], now: u64) -> Option<u32> {
        let there = |e: &u32| self.extra(*e).and_then(|x| x.expires).is_none_or(|end| now < end);
        self.find(key).filter(|e| there(e)).or(self.catch_all)
    }

    /// What an element carries besides.
    pub fn extra(&self, id: u32) -> Option<&ElementExtra> {
        self.extra.binary_search_by_key(&id, |e| e.0).ok().map(|i| &self.extra[i].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_ranged_and_catch_all_elements_are_found() {
        let mut e = Elements::new(2);
        assert!(e.push(&[(1, 1), (80, 80)], Data::None, None));
        assert!(e.push(&[(0, 9), (90, 99)], Data::Verdict(Verdict::Drop), None));
        assert!(!e.push(&[(1, 1)], Data::None, None));
        e.finish();
        assert_eq!((e.find(&[1, 80]), e.find(&[5, 95]), e.find(&[1, 81])), (Some(0), Some(1), None));
        e.push_catch_all(Data::Verdict(Verdict::Accept));
        assert_eq!(e.find(&[7, 7]), Some(2));
        let mut one = Elements::new(1);
        for lo in [30, 10, 20] {
            one.push(&[(lo, lo + 4)], Data::None, None);
        }
        one.finish();
        assert_eq!((one.find(&[12]), one.find(&[24]), one.find(&[15])), (Some(1), Some(2), None));
    }
}
