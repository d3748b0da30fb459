//! Elements of a set while commands add and delete them: `add element ip t s { 10.0.0.0/8 }`, `delete element …`.
//!
//! A listing brings all elements of a set at once, and they are packed at once. What commands change costs the logarithm of
//! its number here, and is packed behind the last command.

use std::collections::BTreeMap;

use crate::field::Value;
use crate::model::{Data, ElementExtra, Elements};

type Key = Vec<(Value, Value)>;

/// Elements by their keys.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    arity: usize,
    elements: BTreeMap<Key, (Data, Option<ElementExtra>)>,
    catch_all: Option<Data>,
    shape: (usize, bool),
}

impl Changed {
    /// The elements of a set.
    pub fn new(elements: &Elements) -> Self {
        let mut changed =
            Changed { arity: elements.arity(), elements: BTreeMap::new(), catch_all: None, shape: (0, false) };
        changed.add(elements);
        changed
    }

    /// Adds elements. One that is there stays as it was; ranges of a plain set that overlap are joined, as `auto-merge` does.
    pub fn add(&mut self, added: &Elements) {
        let (parts, ranges) = added.shape();
        self.shape = (self.shape.0.max(parts), self.shape.1 || ranges);
        for i in 0..added.len() as u32 {
            let (key, data) = (added.key(i), added.data(i));
            match key {
                _ if is_catch_all(key) => self.catch_all = Some(data.clone()),
                [range] if *data == Data::None => self.add_range(*range, added.extra(i)),
                _ => {
                    let value = || (data.clone(), added.extra(i).cloned());
                    self.elements.entry(key.to_vec()).or_insert_with(value);
                }
            }
        }
    }

    fn add_range(&mut self, (mut lo, mut hi): (Value, Value), extra: Option<&ElementExtra>) {
        let mut extra = extra.cloned();
        while let Some(old) = self.last_up_to(hi).filter(|old| old.1 >= lo) {
            let held = self.elements.remove(&vec![old]);
            (lo, hi) = (lo.min(old.0), hi.max(old.1));
            extra = held.and_then(|h| h.1).filter(|_| (lo, hi) == old);
        }
        self.elements.insert(vec![(lo, hi)], (Data::None, extra));
    }

    /// Takes elements out. What is deleted of a larger range leaves the rest of it.
    pub fn remove(&mut self, gone: &Elements) {
        for i in 0..gone.len() as u32 {
            let key = gone.key(i);
            match key {
                _ if is_catch_all(key) => self.catch_all = None,
                _ if self.elements.remove(key).is_some() => {}
                [range] => self.cut(*range),
                _ => {}
            }
        }
    }

    fn cut(&mut self, (lo, hi): (Value, Value)) {
        let Some(old) = self.last_up_to(lo).filter(|old| hi <= old.1) else { return };
        let plain = |held: &(Data, Option<ElementExtra>)| held.0 == Data::None;
        let Some(held) = self.elements.get(&vec![old]).filter(|h| plain(h)).cloned() else { return };
        self.elements.remove(&vec![old]);
        if old.0 < lo {
            self.elements.insert(vec![(old.0, lo - 1)], held.clone());
        }
        if hi < old.1 {
            self.elements.insert(vec![(hi + 1, old.1)], held);
        }
    }

    /// The last range that begins at a value or below.
    fn last_up_to(&self, value: Value) -> Option<(Value, Value)> {
        let (key, _) = self.elements.range(..=vec![(value, Value::MAX)]).next_back()?;
        key.first().copied()
    }

    /// See [`Elements::shape`]; of all elements that were ever there.
    pub fn shape(&self) -> (usize, bool) {
        self.shape
    }

    /// The set's elements now.
    pub fn packed(self) -> Elements {
        let mut all = Elements::new(self.arity);
        for (key, (data, extra)) in self.elements {
            all.push(&key, data, extra);
        }
        if let Some(data) = self.catch_all {
            all.push_catch_all(data);
        }
        all.finish();
        all
    }
}

/// How elements hold the one that every other key hits.
fn is_catch_all(key: &[(Value, Value)]) -> bool {
    key.iter().any(|(lo, hi)| lo > hi)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn elements(ranges: &[(Value, Value)]) -> Elements {
        let mut all = Elements::new(1);
        for range in ranges {
            all.push(&[*range], Data::None, None);
        }
        all.finish();
        all
    }

    proptest! {
        #[test]
        fn ranges_added_and_cut_hold_what_is_left(edits in prop::collection::vec((0u32..3, 0u128..30, 0u128..9), 0..40)) {
            let mut changed = Changed::new(&Elements::new(1));
            let mut held = [false; 40];
            for (kind, lo, more) in edits {
                let range = lo as usize..=(lo + more) as usize;
                if kind > 0 {
                    changed.add(&elements(&[(lo, lo + more)]));
                    held[range].fill(true);
                } else if range.clone().all(|v| held[v]) {
                    // Only a part of what is there can be deleted.
                    changed.add(&elements(&[(lo, lo + more)]));
                    changed.remove(&elements(&[(lo, lo + more)]));
                    held[range].fill(false);
                }
            }
            let all = changed.packed();
            for (v, held) in held.iter().enumerate() {
                prop_assert_eq!(all.find(&[v as Value]).is_some(), *held, "{}", v);
            }
        }
    }
}
