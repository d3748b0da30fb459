//! One entry of a set as written: `10.0.0.0/8,tcp:80-90` to keys. Ranges and networks in places that take single values
//! become that many entries, as `ipset` does.

use std::net::IpAddr;

use crate::field::{Value, address, device, mac};
use crate::limits;
use crate::model::ones;

use super::{Dimension, Ipset, PHYSDEV, SetType, WILDCARD, names};

/// What the words behind an entry say of its key.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub wildcard: bool,
}

/// The keys that an entry stands for, and the link-layer address of a `bitmap:ip,mac` entry.
pub(super) fn keys(set: &Ipset, text: &str, flags: Flags) -> Result<(Vec<Vec<Value>>, Option<Value>), String> {
    let mut words: Vec<&str> = text.split(',').collect();
    let mut dimensions = set.kind.dimensions();
    let mut own_mac = None;
    if set.kind == SetType::BitmapIpMac {
        own_mac = words.get(1).map(|m| mac(m).ok_or_else(|| wrong(m, "link-layer address"))).transpose()?;
        words.truncate(1);
        dimensions = dimensions.get(..1).unwrap_or(&[]);
    }
    if words.len() != dimensions.len() {
        return Err(format!("{} takes {} parts, not {}", set.kind.name(), dimensions.len(), words.len()));
    }
    let mut keys = vec![Vec::new()];
    for (word, dimension) in words.iter().zip(dimensions) {
        let choices = choices(set, *dimension, word, flags)?;
        if keys.len().saturating_mul(choices.len()) > limits::RANGE {
            return Err(format!("`{text}` stands for more than {} entries", limits::RANGE));
        }
        let join = |key: &Vec<Value>| choices.iter().map(|c| [key.as_slice(), c].concat()).collect::<Vec<_>>();
        keys =
            if choices.len() == 1 && keys.len() == 1 { join(&keys[0]) } else { keys.iter().flat_map(join).collect() };
    }
    Ok((keys, own_mac))
}

fn wrong(text: &str, what: &str) -> String {
    let article = if what.starts_with('a') { "an" } else { "a" };
    format!("`{text}` is not {article} {what}")
}

/// What one part may be.
fn choices(set: &Ipset, dimension: Dimension, text: &str, flags: Flags) -> Result<Vec<Vec<Value>>, String> {
    Ok(match dimension {
        Dimension::Ip => addresses(set, text)?.into_iter().map(|a| vec![a]).collect(),
        Dimension::Net => networks(set, text)?,
        Dimension::ProtoPort => {
            let (proto, port) = text.split_once(':').unwrap_or(("tcp", text));
            let proto = names::protocol(proto).ok_or_else(|| wrong(proto, "protocol"))?;
            let (first, last) = names::ports(proto, port).ok_or_else(|| wrong(port, "port"))?;
            (first..=last).map(|p| vec![Value::from(proto) << 16 | Value::from(p)]).collect()
        }
        Dimension::Port => {
            let port = text.split_once(':').map_or(text, |(_, port)| port);
            let (first, last) = names::port_range(port).ok_or_else(|| wrong(port, "port"))?;
            (first..=last).map(|p| vec![p.into()]).collect()
        }
        Dimension::Mac => vec![vec![mac(text).ok_or_else(|| wrong(text, "link-layer address"))?]],
        Dimension::Mark => {
            let mark = number(text).ok_or_else(|| wrong(text, "mark"))?;
            vec![vec![Value::from(mark & set.mark_mask)]]
        }
        Dimension::Iface => {
            let port = text.strip_prefix("physdev:");
            let mut bits = if port.is_some() { PHYSDEV } else { 0 };
            bits |= if flags.wildcard { WILDCARD } else { 0 };
            vec![vec![device(port.unwrap_or(text)), bits]]
        }
        Dimension::Set => return Err("a set of sets has no such entries".to_owned()),
    })
}

