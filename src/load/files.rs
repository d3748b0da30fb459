//! Finds and reads the files: a folder by its names, single files and standard input by their content.
//!
//! Left out: what a file holds beyond its kind.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use nettrace_engine::limits;

use super::Failure;
use super::kinds::{self, Kind};
use super::session;
use super::text;

/// How a file came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By its name in a folder, or in the built-in sample.
    Folder,
    /// It was named.
    Named,
}

/// A file that is read.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is.
    pub kind: Kind,
    /// What messages call it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// How it came in.
    pub origin: Origin,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What is read.
    pub inputs: Vec<Input>,
    /// Names in folders that are not read.
    pub ignored: Vec<String>,
    /// Files of a folder that a named one replaces.
    pub replaced: Vec<String>,
    /// It is the built-in sample.
    pub sample: bool,
}

/// Reads all inputs of the command line.
pub fn find(paths: &[PathBuf]) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            found.inputs.extend(named("<stdin>", read_stdin()?)?);
        } else if path.is_dir() {
            folder(path, &mut found)?;
        } else {
            found.inputs.extend(named(&path.display().to_string(), read(path)?)?);
        }
    }
    for input in &found.inputs {
        if kinds::is_connections_save(&input.text) {
            return Err(Failure::new(format!(
                "{} is what `conntrack -o save` prints, which leaves out the marks of connections: `conntrack -L` prints all",
                input.name
            )));
        }
        if input.kind.is_ruleset() && kinds::is_listing(&input.text) {
            return Err(listing(&input.name));
        }
        if let Some(tool) = kinds::not_walked(input.kind, &input.text) {
            return Err(Failure::new(format!(
                "{} is a dump of {tool}, whose rules are not walked: leave it out (of a bridge's rules, tables of family bridge \
                 in `nft list ruleset` are walked)",
                input.name
            )));
        }
    }
    replace(&mut found);
    check(&found)?;
    Ok(found)
}

/// A file by its content: one input, or those of a terminal's session.
fn named(name: &str, text: String) -> Result<Vec<Input>, Failure> {
    if text.trim().is_empty() {
        return Err(Failure::new(format!("{name} is empty")));
    }
    let session = session::split(&text);
    if !session.is_empty() {
        let input = |(kind, text)| Input { kind, name: name.to_string(), text, origin: Origin::Named };
        return Ok(session.into_iter().map(input).collect());
    }
    let base = Path::new(name).file_name().map_or(name, |n| n.to_str().unwrap_or(name));
    let kind = kinds::by_content(&text, base).ok_or_else(|| {
        if kinds::is_listing(&text) {
            return listing(name);
        }
        Failure::new(format!(
            "{name} is none of the dumps that nettrace reads (iptables-save, nft list ruleset, ipset save, ip -j addr, \
             ip -j route, ...)"
        ))
    })?;
    Ok(vec![Input { kind, name: name.to_string(), text, origin: Origin::Named }])
}

fn listing(name: &str) -> Failure {
    Failure::new(format!(
        "{name} is a listing of `iptables -L`, which leaves out parts of the rules: what `iptables-save` prints has all of them"
    ))
}

fn folder(path: &Path, found: &mut Found) -> Result<(), Failure> {
    let fail = |e: std::io::Error| Failure::new(format!("cannot read the folder {}: {e}", path.display()));
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(fail)?.take(limits::NAMES + 1) {
        names.insert(entry.map_err(fail)?.file_name().to_string_lossy().into_owned());
    }
    if names.len() > limits::NAMES {
        return Err(Failure::new(format!("the folder {} holds more than {} names", path.display(), limits::NAMES)));
    }
    let before = found.inputs.len();
    for (name, kind) in kinds::NAMES {
        // What was saved by hand often ends in `.txt`.
        let spelled = [(*name).to_string(), format!("{name}.txt")].into_iter().find(|n| names.contains(n));
        let Some(spelled) = spelled else { continue };
        let full = path.join(&spelled);
        let again = found.inputs[before..].iter().any(|i| i.kind == *kind);
        if again || !names.remove(&spelled) || full.is_dir() {
            continue;
        }
        if full.exists() && !full.is_file() {
            return Err(Failure::new(format!("{} is not a regular file", full.display())));
        }
        let input = Input { kind: *kind, name: full.display().to_string(), text: read(&full)?, origin: Origin::Folder };
        found.inputs.push(input);
    }
    // A JSON listing beside the text one is the same ruleset again.
    let text = found.inputs[before..].iter().any(|i| i.kind == Kind::Nft);
    found.inputs.retain(|i| !(text && i.kind == Kind::NftJson && i.origin == Origin::Folder));
    if found.inputs.len() == before {
        return Err(Failure::new(format!(
            "the folder {} holds none of the names that nettrace reads (iptables-save, nft-ruleset, ipset-save, \
             ip-addr.json, ...); give its files one by one (`{}/*`), and their content tells what they are",
            path.display(),
            path.display()
        )));
    }
    found.ignored.extend(names.into_iter().map(|n| path.join(n).display().to_string()));
    Ok(())
}

