//! Which facts mattered: the fields that the answer depends on, so that a reader knows for which other packets it holds.
//!
//! `proto, daddr, dport, tcp flags` of a NodePort's packet: another source port or type of service gives the same walk. A
//! field matters when a condition of a rule that was looked at reads it as the packet arrived; one that is only read after a
//! rule wrote it does not. What the kernel itself looks at matters too: routing at addresses, devices and whatever the
//! host's routing rules name, forwarding at the TTL, connection tracking at what makes a packet a connection's first.
//!
//! Left out: how far a field may change (for that, change it and ask again).

use std::ops::Range;

use nettrace_grammar::Name;
use rustc_hash::FxHashSet;

use crate::World;
use crate::field::{FIELDS, Field};
use crate::model::{Base, ChainId, ChainKind, Effect, Expr, ExprId, LookupKey, Model, Op, RuleId, Side, Test};
use crate::packet::Packet;
use crate::trace::{By, Decision, Event, Fate, Trace};

/// The fields that a walk depended on, in the order of the table of fields; and whether it depended on the routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mattered {
    /// Fields of the packet as it arrived.
    pub fields: Vec<Field>,
    /// A routing decision was made.
    pub routes: bool,
    /// Sets that were looked into, by name.
    pub sets: Vec<String>,
}

/// What a walk depended on.
pub fn mattered(world: World, trace: &Trace) -> Mattered {
    let mut seen = Reads {
        model: world.model,
        start: &trace.start,
        asked: [false; FIELDS],
        written: FxHashSet::default(),
        read: FxHashSet::default(),
        sets: Vec::new(),
        known: FxHashSet::default(),
    };
    let mut routes = false;
    for event in &trace.events {
        match event {
            Event::Rule { rule, index, from, .. } => seen.stretch(world.model.rule(*rule).chain, *from, *index + 1),
            Event::Return { chain, from, .. } | Event::Policy { chain, from, .. } => {
                seen.stretch(*chain, *from, u32::MAX);
            }
            Event::Enter(base) if world.model.chain(*base).base.as_ref().is_some_and(|b| b.kind == ChainKind::Nat) => {
                seen.field(Field::CtState);
            }
            Event::Write { field, .. } => {
                seen.written.insert(*field);
            }
            Event::Route(decision) => {
                routes = true;
                seen.route(world, decision);
            }
            Event::Fate(fate) => {
                // A drop by a match, or by the stack, has no event of its own: what was looked at is known by the end.
                if let Fate::Drop { by: By::Rule { rule, hotdrop: true, .. }, .. } = fate {
                    seen.stretch(world.model.rule(*rule).chain, 0, u32::MAX);
                }
                if matches!(fate, Fate::StackDrop { .. } | Fate::SendError { .. } | Fate::DropInHook { .. }) {
                    routes = true;
                    seen.addresses();
                }
                if matches!(fate, Fate::Bridged { .. }) {
                    seen.frame();
                }
            }
            _ => {}
        }
    }
    let mut fields: Vec<Field> = seen.read.into_iter().collect();
    fields.sort_unstable();
    Mattered { fields, routes, sets: seen.sets }
}

/// Bits of the layer 4 header and the field that they are: of TCP and UDP, and of ICMP.
const TRANSPORT: &[(Range<u32>, Field)] = &[
    (0..16, Field::Sport),
    (16..32, Field::Dport),
    (32..64, Field::TcpSeq),
    (64..96, Field::TcpAck),
    (96..112, Field::TcpFlags),
    (112..128, Field::TcpWindow),
    (0..8, Field::IcmpType),
    (8..16, Field::IcmpCode),
    (32..48, Field::IcmpId),
    (48..64, Field::IcmpSeq),
];

/// Bits of the Ethernet header.
const LINK: &[(Range<u32>, Field)] =
    &[(0..48, Field::EtherDaddr), (48..96, Field::EtherSaddr), (96..112, Field::EtherType)];

