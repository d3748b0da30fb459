//! Text to syntax trees with spans, and back to the same text, for `iptables-save`, `ipset save` and `nft list ruleset`.
//!
//! Parsing never fails as a whole: a bad line costs that line and leaves a [`diag::Diagnostic`].
//! Left out on purpose: meaning. No extension, verdict or hook is known here; that is the engine's knowledge.

pub mod diag;
pub mod ipset;
pub mod iptables;
pub mod limits;
pub mod names;
pub mod nft;
pub mod source;

pub use diag::{Diagnostic, Severity};
pub use names::{Name, Names};
pub use source::{Location, Source, Sources, Span};
