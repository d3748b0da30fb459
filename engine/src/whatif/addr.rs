//! `ip addr add 10.0.0.5/24 dev eth0` and `ip addr del 10.0.0.5/24 dev eth0`, with the routes that come and go with an
//! address: those of table `local`, and the connected one.
//!
//! Left out: lifetimes, and adding an address to a host whose addresses are not known (every other one would count as
//! somebody else's).

use std::net::IpAddr;

use ipnet::IpNet;
use nettrace_grammar::{Diagnostic, Span};

use super::refused;
use crate::host::{Address, Parts, Scope, routes_of};

const HELP: &str = "`ip addr add 10.0.0.5/24 dev eth0`";

/// Carries out `ip addr WORDS`.
pub(super) fn apply(parts: &mut Parts, words: &[&str], span: Span) -> Result<(), Vec<Diagnostic>> {
    let Some((action, words)) = words.split_first() else { return Err(refused(span, "what about addresses?", HELP)) };
    if parts.addresses.is_none() {
        return Err(refused(
            span,
            "the host's addresses are not known, so none can be changed",
            "give `ip -j addr` too",
        ));
    }
    match *action {
        "add" | "replace" | "change" => {
            let address = read(parts, words, span)?;
            let is = |a: &Address| a.ip == address.ip && a.dev == address.dev && a.prefix_len == address.prefix_len;
            let there = parts.addresses.iter().flatten().any(is);
            if there && *action == "add" {
                return Err(refused(span, format!("{} has {} already", address.dev, address.ip), "see `ip addr`"));
            }
            if !there {
                add(parts, address);
            }
            Ok(())
        }
        "del" | "delete" => {
            let wanted = read(parts, words, span)?;
            delete(parts, &wanted, words.iter().any(|w| w.contains('/')), span)
        }
        other => Err(refused(span, format!("`ip addr {}` is no edit", other.escape_debug()), "add, del")),
    }
}

fn read(parts: &Parts, words: &[&str], span: Span) -> Result<Address, Vec<Diagnostic>> {
    let wrong = |text: &str, what: &str| refused(span, format!("`{}` is no {what}", text.escape_debug()), HELP);
    let mut words = words.iter().copied().peekable();
    if words.peek() == Some(&"local") {
        words.next();
    }
    let Some(text) = words.next() else { return Err(refused(span, "which address?", HELP)) };
    let net = prefix(text).ok_or_else(|| wrong(text, "address"))?;
    let mut address = Address {
        dev: "".into(),
        ip: net.addr(),
        peer: None,
        prefix_len: net.prefix_len(),
        broadcast: None,
        scope: if net.addr().is_loopback() { Scope::HOST } else { Scope::GLOBAL },
        secondary: false,
        tentative: false,
        deprecated: false,
        temporary: false,
        noprefixroute: false,
        label: None,
        span,
    };
    while let Some(word) = words.next() {
        if word == "noprefixroute" {
            address.noprefixroute = true;
            continue;
        }
        let Some(value) = words.next() else {
            return Err(refused(span, format!("`{}` is not understood here", word.escape_debug()), HELP));
        };
        match word {
            "dev" => address.dev = value.into(),
            "scope" => address.scope = Scope::named(value).ok_or_else(|| wrong(value, "scope"))?,
            "label" => address.label = Some(value.into()),
            "peer" => {
                let peer = prefix(value).ok_or_else(|| wrong(value, "address"))?;
                (address.peer, address.prefix_len) = (Some(peer.addr()), peer.prefix_len());
            }
            "brd" | "broadcast" if value == "+" => {
                address.broadcast = match net {
                    IpNet::V4(v4) => Some(v4.broadcast()),
                    IpNet::V6(_) => None,
                }
            }
            "brd" | "broadcast" => address.broadcast = Some(value.parse().map_err(|_| wrong(value, "address"))?),
            other => return Err(refused(span, format!("`{}` is not understood here", other.escape_debug()), HELP)),
        }
    }
    let known = |dev: &str| parts.links.iter().flatten().any(|l| &*l.name == dev || l.is_called(dev));
    match &*address.dev {
        "" => Err(refused(span, "on which device?", HELP)),
        dev if !known(dev) => Err(refused(span, format!("there is no device {}", dev.escape_debug()), "see `ip link`")),
        _ => Ok(address),
    }
}

/// `10.0.0.5/24`, or `10.0.0.5` for itself alone.
fn prefix(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn add(parts: &mut Parts, mut address: Address) {
    let all = parts.addresses.get_or_insert_default();
    let same = |a: &&Address| a.dev == address.dev && a.ip.is_ipv4() && a.subnet() == address.subnet();
    address.secondary = address.ip.is_ipv4() && all.iter().any(|a| same(&a));
    all.push(address.clone());
    let routes = routes_of(parts, &address);
    let Some(list) = (if address.ip.is_ipv4() { &mut parts.routes4 } else { &mut parts.routes6 }) else { return };
    // A dump of `main` alone: table `local` is made of the addresses.
    let all = list.iter().any(|r| r.table == crate::host::Table::Local);
    list.extend(routes.into_iter().filter(|r| all || r.table != crate::host::Table::Local));
}

fn delete(parts: &mut Parts, wanted: &Address, exact: bool, span: Span) -> Result<(), Vec<Diagnostic>> {
    let is = |a: &Address| a.dev == wanted.dev && a.ip == wanted.ip && (!exact || a.prefix_len == wanted.prefix_len);
    let all = parts.addresses.get_or_insert_default();
    let Some(at) = all.iter().position(is) else {
        let message = format!("{} has no address {}", wanted.dev, wanted.ip);
        return Err(refused(span, message, "see `ip addr`"));
    };
    let gone = all.remove(at);
    // What other addresses of the device still bring along stays.
    let rest: Vec<Address> = all.iter().filter(|a| a.dev == gone.dev).cloned().collect();
    let kept: Vec<_> = rest.iter().flat_map(|a| routes_of(parts, a)).collect();
    let away = routes_of(parts, &gone);
    let same = |a: &crate::host::Route, b: &crate::host::Route| {
        a.dst == b.dst && a.table == b.table && a.kind == b.kind && a.uses(&gone.dev) && b.uses(&gone.dev)
    };
    let list = if gone.ip.is_ipv4() { &mut parts.routes4 } else { &mut parts.routes6 };
    for list in list.iter_mut() {
        list.retain(|r| !away.iter().any(|g| same(r, g)) || kept.iter().any(|k| same(r, k)));
        list.retain(|r| r.prefsrc != Some(gone.ip) || kept.iter().any(|k| same(r, k)));
    }
    Ok(())
}
