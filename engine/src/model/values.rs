//! Sets of values as sorted, disjoint, inclusive ranges: one algebra for evaluating, for facts, for the index and what-if.

use crate::field::Value;

/// A set of values: sorted, disjoint, not adjacent, inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Values(Vec<(Value, Value)>);

impl Values {
    /// The set of the given inclusive ranges, in any order, overlapping or not; a range with `lo > hi` is empty.
    pub fn new(ranges: impl IntoIterator<Item = (Value, Value)>) -> Self {
        let mut all: Vec<_> = ranges.into_iter().filter(|(lo, hi)| lo <= hi).collect();
        all.sort_unstable();
        all.dedup_by(|next, last| {
            let joins = next.0 <= last.1.saturating_add(1);
            last.1 = if joins { last.1.max(next.1) } else { last.1 };
            joins
        });
        Values(all)
    }

    /// The set of one value.
    pub fn one(value: Value) -> Self {
        Values(vec![(value, value)])
    }

    /// All values of an aligned prefix: `value/bits` of a field that is `width` bits wide.
    pub fn prefix(value: Value, bits: u32, width: u32) -> Self {
        let host = ones(width.saturating_sub(bits));
        Values(vec![(value & !host, value | host)])
    }

    /// Whether the set holds `value`.
    pub fn contains(&self, value: Value) -> bool {
        let i = self.0.partition_point(|r| r.0 <= value);
        i > 0 && value <= self.0[i - 1].1
    }

    /// The values below or equal to `ones(bits)` that are not in the set.
    #[must_use]
    pub fn complement(&self, bits: u32) -> Self {
        let (mut out, mut next, top) = (Vec::new(), Some(0), ones(bits));
        for (lo, hi) in &self.0 {
            if let Some(n) = next
                && n < *lo
            {
                out.push((n, (*lo - 1).min(top)));
            }
            next = hi.checked_add(1);
        }
        if let Some(n) = next
            && n <= top
        {
            out.push((n, top));
        }
        Values(out)
    }

    /// The values in both sets.
    #[must_use]
    pub fn intersect(&self, other: &Values) -> Self {
        let mut out = Vec::new();
        let (mut i, mut j) = (0, 0);
        while let (Some(a), Some(b)) = (self.0.get(i), other.0.get(j)) {
            let (lo, hi) = (a.0.max(b.0), a.1.min(b.1));
            if lo <= hi {
                out.push((lo, hi));
            }
            if a.1 < b.1 {
                i += 1;
            } else {
                j += 1;
            }
        }
        Values(out)
    }

    /// Whether every value of `self` is in `other`.
    pub fn is_subset(&self, other: &Values) -> bool {
        self.intersect(other) == *self
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges.
    pub fn ranges(&self) -> &[(Value, Value)] {
        &self.0
    }

    /// The only value, if there is exactly one.
    pub fn single(&self) -> Option<Value> {
        match self.0[..] {
            [(lo, hi)] if lo == hi => Some(lo),
            _ => None,
        }
    }
}

/// The number with the lowest `bits` bits set.
pub fn ones(bits: u32) -> Value {
    if bits >= 128 { Value::MAX } else { (1 << bits) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set() -> impl Strategy<Value = Values> {
        prop::collection::vec((0u128..40, 0u128..40), 0..6).prop_map(Values::new)
    }

    proptest! {
        #[test]
        fn the_algebra_is_that_of_sets(a in set(), b in set()) {
            let (both, not_a) = (a.intersect(&b), a.complement(6));
            for v in 0..64 {
                prop_assert_eq!(both.contains(v), a.contains(v) && b.contains(v));
                prop_assert_eq!(not_a.contains(v), !a.contains(v));
            }
            prop_assert_eq!(a.is_subset(&b), (0..64).all(|v| !a.contains(v) || b.contains(v)));
        }
    }

    #[test]
    fn prefixes_and_the_whole_width() {
        assert_eq!(Values::prefix(0x0a00_0001, 8, 32).ranges(), [(0x0a00_0000, 0x0aff_ffff)]);
        assert_eq!(Values::prefix(0, 0, 128).complement(128), Values::default());
        assert_eq!(Values::new([(0, 65535)]).complement(16), Values::default());
    }
}
