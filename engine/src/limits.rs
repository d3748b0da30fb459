//! Every limit of nettrace, with what happens where it is hit: a walk looks at 50,000,000 rules at most, then its end is
//! open.
//!
//! Inputs are not trusted, and answers must come in bounded time and memory. Each limit is a constant here or, for the
//! parsers, in [`nettrace_grammar::limits`]; [`ALL`] is the table that `docs/reference/limits.md` shows.

pub use nettrace_grammar::limits::*;

/// Bytes of one input.
pub const INPUT: u64 = 512 << 20;
/// Bytes of all inputs together.
pub const INPUTS: u64 = 1 << 30;
/// Lines of one input.
pub const LINES: usize = 5_000_000;
/// Bytes of a line; a line of nft's language and JSON may be as long as the input.
pub const LINE: usize = 64 << 10;
/// Names looked at in a folder.
pub const NAMES: usize = 10_000;
/// Packets of one replay.
pub const PACKETS: usize = 1_000_000;
/// Diagnostics that are printed.
pub const DIAGNOSTICS: usize = 10;
/// Warnings about constructs of nft's language that are not understood, in one input.
pub const WARNINGS: usize = 200;
/// Names that misspelt ones of one input are compared with, to say what was meant: chains, and matches and options together.
pub const HINTS: usize = 100_000;
/// Chains that `nettrace chains` draws.
pub const CHAINS: usize = 20_000;

/// Entries that one line of an ipset dump may stand for.
pub const RANGE: usize = 1 << 20;
/// Entries of all ipsets together.
pub const ENTRIES: usize = 1 << 24;

/// Rules that the lines of one input with several addresses (`-s 10.0.0.1,10.0.0.2`) stand for.
pub const PRODUCTS: usize = 1 << 17;
/// Members of an ipset of type `list:set`.
pub const MEMBERS: usize = 4_096;

/// Variables inside each other, in nft's language.
pub const VARIABLES: u32 = 8;
/// Values that one side of a condition stands for, in nft's language.
pub const VALUES: usize = 1 << 22;

/// Rules that one walk looks at. Loops cannot be loaded into a kernel, but can stand in a dump.
pub const RULES: u64 = 50_000_000;
/// Events that one walk writes.
pub const EVENTS: usize = 200_000;
/// Jumps that one walk is inside of at a time; the kernel's own limit for nft is 16.
pub const JUMPS: usize = 1_024;
/// Ways of a packet that are walked.
pub const OUTCOMES: usize = 256;
/// Facts that one way is explored for; further ones take their first answer.
pub const QUESTIONS: usize = 256;
/// Rules that all ways of a packet look at together; stands for time, which the engine does not know.
pub const ALL_RULES: u64 = 200_000_000;
/// Events that all ways of a packet write together; stands for memory.
pub const ALL_EVENTS: u64 = 1_000_000;

/// Bytes from which on an HTML page leaves out the ways and steps that are left.
pub const PAGE_BYTES: usize = 16 << 20;
/// Ways of a packet that an HTML page shows.
pub const PAGE_WAYS: usize = 24;
/// Steps of one way that an HTML page shows, and rules that did not match before one.
pub const PAGE_STEPS: usize = 2_000;

/// A limit as people read of it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What it bounds.
    pub of: &'static str,
    /// What happens where it is hit.
    pub then: &'static str,
}

const fn limit(name: &'static str, value: u64, of: &'static str, then: &'static str) -> Limit {
    Limit { name, value, of, then }
}

