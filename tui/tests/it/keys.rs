//! Every key of the table is pressed: each row has a case that says where to press it and what must come of it.

use nettrace_engine::trace::Event;
use nettrace_tui::keymap::{Action, Context, KEYS};
use nettrace_tui::moves::moved;
use nettrace_tui::panes::path;
use nettrace_tui::ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use nettrace_tui::state::{Break, Pane, Popup};
use nettrace_tui::*;

use crate::story::{press, session, state};

type Check = fn(&State, &State, &Effect) -> bool;

fn step(s: &State) -> usize {
    s.timeline.number(s.at)
}

fn cursor(s: &State) -> usize {
    match s.popups.last() {
        Some(Popup::Help(n) | Popup::Choice(_, _, n) | Popup::Form(_, n) | Popup::Text(_, _, n)) => *n,
        _ => s.rule.map_or(0, |c| c.index as usize),
    }
}

fn typed(s: &State) -> String {
    match s.popups.last() {
        Some(Popup::Prompt(_, line)) => format!("{}|{}", line.split().0, line.split().1),
        _ => String::new(),
    }
}

fn said(s: &State, text: &str) -> bool {
    s.message.as_ref().is_some_and(|m| m.contains(text))
}

fn at_event(s: &State, wanted: fn(&Event) -> bool) -> bool {
    s.event().is_some_and(wanted)
}

