//! The candidates that change a set: an entry that a rule on the way looked for in vain, or one that it found.
//!
//! `ipset add KUBE-SRC-B7VDGJPYEKRNRSM3 10.42.0.59` when a policy's rule failed for want of it, `ipset del blocked 10.0.0.9`
//! when a block list held it. Left out: maps, and sets whose contents are not known.

use crate::World;
use crate::eval::{self, Eval, Facts, View};
use crate::explain::whynot::{Inquiry, Reason};
use crate::model::{Contents, Data, Hook, LookupId, LookupKey, Op, RuleId, Test, Verdict};
use crate::packet::Packet;
use crate::state::State;
use crate::trace::{Event, Trace};

use super::candidates::{Candidate, Place, Way};

/// How many rules are looked at, and how many sets are told.
const RULES: usize = 2000;
const SETS: usize = 8;

/// All candidates for the end of this walk.
pub(super) fn all(world: World, trace: &Trace) -> Vec<Candidate> {
    let model = world.model;
    let inquiry = Inquiry::new(world, trace);
    let mut chains = Vec::new();
    for event in &trace.events {
        match event {
            Event::Enter(chain) | Event::Rule { verdict: Verdict::Jump(chain) | Verdict::Goto(chain), .. }
                if !chains.contains(chain) =>
            {
                chains.push(*chain);
            }
            _ => {}
        }
    }
    let rules = chains.iter().flat_map(|c| model.chain(*c).rules.iter()).filter(|r| !lookups(world, *r).is_empty());
    let mut out: Vec<Candidate> = Vec::new();
    for rule in rules.take(RULES) {
        for (lookup, neg, event) in wanting(world, &inquiry, rule) {
            let packet = trace.packet_at(event);
            let hook = trace.hook_at(event).unwrap_or(Hook::Prerouting);
            let Some((name, command)) = command(world, &packet, hook, lookup, neg) else { continue };
            if out.iter().all(|c| c.commands[0] != command) && out.len() < SETS {
                let place = Place { table: "set".to_string(), chain: name };
                out.push(Candidate::plain(vec![command], place, Way::Member));
            }
        }
    }
    out
}

/// The rule's lookups in named sets, and whether they are negated.
fn lookups(world: World, rule: RuleId) -> Vec<(LookupId, bool)> {
    let model = world.model;
    let named = |lookup: LookupId| model.set(model.lookup(lookup).set).name.is_some();
    let one = |op: &Op| match *op {
        Op::Test(Test::Lookup { lookup, neg, .. }) if named(lookup) => Some((lookup, neg)),
        Op::Test(Test::Not(inner)) => match model.test(inner) {
            Test::Lookup { lookup, neg, .. } if named(lookup) => Some((lookup, !neg)),
            _ => None,
        },
        _ => None,
    };
    model.rule_ops(rule).iter().filter_map(one).collect()
}

/// The lookups that would go the other way with another entry, whether that is one less, and when they were made: the one
/// that failed, or those of a rule that matched.
fn wanting(world: World, inquiry: &Inquiry, rule: RuleId) -> Vec<(LookupId, bool, usize)> {
    let all = lookups(world, rule);
    match inquiry.why_not(rule).reason {
        Reason::ConditionFailed(f) => {
            let ops = world.model.rule_ops(rule);
            let culprit = ops.get(f.op).into_iter().flat_map(|_| &all).find(|(l, _)| {
                let of = |op: &Op| match *op {
                    Op::Test(Test::Lookup { lookup, .. }) => lookup == *l,
                    Op::Test(Test::Not(inner)) => {
                        matches!(world.model.test(inner), Test::Lookup { lookup, .. } if lookup == *l)
                    }
                    _ => false,
                };
                of(&ops[f.op])
            });
            culprit.map(|(l, neg)| (*l, *neg, f.event)).into_iter().collect()
        }
        Reason::Decided { event } | Reason::MatchedNotDeciding { event, .. } => {
            all.into_iter().map(|(l, neg)| (l, !neg, event)).collect()
        }
        _ => Vec::new(),
    }
}

/// The command that adds the packet's key to the set, or takes it out.
fn command(world: World, packet: &Packet, hook: Hook, lookup: LookupId, less: bool) -> Option<(String, String)> {
    let model = world.model;
    let (facts, state) = (Facts::default(), State::default());
    let view = View { world, packet, hook, facts: &facts, state: &state, site: 0, at: 0 };
    let found = model.lookup(lookup);
    let set = model.set(found.set);
    let name = model.name(set.name?).to_string();
    match (&set.contents, &found.key) {
        (Contents::Ipset(_), key) if less => {
            let (held, hit) = eval::ipset::test(view, found.set, key).ok()?.hit?;
            let Contents::Ipset(holder) = &model.set(held).contents else { return None };
            let name = model.name(model.set(held).name?).to_string();
            Some((name.clone(), format!("ipset del {name} {}", holder.show(&hit.entry))))
        }
        (Contents::Ipset(contents), LookupKey::Dims { dims, .. }) => {
            let key = eval::ipset::update_key(view, found.set, dims).ok()??;
            Some((name.clone(), format!("ipset add {name} {}", contents.show_host(&key))))
        }
        (Contents::Elements(elements), LookupKey::Exprs(exprs)) => {
            let plain = elements.is_empty() || *elements.data(0) == Data::None;
            let table = model.table(set.table?);
            let place = format!("{} {} {name}", table.family.name(), model.name(table.name));
            let part = |e| match (eval::value(view, e), model.expr_field(e)) {
                (Eval::Value(v), Some(field)) => Some(field.print(v, packet.family())),
                _ => None,
            };
            let key: Vec<String> = exprs.iter().map(|e| part(*e)).collect::<Option<_>>()?;
            let verb = if less { "delete" } else { "add" };
            plain.then(|| (name, format!("nft {verb} element {place} '{{ {} }}'", key.join(" . "))))
        }
        _ => None,
    }
}
