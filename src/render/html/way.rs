//! One way of a packet on the page: the path as links, and each step in full.

use nettrace_engine::explain::answer::{Answer, Ending};
use nettrace_engine::explain::step::Teller;
use nettrace_engine::explain::whynot::{Misses, Stood};
use nettrace_engine::limits::PAGE_STEPS;
use nettrace_engine::model::RuleId;
use nettrace_engine::trace::Trace;

use super::markup::Html;
use super::packet::{self, Cited, Moment};
use super::steps::{Entry, Kind, Step, path};
use crate::render::text::{Scene, Tone, hook_name, off_why, thousands};

/// A way to draw.
pub struct Drawn<'a> {
    /// What the renderer reads besides.
    pub scene: &'a Scene<'a>,
    /// The answer that the way is of.
    pub answer: &'a Answer,
    /// The way.
    pub ending: &'a Ending,
    /// Its walk.
    pub trace: &'a Trace,
    /// Its id in the document: `p1w1`.
    pub id: String,
}

/// The buttons: where they go, what they say, their key, and what they are for.
const BUTTONS: &[(&str, &str, &str, &str)] = &[
    ("first", "First", "Home", "First step"),
    ("back", "Back", "\u{2190}", "Previous step"),
    ("next", "Step", "\u{2192}", "Next step"),
    ("last", "Last", "End", "Last step"),
    ("change-back", "Prev. change", "p", "Previous change of the packet"),
    ("change-next", "Next change", "n", "Next change of the packet"),
];

