//! Values that come from the host's routes: `fib`, `addrtype`, reverse path.

use std::net::IpAddr;

use super::{Eval, View, read};
use crate::fact::Fact;
use crate::field::{Field, Value, device, device_name, to_address};
use crate::host::{Dev, FibOif, FibQuery, FibType, InputQuery, Known, RouteKind, RpFilter as Options};
use crate::model::{Fib, FibResult, RpFilter, Side};
use crate::packet::Packet;

/// What the routing code wants to know of a packet.
pub struct Asker {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    iif: String,
    mark: u32,
    tos: u8,
    proto: u8,
    sport: Option<u16>,
    dport: Option<u16>,
}

impl Asker {
    /// Of this packet.
    pub fn new(p: &Packet) -> Self {
        let port = |f| p.value(f).map(|v| v as u16);
        Asker {
            src: to_address(p.or_zero(Field::Saddr), p.family()),
            dst: to_address(p.or_zero(Field::Daddr), p.family()),
            iif: device_name(p.or_zero(Field::Iif)),
            mark: p.or_zero(Field::Mark) as u32,
            tos: p.or_zero(Field::Tos) as u8,
            proto: p.or_zero(Field::Proto) as u8,
            sport: port(Field::Sport),
            dport: port(Field::Dport),
        }
    }

    /// As an arriving packet.
    pub fn input(&self) -> InputQuery<'_> {
        InputQuery {
            src: self.src,
            dst: self.dst,
            iif: &self.iif,
            mark: self.mark,
            tos: self.tos,
            proto: self.proto,
            sport: self.sport,
            dport: self.dport,
        }
    }

    /// As a packet of this host.
    pub fn output(&self) -> FibQuery<'_> {
        FibQuery {
            src: Some(self.src),
            mark: self.mark,
            tos: self.tos,
            proto: self.proto,
            sport: self.sport,
            dport: self.dport,
            ..FibQuery::to(self.dst)
        }
    }
}

/// The rtnetlink number of a route type.
pub fn type_number(kind: RouteKind) -> Value {
    match kind {
        RouteKind::Unicast => 1,
        RouteKind::Local => 2,
        RouteKind::Broadcast => 3,
        RouteKind::Anycast => 4,
        RouteKind::Multicast => 5,
        RouteKind::Blackhole => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
    }
}

fn address_of(view: View, side: Side) -> (IpAddr, Value) {
    let field = if side == Side::Src { Field::Saddr } else { Field::Daddr };
    let value = view.packet.or_zero(field);
    (to_address(value, view.packet.family()), value)
}

/// A known answer, or the one to the fact that stands for it.
fn known<T>(view: View, answer: Known<T>, to: impl Fn(T) -> Value, fact: Fact) -> Eval {
    match answer {
        Ok(v) => Eval::Value(to(v)),
        Err(_) => view.facts.get(&fact).map_or(Eval::Ask(fact), Eval::Value),
    }
}

/// The device that limits a lookup; `Err` while it is an open question.
fn limit(view: View, iif: bool, oif: bool) -> Result<Option<String>, Eval> {
    let field = match (iif, oif) {
        (true, _) => Field::Iif,
        (_, true) => Field::Oif,
        _ => return Ok(None),
    };
    match read(view, field) {
        Eval::Value(0) | Eval::Absent => Ok(Some(String::new())),
        Eval::Value(v) => Ok(Some(device_name(v))),
        ask @ Eval::Ask(_) => Err(ask),
    }
}

/// nft `fib`, and `addrtype` of IPv4.
pub(super) fn fib(view: View, fib: Fib) -> Eval {
    let by = match limit(view, fib.iif, fib.oif) {
        Ok(by) => by,
        Err(ask) => return ask,
    };
    if fib.result == FibResult::Type {
        fib_type(view, fib, by.as_deref())
    } else {
        fib_device(view, fib, by.as_deref())
    }
}

fn fib_type(view: View, fib: Fib, by: Option<&str>) -> Eval {
    let (addr, value) = address_of(view, fib.side);
    let asker = Asker::new(view.packet);
    let mark = if fib.mark { asker.mark } else { 0 };
    let query = FibQuery { mark, tos: asker.tos, iif: Some(&asker.iif), ..FibQuery::to(addr) };
    let found = view.world.host.fib_type(&query, by, &mut Vec::new());
    let number = |t| match t {
        FibType::Kind(kind) => type_number(kind),
        FibType::Unspec => 0,
    };
    match found {
        Ok(t) => Eval::Value(number(t)),
        // Without addresses and routes it is still known what is no unicast address at all.
        Err(_) if addr.is_multicast() => Eval::Value(5),
        Err(_) => {
            let fact = Fact::IsLocal(view.packet.family(), value);
            match view.facts.get(&fact) {
                None => Eval::Ask(fact),
                Some(0) => Eval::Value(1),
                Some(_) => Eval::Value(2),
            }
        }
    }
}

fn fib_device(view: View, fib: Fib, by: Option<&str>) -> Eval {
    let asker = Asker::new(view.packet);
    let query = FibOif {
        packet: asker.input(),
        of_source: fib.side == Side::Src,
        mark: fib.mark,
        by,
        prerouting: view.packet.or_zero(Field::Oif) == 0,
    };
    let (_, value) = address_of(view, fib.side);
    let found = view.world.host.fib_oif(&query, &mut Vec::new());
    let index = |d: &Dev| view.world.host.link(d).map_or(0, |l| l.index.into());
    let to = |dev: Option<Dev>| match fib.result {
        FibResult::OifName => dev.map_or(0, |d| device(&d)),
        FibResult::Oif => dev.as_ref().map_or(0, index),
        FibResult::Present | FibResult::Type => dev.is_some().into(),
    };
    known(view, found, to, Fact::Route(value))
}

/// `addrtype` of IPv6.
pub(super) fn addr_type6(view: View, side: Side, iif: bool, oif: bool) -> Eval {
    let by = match limit(view, iif, oif) {
        Ok(by) => by,
        Err(ask) => return ask,
    };
    let (addr, value) = address_of(view, side);
    let IpAddr::V6(addr) = addr else { return Eval::Absent };
    let found = view.world.host.addr_type6(addr, by.as_deref(), &mut Vec::new());
    let scope = |multicast: bool| if multicast { 32 } else { 2 };
    if let Ok(t) = found {
        let bits = [(t.unspec, 0), (t.unicast, 1), (t.local, 2), (t.anycast, 4), (t.multicast, 5), (t.unreachable, 7)];
        Eval::Value(bits.iter().map(|(on, n)| Value::from(*on) << n).sum())
    } else {
        let fact = Fact::IsLocal(10, value);
        match view.facts.get(&fact) {
            None => Eval::Ask(fact),
            Some(local) => Eval::Value(scope(addr.is_multicast()) | Value::from(local != 0) << 2),
        }
    }
}

/// `-m rpfilter`: 1 when the reverse path is right.
pub(super) fn rp_filter(view: View, r: RpFilter) -> Eval {
    let asker = Asker::new(view.packet);
    let options = Options { loose: r.loose, valid_mark: r.validmark, accept_local: r.accept_local };
    let found = view.world.host.rpfilter(&asker.input(), options, &mut Vec::new());
    known(view, found, Value::from, Fact::Route(view.packet.or_zero(Field::Saddr)))
}
