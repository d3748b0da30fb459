//! The connections that a `connlimit` or `ct count` counts under one key (`nf_conncount.c`).
//!
//! Each look at it drops those that are over. To look at thousands of them for each packet would take ever longer, so it is kept which of
//! them were there at the last look; they are looked at again once any connection has ended. Left out: what the count is compared with.

use super::{ConnTable, Tuple, Zone};

/// The counted connections in the order in which they were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    list: Vec<(Tuple, Zone)>,
    /// So many of the first ones went on when this many connections had ended.
    sure: usize,
    ended: u64,
}

impl Counted {
    /// These, none of which was looked at yet.
    pub fn of(list: Vec<(Tuple, Zone)>) -> Self {
        Counted { list, ..Counted::default() }
    }

    /// Looks through the list up to the packet's own connection, as the kernel does, and drops what is over; whether it was
    /// met.
    pub fn look(&mut self, own: (Tuple, Zone), conns: &ConnTable) -> bool {
        let is_own = |c: &(Tuple, Zone)| *c == own && conns.find(c.0, c.1).is_some();
        if self.ended != conns.ended() {
            (self.sure, self.ended) = (0, conns.ended());
        }
        if self.list.iter().take(self.sure).any(is_own) {
            return true;
        }
        let (mut kept, mut met) = (self.sure, None);
        for i in self.sure..self.list.len() {
            let one = self.list[i];
            if met.is_none() && is_own(&one) {
                met = Some(kept);
            }
            if met.is_some() || conns.goes_on(one.0, one.1) {
                self.list[kept] = one;
                kept += 1;
            }
        }
        self.list.truncate(kept);
        self.sure = met.unwrap_or(kept);
        met.is_some()
    }

    /// Adds a connection, which may not be confirmed yet.
    pub fn add(&mut self, own: (Tuple, Zone)) {
        self.list.push(own);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Conn;

    #[test]
    fn what_never_came_about_and_what_ended_is_dropped() {
        let one = |sport| Tuple { family: 2, saddr: 1, daddr: 2, proto: 6, sport, dport: 80 };
        let key = |sport| (one(sport), Zone::default());
        let (mut table, mut counted) = (ConnTable::default(), Counted::default());
        let mut ids = Vec::new();
        for sport in 1..=4 {
            assert!(!counted.look(key(sport), &table), "{sport}");
            counted.add(key(sport));
            // The third one's packet is dropped.
            if sport != 3 {
                ids.push(table.insert(Conn { orig: one(sport), reply: one(sport).inverse(), ..Conn::default() }));
            }
        }
        assert!(counted.look(key(2), &table));
        assert_eq!(counted.len(), 3);
        table.remove(ids[0]);
        assert!(counted.look(key(4), &table));
        assert_eq!(counted.len(), 2);
        assert!(!counted.look(key(1), &table));
    }
}
