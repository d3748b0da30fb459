//! The entries of a set: keys packed into the smallest number that holds them, sorted; what some carry beside.
//!
//! An IPv4 `hash:ip` takes 4 bytes an entry, `hash:net` 8, IPv6 up to 40. Left out: what a key's parts mean.

use crate::field::Value;

/// What an entry carries besides its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ext {
    /// Packets counted.
    pub packets: u64,
    /// Bytes counted.
    pub bytes: u64,
    /// How many seconds behind the dump it ends; 0 never.
    pub timeout: u32,
    /// A hole in a larger network.
    pub nomatch: bool,
    /// `bitmap:ip,mac`: the link-layer address.
    pub mac: Option<Value>,
    /// Mark and mask that `--map-mark` writes.
    pub skb_mark: Option<(u32, u32)>,
    /// Priority that `--map-prio` writes.
    pub skb_prio: Option<u32>,
    /// Queue that `--map-queue` writes.
    pub skb_queue: Option<u16>,
    /// Comment.
    pub comment: Option<Box<str>>,
}

impl Ext {
    /// What packets can change, as a [`crate::state::SetDelta`] holds it.
    pub fn data(&self) -> Vec<Value> {
        let mac = self.mac.map_or(0, |m| m + 1);
        vec![
            self.packets.into(),
            self.bytes.into(),
            self.nomatch.into(),
            mac,
            self.timeout.into(),
            self.is_bare().into(),
        ]
    }

    /// Whether it has nothing that only a dump tells: what the SET target adds has not.
    fn is_bare(&self) -> bool {
        (self.skb_mark, self.skb_prio, self.skb_queue, &self.comment) == (None, None, None, &None)
    }

    /// Counts a packet of so many bytes.
    pub fn count(&mut self, bytes: u64) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether it is gone at this time (ms behind the dump).
    pub fn is_over(&self, now: u64) -> bool {
        self.timeout != 0 && now >= u64::from(self.timeout) * 1000
    }

    /// The entry after a change.
    #[must_use]
    pub fn changed(self, data: &[Value]) -> Ext {
        let get = |i: usize| data.get(i).copied().unwrap_or(0);
        let (packets, bytes, timeout) = (get(0) as u64, get(1) as u64, get(4) as u32);
        let rest = if get(5) != 0 { Ext::default() } else { self };
        Ext { packets, bytes, nomatch: get(2) != 0, mac: get(3).checked_sub(1), timeout, ..rest }
    }
}

/// A packed key.
trait Key: Copy + Ord {
    fn pack(parts: &[Value], widths: &[u8]) -> Self;
    fn unpack(self, widths: &[u8]) -> Vec<Value>;
}

fn low(width: u8) -> Value {
    if width >= 128 { Value::MAX } else { (1 << width) - 1 }
}

macro_rules! narrow_key {
    ($($t:ty)*) => {$(
        impl Key for $t {
            fn pack(parts: &[Value], widths: &[u8]) -> Self {
                let join = |key: Value, (part, width): (&Value, &u8)| {
                    key.checked_shl(u32::from(*width)).unwrap_or(0) | (part & low(*width))
                };
                parts.iter().zip(widths).fold(0, join) as $t
            }

            fn unpack(self, widths: &[u8]) -> Vec<Value> {
                let mut key = Value::from(self);
                let mut split = |width: &u8| {
                    let part = key & low(*width);
                    key = key.checked_shr(u32::from(*width)).unwrap_or(0);
                    part
                };
                let mut parts: Vec<_> = widths.iter().rev().map(&mut split).collect();
                parts.reverse();
                parts
            }
        }
    )*};
}

narrow_key!(u32 u64 u128);

/// A key of up to 320 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wide([u64; 5]);

impl Wide {
    /// Shifts left by 1 to 63 bits and fills in from the right.
    fn push(&mut self, part: u64, width: u8) {
        let mut carry = part;
        for limb in self.0.iter_mut().rev() {
            let out = *limb >> (64 - width);
            *limb = (*limb << width) | carry;
            carry = out;
        }
    }

    /// Shifts right by 1 to 63 bits and returns what fell out.
    fn pop(&mut self, width: u8) -> u64 {
        let mut carry = 0;
        for limb in &mut self.0 {
            let out = *limb & low(width) as u64;
            *limb = (*limb >> width) | (carry << (64 - width));
            carry = out;
        }
        carry
    }
}

/// A part in pieces of at most 32 bits, first the highest.
fn pieces(width: u8) -> impl DoubleEndedIterator<Item = u8> {
    let full = usize::from(width / 32);
    [width % 32, 32, 32, 32, 32].into_iter().take(full + 1).filter(|w| *w != 0)
}

