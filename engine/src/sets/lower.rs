//! `ipset save` lines, or typed commands, to sets of the model: `create`, `add`, `del`, `flush`, `destroy`, `rename`,
//! `swap`.
//!
//! An entry that cannot be read costs that entry; the set then is incomplete, and a miss in it uncertain.

use nettrace_grammar::Diagnostic;
use nettrace_grammar::ipset::tree::{Line, LineKind, Tree};
use rustc_hash::FxHashMap;

use crate::field::Value;
use crate::limits;
use crate::model::{Contents, Model, Set, SetId, ones};

use super::entry::{self, Flags, number};
use super::{Dimension, Ext, Iface, Ipset, Lengths, SetType, Store};

/// Puts the sets of a tree into the model. Sets that rules named before get their contents.
pub fn lower(tree: &Tree, model: &mut Model) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut open: Option<(nettrace_grammar::Name, SetId)> = None;
    let mut room = limits::ENTRIES;
    for line in &tree.lines {
        if !changes(line) {
            continue;
        }
        if tree.set(line).is_empty() {
            flush_all(line, model);
            continue;
        }
        let id = match open {
            Some((name, id)) if name == line.set => id,
            _ => {
                let id = model.ipset(tree.set(line));
                open = Some((line.set, id));
                id
            }
        };
        if let Err(why) = run(tree, line, id, model, &mut room) {
            diagnostics.push(Diagnostic::error("NT410", line.span(), why).label("left out"));
        }
        if matches!(line.kind, LineKind::Rename | LineKind::Swap | LineKind::Destroy) {
            open = None;
        }
    }
    for set in &mut model.sets {
        if let Contents::Ipset(set) = &mut set.contents {
            set.store.finish();
        }
    }
    diagnostics
}

/// Whether a line says something about a set's contents.
fn changes(line: &Line) -> bool {
    use LineKind::*;
    matches!(line.kind, Create | Add | Delete | Flush | Destroy | Rename | Swap)
}

/// `flush` or `destroy` without a set: all of them.
fn flush_all(line: &Line, model: &mut Model) {
    for set in &mut model.sets {
        match &mut set.contents {
            Contents::Ipset(_) if line.kind == LineKind::Destroy => set.contents = Contents::Unknown,
            Contents::Ipset(set) => empty(set),
            _ => {}
        }
    }
}

fn empty(set: &mut Ipset) {
    set.store = Store::new(&set.widths);
    set.members.clear();
    set.incomplete = false;
}