impl Drawn<'_> {
    /// The way with its path and steps.
    pub fn draw(&self, h: &mut Html) {
        let entries = path(self.scene, self.answer, self.ending, self.trace);
        bar(h);
        h.el("div.panes", |h| {
            let (steps, drawn) = h.aside(|h| self.steps(h, &entries));
            self.path(h, &entries, drawn);
            h.put(&steps);
        });
    }

    fn step_id(&self, n: usize) -> String {
        format!("{}s{n}", self.id)
    }

    /// Links to the steps that were drawn.
    fn path(&self, h: &mut Html, entries: &[Entry], drawn: usize) {
        h.with("nav", &[("aria-label", "The way of the packet")], |h| {
            h.el("ol.path", |h| {
                let mut n = 0;
                for entry in entries {
                    match entry {
                        Entry::Table(table) => h.leaf("li.table", table),
                        Entry::Quiet(said) => h.leaf("li.quiet", said),
                        Entry::Step(_) if n == drawn => {}
                        Entry::Step(step) => {
                            n += 1;
                            link(h, step, &format!("#{}", self.step_id(n)));
                        }
                    }
                }
                for off in &self.ending.off {
                    let hooks: Vec<String> = off.hooks.iter().map(|o| hook_name(*o)).collect();
                    let why = off_why(self.scene, &off.why, self.ending.start.family());
                    h.leaf("li.off", &format!("Not on the way: {}. {why}", hooks.join(", ")));
                }
            });
        });
    }

    /// Draws the steps; how many.
    fn steps(&self, h: &mut Html, entries: &[Entry]) -> usize {
        let all = entries.iter().filter_map(|e| match e {
            Entry::Step(step) => Some(step),
            _ => None,
        });
        let mut done: Vec<Cited> = Vec::new();
        h.el("ol.steps", |h| {
            for (i, step) in all.clone().take(PAGE_STEPS).enumerate() {
                if h.full() {
                    break;
                }
                let id = self.step_id(i + 1);
                let from = done.last().map_or(0, |s| s.until);
                let until = step.until.max(from);
                let moment = Moment { trace: self.trace, from, until, steps: &done };
                self.step(h, step, &id, &moment);
                done.push(Cited { link: format!("#{id}"), name: format!("{} {}", i + 1, step.name), until });
            }
        });
        let left = all.count() - done.len();
        if left > 0 {
            h.leaf("p.note", &format!("… and {} more steps, which a page cannot show", thousands(left)));
        }
        done.len()
    }

    fn step(&self, h: &mut Html, step: &Step, id: &str, moment: &Moment) {
        let heading = format!("{id}h");
        let class = ["li.step.", step.kind.class()].concat();
        let mut attributes = vec![("id", id), ("aria-labelledby", &heading)];
        if !step.rewrites.is_empty() {
            attributes.push(("data-change", "yes"));
        }
        h.with(&class, &attributes, |h| {
            h.el("article", |h| {
                h.el("div.about", |h| {
                    title(h, step, &heading);
                    self.rule(h, step.rule);
                    changes(h, step);
                    self.why(h, step);
                    self.misses(h, step.misses);
                    conditions(h, step.conditions);
                });
                h.el("section.seen", |h| {
                    h.leaf("h4", "The packet");
                    h.el("details.whole", |h| {
                        h.leaf("summary", "every field at this step");
                        packet::table(h, self.scene, moment);
                    });
                });
            });
        });
    }

    /// The rule as it stands in the dump.
    fn rule(&self, h: &mut Html, rule: Option<RuleId>) {
        let Some(rule) = rule else { return };
        h.el("section.rule", |h| {
            let span = self.scene.model.rule(rule).span;
            let text: Vec<&str> = self.scene.sources.text(span).split_whitespace().collect();
            h.el("pre", |h| h.leaf("code", &text.join(" ")));
            if let Some(place) = self.scene.place(span) {
                h.leaf("p.place", &place);
            }
        });
    }

    /// What the stepper's pane says of the step.
    fn why(&self, h: &mut Html, step: &Step) {
        let teller =
            Teller { model: self.scene.model, labels: &self.scene.labels, trace: self.trace, cite: &|r| self.cite(r) };
        // What stands in the title already.
        let title = [step.label.as_ref().map(|l| format!("{l}.")), step.rule.map(|r| self.cite(r))];
        h.el("section.why", |h| {
            let told = if step.kind == Kind::Start { Vec::new() } else { teller.tell(step.event) };
            for said in told.into_iter().filter(|said| !title.iter().flatten().any(|t| t == said)) {
                h.leaf("p", &said);
            }
            for note in step.notes.iter().filter(|n| **n != step.does) {
                h.leaf("p.dim", note);
            }
        });
    }

    /// `nat KUBE-SEP-… #2 (iptables-save:1420)`.
    fn cite(&self, rule: RuleId) -> String {
        let model = self.scene.model;
        let chain = model.rule(rule).chain;
        let number = model.position(rule).map_or(String::new(), |n| format!(" #{n}"));
        let place = self.scene.place(model.rule(rule).span).map_or(String::new(), |p| format!(" ({p})"));
        format!("{} {}{number}{place}", model.name(model.table_of(chain).name), model.chain_name(chain))
    }

    /// The rules before the step that did not match.
    fn misses(&self, h: &mut Html, misses: Option<&Misses>) {
        let Some(misses) = misses.filter(|m| !m.list.is_empty()) else { return };
        h.el("details.misses", |h| {
            h.leaf("summary", "Rules that did not match before it, and why");
            h.el("table", |h| {
                head(h, &["rule", "wanted", "had", "where"]);
                h.el("tbody", |h| {
                    for miss in misses.list.iter().take(PAGE_STEPS) {
                        h.el("tr", |h| {
                            let (wanted, had) = match &miss.failed {
                                Some(unmet) => (unmet.wanted.as_str(), unmet.had.as_str()),
                                None => ("", "the inputs don't tell"),
                            };
                            let span = self.scene.model.rule(miss.rule).span;
                            h.leaf("td", &format!("#{}", miss.number));
                            h.leaf("td", wanted);
                            h.leaf("td", had);
                            h.leaf("td", &self.scene.place(span).unwrap_or_default());
                        });
                    }
                });
            });
            let left = misses.list.len().saturating_sub(PAGE_STEPS);
            match misses.more {
                _ if left > 0 => h.leaf("p.note", &format!("… and {} more, which a page cannot show", thousands(left))),
                0 => {}
                more => h.leaf("p.note", &format!("and {} more (--all)", thousands(more))),
            }
        });
    }
}

