//! What a rule's words say, before meaning: which extensions it loads and which options with which arguments they got.

use nettrace_grammar::Span;

use super::cx::Bad;
use super::registry::{Extension, Opt};

/// An extension that a rule loads.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Which.
    pub ext: &'static Extension,
    /// Its `-m NAME` or `-j NAME`, or the option that loaded it.
    pub span: Span,
}

/// An option that was given.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'t> {
    /// Index of the extension among those that the rule loads.
    pub load: u16,
    /// Which option.
    pub opt: &'static Opt,
    /// `!` stands in front.
    pub neg: bool,
    /// Its arguments; those it does not have are empty.
    pub values: [&'t str; 2],
    /// The option and its arguments.
    pub span: Span,
}

/// What one extension was given.
#[derive(Clone, Copy, Debug)]
pub struct Given<'p, 't> {
    /// The extension.
    pub load: Load,
    /// Its index among the rule's extensions.
    pub index: u16,
    /// The arguments of all of the rule's extensions.
    pub all: &'p [Arg<'t>],
}

impl<'p, 't> Given<'p, 't> {
    /// The options in order.
    pub fn args(&self) -> impl Iterator<Item = &'p Arg<'t>> + use<'p, 't> {
        let index = self.index;
        self.all.iter().filter(move |a| a.load == index)
    }

    /// An option by its name.
    pub fn get(&self, name: &str) -> Option<&'p Arg<'t>> {
        self.args().find(|a| a.opt.name == name)
    }

    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The argument of an option read by `read`, if the option was given.
    pub fn read<T>(&self, name: &str, read: impl Fn(&'t str) -> Option<T>) -> Result<Option<T>, Bad> {
        self.get(name).map(|a| a.value(read)).transpose()
    }

    /// Something wrong with the whole extension.
    pub fn bad(&self, message: impl Into<String>) -> Bad {
        Bad::new(self.load.span, message)
    }
}

/// What a port option takes.
const PORTS: &str =
    "a port, a service's name, or a range like `1024:65535`; several ports are `-m multiport --dports 22,80`";

impl<'t> Arg<'t> {
    /// The first argument.
    pub fn text(&self) -> &'t str {
        self.values[0]
    }

    /// The first argument read by `read`; `None` is a bad value.
    pub fn value<T>(&self, read: impl Fn(&'t str) -> Option<T>) -> Result<T, Bad> {
        read(self.values[0]).ok_or_else(|| self.bad_value(self.values[0]))
    }

    /// A bad value.
    pub fn bad_value(&self, value: &str) -> Bad {
        let bad = Bad::new(self.span, format!("`{}` is not a value of `{}`", value.escape_debug(), self.opt.name));
        Bad { help: matches!(self.opt.name, "--dport" | "--sport").then(|| PORTS.to_string()), ..bad }
    }

    /// Something wrong with this option.
    pub fn bad(&self, message: impl Into<String>) -> Bad {
        Bad::new(self.span, message)
    }
}