/// What is pressed before, and what must hold between the states before and after the key.
fn main_case(action: Action) -> (&'static str, Check) {
    use Action::*;
    match action {
        Forward => ("", |a, b, _| step(b) == step(a) + 1),
        Back => ("lll", |a, b, _| step(b) == step(a) - 1),
        Over => ("lllll", |a, b, _| at_event(b, |e| matches!(e, Event::Route(_))) && b.at > a.at),
        OverBack => ("}", |a, b, _| at_event(b, |e| matches!(e, Event::Route(_))) && b.at < a.at),
        Into => ("lllll", |a, b, _| b.timeline.level(b.at) > a.timeline.level(a.at)),
        Out => ("lllllll", |a, b, _| b.timeline.level(b.at) < a.timeline.level(a.at)),
        NextVerdict => ("", |_, b, _| at_event(b, |e| matches!(e, Event::Policy { .. }))),
        PreviousVerdict => ("<Tab><Tab>llllll", |_, b, _| at_event(b, |e| matches!(e, Event::Policy { .. }))),
        NextRewrite => ("", |_, b, _| at_event(b, |e| matches!(e, Event::Write { .. }))),
        PreviousRewrite => ("rrr", |a, b, _| b.at < a.at && at_event(b, |e| matches!(e, Event::Write { .. }))),
        NextHook => ("", |a, b, _| b.at > a.at && at_event(b, |e| matches!(e, Event::Hook(_)))),
        PreviousHook => ("rrr", |a, b, _| b.at < a.at && at_event(b, |e| matches!(e, Event::Hook(_)))),
        First => ("rrr", |_, b, _| step(b) == 0),
        Last => ("", |_, b, _| at_event(b, |e| matches!(e, Event::Fate(_)))),
        Continue => ("lllllBhhhh", |_, b, _| at_event(b, |e| matches!(e, Event::Enter(_)))),
        ContinueBack => ("lllllBrrr", |a, b, _| b.at < a.at && at_event(b, |e| matches!(e, Event::Enter(_)))),
        NextPacket => ("", |_, b, _| said(b, "one packet")),
        PreviousPacket => ("", |_, b, _| said(b, "one packet")),
        Down => ("lllllll", |_, b, _| cursor(b) == 41),
        Up => ("lllllll", |_, b, _| cursor(b) == 39),
        PageDown => ("lllllllg", |_, b, _| cursor(b) > 1),
        PageUp => ("lllllll", |_, b, _| cursor(b) < 39),
        Top => ("lllllll", |_, b, _| cursor(b) == 0),
        Bottom => ("lllllll", |_, b, _| cursor(b) == 41),
        FocusNext => ("", |_, b, _| b.focus == Pane::Packet),
        FocusPrevious => ("", |_, b, _| b.focus == Pane::Path),
        FocusPath => ("", |_, b, _| b.focus == Pane::Path),
        FocusChain => ("1", |_, b, _| b.focus == Pane::Chain),
        FocusPacket => ("", |_, b, _| b.focus == Pane::Packet),
        FocusWhy => ("", |_, b, _| b.focus == Pane::Why),
        Go => ("1G", |a, b, _| {
            a.at == b.at && matches!(b.popups.last(), Some(Popup::Choice(t, ..)) if t.contains("not on the path"))
        }),
        Fold => ("lllllllg", |a, b, _| a.folds.open.is_empty() && !b.folds.open.is_empty()),
        FoldAll => ("lllllll", |a, b, _| !a.folds.none && b.folds.none),
        Search => ("", |_, b, _| matches!(b.popups.last(), Some(Popup::Prompt(..)))),
        Look => ("", |_, b, _| typed(b) == "|"),
        FindNext => ("1/KUBE<Enter>", |a, b, _| b.at > a.at),
        FindPrevious => ("1/KUBE<Enter>n", |a, b, _| b.at < a.at),
        Break => ("lllll", |_, b, _| b.breaks.iter().any(|x| matches!(x, state::Break::Rule(_)))),
        BreakChain => ("lllll", |_, b, _| b.breaks.iter().any(|x| matches!(x, state::Break::Chain(_)))),
        WhyNot => {
            ("lllllll", |_, b, _| matches!(b.popups.last(), Some(Popup::Text(t, ..)) if t.starts_with("Why not nat")))
        }
        Choose => ("", |_, b, _| matches!(b.popups.last(), Some(Popup::Choice(_, rows, _)) if rows.len() == 1)),
        EditPacket => ("", |_, b, _| matches!(b.popups.last(), Some(Popup::Form(f, _)) if f.len() == 3)),
        AddRule => ("", |_, b, _| typed(b) == "|"),
        RemoveRule => ("lllll", |_, _, e| matches!(e, Effect::Walk(r) if r.without.len() == 1)),
        Undo => ("", |_, b, _| said(b, "nothing to take back")),
        Compare => ("", |_, b, _| said(b, "nothing to compare")),
        Open => ("lllll", |_, _, e| matches!(e, Effect::Edit(p) if p.line == 10)),
        CopyRule => ("lllll", |_, _, e| matches!(e, Effect::Copy(t) if t.contains("KUBE-SERVICES"))),
        CopyCommand => ("", |_, _, e| matches!(e, Effect::Copy(t) if t.starts_with("nettrace explain"))),
        Save => ("", |_, b, _| typed(b) == "nettrace-session.md|"),
        Theme => ("", |a, b, _| a.theme != b.theme),
        Help => ("", |_, b, _| matches!(b.popups.last(), Some(Popup::Help(0)))),
        Close => ("/KUBE<Enter>", |a, b, _| !a.search.is_empty() && b.search.is_empty()),
        QuitPrinting => ("", |_, _, e| matches!(e, Effect::Quit(Some(t)) if t.contains("dport 31002 => 8200"))),
        Quit => ("", |_, _, e| *e == Effect::Quit(None)),
        other => panic!("no case for {other:?} in the main screen"),
    }
}

fn list_case(action: Action) -> (&'static str, Check) {
    use Action::*;
    match action {
        Down => ("?", |_, b, _| cursor(b) == 1),
        Up => ("?jj", |_, b, _| cursor(b) == 1),
        PageDown => ("?", |_, b, _| cursor(b) > 5),
        PageUp => ("?G", |a, b, _| cursor(b) < cursor(a)),
        Top => ("?jjj", |_, b, _| cursor(b) == 0),
        Bottom => ("?", |_, b, _| cursor(b) > 40),
        Accept => ("w", |a, b, _| a.way == 0 && b.way == 1 && b.popups.is_empty()),
        Pick => ("e", |_, b, _| b.popups.len() == 2 || cursor(b) == 0),
        Close => ("?", |_, b, _| b.popups.is_empty()),
        Quit => ("?", |_, _, e| *e == Effect::Quit(None)),
        other => panic!("no case for {other:?} in a window"),
    }
}

