//! The rules of a chain, in order.
//!
//! A dump's chain holds rules that were read one after the other: where the run begins and how long it is says it all, and
//! 36,000 chains of kube-proxy need no list each. What an edit makes of it is a list.

use std::ops::Range;

use super::RuleId;

/// Rules in order.
#[derive(Clone, Debug)]
pub struct RuleList(Held);

#[derive(Clone, Debug)]
enum Held {
    /// Rules of neighbouring numbers.
    Run(Range<u32>),
    /// Any others.
    List(Vec<RuleId>),
}

impl RuleList {
    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Held::Run(run) => run.len(),
            Held::List(list) => list.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rule at a position, from 0.
    #[inline]
    pub fn get(&self, at: usize) -> Option<RuleId> {
        match &self.0 {
            Held::Run(run) => (at < run.len()).then(|| RuleId(run.start + at as u32)),
            Held::List(list) => list.get(at).copied(),
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RuleId> + ExactSizeIterator + Clone + '_ {
        self.between(0, self.len())
    }

    /// Those from a position on, up to another that is left out; as far as there are any.
    #[inline]
    pub fn between(
        &self,
        from: usize,
        to: usize,
    ) -> impl DoubleEndedIterator<Item = RuleId> + ExactSizeIterator + Clone + '_ {
        let (first, list) = match &self.0 {
            Held::Run(run) => (run.start, &[][..]),
            Held::List(list) => (0, &list[..]),
        };
        let listed = move |at: usize| list.get(at).copied().unwrap_or(RuleId(first + at as u32));
        (from..to.min(self.len())).map(listed)
    }

    /// How many rules in a row, from a position on and `most` at most, are such ones.
    #[inline]
    pub fn in_a_row(&self, from: usize, most: usize, such: impl FnMut(&RuleId) -> bool) -> usize {
        let to = from.saturating_add(most).min(self.len());
        match &self.0 {
            Held::Run(run) => (run.start + from as u32..run.start + to as u32).map(RuleId).take_while(such).count(),
            Held::List(list) => list.get(from..to).unwrap_or_default().iter().copied().take_while(such).count(),
        }
    }

    /// The position of a rule, from 0.
    pub fn position(&self, rule: RuleId) -> Option<usize> {
        match &self.0 {
            Held::Run(run) => run.contains(&rule.0).then(|| (rule.0 - run.start) as usize),
            // Few edits leave most of a list in its order.
            Held::List(list) => list.binary_search(&rule).ok().or_else(|| list.iter().position(|held| *held == rule)),
        }
    }

    /// Adds a rule at the end.
    pub fn push(&mut self, rule: RuleId) {
        match &mut self.0 {
            Held::Run(run) if run.start == run.end => *run = rule.0..rule.0 + 1,
            Held::Run(run) if run.end == rule.0 => run.end += 1,
            _ => self.edit(|list| list.push(rule)),
        }
    }

    /// Adds a rule at a position, which is at most the length.
    pub fn insert(&mut self, at: usize, rule: RuleId) {
        if at == self.len() { self.push(rule) } else { self.edit(|list| list.insert(at, rule)) }
    }

    /// Takes out the rule at a position, which is less than the length.
    pub fn remove(&mut self, at: usize) {
        self.edit(|list| {
            list.remove(at);
        });
    }

    fn edit(&mut self, change: impl FnOnce(&mut Vec<RuleId>)) {
        let mut list = match std::mem::take(self).0 {
            Held::Run(run) => run.map(RuleId).collect(),
            Held::List(list) => list,
        };
        change(&mut list);
        self.0 = Held::List(list);
    }
}

impl Default for RuleList {
    fn default() -> Self {
        RuleList(Held::Run(0..0))
    }
}

/// How they are held makes no difference.
impl PartialEq for RuleList {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for RuleList {}

impl FromIterator<RuleId> for RuleList {
    fn from_iter<I: IntoIterator<Item = RuleId>>(rules: I) -> Self {
        let mut list = RuleList::default();
        rules.into_iter().for_each(|rule| list.push(rule));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_are_a_run() {
        let list: RuleList = (7..12).map(RuleId).collect();
        assert!(matches!(&list.0, Held::Run(run) if *run == (7..12)));
        assert_eq!((list.get(4), list.get(5), list.position(RuleId(9))), (Some(RuleId(11)), None, Some(2)));
    }

    proptest! {
        #[test]
        fn it_is_what_a_vector_would_be(edits in prop::collection::vec((0u8..3, 0usize..9, 0u32..9), 0..40)) {
            let (mut list, mut same) = (RuleList::default(), Vec::new());
            for (what, at, rule) in edits {
                let (at, rule) = (at.min(same.len()), RuleId(rule));
                // A rule stands in a chain once.
                let new = !same.contains(&rule);
                if what == 0 && new {
                    list.push(rule);
                    same.push(rule);
                } else if what == 1 && new {
                    list.insert(at, rule);
                    same.insert(at, rule);
                } else if what == 2 && at < same.len() {
                    list.remove(at);
                    same.remove(at);
                }
                prop_assert_eq!(list.iter().collect::<Vec<_>>(), same.clone());
                let odd = |r: &RuleId| r.0 % 2 == 1;
                let row = same.get(at..).unwrap_or_default().iter().take(3).take_while(|r| odd(r)).count();
                prop_assert_eq!(list.in_a_row(at, 3, odd), row);
                prop_assert_eq!(list.position(rule), same.iter().position(|held| *held == rule));
            }
        }
    }
}
