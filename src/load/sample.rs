//! The built-in stories: the dumps of `samples/*` that have a lesson, part of the program. One of them is the built-in
//! sample, so that `nettrace explain --dport 31002` answers without any input.

use super::Failure;
use super::files::{Found, Input, Origin};
use super::kinds;

type Files = &'static [(&'static str, &'static str)];

/// The stories by name, with name and text of their files.
static STORIES: &[(&str, Files)] = include!(concat!(env!("OUT_DIR"), "/samples.rs"));

/// The story that stands in when no input is given.
const BUILT_IN: &str = "nodeport-drop";

/// The built-in sample's files.
pub fn files() -> Result<Found, Failure> {
    let mut found = story(BUILT_IN, "<sample>")?;
    found.sample = true;
    Ok(found)
}

/// The files of a story; messages put `shown` before their names.
pub fn story(name: &str, shown: &str) -> Result<Found, Failure> {
    let mut found = Found::default();
    let files = STORIES.iter().find(|s| s.0 == name).map_or(&[] as Files, |s| s.1);
    for (name, kind) in kinds::NAMES {
        let text = files.iter().find(|(n, _)| n == name).map(|(_, text)| *text);
        let known = found.inputs.iter().any(|i: &Input| i.kind == *kind);
        if let Some(text) = text.filter(|_| !known) {
            let name = format!("{shown}/{name}");
            found.inputs.push(Input { kind: *kind, name, text: text.to_string(), origin: Origin::Folder });
        }
    }
    if found.inputs.is_empty() {
        return Err(Failure::new("no input was given, and this build has no built-in sample"));
    }
    Ok(found)
}

/// The lessons: name of the story and text of its `lesson.json`.
pub fn lessons() -> impl Iterator<Item = (&'static str, &'static str)> {
    STORIES.iter().filter_map(|(story, files)| Some((*story, files.iter().find(|f| f.0 == "lesson.json")?.1)))
}
