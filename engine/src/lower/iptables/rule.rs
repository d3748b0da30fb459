//! One rule: its built-in conditions, its matches in the order they were loaded, and its target.
//!
//! An extension that cannot be lowered is taken back and kept as text, so that the rule's other conditions stay.

use nettrace_grammar::iptables::tree::RuleLine;
use nettrace_grammar::{Diagnostic, Span};

use crate::limits;
use crate::model::{Draft, Model, Op, RuleId, Test, Verdict};

use super::args::{Given, Load};
use super::builtin::{self, Network};
use super::cx::{Bad, Cx};
use super::globals::Global;
use super::registry::Kind;
use super::suggest::did_you_mean;
use super::tables::{Lowerer, Place};
use super::words::{Builtin, Jump, Parsed};
use super::{place, registry, values};

/// The networks of `-s` or `-d`: nearly always one, or none that can be read.
enum Side {
    One(Option<Network>),
    Many(Vec<Option<Network>>),
}

impl Side {
    fn networks(&self) -> &[Option<Network>] {
        match self {
            Side::One(one) => std::slice::from_ref(one),
            Side::Many(many) => many,
        }
    }
}

/// The networks of `-s` and `-d`.
fn sides(parsed: &Parsed<'_>, place: Place) -> [Side; 2] {
    [Global::Source, Global::Destination].map(|side| match parsed.builtin.iter().find(|b| b.what == side) {
        None => Side::One(None),
        Some(given) if !given.value.contains(',') => Side::One(builtin::one_network(place.family, given.value)),
        Some(given) => match builtin::networks(place.family, given) {
            Ok(networks) => Side::Many(networks.into_iter().map(Some).collect()),
            Err(_) => Side::One(None),
        },
    })
}

/// What a jump leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Verdict(Verdict),
    Extension,
    Unknown,
}

impl Lowerer<'_, '_> {
    /// Adds the rules that a line stands for to `ids`: several when it names several addresses.
    pub(super) fn rules(&mut self, line: &RuleLine, place: Place, span: Span, ids: &mut Vec<RuleId>) {
        self.read_words(line, place);
        let parsed = std::mem::take(&mut self.parsed);
        let mut found = Vec::new();
        if parsed.skip {
            self.parsed = parsed;
            return;
        }
        let sides = sides(&parsed, place);
        if self.is_too_many(&sides) {
            let message = format!("the lines with several addresses stand for more than {} rules", limits::PRODUCTS);
            self.diagnostics.push(Diagnostic::error("NT113", span, message).label("taken as an unknown rule"));
            ids.push(self.unknown_rule(place.chain, span));
            self.parsed = parsed;
            return;
        }
        for source in sides[0].networks() {
            for destination in sides[1].networks() {
                let nets = [*source, *destination];
                let mut diagnostics = Vec::new();
                let mut draft = self.draft(&parsed, place, nets, &mut diagnostics);
                if ids.is_empty() {
                    found = diagnostics;
                }
                ids.push(self.model.add_rule(place.chain, &draft, span));
                draft.ops.clear();
                self.ops = draft.ops;
            }
        }
        self.diagnostics.extend_from_slice(&parsed.diagnostics);
        self.diagnostics.append(&mut found);
        self.parsed = parsed;
    }

    /// Whether a line of several addresses stands for more rules than are left.
    fn is_too_many(&mut self, sides: &[Side; 2]) -> bool {
        let rules = sides[0].networks().len() * sides[1].networks().len();
        if rules < 2 {
            return false;
        }
        self.products += rules;
        let too_many = self.products > limits::PRODUCTS;
        self.products -= if too_many { rules } else { 0 };
        too_many
    }

    fn cx(&mut self, place: Place) -> Cx<'_> {
        let dialect = self.model.table(place.table).dialect;
        Cx {
            draft: Draft { ops: std::mem::take(&mut self.ops), ..Draft::default() },
            family: place.family,
            dialect,
            table: place.table,
            hook: self.model.chain(place.chain).base.as_ref().map(|b| b.hook),
            proto: None,
            model: self.model,
        }
    }

    fn draft(
        &mut self,
        parsed: &Parsed<'_>,
        place: Place,
        nets: [Option<Network>; 2],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Draft {
        let jump = parsed.jump.map(|j| (j, Self::target(&j)));
        let unknown = jump.is_some_and(|(_, t)| t == Target::Unknown);
        let names = if unknown { self.chain_names(place.table) } else { Vec::new() };
        let mut cx = self.cx(place);
        builtins(&mut cx, &parsed.builtin, nets, diagnostics);
        extensions(&mut cx, parsed, Kind::Match, diagnostics);
        for text in &parsed.opaque {
            let test = opaque(cx.model, text);
            cx.test(test);
        }
        cx.draft.matches = Some(cx.draft.ops.len() as u16);
        let plain = cx.draft.ops.is_empty() && !parsed.loads.iter().any(|l| l.ext.kind == Kind::Match);
        diagnostics.extend(parsed.jump.and_then(|jump| place::jump(&cx, &jump)));
        match jump {
            Some((_, Target::Verdict(verdict))) => {
                cx.draft.unconditional = plain && !matches!(verdict, Verdict::Jump(_) | Verdict::Goto(_));
                cx.verdict(verdict);
            }
            Some((_, Target::Extension)) => extensions(&mut cx, parsed, Kind::Target, diagnostics),
            Some((jump, Target::Unknown)) => {
                let text = parsed.unknown_target.clone();
                diagnostics.push(unknown_target(&mut cx, &jump, text, &names));
            }
            None => {}
        }
        cx.draft
    }

    fn target(jump: &Jump<'_>) -> Target {
        let verdict = match jump.name {
            _ if jump.load.is_some() => return Target::Extension,
            "ACCEPT" if !jump.goto => Verdict::Accept,
            "DROP" if !jump.goto => Verdict::Drop,
            "RETURN" if !jump.goto => Verdict::Return,
            "QUEUE" if !jump.goto => Verdict::Queue { num: 0, bypass: false },
            _ => match jump.chain {
                Some(chain) if jump.goto => Verdict::Goto(chain),
                Some(chain) => Verdict::Jump(chain),
                None => return Target::Unknown,
            },
        };
        Target::Verdict(verdict)
    }
}

