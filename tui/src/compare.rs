//! Two walks side by side: without and with the what-if. Equal steps stand beside each other; where the walks part, each
//! goes on alone until they meet again.

use crate::moves::same;
use crate::state::State;
use crate::timeline::is_stop;
use nettrace_engine::trace::Trace;

/// A row: the event without the what-if, and the event with it.
pub type Pair = (Option<usize>, Option<usize>);

/// The rows for two walks.
pub fn align(left: &Trace, right: &Trace) -> Vec<Pair> {
    let steps =
        |t: &Trace| -> Vec<usize> { t.events.iter().enumerate().filter(|(_, e)| is_stop(e)).map(|(i, _)| i).collect() };
    let (a, b) = (steps(left), steps(right));
    let equal = |i: usize, j: usize| same(&left.events[i], &right.events[j]);
    let start = a.iter().zip(&b).take_while(|(i, j)| equal(**i, **j)).count();
    let (rest_a, rest_b) = (&a[start..], &b[start..]);
    let tail = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(i, j)| equal(**i, **j)).count();
    let both = |(i, j): (&usize, &usize)| (Some(*i), Some(*j));
    let mut pairs: Vec<Pair> = a.iter().zip(&b).take(start).map(both).collect();
    pairs.extend(rest_a[..rest_a.len() - tail].iter().map(|i| (Some(*i), None)));
    pairs.extend(rest_b[..rest_b.len() - tail].iter().map(|j| (None, Some(*j))));
    pairs.extend(rest_a[rest_a.len() - tail..].iter().zip(&rest_b[rest_b.len() - tail..]).map(both));
    pairs
}

/// The rows for the session's walks; empty without a what-if.
pub fn pairs(state: &State) -> Vec<Pair> {
    let before = &state.session.before;
    before.get(state.way).or(before.first()).map_or_else(Vec::new, |w| align(&w.trace, state.trace()))
}

/// The row at which the two walks part.
pub fn parting(state: &State) -> usize {
    pairs(state).iter().position(|p| p.0.is_none() || p.1.is_none()).unwrap_or(0)
}
