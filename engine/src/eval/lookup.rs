//! Lookups in sets and maps: contents from the dump, then what packets changed since.

use super::{Eval, Tri, View, keys};
use crate::fact::{Fact, endpoints};
use crate::field::Value;
use crate::model::{Contents, Data, LookupId, LookupKey};

/// What a lookup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hit {
    /// An element from the dump.
    Element(u32),
    /// An element that a packet added, with its data.
    Added(Vec<Value>),
    /// No element.
    None,
    /// The key has a part that is absent.
    Absent,
    /// It depends on this.
    Ask(Fact),
}

/// Finds the element for the packet.
pub fn find(view: View, id: LookupId) -> Hit {
    let lookup = view.world.model.lookup(id);
    let LookupKey::Exprs(exprs) = &lookup.key else {
        return match super::ipset::test(view, lookup.set, &lookup.key) {
            Ok(tested) if tested.matches => Hit::Added(Vec::new()),
            Ok(_) => Hit::None,
            Err(fact) => Hit::Ask(fact),
        };
    };
    let key = match keys(view, exprs) {
        Ok(key) => key,
        Err(Eval::Ask(fact)) => return Hit::Ask(fact),
        Err(_) => return Hit::Absent,
    };
    if let Some(change) = view.state.sets.get(&lookup.set).and_then(|d| d.get(&key)) {
        return change.clone().map_or(Hit::None, Hit::Added);
    }
    match &view.world.model.set(lookup.set).contents {
        Contents::Elements(elements) => elements.find_at(&key, view.state.now).map_or(Hit::None, Hit::Element),
        Contents::Ipset(_) => Hit::None,
        Contents::Unknown => {
            let fact = Fact::Member(lookup.set, key);
            match view.facts.get(&fact) {
                None => Hit::Ask(fact),
                Some(0) => Hit::None,
                Some(_) => Hit::Added(Vec::new()),
            }
        }
    }
}

/// Whether the set has an element for the packet.
pub(super) fn holds(view: View, id: LookupId, neg: bool) -> Tri {
    match find(view, id) {
        Hit::Element(_) | Hit::Added(_) => (!neg).into(),
        Hit::None => neg.into(),
        Hit::Absent => Tri::No,
        Hit::Ask(fact) => Tri::Ask(fact),
    }
}

/// Part `part` of the data that the map has for the packet.
pub(super) fn data(view: View, id: LookupId, part: u8, upper: bool) -> Eval {
    match find(view, id) {
        Hit::Element(e) => match &view.world.model.set(view.world.model.lookup(id).set).contents {
            Contents::Elements(elements) => match elements.data(e) {
                Data::Values(v) => {
                    v.get(part as usize).map_or(Eval::Absent, |r| Eval::Value(if upper { r.1 } else { r.0 }))
                }
                Data::Opaque(text) => {
                    let fact = Fact::Opaque(*text, endpoints(view.packet));
                    view.facts.get(&fact).map_or(Eval::Ask(fact), Eval::Value)
                }
                _ => Eval::Absent,
            },
            Contents::Unknown | Contents::Ipset(_) => Eval::Absent,
        },
        Hit::Added(values) => values.get(part as usize).map_or(Eval::Absent, |v| Eval::Value(*v)),
        Hit::None | Hit::Absent => Eval::Absent,
        Hit::Ask(fact) => Eval::Ask(fact),
    }
}
