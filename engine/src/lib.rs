//! What a packet meets on a Linux host: the model of its rules, the walk through them, and why.
//!
//! Pure: no files, no clock, no randomness, no globals, and no panic on any input.

pub mod explain;
pub mod fact;
pub mod field;
pub mod graph;
pub mod host;
pub mod model;
pub mod packet;
pub mod spec;
pub mod state;
pub mod trace;
