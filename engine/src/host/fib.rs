//! The full routing lookup: policy rules in order of priority, in each table the longest prefix.
//!
//! Example: to 10.43.0.1 with mark 0x100, rules `0: lookup local`, `100: fwmark 0x100/0x100 lookup 100`, …: table 100's
//! default route by eth1. Left out: which of several next hops is taken (all are reported, with their weights).

use std::fmt;
use std::net::IpAddr;

use super::tables::{Found, Key};
use super::{Assumed, Dev, Family, Host, Known, Missing, NextHop, PolicyRule, Route, RouteKind, RuleAction, Table};

/// What a lookup goes by. Start from [`FibQuery::to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FibQuery<'a> {
    /// Destination.
    pub dst: IpAddr,
    /// Source, if it is chosen already.
    pub src: Option<IpAddr>,
    /// The packet's mark; `None` where the lookup does not take it: 0.
    pub mark: Option<u32>,
    /// The whole type-of-service byte.
    pub tos: u8,
    /// Device it came in by; `None`: generated here.
    pub iif: Option<&'a str>,
    /// Device it has to leave by.
    pub oif: Option<&'a str>,
    /// Socket owner; 0 for packets that came in.
    pub uid: u32,
    /// Protocol number.
    pub proto: u8,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination port.
    pub dport: Option<u16>,
    /// IPv6: routes by other devices than `iif` do not count (link-local and multicast destinations that came in).
    pub strict_iif: bool,
    /// Device whose VRF counts, where it is neither of the two.
    pub vrf: Option<&'a str>,
}

impl FibQuery<'_> {
    /// A locally generated packet to `dst`, nothing else told.
    pub fn to(dst: IpAddr) -> FibQuery<'static> {
        FibQuery {
            dst,
            src: None,
            mark: None,
            tos: 0,
            iif: None,
            oif: None,
            vrf: None,
            uid: 0,
            proto: 0,
            sport: None,
            dport: None,
            strict_iif: false,
        }
    }
}

/// The error a failed lookup gives a local sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Errno {
    /// Invalid argument: blackhole, martian.
    Einval,
    /// No route to host: an `unreachable` route.
    Ehostunreach,
    /// Network unreachable: no route, or an `unreachable` rule.
    Enetunreach,
    /// Permission denied: prohibited.
    Eacces,
}

impl Errno {
    /// Its name, `EINVAL`.
    pub fn name(self) -> &'static str {
        match self {
            Errno::Einval => "EINVAL",
            Errno::Ehostunreach => "EHOSTUNREACH",
            Errno::Enetunreach => "ENETUNREACH",
            Errno::Eacces => "EACCES",
        }
    }
}

/// What decided a failed lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By<'h> {
    /// This route.
    Route(&'h Route),
    /// The policy rule of this priority.
    Rule(u32),
    /// Nothing matched.
    NoRoute,
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Route(route) => write!(f, "the route `{} {}` of table {}", route.kind.name(), route.dst, route.table),
            By::Rule(priority) => write!(f, "the policy rule of priority {priority}"),
            By::NoRoute => f.write_str("no route"),
        }
    }
}

/// One way a packet may take.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    /// The device.
    pub dev: Dev,
    /// The gateway; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// Its share among the ways of a route.
    pub weight: u32,
}

impl Way {
    /// The next hop of a packet to `dst`.
    pub fn next_hop(&self, dst: IpAddr) -> IpAddr {
        self.via.unwrap_or(dst)
    }
}

/// How a lookup ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fib<'h> {
    /// At a route.
    Route {
        /// The route: unicast, local, broadcast, anycast or multicast.
        route: &'h Route,
        /// The realm of the rule that led there.
        rule_realm: Option<u32>,
    },
    /// At an error.
    Error {
        /// What a local sender is told.
        errno: Errno,
        /// What decided so.
        by: By<'h>,
    },
}

impl Fib<'_> {
    /// The error of having no route.
    pub(super) const NO_ROUTE: Fib<'static> = Fib::Error { errno: Errno::Enetunreach, by: By::NoRoute };
}

