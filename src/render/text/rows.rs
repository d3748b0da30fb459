//! The rows of a hook: steps with their rule, rewrites old => new, and what had no effect in one line.

use nettrace_engine::explain::answer::{Ending, Kept, Rewrite, Row, Stage, Told};
use nettrace_engine::explain::way::{Change, What};
use nettrace_engine::explain::whynot::{Miss, Unmet};
use nettrace_engine::field::{Field, Value};
use nettrace_engine::model::{ChainId, Effect, NatKind, Op, RuleId, Verdict};
use nettrace_engine::packet::Got;
use nettrace_engine::trace::Step;

use super::verdict::pair;
use super::{Scene, Tone};
use crate::output::WIDTH;

/// Narrowest and widest first column, which holds the table's name.
const LABEL: (usize, usize) = (8, 14);

/// Longest chain name that is shown whole.
const NAME: usize = 36;

/// Widest column of chain names with their rules' numbers.
const NAMES: usize = 32;

/// The rules that an ending tells of.
pub fn rules(ending: &Ending) -> Vec<RuleId> {
    let mut out = Vec::new();
    for stage in &ending.stages {
        let Stage::Hook { rows, .. } = stage else { continue };
        for row in rows {
            let Row::Pass { steps, .. } = row else { continue };
            out.extend(steps.iter().filter_map(|s| match s.what {
                What::Rule { rule, .. } | What::Missed { rule } => Some(rule),
                _ => None,
            }));
        }
    }
    out
}

/// The width of the first column for these rows.
pub fn label_width(scene: &Scene, ending: &Ending) -> usize {
    let hooks = ending.stages.iter().filter_map(|s| match s {
        Stage::Hook { rows, .. } => Some(rows),
        _ => None,
    });
    let names = hooks.flatten().filter_map(|r| match r {
        Row::Pass { base, .. } => Some(table(scene, *base).chars().count()),
        _ => None,
    });
    names.max().unwrap_or(0).clamp(LABEL.0, LABEL.1)
}

/// One hook's rows, the first column `width` wide.
pub fn hook(scene: &Scene, rows: &[Row], width: usize, family: Value) -> String {
    let mut out = String::new();
    for row in rows {
        match row {
            Row::Pass { base, steps, .. } => Table { scene, width, family }.pass(*base, steps, &mut out),
            Row::Quiet { bases, rules } => out.push_str(&quiet(scene, bases, *rules, width)),
            Row::Route(routed) => {
                let said = super::ending::route(scene, routed);
                out.push_str(&format!("  {:<width$} {said}\n", "routing"));
            }
            Row::Built(told) => out.push_str(&built(scene, told, family, width)),
        }
    }
    out
}

/// How a base chain is called in the first column: its table, and its own name where that is not the hook's.
fn table(scene: &Scene, base: ChainId) -> String {
    let model = scene.model;
    let t = model.table_of(base);
    scene.paint.text(model.name(t.name))
}

fn quiet(scene: &Scene, bases: &[ChainId], rules: usize, width: usize) -> String {
    let (label, matched) = quiet_words(scene, bases, rules);
    let label = if label.chars().count() > width { label + " " } else { label };
    scene.paint.dim(&super::hang(&format!("{label:<width$} {matched}"), "  ", width + 1))
}

/// Base chains without effect: their tables, and what is said of them.
pub fn quiet_words(scene: &Scene, bases: &[ChainId], rules: usize) -> (String, String) {
    let mut names: Vec<String> = bases.iter().map(|b| table(scene, *b)).collect();
    names.dedup();
    let matched = match rules {
        0 => "no rule matches, policy accept".to_string(),
        1 => "1 rule matches, without effect, policy accept".to_string(),
        n => format!("{n} rules match, without effect, policy accept"),
    };
    (names.join(", "), matched)
}

/// Draws the steps of base chains.
struct Table<'a> {
    scene: &'a Scene<'a>,
    /// Width of the first column.
    width: usize,
    family: Value,
}

