//! The only evaluator: [`decide`] a test, [`read`] a field, [`value`] of an expression. Pure.
//!
//! The walk, why-not, the index and placement all call it. What the inputs don't tell comes back as the [`Fact`] to ask
//! for; the caller gets it answered, notes the answer in [`Facts`] and decides again.

mod bytes;
mod hash;
mod hmark;
mod image;
pub mod ipset;
pub mod layout;
mod lookup;
mod need;
mod npt;
mod route;

use rustc_hash::FxHashMap;

use crate::World;
use crate::fact::{Fact, endpoints};
use crate::field::{Field, Value, ct_state, device_name};
use crate::model::*;
use crate::packet::{Got, Packet};
use crate::state::State;

pub use bytes::has_tcp_option;
pub use hash::{counter_key, jhash1, jhash2, scale, words6};
pub use image::{Image, image};
pub use lookup::{Hit, find};
pub use need::{Need, need};
pub use route::{Asker, type_number};

/// The answers of one walk so far.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The first ones, as many as most walks ask for: quicker to go through than to hash.
    few: Vec<(Fact, Value)>,
    more: FxHashMap<Fact, Value>,
}

impl Facts {
    const FEW: usize = 8;

    /// The answer to a fact, if it was asked.
    pub fn get(&self, fact: &Fact) -> Option<Value> {
        let few = self.few.iter().find(|(asked, _)| asked == fact).map(|(_, value)| *value);
        few.or_else(|| if self.more.is_empty() { None } else { self.more.get(fact).copied() })
    }

    /// Notes an answer to a fact that has none yet.
    pub fn put(&mut self, fact: Fact, value: Value) {
        if self.few.len() < Self::FEW {
            self.few.push((fact, value));
        } else {
            self.more.insert(fact, value);
        }
    }
}

/// What an evaluation looks at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Rules and host.
    pub world: World<'a>,
    /// The packet at this moment.
    pub packet: &'a Packet,
    /// The hook that it is in.
    pub hook: Hook,
    /// Answers so far.
    pub facts: &'a Facts,
    /// Changed sets and rule state.
    pub state: &'a State,
    /// Index of the op in [`Model::ops`], which tells random draws apart.
    pub site: u32,
    /// Number of events when the rule began, likewise.
    pub at: u32,
}

/// Result of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tri {
    /// It holds.
    Yes,
    /// It fails.
    No,
    /// It depends on this.
    Ask(Fact),
}

impl From<bool> for Tri {
    fn from(holds: bool) -> Self {
        if holds { Tri::Yes } else { Tri::No }
    }
}

/// Result of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eval {
    /// A value.
    Value(Value),
    /// No such header, no such connection.
    Absent,
    /// It depends on this.
    Ask(Fact),
}

impl Eval {
    /// The test that a present value decides; an absent one fails.
    fn test(self, holds: impl FnOnce(Value) -> bool) -> Tri {
        match self {
            Eval::Value(v) => holds(v).into(),
            Eval::Absent => Tri::No,
            Eval::Ask(fact) => Tri::Ask(fact),
        }
    }
}

/// The field that a test compares with constants; `None` for every other test.
#[inline]
fn compared(test: Test) -> Option<Field> {
    match test {
        Test::Masked { field, .. } | Test::Range { field, .. } | Test::Wide { field, .. } => Some(field),
        _ => None,
    }
}

/// Whether a value passes a comparison with constants.
#[inline]
fn passes(model: &Model, test: Test, v: Value) -> bool {
    match test {
        Test::Masked { neg, mask, value, .. } => (v as u32 & mask == value) != neg,
        Test::Range { neg, lo, hi, .. } => (Value::from(lo) <= v && v <= Value::from(hi)) != neg,
        Test::Wide { neg, wide, .. } => {
            let (mask, value) = model.wides[wide.0 as usize];
            (v & mask == value) != neg
        }
        _ => false,
    }
}