impl Host {
    /// Looks a packet up as the kernel does.
    ///
    /// # Errors
    /// What is missing, when a table that is not known would have been asked.
    pub fn fib<'h>(&'h self, query: &FibQuery, assumed: &mut Vec<Assumed>) -> Known<Fib<'h>> {
        let family = Family::of(query.dst);
        let rules = self.rules(family, assumed);
        let mut from = 0;
        for rule in rules {
            if rule.priority < from {
                continue;
            }
            rule.note_asked(query, assumed);
            if !rule.matches(query) {
                continue;
            }
            let error = |errno| Ok(Fib::Error { errno, by: By::Rule(rule.priority) });
            let table = match &rule.action {
                RuleAction::Nop => continue,
                RuleAction::Goto(to) => {
                    if *to > rule.priority && rules.iter().any(|r| r.priority == *to) {
                        from = *to;
                    }
                    continue;
                }
                RuleAction::Blackhole => return error(Errno::Einval),
                RuleAction::Unreachable => return error(Errno::Enetunreach),
                RuleAction::Prohibit => return error(Errno::Eacces),
                RuleAction::Lookup(table) => table,
                RuleAction::Vrf => match self.vrf_table(query)? {
                    Some(table) => table,
                    None => continue,
                },
            };
            let found = self.in_table(table, query, assumed)?;
            if let Some(route) = found.filter(|r| !self.suppressed(rule, r)) {
                return Ok(outcome(route, rule.realm));
            }
        }
        Ok(Fib::NO_ROUTE)
    }

    /// The policy rules of a family; without them those that a host starts with.
    pub(super) fn rules(&self, family: Family, assumed: &mut Vec<Assumed>) -> &[PolicyRule] {
        let given = if family == Family::V4 { &self.parts.rules4 } else { &self.parts.rules6 };
        if let Some(rules) = given {
            return rules;
        }
        let note = Assumed::DefaultRules(family);
        if self.tables(family).given && !assumed.contains(&note) {
            assumed.push(note);
        }
        PolicyRule::defaults_of(family)
    }

    /// The best route of one table.
    pub(super) fn in_table<'h>(
        &'h self,
        table: &Table,
        query: &FibQuery,
        assumed: &mut Vec<Assumed>,
    ) -> Known<Option<&'h Route>> {
        let family = Family::of(query.dst);
        let tables = self.tables(family);
        if !tables.knows(table) {
            return Err(if tables.given { Missing::Table(table.clone()) } else { Missing::Routes(family) });
        }
        let dev = if query.strict_iif { query.iif } else { query.oif };
        let found = tables.lookup(table, Key { dst: query.dst, src: query.src, tos: query.tos, dev });
        if *table == Table::Local && !tables.local_complete {
            return self.guess_local(query.dst, &found, assumed);
        }
        Ok(match found {
            Found::Route(i) => tables.routes.get(i),
            Found::Nothing => None,
        })
    }

    /// Table `local` where the host's addresses are not known: what was taken as given decides, and is listed.
    fn guess_local<'h>(&'h self, dst: IpAddr, found: &Found, assumed: &mut Vec<Assumed>) -> Known<Option<&'h Route>> {
        let tables = self.tables(Family::of(dst));
        let said = assumed.iter().find_map(|a| match a {
            Assumed::Local(ip, local) if *ip == dst => Some(*local),
            _ => None,
        });
        let (route, assumption) = match found {
            Found::Route(i) => (tables.routes.get(*i), tables.is_assumed(*i).then_some(true)),
            Found::Nothing if is_group(dst) => (None, None),
            Found::Nothing if said == Some(true) => (tables.stand_in(), None),
            Found::Nothing if said.is_some() => (None, None),
            Found::Nothing if self.parts.assumed_local.is_some() => (None, Some(false)),
            Found::Nothing => return Err(Missing::Local(dst)),
        };
        let note = assumption.map(|local| Assumed::Local(dst, local));
        assumed.extend(note.filter(|_| said.is_none()));
        Ok(route)
    }

    fn suppressed(&self, rule: &PolicyRule, route: &Route) -> bool {
        let by_group = || {
            let group = rule.suppress_group?;
            let dev = route.hops.first()?.dev.as_deref()?;
            Some(self.link(dev).ok()?.group? == group)
        };
        let short = rule.suppress_prefix_len.is_some_and(|len| route.dst.prefix_len() <= len);
        let error = outcome(route, None);
        matches!(error, Fib::Route { .. }) && (short || by_group().unwrap_or(false))
    }
}

/// Multicast or limited broadcast: never an address of a host.
fn is_group(addr: IpAddr) -> bool {
    addr.is_multicast() || matches!(addr, IpAddr::V4(a) if a.is_broadcast())
}

fn outcome(route: &Route, rule_realm: Option<u32>) -> Fib<'_> {
    let errno = match route.kind {
        RouteKind::Blackhole => Errno::Einval,
        RouteKind::Unreachable => Errno::Ehostunreach,
        RouteKind::Prohibit => Errno::Eacces,
        _ => return Fib::Route { route, rule_realm },
    };
    Fib::Error { errno, by: By::Route(route) }
}

/// The ways a route offers, by `oif` only if one is asked for.
pub(super) fn ways(route: &Route, oif: Option<&str>) -> Known<Vec<Way>> {
    let fits = |h: &&NextHop| !h.dead && oif.is_none_or(|oif| h.dev.as_deref() == Some(oif));
    let hops = route.hops.iter().filter(fits);
    let way = |h: &NextHop| Some(Way { dev: h.dev.clone()?, via: h.via, weight: h.weight });
    let found: Option<Vec<Way>> = hops.map(way).collect();
    found.filter(|w| !w.is_empty()).ok_or(Missing::RouteDevice)
}
