//! The packet at a step, as a table: each field before and behind the step, and since when it has its value.

use nettrace_engine::field::{Field, Value};
use nettrace_engine::packet::{Got, Packet};
use nettrace_engine::trace::Trace;

use super::markup::Html;
use crate::render::text::Scene;

/// Fields that are always told when the packet has them, in this order; others when they changed.
const USUAL: &[Field] = &[
    Field::Proto,
    Field::Saddr,
    Field::Sport,
    Field::Daddr,
    Field::Dport,
    Field::IcmpType,
    Field::IcmpCode,
    Field::TcpFlags,
    Field::Ttl,
    Field::Tos,
    Field::Mark,
    Field::Iif,
    Field::Oif,
    Field::CtState,
    Field::CtMark,
    Field::CtOrigDst,
    Field::CtOrigDport,
];

/// A step as the table cites it.
pub struct Cited {
    /// The fragment: `#p1w1s7`.
    pub link: String,
    /// `7 KUBE-SEP-VKIPXDQHDOL5KL3V #2`.
    pub name: String,
    /// The event behind everything that it changed.
    pub until: usize,
}

/// A moment of a walk.
pub struct Moment<'a> {
    /// The walk.
    pub trace: &'a Trace,
    /// The event behind the step before.
    pub from: usize,
    /// The event behind this step.
    pub until: usize,
    /// The steps before this one.
    pub steps: &'a [Cited],
}

/// The table.
pub fn table(h: &mut Html, scene: &Scene, moment: &Moment) {
    let (before, after) = (moment.trace.packet_at(moment.from), moment.trace.packet_at(moment.until));
    h.el("table.fields", |h| {
        h.el("thead", |h| {
            h.el("tr", |h| {
                for name in ["field", "before", "after", "since"] {
                    h.with("th", &[("scope", "col")], |h| h.text(name));
                }
            });
        });
        h.el("tbody", |h| {
            // Before connection tracking looked, its fields are placeholders.
            let tracked = |f: &Field| !f.is_conntrack() || moment.trace.since(*f, moment.until).is_some();
            for field in fields(&moment.trace.start, &before, &after).into_iter().filter(tracked) {
                row(h, scene, moment, (field, before.get(field), after.get(field)));
            }
        });
    });
}

/// The fields that are told: usual ones that are there, and what changed.
fn fields(start: &Packet, before: &Packet, after: &Packet) -> Vec<Field> {
    let quiet = |f: Field, got: Got| {
        let zero = matches!(f, Field::Iif | Field::Oif | Field::CtMark | Field::Tos | Field::CtState);
        got == Got::Absent || zero && got == Got::Value(0)
    };
    let changed = |f: Field| before.get(f) != after.get(f) && !quiet(f, before.get(f));
    let loud = |f: &Field| !quiet(*f, after.get(*f)) || changed(*f);
    let usual = USUAL.iter().copied().filter(loud);
    let header = |f: &Field| !f.is_conntrack() && !USUAL.contains(f) && start.get(*f) != Got::Absent;
    let others = Field::ALL.iter().copied().filter(header).filter(|f| start.get(*f) != after.get(*f));
    usual.chain(others).collect()
}

fn row(h: &mut Html, scene: &Scene, moment: &Moment, (field, before, after): (Field, Got, Got)) {
    let family = moment.trace.start.family();
    let (old, new) = (shown(field, before, family), shown(field, after, family));
    let changed = before != after;
    let class = if changed { "tr.changed" } else { "tr" };
    h.with(class, &[("data-field", field.name())], |h| {
        h.with("th", &[("scope", "row")], |h| h.text(field.name()));
        let meaning = |h: &mut Html| {
            if let (Field::Mark, Got::Value(v)) = (field, after) {
                for said in scene.labels.mark(u32::try_from(v).unwrap_or(u32::MAX)) {
                    h.leaf("div.dim.say", &said);
                }
            }
        };
        if changed {
            // Two addresses of IPv6 have no room beside each other.
            let cell = if old.len().max(new.len()) > 18 { "td.long" } else { "td" };
            h.el(cell, |h| h.leaf("del", &old));
            h.el(cell, |h| {
                h.leaf("ins", &new);
                meaning(h);
            });
        } else {
            h.with("td", &[("colspan", "2")], |h| {
                h.text(&new);
                meaning(h);
            });
        }
        h.el("td.say", |h| since(h, moment, field));
    });
}

/// The step that gave the field its value.
fn since(h: &mut Html, moment: &Moment, field: Field) {
    let Some(event) = moment.trace.since(field, moment.until) else { return h.leaf("span.dim", "the start") };
    if event >= moment.from {
        return h.leaf("b", "this step");
    }
    match moment.steps.iter().find(|s| event < s.until) {
        Some(step) => h.with("a", &[("href", &step.link)], |h| h.text(&step.name)),
        None => h.leaf("span.dim", "an earlier step"),
    }
}

fn shown(field: Field, got: Got, family: Value) -> String {
    match got {
        Got::Value(v) => field.print(v, family),
        Got::Absent => "none".to_string(),
        Got::Unknown => "unknown".to_string(),
    }
}
