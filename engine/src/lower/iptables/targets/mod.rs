//! Targets, a file for those that belong together.

pub mod ct;
pub mod header;
pub mod hmark;
pub mod log;
pub mod mark;
pub mod nat;
pub mod other;
pub mod rare;
