//! Labels for chains, rules, marks and sets in the words of the program that wrote them: `KUBE-SEP-VKIPXDQHDOL5KL3V`
//! is "endpoint 10.244.166.136:8200 of paas/config-center:http".
//!
//! One owner (kube-proxy, Calico, Docker, …) is one file: a table of its names and marks, and functions for what has to
//! be read out of comments, recomputed from hashes or found by following jumps. Adding an owner is that file and one line
//! in `OWNERS`. Nothing is computed before it is asked for.
//!
//! Left out: a comment that says what a rule is already is its own label; it stands in the rule's text.

mod calico;
mod cilium;
mod crio;
mod docker;
mod firewalld;
mod flannel;
mod hash;
mod istio;
mod kube_proxy;
mod kube_router;
mod libvirt;
mod opens;
mod ovn;
mod portmap;
mod read;
mod ufw;

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

pub use opens::{Opening, Wish};

use crate::graph;
use crate::host::Host;
use crate::model::{ChainId, Model, RuleId, SetId};

/// What is known of one program that writes rules.
pub(crate) struct Owner {
    /// Its name.
    name: &'static str,
    /// nft tables that are all its own.
    tables: &'static [&'static str],
    /// Chain names, or prefixes of them ending in `*`, with their label; an empty label is computed by `chain`.
    chains: &'static [(&'static str, &'static str)],
    /// Mask, value and meaning of packet marks.
    marks: &'static [(u32, u32, &'static str)],
    /// What happens to rules that others put into its chains or tables.
    rewrites: &'static str,
    /// What it decides where no dump of rules shows it; empty for none.
    unseen: &'static str,
    /// Devices of programs at the devices that see a packet before the rules do, by the beginning of their names.
    programs: &'static [&'static str],
    /// Label of a chain that is not in `chains`, or has an empty label there.
    chain: fn(&Labels, ChainId) -> Option<String>,
    /// Label of a rule in one of its chains.
    rule: fn(&Labels, RuleId) -> Option<String>,
    /// Label of a set by its name.
    set: fn(&Labels, &str) -> Option<String>,
    /// What its own program would have one type to let dropped traffic pass.
    opens: fn(&Labels, &Wish) -> Vec<Opening>,
}

/// Nothing beyond the tables.
const PLAIN: Owner = Owner {
    name: "",
    tables: &[],
    chains: &[],
    marks: &[],
    rewrites: "",
    unseen: "",
    programs: &[],
    chain: |_, _| None,
    rule: |_, _| None,
    set: |_, _| None,
    opens: |_, _| Vec::new(),
};

/// The registry: one line an owner. The first that knows a name owns it.
const OWNERS: &[&Owner] = &[
    &kube_router::OWNER,
    &crio::OWNER,
    &kube_proxy::OWNER,
    &calico::OWNER,
    &ovn::OWNER,
    &portmap::OWNER,
    &docker::OWNER,
    &firewalld::OWNER,
    &cilium::OWNER,
    &flannel::OWNER,
    &istio::OWNER,
    &ufw::OWNER,
    &libvirt::OWNER,
];

/// Labels of a model's parts, each computed when it is asked for.
pub struct Labels<'m> {
    model: &'m Model,
    callers: OnceLock<FxHashMap<ChainId, Vec<RuleId>>>,
    services: OnceLock<FxHashMap<String, String>>,
    policies: OnceLock<FxHashMap<String, String>>,
    present: OnceLock<Vec<&'static Owner>>,
}

impl<'m> Labels<'m> {
    /// Labels for a model; costs nothing.
    pub fn build(model: &'m Model) -> Self {
        Labels {
            model,
            callers: OnceLock::new(),
            services: OnceLock::new(),
            policies: OnceLock::new(),
            present: OnceLock::new(),
        }
    }

    /// What a chain is: "service paas/config-center:http".
    pub fn chain(&self, chain: ChainId) -> Option<String> {
        let owner = self.owner_of(chain)?;
        let listed = listed(owner.chains, self.model.chain_name(chain)).filter(|l| !l.is_empty());
        listed.map(ToString::to_string).or_else(|| (owner.chain)(self, chain))
    }

    /// What a rule is for: "NodePort of paas/config-center:http".
    pub fn rule(&self, rule: RuleId) -> Option<String> {
        let owner = self.owner_of(self.model.rule(rule).chain);
        let own = owner.and_then(|o| (o.rule)(self, rule));
        own.or_else(|| self.marks_set(rule, owner)).or_else(|| self.chain(self.jump(rule)?))
    }

    /// What the bits of a mark mean: "will be masqueraded (0x4000)".
    pub fn mark(&self, value: u32) -> Vec<String> {
        self.present().iter().flat_map(|o| meanings(o, value)).collect()
    }

    /// What a set holds: "source pods of rule 0 of policy allow-same-namespace of sample1".
    pub fn set(&self, set: SetId) -> Option<String> {
        let set = self.model.set(set);
        let name = self.model.name(set.name?);
        OWNERS.iter().find_map(|o| (o.set)(self, name))
    }

