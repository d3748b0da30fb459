//! What is said of rules beyond the way, for reading and as JSON: meant for the packet, why not, where instead, what if.
//!
//! ```text
//! Meant for this packet, without effect
//!   -A INPUT -p tcp -m tcp --dport 31002 -j DROP
//!   filter/INPUT#1 (iptables-save:410), hook-not-on-path: the packet does not pass INPUT: …
//! ```
//!
//! Left out: deciding any of it ([`nettrace_engine::explain`]).

use nettrace_engine::explain::diff::Change;
use nettrace_engine::explain::place::{Advice, Fare, Placement, Want};
use nettrace_engine::explain::whynot::{WhyNot, rule_name};
use nettrace_engine::field::Field;
use nettrace_engine::model::{Model, RuleId};
use nettrace_engine::packet::Got;
use nettrace_engine::trace::{Event, Trace};
use nettrace_grammar::Sources;
use serde_json::{Value as Json, json};

use crate::commands::Reasons;
use crate::output::{Paint, WIDTH};

/// What the renderer reads besides the reasons.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The rules.
    pub model: &'a Model,
    /// Their text.
    pub sources: &'a Sources,
    /// How to draw.
    pub paint: Paint,
    /// Everything that was tried, and what mattered.
    pub verbose: bool,
}

/// How many changed steps are shown.
const STEPS: usize = 16;

/// Fields whose changes are shown among them.
const TOLD: &[Field] =
    &[Field::Saddr, Field::Daddr, Field::Sport, Field::Dport, Field::Mark, Field::CtMark, Field::Tos, Field::Priority];

