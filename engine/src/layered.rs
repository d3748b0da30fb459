//! A map that is cheap to copy while somebody tries something: what changes lies over what was there, until it is settled.
//!
//! Left out: going through all entries.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// A map in two layers; copies share the lower one.
#[derive(Clone, Debug)]
pub struct Layered<K, V> {
    below: Arc<FxHashMap<K, V>>,
    /// `None`: taken out.
    above: FxHashMap<K, Option<V>>,
}

impl<K, V> Default for Layered<K, V> {
    fn default() -> Self {
        Layered { below: Arc::default(), above: FxHashMap::default() }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Layered<K, V> {
    /// An entry.
    pub fn get(&self, key: &K) -> Option<&V> {
        match self.above.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.below.get(key),
        }
    }

    /// Whether there is such an entry.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// An entry to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.above.contains_key(key) {
            let found = self.below.get(key)?.clone();
            self.above.insert(key.clone(), Some(found));
        }
        self.above.get_mut(key)?.as_mut()
    }

    /// Sets an entry.
    pub fn insert(&mut self, key: K, value: V) {
        self.above.insert(key, Some(value));
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let found = self.get(key).cloned()?;
        self.above.insert(key.clone(), None);
        Some(found)
    }

    /// Makes one layer of both: what nobody else holds is changed in its place.
    pub fn settle(&mut self) {
        if self.above.is_empty() {
            return;
        }
        let below = Arc::make_mut(&mut self.below);
        for (key, changed) in self.above.drain() {
            match changed {
                Some(value) => below.insert(key, value),
                None => below.remove(&key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layers_are_one_map_and_copies_do_not_meet() {
        let mut map: Layered<u32, u32> = Layered::default();
        map.insert(1, 10);
        map.insert(2, 20);
        map.settle();
        let mut other = map.clone();
        *other.get_mut(&1).unwrap() += 1;
        other.insert(3, 30);
        assert_eq!(other.remove(&2), Some(20));
        assert_eq!([1, 2, 3].map(|k| map.get(&k).copied()), [Some(10), Some(20), None]);
        assert_eq!([1, 2, 3].map(|k| other.get(&k).copied()), [Some(11), None, Some(30)]);
        drop(map);
        other.settle();
        assert_eq!([1, 2, 3].map(|k| other.get(&k).copied()), [Some(11), None, Some(30)]);
        assert!(other.above.is_empty() && other.get_mut(&2).is_none() && other.remove(&9).is_none());
    }
}
