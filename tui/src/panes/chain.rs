//! The chain pane: the rules of the step's chain with those that matched, the first failed condition at those that did
//! not, and the conditions of the rule under the cursor one by one.
//!
//! ```text
//!     2  -p tcp --dport 30443 -j KUBE-EXT-BBBB          ✗ dport 30443
//! ▶   3  -p tcp --dport 31002 -j KUBE-EXT-W7X2          MATCH
//!      ├ proto tcp          has tcp      ✓
//!      └ dport 31002        has 31002    ✓
//! ⋯ 115 rules ahead
//! ```
//!
//! Between chains it shows what the host does there: the base chains of a hook in their order, or a decision.

use nettrace_engine::model::{Chain, ChainId, Family, Hook, Model, RuleId};
use nettrace_engine::trace::Event;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::canvas::{Ink, put};
use crate::label;
use crate::rows::{Pass, Row, Rows, top};
use crate::session::Condition;
use crate::state::{Break, Pane, State};
use crate::text::{fit, width, wrap};
use crate::theme::Role;

/// A line of the pane: a row, or a condition of the rule above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainLine {
    /// A row by its number.
    Row(usize, Row),
    /// A condition; the last one of its rule.
    Condition(Condition, bool),
}

impl ChainLine {
    /// The number of the row.
    pub fn row(&self) -> Option<usize> {
        match self {
            ChainLine::Row(n, _) => Some(*n),
            ChainLine::Condition(..) => None,
        }
    }
}

/// The heading of the pane.
pub fn title(state: &State) -> String {
    match (state.chain(), state.hook()) {
        (Some(chain), _) => {
            let stop = if state.breaks.contains(&Break::Chain(chain)) { "● " } else { "" };
            let elsewhere = if state.look.is_some() { " (looked at; → goes on)" } else { "" };
            format!("{stop}{}{elsewhere}", label::chain(state.model(), chain))
        }
        (None, Some(hook)) => format!("Hook {}", label::hook(hook)),
        (None, None) => Pane::Chain.title().to_string(),
    }
}

/// What stands at the right of the heading.
pub fn count(state: &State) -> String {
    let Some(chain) = state.chain() else { return String::new() };
    rules(state.model(), chain)
}

/// `1 rule`, `4 831 rules`.
fn rules(model: &Model, chain: ChainId) -> String {
    match model.chain(chain).rules.len() {
        1 => "1 rule".to_string(),
        n => format!("{} rules", thousands(n)),
    }
}

/// `4 831`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// The visible lines.
pub fn lines(state: &State, height: usize) -> Vec<ChainLine> {
    let Some(chain) = state.chain() else { return Vec::new() };
    let pass = state.pass();
    visible(state, chain, &pass, height)
}

fn visible(state: &State, chain: ChainId, pass: &Pass, height: usize) -> Vec<ChainLine> {
    let rows = state.rows(chain, pass);
    let cursor = rows.of(state.cursor(chain, pass).index);
    let conditions = conditions(state, chain, pass, &rows, cursor);
    let first = top(cursor, rows.len() + conditions.len(), height).min(cursor);
    let mut out = Vec::new();
    for n in first..rows.len() {
        if out.len() >= height {
            break;
        }
        out.push(ChainLine::Row(n, rows.row(n)));
        if n == cursor {
            let last = conditions.len();
            out.extend(conditions.iter().enumerate().map(|(i, c)| ChainLine::Condition(c.clone(), i + 1 == last)));
        }
    }
    out.truncate(height);
    out
}

/// The conditions of the rule under the cursor, as it met the packet.
fn conditions(state: &State, chain: ChainId, pass: &Pass, rows: &Rows, cursor: usize) -> Vec<Condition> {
    let Row::Rule(index) = rows.row(cursor) else { return Vec::new() };
    if state.course.is_some() && index >= pass.seen {
        return Vec::new();
    }
    let rules = &state.model().chain(chain).rules;
    let Some(rule) = rules.get(index as usize) else { return Vec::new() };
    state.session.words.conditions(state.way, pass.moment(index, state.at), rule)
}

/// What stands behind a rule: that it matched, or the first condition that failed.
fn remark(state: &State, rule: RuleId, index: u32, pass: &Pass) -> Ink {
    if pass.has_matched(index) {
        return Ink::new(" MATCH", Role::Accept);
    }
    if !pass.missed(index) {
        return Ink::new("", Role::Dim);
    }
    let conditions = state.session.words.conditions(state.way, pass.moment(index, state.at), rule);
    match conditions.into_iter().find(|c| c.holds != Some(true)) {
        Some(Condition { wanted, holds: None, .. }) => Ink::new(format!(" ? {wanted}"), Role::Warn),
        Some(Condition { wanted, .. }) => Ink::new(format!(" ✗ {wanted}"), Role::Drop),
        None => Ink::new(" no match", Role::Dim),
    }
}

fn rule_ink(state: &State, rule: RuleId, index: u32, pass: &Pass, columns: usize) -> Vec<Ink> {
    let is_current = pass.current == Some(index);
    let sign = match (is_current, state.breaks.contains(&Break::Rule(rule))) {
        (true, _) => "▶",
        (false, true) => "●",
        _ => " ",
    };
    let role = match (is_current, pass.has_matched(index), pass.missed(index)) {
        (true, ..) => Role::Current,
        (_, true, _) => Role::Normal,
        (_, _, true) => Role::Dim,
        _ => Role::Normal,
    };
    let mut remark = remark(state, rule, index, pass);
    remark.text = crate::text::clip(&remark.text, columns / 3);
    let head = format!("{sign}{:>5} ", u64::from(index) + 1);
    let room = columns.saturating_sub(width(&head) + width(&remark.text));
    let text = state.session.words.rule(rule);
    vec![Ink::new(head, role), Ink::new(fit(short(&text), room), role), remark]
}

