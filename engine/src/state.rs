//! What outlives a packet: the connection table, rule state (limits, counters, lists) and changed sets.
//!
//! A [`State`] is a value: it goes into a walk and comes out changed. A copy of a settled one costs nothing, for exploring.

mod counted;

use rustc_hash::FxHashMap;

pub use counted::Counted;

use crate::field::Value;
use crate::layered::Layered;
use crate::model::SetId;
use crate::sets::Lengths;

/// One direction of a connection. For ICMP `sport` is the identifier and `dport` is `type << 8 | code`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// 2 or 10.
    pub family: u8,
    /// Source address.
    pub saddr: Value,
    /// Destination address.
    pub daddr: Value,
    /// Layer 4 protocol.
    pub proto: u8,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
}

impl Tuple {
    /// The tuple of an answer; ICMP request types become their reply types.
    #[must_use]
    pub fn inverse(self) -> Self {
        let icmp = |t: u16| match (self.proto, t >> 8) {
            (1, 8) => 0,
            (1, 0) => 8 << 8,
            (1, 13) => 14 << 8,
            (1, 14) => 13 << 8,
            (1, 15) => 16 << 8,
            (1, 16) => 15 << 8,
            (1, 17) => 18 << 8,
            (1, 18) => 17 << 8,
            (58, 128) => 129 << 8,
            (58, 129) => 128 << 8,
            (58, 139) => 140 << 8,
            (58, 140) => 139 << 8,
            _ => t,
        };
        let (sport, dport) = match self.proto {
            1 | 58 => (self.sport, icmp(self.dport)),
            _ => (self.dport, self.sport),
        };
        Tuple { saddr: self.daddr, daddr: self.saddr, sport, dport, ..self }
    }
}

/// A connection tracking zone. In a direction in which it does not count, a connection is in zone 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its number.
    pub id: u16,
    /// Counts for packets of the original direction and for answers.
    pub counts: [bool; 2],
}

impl Default for Zone {
    fn default() -> Self {
        Zone::both(0)
    }
}

impl Zone {
    /// A zone that counts in both directions.
    pub fn both(id: u16) -> Self {
        Zone { id, counts: [true, true] }
    }

    /// Of the numbers of both directions.
    pub fn of(orig: u16, reply: u16) -> Self {
        if orig == reply { Zone::both(orig) } else { Zone { id: orig.max(reply), counts: [orig != 0, reply != 0] } }
    }

    /// The number in the original direction, or for answers (`nf_ct_zone_id`).
    pub fn number(self, reply: bool) -> u16 {
        if self.counts[usize::from(reply)] { self.id } else { 0 }
    }
}

/// TCP states of conntrack (`nf_conntrack_proto_tcp.c`), in the order of its tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum TcpState {
    #[default]
    None,
    SynSent,
    SynRecv,
    Established,
    FinWait,
    CloseWait,
    LastAck,
    TimeWait,
    Close,
    SynSent2,
}

/// What one end of a TCP connection was seen to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// One behind the last byte sent.
    pub end: Option<u32>,
    /// The last acknowledgment sent.
    pub acked: Option<u32>,
    /// The largest window announced, unscaled.
    pub window: u32,
}

/// A connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conn {
    /// As first seen.
    pub orig: Tuple,
    /// What a reply looks like: the inverse after translation.
    pub reply: Tuple,
    /// [`crate::field::ct_status`] bits.
    pub status: Value,
    /// Connection mark.
    pub mark: u32,
    /// Labels.
    pub label: Value,
    /// Zone.
    pub zone: Zone,
    /// TCP state.
    pub tcp: TcpState,
    /// Helper name, as [`crate::field::device`] bytes; 0 for none.
    pub helper: Value,
    /// The helper of the connection that it was expected by, where that is known; 0 else.
    pub expected_by: Value,
    /// The device that masquerading chose, 0 for none.
    pub masq_oif: Value,
    /// When it began (ms of [`State::now`]).
    pub since: u64,
    /// It was there before the first packet: `conntrack -L` tells it.
    pub listed: bool,
    /// TCP windows seen in both directions.
    pub seen: [Seen; 2],
    /// Packets and bytes of both directions.
    pub packets: [u64; 2],
    /// Bytes.
    pub bytes: [u64; 2],
}