fn run(tree: &Tree, line: &Line, id: SetId, model: &mut Model, room: &mut usize) -> Result<(), String> {
    match line.kind {
        LineKind::Create => create(tree, line, id, model),
        LineKind::Add => add(tree, line, id, model, room),
        LineKind::Delete => delete(tree, line, id, model),
        LineKind::Flush => list_mut(model, id).map(empty),
        LineKind::Destroy => {
            set_mut(model, id)?.contents = Contents::Unknown;
            Ok(())
        }
        LineKind::Rename => {
            let to = model.ipset(tree.text(line));
            let moved = std::mem::replace(&mut set_mut(model, id)?.contents, Contents::Unknown);
            set_mut(model, to)?.contents = moved;
            Ok(())
        }
        LineKind::Swap => {
            let other = model.ipset(tree.text(line));
            let moved = std::mem::replace(&mut set_mut(model, id)?.contents, Contents::Unknown);
            let moved = std::mem::replace(&mut set_mut(model, other)?.contents, moved);
            set_mut(model, id)?.contents = moved;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn set_mut(model: &mut Model, id: SetId) -> Result<&mut Set, String> {
    model.sets.get_mut(id.0 as usize).ok_or_else(|| "there is no such set".to_owned())
}

fn create(tree: &Tree, line: &Line, id: SetId, model: &mut Model) -> Result<(), String> {
    let mut words = tree.words(line);
    let kind = words.next().unwrap_or_default();
    let kind = SetType::named(kind).ok_or_else(|| format!("`{kind}` is not a type of set"))?;
    let set = options(kind, words)?;
    let size = set.max;
    let (span, there) = (line.span(), set_mut(model, id)?);
    if matches!(there.contents, Contents::Unknown) {
        *there = Set { span, size, contents: Contents::Ipset(Box::new(set)), ..there.clone() };
    }
    Ok(())
}

/// The set that `create`'s options describe.
fn options<'t>(kind: SetType, words: impl Iterator<Item = &'t str>) -> Result<Ipset, String> {
    let addressed = kind.dimensions().iter().any(|d| matches!(d, Dimension::Ip | Dimension::Net));
    let mut set = Ipset {
        kind,
        family: if addressed { 2 } else { 0 },
        mask: Value::MAX,
        mark_mask: u32::MAX,
        range: (0, Value::MAX),
        max: if kind.is_bitmap() || kind == SetType::List { 0 } else { 65536 },
        force_add: false,
        timeout: None,
        counters: false,
        skbinfo: false,
        members: Vec::new(),
        incomplete: false,
        store: Store::new(&[]),
        widths: Box::default(),
        lengths: Lengths::default(),
        ifaces: Vec::new(),
        numbers: FxHashMap::default(),
    };
    let mut words = words.map(|w| w.trim_start_matches("--")).peekable();
    let mut mask = None;
    while let Some(word) = words.next() {
        match word {
            "counters" => set.counters = true,
            "skbinfo" => set.skbinfo = true,
            "forceadd" => set.force_add = true,
            "comment" | "nomatch" => {}
            "inet" | "-4" => set.family = if addressed { 2 } else { 0 },
            "inet6" | "-6" => set.family = if addressed { 10 } else { 0 },
            "family" if addressed => set.family = if words.next() == Some("inet6") { 10 } else { 2 },
            name => {
                let value = words.next().ok_or_else(|| format!("`{name}` needs a value"))?;
                option(&mut set, &mut mask, name, value)?;
            }
        }
    }
    if let Some(text) = mask {
        set.mask = match text.parse::<u32>() {
            Ok(length) => !ones(u32::from(set.host_length()).saturating_sub(length)),
            Err(_) => entry::one_address(set.family, text)?,
        };
    }
    if kind == SetType::BitmapPort {
        set.range = (set.range.0, set.range.1.min(0xffff));
    }
    set.widths = set.shape();
    set.store = Store::new(&set.widths);
    Ok(set)
}

fn option<'t>(set: &mut Ipset, mask: &mut Option<&'t str>, name: &str, value: &'t str) -> Result<(), String> {
    let wrong = || format!("`{name} {value}` cannot be read");
    match name {
        "netmask" | "bitmask" => *mask = Some(value),
        "markmask" => set.mark_mask = number(value).ok_or_else(wrong)?,
        "maxelem" => set.max = value.parse().map_err(|_| wrong())?,
        "timeout" => set.timeout = Some(value.parse().map_err(|_| wrong())?),
        "range" | "network" if set.kind == SetType::BitmapPort => {
            let (first, last) = super::names::port_range(value).ok_or_else(wrong)?;
            set.range = (first.into(), last.into());
        }
        "range" | "network" => {
            let (first, last, _) = entry::range(2, value)?;
            set.range = (first, last);
        }
        "from" | "to" => {
            let end = value.parse::<u16>().map(Value::from).or_else(|_| entry::one_address(2, value))?;
            if name == "from" { set.range.0 = end } else { set.range.1 = end }
        }
        "hashsize" | "bucketsize" | "initval" | "size" | "probes" | "resize" | "gc" | "family" => {}
        _ => return Err(format!("`{name}` is not an option of a set")),
    }
    Ok(())
}

/// What stands behind an entry.
#[derive(Default)]
struct Extra<'t> {
    ext: Ext,
    flags: Flags,
    /// `list:set`: the member it goes before (`true`) or behind.
    place: Option<(bool, &'t str)>,
}

fn extra<'t>(mut words: impl Iterator<Item = &'t str>) -> Result<Extra<'t>, String> {
    let mut extra = Extra::default();
    while let Some(word) = words.next() {
        let word = word.trim_start_matches("--");
        match word {
            "nomatch" => extra.ext.nomatch = true,
            "wildcard" => extra.flags.wildcard = true,
            "exist" | "-exist" | "-!" => {}
            _ => {
                let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
                valued(&mut extra, word, value).ok_or_else(|| format!("`{word} {value}` cannot be read"))?;
            }
        }
    }
    Ok(extra)
}

fn valued<'t>(extra: &mut Extra<'t>, word: &str, value: &'t str) -> Option<()> {
    let ext = &mut extra.ext;
    match word {
        "timeout" => ext.timeout = value.parse().ok()?,
        "packets" => ext.packets = value.parse().ok()?,
        "bytes" => ext.bytes = value.parse().ok()?,
        "comment" => ext.comment = Some(value.into()),
        "skbmark" => {
            let (mark, mask) = value.split_once('/').unwrap_or((value, "0xffffffff"));
            ext.skb_mark = Some((number(mark)?, number(mask)?));
        }
        "skbprio" => {
            let (major, minor) = value.split_once(':')?;
            let hex = |text| u16::from_str_radix(text, 16).ok();
            ext.skb_prio = Some(u32::from(hex(major)?) << 16 | u32::from(hex(minor)?));
        }
        "skbqueue" => ext.skb_queue = Some(value.parse().ok()?),
        "before" | "after" => extra.place = Some((word == "before", value)),
        _ => return None,
    }
    Some(())
}

