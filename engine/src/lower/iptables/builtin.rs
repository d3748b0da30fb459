//! iptables' own conditions: `-p -s -d -i -o -f`, and the rules that comma-separated addresses expand to.

use nettrace_grammar::Diagnostic;

use crate::field::{Field, Value, device};
use crate::model::{Family, Hook, Test, Values};

use super::cx::Cx;
use super::globals::Global;
use super::values;
use super::words::Builtin;

/// A network as value and mask.
pub type Network = (Value, Value);

/// Lowers a built-in condition that is not an address; one that cannot be read becomes opaque.
pub fn lower(cx: &mut Cx<'_>, given: &Builtin<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let neg = given.neg;
    match given.what {
        Global::Protocol => match cx.proto.map(|p| p.0) {
            Some(0) if !neg => {}
            Some(0) => {
                diagnostics.push(Diagnostic::error("NT108", given.span, "rule would never match protocol"));
                cx.test(Test::Const(false));
            }
            Some(proto) => cx.range(Field::Proto, neg, (proto.into(), proto.into())),
            None => opaque(cx, given, "-p", "not a protocol", diagnostics),
        },
        Global::In => interface(cx, given, Field::Iif, "-i", diagnostics),
        Global::Out => interface(cx, given, Field::Oif, "-o", diagnostics),
        Global::Fragment if cx.v6() => opaque(cx, given, "-f", "ip6tables has no `-f`; use `-m frag`", diagnostics),
        Global::Fragment => cx.within(Field::FragOffset, !neg, Values::one(0)),
        _ => {}
    }
}

fn interface(cx: &mut Cx<'_>, given: &Builtin<'_>, field: Field, option: &str, diagnostics: &mut Vec<Diagnostic>) {
    let (neg, name) = (given.neg, given.value);
    let refused = match cx.hook {
        Some(Hook::Output | Hook::Postrouting) => field == Field::Iif,
        Some(Hook::Prerouting | Hook::Input) => field == Field::Oif,
        _ => false,
    };
    if refused {
        let message = format!("iptables refuses `{option}` in this built-in chain");
        diagnostics.push(Diagnostic::error("NT112", given.span, message));
    }
    if name.is_empty() || name.len() > 15 {
        return opaque(cx, given, option, "a device's name has 1 to 15 bytes", diagnostics);
    }
    match name.strip_suffix('+') {
        None => cx.within(field, neg, Values::one(device(name))),
        Some("") if neg => cx.test(Test::Const(false)),
        Some("") => {}
        Some(prefix) => {
            let mask = Value::MAX << (128 - 8 * prefix.len());
            cx.masked(field, neg, (device(prefix), mask));
        }
    }
}

/// The networks of an `-s` or `-d`, one for each rule that it expands to; `None` is "any". What cannot be read is `Err`.
pub fn networks(family: Family, given: &Builtin<'_>) -> Result<Vec<Network>, &'static str> {
    let parts: Vec<_> = given.value.split(',').collect();
    if given.neg && parts.len() > 1 {
        return Err("`!` is not allowed with several addresses");
    }
    parts
        .iter()
        .map(|t| one_network(family, t))
        .collect::<Option<_>>()
        .ok_or("not an address of this family (names are not resolved)")
}

/// One network; the only name that is known is `localhost`.
pub fn one_network(family: Family, text: &str) -> Option<Network> {
    match text {
        "localhost" => values::network(if family == Family::Ip6 { "::1" } else { "127.0.0.1" }, family),
        text => values::network(text, family),
    }
}

/// Lowers one network of an `-s` or `-d`.
pub fn network(cx: &mut Cx<'_>, given: &Builtin<'_>, network: Network) {
    let field = if given.what == Global::Source { Field::Saddr } else { Field::Daddr };
    match network {
        (0, 0) if given.neg => cx.test(Test::Const(false)),
        (0, 0) => {}
        network => cx.masked(field, given.neg, network),
    }
}

/// Makes a condition opaque and says why.
pub fn opaque(cx: &mut Cx<'_>, given: &Builtin<'_>, option: &str, why: &str, diagnostics: &mut Vec<Diagnostic>) {
    let bang = if given.neg { "! " } else { "" };
    let value = given.value.escape_debug();
    diagnostics.push(Diagnostic::error("NT108", given.span, format!("`{value}`: {why}")));
    let test = cx.model.opaque_test(format!("{bang}{option} {value}"));
    cx.test(test);
}
