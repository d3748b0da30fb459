//! Words to options, as iptables' `getopt_long` loop reads them: which words belong to which option of which extension.
//!
//! `-p tcp --dport 80 -j ACCEPT` loads `tcp` because `--dport` is no option yet and the protocol has a match of that name.
//! A long option may be shortened while that is unique; the extension loaded last wins. Left out: what values mean.

use nettrace_grammar::iptables::tree::{Word, WordKind};
use nettrace_grammar::{Diagnostic, Span};

use crate::limits;
use crate::model::{ChainId, Family};

use super::args::{Arg, Load};
use super::globals::{Cache, GLOBAL, GLOBALS, Global, MATCH, TARGET, global};
use super::registry::{self, Extension, Opt, find_match};
use super::suggest::did_you_mean;
use super::values;

/// A built-in condition that was given.
#[derive(Clone, Copy, Debug)]
pub struct Builtin<'t> {
    /// Which.
    pub what: Global,
    /// `!` stands in front.
    pub neg: bool,
    /// Its argument.
    pub value: &'t str,
    /// The option and its argument.
    pub span: Span,
}

/// What `-j` or `-g` names.
#[derive(Clone, Copy, Debug)]
pub struct Jump<'t> {
    /// The chain, verdict or target.
    pub name: &'t str,
    /// The chain of that name, unless the name is a verdict's or a target's.
    pub chain: Option<ChainId>,
    /// `-g`.
    pub goto: bool,
    /// The option and its argument.
    pub span: Span,
    /// Index in [`Parsed::loads`] when it is a target extension.
    pub load: Option<u16>,
}

/// A rule's words, sorted.
#[derive(Debug, Default)]
pub struct Parsed<'t> {
    /// Built-in conditions in order.
    pub builtin: Vec<Builtin<'t>>,
    /// Extensions in the order they were loaded.
    pub loads: Vec<Load>,
    /// Their options.
    pub args: Vec<Arg<'t>>,
    /// Conditions that are only known as text.
    pub opaque: Vec<String>,
    /// The rule is for the other family.
    pub skip: bool,
    /// `-t`.
    pub table: Option<&'t str>,
    /// `-c`.
    pub counters: Option<(u64, u64)>,
    /// `-j` or `-g`.
    pub jump: Option<Jump<'t>>,
    /// `-j` with what follows it, when that is neither a chain nor known.
    pub unknown_target: Option<String>,
    /// What was wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// Names that misspelt ones of this and earlier rules were compared with.
    hints: usize,
}

impl Parsed<'_> {
    fn clear(&mut self) {
        self.builtin.clear();
        self.loads.clear();
        self.args.clear();
        self.opaque.clear();
        self.skip = false;
        self.table = None;
        self.counters = None;
        self.jump = None;
        self.unknown_target = None;
        self.diagnostics.clear();
    }
}

enum Found {
    Global(Global, u8),
    Ext(u16, &'static Opt),
    Ambiguous,
    None,
}

/// Reads words into a [`Parsed`].
pub struct Reader<'t, 'p> {
    words: &'p [Word<'t>],
    at: usize,
    family: Family,
    /// The chain of a name, and whether these rules brought it.
    chain: &'p dyn Fn(&str) -> Option<(ChainId, bool)>,
    cache: &'p mut Cache<'t>,
    out: &'p mut Parsed<'t>,
    proto: Option<&'t str>,
    implied: bool,
}

/// Reads the words of a rule into `out`, which is emptied first.
pub fn read<'t>(
    words: &[Word<'t>],
    family: Family,
    chain: &dyn Fn(&str) -> Option<(ChainId, bool)>,
    cache: &mut Cache<'t>,
    out: &mut Parsed<'t>,
) {
    out.clear();
    let cache = cache.of_family(family);
    Reader { words, at: 0, family, chain, cache, out, proto: None, implied: false }.run();
}