impl Desk<'_> {
    /// All sections.
    pub fn render(self, reasons: &Reasons) -> String {
        let mut out = String::new();
        if !reasons.unasked.is_empty() {
            out.push_str(&self.heading("Meant for this packet, without effect"));
            for u in &reasons.unasked {
                out.push_str(&self.why(reasons, &u.why));
            }
        }
        for why in &reasons.why_not {
            out.push_str(&self.heading(&format!("Why not {}?", rule_name(self.model, why.rule))));
            out.push_str(&self.why(reasons, why));
        }
        for (title, body) in self.sections(reasons) {
            out.push_str(&self.heading(&title));
            out.push_str(&body);
        }
        out
    }

    /// What is said besides of single rules, each part with its title: where a rule would work, what is decided elsewhere, what the
    /// answer depends on.
    pub fn sections(self, reasons: &Reasons) -> Vec<(String, String)> {
        let mut out = Vec::new();
        if let Some((want, advice)) = &reasons.advice {
            let title = match want {
                Want::Drop => "Where a DROP works (each rule below was walked)",
                Want::Accept => "What lets it pass (each way below was walked)",
            };
            out.push((title.to_string(), self.advice(*want, advice)));
        }
        if !reasons.unseen.is_empty() {
            let said = reasons.unseen.iter().map(|said| self.wrapped(said, "  ")).collect();
            out.push(("Not in these dumps".to_string(), said));
        }
        if self.verbose {
            out.push(("What the answer depends on".to_string(), self.mattered(reasons)));
        }
        out
    }

    fn heading(self, text: &str) -> String {
        format!("\n{}\n", self.paint.bold(&self.paint.text(text)))
    }

    /// `filter/INPUT#1 (iptables-save:410)`.
    pub fn cite(self, rule: RuleId) -> String {
        let at = self.sources.locate(self.model.rule(rule).span);
        let place = at.map(|a| format!(" ({}:{})", a.name.rsplit('/').next().unwrap_or(a.name), a.line));
        rule_name(self.model, rule) + &place.unwrap_or_default()
    }

    /// A rule as it stands in the dump, in one line.
    pub fn rule_text(self, rule: RuleId) -> String {
        let text = self.sources.text(self.model.rule(rule).span);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A reason in words.
    pub fn words(self, reasons: &Reasons, why: &WhyNot) -> String {
        reasons.inquiry.words(why, &|r| self.cite(r))
    }

    fn why(self, reasons: &Reasons, why: &WhyNot) -> String {
        let mut text = self.rule_text(why.rule);
        if text.chars().count() > WIDTH - 2 {
            text = text.chars().take(WIDTH - 5).collect::<String>() + self.paint.pick("…", "...");
        }
        let said = format!("{}, {}: {}", self.cite(why.rule), why.reason.code(), self.words(reasons, why));
        format!("  {}\n{}", self.paint.text(&text), self.wrapped(&said, "  "))
    }

    fn wrapped(self, text: &str, indent: &str) -> String {
        let (mut out, mut width) = (String::new(), WIDTH);
        for word in self.paint.text(text).split(' ') {
            let length = word.chars().count();
            if width + 1 + length > WIDTH {
                out.push_str(if out.is_empty() { "" } else { "\n" });
                out.push_str(indent);
                width = indent.len();
            } else {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += length;
        }
        out + "\n"
    }

    fn advice(self, want: Want, advice: &Advice) -> String {
        let done = if want == Want::Drop { "blocks" } else { "lets pass" };
        let mut out = String::new();
        let best = advice.best();
        for p in &best {
            out.push_str(&self.placement(want, advice, p, done));
        }
        if best.is_empty() {
            out.push_str(&self.wrapped("none of the candidates does what is wanted", "  "));
        }
        let useless: Vec<&Placement> = advice.tried.iter().filter(|p| !p.works.contains(&true)).collect();
        let others = advice.tried.len() - useless.len() - best.len();
        if self.verbose {
            out.push_str(&self.table(advice));
        } else if !useless.is_empty() {
            let said = format!("{} more work too, {} were tried in vain (-v lists all)", others, useless.len());
            out.push_str(&self.paint.dim(&self.wrapped(&said, "  ")));
        }
        for note in &advice.notes {
            out.push_str(&self.wrapped(note, "  "));
        }
        out
    }

    fn placement(self, want: Want, advice: &Advice, p: &Placement, done: &str) -> String {
        let p_text = |t: &str| self.paint.text(t);
        let mut out: String = p.commands.iter().map(|c| ["  ", &self.paint.good(&p_text(c)), "\n"].concat()).collect();
        for walked in &p.walked {
            out.push_str(&self.paint.dim(&self.wrapped(&format!("walked as: {walked}"), "      ")));
        }
        let by = |works: bool| -> Vec<String> {
            // What fared as wanted before is neither served nor missed.
            let told = |w: bool, f: Fare| if works { w } else { !f.is(want) };
            let all = advice.origins.iter().zip(&p.works).zip(&p.fares).filter(|((_, w), f)| told(**w, **f));
            let name = |((origin, _), fare): ((&String, &bool), &Fare)| match fare {
                Fare::Unanswered => format!("{origin} (by dropping the answers)"),
                _ => origin.clone(),
            };
            all.map(name).collect()
        };
        out.push_str(&self.wrapped(&format!("{done}: {}", by(true).join("; ")), "      "));
        let missed: Vec<String> = by(false);
        if !missed.is_empty() {
            out.push_str(&self.wrapped(&format!("not: {}", missed.join("; ")), "      "));
        }
        if !p.also.is_empty() {
            out.push_str(&self.wrapped(&format!("also {done}: {}", p.also.join("; ")), "      "));
        }
        for w in &p.warnings {
            out.push_str(&self.paint.open(&self.wrapped(&format!("careful: {w}"), "      ")));
        }
        out
    }

    /// Every candidate, a line each: one mark for each origin.
    fn table(self, advice: &Advice) -> String {
        let mut out = String::new();
        let marks: Vec<String> = (1..).zip(&advice.origins).map(|(n, o)| format!("{n} {o}")).collect();
        out.push_str(&self.wrapped(&format!("All candidates; dropped from {}:", marks.join(", ")), "  "));
        for p in &advice.tried {
            let one = |(n, f): (usize, &Fare)| match f {
                Fare::Blocked | Fare::Unanswered => n.to_string(),
                Fare::Passes => self.paint.pick("·", "-").to_string(),
                Fare::Depends => "?".to_string(),
            };
            let marks: String = (1..).zip(&p.fares).map(one).collect();
            out.push_str(&format!("  {marks}  {}\n", self.paint.text(&p.commands.join("; "))));
        }
        out
    }

    fn mattered(self, reasons: &Reasons) -> String {
        let m = &reasons.mattered;
        let mut said: Vec<String> = m
            .fields
            .iter()
            .map(|f| if *f == Field::Ttl { "ttl (above 1)".to_string() } else { f.name().to_string() })
            .collect();
        said.extend(m.sets.iter().map(|s| format!("set {s}")));
        if m.routes {
            said.push("routes".to_string());
        }
        self.wrapped(&said.join(", "), "  ")
    }

    /// What edits changed, step by step; the verdicts are the caller's to say.
    pub fn difference(self, reasons: &Reasons) -> String {
        let Some((before, difference)) = &reasons.before else { return String::new() };
        let mut out = String::new();
        if difference.is_empty() {
            out.push_str(&self.wrapped("the edits change nothing for this packet", "  "));
        }
        let Some(old) = before.list.first() else { return out };
        let step = |change: &Change| match change {
            Change::Gone(at) => Some(("-", self.step(&old.result, *at)?)),
            Change::New(at) => Some(("+", self.step(reasons.inquiry.trace(), *at)?)),
        };
        let steps: Vec<_> = difference.changes.iter().filter_map(step).collect();
        for (sign, said) in steps.iter().take(STEPS) {
            let line = format!("  {sign} {}", self.paint.text(said));
            out.push_str(&if *sign == "+" { self.paint.good(&line) } else { self.paint.bad(&line) });
            out.push('\n');
        }
        if steps.len() > STEPS {
            out.push_str(&self.paint.dim(&format!("  and {} more steps\n", steps.len() - STEPS)));
        }
        out
    }

    /// A step of a walk in a few words; what follows from other steps has none.
    fn step(self, trace: &Trace, at: usize) -> Option<String> {
        match trace.events.get(at)? {
            Event::Rule { rule, verdict, .. } => {
                Some(format!("{}  {}", self.cite(*rule), self.model.show_verdict(*verdict)))
            }
            Event::Hook(hook) => Some(hook.name().to_uppercase()),
            Event::Write { field, old, new, .. } if TOLD.contains(field) => {
                let family = trace.start.family();
                let show = |got: &Got| got.value().map_or("none".to_string(), |v| field.print(v, family));
                Some(format!("{} {} => {}", field.name(), show(old), show(new)))
            }
            Event::Answer { fact, label, .. } => {
                Some(format!("{}: {label}", fact.question(self.model, trace.start.family())))
            }
            _ => None,
        }
    }

    /// The same as JSON: `unasked`, `why_not`, `advice`, `mattered`, `difference`.
    pub fn json(self, reasons: &Reasons) -> Json {
        let why = |w: &WhyNot| {
            let mut out = reasons.inquiry.json(w);
            if let Json::Object(map) = &mut out {
                map.insert("words".to_string(), self.words(reasons, w).into());
                map.insert("at".to_string(), self.place(w.rule));
            }
            out
        };
        json!({
            "unasked": reasons.unasked.iter().map(|u| why(&u.why)).collect::<Vec<_>>(),
            "why_not": reasons.why_not.iter().map(why).collect::<Vec<_>>(),
            "advice": reasons.advice.as_ref().map(|(want, a)| advice_json(*want, a)),
            "unseen": reasons.unseen,
            "mattered": {
                "fields": reasons.mattered.fields.iter().map(|f| f.name()).collect::<Vec<_>>(),
                "sets": reasons.mattered.sets,
                "routes": reasons.mattered.routes,
            },
            "difference": reasons.before.as_ref().map(|(_, d)| json!({
                "changed": !d.is_empty(),
                "fate_changed": d.fates.is_some(),
                "gone": d.changes.iter().filter(|c| matches!(c, Change::Gone(_))).count(),
                "new": d.changes.iter().filter(|c| matches!(c, Change::New(_))).count(),
            })),
        })
    }

    fn place(self, rule: RuleId) -> Json {
        let at = self.sources.locate(self.model.rule(rule).span);
        at.map_or(Json::Null, |a| json!({ "file": a.name, "line": a.line }))
    }
}

fn advice_json(want: Want, advice: &Advice) -> Json {
    let fare = |f: &Fare| match f {
        Fare::Passes => "passes",
        Fare::Blocked => "blocked",
        Fare::Unanswered => "unanswered",
        Fare::Depends => "depends",
    };
    let one = |p: &Placement| {
        json!({
            "commands": p.commands,
            "walked": p.walked,
            "table": p.place.table,
            "chain": p.place.chain,
            "fares": p.fares.iter().map(fare).collect::<Vec<_>>(),
            "works": p.works,
            "also": p.also,
            "warnings": p.warnings,
        })
    };
    json!({
        "want": if want == Want::Drop { "drop" } else { "accept" },
        "origins": advice.origins,
        "before": advice.before.iter().map(fare).collect::<Vec<_>>(),
        "tried": advice.tried.iter().map(one).collect::<Vec<_>>(),
        "notes": advice.notes,
    })
}
