//! Lists of answers without what made no difference: `set=yes chance=1` and `set=no chance=1` are `chance=1`.
//!
//! Lists that differ in one fact only, and have all its answers, become one list without it, until there are none such.
//! They are found by a number for each list that is the sum of its answers' numbers, so that what is left of a list
//! without a fact costs nothing to compare. Left out: which lists lead to one ending.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use rustc_hash::FxHashMap;

use super::Chosen;

/// Answers that lead to an ending, and the product of the odds of the chances among them.
type Weighed = (Vec<Chosen>, f64);

/// Lists without what made no difference.
pub(super) fn reduced(lists: Vec<Weighed>) -> Vec<Weighed> {
    let mut lists = Lists::of(lists);
    while let Some((list, place)) = lists.open.pop_first() {
        lists.merge(list, place);
    }
    lists.all.into_iter().flatten().collect()
}

/// A fact, and what is left of a list without it.
type Rest = (u64, u64);

/// Lists, of which those that were merged are gone.
#[derive(Default)]
struct Lists {
    all: Vec<Option<Weighed>>,
    /// The lists with a fact that are alike without it.
    alike: FxHashMap<Rest, Vec<usize>>,
    /// Facts, by list and place, that may be left out.
    open: BTreeSet<(usize, usize)>,
}

fn number(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// What is left of a list without each of its facts, of which one may stand in it several times.
fn rests(list: &[Chosen]) -> Vec<Rest> {
    let (mut sum, mut own) = (0u64, FxHashMap::<u64, u64>::default());
    for c in list {
        let (key, one) = (number(&c.key), number((&c.key, &c.answer)));
        sum = sum.wrapping_add(one);
        let of_key = own.entry(key).or_default();
        *of_key = of_key.wrapping_add(one);
    }
    list.iter().map(|c| number(&c.key)).map(|key| (key, sum.wrapping_sub(own[&key]))).collect()
}

fn others<'c>(list: &'c [Chosen], key: &str) -> impl Iterator<Item = (&'c str, &'c str)> {
    list.iter().filter(move |c| c.key != key).map(|c| (c.key.as_str(), c.answer.as_str()))
}

impl Lists {
    fn of(lists: Vec<Weighed>) -> Self {
        let mut all = Lists::default();
        for list in lists {
            all.add(list);
        }
        all
    }

    fn add(&mut self, list: Weighed) {
        let at = self.all.len();
        let facts: Vec<(String, usize)> = list.0.iter().map(|c| (c.key.clone(), c.options)).collect();
        let rests = rests(&list.0);
        self.all.push(Some(list));
        for ((key, options), rest) in facts.into_iter().zip(rests) {
            let alike = self.alike.entry(rest).or_default();
            alike.retain(|i| *i != at && self.all[*i].is_some());
            alike.push(at);
            if alike.len() < options {
                continue;
            }
            let first = alike[0];
            let place = self.all[first].iter().flat_map(|l| &l.0).position(|c| c.key == key);
            self.open.extend(place.map(|place| (first, place)));
        }
    }

    /// Makes the lists that are like this one without a fact one list, when they have all its answers.
    fn merge(&mut self, at: usize, place: usize) {
        let Some((list, _)) = &self.all[at] else { return };
        let (fact, rest) = (list[place].clone(), rests(list)[place]);
        let alike = |i: &usize| {
            let (l, _) = self.all[*i].as_ref()?;
            let said = l.iter().find(|c| c.key == fact.key)?;
            others(l, &fact.key).eq(others(list, &fact.key)).then_some((*i, said.answer.clone()))
        };
        let same: Vec<(usize, String)> = self.alike.get(&rest).into_iter().flatten().filter_map(alike).collect();
        let answers: BTreeSet<&str> = same.iter().map(|(_, answer)| answer.as_str()).collect();
        if answers.len() < fact.options {
            return;
        }
        let merged: Vec<Chosen> = list.iter().filter(|c| c.key != fact.key).cloned().collect();
        let weights = same.iter().filter_map(|(i, _)| self.all[*i].take()).map(|(_, weight)| weight);
        let weight = if fact.chance { weights.sum() } else { weights.fold(0.0, f64::max) };
        self.alike.remove(&rest);
        self.add((merged, weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists as `a=yes b=no`, separated by commas; every fact has two answers.
    fn check(lists: &str, expect: &str) {
        let chosen = |word: &str| {
            let (key, answer) = word.split_once('=').unwrap_or((word, ""));
            let (key, answer) = (key.to_string(), answer.to_string());
            Chosen { question: key.clone(), key, answer, options: 2, chance: false }
        };
        let all = lists.split(',').map(|l| (l.split_whitespace().map(chosen).collect(), 1.0)).collect();
        let show = |l: &Vec<Chosen>| l.iter().map(|c| format!("{}={}", c.key, c.answer)).collect::<Vec<_>>().join(" ");
        let mut shown: Vec<_> = reduced(all).iter().map(|(l, _)| show(l)).collect();
        shown.sort();
        assert_eq!(shown.join(","), expect);
    }

    #[test]
    fn answers_that_made_no_difference_are_left_out() {
        check("a=yes,a=no", "");
        check("a=yes b=yes,a=yes b=no", "a=yes");
        check("a=yes b=yes,a=no", "a=no,a=yes b=yes");
        check("a=yes b=yes,a=yes b=no,a=no b=yes,a=no b=no", "");
        check("a=yes a=yes b=no,a=no b=no", "b=no");
    }
}