fn bar(h: &mut Html) {
    let attributes = [("role", "toolbar"), ("aria-label", "Steps"), ("hidden", "")];
    h.with("div.bar", &attributes, |h| {
        for (go, said, key, what) in BUTTONS {
            h.with("button", &[("type", "button"), ("data-go", go), ("title", what)], |h| {
                h.text(said);
                h.with("kbd", &[("aria-hidden", "true")], |h| h.text(key));
            });
        }
        h.with("span.count", &[("role", "status"), ("aria-live", "polite")], |_| {});
    });
}

fn link(h: &mut Html, step: &Step, to: &str) {
    let class = format!("li.{}.in{}", step.kind.class(), step.depth.min(6));
    h.el(&class, |h| {
        h.with("a", &[("href", to)], |h| {
            h.el("span.what", |h| {
                h.leaf(if step.kind == Kind::Rule { "span.mono" } else { "span" }, &step.name);
                if !matches!(step.kind, Kind::Hook | Kind::Built) && !step.does.is_empty() {
                    h.text(" ");
                    h.leaf(&toned("span.does", step.tone), &step.does);
                }
            });
            if !step.rewrites.is_empty() {
                h.with("span.dot", &[("title", "changes the packet")], |h| h.leaf("span.unseen", "changes the packet"));
            }
        });
    });
}

fn title(h: &mut Html, step: &Step, heading: &str) {
    h.el("header", |h| {
        if !step.place.is_empty() {
            h.leaf("p.where", &step.place.join(" › "));
        }
        h.with("h3", &[("id", heading)], |h| {
            h.text(&step.name);
            if !step.does.is_empty() {
                h.text(" ");
                h.leaf(&toned("span", step.tone), &step.does);
            }
        });
        if let Some(label) = &step.label {
            h.leaf("p.label", label);
        }
    });
}

fn changes(h: &mut Html, step: &Step) {
    if step.rewrites.is_empty() {
        return;
    }
    h.el("section.changes", |h| {
        h.leaf("h4", "It changes");
        h.el("ul", |h| {
            for said in &step.rewrites {
                h.leaf("li", said);
            }
        });
    });
}

/// The conditions of the step's rule.
fn conditions(h: &mut Html, stood: &[Stood]) {
    if stood.is_empty() {
        return;
    }
    h.el("section.conditions", |h| {
        h.leaf("h4", "Its conditions");
        h.el("table", |h| {
            head(h, &["wanted", "had", ""]);
            h.el("tbody", |h| {
                for c in stood {
                    h.el("tr", |h| {
                        h.leaf("td", &c.wanted);
                        h.leaf("td", &c.had);
                        match c.holds {
                            Some(true) => h.leaf("td.say.good", "✓ holds"),
                            Some(false) => h.leaf("td.say.bad", "✗ fails"),
                            None => h.leaf("td.say.open", "? not told"),
                        }
                    });
                }
            });
        });
    });
}

/// The head of a table.
fn head(h: &mut Html, names: &[&str]) {
    h.el("thead", |h| {
        h.el("tr", |h| {
            for name in names {
                h.with("th", &[("scope", "col")], |h| h.text(name));
            }
        });
    });
}

/// An element's name and classes with the tone's.
pub fn toned(what: &str, tone: Tone) -> String {
    let class = match tone {
        Tone::Good => ".good",
        Tone::Bad => ".bad",
        Tone::Open => ".open",
        Tone::Change => ".change",
        Tone::Plain => "",
    };
    [what, class].concat()
}
