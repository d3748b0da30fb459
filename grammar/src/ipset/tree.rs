//! The tree of `ipset save`: flat lines, and where the text stands that each has behind the set's name.
//!
//! `add blocked 10.0.0.1 timeout 60` is a line with the set's interned name and the place of `10.0.0.1 timeout 60` in the
//! source: 24 bytes, since a dump holds up to millions of entries, each but once.

use crate::names::{Name, Names};
use crate::source::{Source, Span};

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// An empty line.
    Blank,
    /// `# text`; the text without the `#`.
    Comment,
    /// `create SET TYPE OPTION…`; the text begins with the type.
    Create,
    /// `add SET ENTRY OPTION…`; the text begins with the entry.
    Add,
    /// `del SET ENTRY`.
    Delete,
    /// `test SET ENTRY`.
    Test,
    /// `flush [SET]`.
    Flush,
    /// `destroy [SET]`.
    Destroy,
    /// `rename SET NEW`; the text is the new name.
    Rename,
    /// `swap SET OTHER`; the text is the other name.
    Swap,
    /// `save [SET]`.
    Save,
    /// `list [SET]`.
    List,
    /// `COMMIT`.
    Commit,
}

impl LineKind {
    /// The command as `ipset save` spells it; empty for lines that are none.
    pub fn command(self) -> &'static str {
        match self {
            LineKind::Blank | LineKind::Comment => "",
            LineKind::Create => "create",
            LineKind::Add => "add",
            LineKind::Delete => "del",
            LineKind::Test => "test",
            LineKind::Flush => "flush",
            LineKind::Destroy => "destroy",
            LineKind::Rename => "rename",
            LineKind::Swap => "swap",
            LineKind::Save => "save",
            LineKind::List => "list",
            LineKind::Commit => "COMMIT",
        }
    }
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Position of its first byte.
    pub pos: u32,
    /// The set; the empty name where none is given.
    pub set: Name,
    /// Where its text begins: in the source, or counted on from the source's end in what the tree made itself.
    pub start: u32,
    /// Where its text ends.
    pub end: u32,
    /// Length of the line in its source, without the newline; the largest number also stands for longer ones.
    pub len: u16,
    /// What it does.
    pub kind: LineKind,
    /// It began with `ipset`.
    pub typed: bool,
}

/// A parsed file or command.
#[derive(Clone, Debug)]
pub struct Tree<'s> {
    /// What it was read from.
    pub source: &'s Source,
    /// The names of sets.
    pub names: Names,
    /// The lines in order; those that could not be read are missing and have a diagnostic.
    pub lines: Vec<Line>,
    /// Texts that do not stand in the source as they should.
    pub(super) made: String,
}

impl<'s> Tree<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Tree { source, names: Names::default(), lines: Vec::new(), made: String::new() }
    }

    /// What stands behind the set's name, words separated by single blanks, comments in `"`: `10.0.0.1 timeout 60`.
    pub fn text(&self, line: &Line) -> &str {
        let (source, start, end) = (&self.source.text, line.start as usize, line.end as usize);
        let made = || self.made.get(start.checked_sub(source.len())?..end.checked_sub(source.len())?);
        if end <= source.len() { source.get(start..end) } else { made() }.unwrap_or("")
    }

    /// The set's name.
    pub fn set(&self, line: &Line) -> &str {
        self.names.get(line.set)
    }

    /// The words of [`Tree::text`], quotes removed.
    pub fn words(&self, line: &Line) -> Words<'_> {
        Words(self.text(line))
    }
}

impl Line {
    /// Where it stands.
    pub fn span(&self) -> Span {
        Span::new(self.pos, self.pos.saturating_add(self.len as u32))
    }
}

/// Words of a text, made by [`Tree::words`].
#[derive(Clone, Debug)]
pub struct Words<'t>(&'t str);

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let rest = self.0.trim_start_matches(' ');
        if rest.is_empty() {
            return None;
        }
        let (word, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        self.0 = rest;
        Some(word)
    }
}
