//! THE table of keys. Dispatch, the footer, the help popup and `docs/reference/keys.md` are all drawn from it; a new key
//! is one row here and one arm in [`crate::update()`].

use std::fmt::Write as _;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Action {
    Forward,
    Back,
    Over,
    OverBack,
    Into,
    Out,
    NextVerdict,
    PreviousVerdict,
    NextRewrite,
    PreviousRewrite,
    NextHook,
    PreviousHook,
    First,
    Last,
    Continue,
    ContinueBack,
    NextPacket,
    PreviousPacket,
    Down,
    Up,
    PageDown,
    PageUp,
    Top,
    Bottom,
    FocusNext,
    FocusPrevious,
    FocusPath,
    FocusChain,
    FocusPacket,
    FocusWhy,
    Go,
    Fold,
    FoldAll,
    Search,
    Look,
    FindNext,
    FindPrevious,
    Break,
    BreakChain,
    WhyNot,
    Choose,
    EditPacket,
    AddRule,
    RemoveRule,
    Undo,
    Compare,
    Open,
    CopyRule,
    CopyCommand,
    Save,
    Theme,
    Help,
    Accept,
    Pick,
    Close,
    CursorLeft,
    CursorRight,
    CursorStart,
    CursorEnd,
    DeleteBack,
    Delete,
    Clear,
    QuitPrinting,
    Quit,
}

/// Where a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The panes.
    Main,
    /// A window with rows: help, choices, the packet's fields, a text.
    List,
    /// A line is being typed.
    Prompt,
}

/// A key, perhaps with Ctrl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub code: KeyCode,
    /// With Ctrl.
    pub ctrl: bool,
}

const fn c(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: false }
}

const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: true }
}