/// The key of what most lines of large sets are: an address in a `hash:ip`, a network in a `hash:net`, that carries nothing.
pub(super) fn plain(set: &Ipset, text: &str) -> Option<[Value; 2]> {
    let text = text.strip_suffix(" timeout 0").unwrap_or(text);
    if !matches!(set.kind, SetType::HashIp | SetType::HashNet) || text.contains([' ', '-']) {
        return None;
    }
    let full = set.host_length();
    let (addr, length) = match text.split_once('/') {
        Some((addr, length)) if set.kind == SetType::HashNet => (addr, length.parse().ok().filter(|l| *l <= full)?),
        Some(_) => return None,
        None => (text, full),
    };
    let addr = one_address(set.family, addr).ok()?;
    match set.kind {
        SetType::HashIp => Some([addr & set.mask, 0]),
        _ => Some([addr & !ones(u32::from(full - length)), length.into()]),
    }
}

/// A number, decimal or with `0x`.
pub(super) fn number(text: &str) -> Option<u32> {
    text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())
}

/// An address of the set's family.
pub(super) fn one_address(family: u8, text: &str) -> Result<Value, String> {
    let addr: IpAddr = text.parse().map_err(|_| wrong(text, "address"))?;
    if addr.is_ipv4() == (family == 10) {
        return Err(format!("{text} is not of the set's family"));
    }
    Ok(address(addr))
}

/// First and last address of `a`, `a-b` or `a/len`; `None` as prefix length when it was a range.
pub(super) fn range(family: u8, text: &str) -> Result<(Value, Value, Option<u8>), String> {
    let full: u8 = if family == 10 { 128 } else { 32 };
    if let Some((addr, len)) = text.split_once('/') {
        let len = len.parse::<u8>().ok().filter(|l| *l <= full).ok_or_else(|| wrong(text, "network"))?;
        let host = ones(u32::from(full - len));
        let addr = one_address(family, addr)?;
        return Ok((addr & !host, addr | host, Some(len)));
    }
    if let Some((a, b)) = text.split_once('-') {
        let (a, b) = (one_address(family, a)?, one_address(family, b)?);
        return Ok((a.min(b), a.max(b), None));
    }
    let addr = one_address(family, text)?;
    Ok((addr, addr, Some(full)))
}

/// The addresses of a part that takes single ones, masked.
fn addresses(set: &Ipset, text: &str) -> Result<Vec<Value>, String> {
    let (first, last, _) = range(set.family, text)?;
    let step = match set.mask.trailing_zeros() {
        0 => 1,
        zeros => 1u128.checked_shl(zeros).unwrap_or(1),
    };
    if (last - first) / step >= limits::RANGE as Value {
        return Err(format!("`{text}` stands for more than {} entries", limits::RANGE));
    }
    let mut found = Vec::with_capacity(((last - first) / step) as usize + 1);
    let mut at = first;
    loop {
        found.push(at & set.mask);
        at = match at.checked_add(step) {
            Some(next) if next <= last => next,
            _ => break,
        };
    }
    if found.last() != Some(&(last & set.mask)) {
        found.push(last & set.mask);
    }
    Ok(found)
}

/// The networks of a part that takes them; a range is split into as few as will do.
fn networks(set: &Ipset, text: &str) -> Result<Vec<Vec<Value>>, String> {
    let full = u32::from(set.host_length());
    let (mut first, last, len) = range(set.family, text)?;
    if let Some(len) = len {
        let masked = if set.kind == SetType::HashNetNet { first & set.mask } else { first };
        return Ok(vec![vec![masked, len.into()]]);
    }
    let mut found = Vec::new();
    loop {
        let aligned = first.trailing_zeros().min(full);
        let fits = (last - first).checked_add(1).map_or(full, u128::ilog2);
        let host = aligned.min(fits);
        found.push(vec![first, Value::from(full - host)]);
        match first.checked_add(ones(host)).filter(|end| *end < last) {
            Some(end) => first = end + 1,
            None => return Ok(found),
        }
    }
}
