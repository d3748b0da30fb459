//! Exploring: a walk is replayed with other answers to what nobody told, most likely first, until none is left or a bound
//! is hit.
//!
//! Two endpoints behind a random draw give two outcomes of 50 %; an unknown set gives two of which nobody knows the odds.
//! Left out: what can be asked and how it is answered ([`crate::fact`]).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Display;

use rustc_hash::FxHashMap;

use crate::fact::{Chooser, Options};
use crate::limits;

/// Answers fixed by the user: a fact's key, and the answer's label or `ask` to explore a declared default.
pub type Pins = FxHashMap<String, String>;

/// One way the walk can go.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// Product of the odds of its chances; `None` once an unknown fact took part.
    pub odds: Option<f64>,
    /// Product of the odds of its chances alone, whatever unknown facts took part.
    pub chance: f64,
    /// What the walk gave.
    pub result: T,
    /// The answers that were explored, in order: fact key, answer, how many answers there were.
    pub choices: Vec<(String, String, usize)>,
}

/// All ways found.
#[derive(Clone, Debug)]
pub struct Outcomes<T> {
    /// Most likely first; never empty.
    pub list: Vec<Outcome<T>>,
    /// Whether every answer was explored.
    pub complete: bool,
}

/// Runs `run` with every combination of answers, at most `bound` times and as long as the walks are within
/// [`limits::ALL_RULES`] and [`limits::ALL_EVENTS`], most likely first.
pub fn explore<T>(bound: usize, pins: &Pins, mut run: impl FnMut(&mut dyn Chooser) -> T) -> Outcomes<T> {
    let bound = bound.max(1);
    let mut queue = BinaryHeap::from([Branch::default()]);
    let (mut list, mut complete) = (Vec::new(), true);
    let mut spent = (0, 0);
    while let Some(branch) = queue.pop() {
        if list.len() >= bound || spent.0 >= limits::ALL_RULES || spent.1 >= limits::ALL_EVENTS {
            complete = false;
            break;
        }
        let branch = Branch { odds: 1.0, known: true, ..branch };
        let mut replay = Replay::new(branch, pins, bound, spent);
        let result = run(&mut replay);
        complete &= !replay.open;
        spent = replay.spent;
        queue.extend(replay.found.into_iter().map(|other| other.0));
        queue = likeliest(queue, bound);
        let Branch { known, odds: chance, .. } = replay.branch;
        list.push(Outcome { odds: known.then_some(chance), chance, result, choices: replay.choices });
    }
    list.sort_by(|a, b| b.odds.unwrap_or(0.0).total_cmp(&a.odds.unwrap_or(0.0)));
    Outcomes { list, complete }
}

/// The branches that can still be taken: no more than that many walks are made, and one over, by which it is known that
/// there are others.
fn likeliest(mut queue: BinaryHeap<Branch>, bound: usize) -> BinaryHeap<Branch> {
    if queue.len() <= 2 * bound + 1 {
        return queue;
    }
    (0..=bound).filter_map(|_| queue.pop()).collect()
}

/// A run to be made: the answers to take first.
#[derive(Clone, Debug)]
struct Branch {
    picks: Vec<usize>,
    odds: f64,
    known: bool,
    /// Older branches first among equals, so that the order is that of the answers.
    age: usize,
}

impl std::default::Default for Branch {
    fn default() -> Self {
        Branch { picks: Vec::new(), odds: 1.0, known: true, age: 0 }
    }
}

impl PartialEq for Branch {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Branch {}

impl PartialOrd for Branch {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Branch {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.odds.total_cmp(&other.odds).then(other.age.cmp(&self.age))
    }
}

struct Replay<'a> {
    branch: Branch,
    pins: &'a Pins,
    next: usize,
    /// Other branches, the least likely on top.
    found: BinaryHeap<Reverse<Branch>>,
    /// How many others there were.
    noted: usize,
    /// How many walks are made.
    bound: usize,
    choices: Vec<(String, String, usize)>,
    open: bool,
    /// Rules looked at and events written, by all walks.
    spent: (u64, u64),
}

impl<'a> Replay<'a> {
    fn new(branch: Branch, pins: &'a Pins, bound: usize, spent: (u64, u64)) -> Self {
        let (found, choices) = (BinaryHeap::new(), Vec::new());
        Replay { branch, pins, next: 0, found, noted: 0, bound, choices, open: false, spent }
    }

