//! The terminal of the stepper: takes it, hands events to the state, carries out effects, and gives it back however the
//! run ends: a key, a panic, SIGTERM, SIGHUP or SIGINT.
//!
//! Left out: what is shown and what keys mean (`nettrace_tui`), and walking again, which the caller does.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

use nettrace_tui::ratatui::crossterm::event::{self, DisableMouseCapture, EnableMouseCapture, Event};
use nettrace_tui::ratatui::crossterm::execute;
use nettrace_tui::ratatui::crossterm::style::force_color_output;
use nettrace_tui::ratatui::{self, DefaultTerminal};
use nettrace_tui::{Effect, Msg, Place, Request, Session, State, draw, update};
use signal_hook::iterator::Signals;

use crate::load::Failure;
use crate::output::base64;

/// Walks for a request of the stepper.
pub type Walk<'a> = dyn FnMut(&Request) -> Result<Session, String> + 'a;

/// Signals that end the run; the terminal is given back first.
const SIGNALS: [i32; 3] = [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT];

/// Whether there is a terminal to step in, for input and for output.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Steps until the user quits; what is to be printed behind it.
pub fn run(state: State, walk: &mut Walk<'_>) -> Result<Option<String>, Failure> {
    end_on_signals().map_err(|e| failure(&e))?;
    let mut terminal = take().map_err(|e| failure(&e))?;
    let end = steps(&mut terminal, state, walk);
    give_back();
    end.map_err(|e| failure(&e))
}

/// Ends the process on a signal, from a thread of its own: where the terminal is gone the reader of its keys may hang.
/// It ends as if the signal had not been caught, so that whoever sent it sees how.
fn end_on_signals() -> io::Result<()> {
    let mut signals = Signals::new(SIGNALS)?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            give_back();
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}

fn failure(error: &io::Error) -> Failure {
    Failure::new(format!("the terminal cannot be used: {error}"))
}

/// Takes the terminal; a panic gives it back before its message is printed.
fn take() -> io::Result<DefaultTerminal> {
    let terminal = ratatui::try_init()?;
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        give_back();
        next(info);
    }));
    // The theme decides about colour, not crossterm's own reading of NO_COLOR.
    force_color_output(true);
    execute!(io::stdout(), EnableMouseCapture)?;
    Ok(terminal)
}

/// Gives the terminal back; what fails then has nobody to tell it to.
fn give_back() {
    let _ = execute!(io::stdout(), DisableMouseCapture);
    ratatui::restore();
}

fn steps(terminal: &mut DefaultTerminal, mut state: State, walk: &mut Walk<'_>) -> io::Result<Option<String>> {
    let size = terminal.size()?;
    let mut next = Some(Msg::Resize(size.width, size.height));
    loop {
        if let Some(msg) = next.take() {
            let effect = update(&mut state, msg);
            show(terminal, &state)?;
            match carry_out(terminal, effect, walk)? {
                Next::End(text) => return Ok(text),
                Next::Msg(msg) => next = Some(msg),
                Next::Wait => {}
            }
            continue;
        }
        next = message(&event::read()?);
    }
}

fn message(event: &Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(*key)),
        Event::Mouse(mouse) => Some(Msg::Mouse(*mouse)),
        Event::Resize(columns, rows) => Some(Msg::Resize(*columns, *rows)),
        _ => None,
    }
}

fn show(terminal: &mut DefaultTerminal, state: &State) -> io::Result<()> {
    terminal.draw(|frame| {
        let cursor = draw(state, frame.buffer_mut());
        if let Some(cursor) = cursor {
            frame.set_cursor_position(cursor);
        }
    })?;
    Ok(())
}

/// What follows an effect.
enum Next {
    End(Option<String>),
    Msg(Msg),
    Wait,
}

