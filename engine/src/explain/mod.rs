//! Why a packet's way is what it is: the way itself, what of it matters, names people know, why a rule did nothing, where
//! one would work, and what an edit changes.
//!
//! Everything here is a pure function of the model, the host and finished traces. Left out: drawing it.

pub mod answer;
pub mod diff;
pub mod mattered;
pub mod names;
pub mod place;
pub mod rules;
pub mod step;
pub mod unasked;
pub mod way;
pub mod whynot;