fn prompt_case(action: Action) -> (&'static str, Check) {
    use Action::*;
    match action {
        Accept => {
            ("aip route", |_, b, e| b.popups.is_empty() && matches!(e, Effect::Walk(r) if r.with == ["ip route"]))
        }
        Close => ("aip", |_, b, e| b.popups.is_empty() && *e == Effect::None),
        CursorLeft => ("aip", |_, b, _| typed(b) == "i|p"),
        CursorRight => ("aip", |a, b, _| typed(a) == typed(b)),
        CursorStart => ("aip", |_, b, _| typed(b) == "|ip"),
        CursorEnd => ("aip", |_, b, _| typed(b) == "ip|"),
        DeleteBack => ("aip", |_, b, _| typed(b) == "i|"),
        Delete => ("aip", |_, b, _| typed(b) == "ip|"),
        Clear => ("aip", |_, b, _| typed(b) == "|"),
        Quit => ("aip", |_, _, e| *e == Effect::Quit(None)),
        other => panic!("no case for {other:?} while typing"),
    }
}

#[test]
fn every_key_does_what_the_help_says() {
    for binding in KEYS {
        let (setup, check) = match binding.context {
            Context::Main => main_case(binding.action),
            Context::List => list_case(binding.action),
            Context::Prompt => prompt_case(binding.action),
        };
        for key in binding.keys {
            let mut s = state((100, 30));
            press(&mut s, setup);
            assert_eq!(s.context(), binding.context, "{} needs its context", binding.help);
            let before = s.clone();
            let effect = update(&mut s, Msg::Key(key.event()));
            let shown = (key.show(), binding.help, &s.message, &effect, step(&before), step(&s));
            assert!(check(&before, &s, &effect), "{:?}: {shown:?}", binding.action);
        }
    }
}

#[test]
fn moving_stays_inside() {
    assert_eq!(moved(Action::Down, 4, 5, 10), 4);
    assert_eq!(moved(Action::Up, 0, 5, 10), 0);
    assert_eq!(moved(Action::PageDown, 0, 3, 100), 2);
    assert_eq!(moved(Action::Bottom, 0, 0, 10), 0);
}

#[test]
fn a_field_is_a_breakpoint_and_enter_tells_since_when_it_is_so() {
    let mut s = state((100, 30));
    press(&mut s, "3jjjjb");
    assert!(matches!(s.breaks.first(), Some(Break::Field(f)) if f.name() == "dport"));
    press(&mut s, "c");
    assert!(at_event(&s, |e| matches!(e, Event::Write { .. })));
    let wrote = s.at;
    press(&mut s, "}}3<Enter>");
    assert_eq!(s.at, wrote);
}

#[test]
fn a_fold_opens_and_closes() {
    let mut s = state((100, 30));
    press(&mut s, "lllllll");
    let len = |s: &State| s.rows(s.chain().unwrap(), &s.pass()).len();
    let folded = len(&s);
    press(&mut s, "g");
    assert!(s.rule.unwrap().fold);
    press(&mut s, "z");
    assert!(len(&s) > folded + 30);
    press(&mut s, "z");
    assert_eq!(len(&s), folded);
    press(&mut s, "<Enter>");
    assert!(len(&s) > folded + 30);
}

#[test]
fn search_finds_rules_in_the_chain_and_steps_elsewhere() {
    let mut s = state((100, 30));
    press(&mut s, "lllllll/10.96.0.7/<Enter>");
    assert_eq!(s.rule.map(|c| c.index), Some(6));
    press(&mut s, "/nowhere<Enter>");
    assert!(said(&s, "no rule of KUBE-SERVICES holds"));
    press(&mut s, "1/dnat<Enter>");
    assert!(at_event(&s, |e| matches!(e, Event::Rule { .. })));
}