/// Whether a comparison with a lane of the packet fails for certain: what most rules end by. `None` for a test that is
/// more than that, or that the packet alone does not decide.
#[inline]
pub fn fails(model: &Model, packet: &Packet, test: Test) -> Option<bool> {
    let field = compared(test).filter(|f| !is_derived(*f))?;
    match packet.told(field) {
        Got::Value(v) => Some(!passes(model, test, v)),
        Got::Absent => Some(true),
        Got::Unknown => None,
    }
}

/// Whether a test holds.
pub fn decide(view: View, test: Test) -> Tri {
    if let Some(field) = compared(test) {
        return read(view, field).test(|v| passes(view.world.model, test, v));
    }
    match test {
        Test::Const(b) => b.into(),
        // Comparisons are decided above.
        Test::Masked { .. } | Test::Range { .. } | Test::Wide { .. } => Tri::No,
        Test::In { neg, expr, values } => {
            let values = &view.world.model.values[values.0 as usize];
            value(view, expr).test(|v| values.contains(v) != neg)
        }
        Test::Relation { rel, left, right } => match (value(view, left), value(view, right)) {
            (Eval::Absent, _) | (_, Eval::Absent) => Tri::No,
            (Eval::Ask(f), _) | (_, Eval::Ask(f)) => Tri::Ask(f),
            (Eval::Value(a), Eval::Value(b)) => rel.holds(a, b).into(),
        },
        Test::Lookup { neg, lookup } => lookup::holds(view, lookup, neg),
        Test::Not(inner) => match decide(view, view.world.model.test(inner)) {
            Tri::Yes => Tri::No,
            Tri::No => Tri::Yes,
            ask @ Tri::Ask(_) => ask,
        },
        Test::AllOf(list) => all(view, list, &Tri::No),
        Test::AnyOf(list) => all(view, list, &Tri::Yes),
        Test::Exists(expr) => match value(view, expr) {
            Eval::Value(_) => Tri::Yes,
            Eval::Absent => Tri::No,
            Eval::Ask(f) => Tri::Ask(f),
        },
        Test::Chance { neg, odds } => chance(view, odds, neg),
        Test::Bytes(program) => bytes::holds(view, program),
        Test::Opaque(text) => {
            let fact = Fact::Opaque(text, endpoints(view.packet));
            view.facts.get(&fact).map_or(Tri::Ask(fact), |v| (v != 0).into())
        }
    }
}

/// All tests of a list until one gives `end`; a definite `end` wins over an open question before it.
fn all(view: View, list: Span32, end: &Tri) -> Tri {
    let mut open = None;
    for id in &view.world.model.test_lists[list.range()] {
        match decide(view, view.world.model.test(*id)) {
            t if t == *end => return t,
            Tri::Ask(f) => open = open.or(Some(f)),
            _ => {}
        }
    }
    match open {
        Some(fact) => Tri::Ask(fact),
        None => (*end == Tri::No).into(),
    }
}

fn chance(view: View, odds: u32, neg: bool) -> Tri {
    if odds == 0 || odds >= 1 << 31 {
        return ((odds != 0) != neg).into();
    }
    let fact = Fact::Chance { site: view.site, at: view.at, expr: None };
    view.facts.get(&fact).map_or(Tri::Ask(fact), |v| ((v != 0) != neg).into())
}

/// Whether a field is made of others and of the host; it has no lane.
#[inline]
fn is_derived(field: Field) -> bool {
    use Field::*;
    matches!(
        field,
        SeenLength
            | IifIndex
            | IifType
            | IifGroup
            | IifKind
            | IbrName
            | OifIndex
            | OifType
            | OifGroup
            | OifKind
            | ObrName
    )
}

/// A packet's length as the kernel holds it (`skb->len`): at egress its Ethernet header is part of it. A tunnel's device has none.
pub fn seen_length(view: View) -> Value {
    const ETHERNET: Value = 14;
    let framed = view.hook == Hook::Egress
        && match read(view, Field::OifType) {
            Eval::Value(kind) => matches!(kind, ARPHRD_ETHER | ARPHRD_LOOPBACK),
            Eval::Absent | Eval::Ask(_) => true,
        };
    view.packet.or_zero(Field::Length) + if framed { ETHERNET } else { 0 }
}

