//! Puts the found texts together: rules into a model, the rest into what is known of the host.
//!
//! Sets come before the rules that use them. Left out: finding the files ([`super::files`]).

use nettrace_engine::fact::Assumption;
use nettrace_engine::host::{self, Family as HostFamily, Part, Parts};
use nettrace_engine::lower::{iptables as xt, nft_json};
use nettrace_engine::model::{Dialect, Family, Model};
use nettrace_engine::sets;
use nettrace_engine::state::{Conn, State};
use nettrace_grammar::{Diagnostic, Severity, Source, Sources, ipset, iptables};

use super::files::{Found, Input};
use super::kinds::Kind;
use super::text;
use super::{Failure, Granted, Loaded, backend_name, granted};
use crate::cli::Backend;

/// Reads all that was found.
pub fn compose(mut found: Found, backend: Option<Backend>) -> Result<Loaded, Failure> {
    found.inputs.sort_by_key(|i| i.kind);
    let backend = backend.or_else(|| found.inputs.iter().filter(|i| i.kind == Kind::Case).find_map(case_backend));
    let mut sources = Sources::default();
    let mut long = Vec::new();
    for input in &mut found.inputs {
        // The texts live in the sources from here on; JSON as the listing that it stands for.
        let text = std::mem::take(&mut input.text);
        let no_ruleset = || Failure::new(format!("{} is no ruleset in nft's JSON", input.name));
        let text = match input.kind {
            Kind::NftJson => nft_json::listing(&text).ok_or_else(no_ruleset)?,
            _ => text,
        };
        let (text, cut) = if input.kind.has_lines(&text) { text::cut_lines(text) } else { (text, Vec::new()) };
        long.extend(text::complain(sources.add(input.name.clone(), text)?, &cut));
    }
    let listings = found.inputs.iter().zip(sources.iter()).filter(|(i, _)| matches!(i.kind, Kind::Nft | Kind::NftJson));
    let mut c = Composer {
        backend,
        listings: listings.map(|(_, source)| source).collect(),
        model: Model::default(),
        parts: Parts::default(),
        state: State::default(),
        diagnostics: long,
        assumptions: Vec::new(),
    };
    for (input, source) in found.inputs.iter().zip(sources.iter()) {
        c.read(input, source);
    }
    let Composer { mut model, parts, state, diagnostics, mut assumptions, .. } = c;
    assumptions.extend(granted::lost(&mut model, &sources));
    assumptions.extend(granted::as_listed(&model));
    model.unread = granted::unread(&found, &sources, &model);
    let granted = Granted::new(assumptions, &model);
    Ok(Loaded { sources, model, parts, state, diagnostics, granted, sample: found.sample, found })
}

/// The backend that a recorded case names.
fn case_backend(input: &Input) -> Option<Backend> {
    let json: serde_json::Value = serde_json::from_str(&input.text).ok()?;
    match json.get("backend")?.as_str()? {
        "iptables-legacy" => Some(Backend::Legacy),
        "iptables-nft" => Some(Backend::Nft),
        _ => None,
    }
}

struct Composer<'s> {
    backend: Option<Backend>,
    listings: Vec<&'s Source>,
    model: Model,
    parts: Parts,
    state: State,
    diagnostics: Vec<Diagnostic>,
    assumptions: Vec<Assumption>,
}

