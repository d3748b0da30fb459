//! What the owner of a chain would have one type to let traffic pass: `firewall-cmd --zone=public --add-port=9100/tcp`.
//!
//! Each comes with the rules that the command makes, so that it can be walked before it is told.

use std::net::IpAddr;

use crate::model::{ChainId, Hook, RuleId};

use super::{Labels, OWNERS};

/// Traffic that was dropped, as it was in the hook that dropped it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The hook.
    pub hook: Hook,
    /// The protocol's name.
    pub proto: String,
    /// Destination port.
    pub port: Option<u16>,
    /// Source.
    pub saddr: IpAddr,
    /// Destination.
    pub daddr: IpAddr,
    /// Incoming device.
    pub iif: Option<String>,
    /// Outgoing device.
    pub oif: Option<String>,
    /// Chains that were entered, in order.
    pub entered: Vec<ChainId>,
    /// The rule that dropped it; none: a policy did.
    pub dropper: Option<RuleId>,
}

/// A way to let it pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// What to type.
    pub commands: Vec<String>,
    /// The rules that this makes, as commands.
    pub rules: Vec<String>,
}

impl Opening {
    /// One command that makes one rule.
    pub(super) fn new(command: String, rule: String) -> Self {
        Opening { commands: vec![command], rules: vec![rule] }
    }
}

impl Labels<'_> {
    /// What the owners of the chains that were entered offer, with the chain that it is about.
    pub fn opens(&self, wish: &Wish) -> Vec<(ChainId, Opening)> {
        let mut out: Vec<(ChainId, Opening)> = Vec::new();
        for owner in OWNERS {
            let own = |c: &&ChainId| self.owner(**c) == Some(owner.name);
            let Some(chain) = wish.entered.iter().rev().find(own) else { continue };
            out.extend((owner.opens)(self, wish).into_iter().map(|o| (*chain, o)));
        }
        out
    }

    /// The last chain that was entered and whose name fits.
    pub(super) fn last_entered<'w>(
        &'w self,
        wish: &Wish,
        fits: impl Fn(&'w str) -> Option<&'w str>,
    ) -> Option<&'w str> {
        wish.entered.iter().rev().find_map(|c| fits(self.name(*c)))
    }

    /// Whether there is a chain of this name.
    pub(super) fn has_chain(&self, name: &str) -> bool {
        self.model().names.find(name).is_some_and(|n| self.model().chains.iter().any(|c| c.name == n))
    }
}
