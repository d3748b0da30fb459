//! The answer for reading: the verdict first, then the way, then what was not on it and what was assumed.
//!
//! Laid out for 80 columns. Text from dumps passes through [`Paint::text`]. Left out: deciding what is told
//! ([`nettrace_engine::explain::answer`]).

mod ending;
mod facts;
mod rows;
mod verdict;

use nettrace_engine::explain::answer::{Answer, Ending};
use nettrace_engine::explain::names::Labels;
use nettrace_engine::fact::{Assumption, NO_SYSCTL};
use nettrace_engine::host::Host;
use nettrace_engine::model::{Hook, Model};
use nettrace_grammar::{Sources, Span};

use crate::output::Paint;

pub use ending::{off, off_why, route};
pub use facts::{conditions, questions, statement};
pub use rows::{built_lines, parts, quiet_words, thousands};
pub use verdict::{facts as head_facts, headline, line as packet_line, one_line, tone};

/// What the renderer reads besides the answer.
pub struct Scene<'a> {
    /// The rules.
    pub model: &'a Model,
    /// Their text.
    pub sources: &'a Sources,
    /// Names people know.
    pub labels: Labels<'a>,
    /// How to draw.
    pub paint: Paint,
    /// A program at the devices that may decide otherwise than the rules: what they let pass is not certain.
    pub doubt: Option<&'static str>,
    /// The only file that rules of this answer are in, so that lines need not repeat it.
    pub file: Option<String>,
}

/// What a text is about, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Accepted.
    Good,
    /// Dropped.
    Bad,
    /// Left open.
    Open,
    /// Rewritten.
    Change,
    /// Anything else.
    Plain,
}

impl Tone {
    /// The text in the tone's colour.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Tone::Good => paint.good(text),
            Tone::Bad => paint.bad(text),
            Tone::Open => paint.open(text),
            Tone::Change => paint.change(text),
            Tone::Plain => text.to_string(),
        }
    }
}

/// How much is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One line for each ending.
    Short,
    /// One screen.
    Normal,
    /// Every ending's way, every assumption.
    Full,
}

impl<'a> Scene<'a> {
    /// For these rules.
    pub fn new(model: &'a Model, sources: &'a Sources, paint: Paint) -> Self {
        Scene { model, sources, labels: Labels::build(model), paint, doubt: None, file: None }
    }

    /// With the doubt that programs at this host's devices cast on what the rules let pass.
    #[must_use]
    pub fn with_doubt(self, host: &Host) -> Self {
        Scene { doubt: self.labels.doubt(host), ..self }
    }

    /// `iptables-save:218`, with the folder left out.
    pub fn place(&self, span: Span) -> Option<String> {
        let at = self.sources.locate(span)?;
        Some(format!("{}:{}", self.paint.text(base_name(at.name)), at.line))
    }

    /// `:218` where the file is told elsewhere.
    fn short_place(&self, span: Span) -> String {
        let Some(at) = self.sources.locate(span) else { return String::new() };
        match &self.file {
            Some(f) if f == at.name => format!(":{}", at.line),
            _ => format!("{}:{}", self.paint.text(base_name(at.name)), at.line),
        }
    }

    /// A chain's name.
    fn chain(&self, chain: nettrace_engine::model::ChainId) -> String {
        self.paint.text(self.model.chain_name(chain))
    }
}

/// The last part of a path.
pub fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// An answer in parts, between which more can be said.
pub struct Drawn {
    /// The verdict and the way.
    pub way: String,
    /// The hooks that are not on the way.
    pub off: String,
    /// What was taken for granted.
    pub assumed: String,
}

/// The whole answer.
pub fn render(scene: &mut Scene, answer: &Answer, level: Level) -> Drawn {
    if level == Level::Short {
        return Drawn { way: short(scene, answer), off: String::new(), assumed: String::new() };
    }
    scene.file = only_file(scene, answer);
    let mut out = verdict::head(scene, answer);
    let told = if level == Level::Full { answer.endings.len() } else { 1 };
    for (i, ending) in answer.endings.iter().take(told).enumerate() {
        if answer.endings.len() > 1 {
            let which = format!("Way {} of {}", i + 1, answer.endings.len());
            let how = conditions(scene, ending);
            let title = rows::cut(&join(&[&which, &how], ": "), crate::output::WIDTH, scene.paint.ascii);
            out.push_str(&format!("\n{}\n", scene.paint.bold(&title)));
        }
        out.push_str(&ending::way(scene, ending));
    }
    if told < answer.endings.len() {
        out.push_str(&ending::others(scene, answer));
    }
    let off = ending::off(scene, answer);
    Drawn { way: out, off, assumed: facts::open(scene, answer) + &assumptions(scene, answer, level) }
}

