//! Why a packet's way is what it is: the way itself, what of it matters, names people know, and why a rule did nothing.
//!
//! Everything here is a pure function of the model, the host and finished traces.

pub mod answer;
pub mod names;
pub mod way;