impl Key for Wide {
    fn pack(parts: &[Value], widths: &[u8]) -> Self {
        let mut key = Wide([0; 5]);
        for (part, width) in parts.iter().zip(widths) {
            let mut left = *width;
            for piece in pieces(*width) {
                left -= piece;
                key.push(((part >> left.min(127)) & low(piece)) as u64, piece);
            }
        }
        key
    }

    fn unpack(mut self, widths: &[u8]) -> Vec<Value> {
        let mut parts: Vec<Value> = Vec::with_capacity(widths.len());
        for width in widths.iter().rev() {
            let (mut part, mut at) = (0, 0);
            for piece in pieces(*width).rev() {
                part |= Value::from(self.pop(piece)) << at;
                at += piece;
            }
            parts.push(part);
        }
        parts.reverse();
        parts
    }
}

/// Sorted keys, and beside them what some entries carry, sorted likewise.
#[derive(Clone, Debug)]
struct Table<K> {
    keys: Vec<K>,
    timeouts: Vec<(K, u32)>,
    more: Vec<(K, Box<Ext>)>,
    /// While entries are added: those that carry nothing, and how long the two lists above were then.
    plain: Vec<(K, [usize; 2])>,
    /// While entries are added: those that were taken out, and how many keys were added before.
    gone: Vec<(K, usize)>,
}

impl<K: Key> Table<K> {
    const EMPTY: Table<K> =
        Table { keys: Vec::new(), timeouts: Vec::new(), more: Vec::new(), plain: Vec::new(), gone: Vec::new() };

    fn push(&mut self, key: K, ext: Option<&Ext>) {
        self.keys.push(key);
        let Some(ext) = ext else {
            let lengths = [self.timeouts.len(), self.more.len()];
            if lengths != [0, 0] {
                self.plain.push((key, lengths));
            }
            return;
        };
        if ext.timeout != 0 {
            self.timeouts.push((key, ext.timeout));
        }
        if *ext != (Ext { timeout: ext.timeout, ..Ext::default() }) {
            self.more.push((key, Box::new(ext.clone())));
        }
    }

    /// Takes an entry out. What it carried is dropped as if it were added again without.
    fn take_out(&mut self, key: K) {
        self.gone.push((key, self.keys.len()));
        self.plain.push((key, [self.timeouts.len(), self.more.len()]));
    }

    /// Drops the keys that were not added again behind their being taken out.
    fn drop_gone(&mut self) {
        let mut gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return;
        }
        keep_last(&mut gone);
        let mut index = 0;
        self.keys.retain(|key| {
            index += 1;
            gone.binary_search_by_key(key, |g| g.0).map_or(true, |i| gone[i].1 < index)
        });
    }

    /// Sorts; of a key that was added twice the later one counts.
    fn finish(&mut self) {
        self.drop_gone();
        self.keys.sort_unstable();
        self.keys.dedup();
        keep_last(&mut self.plain);
        drop_older(&mut self.timeouts, &self.plain, 0);
        drop_older(&mut self.more, &self.plain, 1);
        self.plain = Vec::new();
        keep_last(&mut self.timeouts);
        keep_last(&mut self.more);
    }

    fn bytes(&self) -> usize {
        let comments: usize = self.more.iter().map(|m| m.1.comment.as_ref().map_or(0, |text| text.len())).sum();
        self.keys.capacity() * size_of::<K>()
            + self.timeouts.capacity() * size_of::<(K, u32)>()
            + self.more.capacity() * size_of::<(K, Box<Ext>)>()
            + self.more.len() * size_of::<Ext>()
            + comments
    }

    fn find(&self, key: K) -> Option<Ext> {
        self.keys.binary_search(&key).ok()?;
        let more = self.more.binary_search_by_key(&key, |m| m.0).ok().and_then(|i| self.more.get(i));
        let timeout = self.timeouts.binary_search_by_key(&key, |t| t.0).ok().and_then(|i| self.timeouts.get(i));
        let ext = more.map(|m| (*m.1).clone()).unwrap_or_default();
        Some(Ext { timeout: timeout.map_or(0, |t| t.1), ..ext })
    }
}

/// Drops what an entry carried before it was added again without.
fn drop_older<K: Key, T>(list: &mut Vec<(K, T)>, plain: &[(K, [usize; 2])], which: usize) {
    let mut index = 0;
    list.retain(|(key, _)| {
        index += 1;
        let again = plain.binary_search_by_key(key, |p| p.0).ok().and_then(|i| plain.get(i));
        again.is_none_or(|(_, lengths)| lengths[which] < index)
    });
}