impl Composer<'_> {
    fn read(&mut self, input: &Input, source: &Source) {
        match input.kind {
            Kind::Iptables => self.iptables(input, source, Family::Ip),
            Kind::Ip6tables => self.iptables(input, source, Family::Ip6),
            Kind::Nft => self.nft(source),
            Kind::NftJson => {
                self.nft(source);
                let found: Vec<_> = nft_json::without_device(source).collect();
                self.model.lost.extend(found.iter().map(|d| d.span));
                self.diagnostics.extend(found);
            }
            Kind::Ipset => {
                let (tree, found) = ipset::parse(source);
                self.left_out(found);
                self.diagnostics.extend(sets::lower(&tree, &mut self.model));
            }
            Kind::Conntrack => {
                let (conns, diagnostics) = host::connections(source);
                self.state.conns.told = true;
                for conn in conns {
                    self.state.conns.insert(Conn { listed: true, ..conn });
                }
                self.left_out(diagnostics);
            }
            Kind::Expectations => {
                let (expected, diagnostics) = host::expectations(source);
                self.state.expected.extend(expected);
                self.left_out(diagnostics);
            }
            kind => {
                if let Some(part) = part(kind) {
                    let found = self.parts.read(part, source);
                    self.left_out(found);
                }
            }
        }
    }

    /// What a reader says of entries: each error is one that is left out, and an address, a route or a connection that is missing
    /// sends packets elsewhere. (Lowering notes itself what it loses of rules.)
    fn left_out(&mut self, found: Vec<Diagnostic>) {
        let errors = found.iter().filter(|d| d.severity == Severity::Error);
        self.model.lost.extend(errors.map(|d| d.span));
        self.diagnostics.extend(found);
    }

    fn nft(&mut self, source: &Source) {
        let parsed = nettrace_grammar::nft::parse(source);
        self.assumptions.extend(granted::as_ruleset(&parsed.tree));
        let (found, both) = super::mixed::lower(parsed.tree, &mut self.model);
        self.diagnostics.extend(parsed.diagnostics);
        self.diagnostics.extend(found);
        if !both.is_empty() {
            self.assumptions.push(Assumption {
                fact: format!("{}: rules as in", both.join(", ")).into(),
                value: "iptables-save".into(),
                why: "nft's listing of an iptables-nft table leaves things out; the order of chains is the listing's"
                    .into(),
                flag: "".into(),
            });
        }
    }

    fn iptables(&mut self, input: &Input, source: &Source, family: Family) {
        let (tree, found) = iptables::parse(source);
        self.diagnostics.extend(found);
        let (_, told) = xt::detect(&tree);
        let given = self.backend.map(|b| match b {
            Backend::Legacy => Dialect::Legacy,
            Backend::Nft => Dialect::IptablesNft,
        });
        let dialect = given.or(told).unwrap_or_else(|| self.likely(input, &tree, family));
        self.assumptions.extend(granted::as_whole(input, &tree));
        self.diagnostics.extend(xt::lower_away(tree, xt::Options { family, dialect }, &mut self.model));
    }
}

impl Composer<'_> {
    /// Which iptables made a dump whose header does not tell: nft lists the tables of iptables-nft.
    fn likely(&mut self, input: &Input, tree: &iptables::tree::Tree, family: Family) -> Dialect {
        let tables: Vec<&str> = xt::tables(tree).collect();
        if tree.items.is_empty() {
            return Dialect::Legacy;
        }
        let listed = self.listings.iter().any(|l| super::mixed::lists(l, family, &tables));
        let (dialect, backend, why, flag) = if listed {
            (Dialect::IptablesNft, Backend::Nft, "nft lists its tables too", "--backend legacy")
        } else {
            (Dialect::Legacy, Backend::Legacy, "its header does not tell", "--backend nft")
        };
        self.assumptions.push(Assumption {
            fact: format!("{} is of", input.name.rsplit('/').next().unwrap_or(&input.name)).into(),
            value: backend_name(backend).into(),
            why: why.into(),
            flag: flag.into(),
        });
        dialect
    }
}

/// The part of the host that a kind of dump tells.
fn part(kind: Kind) -> Option<Part> {
    Some(match kind {
        Kind::Links => Part::Links,
        Kind::Addresses => Part::Addresses,
        Kind::Routes4 => Part::Routes(Some(HostFamily::V4)),
        Kind::Routes6 => Part::Routes(Some(HostFamily::V6)),
        Kind::Rules4 => Part::Rules(HostFamily::V4),
        Kind::Rules6 => Part::Rules(HostFamily::V6),
        Kind::Neighbours => Part::Neighbours,
        Kind::BridgeLinks => Part::BridgeLinks,
        Kind::Fdb => Part::Fdb,
        Kind::Sysctls => Part::Sysctls,
        _ => return None,
    })
}