/// Fields that are bytes of the IP and the TCP header.
const HEADERS: &[Field] = &[
    Field::Saddr,
    Field::Daddr,
    Field::Proto,
    Field::Tos,
    Field::Ttl,
    Field::Length,
    Field::IpId,
    Field::FragOffset,
    Field::FragFlags,
    Field::Sport,
    Field::Dport,
    Field::TcpFlags,
    Field::TcpSeq,
    Field::TcpAck,
    Field::TcpWindow,
    Field::IcmpType,
    Field::IcmpCode,
];

struct Reads<'a> {
    model: &'a Model,
    start: &'a Packet,
    /// Fields that were looked at: once more tells nothing new, for what was written stays written.
    asked: [bool; FIELDS],
    written: FxHashSet<Field>,
    read: FxHashSet<Field>,
    sets: Vec<String>,
    /// Their names.
    known: FxHashSet<Name>,
}

impl Reads<'_> {
    fn stretch(&mut self, chain: ChainId, from: u32, to: u32) {
        let model = self.model;
        let rules = &model.chain(chain).rules;
        rules.between(from as usize, to as usize).for_each(|rule| self.rule(rule));
    }

    fn rule(&mut self, rule: RuleId) {
        for op in self.model.rule_ops(rule) {
            match op {
                Op::Test(test) => self.test(*test),
                Op::VerdictMap(lookup) => self.lookup(*lookup),
                Op::Set { expr, .. } => self.expr(*expr),
                Op::Effect(id) => {
                    if let Effect::ObjectMap(_, lookup) = self.model.effect(*id) {
                        self.lookup(*lookup);
                    }
                }
                _ => {}
            }
        }
    }

    fn field(&mut self, field: Field) {
        if std::mem::replace(&mut self.asked[field as usize], true) {
            return;
        }
        for source in self.sources(field) {
            if !self.written.contains(source) {
                self.read.insert(*source);
            }
        }
    }

    /// The fields of the packet that a field's value comes from.
    fn sources(&self, field: Field) -> &'static [Field] {
        match field {
            Field::SeenLength => &[Field::Length],
            Field::IifIndex | Field::IifType | Field::IifGroup | Field::IifKind | Field::IbrName | Field::SdifName => {
                &[Field::Iif]
            }
            Field::CtState | Field::CtStatus | Field::CtDir => match self.start.or_zero(Field::Proto) {
                6 => &[Field::Proto, Field::TcpFlags],
                1 | 58 => &[Field::Proto, Field::IcmpType, Field::IcmpCode],
                _ => &[Field::Proto],
            },
            Field::CtOrigSrc | Field::CtReplDst => &[Field::Saddr],
            Field::CtOrigDst | Field::CtReplSrc => &[Field::Daddr],
            Field::CtOrigSport | Field::CtReplDport => &[Field::Sport],
            Field::CtOrigDport | Field::CtReplSport => &[Field::Dport],
            Field::CtProto => &[Field::Proto],
            Field::ThLength | Field::CtOrigBytes => &[Field::Length],
            _ => field.alone(),
        }
    }

    /// What every lookup of a route reads.
    fn addresses(&mut self) {
        for field in [Field::Saddr, Field::Daddr, Field::Iif] {
            self.field(field);
        }
    }

    /// What a bridge decides by.
    fn frame(&mut self) {
        for field in [Field::EtherDaddr, Field::PhysIn, Field::PktType] {
            self.field(field);
        }
    }

    /// What a routing decision reads: the addresses and devices, what the host's rules select by, and the TTL.
    fn route(&mut self, world: World, decision: &Decision) {
        self.addresses();
        let parts = world.host.parts();
        let v4 = self.start.family() != 10;
        let rules = if v4 { &parts.rules4 } else { &parts.rules6 };
        for rule in rules.iter().flatten() {
            let reads = [
                (rule.mark.is_some(), Field::Mark),
                (rule.tos != 0 || rule.dscp.is_some(), Field::Tos),
                (rule.uids.is_some(), Field::SkUid),
                (rule.proto.is_some(), Field::Proto),
                (rule.sports.is_some(), Field::Sport),
                (rule.dports.is_some(), Field::Dport),
            ];
            reads.into_iter().filter(|(named, _)| *named).for_each(|(_, field)| self.field(field));
        }
        let routes = if v4 { &parts.routes4 } else { &parts.routes6 };
        if routes.iter().flatten().any(|r| r.tos != 0) {
            self.field(Field::Tos);
        }
        match decision {
            Decision::Forward { .. } => self.field(Field::Ttl),
            Decision::Bridged => self.frame(),
            Decision::Local | Decision::Output { .. } => {}
        }
    }

    fn test(&mut self, test: Test) {
        let model = self.model;
        match test {
            Test::Masked { field, .. } | Test::Range { field, .. } | Test::Wide { field, .. } => self.field(field),
            Test::In { expr, .. } | Test::Exists(expr) => self.expr(expr),
            Test::Relation { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            Test::Lookup { lookup, .. } => self.lookup(lookup),
            Test::Not(inner) => self.test(model.test(inner)),
            Test::AllOf(list) | Test::AnyOf(list) => {
                for id in &model.test_lists[list.range()] {
                    self.test(model.test(*id));
                }
            }
            // A program may look at any byte of the headers.
            Test::Bytes(_) => HEADERS.iter().for_each(|f| self.field(*f)),
            Test::Const(_) | Test::Chance { .. } | Test::Opaque(_) => {}
        }
    }

    fn lookup(&mut self, lookup: crate::model::LookupId) {
        let model = self.model;
        let found = model.lookup(lookup);
        if let Some(name) = model.set(found.set).name.filter(|name| self.known.insert(*name)) {
            self.sets.push(model.name(name).to_string());
        }
        match &found.key {
            LookupKey::Exprs(exprs) => exprs.iter().for_each(|e| self.expr(*e)),
            LookupKey::Dims { dims, .. } => {
                for (i, side) in dims.iter().enumerate() {
                    let fields = match side {
                        Side::Src => [Field::Saddr, Field::Sport],
                        Side::Dst => [Field::Daddr, Field::Dport],
                    };
                    self.field(fields[i.min(1)]);
                }
            }
        }
    }

    /// The fields that some bits of a header belong to.
    fn bytes(&mut self, base: Base, bits: Range<u32>) {
        let fields = match base {
            Base::Transport => TRANSPORT,
            Base::Link => LINK,
            _ => return HEADERS.iter().for_each(|f| self.field(*f)),
        };
        let read = fields.iter().filter(|(at, _)| at.start < bits.end && bits.start < at.end);
        read.for_each(|(_, field)| self.field(*field));
    }

    fn expr(&mut self, expr: ExprId) {
        let model = self.model;
        match model.expr(expr) {
            Expr::Field(field) => self.field(field),
            Expr::Bytes { base, offset, bits } => self.bytes(base, offset..offset.saturating_add(bits)),
            Expr::Bin(_, a, b) => {
                self.expr(a);
                self.expr(b);
            }
            Expr::Swap(e, _) | Expr::Exists(e) | Expr::Hash { of: e, .. } => self.expr(e),
            Expr::Concat(list) => model.expr_lists[list.range()].iter().for_each(|e| self.expr(*e)),
            Expr::Map { lookup, .. } => self.lookup(lookup),
            Expr::Fib(fib) => self.field(if fib.side == Side::Src { Field::Saddr } else { Field::Daddr }),
            Expr::AddrType6 { side, .. } => self.field(if side == Side::Src { Field::Saddr } else { Field::Daddr }),
            Expr::RpFilter(_) => {
                self.field(Field::Saddr);
                self.field(Field::Iif);
            }
            _ => {}
        }
    }
}