/// A connection that a helper foresaw: it is RELATED when it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Its first packet.
    pub tuple: Tuple,
    /// The bits of source address and port that count.
    pub mask: Tuple,
    /// The connection that it belongs to, as first seen.
    pub master: Tuple,
    /// That connection's helper, as [`crate::field::device`] bytes; 0 for none.
    pub helper: Value,
    /// Zone.
    pub zone: u16,
    /// It is not used up by the first connection.
    pub permanent: bool,
}

impl Expectation {
    /// Whether a packet begins this connection (`nf_ct_tuple_mask_cmp`).
    pub fn foresees(&self, t: &Tuple, zone: u16) -> bool {
        let own = &self.tuple;
        (own.family, own.proto, self.zone) == (t.family, t.proto, zone)
            && (own.daddr, own.dport) == (t.daddr, t.dport)
            && (own.saddr ^ t.saddr) & self.mask.saddr == 0
            && (own.sport ^ t.sport) & self.mask.sport == 0
    }
}

impl Conn {
    /// Whether it is at its end and only waits to be forgotten.
    fn is_over(&self) -> bool {
        matches!(self.tcp, TcpState::TimeWait | TcpState::Close)
    }
}

/// The connections that the host knows.
#[derive(Clone, Debug, Default)]
pub struct ConnTable {
    /// A listing told which ones there are: what it lacks is not there.
    pub told: bool,
    /// By number.
    conns: Layered<u32, Conn>,
    /// By tuple, zone number and direction (whether it is the answers').
    tuples: Layered<(Tuple, u16, bool), u32>,
    /// The number of the next one, and how many there are.
    next: u32,
    count: usize,
    /// Some were there before the first packet.
    listed: bool,
    /// How many were taken out or came to their end.
    ended: u64,
}

impl ConnTable {
    /// Adds a connection and returns its number.
    pub fn insert(&mut self, conn: Conn) -> u32 {
        let id = self.next;
        self.tuples.insert((conn.orig, conn.zone.number(false), false), id);
        self.tuples.insert((conn.reply, conn.zone.number(true), true), id);
        self.listed |= conn.listed;
        self.conns.insert(id, conn);
        (self.next, self.count) = (id + 1, self.count + 1);
        id
    }

    /// The connection that a packet's tuple belongs to, and whether it is its reply direction.
    pub fn find(&self, tuple: Tuple, zone: Zone) -> Option<(u32, bool)> {
        let by = |reply| self.tuples.get(&(tuple, zone.number(reply), reply)).map(|id| (*id, reply));
        by(false).or_else(|| by(true))
    }

    /// Whether a connection is there and not at its end.
    pub fn goes_on(&self, tuple: Tuple, zone: Zone) -> bool {
        let conn = self.find(tuple, zone).and_then(|(id, _)| self.get(id));
        conn.is_some_and(|c| !c.is_over())
    }

    /// A connection.
    pub fn get(&self, id: u32) -> Option<&Conn> {
        self.conns.get(&id)
    }

    /// Writes what became of a connection, whose tuples stay.
    pub fn update(&mut self, id: u32, conn: &Conn) {
        if let Some(stored) = self.conns.get_mut(&id) {
            self.ended += u64::from(conn.is_over() && !stored.is_over());
            *stored = Conn { orig: stored.orig, reply: stored.reply, ..conn.clone() };
        }
    }

    /// Removes a connection.
    pub fn remove(&mut self, id: u32) -> Option<Conn> {
        let conn = self.conns.remove(&id)?;
        self.tuples.remove(&(conn.orig, conn.zone.number(false), false));
        self.tuples.remove(&(conn.reply, conn.zone.number(true), true));
        (self.count, self.ended) = (self.count - 1, self.ended + 1);
        Some(conn)
    }

    /// Takes over from an older table what a listing of connections does not tell: windows, the device of
    /// masquerading, labels, helpers.
    pub fn inherit(&mut self, older: &ConnTable) {
        for id in 0..self.next {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            if let Some(old) = older.find(conn.orig, conn.zone).and_then(|(id, _)| older.get(id)) {
                (conn.seen, conn.masq_oif, conn.since) = (old.seen, old.masq_oif, old.since);
                (conn.packets, conn.bytes) = (old.packets, old.bytes);
                conn.label |= old.label;
                conn.helper = if conn.helper == 0 { old.helper } else { conn.helper };
            }
        }
    }