    /// The program that writes a chain: `kube-proxy`.
    pub fn owner(&self, chain: ChainId) -> Option<&'static str> {
        self.owner_of(chain).map(|o| o.name)
    }

    /// What happens to a rule that somebody else puts into this chain, when its owner keeps the chain in order.
    pub fn rewrites(&self, chain: ChainId) -> Option<String> {
        let owner = self.owner_of(chain)?;
        (!owner.rewrites.is_empty()).then(|| format!("{} {}", owner.name, owner.rewrites))
    }

    /// The programs that have chains here.
    pub fn owners(&self) -> Vec<&'static str> {
        self.present().iter().map(|o| o.name).collect()
    }

    /// What programs that have chains or devices here decide elsewhere, in sentences.
    pub fn unseen(&self, host: &Host) -> Vec<String> {
        let said = OWNERS.iter().filter(|o| !o.unseen.is_empty() && self.is_here(o, host));
        said.map(|o| format!("{}: {}", o.name, o.unseen)).collect()
    }

    /// The program that may decide over a packet before the rules, and behind them: what the rules let pass is not certain.
    pub fn doubt(&self, host: &Host) -> Option<&'static str> {
        let mut programs = OWNERS.iter().filter(|o| !o.programs.is_empty());
        programs.find(|o| self.is_here(o, host)).map(|o| o.name)
    }

    /// Whether an owner has a table, a chain or a device here; of one owner this is far cheaper to know than of all.
    fn is_here(&self, owner: &Owner, host: &Host) -> bool {
        let name = |n| self.model.name(n);
        has_device(owner, host)
            || self.model.tables.iter().any(|t| listed_table(owner.tables, name(t.name)))
            || self.model.chains.iter().any(|c| listed(owner.chains, name(c.name)).is_some())
    }

    fn owner_of(&self, chain: ChainId) -> Option<&'static Owner> {
        let name = self.model.chain_name(chain);
        let table = self.model.name(self.model.table_of(chain).name);
        let by_table = OWNERS.iter().find(|o| listed_table(o.tables, table));
        by_table.or_else(|| OWNERS.iter().find(|o| listed(o.chains, name).is_some())).copied()
    }

    fn present(&self) -> &[&'static Owner] {
        self.present.get_or_init(|| {
            let mut found: Vec<&'static Owner> = Vec::new();
            for chain in 0..self.model.chains.len() as u32 {
                if let Some(owner) = self.owner_of(ChainId(chain))
                    && !found.iter().any(|f| f.name == owner.name)
                {
                    found.push(owner);
                }
            }
            found
        })
    }

    fn marks_set(&self, rule: RuleId, owner: Option<&'static Owner>) -> Option<String> {
        let bits = self.mark_bits(rule).filter(|b| *b != 0)?;
        let said: Vec<String> = match owner {
            Some(owner) => meanings(owner, bits).collect(),
            None => self.mark(bits),
        };
        (!said.is_empty()).then(|| said.join(", "))
    }

    /// The rules that lead to a chain.
    fn callers(&self, chain: ChainId) -> &[RuleId] {
        self.callers.get_or_init(|| graph::callers(self.model)).get(&chain).map_or(&[], Vec::as_slice)
    }
}

/// Whether one of an owner's devices is there, or named by a route.
fn has_device(owner: &Owner, host: &Host) -> bool {
    let parts = host.parts();
    let its = |name: &str| owner.programs.iter().any(|p| name.starts_with(p));
    let routes = parts.routes4.iter().chain(&parts.routes6).flatten().flat_map(|r| &r.hops);
    !owner.programs.is_empty()
        && (parts.links.iter().flatten().any(|l| its(&l.name)) || routes.filter_map(|h| h.dev.as_deref()).any(its))
}

fn meanings(owner: &'static Owner, value: u32) -> impl Iterator<Item = String> {
    let set = move |(mask, want, _): &&(u32, u32, &str)| *want != 0 && value & mask == *want;
    owner.marks.iter().filter(set).map(|(_, bits, text)| format!("{text} ({bits:#x})"))
}

/// The entry for `name`: equal to it, or a prefix of it that ends in `*`.
fn listed(entries: &'static [(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    let first = name.as_bytes().first();
    let fits = |pattern: &str| {
        let begins = pattern.as_bytes().first() == first || pattern.starts_with('*');
        begins && pattern.strip_suffix('*').map_or(pattern == name, |p| name.starts_with(p))
    };
    entries.iter().find(|(pattern, _)| fits(pattern)).map(|(_, label)| *label)
}

fn listed_table(tables: &[&str], name: &str) -> bool {
    tables.iter().any(|t| t.strip_suffix('*').map_or(*t == name, |p| name.starts_with(p)))
}

#[cfg(test)]
mod tests;
