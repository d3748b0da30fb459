//! The way of one ending, the hooks that are not on it, and what differs in the others.

use nettrace_engine::explain::answer::{Answer, Ending, Kept, OffWhy, Routed, Row, Stage};
use nettrace_engine::explain::way::What;
use nettrace_engine::field::{Field, Value, device_name};
use nettrace_engine::model::{Hook, RuleId};
use nettrace_engine::packet::Got;
use nettrace_engine::trace::Decision;

use super::rows::{self, built};
use super::{Scene, conditions, hook_name, odds};

/// The way, hook by hook.
pub fn way(scene: &Scene, ending: &Ending) -> String {
    let family = ending.start.family();
    let p = scene.paint;
    let mut out = String::new();
    let width = rows::label_width(scene, ending);
    let mut heading = scene.file.as_deref().map(|f| format!("lines of {}", p.text(super::base_name(f))));
    out.push('\n');
    for stage in &ending.stages {
        match stage {
            Stage::Hook { hook, rows: list, .. } => {
                let name = hook_name(*hook);
                let note = heading.take().unwrap_or_default();
                let gap = crate::output::WIDTH.saturating_sub(name.len() + note.chars().count()).max(1);
                let note = if note.is_empty() { note } else { format!("{:gap$}{}", "", p.dim(&note)) };
                out.push_str(&format!("{}{note}\n", p.bold(&name)));
                out.push_str(&rows::hook(scene, list, width, family));
            }
            Stage::Route(routed) => out.push_str(&format!("{}  {}\n", p.bold("routing"), route(scene, routed))),
            Stage::Built(told) => out.push_str(&built(scene, told, family, width)),
        }
    }
    out
}

fn address(to: Got, family: Value) -> String {
    match to {
        Got::Value(v) => Field::Daddr.print(v, family),
        _ => "the destination".to_string(),
    }
}

/// A routing decision in words.
pub fn route(scene: &Scene, routed: &Routed) -> String {
    let (to, family) = (routed.to, routed.family);
    let to_text = address(to, family);
    let leave = |oif: &Option<Value>, nexthop: &Option<Value>| {
        let dev = oif.map_or("an unknown device".to_string(), |v| scene.paint.text(&device_name(v)));
        match nexthop {
            Some(hop) if Got::Value(*hop) != to => format!("{dev} via {}", Field::Daddr.print(*hop, family)),
            _ => dev,
        }
    };
    match &routed.decision {
        Decision::Local => format!("{to_text} is this host: to INPUT"),
        Decision::Forward { oif, nexthop } => {
            format!("{to_text} is not this host: to FORWARD, out by {}", leave(oif, nexthop))
        }
        Decision::Bridged => format!("{to_text} is on the same bridge: the frame stays on it"),
        Decision::Output { oif, nexthop } => format!("to {to_text}: out by {}", leave(oif, nexthop)),
    }
}

/// Hooks that one may have expected, and why the packet does not meet them.
pub fn off(scene: &Scene, answer: &Answer) -> String {
    let Some(first) = answer.endings.first() else { return String::new() };
    let mut out = String::new();
    for path in &first.off {
        let hooks: Vec<String> = path.hooks.iter().map(|h| hook_name(*h)).collect();
        let said = format!("{}: {}", hooks.join(", "), off_why(scene, &path.why, first.start.family()));
        out.push_str(&format!("\n{}\n", scene.paint.bold("Not on the way")));
        let words: Vec<String> = said.split(' ').map(str::to_string).collect();
        out.push_str(&super::wrap(&words, "  ", " "));
    }
    out
}

/// Why hooks are not on the way.
pub fn off_why(scene: &Scene, why: &OffWhy, family: Value) -> String {
    let subject = |to: &Got, rule: &Option<RuleId>| match rule {
        Some(rule) => {
            let model = scene.model;
            let number = model.position(*rule).map_or(String::new(), |n| format!(" #{n}"));
            let place = scene.place(model.rule(*rule).span).map(|p| format!(" ({p})")).unwrap_or_default();
            let name = scene.chain(model.rule(*rule).chain);
            format!("{name}{number}{place} rewrote the destination to {}, which", address(*to, family))
        }
        None => address(*to, family),
    };
    match why {
        OffWhy::Forwarded { to, rewritten } => {
            format!("{} is not this host, so the way leads to FORWARD.", subject(to, rewritten))
        }
        OffWhy::ForThisHost { to, rewritten } => {
            format!("{} is this host, so the way leads to INPUT.", subject(to, rewritten))
        }
        OffWhy::FromThisHost { to, rewritten: Some(rule) } => {
            let said = subject(to, &Some(*rule));
            format!("the packet starts here; {said} is not this host, so it leaves and does not come back in.")
        }
        OffWhy::FromThisHost { to, .. } => {
            format!("the packet starts here and leaves to {}.", address(*to, family))
        }
        OffWhy::EndedBefore => "the packet ended before.".to_string(),
    }
}

/// The endings that are not told in full: where each leaves the way of the first.
pub fn others(scene: &Scene, answer: &Answer) -> String {
    let Some(first) = answer.endings.first() else { return String::new() };
    let mut out = format!("\n{}\n", scene.paint.bold("The other ways"));
    for ending in answer.endings.iter().skip(1).take(8) {
        let likely = odds(answer, ending);
        let how = if likely.is_empty() { conditions(scene, ending) } else { likely };
        out.push_str(&format!("  {}\n", rows::cut(&how, crate::output::WIDTH - 2, scene.paint.ascii)));
        for line in differing(scene, first, ending) {
            out.push_str(&format!("    {line}\n"));
        }
    }
    let more = answer.endings.len().saturating_sub(9);
    let hint = if more > 0 { format!("  and {more} more; --all tells every way\n") } else { String::new() };
    out.push_str(&hint);
    out
}

/// The steps of `other` that `first` does not have.
fn differing(scene: &Scene, first: &Ending, other: &Ending) -> Vec<String> {
    let known = steps(first);
    let same = |(hook, step): &(Hook, &Kept)| {
        known.iter().any(|(h, s)| h == hook && s.chain == step.chain && s.what == step.what)
    };
    let mut out = Vec::new();
    for (hook, step) in steps(other).into_iter().filter(|s| !same(s)).take(6) {
        let What::Rule { rule, .. } = step.what else { continue };
        let p = rows::parts(scene, step, other.start.family());
        let place = scene.short_place(scene.model.rule(rule).span);
        let room = crate::output::WIDTH - 6 - place.chars().count();
        let said = rows::cut(&format!("{} {}  {}", hook_name(hook), p.rule, p.told()), room, scene.paint.ascii);
        let gap = (room + 1).saturating_sub(said.chars().count());
        out.push(format!("{said}{:gap$}{}", "", scene.paint.dim(&place)));
        out.extend(p.rewrites.iter().map(|r| format!("  {}", scene.paint.change(r))));
    }
    out
}

fn steps(ending: &Ending) -> Vec<(Hook, &Kept)> {
    let hooks = ending.stages.iter().filter_map(|s| match s {
        Stage::Hook { hook, rows, .. } => Some((*hook, rows)),
        _ => None,
    });
    let mut out = Vec::new();
    for (hook, rows) in hooks {
        for row in rows {
            if let Row::Pass { steps, .. } = row {
                out.extend(steps.iter().map(|s| (hook, s)));
            }
        }
    }
    out
}
