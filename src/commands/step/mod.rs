//! `nettrace step`: the same walk as `explain`, one step at a time in the terminal.
//!
//! Builds the first session, runs the terminal, and walks again when the stepper asks for another packet or a what-if.

pub(super) mod desk;
mod words;

use std::env;

use nettrace_tui::{State, Theme};

use super::edits;
use crate::cli::StepArgs;
use crate::load::{self, Failure};
use crate::output::{Paint, Screen};
use crate::terminal;

use desk::Desk;

/// Runs it.
pub fn run(args: &StepArgs, screen: &mut Screen) -> Result<(), Failure> {
    if !terminal::is_there() {
        return Err(Failure::new("step needs a terminal; without one use `nettrace explain`"));
    }
    let loaded = load::load(&args.input)?;
    super::complain(&loaded, screen);
    let without = args.whatif.without.iter().map(|cited| edits::one_rule(&loaded, cited)).collect::<Result<_, _>>()?;
    let desk = Desk::new(loaded, &args.input.inputs, &args.packet, &args.facts)?
        .what_if(&args.whatif.with, without)
        .talking(&args.talk);
    let session = desk.session(&desk.request()).map_err(Failure::new)?;
    let state = State::new(session, theme(args.theme.as_deref(), screen.paint)?, (80, 24));
    let state = state.ok_or_else(|| Failure::new("the walk gave no answer"))?.drawn_in(screen.paint.ascii);
    let printed = terminal::run(state, &mut |request| desk.session(request))?;
    printed.map_or(Ok(()), |text| screen.print(&text))
}

/// The theme by its flag, `NETTRACE_THEME`, or whether colour is wanted at all.
pub(super) fn theme(flag: Option<&str>, paint: Paint) -> Result<Theme, Failure> {
    let named = flag.map(str::to_string).or_else(|| env::var("NETTRACE_THEME").ok().filter(|v| !v.is_empty()));
    match named {
        Some(name) => Theme::from_name(&name).ok_or_else(|| {
            let all: Vec<_> = Theme::ALL.iter().map(|t| t.name()).collect();
            Failure::new(format!("`{name}` is not a theme; one of {}", all.join(", ")))
        }),
        None if paint.color => Ok(Theme::Colour),
        None => Ok(Theme::Mono),
    }
}
