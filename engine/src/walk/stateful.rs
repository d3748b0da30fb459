//! Rule state: limits, quotas, nth, recent lists, connection counts, dynamic sets. Read from [`State`], and moved on.
//!
//! Left out: the passing of time between packets of a replay, unless the caller moves the clock.

use super::Machine;
use crate::eval::{self, Eval, Tri, View};
use crate::fact::{Options, RulePlace, Taken};
use crate::field::{Field, Value, ct_state};
use crate::model::*;
use crate::state::{Cell, Conn, Counted, StateKey, Tuple, Zone};
use crate::tuple;

impl Machine<'_> {
    /// Runs a stateful test; `false`: the rule misses.
    pub(super) fn stateful(&mut self, rule: RuleId, s: &Stateful, site: u64) -> bool {
        let site = s.shared.map_or(site, |name| 2 << 40 | u64::from(name.0));
        let held = match &s.kind {
            StatefulKind::Limit(rate) => self.bucket(StateKey { site, key: Vec::new() }, *rate),
            StatefulKind::HashLimit { rate, key } => {
                // A packet without ports counts as one with ports 0.
                let key = key.iter().map(|e| self.value(self.site, *e).unwrap_or(0)).collect();
                self.bucket(StateKey { site, key }, *rate)
            }
            StatefulKind::Quota { bytes, used } => self.quota(StateKey { site, key: Vec::new() }, *bytes, *used),
            StatefulKind::Nth { every, packet } => self.nth(StateKey { site, key: Vec::new() }, *every, *packet),
            StatefulKind::Recent { op, key, seconds, hitcount, rttl } => {
                let Some(key) = self.keys(&[*key]) else { return s.invert };
                let asked = Recent { op: *op, seconds: *seconds, hitcount: *hitcount, rttl: *rttl, invert: s.invert };
                self.recent(StateKey { site, key }, asked)
            }
            StatefulKind::Connlimit { count, key } => match self.keys(key) {
                Some(values) => {
                    let place = StateKey { site, key: values };
                    if !self.state.rules.contains_key(&place) {
                        let listed = self.listed_connections(rule, key, &place.key);
                        self.state.rules.insert(place.clone(), Cell::Conns(Counted::of(listed)));
                    }
                    self.connlimit(&place, *count)
                }
                None => return s.invert,
            },
            StatefulKind::Count => true,
        };
        let held = self.settled(rule, &s.kind, held != s.invert);
        self.state_event(rule, describe(&s.kind), held);
        held
    }

    /// Rule state is not in a dump: what follows from a fresh one is a listed assumption, and can be answered otherwise.
    fn settled(&mut self, rule: RuleId, kind: &StatefulKind, held: bool) -> bool {
        let Some((name, words, mut why)) = state_words(kind) else { return held };
        if matches!(kind, StatefulKind::Connlimit { .. }) && self.state.conns.has_listed() {
            why = "counted are connections of this run, and those of `conntrack -L` that fit the rule";
        }
        let number = self.index + 1;
        let place = RulePlace(self.world.model, rule, number);
        let options = Options::yes_no().or_assume(held.into(), why);
        let given = self.ask.given(&format_args!("{name}:{place}")).is_some();
        let taken = self.ask.choose(&format_args!("{name}:{place}"), &options) == 0;
        if !given {
            let logs = self.world.model.only_logs(rule, self.site);
            self.taken.note(Taken::State { rule, number, name, words, held, why, logs });
        }
        taken
    }

    /// The values of a key, asking for what is open.
    pub(super) fn keys(&mut self, exprs: &[ExprId]) -> Option<Vec<Value>> {
        loop {
            match eval::keys(self.view(self.site), exprs) {
                Ok(key) => return Some(key),
                Err(Eval::Ask(fact)) => {
                    self.answer(fact);
                }
                Err(_) => return None,
            }
        }
    }

    /// A token bucket: full at first; holds while a token is left.
    fn bucket(&mut self, key: StateKey, rate: Rate) -> bool {
        let cost = 1000 * if rate.bytes { self.length() } else { 1 };
        let full = rate.burst.max(1).saturating_mul(1000);
        let now = self.state.now;
        let (mut tokens, since) = match self.state.rules.get(&key) {
            Some(Cell::Bucket(tokens, since)) => (*tokens, *since),
            _ => (full, now),
        };
        let refill = u128::from(now - since.min(now)) * u128::from(rate.amount) * 1000 / u128::from(rate.per_ms.max(1));
        tokens = tokens.saturating_add(u64::try_from(refill).unwrap_or(u64::MAX)).min(full);
        let held = tokens >= cost;
        if held {
            tokens -= cost;
        }
        self.state.rules.insert(key, Cell::Bucket(tokens, now));
        held
    }

    /// How many bytes the packet counts for.
    fn length(&mut self) -> u64 {
        self.field(Field::Length);
        eval::seen_length(self.view(self.site)) as u64
    }

    /// Holds until a packet would exceed the quota; that one uses it up.
    fn quota(&mut self, key: StateKey, bytes: u64, used: u64) -> bool {
        let length = self.length();
        let used = match self.state.rules.get(&key) {
            Some(Cell::Count(n)) => *n,
            _ => used,
        };
        let after = used.saturating_add(length);
        self.state.rules.insert(key, Cell::Count(after.min(bytes.max(used))));
        after <= bytes
    }

    fn nth(&mut self, key: StateKey, every: u32, packet: u32) -> bool {
        let every = u64::from(every.max(1));
        let count = match self.state.rules.get(&key) {
            Some(Cell::Count(n)) => *n,
            _ => 0,
        };
        self.state.rules.insert(key, Cell::Count(count + 1));
        count % every == u64::from(packet) % every
    }

    /// `-m recent` (`xt_recent.c`): hits before this packet count, and `--update` notes this one where the match as a whole
    /// holds.
    fn recent(&mut self, key: StateKey, r: Recent) -> bool {
        let now = self.state.now;
        let ttl = if r.rttl { self.field(Field::Ttl) } else { self.packet.value(Field::Ttl) }.unwrap_or(0) as u8;
        let listed = match self.state.rules.get_mut(&key) {
            Some(Cell::Hits(hits, seen)) if !r.rttl || *seen == ttl => Some((hits, seen)),
            _ => None,
        };
        let Some((hits, seen)) = listed else {
            if r.op == RecentOp::Set {
                self.state.rules.insert(key, Cell::Hits(vec![now], ttl));
            }
            return r.op == RecentOp::Set;
        };
        let window = r.seconds.map_or(u64::MAX, |s| u64::from(s) * 1000);
        // In the order of time.
        let fresh = hits.len() - hits.partition_point(|t| now.saturating_sub(*t) > window);
        let held = match r.op {
            RecentOp::Set | RecentOp::Remove => true,
            RecentOp::Check | RecentOp::Update => fresh >= r.hitcount.unwrap_or(1).max(1) as usize,
        };
        match r.op {
            RecentOp::Remove => {
                self.state.rules.remove(&key);
            }
            RecentOp::Check => {}
            RecentOp::Update if held == r.invert => {}
            RecentOp::Set | RecentOp::Update => {
                hits.insert(hits.partition_point(|t| *t <= now), now);
                *seen = ttl;
            }
        }
        held
    }

    /// The connections of `conntrack -L` that this rule counts for a key: those whose first packet would have come as far
    /// as this in the rule, and that are not over. (The kernel counts what a rule has seen; that it saw them is assumed.)
    fn listed_connections(&mut self, rule: RuleId, key: &[ExprId], values: &[Value]) -> Vec<(Tuple, Zone)> {
        self.steps += COUNTING * self.state.conns.len() as u64;
        let model = self.world.model;
        let before = &model.ops[model.rule(rule).ops.start as usize..self.site as usize];
        let untranslated = matches!(self.hook, Hook::Prerouting | Hook::Output);
        let mut packet = self.packet.clone();
        let mut fits = |conn: &Conn| {
            let to = if untranslated { conn.orig } else { conn.reply.inverse() };
            tuple::put(&mut packet, Tuple { daddr: to.daddr, dport: to.dport, ..conn.orig });
            let view = View { packet: &packet, ..self.view(self.site) };
            let fails = |op: &Op| matches!(op, Op::Test(test) if eval::decide(view, *test) == Tri::No);
            eval::keys(view, key).is_ok_and(|k| k == values) && !before.iter().any(fails)
        };
        let all = self.state.conns.iter().map(|(_, conn)| conn);
        let family = self.packet.family();
        let listed = all.filter(|c| {
            c.listed && self.state.conns.goes_on(c.orig, c.zone) && Value::from(c.orig.family) == family && fits(c)
        });
        listed.map(|c| (c.orig, c.zone)).collect()
    }

    /// Holds while the key has at most `count` connections, this one counted. Those that ended since are not; nor is one that
    /// was answered already when the rule first sees it, where others came before it (`nf_conncount.c`).
    fn connlimit(&mut self, key: &StateKey, count: u32) -> bool {
        let own = match &self.attached {
            Some(a) => (a.conn.orig, a.conn.zone),
            None => (tuple::of(&self.packet), self.template.zone),
        };
        let first = self.attached.as_ref().is_none_or(|a| a.state != ct_state::ESTABLISHED);
        if !self.state.rules.contains_key(key) {
            self.state.rules.insert(key.clone(), Cell::Conns(Counted::default()));
        }
        let Some(Cell::Conns(counted)) = self.state.rules.get_mut(key) else { return true };
        if !counted.look(own, &self.state.conns) && (first || counted.is_empty()) {
            counted.add(own);
        }
        counted.len() as u64 <= u64::from(count)
    }

    /// A set update from the packet path; `false`: it could not be made.
    pub(super) fn set_update(&mut self, rule: RuleId, u: &SetUpdate, site: u64) -> bool {
        let exprs = match &u.key {
            LookupKey::Exprs(exprs) => exprs,
            LookupKey::Dims { dims, .. } => return self.ipset_update(u.set, dims, u),
        };
        let Some(key) = self.keys(exprs) else { return false };
        let mut data = Vec::new();
        for e in &u.data {
            match self.value(self.site, *e) {
                Some(v) => data.push(v),
                None => return false,
            }
        }
        let known = match &self.world.model.set(u.set).contents {
            Contents::Elements(e) => e.find_at(&key, self.state.now).is_some(),
            Contents::Unknown | Contents::Ipset(_) => false,
        };
        let element =
            key.iter().fold(3 << 60 ^ u64::from(u.set.0), |h, v| h.rotate_left(7) ^ (*v as u64) ^ ((*v >> 64) as u64));
        let maker = StateKey { site: element, key: Vec::new() };
        let delta = self.state.sets.entry(u.set).or_default();
        let there = delta.get(&key).map_or(known, Option::is_some);
        match u.op {
            UpdateOp::Delete => {
                delta.remove(key, there);
                return true;
            }
            UpdateOp::Add | UpdateOp::Update if there => {}
            UpdateOp::Add | UpdateOp::Update => {
                let size = self.world.model.set(u.set).size as usize;
                let held = match &self.world.model.set(u.set).contents {
                    Contents::Elements(e) => e.len(),
                    Contents::Unknown | Contents::Ipset(_) => 0,
                };
                if size != 0 && delta.size(held) >= size {
                    return false;
                }
                delta.add(key, data);
                self.state.rules.insert(maker.clone(), Cell::Count(site));
                for i in 0..u.stateful.len() as u64 {
                    self.state.rules.remove(&StateKey { site: element ^ (i + 1), key: Vec::new() });
                }
            }
        }
        // An element keeps the statements that it was made with; another rule that comes upon it runs those.
        let stateful = match self.state.rules.get(&maker) {
            Some(Cell::Count(made_by)) => match self.world.model.effect(EffectId(*made_by as u32)) {
                Effect::SetUpdate(first) => &first.stateful,
                _ => &u.stateful,
            },
            _ => &u.stateful,
        };
        stateful.iter().zip(1..).all(|(s, i)| self.stateful(rule, s, element ^ i))
    }
}

