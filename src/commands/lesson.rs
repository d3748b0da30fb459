//! `nettrace lesson`: lists the built-in lessons, or takes one: in the stepper, or as text with the answers at the end.
//!
//! A lesson is `lesson.json` beside the dumps it is about; a file of one's own works as well as a built-in one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use nettrace_tui::State;
use nettrace_tui::lesson::{Course, Lesson};

use super::step::desk::Desk;
use super::step::theme;
use crate::cli::{InputArgs, LessonArgs};
use crate::load::{self, Failure, Loaded};
use crate::output::{Paint, Screen};
use crate::terminal;

/// Runs it.
pub fn run(args: &LessonArgs, screen: &mut Screen) -> Result<(), Failure> {
    let paint = screen.paint;
    let Some(name) = &args.name else { return screen.print(&list(paint)?) };
    let (lesson, loaded) = find(name)?;
    super::complain(&loaded, screen);
    let desk = Desk::with_packet(loaded, lesson.packet.clone())?;
    let request = nettrace_tui::Request { with: lesson.with.clone(), ..desk.request() };
    let session = desk.session(&request).map_err(Failure::new)?;
    let way = session.ways.first().ok_or_else(|| Failure::new("the walk gave no answer"))?;
    let course = Course::new(lesson, &session.model, &way.trace).map_err(|e| Failure::new(format!("{name}: {e}")))?;
    if args.text || !terminal::is_there() {
        return screen.print(&course.text(&session.model, &way.trace));
    }
    let state = State::new(session, theme(args.theme.as_deref(), paint)?, (80, 24));
    let state = state.ok_or_else(|| Failure::new("the walk gave no answer"))?.teach(course).drawn_in(paint.ascii);
    let printed = terminal::run(state, &mut |request| desk.session(request))?;
    printed.map_or(Ok(()), |text| screen.print(&text))
}

fn read(name: &str, text: &str) -> Result<Lesson, Failure> {
    serde_json::from_str(text).map_err(|e| Failure::new(format!("{name} is not a lesson: {e}")))
}

/// The built-in lessons, one a line.
fn list(paint: Paint) -> Result<String, Failure> {
    let mut out = String::from("Lessons (nettrace lesson NAME):\n\n");
    for (name, text) in load::lessons() {
        let lesson = read(name, text)?;
        let gap = " ".repeat(20usize.saturating_sub(name.len()));
        let _ = writeln!(out, "  {}{gap}{}: {}", paint.bold(name), lesson.title, lesson.about);
    }
    Ok(out)
}

/// A lesson by its name, or from a file, with the dumps it is about.
fn find(name: &str) -> Result<(Lesson, Loaded), Failure> {
    if let Some((story, text)) = load::lessons().find(|l| l.0 == name) {
        return Ok((read(story, text)?, load::load_story(story)?));
    }
    let path = Path::new(name);
    let file = if path.is_dir() { path.join("lesson.json") } else { path.to_path_buf() };
    if !file.is_file() {
        let names: Vec<_> = load::lessons().map(|l| l.0).collect();
        return Err(Failure::new(format!("there is no lesson `{name}`; one of {}, or a file", names.join(", "))));
    }
    let text = load::read_text(&file)?;
    let folder =
        file.parent().filter(|p| !p.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let input = InputArgs { inputs: vec![folder], backend: None };
    Ok((read(name, &text)?, load::load(&input)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_lesson_can_be_taken() {
        let names: Vec<_> = load::lessons().map(|l| l.0).collect();
        assert!(names.contains(&"nodeport-drop"), "{names:?}");
        for name in names {
            let (lesson, loaded) = find(name).unwrap();
            if loaded.model.chains.is_empty() {
                println!("skipped: {name}: no rules were read");
                continue;
            }
            let questions = lesson.questions.len();
            let desk = Desk::with_packet(loaded, lesson.packet.clone()).unwrap();
            let request = nettrace_tui::Request { with: lesson.with.clone(), ..desk.request() };
            let session = desk.session(&request).unwrap();
            let course = Course::new(lesson, &session.model, &session.ways[0].trace);
            let course = course.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(course.items.len(), questions, "{name}");
            assert!(course.text(&session.model, &session.ways[0].trace).contains("Answers"));
        }
    }
}