impl Table<'_> {
    fn pass(&self, base: ChainId, steps: &[Kept], out: &mut String) {
        let (scene, p) = (self.scene, self.scene.paint);
        let label = table(scene, base);
        let missed = steps.iter().filter_map(|s| Some((s, s.misses.list.last()?)));
        let missed = missed.map(|(s, m)| format!("{} #{}", name(scene, s.chain), m.number).chars().count());
        let told = steps.iter().map(|s| left(scene, s).chars().count());
        let name_width = told.chain(missed).max().unwrap_or(0).min(NAMES);
        let mut first = label.as_str();
        for step in steps {
            for line in self.misses(step, name_width) {
                out.push_str(&format!("  {:<w$} {line}", std::mem::take(&mut first), w = self.width));
            }
            out.push_str(&self.row(std::mem::take(&mut first), name_width, step));
            let indent = self.width + 5;
            let own_row = usize::from(inline(step).is_some());
            for rewrite in &step.rewrites[own_row..] {
                out.push_str(&format!("{:indent$}{}\n", "", p.change(&rewritten(rewrite, self.family))));
            }
            for note in &step.notes {
                out.push_str(&format!("{:indent$}{}\n", "", p.dim(&p.text(note))));
            }
        }
    }

    /// A line for each rule that was looked at before a step without matching, and one for those that are not told.
    fn misses(&self, step: &Kept, name_width: usize) -> Vec<String> {
        let (scene, p) = (self.scene, self.scene.paint);
        let room = WIDTH - self.width - 3;
        let one = |miss: &Miss| {
            let place = scene.short_place(scene.model.rule(miss.rule).span);
            let said = format!("{} {}", p.pick("✗", "x"), unmet(scene, miss));
            let which = format!("{} #{}", name(scene, step.chain), miss.number);
            let fits = |row: &String| row.chars().count() + place.chars().count() < room;
            let rows = [format!("{which:<name_width$}  {said}"), format!("{which}  {said}")];
            let (row, below) = match rows.into_iter().find(fits) {
                Some(row) => (row, String::new()),
                None => (which, p.dim(&super::wrap(&[said], &" ".repeat(self.width + 5), " "))),
            };
            let gap = room.saturating_sub(row.chars().count() + place.chars().count()).max(1);
            format!("{}\n{below}", p.dim(&format!("{row}{:gap$}{place}", "")))
        };
        let mut out: Vec<String> = step.misses.list.iter().map(one).collect();
        if step.misses.more > 0 {
            let rules = if step.misses.more == 1 { "rule" } else { "rules" };
            let dots = p.pick("…", "...");
            let said = format!("{dots} {} more {rules} did not match (--all shows them)", thousands(step.misses.more));
            out.push(p.dim(&said) + "\n");
        }
        out
    }

    fn row(&self, label: &str, name_width: usize, step: &Kept) -> String {
        let (scene, p) = (self.scene, self.scene.paint);
        let (action, tone) = match inline(step) {
            Some(rewrite) => (rewritten(rewrite, self.family), Tone::Change),
            None => action(scene, step),
        };
        let place = match step.what {
            What::Rule { rule, .. } | What::Missed { rule } => scene.short_place(scene.model.rule(rule).span),
            What::Policy { .. } => scene.short_place(scene.model.chain(step.chain).span),
            What::Return => String::new(),
        };
        let head = format!("  {label:<w$} {:<name_width$}  ", left(scene, step), w = self.width);
        let head = if head.chars().count() + action.chars().count() > WIDTH {
            head.trim_end().to_string() + " "
        } else {
            head
        };
        let action =
            cut(&action, WIDTH.saturating_sub(head.chars().count() + place.chars().count() + 1).max(12), p.ascii);
        let used = head.chars().count() + action.chars().count();
        let note = hint(scene, step).unwrap_or_default();
        let room = WIDTH.saturating_sub(used + place.chars().count() + 3);
        let note = if note.is_empty() || room < 8 { String::new() } else { format!("  {}", cut(&note, room, p.ascii)) };
        let gap = WIDTH.saturating_sub(used + note.chars().count() + place.chars().count()).max(1);
        let painted = tone.paint(p, &action);
        let row = format!("{head}{painted}{}{:gap$}{}", p.dim(&note), "", p.dim(&place));
        row.trim_end().to_string() + "\n"
    }
}

/// `KUBE-SEP-VKIPXDQHDOL5KL3V #2`.
fn left(scene: &Scene, step: &Kept) -> String {
    let chain = name(scene, step.chain);
    match step.what {
        What::Rule { number, .. } => format!("{chain} #{number}"),
        What::Missed { rule } => format!("{chain} #{}", scene.model.position(rule).unwrap_or(0)),
        What::Return => format!("{chain} end"),
        What::Policy { .. } => format!("{chain} policy"),
    }
}

/// A chain's name, a long one without its middle.
fn name(scene: &Scene, chain: ChainId) -> String {
    let name = scene.chain(chain);
    let length = name.chars().count();
    if length <= NAME {
        return name;
    }
    let head: String = name.chars().take(NAME / 2 - 1).collect();
    let tail: String = name.chars().skip(length - NAME / 2).collect();
    format!("{head}{}{tail}", scene.paint.pick("…", "~"))
}