/// Device types whose frames have an Ethernet header.
const ARPHRD_ETHER: Value = 1;
const ARPHRD_LOOPBACK: Value = 772;

/// The value of a field.
pub fn read(view: View, field: Field) -> Eval {
    use Field::*;
    match field {
        SeenLength => match view.packet.told(Length) {
            Got::Unknown => Eval::Ask(field_fact(view.packet, Length)),
            _ => Eval::Value(seen_length(view)),
        },
        // The kernel looks at the packet's device of the moment, which behind routing is the outgoing one.
        IifType if view.hook == Hook::Postrouting => device_field(view, field, Oif),
        IifIndex | IifType | IifGroup | IifKind | IbrName => device_field(view, field, Iif),
        OifIndex | OifType | OifGroup | OifKind | ObrName => device_field(view, field, Oif),
        _ => match view.packet.told(field) {
            Got::Value(v) => Eval::Value(v),
            Got::Absent => Eval::Absent,
            Got::Unknown => unknown(view, field),
        },
    }
}

/// The fact that stands for a field without an input: what depends on the route is told apart by destination.
pub fn field_fact(packet: &Packet, field: Field) -> Fact {
    let by_route = matches!(field, Field::Oif | Field::PhysOut | Field::RtNexthop | Field::RtMtu | Field::Realm);
    Fact::Field(field, if by_route { packet.or_zero(Field::Daddr) } else { 0 })
}

fn unknown(view: View, field: Field) -> Eval {
    let fact = field_fact(view.packet, field);
    match view.facts.get(&fact) {
        None => Eval::Ask(fact),
        Some(ABSENT) => Eval::Absent,
        Some(v) => Eval::Value(v),
    }
}

/// The answer "there is none" to the fact that stands for a field.
pub const ABSENT: Value = Value::MAX;

/// Fields derived from a device's name: index, type, group, kind and bridge, all from `ip link`.
fn device_field(view: View, field: Field, of: Field) -> Eval {
    use Field::*;
    let name = match read(view, of) {
        Eval::Value(v) => v,
        other => return other,
    };
    let total = matches!(field, IifIndex | OifIndex);
    if name == 0 {
        return if total { Eval::Value(0) } else { Eval::Absent };
    }
    let ask = || {
        let fact = Fact::Field(field, name);
        view.facts.get(&fact).map_or(Eval::Ask(fact), Eval::Value)
    };
    let Ok(link) = view.world.host.link(&device_name(name)) else { return ask() };
    match field {
        IifIndex | OifIndex => Eval::Value(link.index.into()),
        IifType | OifType => link.link_type.as_deref().and_then(arphrd).map_or_else(ask, Eval::Value),
        IifGroup | OifGroup => match (link.group, link.group_name.as_deref()) {
            (Some(group), _) => Eval::Value(group.into()),
            (None, None | Some("default")) => Eval::Value(0),
            _ => ask(),
        },
        IifKind | OifKind => link.kind.as_deref().map_or(Eval::Absent, |k| Eval::Value(crate::field::device(k))),
        _ => match view.world.host.bridge_of(&device_name(name)) {
            Ok(Some(bridge)) => Eval::Value(crate::field::device(&bridge)),
            _ => Eval::Value(0),
        },
    }
}

/// The ARPHRD number of a link type as `ip link` names it.
fn arphrd(name: &str) -> Option<Value> {
    let known = [
        ("ether", ARPHRD_ETHER),
        ("loopback", ARPHRD_LOOPBACK),
        ("ppp", 512),
        ("ipip", 768),
        ("tunnel6", 769),
        ("sit", 776),
        ("gre", 778),
        ("none", 0xfffe),
    ];
    known.iter().find(|k| k.0 == name).map(|k| k.1)
}

