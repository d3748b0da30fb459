//! Hooks as data: which base chains and built-in steps a hook holds, in the order in which they run.
//!
//! Lower priority first; at equal priority the one registered last (semantics.md 1.3). NAT chains are not in this list:
//! they run inside the NAT core's slot, wherever their own priority would put them (semantics.md 4.2).

use std::cmp::Reverse;

use super::{BaseChain, ChainId, ChainKind, Dialect, Family, Hook, Model};
use crate::field::Value;

/// Something that a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A base chain.
    Chain(ChainId),
    /// Fragments are put together (-400).
    Defrag,
    /// Connection tracking (-200).
    Conntrack,
    /// The NAT core (-100 destination, 100 source).
    Nat,
    /// The connection enters the table.
    Confirm,
    /// In a bridge's hook: where br_netfilter shows a bridged packet to the IP hook of that name.
    Netfilter,
}

/// Since when the built-in steps are there that run only because a rule asks for them, in [`BaseChain::order`]'s count, for
/// IPv4 and IPv6 (semantics.md 1.2, 3.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Connection tracking, which NAT needs too.
    pub conntrack: [Option<u32>; 2],
    /// Fragments are put together: for connection tracking, for a match on sockets or for a transparent proxy.
    pub defrag: [Option<u32>; 2],
}

impl Asked {
    /// Takes the moments of another ruleset that holds the same rules and knows their order; what it lacks came first.
    pub fn take_order(&mut self, other: Asked) {
        let own = self.conntrack.iter_mut().chain(&mut self.defrag);
        for (own, other) in own.zip(other.conntrack.into_iter().chain(other.defrag)) {
            *own = other.or_else(|| own.map(|_| 0));
        }
    }
}

/// What a hook runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookPlan {
    /// Base chains and built-in steps, in order.
    pub entries: Vec<Entry>,
    /// The NAT chains, in the order in which the NAT core asks them.
    pub nat: Vec<ChainId>,
}

/// What decides the plan of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HookKey {
    /// The hook.
    pub hook: Hook,
    /// 2 IPv4, 10 IPv6.
    pub family: Value,
    /// The device of a netdev hook.
    pub device: Value,
    /// In a mixed host: nft's own chains count as registered after iptables-legacy's.
    pub nft_later: bool,
    /// The hook of the bridge, not the IP layer's of the same name.
    pub bridge: bool,
}

/// Priority, registration, chains before steps, and what runs.
type Slot = (i32, Reverse<(bool, u32)>, usize, Entry);

fn serves(model: &Model, chain: ChainId, base: &BaseChain, key: HookKey) -> bool {
    let table = model.table_of(chain);
    let family = match table.family {
        Family::Ip => key.family == 2,
        Family::Ip6 => key.family == 10,
        Family::Inet => true,
        Family::Netdev => matches!(key.hook, Hook::Ingress | Hook::Egress),
        Family::Arp => false,
        Family::Bridge => true,
    } && (table.family == Family::Bridge) == key.bridge;
    let device = !matches!(base.hook, Hook::Ingress | Hook::Egress) || base.devices.contains(&key.device);
    base.hook == key.hook && family && device && !table.dormant
}

/// The order of registration: which of two equal priorities runs later.
fn order(model: &Model, chain: ChainId, base: &BaseChain, nft_later: bool) -> (bool, u32) {
    let legacy = model.table_of(chain).dialect == Dialect::Legacy;
    (legacy != nft_later, base.order)
}

/// The base chains that serve a hook.
fn chains(model: &Model, key: HookKey) -> impl Iterator<Item = (ChainId, &BaseChain)> {
    model.bases.iter().filter_map(move |id| {
        let base = model.chain(*id).base.as_deref()?;
        serves(model, *id, base, key).then_some((*id, base))
    })
}

impl HookPlan {
    /// The plan of a hook.
    pub fn new(model: &Model, key: HookKey) -> Self {
        HookPlan { entries: entries(model, key), nat: nat_chains(model, key) }
    }

