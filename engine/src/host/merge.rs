//! Lists in which nothing stands twice: dumps overlap (`ip addr` tells the devices of `ip link` again, `table all` the routes
//! of both families), and a host may have a hundred thousand of each.
//!
//! Left out: what two tellings of one thing make together.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// Joins items of the same key, at the place of the first.
pub(super) fn merge<T, K: Eq + Hash>(list: &mut Vec<T>, key: impl Fn(&T) -> K, join: impl Fn(&mut T, T)) {
    let mut places = FxHashMap::default();
    let mut out: Vec<T> = Vec::with_capacity(list.len());
    for item in std::mem::take(list) {
        let place = *places.entry(key(&item)).or_insert(out.len());
        match out.get_mut(place) {
            Some(first) => join(first, item),
            None => out.push(item),
        }
    }
    *list = out;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_one_key_is_one_item_where_it_stood_first() {
        let mut list = vec![("b", 1), ("a", 2), ("b", 4), ("c", 8), ("a", 16)];
        merge(&mut list, |item| item.0, |first, other| first.1 += other.1);
        assert_eq!(list, [("b", 5), ("a", 18), ("c", 8)]);
    }
}