impl<'t> Reader<'t, '_> {
    fn text(&self, at: usize) -> Option<&'t str> {
        self.words.get(at).map(|w| w.text)
    }

    /// From the first word to one before `end`.
    fn span(&self, from: usize, end: usize) -> Span {
        let start = self.words.get(from).map_or(0, |w| w.pos);
        let last = end.saturating_sub(1).max(from);
        let stop = self.words.get(last).map_or(start, |w| {
            let quotes = if w.kind == WordKind::Quoted { 2 } else { 0 };
            w.pos + w.text.len() as u32 + quotes
        });
        Span::new(start, stop.max(start))
    }

    fn run(&mut self) {
        while let Some(text) = self.text(self.at) {
            let from = self.at;
            let mut neg = false;
            let mut option = text;
            if text == "!" {
                self.at += 1;
                neg = true;
                match self.text(self.at) {
                    Some(next) => option = next,
                    None => return self.error("NT103", from, "`!` stands at the end"),
                }
            }
            self.at += 1;
            if option.len() > 1 && option.starts_with('-') {
                self.option(from, option, neg);
            } else {
                self.at = self.at.max(from + 1);
                self.unknown(from, option, &format!("`{}` is not an option", option.escape_debug()));
            }
        }
    }

    fn option(&mut self, from: usize, option: &'t str, neg: bool) {
        let (name, glued) = match option.strip_prefix("--") {
            Some(_) => values::cut(option, b'=').map_or((option, None), |(name, value)| (name, Some(value))),
            None if option.is_char_boundary(2) && option.len() > 2 => (&option[..2], Some(&option[2..])),
            None => (option, None),
        };
        let global = if name.len() == 2 { global(name) } else { self.cache.place(GLOBAL, name, || global(name)) };
        if let Some(g) = global.map(|g| GLOBALS[g]) {
            return self.global(g.3, g.4, from, glued, neg);
        }
        match self.find(name, from) {
            Found::Global(what, args) => self.global(what, args, from, glued, neg),
            Found::Ext(load, opt) => self.given(load, opt, from, glued, neg),
            Found::Ambiguous => self.unknown(from, name, &format!("`{name}` is short for several options")),
            Found::None => {
                let message = format!("no option `{}` here", name.escape_debug());
                self.unknown(from, name, &message);
            }
        }
    }

    fn find(&mut self, name: &str, from: usize) -> Found {
        match self.find_loaded(name) {
            Found::None if !self.implied => {}
            found => return found,
        }
        let implied = self.proto.and_then(|p| implied_match(p, self.family));
        let Some(ext) = implied.filter(|e| !self.out.loads.iter().any(|l| l.ext.name == e.name)) else {
            return Found::None;
        };
        self.implied = true;
        self.out.loads.push(Load { ext, span: self.span(from, from + 1) });
        self.find_loaded(name)
    }

    fn find_loaded(&self, name: &str) -> Found {
        let loads = || self.out.loads.iter().enumerate().rev();
        let exact = |o: &&Opt| o.is(name);
        if let Some((i, opt)) = loads().find_map(|(i, l)| l.ext.options.iter().find(exact).map(|o| (i, o))) {
            return Found::Ext(i as u16, opt);
        }
        if !name.starts_with("--") || name.len() < 3 {
            return Found::None;
        }
        self.find_shortened(name)
    }

    fn find_shortened(&self, name: &str) -> Found {
        let mut found = Found::None;
        let mut names: Vec<&str> = Vec::new();
        for g in GLOBALS {
            for long in [g.1, g.2].into_iter().filter(|l| l.starts_with(name)) {
                names.push(long);
                found = Found::Global(g.3, g.4);
            }
        }
        for (i, load) in self.out.loads.iter().enumerate().rev() {
            for opt in load.ext.options.iter().filter(|o| o.name.starts_with(name) || o.alias.starts_with(name)) {
                if !names.contains(&opt.name) {
                    names.push(opt.name);
                    found = Found::Ext(i as u16, opt);
                }
            }
        }
        match names.len() {
            0 => Found::None,
            1 => found,
            _ => Found::Ambiguous,
        }
    }

    fn take(&mut self, glued: Option<&'t str>) -> Option<&'t str> {
        glued.or_else(|| {
            let text = self.text(self.at)?;
            self.at += 1;
            Some(text)
        })
    }

    fn global(&mut self, what: Global, args: u8, from: usize, glued: Option<&'t str>, mut neg: bool) {
        if what == Global::Wait {
            let number = self.text(self.at).is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit()));
            self.at += usize::from(glued.is_none() && number);
            return;
        }
        let mut value = "";
        if args > 0 {
            if glued.is_none() && self.text(self.at) == Some("!") && self.text(self.at + 1).is_some() {
                self.old_negation(from);
                neg = !neg;
            }
            match self.take(glued) {
                Some(text) => value = text,
                None => return self.error("NT104", from, "its argument is missing"),
            }
        }
        let span = self.span(from, self.at);
        match what {
            Global::Match => self.load(value, from, neg),
            Global::Jump | Global::Goto if self.out.jump.is_some() => {
                self.error("NT105", from, "a rule has one `-j` or `-g`");
            }
            Global::Jump | Global::Goto => self.jump(value, what == Global::Goto, from),
            Global::Table => self.out.table = Some(value),
            Global::Counters => self.counters(value, from),
            Global::Only(family) => self.out.skip |= family != self.family,
            Global::Nothing | Global::Wait => {}
            _ => {
                if what == Global::Protocol {
                    self.proto = Some(value);
                    self.implied = false;
                }
                if self.out.builtin.iter().any(|b| b.what == what) {
                    return self.error("NT105", from, "this option was given already");
                }
                self.out.builtin.push(Builtin { what, neg, value, span });
            }
        }
    }

    fn old_negation(&mut self, from: usize) {
        self.at += 1;
        let span = self.span(from, self.at);
        self.out.diagnostics.push(
            Diagnostic::warning("NT106", span, "`!` behind an option is the old way")
                .help("newer versions of iptables want it in front of the option"),
        );
    }

    /// The extension of that name.
    fn extension(&mut self, kind: usize, name: &'t str) -> Option<&'static Extension> {
        let family = self.family;
        let all = if kind == MATCH { registry::MATCHES } else { registry::TARGETS };
        self.cache.place(kind, name, || all.iter().position(|e| e.is(name, family))).map(|i| all[i])
    }

    fn load(&mut self, name: &'t str, from: usize, neg: bool) {
        match self.extension(MATCH, name) {
            Some(ext) if !neg => self.out.loads.push(Load { ext, span: self.span(from, self.at) }),
            Some(_) => self.error("NT107", from, "`!` stands in front of a match's option, not of `-m`"),
            None => {
                let span = self.span(from, self.at);
                let names: Vec<&str> = registry::MATCHES.iter().map(|e| e.name).collect();
                let mut diagnostic =
                    Diagnostic::warning("NT102", span, format!("match `{}` is not known", name.escape_debug()))
                        .label("taken as a condition that may hold or not");
                diagnostic.help = self.meant(name, &names);
                self.out.diagnostics.push(diagnostic);
                self.skip_options();
                let text = self.join(from, self.at);
                self.out.opaque.push(text);
            }
        }
    }

    /// Passes over the options of an extension that is not known: as far as an option that is known.
    fn skip_options(&mut self) {
        while let Some(text) = self.text(self.at) {
            let next = if text == "!" { self.text(self.at + 1).unwrap_or("") } else { text };
            let option = next.len() > 1 && next.starts_with('-');
            if option && (global(next).is_some() || !matches!(self.find_loaded(next), Found::None)) {
                return;
            }
            self.at += 1;
        }
    }

    fn jump(&mut self, name: &'t str, goto: bool, from: usize) {
        let verdict = !goto && matches!(name, "ACCEPT" | "DROP" | "RETURN" | "QUEUE");
        // A target goes before a chain of its name that was there before.
        let jumps = |own| own || goto || registry::find_target(name, self.family).is_none();
        let found = if verdict { None } else { (self.chain)(name) };
        let chain = found.filter(|(_, own)| jumps(*own)).map(|(chain, _)| chain);
        let ext = if goto || verdict || chain.is_some() { None } else { self.extension(TARGET, name) };
        if ext.is_none() && !goto && !verdict && chain.is_none() {
            self.skip_options();
            self.out.unknown_target = Some(self.join(from, self.at));
        }
        let span = self.span(from, self.at);
        let load = ext.map(|ext| {
            self.out.loads.push(Load { ext, span });
            self.out.loads.len() as u16 - 1
        });
        self.out.jump = Some(Jump { name, chain, goto, span, load });
    }

    fn counters(&mut self, packets: &str, from: usize) {
        let bytes = match packets.split_once(',') {
            Some((_, bytes)) => Some(bytes),
            None => self.take(None),
        };
        let packets = packets.split_once(',').map_or(packets, |p| p.0);
        match (packets.parse(), bytes.map(str::parse)) {
            (Ok(packets), Some(Ok(bytes))) => self.out.counters = Some((packets, bytes)),
            _ => self.error("NT104", from, "counters are two numbers"),
        }
    }

    fn given(&mut self, load: u16, opt: &'static Opt, from: usize, glued: Option<&'t str>, mut neg: bool) {
        let mut values = [""; 2];
        let bang = opt.args > 0 && glued.is_none() && opt.neg && self.text(self.at) == Some("!");
        if bang && self.text(self.at + 1).is_some() {
            self.old_negation(from);
            neg = !neg;
        }
        for (i, value) in values.iter_mut().take(opt.args.into()).enumerate() {
            match self.take(glued.filter(|_| i == 0)) {
                Some(text) => *value = text,
                None => return self.error("NT104", from, &format!("the argument of `{}` is missing", opt.name)),
            }
        }
        let span = self.span(from, self.at);
        if neg && !opt.neg {
            self.error("NT107", from, &format!("`!` is not allowed with `{}`", opt.name));
            let text = self.join(from, self.at);
            return self.out.opaque.push(text);
        }
        let twice = self.out.args.iter().any(|a| a.load == load && a.opt.name == opt.name);
        if twice && !opt.many {
            self.error("NT105", from, &format!("`{}` was given already", opt.name));
            let text = self.join(from, self.at);
            return self.out.opaque.push(text);
        }
        self.out.args.push(Arg { load, opt, neg, values, span });
    }

    /// What a misspelt name may mean; not looked for any more when many were.
    fn meant(&mut self, name: &str, names: &[&str]) -> Option<String> {
        if self.out.hints >= limits::HINTS {
            return None;
        }
        self.out.hints += names.len();
        did_you_mean(name, names.iter().copied())
    }

    /// An option that nothing knows: it and what follows up to the next option is a condition only known as text.
    fn unknown(&mut self, from: usize, name: &str, message: &str) {
        let mut diagnostic = Diagnostic::error("NT101", self.span(from, self.at), message);
        let options = self.out.loads.iter().flat_map(|l| l.ext.options).flat_map(|o| [o.name, o.alias]);
        let globals = GLOBALS.iter().flat_map(|g| [g.1, g.2]);
        let names: Vec<&str> = options.chain(globals).collect();
        diagnostic.help = elsewhere(name).or_else(|| self.meant(name, &names));
        self.out.diagnostics.push(diagnostic);
        while self.words.get(self.at).is_some_and(|w| matches!(w.kind, WordKind::Plain | WordKind::Quoted)) {
            self.at += 1;
        }
        let text = self.join(from, self.at);
        self.out.opaque.push(text);
    }

    fn error(&mut self, code: &'static str, from: usize, message: &str) {
        let span = self.span(from, self.at.min(self.words.len()));
        self.out.diagnostics.push(Diagnostic::error(code, span, message));
        if code == "NT104" || code == "NT103" {
            let text = self.join(from, self.words.len());
            self.out.opaque.push(text);
        }
    }

    fn join(&self, from: usize, end: usize) -> String {
        join(&self.words[from..end.clamp(from, self.words.len())])
    }
}

/// Where an option is that stands at the wrong place: ports need their protocol in front, other options their match.
fn elsewhere(name: &str) -> Option<String> {
    let ports = matches!(name, "--dport" | "--sport" | "--destination-port" | "--source-port");
    if ports {
        return Some(format!("`{name}` needs `-p tcp`, `-p udp` or another protocol with ports in front"));
    }
    let has = |e: &&&Extension| e.options.iter().any(|o| o.is(name));
    let mut owners = registry::MATCHES.iter().filter(has);
    let (first, more) = (owners.next()?, owners.next());
    more.is_none().then(|| format!("`{name}` belongs to `-m {}`, which has to stand in front", first.name))
}

/// Words as one text, separated by blanks.
pub fn join(words: &[Word]) -> String {
    let texts: Vec<_> = words.iter().map(|w| w.text).collect();
    texts.join(" ")
}

/// The match that an option of this protocol loads by itself.
fn implied_match(proto: &str, family: Family) -> Option<&'static Extension> {
    let name = match values::protocol(proto)? {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        108 => "ipcomp",
        132 => "sctp",
        135 => "mh",
        _ => return None,
    };
    find_match(name, family)
}