#[test]
fn a_what_if_goes_to_the_root_and_back_again() {
    let mut s = state((100, 30));
    let effect = press(&mut s, "rrraiptables -t mangle -I PREROUTING -j DROP<Enter>");
    let Effect::Walk(request) = effect else { panic!("{effect:?}") };
    let at = s.at;
    let _ = update(&mut s, Msg::Walked(Box::new(Err("unknown option".into()))));
    assert!(matches!(s.popups.last(), Some(Popup::Text(..))));
    assert_eq!((s.at, s.history.len()), (at, 0));
    press(&mut s, "<Esc>");

    let Effect::Walk(_) = press(&mut s, "aiptables -j DROP<Enter>") else { panic!() };
    let mut answer = session();
    answer.before = answer.ways.clone();
    answer.ways[0].trace.events.truncate(5);
    answer.request = request.clone();
    let _ = update(&mut s, Msg::Walked(Box::new(Ok(answer))));
    assert_eq!(s.session.request, request);
    assert!(said(&s, "walked again") && s.at < 5 && s.history.len() == 1);
    press(&mut s, "s");
    assert!(matches!(s.popups.last(), Some(Popup::Compare(5))));
    let effect = press(&mut s, "<Esc>u");
    assert!(matches!(effect, Effect::Walk(r) if r.with.is_empty()));
    let _ = update(&mut s, Msg::Walked(Box::new(Ok(session()))));
    assert!(s.history.is_empty());
}

#[test]
fn the_packet_is_edited_in_its_form() {
    let mut s = state((100, 30));
    press(&mut s, "e3");
    assert_eq!(typed(&s), "31002|");
    press(&mut s, "<C-u>30146<Enter>");
    let effect = press(&mut s, "G<Enter>");
    let Effect::Walk(request) = effect else { panic!("{effect:?}") };
    assert_eq!(request.packet[2].text, "30146");
}

#[test]
fn another_answer_is_another_outcome() {
    let mut s = state((100, 30));
    let chance = |e: &Event| matches!(e, Event::Answer { assumed: false, .. });
    while !at_event(&s, chance) {
        press(&mut s, "l");
    }
    press(&mut s, "w");
    let Some(Popup::Choice(_, rows, _)) = s.popups.last() else { panic!() };
    assert_eq!(rows[0].0, "does not hold: DROPPED in PREROUTING  (50.0 %)");
    press(&mut s, "<Enter>");
    assert!(s.way == 1 && at_event(&s, chance));

    let mut s = state((100, 30));
    press(&mut s, "llllll");
    press(&mut s, "w");
    let effect = press(&mut s, "1");
    let pin = ("local:172.16.4.21".to_string(), "ask".to_string());
    assert!(matches!(effect, Effect::Walk(r) if r.pins == [pin]));
}

#[test]
fn a_session_is_saved_as_markdown_and_as_json() {
    let mut s = state((100, 30));
    let Effect::Save(name, text) = press(&mut s, "rrrS<Enter>") else { panic!() };
    assert_eq!(name, "nettrace-session.md");
    insta::assert_snapshot!("saved-markdown", text);
    let Effect::Save(name, text) = press(&mut s, "S<C-u>x.json<Enter>") else { panic!() };
    assert_eq!(name, "x.json");
    insta::assert_snapshot!("saved-json", text);
    let Effect::Save(_, text) = press(&mut s, "S<C-u>x.svg<Enter>") else { panic!() };
    assert!(text.starts_with("<svg") && text.contains("31002 =&gt; 8200") && !text.contains("href"));
}