/// Adds an entry; `room` is how many more of them there may be.
fn add(tree: &Tree, line: &Line, id: SetId, model: &mut Model, room: &mut usize) -> Result<(), String> {
    if let Contents::Ipset(set) = &mut set_mut(model, id)?.contents
        && let Some(key) = entry::plain(set, tree.text(line))
    {
        take(room, 1).inspect_err(|_| set.incomplete = true)?;
        let key = &key[..set.widths.len()];
        set.kind.count_lengths(key, 1, &mut set.lengths);
        set.store.push(key, &set.widths, None);
        return Ok(());
    }
    let mut words = tree.words(line);
    let entry = words.next().unwrap_or_default();
    let extra = extra(words);
    if let Contents::Ipset(set) = &set_mut(model, id)?.contents
        && set.kind == SetType::List
    {
        let (member, extra) = (model.ipset(entry), extra?);
        let place = extra.place.map(|(before, name)| (before, model.ipset(name)));
        let list = list_mut(model, id)?;
        insert_member(list, member, place)?;
        if extra.ext != Ext::default() {
            list.store.push(&[Value::from(member.0)], &list.widths, Some(&extra.ext));
        }
        return Ok(());
    }
    let name = tree.set(line);
    let Contents::Ipset(set) = &mut set_mut(model, id)?.contents else {
        return Err(format!("no line creates the set {name}"));
    };
    let added = extra.and_then(|extra| {
        let (keys, own_mac) = entry::keys(set, entry, extra.flags)?;
        take(room, keys.len())?;
        push(set, keys, &Ext { mac: own_mac, ..extra.ext })
    });
    set.incomplete |= added.is_err();
    added
}

/// Takes entries from the room that is left for them.
fn take(room: &mut usize, entries: usize) -> Result<(), String> {
    let left = room.checked_sub(entries);
    *room = left.ok_or_else(|| format!("there are more than {} entries in all sets", limits::ENTRIES))?;
    Ok(())
}

fn push(set: &mut Ipset, keys: Vec<Vec<Value>>, ext: &Ext) -> Result<(), String> {
    let plain = *ext == Ext::default();
    for mut key in keys {
        if set.kind.is_bitmap() && !key.first().is_some_and(|k| (set.range.0..=set.range.1).contains(k)) {
            return Err("this is outside of the set's range".to_owned());
        }
        set.kind.count_lengths(&key, 1, &mut set.lengths);
        if set.kind == SetType::HashNetIface {
            key = number_iface(set, key)?;
        }
        set.store.push(&key, &set.widths, (!plain).then_some(ext));
    }
    Ok(())
}

/// The key with its device's name and flags replaced by the device's number in the set.
fn number_iface(set: &mut Ipset, mut key: Vec<Value>) -> Result<Vec<Value>, String> {
    let (Some(flags), Some(name)) = (key.pop(), key.pop()) else { return Err("a device is missing".to_owned()) };
    let iface = Iface { name, flags };
    let number = *set.numbers.entry(iface).or_insert(set.ifaces.len());
    if number == set.ifaces.len() {
        set.ifaces.push(iface);
    }
    key.push(number as Value);
    Ok(key)
}

fn list_mut(model: &mut Model, id: SetId) -> Result<&mut Ipset, String> {
    match &mut set_mut(model, id)?.contents {
        Contents::Ipset(set) => Ok(set),
        _ => Err("there is no such set".to_owned()),
    }
}

fn insert_member(list: &mut Ipset, member: SetId, place: Option<(bool, SetId)>) -> Result<(), String> {
    list.members.retain(|m| *m != member);
    if list.members.len() >= limits::MEMBERS {
        list.incomplete = true;
        return Err(format!("there are more than {} members in the list", limits::MEMBERS));
    }
    let at = match place {
        None => list.members.len(),
        Some((before, near)) => {
            let at = list.members.iter().position(|m| *m == near);
            at.ok_or_else(|| "the set to place it by is not a member".to_owned())? + usize::from(!before)
        }
    };
    list.members.insert(at, member);
    Ok(())
}

fn delete(tree: &Tree, line: &Line, id: SetId, model: &mut Model) -> Result<(), String> {
    let mut words = tree.words(line);
    let entry = words.next().unwrap_or_default();
    let extra = extra(words)?;
    let member = model.find_set(None, entry);
    let set = list_mut(model, id)?;
    if set.kind == SetType::List {
        set.members.retain(|m| Some(*m) != member);
        return Ok(());
    }
    let (keys, _) = entry::keys(set, entry, extra.flags)?;
    for key in keys {
        set.kind.count_lengths(&key, -1, &mut set.lengths);
        if let Some(key) = set.packed(&key) {
            set.store.take_out(&key, &set.widths);
        }
    }
    Ok(())
}
