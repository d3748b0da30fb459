//! `-m set --match-set NAME src,dst [--return-nomatch] [--packets-gt N]`: membership in an ipset.

use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, Opt, Status, flag, opt, pair};
use crate::lower::iptables::values;
use crate::model::{CounterTest, Dim, Lookup, LookupKey, Relation, Test};

const OPTIONS: [Opt; 10] = [
    pair("--match-set").alias("--set").neg().must(),
    flag("--return-nomatch"),
    flag("--update-counters").neg(),
    flag("--update-subcounters").neg(),
    opt("--packets-eq").neg(),
    opt("--packets-lt"),
    opt("--packets-gt"),
    opt("--bytes-eq").neg(),
    opt("--bytes-lt"),
    opt("--bytes-gt"),
];

/// `-m set`.
pub const MATCH: Extension =
    Extension::of_match("set", &OPTIONS, lower).note(Status::Assumed, "needs `ipset save`; else membership is a fact");

/// Most directions that iptables takes.
const MAX_DIMS: usize = 6;

/// The directions of `src,dst`.
pub fn dims(arg: &Arg<'_>) -> Result<Vec<Dim>, Bad> {
    let one = |t: &str| match t {
        "src" => Some(Dim::Src),
        "dst" => Some(Dim::Dst),
        _ => None,
    };
    let read: Option<Vec<_>> = arg.values[1].split(',').map(one).collect();
    read.filter(|d| d.len() <= MAX_DIMS).ok_or_else(|| arg.bad_value(arg.values[1]))
}

/// A set's name, at most 31 bytes.
pub fn set_name<'t>(arg: &Arg<'t>) -> Result<&'t str, Bad> {
    let name = arg.values[0];
    if name.is_empty() || name.len() > 31 { Err(arg.bad_value(name)) } else { Ok(name) }
}

fn counter(arg: &Arg<'_>) -> Result<Option<CounterTest>, Bad> {
    let (bytes, op) = match arg.opt.name.strip_prefix("--bytes") {
        Some(op) => (true, op),
        None => (false, arg.opt.name.strip_prefix("--packets").unwrap_or("")),
    };
    let rel = match op {
        "-eq" if arg.neg => Relation::Ne,
        "-eq" => Relation::Eq,
        "-lt" => Relation::Lt,
        "-gt" => Relation::Gt,
        _ => return Ok(None),
    };
    Ok(Some(CounterTest { bytes, rel, value: arg.value(values::number)? }))
}

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    let Some(arg) = given.get("--match-set") else { return Ok(()) };
    let set = cx.model.ipset(set_name(arg)?);
    let mut counters = Vec::new();
    for given in given.args() {
        counters.extend(counter(given)?);
    }
    let updates = |name: &str| !given.get(name).is_some_and(|a| a.neg);
    let key = LookupKey::Dims {
        dims: dims(arg)?,
        return_nomatch: given.has("--return-nomatch"),
        counters,
        update: updates("--update-counters"),
        below: updates("--update-subcounters"),
    };
    let lookup = cx.model.push_lookup(Lookup { set, key });
    cx.loose(arg.neg, Test::Lookup { neg: false, lookup });
    Ok(())
}
