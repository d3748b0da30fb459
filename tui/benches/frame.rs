//! The time that one frame takes on a walk of 10,000 steps through 700,000 rules: must stay under 5 ms.
//!
//! `cargo bench -p nettrace-tui` prints the median and the worst of a few hundred frames and fails when the median is over.

#![allow(clippy::print_stdout, missing_docs)]

use std::time::{Duration, Instant};

use nettrace_tui::keymap::{Action, KEYS};
use nettrace_tui::ratatui::buffer::Buffer;
use nettrace_tui::ratatui::layout::Rect;
use nettrace_tui::{Msg, draw, update};

#[path = "../tests/it/large.rs"]
mod large;

fn main() {
    let mut state = large::state((200, 60));
    let mut buf = Buffer::empty(Rect::new(0, 0, 200, 60));
    let mut report = |name: &str, actions: &[Action]| {
        let mut times: Vec<Duration> = Vec::new();
        for action in actions.iter().cycle().take(300) {
            let key = KEYS.iter().find(|b| b.action == *action).map(|b| b.keys[0].event());
            let start = Instant::now();
            let _ = key.map(|k| update(&mut state, Msg::Key(k)));
            let _ = draw(&state, &mut buf);
            times.push(start.elapsed());
        }
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{name:<22} median {median:>10.2?}   worst {worst:>10.2?}");
        assert!(median < Duration::from_millis(5), "{name}: a frame takes {median:?}");
    };
    report("stepping", &[Action::Forward]);
    report("scrolling the rules", &[Action::PageDown]);
    report("unfolded", &[Action::FoldAll, Action::PageDown, Action::Bottom, Action::Up]);
    report("all steps in the path", &[Action::FocusPath, Action::FoldAll, Action::PageDown]);
    report("at the end", &[Action::Last, Action::Back]);
}
