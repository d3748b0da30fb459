//! iptables' own options, and a memory for what words were found to be.
//!
//! `-s`, `--source` and `--src` are one option; `-w` takes a number or none.

use rustc_hash::FxHashMap;

use crate::model::Family;

/// iptables' own options: short, long, long again, how many words belong to them.
pub const GLOBALS: &[(&str, &str, &str, Global, u8)] = &[
    ("-p", "--protocol", "", Global::Protocol, 1),
    ("-s", "--source", "--src", Global::Source, 1),
    ("-d", "--destination", "--dst", Global::Destination, 1),
    ("-i", "--in-interface", "", Global::In, 1),
    ("-o", "--out-interface", "", Global::Out, 1),
    ("-f", "--fragment", "--fragments", Global::Fragment, 0),
    ("-m", "--match", "", Global::Match, 1),
    ("-j", "--jump", "", Global::Jump, 1),
    ("-g", "--goto", "", Global::Goto, 1),
    ("-t", "--table", "", Global::Table, 1),
    ("-c", "--set-counters", "", Global::Counters, 2),
    ("-w", "--wait", "", Global::Wait, 0),
    ("-W", "--wait-interval", "", Global::Wait, 0),
    ("-v", "--verbose", "", Global::Nothing, 0),
    ("-n", "--numeric", "", Global::Nothing, 0),
    ("-x", "--exact", "", Global::Nothing, 0),
    ("-M", "--modprobe", "", Global::Nothing, 1),
    ("-4", "--ipv4", "", Global::Only(Family::Ip), 0),
    ("-6", "--ipv6", "", Global::Only(Family::Ip6), 0),
    ("", "--line-numbers", "", Global::Nothing, 0),
    // Operations are the grammar's; they are here because a shortened option must not be one of them either.
    ("", "--append", "--insert", Global::Nothing, 0),
    ("", "--delete", "--delete-chain", Global::Nothing, 0),
    ("", "--replace", "--rename-chain", Global::Nothing, 0),
    ("", "--list", "--list-rules", Global::Nothing, 0),
    ("", "--flush", "--zero", Global::Nothing, 0),
    ("", "--check", "--new-chain", Global::Nothing, 0),
    ("", "--policy", "--help", Global::Nothing, 0),
];

/// What one of iptables' own options is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// `-p`.
    Protocol,
    /// `-s`.
    Source,
    /// `-d`.
    Destination,
    /// `-i`.
    In,
    /// `-o`.
    Out,
    /// `-f`.
    Fragment,
    /// `-m`.
    Match,
    /// `-j`.
    Jump,
    /// `-g`.
    Goto,
    /// `-t`.
    Table,
    /// `-c`.
    Counters,
    /// `-w`, with a number or without.
    Wait,
    /// `-4`, `-6`: the rule is for this family only.
    Only(Family),
    /// Says nothing about the rule.
    Nothing,
}

/// The place of one of iptables' own options, by its whole name.
pub fn global(name: &str) -> Option<usize> {
    if let [b'-', letter] = name.as_bytes() {
        return GLOBALS.iter().position(|g| g.0.as_bytes().get(1) == Some(letter));
    }
    GLOBALS.iter().position(|g| name == g.0 || name == g.1 || (!g.2.is_empty() && name == g.2))
}

/// What words were found to be: a dump has few spellings and many words.
#[derive(Debug, Default)]
pub struct Cache<'t> {
    family: Option<Family>,
    /// For each kind of word, the places of the words that were asked for.
    places: [FxHashMap<&'t str, Option<u8>>; 3],
}

/// A kind of word in a [`Cache`].
pub const GLOBAL: usize = 0;
/// See [`GLOBAL`].
pub const MATCH: usize = 1;
/// See [`GLOBAL`].
pub const TARGET: usize = 2;

impl<'t> Cache<'t> {
    /// The place of a word of that kind; `find` is asked once for each word.
    pub fn place(&mut self, kind: usize, word: &'t str, find: impl FnOnce() -> Option<usize>) -> Option<usize> {
        if let Some(place) = self.places[kind].get(word) {
            return place.map(usize::from);
        }
        let place = find();
        self.places[kind].insert(word, place.and_then(|place| u8::try_from(place).ok()));
        place
    }

    /// Extensions differ between families; what was found for the other one is forgotten.
    pub fn of_family(&mut self, family: Family) -> &mut Self {
        if self.family != Some(family) {
            *self = Cache { family: Some(family), ..Cache::default() };
        }
        self
    }
}