/// A rule's text without the `-A CHAIN` that the heading says.
fn short(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("-A ") else { return text };
    let end = match rest.strip_prefix('"') {
        Some(quoted) => quoted.find('"').map(|i| i + 2),
        None => rest.find(' '),
    };
    end.map_or("(no condition, no target)", |i| rest[i..].trim_start())
}

fn fold_text(from: u32, to: u32, pass: &Pass) -> String {
    let n = to - from;
    let what = if to <= pass.seen {
        if n == 1 { "rule did not match" } else { "rules did not match" }
    } else if n == 1 {
        "rule ahead"
    } else {
        "rules ahead"
    };
    format!("     ⋯ {} {what}", thousands(n as usize))
}

fn end_text(state: &State, chain: ChainId) -> String {
    match &state.model().chain(chain).base {
        Some(base) => format!("policy {}", label::verdict(state.model(), base.policy)),
        None => "end of the chain: back to the caller".to_string(),
    }
}

fn condition_ink(condition: &Condition, last: bool) -> Vec<Ink> {
    let (sign, role) = match condition.holds {
        Some(true) => ("✓", Role::Accept),
        Some(false) => ("✗", Role::Drop),
        None => ("?", Role::Warn),
    };
    let branch = if last { "└" } else { "├" };
    let text = format!("       {branch} {}", fit(&condition.wanted, 30));
    vec![Ink::new(text, Role::Dim), Ink::new(format!(" {sign} "), role), Ink::new(condition.had.clone(), role)]
}

fn line_ink(state: &State, line: &ChainLine, chain: ChainId, pass: &Pass, columns: usize) -> Vec<Ink> {
    match line {
        ChainLine::Condition(condition, last) => condition_ink(condition, *last),
        ChainLine::Row(_, Row::Fold(from, to)) => vec![Ink::new(fold_text(*from, *to, pass), Role::Dim)],
        ChainLine::Row(_, Row::End) => {
            let role = if pass.ended { Role::Current } else { Role::Dim };
            let sign = if pass.ended { "▶" } else { " " };
            vec![Ink::new(format!("{sign}    – {}", end_text(state, chain)), role)]
        }
        ChainLine::Row(_, Row::Rule(index)) => match state.model().chain(chain).rules.get(*index as usize) {
            Some(rule) => rule_ink(state, rule, *index, pass, columns),
            None => Vec::new(),
        },
    }
}

/// The base chains of a hook in the order in which they run, with their priorities.
pub fn bases(model: &Model, hook: Hook) -> Vec<(i32, ChainId)> {
    let base = |(i, c): (usize, &Chain)| {
        let base = c.base.as_ref().filter(|b| b.hook == hook)?;
        Some((base.priority, u32::MAX - base.order, ChainId(i as u32)))
    };
    let mut bases: Vec<_> = model.chains.iter().enumerate().filter_map(base).collect();
    bases.sort_unstable();
    bases.into_iter().map(|(priority, _, chain)| (priority, chain)).collect()
}

fn hook_lines(state: &State, hook: Hook) -> Vec<Ink> {
    let model = state.model();
    let bases = bases(model, hook);
    if bases.is_empty() {
        return vec![Ink::new("No base chain is hooked here.", Role::Dim)];
    }
    let mut out = vec![Ink::new("Base chains of this hook, by priority:", Role::Dim)];
    let entered = entered(state);
    for (priority, chain) in bases.into_iter().filter(|b| is_for(state, b.1)) {
        let text = format!("{priority:>6}  {}  ({})", label::chain(model, chain), rules(model, chain));
        let runs = state.course.is_some() || entered.contains(&chain);
        let role = if runs { Role::Normal } else { Role::Dim };
        out.push(Ink::new(format!("{text}{}", if runs { "" } else { ", not run for this packet" }), role));
    }
    out
}

/// Whether a chain's table is for packets of this family.
fn is_for(state: &State, chain: ChainId) -> bool {
    let table = state.model().table_of(chain);
    let six = state.trace().start.family() == 10;
    !(table.dormant || table.family == Family::Ip && six || table.family == Family::Ip6 && !six)
}

/// The base chains that run between this hook and the next.
fn entered(state: &State) -> Vec<ChainId> {
    let behind = state.trace().events.iter().skip(state.at + 1);
    let here = behind.take_while(|e| !matches!(e, Event::Hook(_)));
    here.filter_map(|e| if let Event::Enter(c) = e { Some(*c) } else { None }).collect()
}

/// Draws the pane.
pub fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let Some(chain) = state.chain() else { return draw_between(state, area, buf) };
    let pass = state.pass();
    let rows = state.rows(chain, &pass);
    let cursor = rows.of(state.cursor(chain, &pass).index);
    for (y, line) in (0..area.height).zip(visible(state, chain, &pass, area.height as usize)) {
        let ink = line_ink(state, &line, chain, &pass, area.width as usize);
        let under = state.focus == Pane::Chain && line.row() == Some(cursor);
        put(buf, area, y, &ink, state.theme, under);
    }
}

/// What is shown at a step that is in no chain.
fn draw_between(state: &State, area: Rect, buf: &mut Buffer) {
    let lines = match (state.event(), state.hook()) {
        (Some(Event::Hook(hook)), _) => hook_lines(state, *hook),
        (Some(event), _) => {
            let (text, role) = label::event(state.model(), event, state.trace().start.family());
            wrap(&text, area.width as usize, 2).into_iter().map(|l| Ink::new(l, role)).collect()
        }
        (None, _) => Vec::new(),
    };
    for (y, ink) in (0..area.height).zip(lines) {
        put(buf, area, y, &[ink], state.theme, false);
    }
}