/// The rewrite that says all that a step does: a mark that is set.
fn inline(step: &Kept) -> Option<&Rewrite> {
    match (step.what, step.rewrites.as_slice()) {
        (What::Rule { verdict: Verdict::Continue, .. }, [only @ Rewrite::Field(_)]) => Some(only),
        _ => None,
    }
}

/// Why a rule did not match: `wants dport 31003, has 31002`.
pub fn unmet(scene: &Scene, miss: &Miss) -> String {
    match &miss.failed {
        Some(Unmet { wanted, had, .. }) if had.is_empty() => format!("{} does not hold", scene.paint.text(wanted)),
        Some(Unmet { wanted, had, .. }) => format!("wants {}, has {}", scene.paint.text(wanted), scene.paint.text(had)),
        None => "the inputs don't tell why".to_string(),
    }
}

/// `9,981`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A step in pieces, for other layouts.
pub struct Parts {
    /// `KUBE-SEP-VKIPXDQHDOL5KL3V #2`.
    pub rule: String,
    /// What it does: `DNAT`.
    pub action: String,
    /// Whether that is good or bad for the packet.
    pub tone: Tone,
    /// What its program says of it.
    pub label: Option<String>,
    /// `dst a => b`.
    pub rewrites: Vec<String>,
    /// File and line.
    pub place: Option<(String, u32)>,
}

impl Parts {
    /// What it does, with what its program says of it.
    pub fn told(&self) -> String {
        self.label.as_ref().map_or_else(|| self.action.clone(), |label| format!("{} ({label})", self.action))
    }
}

/// A step in pieces.
pub fn parts(scene: &Scene, step: &Kept, family: Value) -> Parts {
    let (action, tone) = action(scene, step);
    let label = match step.what {
        What::Rule { rule, .. } => scene.labels.rule(rule).map(|l| scene.paint.text(&l)),
        _ => None,
    };
    let span = match step.what {
        What::Rule { rule, .. } | What::Missed { rule } => scene.model.rule(rule).span,
        What::Return | What::Policy { .. } => scene.model.chain(step.chain).span,
    };
    Parts {
        rule: left(scene, step),
        action,
        tone,
        label,
        rewrites: step.rewrites.iter().map(|r| rewritten(r, family)).collect(),
        place: scene.sources.locate(span).map(|at| (at.name.to_string(), at.line)),
    }
}

/// What a step does: `→ KUBE-SERVICES`, `DNAT`, `DROP`.
fn action(scene: &Scene, step: &Kept) -> (String, Tone) {
    let arrow = scene.paint.pick("→", "->");
    match step.what {
        What::Rule { rule, verdict, .. } => match verdict {
            Verdict::Jump(c) => (format!("{arrow} {}", name(scene, c)), Tone::Plain),
            Verdict::Goto(c) => (format!("{arrow} {} (goto)", name(scene, c)), Tone::Plain),
            Verdict::Accept => match target(scene, rule) {
                Some(word) => (word, Tone::Plain),
                None => ("ACCEPT".to_string(), Tone::Good),
            },
            Verdict::Drop => (target(scene, rule).unwrap_or_else(|| "DROP".to_string()), Tone::Bad),
            Verdict::Return => ("RETURN".to_string(), Tone::Plain),
            Verdict::Queue { num, .. } => (format!("QUEUE {num}"), Tone::Plain),
            Verdict::Stolen => (target(scene, rule).unwrap_or_else(|| "taken away".to_string()), Tone::Plain),
            Verdict::Continue => (target(scene, rule).unwrap_or_else(|| "matches".to_string()), Tone::Plain),
        },
        What::Missed { .. } => ("does not match in the end".to_string(), Tone::Plain),
        What::Return => ("back to the caller".to_string(), Tone::Plain),
        What::Policy { verdict: Verdict::Drop } => ("DROP".to_string(), Tone::Bad),
        What::Policy { .. } => ("ACCEPT".to_string(), Tone::Plain),
    }
}

/// What a rule's target is called where its verdict alone does not tell.
fn target(scene: &Scene, rule: RuleId) -> Option<String> {
    scene.model.rule_ops(rule).iter().rev().find_map(|op| match op {
        Op::Effect(e) => match scene.model.effect(*e) {
            Effect::Nat(nat) => Some(nat_word(nat.kind).to_string()),
            Effect::Reject(_) => Some("REJECT".to_string()),
            Effect::Log { kind, .. } => Some(scene.paint.text(scene.model.name(*kind))),
            Effect::Notrack => Some("NOTRACK".to_string()),
            Effect::CtAttach(_) => Some("CT".to_string()),
            Effect::Tproxy { .. } => Some("TPROXY".to_string()),
            Effect::SetUpdate(_) => Some("changes a set".to_string()),
            _ => None,
        },
        Op::Set { field, .. } => Some(format!("sets {}", field.name())),
        _ => None,
    })
}

