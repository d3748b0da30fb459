//! The short JSON of `replay --brief`: schema `nettrace.brief/1`. How each packet ends and where, without the way there.
//!
//! A whole trace is some 20 KB; for a file of a million flows the end is what is asked for first.

use nettrace_engine::explore::{Outcome, Outcomes};
use nettrace_engine::model::RuleId;
use nettrace_engine::trace::{By, Fate, Trace};
use serde::Serialize;
use serde_json::Value as Json;

use super::header::Header;
use super::{Head, Place, Texts, assumptions, far, fate};

/// An answer in brief.
#[derive(Serialize)]
pub struct Brief<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    /// What was taken for granted: `source port: 40000`.
    assumed: Vec<String>,
    complete: bool,
    outcomes: Vec<End<'a>>,
}

/// One end, and how likely it is.
#[derive(Serialize)]
struct End<'a> {
    odds: Option<f64>,
    fate: Json,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Decider<'a>>,
    far: Option<Header>,
}

/// A rule as written, where it stands, and what it is for.
#[derive(Serialize)]
struct Decider<'a> {
    text: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl<'a> Brief<'a> {
    /// Of the traces of one packet, with the host and number that it is of.
    pub fn new(texts: Texts<'a>, local: bool, outcomes: &Outcomes<Trace>, place: Option<(&'a str, usize)>) -> Self {
        let assumed = assumptions(texts.model, outcomes);
        Brief {
            head: Head::new("nettrace.brief/1", local, outcomes, place),
            assumed: assumed.iter().map(|a| format!("{}: {}", a.fact, a.value)).collect(),
            complete: outcomes.complete,
            outcomes: ends(texts, &outcomes.list),
        }
    }
}

/// The ends, equal ones together, the likeliest first.
fn ends<'a>(texts: Texts<'a>, outcomes: &[Outcome<Trace>]) -> Vec<End<'a>> {
    let mut list: Vec<End> = Vec::new();
    for outcome in outcomes {
        let ended = outcome.result.fate();
        let (fate, far) = (fate::fate(texts.model, &ended), far(&outcome.result, &ended));
        match list.iter_mut().find(|known| known.fate == fate && known.far == far) {
            Some(known) => known.odds = known.odds.zip(outcome.odds).map(|(a, b)| a + b),
            None => list.push(End { odds: outcome.odds, fate, by: decider(texts, &ended), far }),
        }
    }
    list.sort_by(|a, b| b.odds.unwrap_or(0.0).total_cmp(&a.odds.unwrap_or(0.0)));
    list
}

fn decider<'a>(texts: Texts<'a>, fate: &Fate) -> Option<Decider<'a>> {
    let rule: RuleId = match fate {
        Fate::Drop { by: By::Rule { rule, .. }, .. } | Fate::Stolen { rule, .. } => *rule,
        _ => return None,
    };
    let Place { text, file, line } = Place::of(texts, rule);
    Some(Decider { text, file, line, label: texts.labels.rule(rule) })
}
