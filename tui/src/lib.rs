//! The interactive stepper: a finished answer, one step at a time.
//!
//! [`State`] and [`update()`] are pure: a message goes in, an [`Effect`] comes out that the root carries out. [`draw()`] shows
//! the state. Nothing here evaluates a rule, parses a dump, or touches files, the environment or the terminal.
//!
//! Start reading at `update.rs`; keys are in `keymap.rs`, looks in `theme.rs`, one file a pane in `panes/`.

pub mod ascii;
pub mod canvas;
pub mod compare;
pub mod draw;
pub mod export;
pub mod keymap;
pub mod label;
pub mod layout;
pub mod lesson;
pub mod line;
mod mouse;
pub mod moves;
pub mod panes;
pub mod picture;
pub mod popup;
pub mod rows;
pub mod session;
pub mod state;
pub mod text;
pub mod theme;
pub mod timeline;
pub mod update;

pub use draw::draw;
pub use ratatui;
pub use session::{Asked, Condition, Place, Request, Session, Way, Words};
pub use state::State;
pub use theme::Theme;
pub use update::{Effect, Msg, update};