fn carry_out(terminal: &mut DefaultTerminal, effect: Effect, walk: &mut Walk<'_>) -> io::Result<Next> {
    Ok(match effect {
        Effect::None => Next::Wait,
        Effect::Quit(text) => Next::End(text),
        Effect::Walk(request) => Next::Msg(Msg::Walked(Box::new(walk(&request)))),
        Effect::Copy(text) => {
            write!(io::stdout(), "\x1b]52;c;{}\x07", base64(text.as_bytes()))?;
            io::stdout().flush()?;
            Next::Msg(Msg::Done(format!("copied: {text}")))
        }
        Effect::Save(name, text) => Next::Msg(Msg::Done(save(&name, &text))),
        Effect::Edit(place) => {
            give_back();
            let said = edit(&place);
            *terminal = take()?;
            terminal.clear()?;
            Next::Msg(Msg::Done(said))
        }
    })
}

/// Writes a new file; one that is there is left alone.
fn save(name: &str, text: &str) -> String {
    let written =
        OpenOptions::new().write(true).create_new(true).open(name).and_then(|mut f| f.write_all(text.as_bytes()));
    match written {
        Ok(()) => format!("saved as {name}"),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => format!("{name} is there already: choose another name"),
        Err(e) => format!("cannot save {name}: {e}"),
    }
}

/// Opens a file in the user's editor at a line.
fn edit(place: &Place) -> String {
    if !std::path::Path::new(&place.file).is_file() {
        return format!("{} is not a file on this disk", place.file);
    }
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_string());
    let mut words = editor.split_whitespace();
    let Some(program) = words.next() else { return "EDITOR is empty".to_string() };
    let status = Command::new(program)
        .args(words)
        .arg(format!("+{}", place.line))
        .arg(&place.file)
        .stdin(Stdio::inherit())
        .status();
    match status {
        Ok(s) if s.success() => format!("back from {program}; the answer is of the file as it was read"),
        Ok(s) => format!("{program} ended with {s}"),
        Err(e) => format!("cannot start {program}: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run by the test below, in a terminal of its own.
    #[test]
    #[ignore = "takes the terminal that it runs in"]
    fn takes_the_terminal_and_panics() {
        let mut terminal = take().unwrap();
        terminal.draw(|frame| frame.render_widget("the stepper", frame.area())).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        panic!("lost at step 7");
    }

    /// The message of a panic is read on the shell's own screen, and the shell's line editing is as before.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        let me = std::env::current_exe().unwrap();
        let socket = format!("nettrace-panic-{}", std::process::id());
        let tmux = |args: &[&str]| Command::new("tmux").args(["-L", &socket, "-f", "/dev/null"]).args(args).output();
        let inner = "terminal::tests::takes_the_terminal_and_panics";
        let run = format!("{} --exact {inner} --ignored --nocapture", me.display());
        let shell =
            format!("echo before; {run}; stty -a | tr ' ' '\\n' | grep -E '^-?(icanon|echo);?$'; echo ended; cat");
        let size = ["-x", "160", "-y", "50"];
        let started = tmux(&[&["new-session", "-d"], &size[..], &[&shell]].concat());
        if !started.is_ok_and(|o| o.status.success()) {
            #[allow(clippy::print_stderr)] // how a test says that it was skipped
            {
                eprintln!("skipped: tmux is not installed or cannot start");
            }
            return;
        }
        let mut screens = Vec::new();
        for _ in 0..200 {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let screen = tmux(&["capture-pane", "-p"]).map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
            screens.push(screen.unwrap_or_default());
            if screens.last().is_some_and(|s| s.contains("ended")) {
                break;
            }
        }
        let _ = tmux(&["kill-server"]);
        let end = screens.last().map_or("", String::as_str);
        assert!(screens.iter().any(|s| s.contains("the stepper")), "it was drawn: {end}");
        for wanted in ["before", "lost at step 7", "\nicanon", "\necho"] {
            assert!(end.contains(wanted), "no {wanted:?} on the screen:\n{end}");
        }
        assert!(!end.contains("the stepper"), "its screen is gone:\n{end}");
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let name = std::env::temp_dir().join(format!("nettrace-save-{}", std::process::id()));
        let name = name.to_string_lossy();
        assert!(save(&name, "one").starts_with("saved"));
        assert!(save(&name, "two").contains("is there already"));
        assert_eq!(std::fs::read_to_string(&*name).unwrap(), "one");
        let _ = std::fs::remove_file(&*name);
    }
}
