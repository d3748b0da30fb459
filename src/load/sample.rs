//! The built-in sample: the dumps of `samples/nodeport-drop`, part of the program, so that `nettrace explain --dport
//! 31002` answers without any input.

use super::Failure;
use super::files::{Found, Input, Origin};
use super::kinds;

/// Name and text of each of the sample's files, in the order of their names.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sample.rs"));

/// The sample's files.
pub fn files() -> Result<Found, Failure> {
    let mut found = Found { sample: true, ..Found::default() };
    for (name, kind) in kinds::NAMES {
        let text = FILES.iter().find(|(n, _)| n == name).map(|(_, text)| *text);
        let known = found.inputs.iter().any(|i: &Input| i.kind == *kind);
        if let Some(text) = text.filter(|_| !known) {
            let name = format!("<sample>/{name}");
            found.inputs.push(Input { kind: *kind, name, text: text.to_string(), origin: Origin::Folder });
        }
    }
    if found.inputs.is_empty() {
        return Err(Failure::new("no input was given, and this build has no built-in sample"));
    }
    Ok(found)
}
