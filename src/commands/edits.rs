//! `--with 'iptables -I INPUT …'` and `--without filter/INPUT#1`: the rules and the host after edits, and before them.
//!
//! Commands are carried out in order, then rules are taken out; numbers in `--without` are those of the dump.

use nettrace_engine::explain::rules;
use nettrace_engine::host::{Host, Parts};
use nettrace_engine::model::{Edit, Model};
use nettrace_engine::whatif;

use crate::cli::WhatIfArgs;
use crate::load::{Failure, Loaded};
use crate::output::Screen;
use crate::render::diagnostics;

/// Rules and host as they were.
pub struct Before {
    /// The rules.
    pub model: Model,
    /// The host.
    pub host: Host,
}

/// Carries out the edits; `None` when there are none.
pub fn apply(loaded: &mut Loaded, args: &WhatIfArgs, screen: &mut Screen) -> Result<Option<Before>, Failure> {
    if args.with.is_empty() && args.without.is_empty() {
        return Ok(None);
    }
    let before = Before { model: loaded.model.clone(), host: Host::new(loaded.parts.clone()) };
    let mut removed = Vec::new();
    for cited in &args.without {
        removed.push(one_rule(loaded, cited)?);
    }
    for command in &args.with {
        let parts: &mut Parts = &mut loaded.parts;
        let done = whatif::apply(&mut loaded.model, parts, &mut loaded.sources, command);
        let _undo = done.map_err(|found| {
            screen.note(&diagnostics::render(&loaded.sources, &found, screen.paint));
            Failure::new(format!("--with {command}: it was not carried out"))
        })?;
    }
    for rule in removed {
        let _undo = loaded.model.apply(Edit::Remove(rule));
    }
    Ok(Some(before))
}

/// The one rule that a citation means.
pub fn one_rule(loaded: &Loaded, cited: &str) -> Result<nettrace_engine::model::RuleId, Failure> {
    match rules::find(&loaded.model, &loaded.sources, cited)[..] {
        [rule] => Ok(rule),
        [] => Err(Failure::new(no_rule(loaded, cited))),
        [first, ..] => {
            let name = nettrace_engine::explain::whynot::rule_name(&loaded.model, first);
            Err(Failure::new(format!("`{cited}` means several rules; give it as {name} or as FILE:LINE")))
        }
    }
}

/// Why a citation means nothing: its chain is not there, or has fewer rules.
fn no_rule(loaded: &Loaded, cited: &str) -> String {
    let numbered = cited.rsplit_once('#').filter(|(chain, n)| !chain.starts_with('-') && n.parse::<usize>().is_ok());
    let Some((chain, _)) = numbered else {
        let help = "give it as filter/INPUT#1, as its text, or as FILE:LINE";
        return format!("there is no rule `{cited}` in these inputs; {help}");
    };
    match rules::chains(&loaded.model, chain).first().map(|c| loaded.model.chain(*c).rules.len()) {
        None => format!("there is no chain `{chain}` in these inputs; `nettrace chains` lists them"),
        Some(0) => format!("there is no rule `{cited}`: the chain is empty"),
        Some(1) => format!("there is no rule `{cited}`: the chain has one rule"),
        Some(n) => format!("there is no rule `{cited}`: the chain has {n} rules, from #1"),
    }
}