/// A named file replaces the folder's of its kind; a later folder replaces an earlier one's.
fn replace(found: &mut Found) {
    let mut kept: Vec<Input> = Vec::new();
    for input in std::mem::take(&mut found.inputs) {
        let beats = |old: &Input| old.kind.same(input.kind) && old.origin == Origin::Folder;
        let (gone, rest): (Vec<_>, Vec<_>) = kept.into_iter().partition(beats);
        found.replaced.extend(gone.into_iter().map(|i| i.name));
        kept = rest;
        let loses = input.origin == Origin::Folder && kept.iter().any(|old| old.kind.same(input.kind));
        if loses {
            found.replaced.push(input.name);
        } else {
            kept.push(input);
        }
    }
    found.inputs = kept;
}

fn check(found: &Found) -> Result<(), Failure> {
    let total: u64 = found.inputs.iter().map(|i| i.text.len() as u64).sum();
    if total > limits::INPUTS {
        return Err(Failure::new(format!("the inputs together are larger than {} MiB", limits::INPUTS >> 20)));
    }
    for (i, input) in found.inputs.iter().enumerate().filter(|(_, input)| input.kind.is_ruleset()) {
        if let Some(other) = found.inputs[..i].iter().find(|o| o.kind.same(input.kind)) {
            let (a, b) = (&other.name, &input.name);
            return Err(Failure::new(format!("{a} and {b} are both `{}` dumps; give one", input.kind.command())));
        }
    }
    let rules: Vec<&Input> = found.inputs.iter().filter(|i| i.kind.is_ruleset()).collect();
    if rules.is_empty() {
        let read = |i: &Input| format!("{} is read as `{}`", i.name, i.kind.command());
        let read: Vec<String> = found.inputs.iter().take(4).map(read).collect();
        return Err(Failure::new(format!(
            "there is no ruleset among the inputs (iptables-save, ip6tables-save, nft list ruleset): {}",
            read.join(", ")
        )));
    }
    if rules.iter().all(|i| i.text.trim().is_empty()) {
        let names: Vec<_> = rules.iter().map(|i| i.name.as_str()).collect();
        return Err(Failure::new(format!("{} is empty", names.join(" and "))));
    }
    Ok(())
}

/// Reads a text file; bytes that are no UTF-8 are replaced.
pub fn read(path: &Path) -> Result<String, Failure> {
    let fail = |e: std::io::Error| Failure::new(format!("cannot read {}: {e}", path.display()));
    let file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_or(0, |m| m.len());
    limited(file, size, &path.display().to_string())
}

/// Reads standard input.
pub fn read_stdin() -> Result<String, Failure> {
    limited(std::io::stdin().lock(), 0, "standard input")
}

/// Reads what is about `size` bytes long, and may not be longer than an input is allowed to be.
fn limited(from: impl Read, size: u64, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::with_capacity(size.min(limits::INPUT) as usize + 1);
    let read = from.take(limits::INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|e| Failure::new(format!("cannot read {name}: {e}")))?;
    text::decode(bytes).map_err(|why| Failure::new(format!("{name} {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(kind: Kind, name: &str, origin: Origin) -> Input {
        Input { kind, name: name.to_string(), text: "x".to_string(), origin }
    }

    #[test]
    fn a_named_file_replaces_the_folders_of_its_kind_wherever_it_stands() {
        let check = |inputs: Vec<Input>, expect: &[&str]| {
            let mut found = Found { inputs, ..Found::default() };
            replace(&mut found);
            let names: Vec<_> = found.inputs.iter().map(|i| i.name.as_str()).collect();
            assert_eq!(names, expect);
        };
        let folder = || input(Kind::Iptables, "folder", Origin::Folder);
        let named = || input(Kind::Iptables, "named", Origin::Named);
        check(vec![folder(), named()], &["named"]);
        check(vec![named(), folder()], &["named"]);
        check(vec![folder(), input(Kind::Nft, "nft", Origin::Named)], &["folder", "nft"]);
    }

    #[test]
    fn two_named_rulesets_of_a_kind_are_refused() {
        let twice = vec![input(Kind::Nft, "a", Origin::Named), input(Kind::Nft, "b", Origin::Named)];
        assert!(check(&Found { inputs: twice, ..Found::default() }).is_err());
        let none = vec![input(Kind::Ipset, "a", Origin::Named)];
        assert!(check(&Found { inputs: none, ..Found::default() }).is_err());
    }
}