/// The value of an expression; a concatenation has none of its own (see [`keys`]).
pub fn value(view: View, expr: ExprId) -> Eval {
    match view.world.model.expr(expr) {
        Expr::Field(f) => read(view, f),
        Expr::Const(v) => Eval::Value(v),
        Expr::Bytes { base, offset, bits } => bytes::at(view, base, offset, bits),
        Expr::TcpOption { kind, offset, bits } => bytes::tcp_option(view, kind, offset, bits),
        Expr::IpOption { kind, offset, bits } => bytes::ip_option(view.packet, kind, offset, bits),
        Expr::ExtHeader { kind, offset, bits } => bytes::ext_header(view.packet, kind, offset, bits),
        Expr::SctpChunk { kind, offset, bits } => bytes::sctp_chunk(view, kind, offset, bits),
        Expr::Exists(e) => match value(view, e) {
            Eval::Value(_) => Eval::Value(1),
            Eval::Absent => Eval::Value(0),
            ask @ Eval::Ask(_) => ask,
        },
        Expr::Bin(op, a, b) => match (value(view, a), value(view, b)) {
            (Eval::Value(a), Eval::Value(b)) => Eval::Value(apply(op, a, b)),
            (Eval::Absent, _) | (_, Eval::Absent) => Eval::Absent,
            (Eval::Ask(f), _) | (_, Eval::Ask(f)) => Eval::Ask(f),
        },
        Expr::Swap(e, bytes) => match value(view, e) {
            Eval::Value(v) => Eval::Value(v.swap_bytes() >> (128 - 8 * u32::from(bytes.clamp(1, 16)))),
            other => other,
        },
        Expr::Concat(_) => Eval::Absent,
        Expr::Map { lookup, part, upper } => lookup::data(view, lookup, part, upper),
        Expr::Fib(fib) => route::fib(view, fib),
        Expr::AddrType6 { side, iif, oif } => route::addr_type6(view, side, iif, oif),
        Expr::RpFilter(r) => route::rp_filter(view, r),
        Expr::Numgen { random, modulus, offset } => hash::numgen(view, expr, random, (modulus, offset)),
        Expr::Hash { .. } => hash::value(view, expr),
        Expr::Npt { addr, from, to, length } => match (value(view, addr), value(view, from), value(view, to)) {
            (Eval::Value(addr), Eval::Value(from), Eval::Value(to)) => {
                npt::translated(addr, (from, to), length).map_or(Eval::Absent, Eval::Value)
            }
            (ask @ Eval::Ask(_), _, _) => ask,
            _ => Eval::Absent,
        },
        Expr::Opaque(text) => {
            let fact = Fact::Opaque(text, endpoints(view.packet));
            view.facts.get(&fact).map_or(Eval::Ask(fact), Eval::Value)
        }
    }
}

/// The values of several expressions, concatenations flattened; the first that is absent or open decides.
pub fn keys(view: View, exprs: &[ExprId]) -> Result<Vec<Value>, Eval> {
    let (mut out, mut open) = (Vec::with_capacity(exprs.len()), None);
    for e in exprs {
        if let Expr::Concat(list) = view.world.model.expr(*e) {
            out.extend(keys(view, &view.world.model.expr_lists[list.range()])?);
            continue;
        }
        match value(view, *e) {
            Eval::Value(v) => out.push(v),
            Eval::Absent => return Err(Eval::Absent),
            ask @ Eval::Ask(_) => open = open.or(Some(ask)),
        }
    }
    open.map_or(Ok(out), Err)
}

/// An operator on two values.
fn apply(op: BinOp, a: Value, b: Value) -> Value {
    match op {
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::Shl => a.checked_shl(b as u32).unwrap_or(0) & ones(32),
        BinOp::Shr => a.checked_shr(b as u32).unwrap_or(0),
        BinOp::AddSat8 => (a + b).min(255),
        BinOp::SubSat => a.saturating_sub(b),
        BinOp::Add => a.wrapping_add(b),
        BinOp::Div => a.checked_div(b).unwrap_or(0),
        BinOp::Mod => a.checked_rem(b).unwrap_or(0),
        BinOp::Min => a.min(b),
    }
}

/// Whether the packet has no connection: INVALID and UNTRACKED ones have none.
pub fn has_connection(packet: &Packet) -> bool {
    packet.or_zero(Field::CtState) & (ct_state::INVALID | ct_state::UNTRACKED) == 0
}
