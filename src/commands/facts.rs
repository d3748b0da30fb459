//! Facts fixed on the command line: `--assume 'in:web:10.0.0.9=yes'`, `--choose 2`.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use nettrace_engine::explore::Pins;
use nettrace_engine::fact::{Chooser, Options};

use crate::cli::FactArgs;
use crate::load::Failure;
use crate::output::{self, Screen};

/// What the command line fixes.
#[derive(Debug, Default)]
pub struct Fixed {
    /// Facts by their key and their answer's label.
    pub pins: Pins,
    /// The way of every random choice, from 0.
    every: Option<usize>,
    /// The ways of single random choices, from 0.
    single: Vec<(String, usize)>,
    /// What the walks asked for of all that is fixed.
    asked: Mutex<Vec<String>>,
    /// Answers that a fact does not have, each with those that it has.
    misfits: Mutex<Vec<(String, Vec<String>)>>,
    /// Whether the walks met a random choice.
    chose: Mutex<bool>,
}

impl Fixed {
    /// Reads the flags.
    pub fn read(args: &FactArgs) -> Result<Self, Failure> {
        let mut fixed = Fixed::default();
        for text in &args.assume {
            let (key, value) =
                text.rsplit_once('=').ok_or_else(|| Failure::new(format!("--assume {text}: KEY=VALUE is wanted")))?;
            fixed.pins.insert(key.to_string(), value.to_string());
        }
        for text in &args.choose {
            let (key, number) = text.rsplit_once('=').map_or((None, text.as_str()), |(k, n)| (Some(k), n));
            let way = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            let way = way.ok_or_else(|| Failure::new(format!("--choose {text}: a number from 1 is wanted")))?;
            match key {
                Some(key) => fixed.single.push((key.to_string(), way)),
                None => fixed.every = Some(way),
            }
        }
        Ok(fixed)
    }

    /// The same facts, for other walks: nothing was asked yet.
    pub fn afresh(&self) -> Self {
        Fixed { pins: self.pins.clone(), every: self.every, single: self.single.clone(), ..Fixed::default() }
    }

    /// Whether nothing is fixed.
    fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.single.is_empty() && self.every.is_none()
    }

    /// Whether what is fixed was of use: an answer that a fact does not have is an error, a fact that no walk asked for
    /// is told as a note.
    pub fn check(&self, screen: &mut Screen) -> Result<(), Failure> {
        if let Some((key, answers)) = locked(&self.misfits).first() {
            let value = self.pins.get(key).map_or("", String::as_str);
            let list = answers.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", ");
            return Err(Failure::new(format!("--assume {key}={value}: the answers are {list}, or `ask`")));
        }
        let asked = locked(&self.asked);
        let fixed = self.pins.keys().chain(self.single.iter().map(|s| &s.0));
        let choice = self.every.is_some() && !*locked(&self.chose);
        if choice {
            screen.note("note: `--choose` has no effect: the walk meets no random choice\n");
        }
        let mut unused: Vec<&String> = fixed.filter(|k| !asked.contains(k)).collect();
        unused.sort();
        for key in unused {
            let key = output::safe(key);
            screen.note(&format!("note: `{key}` is fixed, but the walk does not depend on it\n"));
        }
        Ok(())
    }

    /// Notes that a fact was asked for, and whether it has the answer that is fixed.
    fn asked(&self, key: &str, options: Option<&Options>) {
        let pin = self.pins.get(key);
        if pin.is_some() || self.single.iter().any(|s| s.0 == key) {
            let mut asked = locked(&self.asked);
            if !asked.iter().any(|k| k == key) {
                asked.push(key.to_string());
            }
        }
        let (Some(pin), Some(options)) = (pin, options) else { return };
        if pin != "ask" && options.choices.iter().all(|c| c.label != *pin) {
            let answers = options.choices.iter().map(|c| c.label.to_string()).collect();
            locked(&self.misfits).push((key.to_string(), answers));
        }
    }

    fn way(&self, key: &str, options: &Options) -> Option<usize> {
        let single = self.single.iter().find(|(k, _)| k == key).map(|(_, way)| *way);
        let chance = options.choices.iter().all(|c| c.odds.is_some());
        if chance {
            *locked(&self.chose) = true;
        }
        let way = single.or(self.every.filter(|_| chance))?;
        Some(way.min(options.choices.len().saturating_sub(1)))
    }
}

/// What the walks of several threads note; a note is complete whatever became of a thread.
fn locked<T>(notes: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers random choices as fixed, and hands everything else on.
pub struct Facts<'a> {
    /// What is fixed.
    pub fixed: &'a Fixed,
    /// Who answers the rest.
    pub rest: &'a mut dyn Chooser,
}

impl Chooser for Facts<'_> {
    fn given(&mut self, key: &dyn Display) -> Option<&str> {
        if !self.fixed.is_empty() {
            self.fixed.asked(&key.to_string(), None);
        }
        self.rest.given(key)
    }

    fn spent(&mut self, rules: u64, events: u64) {
        self.rest.spent(rules, events);
    }

    fn choose(&mut self, key: &dyn Display, options: &Options) -> usize {
        if self.fixed.is_empty() {
            return self.rest.choose(key, options);
        }
        let name = key.to_string();
        self.fixed.asked(&name, Some(options));
        match self.fixed.way(&name, options) {
            Some(way) => way,
            None => self.rest.choose(key, options),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nettrace_engine::fact::Choice;

    #[test]
    fn choices_are_counted_from_one_and_only_chances_take_them_all() {
        let args = FactArgs {
            assume: vec!["a=b=c".to_string()],
            choose: vec!["3".to_string(), "k=1".to_string()],
            ..FactArgs::default()
        };
        let fixed = Fixed::read(&args).unwrap();
        assert_eq!(fixed.pins.get("a=b").map(String::as_str), Some("c"));
        let chance = Options::of((0..4).map(|i| Choice { odds: Some(0.25), ..Choice::new(i, "x") }).collect());
        assert_eq!(fixed.way("any", &chance), Some(2));
        assert_eq!(fixed.way("k", &chance), Some(0));
        assert_eq!(fixed.way("any", &Options::yes_no()), None);
        assert!(Fixed::read(&FactArgs { choose: vec!["0".to_string()], ..FactArgs::default() }).is_err());
    }
}
