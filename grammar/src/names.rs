//! An interner: equal texts get equal [`Name`]s, and a name is four bytes.
//!
//! Used for chains, sets, option spellings and the words of rules, of which a large dump repeats few.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as HashEntry;
use rustc_hash::FxBuildHasher;

/// An interned text. Only the [`Names`] that made it can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub u32);

/// The texts behind [`Name`]s.
#[derive(Clone, Debug, Default)]
pub struct Names {
    text: String,
    ends: Vec<u32>,
    index: HashTable<Entry>,
    /// Short words that were asked for lately, each at the place that its letters give: a dump repeats a few of them.
    lately: Vec<(u64, Name)>,
}

/// Places in [`Names::lately`].
const LATELY: usize = 256;

/// A short word as a number, with its length; `None` for a longer one.
fn short(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    (bytes.len() < 8).then(|| bytes.iter().fold(bytes.len() as u64, |key, b| key << 8 | u64::from(*b)))
}

/// The hash stands beside the name, so that a growing table reads no texts.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    id: u32,
}

/// What the table sees: 64 bits, of which it takes the lowest and the highest.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn hash(text: &str) -> u32 {
    let mut h = FxBuildHasher.build_hasher();
    h.write(text.as_bytes());
    let h = h.finish();
    (h ^ (h >> 32)) as u32
}

impl Names {
    /// The name of `text`, new or known.
    pub fn intern(&mut self, text: &str) -> Name {
        let Some(key) = short(text) else { return self.look_up(text) };
        let place = (spread(key as u32 ^ (key >> 32) as u32) >> 56) as usize;
        match self.lately.get(place) {
            Some((known, name)) if *known == key && !text.is_empty() => return *name,
            _ => {}
        }
        let name = self.look_up(text);
        if self.lately.is_empty() {
            self.lately = vec![(0, name); LATELY];
        }
        if let Some(entry) = self.lately.get_mut(place) {
            *entry = (key, name);
        }
        name
    }

    fn look_up(&mut self, text: &str) -> Name {
        let hash = hash(text);
        let id = self.ends.len() as u32;
        let same = |e: &Entry| e.hash == hash && bytes(&self.text, &self.ends, e.id) == text.as_bytes();
        match self.index.entry(spread(hash), same, |e| spread(e.hash)) {
            HashEntry::Occupied(known) => Name(known.get().id),
            HashEntry::Vacant(place) => {
                place.insert(Entry { hash, id });
                self.text.push_str(text);
                self.ends.push(self.text.len() as u32);
                Name(id)
            }
        }
    }

    /// A new name for `text`, which [`Names::find`] does not know: for texts that nobody looks for. One that follows an
    /// equal one is the same.
    pub fn append(&mut self, text: &str) -> Name {
        let last = (self.ends.len() as u32).checked_sub(1);
        if let Some(last) = last.filter(|last| bytes(&self.text, &self.ends, *last) == text.as_bytes()) {
            return Name(last);
        }
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        Name(self.ends.len() as u32 - 1)
    }

    /// The name of `text` if it was interned before.
    pub fn find(&self, text: &str) -> Option<Name> {
        let hash = hash(text);
        let same = |e: &Entry| e.hash == hash && bytes(&self.text, &self.ends, e.id) == text.as_bytes();
        self.index.find(spread(hash), same).map(|e| Name(e.id))
    }

    /// The text of a name; empty for a name of another interner that is out of range.
    pub fn get(&self, name: Name) -> &str {
        if (name.0 as usize) < self.ends.len() { slice(&self.text, &self.ends, name.0) } else { "" }
    }

    /// How many distinct texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing was interned yet.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All names with their texts, in the order they were first seen.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &str)> {
        (0..self.ends.len() as u32).map(|i| (Name(i), slice(&self.text, &self.ends, i)))
    }
}

fn range(ends: &[u32], i: u32) -> Range<usize> {
    let start = if i == 0 { 0 } else { ends[i as usize - 1] as usize };
    start..ends[i as usize] as usize
}

fn slice<'a>(text: &'a str, ends: &[u32], i: u32) -> &'a str {
    &text[range(ends, i)]
}

/// To compare texts takes no look at where characters begin.
fn bytes<'a>(text: &'a str, ends: &[u32], i: u32) -> &'a [u8] {
    &text.as_bytes()[range(ends, i)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_names() {
        let mut n = Names::default();
        let (a, b, e) = (n.intern("KUBE-SVC"), n.intern("--dport"), n.intern(""));
        assert_eq!(n.intern("KUBE-SVC"), a);
        assert_ne!(a, b);
        assert_eq!((n.get(a), n.get(b), n.get(e)), ("KUBE-SVC", "--dport", ""));
        assert_eq!(n.find("--dport"), Some(b));
        assert_eq!(n.find("--sport"), None);
        assert_eq!(n.len(), 3);
        let said = n.append("a comment");
        assert_eq!((n.append("a comment"), n.find("a comment"), n.get(said)), (said, None, "a comment"));
    }
}
