//! `-m physdev --physdev-in eth0 --physdev-is-bridged`: bridge ports of a bridged frame.
//!
//! Without bridge information the plain forms are false and the negated ones true; with it, a port that is missing fails
//! both.

use crate::field::{Field, Value, device};
use crate::lower::iptables::args::{Arg, Given};
use crate::lower::iptables::cx::{Bad, Cx, Lowered};
use crate::lower::iptables::registry::{Extension, flag, opt};
use crate::model::{Test, ones};

/// `-m physdev`.
pub const MATCH: Extension = Extension::of_match(
    "physdev",
    &[
        opt("--physdev-in").neg(),
        opt("--physdev-out").neg(),
        flag("--physdev-is-in").neg(),
        flag("--physdev-is-out").neg(),
        flag("--physdev-is-bridged").neg(),
    ],
    lower,
)
.some();

/// Mask and value of a port's name, which may end in `+`.
fn port(arg: &Arg<'_>) -> Result<(Value, Value), Bad> {
    let name = arg.text();
    if name.is_empty() || name.len() > 15 {
        return Err(arg.bad_value(name));
    }
    Ok(match name.strip_suffix('+') {
        None => (ones(128), device(name)),
        Some("") => (0, 0),
        Some(prefix) => (Value::MAX << (128 - 8 * prefix.len()), device(prefix)),
    })
}

fn lower(cx: &mut Cx<'_>, given: &Given<'_, '_>) -> Lowered {
    for arg in given.args() {
        match arg.opt.name {
            "--physdev-in" => named(cx, arg, Field::PhysIn)?,
            "--physdev-out" => named(cx, arg, Field::PhysOut)?,
            "--physdev-is-in" => present(cx, arg.neg, Field::PhysIn),
            "--physdev-is-out" => present(cx, arg.neg, Field::PhysOut),
            _ => cx.loose(arg.neg, Test::Masked { field: Field::IsBridged, neg: false, mask: 1, value: 1 }),
        }
    }
    Ok(())
}

/// With bridge information there is always an incoming port or, for a packet of this host, an outgoing one.
fn no_bridge(cx: &mut Cx<'_>) -> Test {
    let tests = [Field::PhysIn, Field::PhysOut].map(|f| {
        let expr = cx.model.field_expr(f);
        cx.model.not(Test::Exists(expr))
    });
    cx.model.all_of(&tests)
}

fn named(cx: &mut Cx<'_>, arg: &Arg<'_>, field: Field) -> Result<(), Bad> {
    let (mask, value) = port(arg)?;
    let test = cx.model.masked_test(field, arg.neg, mask, value);
    if !arg.neg {
        cx.test(test);
        return Ok(());
    }
    let absent = no_bridge(cx);
    let test = cx.model.any_of(&[absent, test]);
    cx.test(test);
    Ok(())
}

fn present(cx: &mut Cx<'_>, neg: bool, field: Field) {
    let expr = cx.model.field_expr(field);
    cx.loose(neg, Test::Exists(expr));
}
