//! Draws answers, traces and diagnostics. Nothing here evaluates a rule.

pub mod diagnostics;
pub mod flow;
pub mod html;
pub mod json;
pub mod kernel;
pub mod markdown;
pub mod reasons;
pub mod text;
