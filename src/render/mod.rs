//! Draws answers, traces and diagnostics. Nothing here evaluates a rule.

pub mod diagnostics;
pub mod json;
pub mod kernel;
pub mod reasons;
pub mod text;
