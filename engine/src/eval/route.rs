//! Values that come from the host's routes: `fib`, `addrtype`, reverse path.

use std::net::IpAddr;

use super::{Eval, View, read};
use crate::fact::Fact;
use crate::field::{DeviceName, Field, Value, address, device, device_name, to_address};
use crate::host::{
    AddrType6, Assumed, Dev, FibOif, FibQuery, FibType, InputQuery, Known, Missing, RouteKind, RpFilter as Options,
};
use crate::model::{Fib, FibResult, RpFilter, Side};
use crate::packet::Packet;

/// What the routing code wants to know of a packet.
pub struct Asker {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// The incoming device; empty when there is none, or when it is not known.
    pub iif: DeviceName,
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
            mark: Some(self.mark),
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

/// A lookup of the host, told which addresses count as its own; `Err`: the fact to ask for, or what else is missing.
fn look<T>(view: View, by: impl Fn(&mut Vec<Assumed>) -> Known<T>) -> Result<T, Result<Fact, Missing>> {
    let mut told: Vec<Assumed> = Vec::new();
    loop {
        match by(&mut told.clone()) {
            Ok(found) => return Ok(found),
            Err(Missing::Local(ip)) if told.len() < 8 => {
                let fact = Fact::IsLocal(if ip.is_ipv4() { 2 } else { 10 }, address(ip));
                let Some(own) = view.facts.get(&fact) else { return Err(Ok(fact)) };
                told.push(Assumed::Local(ip, own != 0));
            }
            Err(missing) => return Err(Err(missing)),
        }
    }
}

/// A known answer, or the one to the fact that stands for it.
fn known<T>(view: View, found: Result<T, Result<Fact, Missing>>, to: impl Fn(T) -> Value, fact: Fact) -> Eval {
    let fact = match found {
        Ok(v) => return Eval::Value(to(v)),
        Err(Ok(first)) => return Eval::Ask(first),
        Err(Err(_)) => fact,
    };
    match view.facts.get(&fact) {
        None => Eval::Ask(fact),
        Some(super::ABSENT) => Eval::Absent,
        Some(v) => Eval::Value(v),
    }
}

/// The packet as routing sees it; an incoming device that was asked for counts as known.
fn asker_of(view: View) -> Asker {
    let mut asker = Asker::new(view.packet);
    if let Eval::Value(iif) = read(view, Field::Iif) {
        asker.iif = device_name(iif);
    }
    asker
}

/// The device that limits a lookup; `Err` while it is an open question.
fn limit(view: View, iif: bool, oif: bool) -> Result<Option<DeviceName>, Eval> {
    let field = match (iif, oif) {
        (true, _) => Field::Iif,
        (_, true) => Field::Oif,
        _ => return Ok(None),
    };
    match read(view, field) {
        Eval::Value(0) | Eval::Absent => Ok(Some(DeviceName::default())),
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
    let asker = asker_of(view);
    let mark = fib.mark.then_some(asker.mark);
    // IPv6 asks as if for a packet from the other end (`nft_fib6_flowi_init`); IPv4 looks for the address alone.
    let src =
        Some(if fib.side == Side::Src { asker.dst } else { asker.src }).filter(|a| a.is_ipv6() && !a.is_multicast());
    let (proto, tos) = (asker.proto, asker.tos);
    let query = FibQuery { src, mark, tos, proto, iif: Some(&asker.iif), ..FibQuery::to(addr) };
    let found = look(view, |assumed| view.world.host.fib_type(&query, by, assumed));
    let number = |t| match t {
        FibType::Kind(kind) => type_number(kind),
        FibType::Unspec => 0,
    };
    // Without routes: with one it is a unicast address, and unreachable without.
    match known(view, found.map(number), |n| n + 2, Fact::Route(value)) {
        Eval::Value(0) => Eval::Value(type_number(RouteKind::Unreachable)),
        Eval::Value(1) => Eval::Value(type_number(RouteKind::Unicast)),
        Eval::Value(n) => Eval::Value(n - 2),
        other => other,
    }
}

fn fib_device(view: View, fib: Fib, by: Option<&str>) -> Eval {
    let asker = asker_of(view);
    let query = FibOif {
        packet: asker.input(),
        of_source: fib.side == Side::Src,
        mark: fib.mark,
        by,
        arriving: view.packet.or_zero(Field::Oif) == 0,
        looped: view.packet.or_zero(Field::Looped) != 0,
    };
    let (_, value) = address_of(view, fib.side);
    let found = look(view, |assumed| view.world.host.fib_oif(&query, assumed));
    let index = |d: &Dev| view.world.host.link(d).map_or(0, |l| l.index.into());
    let to = |dev: Option<Dev>| match fib.result {
        FibResult::OifName => dev.map_or(0, |d| device(&d)),
        FibResult::Oif => dev.as_ref().map_or(0, index),
        FibResult::Present | FibResult::Type => dev.is_some().into(),
    };
    let fact = match fib.result {
        FibResult::OifName => Fact::Field(Field::Oif, value),
        FibResult::Oif => Fact::Field(Field::OifIndex, value),
        FibResult::Present | FibResult::Type => Fact::Route(value),
    };
    known(view, found, to, fact)
}

/// `addrtype` of IPv6.
pub(super) fn addr_type6(view: View, side: Side, iif: bool, oif: bool) -> Eval {
    let by = match limit(view, iif, oif) {
        Ok(by) => by,
        Err(ask) => return ask,
    };
    let (addr, value) = address_of(view, side);
    let IpAddr::V6(addr) = addr else { return Eval::Absent };
    let found = look(view, |assumed| view.world.host.addr_type6(addr, by.as_deref(), assumed));
    let scope: Value = if addr.is_multicast() { 32 } else { 2 };
    let to = |t: AddrType6| {
        let bits = [(t.unspec, 0), (t.unicast, 1), (t.local, 2), (t.anycast, 4), (t.multicast, 5), (t.unreachable, 7)];
        bits.iter().map(|(on, n)| Value::from(*on) << n).sum::<Value>() + 2
    };
    // Without routes: unreachable when there is none.
    match known(view, found, to, Fact::Route(value)) {
        Eval::Value(0) => Eval::Value(scope | 1 << 7),
        Eval::Value(1) => Eval::Value(scope),
        Eval::Value(bits) => Eval::Value(bits - 2),
        other => other,
    }
}

/// `-m rpfilter`: 1 when the reverse path is right.
pub(super) fn rp_filter(view: View, r: RpFilter) -> Eval {
    if view.packet.or_zero(Field::Looped) != 0 {
        return Eval::Value(1);
    }
    let asker = asker_of(view);
    let options = Options { loose: r.loose, valid_mark: r.validmark, accept_local: r.accept_local };
    let found = look(view, |assumed| view.world.host.rpfilter(&asker.input(), options, assumed));
    known(view, found, Value::from, Fact::Route(view.packet.or_zero(Field::Saddr)))
}
