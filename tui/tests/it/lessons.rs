//! A lesson asks before it shows, takes the answer, and hides what lies ahead until then.

use nettrace_engine::trace::Event;
use nettrace_tui::lesson::{Course, Lesson};
use nettrace_tui::ratatui::buffer::{Buffer, Cell};
use nettrace_tui::ratatui::layout::Rect;
use nettrace_tui::state::Popup;
use nettrace_tui::*;

use crate::story::{press, session, state};

const LESSON: &str = r#"{
    "title": "Where a NodePort goes",
    "about": "the DNAT comes before routing",
    "intro": ["A client connects to port 31002."],
    "packet": {"dport": 31002},
    "questions": [
        {"predict": "chain", "after": "chain KUBE-SERVICES", "explain": "The address is local."},
        {"predict": "rewrite", "after": "chain KUBE-SEP-*", "choices": ["sport 51514 => 1024"], "explain": "DNAT."},
        {"predict": "hook", "explain": "Routing comes after the DNAT."},
        {"predict": "verdict", "explain": "The policy."},
        {"predict": "fate", "explain": "It is forwarded."}
    ],
    "end": ["INPUT was never met."]
}"#;

fn lesson() -> Lesson {
    serde_json::from_str(LESSON).unwrap()
}

fn course() -> Course {
    let s = session();
    Course::new(lesson(), &s.model, &s.ways[0].trace).unwrap()
}

fn quiz(s: &State) -> bool {
    matches!(s.popups.last(), Some(Popup::Quiz(_)))
}

#[test]
fn the_right_answers_come_from_the_walk() {
    let items: Vec<_> = course().items.into_iter().map(|i| (i.ask, i.choices[i.right].clone())).collect();
    let expect = [
        ("Which chain is next?", "KUBE-NODEPORTS"),
        ("What changes next?", "daddr 172.16.4.21 => 10.244.166.136"),
        ("Which hook is next?", "FORWARD"),
        ("What is decided next?", "accept"),
        ("What becomes of the packet?", "it leaves this host"),
    ];
    assert_eq!(items, expect.map(|(a, b)| (a.to_string(), b.to_string())));
}

#[test]
fn a_question_that_the_walk_does_not_answer_is_an_error() {
    let mut l = lesson();
    l.questions[1].after = "chain NO-SUCH".to_string();
    let s = session();
    let error = Course::new(l, &s.model, &s.ways[0].trace).unwrap_err();
    assert!(error.starts_with("question 2"), "{error}");
}

#[test]
fn a_lesson_asks_before_it_shows() {
    let mut s = state((80, 24)).teach(course());
    press(&mut s, "<Enter><Esc>");
    let ahead = |s: &State| {
        let mut buf = Buffer::empty(Rect::new(0, 0, 80, 24));
        draw(s, &mut buf);
        buf.content.iter().map(Cell::symbol).collect::<String>().contains("POSTROUTING")
    };
    assert!(!ahead(&s));
    press(&mut s, "<Enter>");
    let _ = update(&mut s, Msg::Resize(80, 24));
    // Even a jump to the end stops at the first question.
    let end = keymap::KEYS.iter().find(|b| b.action == keymap::Action::Last).unwrap().keys[0];
    let _ = update(&mut s, Msg::Key(end.event()));
    assert!(quiz(&s));
    insta::assert_snapshot!("lesson-question", screen(&s));
    press(&mut s, "<Esc>");
    assert!(!quiz(&s));
    press(&mut s, "l");
    assert!(quiz(&s));
    let right = s.course.as_ref().unwrap().items[0].right;
    press(&mut s, &(right + 1).to_string());
    assert!(matches!(s.popups.last(), Some(Popup::Text(_, lines, _)) if lines[0].starts_with("✓ Right")));
    assert!(matches!(s.event(), Some(Event::Rule { .. })));
    press(&mut s, "<Esc>");
    for _ in 0..4 {
        let _ = update(&mut s, Msg::Key(end.event()));
        assert!(quiz(&s));
        press(&mut s, "1<Esc>");
    }
    press(&mut s, "l");
    let Some(Popup::Text(_, lines, _)) = s.popups.last() else { panic!() };
    assert!(lines[0].ends_with("of 5 right."), "{lines:?}");
    assert!(ahead(&s));
}

fn screen(s: &State) -> String {
    let mut t = ratatui::Terminal::new(ratatui::backend::TestBackend::new(80, 24)).unwrap();
    t.draw(|f| {
        let _ = draw(s, f.buffer_mut());
    })
    .unwrap();
    t.backend().to_string()
}

#[test]
fn without_a_terminal_a_lesson_is_text() {
    let s = session();
    insta::assert_snapshot!("lesson-text", course().text(&s.model, &s.ways[0].trace));
}