fn keep_last<K: Key, T>(list: &mut Vec<(K, T)>) {
    list.sort_by_key(|e| e.0);
    list.reverse();
    list.dedup_by_key(|e| e.0);
    list.reverse();
}

/// The entries of a set, in the width its keys need.
#[derive(Clone, Debug)]
pub(super) struct Store(Tables);

#[derive(Clone, Debug)]
enum Tables {
    B32(Table<u32>),
    B64(Table<u64>),
    B128(Table<u128>),
    B320(Table<Wide>),
}

/// Does the same with whichever table it is.
macro_rules! each {
    ($store:expr, $t:ident => $body:expr) => {
        match $store {
            Tables::B32($t) => $body,
            Tables::B64($t) => $body,
            Tables::B128($t) => $body,
            Tables::B320($t) => $body,
        }
    };
}

impl Store {
    /// An empty one for keys of these widths.
    pub fn new(widths: &[u8]) -> Store {
        let bits: u32 = widths.iter().map(|w| u32::from(*w)).sum();
        Store(match bits {
            0..=32 => Tables::B32(Table::EMPTY),
            33..=64 => Tables::B64(Table::EMPTY),
            65..=128 => Tables::B128(Table::EMPTY),
            _ => Tables::B320(Table::EMPTY),
        })
    }

    /// Adds an entry; [`Store::finish`] has to follow.
    pub fn push(&mut self, parts: &[Value], widths: &[u8], ext: Option<&Ext>) {
        each!(&mut self.0, t => t.push(Key::pack(parts, widths), ext));
    }

    /// Makes the entries findable.
    pub fn finish(&mut self) {
        each!(&mut self.0, t => t.finish());
    }

    /// What an entry carries; `None` when there is no such entry.
    pub fn find(&self, parts: &[Value], widths: &[u8]) -> Option<Ext> {
        each!(&self.0, t => t.find(Key::pack(parts, widths)))
    }

    /// Takes an entry out, if there is one; [`Store::finish`] has to follow.
    pub fn take_out(&mut self, parts: &[Value], widths: &[u8]) {
        each!(&mut self.0, t => t.take_out(Key::pack(parts, widths)));
    }

    /// Bytes that the entries take, with the room that is kept for more.
    pub fn bytes(&self) -> usize {
        each!(&self.0, t => t.bytes())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        each!(&self.0, t => t.keys.len())
    }

    /// The key of an entry by number.
    pub fn key(&self, index: usize, widths: &[u8]) -> Option<Vec<Value>> {
        each!(&self.0, t => t.keys.get(index).map(|k| k.unpack(widths)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_come_back_and_are_found(rows in prop::collection::vec(prop::collection::vec(any::<u128>(), 5), 1..20),
            shape in prop::sample::select(vec![
                vec![32u8], vec![32, 8], vec![16], vec![32, 24, 32, 8], vec![128], vec![128, 8],
                vec![128, 8, 24, 128, 8], vec![48], vec![128, 24],
            ])) {
            let mut store = Store::new(&shape);
            let cut = |row: &Vec<u128>| -> Vec<u128> { row.iter().zip(&shape).map(|(v, w)| v & low(*w)).collect() };
            for (i, row) in rows.iter().enumerate() {
                let ext = Ext { packets: i as u64, timeout: i as u32, ..Ext::default() };
                store.push(&cut(row), &shape, Some(&ext));
            }
            let mut without = store.clone();
            without.take_out(&cut(&rows[0]), &shape);
            without.finish();
            prop_assert_eq!(without.find(&cut(&rows[0]), &shape), None);
            without.take_out(&cut(&rows[0]), &shape);
            without.push(&cut(&rows[0]), &shape, None);
            without.finish();
            prop_assert_eq!(without.find(&cut(&rows[0]), &shape), Some(Ext::default()));
            store.finish();
            prop_assert_eq!(without.len(), store.len());
            for row in &rows {
                let last = rows.iter().rposition(|r| cut(r) == cut(row)).unwrap_or(0);
                prop_assert_eq!(store.find(&cut(row), &shape).map(|e| (e.packets, e.timeout)),
                    Some((last as u64, last as u32)));
            }
            for i in 0..store.len() {
                let key = store.key(i, &shape).unwrap();
                prop_assert!(rows.iter().any(|r| cut(r) == key), "{:?}", key);
            }
        }
    }
}
