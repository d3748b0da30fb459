//! VRFs: a device that others belong to, with a routing table of its own.
//!
//! Example: eth1 with `master vrf-red`, which `ip -d link` calls a `vrf table 10`: packets in by eth1 are routed by table 10, and
//! meet PREROUTING twice, the second time in by vrf-red (Documentation/networking/vrf.rst). Left out: sockets bound to a VRF, and
//! what leaves through it.

use super::fib::FibQuery;
use super::route::{Route, Table};
use super::rule::RuleAction;
use super::{Dev, Host, Known, Missing, Parts};

impl Host {
    /// The VRF that a device belongs to. What kind of device a master is, only `ip -d link` tells; there is no VRF without a rule for
    /// them.
    pub fn vrf_of(&self, dev: &str) -> Known<Option<Dev>> {
        if !self.vrfs {
            return Ok(None);
        }
        let Some(master) = &self.link(dev)?.master else { return Ok(None) };
        match self.link(master)?.kind.as_deref() {
            Some("vrf") => Ok(Some(master.clone())),
            None if self.is_bridge(master) != Ok(true) => Err(Missing::Kind(master.clone())),
            _ => Ok(None),
        }
    }

    /// The table of the VRF that a lookup's device is or belongs to.
    pub(super) fn vrf_table(&self, query: &FibQuery) -> Known<Option<&Table>> {
        let Some(dev) = query.vrf.or(query.oif).or(query.iif) else { return Ok(None) };
        let link = self.link(dev)?;
        if link.kind.is_none() && link.flags.master {
            return Err(Missing::Kind(link.name.clone()));
        }
        match (&link.vrf_table, self.vrf_of(dev)?) {
            (None, Some(vrf)) => Ok(self.link(&vrf)?.vrf_table.as_ref()),
            (own, _) => Ok(own.as_ref()),
        }
    }

    /// Whether a route leads out by a device or by one that belongs to it.
    pub(super) fn leads_by(&self, route: &Route, dev: &str) -> bool {
        let belongs = |d: &Dev| self.vrf_of(d).is_ok_and(|vrf| vrf.is_some_and(|vrf| &*vrf == dev));
        route.uses(dev) || self.vrfs && route.hops.iter().filter_map(|h| h.dev.as_ref()).any(belongs)
    }
}

/// Whether there may be VRFs: the first one brings a rule for all of them.
pub(super) fn may_be(parts: &Parts) -> bool {
    let rules = parts.rules4.iter().chain(&parts.rules6).flatten().any(|r| r.action == RuleAction::Vrf);
    rules || parts.links.iter().flatten().any(|l| l.kind.as_deref() == Some("vrf"))
}
