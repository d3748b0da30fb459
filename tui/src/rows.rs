//! The rows of the chain pane: rules, with the long runs that nobody looks at folded into one row
//! (`⋯ 4 812 rules did not match`). Rows are counted, not made: 700,000 rules cost as much as seven.

use nettrace_engine::model::{ChainId, Model};
use nettrace_engine::trace::{Event, Trace};

use crate::timeline::Timeline;

/// How many rules around one of interest stay unfolded.
const AROUND: u32 = 3;

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// The rule of this index in its chain.
    Rule(u32),
    /// The rules `from..to`, folded.
    Fold(u32, u32),
    /// The end of the chain: its policy, or back to the caller.
    End,
}

/// The cursor of the chain pane: a rule's index (or the chain's length: its end), or the fold that holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Index of the rule.
    pub index: u32,
    /// It stands on a fold.
    pub fold: bool,
}

/// What is folded by hand.
#[derive(Clone, Debug, Default)]
pub struct Folds {
    /// Nothing is folded.
    pub none: bool,
    /// Rules `from..to` that were unfolded.
    pub open: Vec<(u32, u32)>,
}

/// What this pass through a chain did up to a step.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Rules that matched: index and event.
    pub matched: Vec<(u32, usize)>,
    /// The rule of the step itself.
    pub current: Option<u32>,
    /// Rules below this index were looked at.
    pub seen: u32,
    /// The chain's end was reached.
    pub ended: bool,
}

impl Folds {
    /// Folds what was unfolded around a rule; whether there was something.
    pub fn close(&mut self, index: u32) -> bool {
        let before = self.open.len();
        self.open.retain(|o| !(o.0 <= index && index < o.1));
        self.open.len() < before
    }
}

impl Pass {
    /// The pass that event `at` belongs to.
    pub fn new(model: &Model, trace: &Trace, timeline: &Timeline, at: usize) -> Pass {
        let mut pass = Pass::default();
        let Some(spot) = timeline.spot(at) else { return pass };
        for (i, event) in trace.events.iter().enumerate().take(at + 1).skip(spot.visit) {
            if timeline.spot(i).is_none_or(|s| s.visit != spot.visit || s.chain != spot.chain) {
                continue;
            }
            match event {
                Event::Rule { index, rule, .. } if Some(model.rule(*rule).chain) == spot.chain => {
                    pass.matched.push((*index, i));
                    pass.seen = index + 1;
                    pass.current = Some(*index);
                }
                Event::Return { .. } | Event::Policy { .. } => {
                    pass.seen = spot.chain.map_or(0, |c| model.chain(c).rules.len() as u32);
                    pass.ended = true;
                    pass.current = None;
                }
                _ => {}
            }
        }
        pass
    }

    /// The event at which the rule of this index was looked at, `at` when it was not.
    pub fn moment(&self, index: u32, at: usize) -> usize {
        self.matched.iter().find(|m| m.0 >= index).map_or(at, |m| m.1)
    }

    /// Whether the rule of this index matched.
    pub fn has_matched(&self, index: u32) -> bool {
        self.matched.iter().any(|m| m.0 == index)
    }

    /// Whether the rule of this index was looked at and did not match.
    pub fn missed(&self, index: u32) -> bool {
        index < self.seen && !self.has_matched(index)
    }
}

#[derive(Clone, Copy, Debug)]
struct Run {
    row: usize,
    from: u32,
    to: u32,
    folded: bool,
}

/// The rows of a chain.
#[derive(Clone, Debug)]
pub struct Rows {
    runs: Vec<Run>,
    rules: u32,
}

impl Rows {
    /// The rows of a chain, unfolded around what the pass touched and around the cursor.
    pub fn new(model: &Model, chain: ChainId, pass: &Pass, cursor: Option<Cursor>, folds: &Folds) -> Rows {
        let rules = model.chain(chain).rules.len() as u32;
        let mut rows = Rows { runs: Vec::new(), rules };
        if folds.none {
            rows.push(0, rules, false);
            return rows;
        }
        let touched = pass.matched.iter().map(|m| m.0);
        let pointed = cursor.filter(|c| !c.fold).map(|c| c.index);
        let mut anchors: Vec<u32> = touched.chain(pointed).collect();
        if pass.matched.is_empty() {
            anchors.push(0);
        }
        anchors.sort_unstable();
        let mut next = 0;
        for anchor in anchors {
            rows.gap(next, anchor.saturating_sub(AROUND).max(next), folds);
            let end = (anchor + AROUND + 1).min(rules);
            let from = anchor.saturating_sub(AROUND).max(next);
            rows.push(from, end, false);
            next = next.max(end);
        }
        rows.gap(next, rules, folds);
        rows
    }

    fn gap(&mut self, from: u32, to: u32, folds: &Folds) {
        let folded = to.saturating_sub(from) > AROUND && !folds.open.iter().any(|o| o.0 < to && from < o.1);
        self.push(from, to, folded);
    }

    fn push(&mut self, from: u32, to: u32, folded: bool) {
        if from < to {
            let row = self.end_row();
            self.runs.push(Run { row, from, to, folded });
        }
    }

    fn end_row(&self) -> usize {
        self.runs.last().map_or(0, |r| r.row + if r.folded { 1 } else { (r.to - r.from) as usize })
    }

    /// How many rows there are, the end's included.
    pub fn len(&self) -> usize {
        self.end_row() + 1
    }

    /// Whether there are none; there is always the end's.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The row of this number.
    pub fn row(&self, number: usize) -> Row {
        let i = self.runs.partition_point(|r| r.row <= number);
        let Some(run) = i.checked_sub(1).map(|i| self.runs[i]).filter(|_| number < self.end_row()) else {
            return Row::End;
        };
        if run.folded { Row::Fold(run.from, run.to) } else { Row::Rule(run.from + (number - run.row) as u32) }
    }

    /// The number of the row that shows a rule.
    pub fn of(&self, index: u32) -> usize {
        let i = self.runs.partition_point(|r| r.from <= index);
        match i.checked_sub(1).map(|i| self.runs[i]) {
            Some(run) if index < run.to => run.row + if run.folded { 0 } else { (index - run.from) as usize },
            _ => self.end_row(),
        }
    }

    /// The cursor that stands on a row.
    pub fn cursor(&self, number: usize) -> Cursor {
        match self.row(number.min(self.end_row())) {
            Row::Rule(index) => Cursor { index, fold: false },
            Row::Fold(index, _) => Cursor { index, fold: true },
            Row::End => Cursor { index: self.rules, fold: false },
        }
    }
}

/// The first of the visible rows, so that row `cursor` of `len` is in the middle where that is possible.
pub fn top(cursor: usize, len: usize, height: usize) -> usize {
    cursor.saturating_sub(height / 2).min(len.saturating_sub(height))
}
