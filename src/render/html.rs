//! The answer as one HTML page that steps through the walk, offline: `nettrace explain --format html > answer.html`.
//!
//! The page refers to nothing outside of itself, and its policy forbids it. Without the script it is a document that lists
//! every step. All text passes through [`markup::Html`]. Left out: deciding anything; the page is drawn from the same
//! answer, trace and reasons as text and JSON are.

mod markup;
mod packet;
mod steps;
mod way;

use nettrace_engine::explain::answer::{Answer, Ending};
use nettrace_engine::explain::whynot::WhyNot;
use nettrace_engine::explore::Outcomes;
use nettrace_engine::limits::PAGE_WAYS;
use nettrace_engine::trace::Trace;
use sha2::{Digest, Sha256};

use self::markup::Html;
use self::way::{Drawn, toned};
use super::reasons::Desk;
use super::text::{Scene, conditions, head_facts, headline, one_line, questions, statement, tone};
use crate::commands::Reasons;
use crate::output::base64;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/step.js");

/// One packet to draw.
pub struct Part<'a> {
    /// What it is called, in a conversation.
    pub name: Option<String>,
    /// The answer.
    pub answer: Answer,
    /// Its walks.
    pub outcomes: &'a Outcomes<Trace>,
    /// What is said of rules.
    pub reasons: Option<Reasons<'a>>,
    /// The answer without the edits.
    pub before: Option<Answer>,
}

/// What all packets share.
#[derive(Clone, Copy)]
pub struct Book<'a> {
    /// What the renderer reads besides the answers.
    pub scene: &'a Scene<'a>,
    /// Draws what is said of rules.
    pub desk: Desk<'a>,
    /// The files that were read.
    pub inputs: &'a [String],
}

/// The whole page.
pub fn page(book: Book, parts: &[Part]) -> String {
    let mut h = Html::default();
    let title = parts.first().map(|p| headline(book.scene, &p.answer)).unwrap_or_default();
    h.own("<!doctype html>\n");
    h.with("html", &[("lang", "en")], |h| {
        h.el("head", |h| head(h, &title));
        h.el("body", |h| {
            if parts.len() > 1 {
                packets(h, parts);
            }
            h.el("main", |h| {
                for (n, part) in (1..).zip(parts) {
                    Sheet { book, part, id: format!("p{n}") }.draw(h);
                }
            });
            h.el("footer", |h| footer(h, book.inputs));
            h.own("\n<script>");
            h.own(SCRIPT);
            h.own("</script>\n");
        });
    });
    h.finish() + "\n"
}

fn head(h: &mut Html, title: &str) {
    let hash = |text: &str| format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes())));
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    h.with("meta", &[("charset", "utf-8")], |_| {});
    h.with("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy)], |_| {});
    h.with("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")], |_| {});
    h.leaf("title", &format!("nettrace: {title}"));
    h.own("\n<style>");
    h.own(STYLE);
    h.own("</style>\n");
}

/// Links to the packets of a conversation.
fn packets(h: &mut Html, parts: &[Part]) {
    h.with("nav.tabs", &[("aria-label", "Packets of the conversation")], |h| {
        for (n, part) in (1..).zip(parts) {
            h.with("a", &[("href", &format!("#p{n}"))], |h| {
                h.leaf("b", &format!("Packet {n}: {}", part.name.as_deref().unwrap_or("packet")));
            });
        }
    });
}

fn footer(h: &mut Html, inputs: &[String]) {
    h.text(concat!("nettrace ", env!("CARGO_PKG_VERSION"), ", from "));
    h.text(&inputs.join(", "));
    h.text(". Keys: arrows or j and k step, n and p go to the next and previous change of the packet, Home and End.");
}

/// One packet on the page.
struct Sheet<'a> {
    book: Book<'a>,
    part: &'a Part<'a>,
    id: String,
}

