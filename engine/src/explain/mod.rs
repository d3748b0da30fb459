//! Why a packet's way is what it is: names people know, and why a rule did nothing.
//!
//! Everything here is a pure function of the model, the host and finished traces.

pub mod names;
