//! The prefix lengths that entries of a set of networks have: a lookup tries each, and what the SET target adds has the longest
//! that is in use.
//!
//! Example: of a `hash:net` of 10.0.0.0/8 and 10.1.0.0/16 a lookup tries /16, then /8. What packets add and take out is counted in
//! lengths of its own, beside those of the dump.

/// How many entries have each length, by network dimension (the first or the second), the longest first.
#[derive(Clone, Debug, Default)]
pub struct Lengths([Vec<(u8, i64)>; 2]);

impl Lengths {
    /// Counts so many entries more of a length.
    pub fn count(&mut self, which: usize, length: u8, more: i64) {
        let counts = &mut self.0[which.min(1)];
        match counts.binary_search_by(|(l, _)| length.cmp(l)) {
            Ok(at) => counts[at].1 += more,
            Err(at) => counts.insert(at, (length, more)),
        }
    }

    /// The lengths that entries have or had, here or in `changes`, the longest first, with how many have each now.
    fn with(&self, which: usize, changes: Option<&Lengths>) -> Vec<(u8, i64)> {
        let mut all = Lengths([self.0[which.min(1)].clone(), Vec::new()]);
        for (length, more) in changes.iter().flat_map(|c| &c.0[which.min(1)]) {
            all.count(0, *length, *more);
        }
        let Lengths([all, _]) = all;
        all
    }

    /// The lengths to look for, the longest first.
    pub fn tried(&self, which: usize, changes: Option<&Lengths>) -> impl Iterator<Item = u8> {
        self.with(which, changes).into_iter().map(|(length, _)| length)
    }

    /// The longest length in use.
    pub fn longest(&self, which: usize, changes: &Lengths) -> Option<u8> {
        self.with(which, Some(changes)).into_iter().find(|(_, held)| *held > 0).map(|(length, _)| length)
    }
}
