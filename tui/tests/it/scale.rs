//! Only what is visible is drawn: the work for a frame does not grow with the dump.

use std::sync::atomic::Ordering;

use nettrace_tui::ratatui::buffer::Buffer;
use nettrace_tui::ratatui::layout::Rect;
use nettrace_tui::{Msg, draw, update};

use crate::large::{self, ASKED, MATCHES, RULES};
use crate::story::press;

#[test]
fn a_frame_asks_for_the_words_of_visible_rules_only() {
    let mut s = large::state((120, 40));
    assert_eq!(s.timeline.stops().len() as u32, 2 * MATCHES + 4);
    let mut buf = Buffer::empty(Rect::new(0, 0, 120, 40));
    for script in ["", "ll", "Z", "G", "g", "<C-d>", "1Z", "2"] {
        press(&mut s, script);
        ASKED.store(0, Ordering::Relaxed);
        let _ = draw(&s, &mut buf);
        let asked = ASKED.load(Ordering::Relaxed);
        assert!(asked <= 3 * 40, "{script}: {asked} of {RULES}");
    }
    let end = nettrace_tui::keymap::KEYS.iter().find(|b| b.action == nettrace_tui::keymap::Action::Last).unwrap();
    let _ = update(&mut s, Msg::Key(end.keys[0].event()));
    let _ = draw(&s, &mut buf);
    assert_eq!(s.timeline.number(s.at) as u32, 2 * MATCHES + 3);
}