impl Sheet<'_> {
    fn draw(&self, h: &mut Html) {
        let Some(first) = self.part.answer.endings.first() else { return };
        h.with("section.packet", &[("id", &self.id)], |h| {
            h.el("div.answer", |h| {
                h.el("header", |h| self.verdict(h, first));
                self.findings(h);
            });
            self.ways(h);
            h.el("div.more", |h| {
                self.open(h);
                self.assumed(h);
            });
        });
    }

    fn verdict(&self, h: &mut Html, first: &Ending) {
        if let Some(name) = &self.part.name {
            h.leaf("h2", name);
        }
        h.el("h1.verdict", |h| {
            let said = headline(self.book.scene, &self.part.answer);
            // The word, and what it is about.
            let (word, rest) = said.split_at(said.find([' ', ',']).unwrap_or(said.len()));
            h.leaf(&toned("b", tone(&self.part.answer, first)), word);
            h.text(rest);
        });
        self.facts(h, first, |label| !self.several() || label == "packet");
        if !self.part.answer.complete {
            h.leaf("p.open", "Not every way was explored: there are more than the bound allows.");
        }
    }

    /// The packet can end in several ways.
    fn several(&self) -> bool {
        self.part.answer.endings.len() > 1
    }

    fn facts(&self, h: &mut Html, ending: &Ending, wanted: impl Fn(&str) -> bool) {
        h.el("dl.facts", |h| {
            let all = head_facts(self.book.scene, &self.part.answer, ending);
            for (label, said) in all.iter().filter(|(label, _)| wanted(label)) {
                h.leaf("dt", label);
                h.leaf("dd", said);
            }
        });
    }

    /// What is said of rules: asked for or not.
    fn findings(&self, h: &mut Html) {
        let Some(reasons) = &self.part.reasons else { return };
        let mut told = self.book.desk.sections(reasons);
        if let Some((before, first)) = self.part.before.as_ref().and_then(|b| Some((b, b.endings.first()?))) {
            let was = format!("before: {}\n", one_line(self.book.scene, before, first));
            told.insert(0, ("What the edits change".to_string(), was + &self.book.desk.difference(reasons)));
        }
        if told.is_empty() && reasons.unasked.is_empty() && reasons.why_not.is_empty() {
            return;
        }
        h.with("div.findings", &[("role", "region"), ("aria-label", "Rules")], |h| {
            for u in &reasons.unasked {
                self.finding(h, "Meant for this packet, without effect", reasons, &u.why);
            }
            for why in &reasons.why_not {
                self.finding(h, "Why not this rule?", reasons, why);
            }
            for (title, body) in &told {
                h.el("section.finding", |h| {
                    h.leaf("h2", title);
                    h.lines("pre", body);
                });
            }
        });
    }

    fn finding(&self, h: &mut Html, title: &str, reasons: &Reasons, why: &WhyNot) {
        h.el("section.finding", |h| {
            h.leaf("h2", title);
            h.el("pre", |h| h.leaf("code", &self.book.desk.rule_text(why.rule)));
            h.el("p", |h| {
                h.leaf("span.code", why.reason.code());
                h.text(&format!(" {}: {}", self.book.desk.cite(why.rule), self.book.desk.words(reasons, why)));
            });
        });
    }

    fn ways(&self, h: &mut Html) {
        let endings = &self.part.answer.endings;
        let (ways, drawn) = h.aside(|h| self.drawn(h, endings));
        if self.several() {
            self.links(h, &endings[..drawn]);
        }
        h.put(&ways);
        if drawn < endings.len() {
            h.leaf("p.note", &format!("… and {} more ways, which a page cannot show", endings.len() - drawn));
        }
    }

    /// Draws the ways; how many.
    fn drawn(&self, h: &mut Html, endings: &[Ending]) -> usize {
        for (n, ending) in (1..).zip(endings).take(PAGE_WAYS) {
            if h.full() {
                return n - 1;
            }
            let Some(outcome) = self.part.outcomes.list.get(ending.outcome) else { continue };
            let id = format!("{}w{n}", self.id);
            let drawn = Drawn {
                scene: self.book.scene,
                answer: &self.part.answer,
                ending,
                trace: &outcome.result,
                id: id.clone(),
            };
            h.with("section.way", &[("id", &id), ("aria-label", &format!("Way {n}"))], |h| {
                if self.several() {
                    h.leaf("h2", &self.name(n, ending));
                    self.facts(h, ending, |label| label != "packet");
                }
                drawn.draw(h);
            });
        }
        endings.len().min(PAGE_WAYS)
    }

    /// `Way 2 of 3, 33.3 %: FORWARDED to …, if 10.0.0.9 is in set web`.
    fn name(&self, n: usize, ending: &Ending) -> String {
        let endings = self.part.answer.endings.len();
        let odds = ending.odds.map(|p| format!(", {:.1} %", p * 100.0)).unwrap_or_default();
        let how = conditions(self.book.scene, ending);
        let how = if how.is_empty() { how } else { format!(", {how}") };
        format!("Way {n} of {endings}{odds}: {}{how}", one_line(self.book.scene, &self.part.answer, ending))
    }

    fn links(&self, h: &mut Html, endings: &[Ending]) {
        h.with("nav.tabs", &[("aria-label", "Ways of the packet")], |h| {
            for (n, ending) in (1..).zip(endings) {
                h.with("a", &[("href", &format!("#{}w{n}", self.id))], |h| {
                    let odds = ending.odds.map(|p| format!("{:.1} % ", p * 100.0)).unwrap_or_default();
                    h.leaf(&toned("b", tone(&self.part.answer, ending)), &odds);
                    h.text(&one_line(self.book.scene, &self.part.answer, ending));
                    let how = conditions(self.book.scene, ending);
                    if !how.is_empty() {
                        h.leaf("div.dim", &how);
                    }
                });
            }
        });
    }

    /// What the answer depends on and no input tells.
    fn open(&self, h: &mut Html) {
        let open = questions(self.book.scene, &self.part.answer);
        if open.is_empty() {
            return;
        }
        h.el("section", |h| {
            h.leaf("h2", "Depends on");
            items(h, open.iter().map(|(question, flag)| (question.as_str(), "", flag.as_str())));
        });
    }

    fn assumed(&self, h: &mut Html) {
        if self.part.answer.assumptions.is_empty() {
            return;
        }
        h.el("section", |h| {
            h.leaf("h2", "Assumed");
            let list = &self.part.answer.assumptions;
            let said: Vec<String> = list.iter().map(|a| statement(&a.fact, &a.value)).collect();
            items(h, said.iter().zip(list).map(|(s, a)| (s.as_str(), &*a.why, &*a.flag)));
        });
    }
}

/// A list of statements, each with its reason and the flag that changes it.
fn items<'a>(h: &mut Html, all: impl Iterator<Item = (&'a str, &'a str, &'a str)>) {
    h.el("ul", |h| {
        for (said, why, flag) in all {
            h.el("li", |h| {
                h.text(said);
                if !why.is_empty() {
                    h.leaf("span.dim", &format!(": {why}"));
                }
                if !flag.is_empty() {
                    h.text(" ");
                    h.leaf("span.code", flag);
                }
            });
        }
    });
}
