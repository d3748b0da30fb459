//! Whether an ipset matches a packet: the set's own contents, what packets changed, and facts where nothing tells.
//!
//! A `list:set` asks its members in order; the first that matches decides. Left out: applying what a lookup changes
//! (counters), which is the walk's.

use super::{Eval, View, read};
use crate::fact::Fact;
use crate::field::{Field, Value};
use crate::model::{Contents, Dim, LookupKey, SetId};
use crate::sets::{Ask, Ext, Hit, SetType};

/// How deep sets of sets are followed; the kernel allows one level.
const DEPTH: u8 = 4;

/// A lookup that nothing stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// Whether the set matches.
    pub matches: bool,
    /// The set and the entry that decided, if an entry did.
    pub hit: Option<(SetId, Hit)>,
    /// Entries that the lookup changes.
    pub changes: Vec<Change>,
}

/// An entry that a lookup changes: set, key, and what it carries then.
pub type Change = (SetId, Vec<Value>, Vec<Value>);

/// Tests a set for the packet.
///
/// # Errors
/// The fact to ask for.
pub fn test(view: View, set: SetId, key: &LookupKey) -> Result<Tested, Fact> {
    let LookupKey::Dims { dims, return_nomatch, counters, update, below } = key else { return Ok(Tested::default()) };
    let bytes = view.packet.or_zero(Field::Length) as u64;
    let ask = Ask { counters, count: *update, bytes, return_nomatch: *return_nomatch, now: view.state.now };
    let inner = Ask { counters: &[], count: *update && *below, ..ask };
    test_set(view, set, dims, (ask, inner), DEPTH)
}

/// What is asked of the set, and of the members of a list.
type Asks<'a> = (Ask<'a>, Ask<'a>);

fn test_set(view: View, id: SetId, dims: &[Dim], (ask, inner): Asks, depth: u8) -> Result<Tested, Fact> {
    let delta = view.state.sets.get(&id);
    let set = match &view.world.model.set(id).contents {
        Contents::Ipset(set) => set,
        Contents::Elements(_) => return Ok(Tested::default()),
        Contents::Unknown => {
            let mut key = raw_key(view, dims)?;
            match delta.and_then(|d| d.get(&key)) {
                Some(change) => return Ok(Tested { matches: change.is_some(), ..Tested::default() }),
                None => key.extend(ask.return_nomatch.then_some(1)),
            }
            return is_member(view, id, key);
        }
    };
    if set.kind == SetType::List {
        let mut changes = Vec::new();
        for member in set.members.iter().filter(|_| depth > 0) {
            let mut tested = test_set(view, *member, dims, (inner, inner), depth - 1)?;
            changes.append(&mut tested.changes);
            if tested.matches {
                // The list counts for itself which of its members matched.
                let own = set.find_member(*member, ask, delta);
                changes.extend(own.changes.into_iter().map(|(key, data)| (id, key, data)));
                if own.matches == Some(true) {
                    let hit = if set.skbinfo { with_info(tested.hit, own.hit) } else { tested.hit };
                    return Ok(Tested { hit, changes, ..tested });
                }
            }
        }
        if set.incomplete {
            return is_member(view, id, raw_key(view, dims)?);
        }
        return Ok(Tested { changes, ..Tested::default() });
    }
    let Some(key) = set.key(dims, |field| field_of(view, field))? else { return Ok(Tested::default()) };
    let found = set.find(&key, ask, delta);
    let changes = found.changes.into_iter().map(|(key, data)| (id, key, data)).collect();
    match found.matches {
        Some(matches) => Ok(Tested { matches, hit: found.hit.map(|h| (id, h)), changes }),
        None => is_member(view, id, key),
    }
}

/// A member's hit with what the list itself says of mark, priority and queue.
fn with_info(hit: Option<(SetId, Hit)>, own: Option<Hit>) -> Option<(SetId, Hit)> {
    let ((id, hit), own) = (hit?, own?.ext);
    let ext = Ext { skb_mark: own.skb_mark, skb_prio: own.skb_prio, skb_queue: own.skb_queue, ..hit.ext };
    Some((id, Hit { ext, ..hit }))
}

fn is_member(view: View, id: SetId, key: Vec<Value>) -> Result<Tested, Fact> {
    let fact = Fact::Member(id, key);
    match view.facts.get(&fact) {
        Some(answer) => Ok(Tested { matches: answer != 0, ..Tested::default() }),
        None => Err(fact),
    }
}

/// The key of a set whose type is not known: addresses by the first and third flag, the port by the second.
///
/// # Errors
/// The fact to ask for, where a field of the packet is not known.
pub fn raw_key(view: View, dims: &[Dim]) -> Result<Vec<Value>, Fact> {
    let field = |(i, dim): (usize, &Dim)| match (i, *dim) {
        (1, Dim::Src) => Field::Sport,
        (1, Dim::Dst) => Field::Dport,
        (_, Dim::Src) => Field::Saddr,
        (_, Dim::Dst) => Field::Daddr,
    };
    dims.iter().enumerate().map(|dim| field_of(view, field(dim)).map(|v| v.unwrap_or(0))).collect()
}

fn field_of(view: View, field: Field) -> Result<Option<Value>, Fact> {
    // A length that nobody gave is that of whole headers, so nothing is assumed by it.
    if field == Field::ThLength {
        return Ok(view.packet.value(field));
    }
    match read(view, field) {
        Eval::Value(value) => Ok(Some(value)),
        Eval::Absent => Ok(None),
        Eval::Ask(fact) => Err(fact),
    }
}

/// The key that the SET target adds to a set or takes out; `Ok(None)`: the packet has none.
///
/// # Errors
/// The fact to ask for, where a field of the packet is not known.
pub fn update_key(view: View, id: SetId, dims: &[Dim]) -> Result<Option<Vec<Value>>, Fact> {
    match &view.world.model.set(id).contents {
        Contents::Ipset(set) => set.key(dims, |field| field_of(view, field)),
        Contents::Elements(_) => Ok(None),
        Contents::Unknown => raw_key(view, dims).map(Some),
    }
}
