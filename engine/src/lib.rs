//! What a packet meets on a Linux host: the model of its rules, the walk through them, and why.
//!
//! Pure: no files, no clock, no randomness, no globals, and no panic on any input.

pub mod eval;
pub mod explain;
pub mod explore;
pub mod fact;
pub mod field;
pub mod graph;
pub mod host;
mod layered;
pub mod limits;
pub mod lower;
pub mod model;
pub mod packet;
pub mod sets;
pub mod spec;
pub mod state;
pub mod trace;
mod tuple;
pub mod visible;
pub mod walk;
pub mod whatif;

/// Rules and host of one machine: what a walk reads.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The rules.
    pub model: &'a model::Model,
    /// Addresses, routes, links, …
    pub host: &'a host::Host,
}