    /// The plans of all hooks that walks of IP packets meet.
    pub fn all(model: &Model) -> impl Iterator<Item = (HookKey, HookPlan)> {
        let hooks = model.bases.iter().filter_map(|id| model.chain(*id).base.as_ref());
        let devices = hooks.flat_map(|b| b.devices.iter().map(|device| (b.hook, *device)));
        let mut at: Vec<(Hook, Value)> = HOOKS.map(|hook| (hook, 0)).into_iter().chain(devices).collect();
        at.sort_unstable();
        at.dedup();
        let keys = at.into_iter().flat_map(|(hook, device)| {
            let families = [2, 10].into_iter().flat_map(|family| [(family, false), (family, true)]);
            families.map(move |(family, nft_later)| HookKey { hook, family, device, nft_later, bridge: false })
        });
        keys.map(|key| (key, HookPlan::new(model, key)))
    }
}

/// The hooks of the IP layer.
const HOOKS: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];

/// The NAT chains of a hook in the order in which the NAT core asks them.
fn nat_chains(model: &Model, key: HookKey) -> Vec<ChainId> {
    let mut list: Vec<_> = chains(model, key)
        .filter(|(_, b)| b.kind == ChainKind::Nat)
        .map(|(id, b)| (b.priority, Reverse(order(model, id, b, key.nft_later)), id))
        .collect();
    list.sort_unstable();
    list.into_iter().map(|e| e.2).collect()
}

/// When the NAT core came on for a family: with its first nat chain, at whatever hook.
fn nat_since(model: &Model, key: HookKey) -> Option<(bool, u32)> {
    let bases = model.bases.iter().filter_map(|id| Some((*id, model.chain(*id).base.as_ref()?)));
    bases
        .filter(|(_, b)| b.kind == ChainKind::Nat && HOOKS.contains(&b.hook) && b.hook != Hook::Forward)
        .filter(|(id, b)| serves(model, *id, b, HookKey { hook: b.hook, ..key }))
        .map(|(id, b)| order(model, id, b, key.nft_later))
        .min()
}

/// Everything that a hook runs, in order.
fn entries(model: &Model, key: HookKey) -> Vec<Entry> {
    let mut list: Vec<Slot> = chains(model, key)
        .filter(|(_, b)| b.kind != ChainKind::Nat)
        .map(|(id, b)| (b.priority, Reverse(order(model, id, b, key.nft_later)), 0, Entry::Chain(id)))
        .collect();
    let mut step = |priority, since: (bool, u32), entry| list.push((priority, Reverse(since), 1, entry));
    if key.bridge {
        // It registers with the first bridge, before any chain (`br_netfilter_hooks.c`).
        match key.hook {
            Hook::Prerouting | Hook::Forward => step(0, (false, 0), Entry::Netfilter),
            Hook::Postrouting => step(i32::MAX, (false, 0), Entry::Netfilter),
            _ => {}
        }
        list.sort_by_key(|e| (e.0, e.1, e.2));
        return list.into_iter().map(|e| e.3).collect();
    }
    // They were turned on by a rule of the tables at hand: in a mixed host by nft's, as is assumed here.
    let by_legacy = model.tables.iter().all(|t| t.dialect == Dialect::Legacy) != key.nft_later;
    let slot = usize::from(key.family == 10);
    if let (Some(since), Hook::Prerouting | Hook::Output) = (model.asked.defrag[slot], key.hook) {
        step(-400, (by_legacy, since), Entry::Defrag);
    }
    if let Some(since) = model.asked.conntrack[slot] {
        let since = (by_legacy, since);
        match key.hook {
            Hook::Prerouting | Hook::Output => step(-200, since, Entry::Conntrack),
            Hook::Input | Hook::Postrouting => step(i32::MAX, since, Entry::Confirm),
            _ => {}
        }
        if let Some(since) = nat_since(model, key) {
            match key.hook {
                Hook::Prerouting | Hook::Output => step(-100, since, Entry::Nat),
                Hook::Input | Hook::Postrouting => step(100, since, Entry::Nat),
                _ => {}
            }
        }
    }
    list.sort_by_key(|e| (e.0, e.1, e.2));
    list.into_iter().map(|e| e.3).collect()
}