fn nat_word(kind: NatKind) -> &'static str {
    match kind {
        NatKind::Dnat => "DNAT",
        NatKind::Snat => "SNAT",
        NatKind::Masquerade => "MASQUERADE",
        NatKind::Redirect => "REDIRECT",
        NatKind::Netmap => "NETMAP",
    }
}

/// What helps to understand the step: the label in its owner's words, else the comment.
fn hint(scene: &Scene, step: &Kept) -> Option<String> {
    let What::Rule { rule, .. } = step.what else { return None };
    if let Some(rewrite) = inline(step) {
        let Rewrite::Field(change) = rewrite else { return None };
        return Some(scene.paint.text(&meanings(scene, change))).filter(|m| !m.is_empty());
    }
    let label = scene.labels.rule(rule);
    let comment = || scene.model.rule(rule).comment.map(|c| scene.model.name(c).to_string()).filter(|c| !is_hash(c));
    label.or_else(comment).map(|text| scene.paint.text(&text))
}

/// A comment that only tells its program's rules apart, as Calico's do.
fn is_hash(comment: &str) -> bool {
    comment.strip_prefix("cali:").is_some_and(|rest| !rest.contains(' '))
}

/// `dst 172.16.4.21:31002 => 10.244.166.136:8200`.
pub fn rewritten(rewrite: &Rewrite, family: Value) -> String {
    match rewrite {
        Rewrite::Endpoint { source, old, new } => {
            let side = if *source { "src" } else { "dst" };
            format!("{side} {} => {}", pair(old.0, old.1, family), pair(new.0, new.1, family))
        }
        Rewrite::Field(change) => {
            let got = |g: Got| match g {
                Got::Value(v) => change.field.print(v, family),
                Got::Absent => "none".to_string(),
                Got::Unknown => "unknown".to_string(),
            };
            format!("{} {} => {}", change.field.name(), got(change.old), got(change.new))
        }
    }
}

/// What the bits of a mark mean that a change sets.
fn meanings(scene: &Scene, change: &Change) -> String {
    let (Field::Mark, Got::Value(old), Got::Value(new)) = (change.field, change.old, change.new) else {
        return String::new();
    };
    let before = scene.labels.mark(old as u32);
    let now = scene.labels.mark(new as u32).into_iter().filter(|m| !before.contains(m));
    now.collect::<Vec<_>>().join(", ")
}

/// A built-in step.
pub fn built(scene: &Scene, told: &Told, family: Value, width: usize) -> String {
    let (mut label, lines) = built_lines(told, family);
    // Translations of a rule stand with the rule; these were decided by the connection's first packet.
    let why = if told.step == Step::Nat { "the connection's translation" } else { "" };
    let mut out = String::new();
    for (tone, said) in lines {
        let known = tone == Tone::Change && !why.is_empty() && width + said.chars().count() + why.len() + 5 <= WIDTH;
        let said = tone.paint(scene.paint, &scene.paint.text(&said));
        let said = if known { format!("{said}  {}", scene.paint.dim(why)) } else { said };
        out.push_str(&format!("  {:<width$} {said}\n", std::mem::take(&mut label)));
    }
    out
}

/// A built-in step's name, and what it rewrote and says.
pub fn built_lines(told: &Told, family: Value) -> (&'static str, Vec<(Tone, String)>) {
    let name = match told.step {
        Step::Start => "start",
        Step::Defrag => "defrag",
        Step::Conntrack | Step::Confirm => "conntrack",
        Step::Nat => "nat",
        Step::RouteIn | Step::RouteOut => "routing",
        Step::Reroute => "re-routing",
        Step::Forward => "forwarding",
        Step::Loopback => "loopback",
        Step::LoopedCopy => "copy",
        Step::Bridge => "bridge",
    };
    let rewrites = told.rewrites.iter().map(|r| (Tone::Change, rewritten(r, family)));
    (name, rewrites.chain(told.notes.iter().map(|n| (Tone::Plain, n.clone()))).collect())
}

/// A text cut to a width.
pub fn cut(text: &str, width: usize, ascii: bool) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    let dots = if ascii { "..." } else { "…" };
    let kept: String = text.chars().take(width.saturating_sub(dots.chars().count())).collect();
    kept.trim_end().to_string() + dots
}
