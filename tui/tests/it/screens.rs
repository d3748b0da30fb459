//! Whole screens at the sizes people have, and what must hold at any size.

use nettrace_engine::field::Field;
use nettrace_tui::ratatui::Terminal;
use nettrace_tui::ratatui::backend::TestBackend;
use nettrace_tui::ratatui::buffer::{Buffer, Cell};
use nettrace_tui::ratatui::layout::Rect;
use nettrace_tui::ratatui::style::Color;
use nettrace_tui::*;

use crate::story::{press, session, state};

fn screen(state: &State) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal
        .draw(|f| {
            let _ = draw(state, f.buffer_mut());
        })
        .unwrap();
    terminal
}

fn check(name: &str, size: (u16, u16), script: &str) {
    let mut s = state(size);
    press(&mut s, script);
    insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), screen(&s).backend());
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (60, 18)];

/// Everything that a script shows, in ASCII: the same cells, and each of the stepper's own characters has its stand-in.
#[test]
fn every_screen_can_be_drawn_in_ascii() {
    for script in ["", "/31002<Enter>n", "rrr", "}h1z", "?", "e", "W", "G", "E", "b", "i"] {
        let mut s = state((120, 40));
        press(&mut s, script);
        let drawn = screen(&s).backend().buffer().clone();
        let plain = screen(&s.clone().drawn_in(true)).backend().buffer().clone();
        for (own, shown) in drawn.content.iter().zip(&plain.content) {
            let (own, shown) = (own.symbol(), shown.symbol());
            // Of a comment: letters, and control characters made visible.
            let letter = own.chars().all(|c| c.is_alphabetic() || ('\u{2400}'..='\u{2426}').contains(&c));
            assert!(
                shown.is_ascii() && (own == shown || shown != "?" || letter),
                "{script}: {own} is drawn as {shown}"
            );
        }
    }
}

#[test]
fn the_first_step() {
    for size in SIZES {
        check("start", size, "");
    }
}

#[test]
fn the_node_port_rule() {
    for size in SIZES {
        check("nodeport", size, "/31002<Enter>n");
    }
}

#[test]
fn the_dnat() {
    for size in SIZES {
        check("dnat", size, "rrr");
    }
}

#[test]
fn routing_and_all_steps() {
    for size in SIZES {
        check("route", size, "}h1z");
    }
}

#[test]
fn windows() {
    for size in SIZES {
        check("help", size, "?");
    }
    check("why-not", (80, 24), "lllllllW");
    check("choice", (80, 24), "rrw");
    check("form", (80, 24), "e");
    check("prompt", (80, 24), "aiptables -I INPUT -j DROP");
    check("too-small", (39, 9), "");
}

#[test]
fn both_ways_side_by_side() {
    let mut s = session();
    s.before = vec![s.ways[0].clone()];
    s.ways.remove(0);
    let mut s = State::new(s, Theme::Colour, (80, 24)).unwrap();
    press(&mut s, "s");
    insta::assert_snapshot!("compare-80x24", screen(&s).backend());
}

#[test]
fn every_size_is_drawn_and_nothing_hostile_reaches_the_terminal() {
    for script in ["", "lllllll", "rrr1z", "2Z", "?", "e", "a", "w", "W", "llllllllllW"] {
        for w in (1..130).step_by(7) {
            for h in (1..50).step_by(3) {
                let mut s = state((w, h));
                press(&mut s, script);
                let mut buf = Buffer::empty(Rect::new(0, 0, w, h));
                draw(&s, &mut buf);
                let text: String = buf.content.iter().map(Cell::symbol).collect();
                assert!(!text.contains(['\x1b', '\u{202e}', '\u{9b}']), "{script} {w}x{h}");
            }
        }
    }
}

#[test]
fn wide_and_right_to_left_comments_keep_the_border_in_its_column() {
    let mut s = state((100, 30));
    press(&mut s, "llllllll/30443<Enter>");
    let terminal = screen(&s);
    let buf = terminal.backend().buffer();
    for y in 3..15 {
        assert_eq!(buf[(99, y)].symbol(), "│", "row {y}");
    }
    let text: String = buf.content.iter().map(Cell::symbol).collect();
    assert!(text.contains("30443") && text.contains('日'));
}

#[test]
fn colours_follow_the_theme() {
    let mut s = state((80, 24));
    press(&mut s, "rrr");
    let colours = |s: &State| {
        let terminal = screen(s);
        let buf = terminal.backend().buffer().clone();
        buf.content.iter().any(|c| c.fg != Color::Reset)
    };
    assert!(colours(&s));
    s.theme = Theme::Mono;
    assert!(!colours(&s));
}

#[test]
fn the_packet_pane_tells_old_and_new() {
    let mut s = state((120, 40));
    press(&mut s, "rrr");
    let (before, after) = s.packets();
    assert_eq!((before.value(Field::Dport), after.value(Field::Dport)), (Some(31002), Some(8200)));
    let text = screen(&s).backend().to_string();
    assert!(text.contains("31002 => 8200"), "{text}");
    press(&mut s, "}");
    assert!(screen(&s).backend().to_string().contains("8200  (was 31002)"));
}
