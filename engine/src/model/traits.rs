//! What a walk has to know of all rules together. With a decision index it is known already, else it is read once a walk.

use super::{BaseChain, ChainId, ChainKind, Contents, Dialect, Family, Hook, Model, Set, Table};
use crate::sets::SetType;

/// Traits of all rules together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// A chain stands at the ingress of a device.
    pub ingress: bool,
    /// A chain stands at the egress of a device.
    pub egress: bool,
    /// There are tables of the bridge family with base chains.
    pub bridge: bool,
    /// A mixed host: a chain of iptables-legacy and one of nft have the same priority at a hook, so that the walk has to
    /// ask which was registered later.
    pub mixed: bool,
    /// Lookups in ipsets may leave something behind: counters, or a MAC address.
    pub sets_count: bool,
    /// A chain for translations has rules.
    pub translates: bool,
}

impl Traits {
    /// Those of these rules.
    pub fn new(model: &Model) -> Self {
        let bases =
            || model.bases.iter().filter_map(|id| Some((model.table_of(*id), model.chain(*id).base.as_deref()?)));
        let at = |b: &BaseChain| (b.hook, b.priority);
        let is_legacy = |table: &Table| table.dialect == Dialect::Legacy;
        let mut legacy: Vec<_> = bases().filter(|(table, _)| is_legacy(table)).map(|(_, b)| at(b)).collect();
        legacy.sort_unstable();
        legacy.dedup();
        let translating = |id: &ChainId| {
            let chain = model.chain(*id);
            !chain.rules.is_empty() && chain.base.as_deref().is_some_and(|b| b.kind == ChainKind::Nat)
        };
        Traits {
            translates: model.bases.iter().any(translating),
            ingress: bases().any(|(_, b)| b.hook == Hook::Ingress),
            egress: bases().any(|(_, b)| b.hook == Hook::Egress),
            bridge: bases().any(|(table, _)| table.family == Family::Bridge),
            mixed: bases().any(|(table, b)| !is_legacy(table) && legacy.binary_search(&at(b)).is_ok()),
            sets_count: model.sets.iter().any(counts),
        }
    }
}

fn counts(set: &Set) -> bool {
    matches!(&set.contents, Contents::Ipset(set) if set.counters || set.kind == SetType::BitmapIpMac)
}