fn short(scene: &Scene, answer: &Answer) -> String {
    let mut out = String::new();
    for e in &answer.endings {
        let odds = odds(answer, e);
        let how = if odds.is_empty() { conditions(scene, e) } else { odds };
        out.push_str(&join(&[&how, &one_line(scene, answer, e)], ": "));
        out.push('\n');
    }
    if !answer.complete {
        out.push_str("not every way was explored\n");
    }
    out
}

fn join(parts: &[&str], sep: &str) -> String {
    parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(sep)
}

/// The probability of an ending where there are several.
fn odds(answer: &Answer, ending: &Ending) -> String {
    match ending.odds {
        Some(p) if answer.endings.len() > 1 => format!("{:.1} %", p * 100.0),
        _ => String::new(),
    }
}

/// The file that all rules of the way are in, if it is one.
fn only_file(scene: &Scene, answer: &Answer) -> Option<String> {
    let rules = answer.endings.iter().flat_map(rows::rules);
    let mut names = rules.filter_map(|r| scene.sources.locate(scene.model.rule(r).span)).map(|at| at.name.to_string());
    let first = names.next()?;
    names.all(|n| n == first).then_some(first)
}

fn assumptions(scene: &Scene, answer: &Answer, level: Level) -> String {
    let details = if level == Level::Full { answer.details.as_slice() } else { &[] };
    if answer.assumptions.is_empty() && details.is_empty() {
        return if answer.complete { String::new() } else { incomplete(scene) };
    }
    let p = scene.paint;
    let mut out = format!("\n{}\n", p.bold("Assumed"));
    let flag = |f: &str| if f.is_empty() { String::new() } else { format!("({f})") };
    if level == Level::Full {
        for a in answer.assumptions.iter().chain(details) {
            let said = format!("{}: {}", p.text(&facts::statement(&a.fact, &a.value)), p.text(&a.why));
            out.push_str(&hang(&join(&[&said, &flag(&p.text(&a.flag))], " "), "  ", 4));
        }
    } else {
        let (minor, told): (Vec<_>, Vec<_>) = answer.assumptions.iter().partition(|a| a.why == NO_SYSCTL);
        let say =
            |a: &&Assumption| join(&[&p.text(&facts::statement(&a.fact, &a.value)), &flag(&p.text(&a.flag))], " ");
        let mut items: Vec<String> = told.iter().map(say).collect();
        match minor.len() {
            0 => {}
            1 => items.push("1 sysctl at its default (-v)".to_string()),
            n => items.push(format!("{n} sysctls at their defaults (-v)")),
        }
        out.push_str(&wrap(&items, "  ", p.pick(" · ", "; ")));
    }
    if !answer.complete {
        out.push_str(&incomplete(scene));
    }
    out
}

fn incomplete(scene: &Scene) -> String {
    format!("{}\n", scene.paint.open("Not every way was explored: there are more than the bound allows."))
}

/// A line, wrapped with what follows `deeper` columns further in.
fn hang(text: &str, indent: &str, deeper: usize) -> String {
    let inner = format!("{indent}{:deeper$}", "");
    let short = visible(text) + indent.len() <= crate::output::WIDTH;
    if short {
        format!("{indent}{text}\n")
    } else {
        indent.to_string() + wrap(&[text.to_string()], &inner, " ").trim_start()
    }
}

/// Items side by side, wrapped to the width; an item that is too long by itself is wrapped at its blanks.
fn wrap(items: &[String], indent: &str, sep: &str) -> String {
    let room = crate::output::WIDTH - indent.len();
    let mut lines = vec![String::new()];
    for item in items {
        let words: Vec<&str> = if visible(item) > room { item.split(' ').collect() } else { vec![item] };
        for (i, word) in words.into_iter().enumerate() {
            let glue = if i == 0 { sep } else { " " };
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if visible(line) + visible(glue) + visible(word) <= room => line.extend([glue, word]),
                _ => lines.push(word.to_string()),
            }
        }
    }
    let mut out = String::new();
    for line in lines.iter().filter(|l| !l.is_empty()) {
        out.extend([indent, line.trim_end(), "\n"]);
    }
    out
}

/// Columns that a text takes; colours take none.
fn visible(text: &str) -> usize {
    let mut count = 0;
    let mut escape = false;
    for c in text.chars() {
        match c {
            '\x1b' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            _ => count += 1,
        }
    }
    count
}

/// A hook's name as iptables writes it.
pub fn hook_name(hook: Hook) -> String {
    hook.name().to_ascii_uppercase()
}
