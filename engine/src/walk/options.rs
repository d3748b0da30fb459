//! The answers that a fact can have, with their odds or the declared one.

use super::values;
use crate::World;
use crate::eval::ABSENT;
use crate::fact::{Choice, Fact, Options};
use crate::field::{Field, Value, device, device_name};
use crate::model::*;
use crate::packet::Packet;

/// The name that stands for all devices that no rule names.
pub(super) const OTHER_DEVICE: &str = "other-device";

/// The answers to a fact.
pub(super) fn of(world: World, packet: &Packet, fact: &Fact) -> Options {
    match fact {
        Fact::Chance { site, expr: None, .. } => chance(world.model, *site),
        Fact::Chance { expr: Some(expr), .. } => drawn(world.model, *expr),
        Fact::Counter(expr, _) => {
            let stands = drawn(world.model, *expr).choices.into_iter().map(|c| Choice { odds: None, ..c });
            Options::of(stands.collect()).or_assume(0, "no packets came before: the count begins")
        }
        Fact::IsLocal(..) => {
            Options::yes_no().or_assume(0, "no `ip addr` was given; every other address counts as remote")
        }
        Fact::Field(field @ (Field::SockTransparent | Field::SockMark | Field::SockWildcard), _) => {
            let mut options = values::of(world, packet, *field);
            options.choices.push(Choice::new(ABSENT, "no socket"));
            options.or_assume(ABSENT, "no socket list is an input")
        }
        Fact::Field(Field::Ipsec, _) => {
            let choices = vec![Choice::new(0, "no"), Choice::new(1, "yes")];
            Options::of(choices).or_assume(0, "IPsec policies are not an input")
        }
        Fact::Field(Field::Ipvs, _) => {
            let choices = vec![Choice::new(0, "no"), Choice::new(1, "yes")];
            Options::of(choices).or_assume(0, "IPVS services are not an input")
        }
        Fact::Field(Field::PhysOut, _) => ports(world, packet),
        Fact::Field(field, _) => values::of(world, packet, *field),
        Fact::Member(..) | Fact::Opaque(..) => Options::yes_no(),
        // Most payloads don't hold the text that a rule looks for, so that answer comes first.
        Fact::Payload(_) => Options::of(vec![Choice::new(0, "no"), Choice::new(1, "yes")]),
        Fact::Target(_) => {
            Options::of(vec![Choice::new(0, "continue"), Choice::new(1, "accept"), Choice::new(2, "drop")])
        }
        Fact::Listener => Options::yes_no().or_assume(0, "no socket list is an input"),
        Fact::Queue(_) => {
            Options::of(vec![Choice::new(1, "accept"), Choice::new(2, "drop"), Choice::new(0, "nobody listens")])
        }
        Fact::NextHop(_) => next_hops(world, packet),
        Fact::Route(_) => Options::yes_no().or_assume(1, "no routes were given"),
        Fact::MixedOrder => Options::of(vec![Choice::new(0, "legacy first"), Choice::new(1, "nft first")]),
        Fact::Other("payload") => Options::of(vec![Choice::new(0, "other bytes")])
            .or_assume(0, "no payload was given: it holds none of the bytes looked for"),
        Fact::Other("nat-port") => {
            Options::of(vec![Choice::new(0, "kept where it may be")]).or_assume(0, "the kernel picks a port at random")
        }
        Fact::Other("masquerade-address" | "redirect-address") => {
            Options::of(vec![Choice::new(0, "unknown")]).or_assume(0, "no `ip addr` was given: shown as 0.0.0.0")
        }
        Fact::Other("translation") => Options::of(vec![Choice::new(0, "none")])
            .or_assume(0, "no connections were given: what a connection's first packet was translated to is not known"),
        Fact::Other("flowtable") => Options::of(vec![Choice::new(0, "no")])
            .or_assume(0, "a flowtable takes a connection's later packets past the hooks"),
        Fact::Other("delivered" | "joined") => Options::of(vec![Choice::new(0, "no"), Choice::new(1, "yes")]),
        Fact::Other(_) => Options::yes_no(),
    }
}

