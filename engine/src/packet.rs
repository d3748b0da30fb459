//! A packet: one lane for each field, which is filled, absent or not known.
//!
//! Left out: defaults and where a packet comes from ([`crate::spec`]), and fields that are derived from others and the
//! host ([`crate::eval`]).

use std::sync::Arc;

use crate::field::{FIELDS, Field, Value};

/// What reading a field gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// It has this value.
    Value(Value),
    /// The packet has no such header, or the field does not exist in this place.
    Absent,
    /// The inputs don't tell.
    Unknown,
}

impl Got {
    /// The value, if there is one.
    pub fn value(self) -> Option<Value> {
        match self {
            Got::Value(v) => Some(v),
            _ => None,
        }
    }
}

/// A packet with its metadata at one moment of its way.
#[derive(Clone, Debug)]
pub struct Packet {
    lanes: [Value; FIELDS],
    filled: [Fill; FIELDS],
    /// Bytes that have no lane.
    pub bytes: Arc<Bytes>,
}

/// What there is in a lane; its value is 0 where it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    Absent,
    Known,
    /// Nobody gave it: a default stands there.
    Default,
    /// Nobody gave it: by default there is none.
    DefaultAbsent,
    Unknown,
}

/// The parts of a packet that have no lane of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// TCP options, raw.
    pub tcp_options: Vec<u8>,
    /// IPv4 options, raw.
    pub ip_options: Vec<u8>,
    /// What follows the layer 4 header, as far as it is known; for an ICMP error the quoted packet.
    pub payload: Option<Vec<u8>>,
    /// The layer 4 checksum is wrong.
    pub bad_checksum: bool,
    /// IPv6 extension headers in order: (protocol number of this header, its bytes).
    pub ext_headers: Vec<(u8, Vec<u8>)>,
}

impl Default for Packet {
    fn default() -> Self {
        Packet { lanes: [0; FIELDS], filled: [Fill::Absent; FIELDS], bytes: Arc::default() }
    }
}

/// A default is as good as a value that was given.
impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.changes(other).next().is_none()
    }
}

impl Eq for Packet {}

impl Packet {
    /// Reads a lane.
    #[inline]
    pub fn get(&self, field: Field) -> Got {
        match self.filled[field as usize] {
            Fill::Known | Fill::Default => Got::Value(self.lanes[field as usize]),
            Fill::Absent | Fill::DefaultAbsent => Got::Absent,
            Fill::Unknown => Got::Unknown,
        }
    }

    /// Reads a lane as a rule does, for which a default that nobody asked for yet is unknown.
    #[inline]
    pub fn told(&self, field: Field) -> Got {
        match self.filled[field as usize] {
            Fill::Known => Got::Value(self.lanes[field as usize]),
            Fill::Absent => Got::Absent,
            Fill::Default | Fill::DefaultAbsent | Fill::Unknown => Got::Unknown,
        }
    }

    /// Writes a default to a lane: its value for everyone, but one that has to be listed once a rule asks for it.
    pub fn stand_in(&mut self, field: Field, value: Value) {
        self.set(field, value);
        self.filled[field as usize] = Fill::Default;
    }

    /// The same for what is not there by default.
    pub fn stand_in_absent(&mut self, field: Field) {
        self.put(field, Got::Absent);
        self.filled[field as usize] = Fill::DefaultAbsent;
    }

    /// The default that stands in a lane: a value, or that there is none.
    pub fn default_of(&self, field: Field) -> Option<Got> {
        matches!(self.filled[field as usize], Fill::Default | Fill::DefaultAbsent).then(|| self.get(field))
    }

    /// The same packet with its defaults taken for what was given.
    #[must_use]
    pub fn settled(mut self) -> Self {
        for fill in &mut self.filled {
            *fill = match *fill {
                Fill::Default => Fill::Known,
                Fill::DefaultAbsent => Fill::Absent,
                given => given,
            };
        }
        self
    }

    /// The value of a lane, if it is present and known.
    pub fn value(&self, field: Field) -> Option<Value> {
        self.get(field).value()
    }

    /// The value of a lane that is present in every packet; 0 if it is not.
    pub fn or_zero(&self, field: Field) -> Value {
        self.value(field).unwrap_or(0)
    }

    /// Writes a lane.
    pub fn put(&mut self, field: Field, got: Got) {
        let (fill, value) = match got {
            Got::Value(v) => (Fill::Known, v),
            Got::Absent => (Fill::Absent, 0),
            Got::Unknown => (Fill::Unknown, 0),
        };
        self.filled[field as usize] = fill;
        self.lanes[field as usize] = value;
    }

    /// Writes a value to a lane.
    pub fn set(&mut self, field: Field, value: Value) {
        self.put(field, Got::Value(value));
    }

    /// 2 for IPv4, 10 for IPv6.
    pub fn family(&self) -> Value {
        self.or_zero(Field::Family)
    }

    /// Whether it is a fragment that does not begin with the layer 4 header.
    pub fn is_later_fragment(&self) -> bool {
        self.or_zero(Field::FragOffset) != 0
    }

    /// The fields in which two packets differ, with both values.
    pub fn changes<'a>(&'a self, later: &'a Packet) -> impl Iterator<Item = (Field, Got, Got)> + 'a {
        Field::ALL.iter().filter_map(move |f| {
            let (old, new) = (self.get(*f), later.get(*f));
            (old != new).then_some((*f, old, new))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_present_absent_or_unknown() {
        let mut p = Packet::default();
        assert_eq!(p.get(Field::Dport), Got::Absent);
        p.set(Field::Dport, 31002);
        assert_eq!(p.get(Field::Dport), Got::Value(31002));
        let mut q = p.clone();
        q.put(Field::Dport, Got::Unknown);
        assert_eq!(p.changes(&q).collect::<Vec<_>>(), [(Field::Dport, Got::Value(31002), Got::Unknown)]);
        q.put(Field::Dport, Got::Absent);
        assert_eq!(q.get(Field::Dport), Got::Absent);
    }

    #[test]
    fn a_default_is_a_value_that_a_rule_has_to_ask_for() {
        let (mut p, mut q) = (Packet::default(), Packet::default());
        p.stand_in(Field::Ttl, 64);
        q.set(Field::Ttl, 64);
        assert_eq!((p.get(Field::Ttl), p.told(Field::Ttl)), (Got::Value(64), Got::Unknown));
        assert_eq!((p.default_of(Field::Ttl), q.default_of(Field::Ttl)), (Some(Got::Value(64)), None));
        assert!(p == q);
        p.stand_in_absent(Field::TcpMss);
        assert_eq!((p.get(Field::TcpMss), p.told(Field::TcpMss)), (Got::Absent, Got::Unknown));
        let p = p.settled();
        assert_eq!((p.told(Field::Ttl), p.told(Field::TcpMss)), (Got::Value(64), Got::Absent));
    }
}