const fn k(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

/// A row of the table.
#[derive(Debug)]
pub struct Binding {
    /// Keys that do the same.
    pub keys: &'static [Key],
    /// Where.
    pub context: Context,
    /// What they do.
    pub action: Action,
    /// In the footer, when there is room; empty for not at all.
    pub footer: &'static str,
    /// In the help and the docs.
    pub help: &'static str,
}

const fn row(
    context: Context,
    keys: &'static [Key],
    action: Action,
    footer: &'static str,
    help: &'static str,
) -> Binding {
    Binding { keys, context, action, footer, help }
}

use Context::{List, Main, Prompt};
use KeyCode as K;

/// All keys, in the order in which the help shows them.
pub const KEYS: &[Binding] = &[
    row(Main, &[k(K::Right), c('l'), c(' ')], Action::Forward, "step", "one step forward"),
    row(Main, &[k(K::Left), c('h')], Action::Back, "back", "one step back"),
    row(Main, &[c('L')], Action::Over, "over", "forward over the chain that is called here"),
    row(Main, &[c('H')], Action::OverBack, "", "back over what ended here"),
    row(Main, &[c('i')], Action::Into, "", "into the chain that is called here"),
    row(Main, &[c('o')], Action::Out, "out", "forward out of this chain"),
    row(Main, &[c(']')], Action::NextVerdict, "verdict", "to the next verdict"),
    row(Main, &[c('[')], Action::PreviousVerdict, "", "to the verdict before"),
    row(Main, &[c('r')], Action::NextRewrite, "rewrite", "to the next change of the packet"),
    row(Main, &[c('R')], Action::PreviousRewrite, "", "to the change before"),
    row(Main, &[c('}')], Action::NextHook, "hook", "to the next hook"),
    row(Main, &[c('{')], Action::PreviousHook, "", "to the hook before"),
    row(Main, &[k(K::Home)], Action::First, "", "to the first step"),
    row(Main, &[k(K::End)], Action::Last, "", "to the last step"),
    row(Main, &[c('c')], Action::Continue, "", "on to the next breakpoint"),
    row(Main, &[c('C')], Action::ContinueBack, "", "back to the breakpoint before"),
    row(Main, &[c('>')], Action::NextPacket, "", "to the next packet of the conversation"),
    row(Main, &[c('<')], Action::PreviousPacket, "", "to the packet before"),
    row(Main, &[k(K::Down), c('j')], Action::Down, "", "down in the pane"),
    row(Main, &[k(K::Up), c('k')], Action::Up, "", "up in the pane"),
    row(Main, &[k(K::PageDown), ctrl('d')], Action::PageDown, "", "half a page down"),
    row(Main, &[k(K::PageUp), ctrl('u')], Action::PageUp, "", "half a page up"),
    row(Main, &[c('g')], Action::Top, "", "to the top of the pane"),
    row(Main, &[c('G')], Action::Bottom, "", "to the bottom of the pane"),
    row(Main, &[k(K::Tab)], Action::FocusNext, "pane", "to the next pane"),
    row(Main, &[k(K::BackTab)], Action::FocusPrevious, "", "to the pane before"),
    row(Main, &[c('1')], Action::FocusPath, "", "to the path"),
    row(Main, &[c('2')], Action::FocusChain, "", "to the chain"),
    row(Main, &[c('3')], Action::FocusPacket, "", "to the packet"),
    row(Main, &[c('4')], Action::FocusWhy, "", "to the explanation"),
    row(Main, &[k(K::Enter)], Action::Go, "", "go to the step of the row under the cursor"),
    row(Main, &[c('z')], Action::Fold, "", "fold or unfold at the cursor"),
    row(Main, &[c('Z')], Action::FoldAll, "", "fold or unfold all of the pane"),
    row(Main, &[c('/')], Action::Search, "find", "search the rules of the chain, or the steps in another pane"),
    row(Main, &[c('n')], Action::FindNext, "", "next hit"),
    row(Main, &[c('N')], Action::FindPrevious, "", "hit before"),
    row(Main, &[c('f')], Action::Look, "", "look at any chain, also one that is not on the way"),
    row(Main, &[c('b')], Action::Break, "", "breakpoint on the rule under the cursor, in the packet pane on the field"),
    row(Main, &[c('B')], Action::BreakChain, "", "breakpoint on the chain"),
    row(Main, &[c('W')], Action::WhyNot, "why not", "why the rule under the cursor did not decide"),
    row(Main, &[c('w')], Action::Choose, "", "choose another answer, or another outcome"),
    row(Main, &[c('e')], Action::EditPacket, "edit", "edit the packet and walk again"),
    row(Main, &[c('a')], Action::AddRule, "what-if", "what if: type a command that edits the rules"),
    row(Main, &[c('d')], Action::RemoveRule, "", "what if: take out the rule under the cursor"),
    row(Main, &[c('u')], Action::Undo, "", "take back the last what-if"),
    row(Main, &[c('s')], Action::Compare, "", "with and without the what-if, side by side"),
    row(Main, &[c('v')], Action::Open, "", "open the rule's file and line in $EDITOR"),
    row(Main, &[c('y')], Action::CopyRule, "", "copy the rule under the cursor"),
    row(Main, &[c('Y')], Action::CopyCommand, "", "copy the nettrace command for this answer"),
    row(
        Main,
        &[c('S')],
        Action::Save,
        "",
        "save the session as Markdown (.md) or JSON (.json), or the screen as a picture (.svg)",
    ),
    row(Main, &[c('t')], Action::Theme, "", "next theme: colour, colour-blind, mono"),
    row(Main, &[c('?'), k(K::F(1))], Action::Help, "help", "this help"),
    row(Main, &[c('p')], Action::QuitPrinting, "", "quit and print the path"),
    row(Main, &[c('q'), ctrl('c')], Action::Quit, "quit", "quit"),
    row(Main, &[k(K::Esc)], Action::Close, "", "forget the message and the search"),
    row(List, &[k(K::Down), c('j')], Action::Down, "", "down"),
    row(List, &[k(K::Up), c('k')], Action::Up, "", "up"),
    row(List, &[k(K::PageDown), ctrl('d'), c(' ')], Action::PageDown, "", "half a page down"),
    row(List, &[k(K::PageUp), ctrl('u')], Action::PageUp, "", "half a page up"),
    row(List, &[k(K::Home), c('g')], Action::Top, "", "to the top"),
    row(List, &[k(K::End), c('G')], Action::Bottom, "", "to the bottom"),
    row(List, &[k(K::Enter)], Action::Accept, "take", "take the row under the cursor"),
    row(List, DIGITS, Action::Pick, "", "take the row of that number"),
    row(List, &[k(K::Esc), c('q')], Action::Close, "close", "close the window"),
    row(List, &[ctrl('c')], Action::Quit, "", "quit"),
    row(Prompt, &[k(K::Enter)], Action::Accept, "take", "take what was typed"),
    row(Prompt, &[k(K::Esc)], Action::Close, "cancel", "leave it"),
    row(Prompt, &[k(K::Left)], Action::CursorLeft, "", "left"),
    row(Prompt, &[k(K::Right)], Action::CursorRight, "", "right"),
    row(Prompt, &[k(K::Home), ctrl('a')], Action::CursorStart, "", "to the start"),
    row(Prompt, &[k(K::End), ctrl('e')], Action::CursorEnd, "", "to the end"),
    row(Prompt, &[k(K::Backspace)], Action::DeleteBack, "", "delete the character before"),
    row(Prompt, &[k(K::Delete)], Action::Delete, "", "delete the character under the cursor"),
    row(Prompt, &[ctrl('u')], Action::Clear, "", "delete everything before the cursor"),
    row(Prompt, &[ctrl('c')], Action::Quit, "", "quit"),
];

const DIGITS: &[Key] = &[c('1'), c('2'), c('3'), c('4'), c('5'), c('6'), c('7'), c('8'), c('9')];

/// What a pressed key asks for in a context.
pub fn lookup(context: Context, event: &KeyEvent) -> Option<Action> {
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    if event.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META) {
        return None;
    }
    let hit = |b: &&Binding| b.context == context && b.keys.iter().any(|k| k.code == event.code && k.ctrl == ctrl);
    KEYS.iter().find(hit).map(|b| b.action)
}