/// The odds of a test's random draw.
fn chance(model: &Model, site: u32) -> Options {
    let Some(odds) = model.ops.get(site as usize).and_then(|op| test_odds(model, *op)) else {
        return Options::yes_no();
    };
    let p = f64::from(odds) / 2_147_483_648.0;
    let mut list =
        vec![Choice { odds: Some(p), ..Choice::new(1, "yes") }, Choice { odds: Some(1.0 - p), ..Choice::new(0, "no") }];
    if p < 0.5 {
        list.reverse();
    }
    Options::of(list)
}

/// The odds of a generated number: one each.
fn drawn(model: &Model, expr: ExprId) -> Options {
    let modulus = match model.expr(expr) {
        Expr::Numgen { modulus, .. } | Expr::Hash { modulus, .. } => modulus.max(1),
        _ => 2,
    };
    let shown = modulus.min(256);
    let one = |n: u32| Choice { odds: Some(1.0 / f64::from(modulus)), ..Choice::new(n.into(), n.to_string()) };
    Options { open: modulus > shown, ..Options::of((0..shown).map(one).collect()) }
}

fn test_odds(model: &Model, op: Op) -> Option<u32> {
    fn of(model: &Model, test: Test) -> Option<u32> {
        match test {
            Test::Chance { odds, .. } => Some(odds),
            Test::Not(t) => of(model, model.test(t)),
            Test::AllOf(l) | Test::AnyOf(l) => {
                model.test_lists[l.range()].iter().find_map(|t| of(model, model.test(*t)))
            }
            _ => None,
        }
    }
    if let Op::Test(t) = op { of(model, t) } else { None }
}

/// The ports that a bridge may send a frame by: not back by its own, except in hairpin mode to its own sender.
fn ports(world: World, packet: &Packet) -> Options {
    let bridge = device_name(packet.or_zero(Field::Oif));
    let own = packet.or_zero(Field::PhysIn);
    let to_itself = packet.value(Field::Saddr) == packet.value(Field::Daddr);
    let list = world.host.bridge_ports(&bridge).unwrap_or_default();
    if !list.iter().any(|p| device(&p.dev) == own) {
        // The ports are not known: those that rules name, and all others.
        let mut options = values::of(world, packet, Field::PhysOut);
        options.choices.retain(|c| c.value != own || to_itself);
        return options;
    }
    let fits = |p: &&crate::host::BridgePort| (device(&p.dev) == own) == to_itself;
    let choices: Vec<_> = list.iter().filter(fits).map(|p| Choice::new(device(&p.dev), p.dev.to_string())).collect();
    if choices.is_empty() {
        Options::of(vec![Choice::new(device("other-port"), "another port")])
    } else {
        Options::of(choices)
    }
}

fn next_hops(world: World, packet: &Packet) -> Options {
    use crate::host::{InputRoute, OutputRoute};
    let asker = crate::eval::Asker::new(packet);
    let arriving = packet.or_zero(Field::Iif) != 0;
    let ways = if arriving {
        match world.host.input_route(&asker.input(), &mut Vec::new()) {
            Ok(InputRoute::Forward { ways, .. }) => ways,
            _ => Vec::new(),
        }
    } else {
        match world.host.output_route(&asker.output(), &mut Vec::new()) {
            Ok(OutputRoute::Send { ways, .. }) => ways,
            _ => Vec::new(),
        }
    };
    let total: u32 = ways.iter().map(|w| w.weight.max(1)).sum();
    let one = |(i, w): (usize, &crate::host::Way)| Choice {
        odds: Some(f64::from(w.weight.max(1)) / f64::from(total.max(1))),
        ..Choice::new(i as Value, format!("{} by {}", w.next_hop(asker.dst), w.dev))
    };
    Options::of(ways.iter().enumerate().map(one).collect())
}
