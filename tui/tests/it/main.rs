//! The stepper as its users meet it: keys in, screens out, on a hand-made walk.

// Helpers outside of #[test] functions unwrap too; spans are the grammar's, which this crate does not name.
#![allow(clippy::unwrap_used, clippy::default_trait_access)]

mod keys;
mod large;
mod lessons;
mod scale;
mod screens;
mod story;
