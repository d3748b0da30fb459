//! The syntax tree of `iptables-save`, `ip6tables-save`, `iptables -S` and typed commands: lines, and words in order.
//!
//! A rule is its words. Which words belong to which option is not known here (`--comment -j -j ACCEPT` is a real line):
//! the engine's registry knows each option's arity. Every text is interned in [`Tree::names`], so a tree prints without
//! its source.

use crate::names::{Name, Names};
use crate::source::Span;

/// What a word looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordKind {
    /// A lone `!`.
    Bang,
    /// An unquoted word that begins with `-` (it may still be a value: see the module's text).
    Option,
    /// Any other unquoted word.
    Plain,
    /// A word in double or single quotes; its text has the escapes undone.
    Quoted,
}

/// One word of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Position of its first byte (of the quote, if quoted).
    pub pos: u32,
    /// Its text, quotes and escapes undone.
    pub text: Name,
    /// What it looked like.
    pub kind: WordKind,
}

/// `[packets:bytes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a rule line does to its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOp {
    /// `-A CHAIN`.
    Append,
    /// `-I CHAIN [NUMBER]`, number from 1 (the default).
    Insert(u32),
    /// `-R CHAIN NUMBER`.
    Replace(u32),
    /// `-D CHAIN NUMBER`.
    DeleteNumber(u32),
    /// `-D CHAIN RULE…`.
    Delete,
    /// `-C CHAIN RULE…`.
    Check,
}

/// One rule: `[5:300] -A INPUT -p tcp -j DROP`, or a typed `ip6tables -t mangle -I OUTPUT 2 -j DROP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// `iptables`, `ip6tables`, … when the line is a typed command that names its program.
    pub program: Option<Name>,
    /// What it does.
    pub op: RuleOp,
    /// The chain.
    pub chain: Name,
    /// Counters in front of the line, if any.
    pub counters: Option<Counters>,
    /// First of its words in [`Tree::words`]; the operation, its chain and number are not among them, `-t TABLE` is.
    pub first: u32,
    /// One behind its last word.
    pub end: u32,
}

/// An operation on chains that names no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainOp {
    /// `-F [CHAIN]`.
    Flush,
    /// `-X [CHAIN]`.
    DeleteChain,
    /// `-Z [CHAIN [NUMBER]]`.
    Zero,
    /// `-E OLD NEW`.
    Rename,
    /// `-L [CHAIN]`.
    List,
    /// `-S [CHAIN]`.
    ListRules,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// An empty line.
    Blank,
    /// `# text`, the text without the `#`, verbatim.
    Comment(Name),
    /// `*filter`.
    Table(Name),
    /// `:INPUT ACCEPT [0:0]`; a policy of `-` is `None`.
    Chain {
        /// The chain.
        name: Name,
        /// The policy, `None` for `-`.
        policy: Option<Name>,
        /// Counters, if any.
        counters: Option<Counters>,
    },
    /// `-P INPUT DROP`, in `iptables -S` output or typed; words hold `-t TABLE` or counters where given.
    Policy {
        /// `iptables`, … if typed.
        program: Option<Name>,
        /// The chain.
        chain: Name,
        /// The policy.
        policy: Name,
        /// Further words, as in [`RuleLine::first`].
        first: u32,
        /// One behind the last further word.
        end: u32,
    },
    /// `-N CHAIN`; further words as in [`Item::Policy`].
    NewChain {
        /// `iptables`, … if typed.
        program: Option<Name>,
        /// The chain.
        chain: Name,
        /// Further words.
        first: u32,
        /// One behind the last further word.
        end: u32,
    },
    /// `-F CHAIN` and the like; the chain, if any, is the first plain word.
    Command {
        /// `iptables`, … if typed.
        program: Option<Name>,
        /// What it does.
        op: ChainOp,
        /// First of its words in [`Tree::words`].
        first: u32,
        /// One behind its last word.
        end: u32,
    },
    /// A rule.
    Rule(RuleLine),
    /// `COMMIT`.
    Commit,
}

/// A parsed file or command.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The texts of all names in the tree.
    pub names: Names,
    /// The lines in order; a line that could not be read is missing here and has a diagnostic.
    pub items: Vec<Item>,
    /// Span of each line, parallel to `items`, without its newline.
    pub spans: Vec<Span>,
    /// The words of all rules.
    pub words: Vec<Word>,
    /// Spans of the lines that could not be read, each with the table and chain it belongs to where that much was
    /// readable: an unreadable rule on the path is an unknown fact, never silently skipped.
    pub unreadable: Vec<Unreadable>,
}

/// A line that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The whole line.
    pub span: Span,
    /// How many items were read before it: it stood in front of `items[before]`.
    pub before: u32,
    /// The chain of an `-A CHAIN` or `-I CHAIN` line that went wrong later on.
    pub chain: Option<Name>,
}

impl Tree {
    /// The words of a rule.
    pub fn rule_words(&self, rule: &RuleLine) -> &[Word] {
        &self.words[rule.first as usize..rule.end as usize]
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.names.get(name)
    }
}