/// A condition known as text only. With `!` in front of its one option it is the negation of the one without.
fn opaque(model: &mut Model, text: &str) -> Test {
    let words: Vec<&str> = text.split(' ').collect();
    let options = words.iter().skip(2).filter(|w| w.starts_with("--")).count();
    let bangs = words.iter().filter(|w| **w == "!").count();
    if words.first() != Some(&"-m") || options != 1 || bangs != 1 {
        return model.opaque_test(text);
    }
    let plain: Vec<&str> = words.into_iter().filter(|w| *w != "!").collect();
    let test = model.opaque_test(plain.join(" "));
    Test::Not(model.push_test(test))
}

fn unknown_target(cx: &mut Cx<'_>, jump: &Jump<'_>, text: Option<String>, names: &[String]) -> Diagnostic {
    let name = jump.name.escape_debug();
    let text = text.unwrap_or_else(|| format!("{} {name}", if jump.goto { "-g" } else { "-j" }));
    let text = cx.model.push_text(text);
    cx.draft.ops.push(Op::Opaque(text));
    let message = format!("`{name}` is neither a chain of this table nor a target that is known");
    let mut diagnostic =
        Diagnostic::error("NT110", jump.span, message).label("taken as unknown: it may continue, accept or drop");
    let targets = registry::TARGETS.iter().map(|e| e.name).chain(["ACCEPT", "DROP", "RETURN", "QUEUE"]);
    diagnostic.help = did_you_mean(jump.name, targets.chain(names.iter().map(String::as_str)));
    diagnostic
}

fn builtins(cx: &mut Cx<'_>, given: &[Builtin<'_>], nets: [Option<Network>; 2], diagnostics: &mut Vec<Diagnostic>) {
    cx.proto =
        given.iter().find(|b| b.what == Global::Protocol).and_then(|b| Some((values::protocol(b.value)?, b.neg)));
    // In the kernel's order, however they were written.
    let given = |what: Global| given.iter().find(move |b| b.what == what);
    for (side, net, option) in [(Global::Source, nets[0], "-s"), (Global::Destination, nets[1], "-d")] {
        match (given(side), net) {
            (None, _) => {}
            (Some(b), Some(net)) => builtin::network(cx, b, net),
            (Some(b), None) => {
                let why = builtin::networks(cx.family, b).err().unwrap_or("not an address");
                builtin::opaque(cx, b, option, why, diagnostics);
            }
        }
    }
    for what in [Global::In, Global::Out, Global::Protocol, Global::Fragment] {
        if let Some(b) = given(what) {
            builtin::lower(cx, b, diagnostics);
        }
    }
}

/// Lowers the rule's matches, or its target.
fn extensions(cx: &mut Cx<'_>, parsed: &Parsed<'_>, kind: Kind, diagnostics: &mut Vec<Diagnostic>) {
    for (index, load) in parsed.loads.iter().enumerate().filter(|(_, l)| l.ext.kind == kind) {
        let given = Given { load: *load, index: index as u16, all: &parsed.args };
        let ops = cx.draft.ops.len();
        diagnostics.extend(place::extension(cx, &given));
        if let Err(bad) = check(cx, &given).and_then(|()| (load.ext.lower)(cx, &given)) {
            cx.draft.ops.truncate(ops);
            let text = cx.model.push_text(spelled(load, &given));
            cx.draft.ops.push(match kind {
                Kind::Match => Op::Test(Test::Opaque(text)),
                Kind::Target => Op::Opaque(text),
            });
            let mut diagnostic = Diagnostic::error("NT111", bad.span, bad.message);
            diagnostic.help = bad.help;
            diagnostics.push(diagnostic);
        }
    }
}

/// What the tables of options demand.
fn check(cx: &Cx<'_>, given: &Given<'_, '_>) -> Result<(), Bad> {
    let ext = given.load.ext;
    if let Some(opt) = ext.options.iter().find(|o| o.must && !given.has(o.name)) {
        return Err(given.bad(format!("`{}` needs `{}`", ext.name, opt.name)));
    }
    if ext.some && given.args().next().is_none() {
        return Err(given.bad(format!("`{}` needs an option", ext.name)));
    }
    let proto = cx.proto.filter(|p| !p.1).map(|p| p.0);
    if !ext.protos.is_empty() && !proto.is_some_and(|p| ext.protos.contains(&p)) {
        return Err(given.bad(format!("`{}` needs a `-p` that goes with it", ext.name)));
    }
    Ok(())
}

/// An extension as it was written.
pub(super) fn spelled(load: &Load, given: &Given<'_, '_>) -> String {
    let mut out = format!("{} {}", if load.ext.kind == Kind::Match { "-m" } else { "-j" }, load.ext.name);
    for arg in given.args() {
        out.push_str(if arg.neg { " ! " } else { " " });
        out.push_str(arg.opt.name);
        for value in arg.values.iter().take(arg.opt.args.into()) {
            out.push(' ');
            out.push_str(value);
        }
    }
    out
}