fn mouse(s: &mut State, kind: MouseEventKind, column: u16, row: u16) -> Effect {
    update(s, Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

#[test]
fn the_mouse_moves_focus_and_cursor_and_scrolls() {
    let left = MouseEventKind::Down(MouseButton::Left);
    let mut s = state((100, 30));
    let _ = mouse(&mut s, left, 3, 6);
    assert_eq!((s.focus, s.path), (Pane::Path, Some(3)));
    let row = path::rows(&s)[3].event().unwrap();
    let _ = mouse(&mut s, left, 3, 6);
    assert_eq!(s.at, row);
    press(&mut s, "ll");
    let _ = mouse(&mut s, MouseEventKind::ScrollDown, 50, 8);
    assert!(s.focus == Pane::Chain && s.rule.is_some());
    let _ = mouse(&mut s, left, 50, 5);
    let _ = mouse(&mut s, left, 99, 0);
    press(&mut s, "?");
    let _ = mouse(&mut s, MouseEventKind::ScrollDown, 50, 8);
    assert_eq!(cursor(&s), 1);
    press(&mut s, "<Esc>e");
    let area = layout::popup_inner(&s);
    let _ = mouse(&mut s, left, area.x + 1, area.y + 1);
    assert_eq!(typed(&s), "172.16.4.9|");
}

#[test]
fn a_resize_is_taken_in() {
    let mut s = state((100, 30));
    let _ = update(&mut s, Msg::Resize(60, 18));
    assert_eq!(s.size, (60, 18));
    press(&mut s, "3");
    assert_eq!(s.tab, Pane::Packet);
}

#[test]
fn a_chain_that_is_not_on_the_way_can_be_looked_at() {
    let mut s = state((100, 30));
    let at = s.at;
    press(&mut s, "1G<Enter><Enter>");
    assert_eq!((s.at, s.chain().map(|c| s.model().chain_name(c).to_string())), (at, Some("INPUT".to_string())));
    press(&mut s, "W");
    assert!(matches!(s.popups.last(), Some(Popup::Text(t, ..)) if t == "Why not filter INPUT #1"));
    press(&mut s, "<Esc>l");
    assert!(s.look.is_none());
    press(&mut s, "ffilter/INPUT<Enter>");
    assert!(s.look.is_some());
    press(&mut s, "fNONE<Enter>");
    assert!(said(&s, "there is no chain"));
}

#[test]
fn no_sequence_of_keys_and_clicks_breaks_it() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % n
    };
    for size in [(100, 30), (60, 18), (40, 10), (20, 5)] {
        let mut s = state(size);
        for _ in 0..500 {
            let msg = match random(12) {
                0 => {
                    let kinds =
                        [MouseEventKind::Down(MouseButton::Left), MouseEventKind::ScrollUp, MouseEventKind::ScrollDown];
                    let (column, row) = (random(110) as u16, random(35) as u16);
                    Msg::Mouse(MouseEvent { kind: kinds[random(3)], column, row, modifiers: KeyModifiers::NONE })
                }
                1 if random(20) == 0 => Msg::Walked(Box::new(Ok(session()))),
                _ => {
                    let keys: Vec<_> = KEYS.iter().filter(|b| b.context == s.context()).flat_map(|b| b.keys).collect();
                    Msg::Key(keys[random(keys.len())].event())
                }
            };
            let _ = update(&mut s, msg);
            let mut buf = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, size.0, size.1));
            let _ = draw(&s, &mut buf);
            assert!(s.popups.len() < 10 && s.at < s.trace().events.len());
        }
    }
}

#[test]
fn a_conversation_is_stepped_packet_by_packet() {
    let talk = |leg| {
        let mut s = session();
        s.legs = ["syn", "synack", "ack"].map(str::to_string).to_vec();
        s.request.leg = leg;
        s
    };
    let mut s = State::new(talk(0), Theme::Colour, (80, 24)).unwrap();
    let Effect::Walk(request) = press(&mut s, "rrr>") else { panic!("> asks for another walk") };
    assert_eq!(request.leg, 1);
    let _ = update(&mut s, Msg::Walked(Box::new(Ok(talk(1)))));
    assert_eq!((step(&s), s.history.len()), (0, 0));
    assert!(said(&s, "packet 2/3 synack: FORWARDED"), "{:?}", s.message);
    assert!(matches!(press(&mut s, "<"), Effect::Walk(r) if r.leg == 0));
    let _ = update(&mut s, Msg::Walked(Box::new(Ok(talk(2)))));
    assert_eq!(press(&mut s, ">"), Effect::None);
    assert!(said(&s, "no more packets"));
}
