//! An interner: equal texts get equal [`Name`]s, and a name is four bytes.
//!
//! Used for chains, sets, option spellings and the words of rules, of which a large dump repeats few.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

/// An interned text. Only the [`Names`] that made it can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub u32);

/// The texts behind [`Name`]s.
#[derive(Clone, Debug, Default)]
pub struct Names {
    text: String,
    ends: Vec<u32>,
    index: HashTable<u32>,
}

fn hash(text: &str) -> u64 {
    let mut h = FxBuildHasher.build_hasher();
    h.write(text.as_bytes());
    h.finish()
}

impl Names {
    /// The name of `text`, new or known.
    pub fn intern(&mut self, text: &str) -> Name {
        let (all, ends) = (&self.text, &self.ends);
        let h = hash(text);
        if let Some(i) = self.index.find(h, |i| slice(all, ends, *i) == text) {
            return Name(*i);
        }
        let id = self.ends.len() as u32;
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        let (all, ends) = (&self.text, &self.ends);
        self.index.insert_unique(h, id, |i| hash(slice(all, ends, *i)));
        Name(id)
    }

    /// The name of `text` if it was interned before.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.index.find(hash(text), |i| slice(&self.text, &self.ends, *i) == text).map(|i| Name(*i))
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

fn slice<'a>(text: &'a str, ends: &[u32], i: u32) -> &'a str {
    let start = if i == 0 { 0 } else { ends[i as usize - 1] as usize };
    &text[start..ends[i as usize] as usize]
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
    }
}
