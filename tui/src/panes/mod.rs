//! The panes, one file each. A pane is a list of rows computed from the state, of which only the visible ones are drawn.

pub mod chain;
pub mod packet;
pub mod path;
pub mod why;
