//! The lines of a text in order, in stretches: whoever takes them one by one gives the room of each stretch back as it goes.
//!
//! A dump of 100,000 rules has 5 MB of them, which lowering trades for the model's rules.

use super::tree::Item;
use crate::source::Span;

/// Lines in a stretch: more than an allocator keeps for itself, so that what is given back is the system's again.
const STRETCH: usize = 8192;

/// Lines, each with its place, without its newline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(Vec<Vec<(Item, Span)>>);

impl Lines {
    /// Adds a line.
    pub(super) fn push(&mut self, item: Item, span: Span) {
        match self.0.last_mut() {
            Some(stretch) if stretch.len() < STRETCH => stretch.push((item, span)),
            Some(_) => {
                let mut stretch = Vec::with_capacity(STRETCH);
                stretch.push((item, span));
                self.0.push(stretch);
            }
            // Most texts are a few lines.
            None => self.0.push(vec![(item, span)]),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|stretch| stretch.capacity() * size_of::<(Item, Span)>()).sum()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Item, Span)> + '_ {
        self.0.iter().flatten().copied()
    }

    /// The last one.
    pub fn last(&self) -> Option<(Item, Span)> {
        self.0.last()?.last().copied()
    }
}

impl IntoIterator for Lines {
    type Item = (Item, Span);
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<(Item, Span)>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_over_the_end_of_a_stretch() {
        let mut lines = Lines::default();
        let count = 2 * STRETCH as u32 + 3;
        (0..count).for_each(|at| lines.push(Item::Blank, Span::new(at, at)));
        assert_eq!((lines.len(), lines.last()), (count as usize, Some((Item::Blank, Span::new(count - 1, count - 1)))));
        assert!(lines.iter().eq(lines.clone()));
        assert!(lines.into_iter().map(|(_, span)| span.start).eq(0..count));
    }
}