/// As many rules as looking at a listed connection counts for, in the bound of a walk.
const COUNTING: u64 = 32;

/// What a `-m recent` asks.
#[derive(Clone, Copy)]
struct Recent {
    op: RecentOp,
    seconds: Option<u32>,
    hitcount: Option<u32>,
    rttl: bool,
    invert: bool,
}

/// The state of a rule in a key and in words, and what is taken for granted of it; a counter is no condition.
fn state_words(kind: &StatefulKind) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match kind {
        StatefulKind::Limit(_) => ("limit", "rate limit", "no packets came before: the bucket is full"),
        StatefulKind::HashLimit { .. } => ("hashlimit", "rate limit", "no packets came before: the buckets are full"),
        StatefulKind::Quota { .. } => ("quota", "quota", "as used up as the dump says"),
        StatefulKind::Nth { .. } => ("nth", "count", "no packets came before: the count begins"),
        StatefulKind::Recent { .. } => ("recent", "recent list", "no packets came before: the list is empty"),
        StatefulKind::Connlimit { .. } => ("connlimit", "connection limit", "only connections of this run are counted"),
        StatefulKind::Count => return None,
    })
}

fn describe(kind: &StatefulKind) -> String {
    match kind {
        StatefulKind::Limit(r) => format!("limit of {} per {} ms, burst {}", r.amount, r.per_ms, r.burst),
        StatefulKind::HashLimit { rate: r, .. } => {
            format!("hashlimit of {} per {} ms, burst {}", r.amount, r.per_ms, r.burst)
        }
        StatefulKind::Quota { bytes, .. } => format!("quota of {bytes} bytes"),
        StatefulKind::Nth { every, packet } => format!("packet {packet} of every {every}"),
        StatefulKind::Recent { op, .. } => format!("recent list, {op:?}").to_lowercase(),
        StatefulKind::Connlimit { count, .. } => format!("at most {count} connections"),
        StatefulKind::Count => "counter".to_string(),
    }
}
