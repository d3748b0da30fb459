//! What is said of rules beyond the way: those meant for the packet, `--why-not`, `--want`, and what edits changed.
//!
//! Collects plain data from the engine; [`crate::render::reasons`] draws it.

use nettrace_engine::World;
use nettrace_engine::explain::diff::{Difference, diff};
use nettrace_engine::explain::mattered::{Mattered, mattered};
use nettrace_engine::explain::names::Labels;
use nettrace_engine::explain::place::{Advice, Ground, Want, advise};
use nettrace_engine::explain::unasked::{Unasked, unasked};
use nettrace_engine::explain::whynot::{Inquiry, WhyNot};
use nettrace_engine::explore::{Outcomes, Pins};
use nettrace_engine::model::RuleId;
use nettrace_engine::spec::Start;
use nettrace_engine::state::State;
use nettrace_engine::trace::Trace;

use super::edits;
use crate::cli::{WantArg, WhyArgs};
use crate::load::{Failure, Loaded};

/// What is said of rules for one packet.
pub struct Reasons<'a> {
    /// The walk that everything is about: the most likely one.
    pub inquiry: Inquiry<'a>,
    /// Rules that were meant for the packet.
    pub unasked: Vec<Unasked>,
    /// The rules that were asked about.
    pub why_not: Vec<WhyNot>,
    /// Where a rule would work.
    pub advice: Option<(Want, Advice)>,
    /// What is decided elsewhere, in sentences.
    pub unseen: Vec<String>,
    /// What the walk depended on.
    pub mattered: Mattered,
    /// The most likely walk before the edits, and the difference to it.
    pub before: Option<(&'a Outcomes<Trace>, Difference)>,
}

/// The questions of the command line, with rules found.
pub struct Questions {
    rules: Vec<RuleId>,
    want: Option<Want>,
}

impl Questions {
    /// Reads the flags.
    pub fn read(args: &WhyArgs, loaded: &Loaded) -> Result<Self, Failure> {
        let rules = args.why_not.iter().map(|cited| edits::one_rule(loaded, cited)).collect::<Result<_, _>>()?;
        let want = args.want.map(|w| match w {
            WantArg::Drop => Want::Drop,
            WantArg::Accept => Want::Accept,
        });
        Ok(Questions { rules, want })
    }

    /// Whether a question was asked, so that the way is not the answer.
    pub fn asked(&self) -> bool {
        !self.rules.is_empty() || self.want.is_some()
    }
}

/// What placement walks with, for the first packet of a conversation.
pub struct Bench<'a> {
    /// The packet.
    pub start: &'a Start,
    /// Connections.
    pub state: &'a State,
    /// Fixed facts.
    pub pins: &'a Pins,
}

/// Collects what is said for a packet's walks; `None` without any.
pub fn reasons<'a>(
    world: World<'a>,
    questions: &Questions,
    outcomes: &'a Outcomes<Trace>,
    before: Option<&'a Outcomes<Trace>>,
    bench: Option<Bench>,
) -> Option<Reasons<'a>> {
    let trace = &outcomes.list.first()?.result;
    let others: Vec<&Trace> = outcomes.list.iter().skip(1).map(|o| &o.result).collect();
    let inquiry = Inquiry::new(world, trace);
    let unasked = if questions.asked() { Vec::new() } else { unasked(&inquiry, world, trace, &others) };
    let why_not = questions.rules.iter().map(|r| inquiry.why_not(*r)).collect();
    let advice = questions
        .want
        .zip(bench)
        .map(|(want, b)| (want, advise(Ground { world, state: b.state, pins: b.pins }, b.start, want)));
    let difference = |b: &'a Outcomes<Trace>| Some((b, diff(&b.list.first()?.result, trace)));
    Some(Reasons {
        unasked,
        why_not,
        advice,
        unseen: Labels::build(world.model).unseen(world.host),
        mattered: mattered(world, trace),
        before: before.and_then(difference),
        inquiry,
    })
}
