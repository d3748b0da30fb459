//! How far the parsers go: an nft block may nest 48 deep, a line of it have 256 operators.
//!
//! Inputs are not trusted. The engine's limits and the command's are beside these in `nettrace_engine::limits`, where
//! the table of all of them is.

/// Deepest nesting of braces and parentheses in nft's language; nft itself refuses far less.
pub const NESTING: usize = 48;

/// Most operators in a line of nft's language, so that no expression is deep enough to hurt a recursive reader.
pub const OPERATORS: u32 = 256;

/// So many of an input's lines that cannot be read are told with what was expected there, the others without.
pub const EXPECTATIONS: usize = 1_000;