impl Key {
    /// As the footer and the docs write it.
    pub fn show(self) -> String {
        let name = match self.code {
            K::Char(' ') => "Space".to_string(),
            K::Char(c) => c.to_string(),
            K::Right => "→".to_string(),
            K::Left => "←".to_string(),
            K::Up => "↑".to_string(),
            K::Down => "↓".to_string(),
            K::BackTab => "Shift-Tab".to_string(),
            K::PageDown => "PgDn".to_string(),
            K::PageUp => "PgUp".to_string(),
            K::F(n) => format!("F{n}"),
            other => format!("{other:?}"),
        };
        if self.ctrl { format!("Ctrl-{name}") } else { name }
    }

    /// The event of this key being pressed.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, if self.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    }
}

impl Binding {
    /// All its keys: `→ l Space`.
    pub fn show_keys(&self) -> String {
        if let ([first, .., last], true) = (self.keys, std::ptr::eq(self.keys, DIGITS)) {
            return format!("{} … {}", first.show(), last.show());
        }
        self.keys.iter().map(|k| k.show()).collect::<Vec<_>>().join(" ")
    }
}

impl Context {
    /// All contexts with the heading of their keys.
    pub const ALL: [(Context, &'static str); 3] = [(Main, "Stepping"), (List, "In a window"), (Prompt, "While typing")];
}

/// The table as Markdown: what `docs/reference/keys.md` holds.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Keys of `nettrace step` and `nettrace lesson`\n\n<!-- Generated from tui/src/keymap.rs; `cargo test -p \
         nettrace-tui` says when it is stale. -->\n",
    );
    for (context, title) in Context::ALL {
        let _ = write!(out, "\n## {title}\n\n| Keys | |\n|---|---|\n");
        for b in KEYS.iter().filter(|b| b.context == context) {
            let keys: Vec<_> =
                b.show_keys().split(' ').map(|k| if k == "…" { k.into() } else { format!("`{k}`") }).collect();
            let _ = writeln!(out, "| {} | {} |", keys.join(" "), b.help);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_context() {
        for (i, a) in KEYS.iter().enumerate() {
            for b in KEYS[i + 1..].iter().filter(|b| b.context == a.context) {
                assert!(!a.keys.iter().any(|k| b.keys.contains(k)), "{} and {}", a.help, b.help);
                assert_ne!(a.action, b.action);
            }
            assert!(!a.help.is_empty() && !a.keys.is_empty());
        }
    }

    #[test]
    fn the_docs_hold_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/keys.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let held = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            held,
            markdown(),
            "docs/reference/keys.md is stale: run UPDATE_DOCS=1 cargo test -p nettrace-tui keymap"
        );
    }
}