/// All limits, in the order in which an input meets them.
pub const ALL: &[Limit] = &[
    limit("INPUT", INPUT, "bytes of one input, a packet file too", "status 2: the input \"is larger than 512 MiB\""),
    limit(
        "INPUTS",
        INPUTS,
        "bytes of all inputs together",
        "status 2: \"the inputs together are larger than 1024 MiB\"",
    ),
    limit("NAMES", NAMES as u64, "names looked at in a folder", "status 2: the folder \"holds more than 10000 names\""),
    limit("LINES", LINES as u64, "lines of one input", "status 2: the input \"has more than 5000000 lines\""),
    limit(
        "LINE",
        LINE as u64,
        "bytes of a line (nft's language and JSON have no lines)",
        "error NT005; a rule on it is an unknown rule of its chain, an entry is missing from its set, which then is not complete",
    ),
    limit(
        "NESTING",
        NESTING as u64,
        "braces and parentheses inside each other (nft)",
        "error NT201; the rule is an unknown rule of its chain",
    ),
    limit(
        "OPERATORS",
        OPERATORS as u64,
        "operators in a line (nft)",
        "error NT201; the rule is an unknown rule of its chain",
    ),
    limit(
        "EXPECTATIONS",
        EXPECTATIONS as u64,
        "unreadable lines told with what was expected (nft)",
        "the others are told without",
    ),
    limit(
        "VARIABLES",
        VARIABLES as u64,
        "variables inside each other (nft)",
        "warning NT301; the condition is unknown",
    ),
    limit("VALUES", VALUES as u64, "values that one side of a condition stands for (nft)", "as for VARIABLES"),
    limit(
        "WARNINGS",
        WARNINGS as u64,
        "warnings about constructs that are not understood (nft)",
        "each construct is still an unknown condition where it stands",
    ),
    limit(
        "HINTS",
        HINTS as u64,
        "names that misspelt chains, and misspelt options, are compared with (iptables)",
        "further ones are told without \"did you mean\"",
    ),
    limit("DIAGNOSTICS", DIAGNOSTICS as u64, "diagnostics printed", "\"... and N more\""),
    limit(
        "RANGE",
        RANGE as u64,
        "entries that one line of an ipset dump stands for",
        "error NT410; the set is not complete, and a miss in it is not certain",
    ),
    limit("ENTRIES", ENTRIES as u64, "entries of all ipsets", "error NT410; as for RANGE"),
    limit(
        "PRODUCTS",
        PRODUCTS as u64,
        "rules that lines with several addresses stand for (iptables)",
        "error NT113; the line is an unknown rule of its chain",
    ),
    limit("MEMBERS", MEMBERS as u64, "members of a `list:set`", "error NT410; as for RANGE"),
    limit("RULES", RULES, "rules that one way of a packet looks at", "the way's end is open, with the reason"),
    limit("EVENTS", EVENTS as u64, "events that one way writes", "as for RULES"),
    limit(
        "JUMPS",
        JUMPS as u64,
        "jumps inside each other",
        "the way's end is open: \"jumps are nested deeper than 1024\"",
    ),
    limit(
        "OUTCOMES",
        OUTCOMES as u64,
        "ways of a packet that are walked",
        "\"not every way was explored\", in JSON `complete: false`; the likeliest come first",
    ),
    limit(
        "QUESTIONS",
        QUESTIONS as u64,
        "facts that one way of a packet is explored for",
        "further facts take their first answer; as for OUTCOMES",
    ),
    limit("ALL_RULES", ALL_RULES, "rules that all ways look at together", "as for OUTCOMES"),
    limit("ALL_EVENTS", ALL_EVENTS, "events that all ways write together", "as for OUTCOMES"),
    limit("CHAINS", CHAINS as u64, "chains that `nettrace chains` draws", "the others are left out"),
    limit("PACKETS", PACKETS as u64, "packets of one replay", "status 2: \"N packets are more than 1000000\""),
    limit(
        "PAGE_BYTES",
        PAGE_BYTES as u64,
        "bytes from which on an HTML page is not made longer",
        "as for PAGE_WAYS and PAGE_STEPS",
    ),
    limit(
        "PAGE_WAYS",
        PAGE_WAYS as u64,
        "ways of a packet on an HTML page",
        "\"… and N more ways, which a page cannot show\"",
    ),
    limit(
        "PAGE_STEPS",
        PAGE_STEPS as u64,
        "steps of one way on an HTML page, and rules that did not match before one",
        "\"… and N more steps, which a page cannot show\"",
    ),
];