    /// All connections.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Conn)> {
        (0..self.next).filter_map(|id| Some((id, self.get(id)?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether some may have been there before the first packet.
    pub fn has_listed(&self) -> bool {
        self.listed
    }

    /// How many were taken out or came to their end: while that stays, all that went on go on.
    pub fn ended(&self) -> u64 {
        self.ended
    }
}

/// Names a piece of rule state: a place in the rules or a shared name, and a key within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateKey {
    /// The effect or expression, or the interned shared name.
    pub site: u64,
    /// Key within it (hashlimit, connlimit, recent, a set's element); empty where there is one.
    pub key: Vec<Value>,
}

/// A piece of rule state.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Tokens left, in thousandths, and when they were counted (ms).
    Bucket(u64, u64),
    /// A plain counter: nth, numgen inc, quota used.
    Count(u64),
    /// Times of the last hits (ms) and the last one's TTL, for `recent`.
    Hits(Vec<u64>, u8),
    /// Connections seen, for connlimit.
    Conns(Counted),
}

/// The changes of a set's contents by packets.
#[derive(Clone, Debug, Default)]
pub struct SetDelta {
    changes: Layered<Vec<Value>, Option<Vec<Value>>>,
    /// Keys that came and that went.
    came: usize,
    went: usize,
    /// Of an ipset of networks: how many entries of each prefix length came or went.
    pub lengths: Lengths,
}

impl SetDelta {
    /// What became of a key: it is there with this data, or gone; `None`: no packet changed it.
    pub fn get(&self, key: &[Value]) -> Option<&Option<Vec<Value>>> {
        self.changes.get(&key.to_vec())
    }

    /// Adds a key that was not there.
    pub fn add(&mut self, key: Vec<Value>, data: Vec<Value>) {
        self.came += 1;
        self.put(key, Some(data));
    }

    /// Takes a key out; `held`: it was there.
    pub fn remove(&mut self, key: Vec<Value>, held: bool) {
        self.went += usize::from(held);
        self.put(key, None);
    }

    /// Changes a key's data, or says of a set whose contents are unknown what it holds.
    pub fn put(&mut self, key: Vec<Value>, data: Option<Vec<Value>>) {
        self.changes.insert(key, data);
    }

    /// How many keys a set that held so many has now.
    pub fn size(&self, held: usize) -> usize {
        (held + self.came).saturating_sub(self.went)
    }
}

/// Everything that outlives a packet.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Connections.
    pub conns: ConnTable,
    /// Connections that helpers foresaw.
    pub expected: Vec<Expectation>,
    /// Rule state that differs from fresh.
    pub rules: Layered<StateKey, Cell>,
    /// Sets that packets changed.
    pub sets: FxHashMap<SetId, SetDelta>,
    /// The walk's clock in ms; rates refill by it. It stands still unless a caller moves it.
    pub now: u64,
}

impl State {
    /// Makes what a walk changed a part of what the next one finds: copies made until then were cheap.
    pub fn settle(&mut self) {
        self.conns.conns.settle();
        self.conns.tuples.settle();
        self.rules.settle();
        self.sets.values_mut().for_each(|delta| delta.changes.settle());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_found_by_both_directions() {
        let orig = Tuple { family: 2, saddr: 1, daddr: 2, proto: 6, sport: 1000, dport: 80 };
        let mut reply = orig.inverse();
        reply.saddr = 3;
        let mut t = ConnTable::default();
        let id = t.insert(Conn { orig, reply, ..Conn::default() });
        let zero = Zone::default();
        assert_eq!(t.find(orig, zero), Some((id, false)));
        assert_eq!(t.find(reply, zero), Some((id, true)));
        assert_eq!(t.find(orig, Zone::both(1)), None);
        assert!(t.remove(id).is_some());
        assert_eq!((t.find(orig, zero), t.is_empty()), (None, true));
        let one_way = Zone::of(5, 0);
        let id = t.insert(Conn { orig, reply, zone: one_way, ..Conn::default() });
        assert_eq!(
            [one_way, zero, Zone::both(5)].map(|z| t.find(orig, z)),
            [Some((id, false)), None, Some((id, false))]
        );
        assert_eq!(
            [one_way, zero, Zone::both(5)].map(|z| t.find(reply, z)),
            [Some((id, true)), Some((id, true)), None]
        );
        let ping = Tuple { family: 2, saddr: 1, daddr: 2, proto: 1, sport: 77, dport: 8 << 8 };
        assert_eq!(ping.inverse().dport, 0);
        assert_eq!(ping.inverse().inverse(), ping);
    }
}