    fn take(&mut self, options: &Options, index: usize) -> usize {
        match options.choices[index].odds {
            Some(p) => self.branch.odds *= p,
            None => self.branch.known = false,
        }
        index
    }

    /// Notes a branch that takes another answer here, when it is among those that can still be walked.
    fn other(&mut self, pick: usize, odds: Option<f64>) {
        // Odds of a branch in the queue are an upper bound: the product so far.
        let odds = self.branch.odds * odds.unwrap_or(1.0);
        let age = self.branch.age + self.noted + 1;
        self.noted += 1;
        // The older of two that are as likely goes first.
        if self.found.len() > self.bound && self.found.peek().is_some_and(|least| odds <= least.0.odds) {
            return;
        }
        let picks = self.branch.picks.iter().copied().chain([pick]).collect();
        self.found.push(Reverse(Branch { picks, odds, known: true, age }));
        if self.found.len() > self.bound + 1 {
            self.found.pop();
        }
    }

    /// What the user fixed; the key is not even written where nothing is.
    fn pin(&self, key: &dyn Display) -> Option<&str> {
        if self.pins.is_empty() { None } else { self.pins.get(&key.to_string()).map(String::as_str) }
    }

    /// The answer that needs no exploring: pinned, declared, or the only one.
    fn settled(&self, key: &dyn Display, options: &Options) -> Option<usize> {
        let pin = self.pin(key);
        let pinned = pin.and_then(|p| options.choices.iter().position(|c| c.label == p));
        let declared = options.default.as_ref().filter(|_| pin != Some("ask")).map(|d| d.index);
        pinned.or(declared).or((options.choices.len() < 2).then_some(0))
    }
}

impl Chooser for Replay<'_> {
    fn given(&mut self, key: &dyn Display) -> Option<&str> {
        self.pin(key)
    }

    fn spent(&mut self, rules: u64, events: u64) {
        self.spent = (self.spent.0.saturating_add(rules), self.spent.1.saturating_add(events));
    }

    fn choose(&mut self, key: &dyn Display, options: &Options) -> usize {
        if let Some(index) = self.settled(key, options) {
            return index;
        }
        self.open |= options.open;
        if self.choices.len() >= limits::QUESTIONS {
            self.open = true;
            return 0;
        }
        let index = if let Some(pick) = self.branch.picks.get(self.next) {
            (*pick).min(options.choices.len() - 1)
        } else {
            for other in 1..options.choices.len() {
                self.other(other, options.choices[other].odds);
            }
            self.branch.picks.push(0);
            0
        };
        self.next += 1;
        self.choices.push((key.to_string(), options.choices[index].label.to_string(), options.choices.len()));
        self.take(options, index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Choice;
    use crate::field::Value;

    fn chance(odds: &[f64]) -> Options {
        let of = |(i, p): (usize, &f64)| Choice { value: i as Value, label: i.to_string().into(), odds: Some(*p) };
        Options::of(odds.iter().enumerate().map(of).collect())
    }

    fn run(ask: &mut dyn Chooser) -> String {
        let first = ask.choose(&"a", &chance(&[0.25, 0.75]));
        if first == 1 {
            return "1".to_string();
        }
        format!("0{}", ask.choose(&"b", &Options::yes_no()))
    }

    #[test]
    fn all_answers_are_explored_and_odds_multiply() {
        let all = explore(10, &Pins::default(), run);
        let shown: Vec<_> = all.list.iter().map(|o| (o.result.as_str(), o.odds)).collect();
        assert_eq!(shown, [("1", Some(0.75)), ("00", None), ("01", None)]);
        assert!(all.complete);
        assert!(!explore(2, &Pins::default(), run).complete);
    }

    #[test]
    fn pins_and_declared_answers_are_not_explored() {
        let pins = Pins::from_iter([("a".to_string(), "0".to_string()), ("b".to_string(), "no".to_string())]);
        let all = explore(10, &pins, run);
        assert_eq!(all.list.len(), 1);
        assert_eq!(all.list[0].result, "01");
        let declared = Options::yes_no().or_assume(0, "test");
        let asked = |pins: &Pins| explore(10, pins, |ask| ask.choose(&"x", &declared)).list.len();
        assert_eq!(asked(&Pins::default()), 1);
        assert_eq!(asked(&Pins::from_iter([("x".to_string(), "ask".to_string())])), 2);
    }
}
