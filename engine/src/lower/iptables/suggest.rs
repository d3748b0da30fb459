//! "Did you mean": the name nearest to a misspelt one.
//!
//! A broken dump may misspell every line of it, and names can be as many: all hints of an input compare
//! [`limits::HINTS`] names at most.

use crate::limits;

/// Gives hints for one input.
#[derive(Debug)]
pub struct Hints {
    /// Names that may still be compared.
    left: usize,
}

impl Default for Hints {
    fn default() -> Self {
        Hints { left: limits::HINTS }
    }
}

impl Hints {
    /// A hint naming the nearest of `names`, when one is near. An empty name is none.
    pub fn did_you_mean<'n>(&mut self, word: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
        let most = (word.len() / 3).clamp(1, 3);
        // A name (in ASCII) is at least as far as it is longer or shorter.
        let length = word.chars().count();
        let may_be_near = |n: &&str| !n.is_empty() && n.len().abs_diff(length) <= most;
        let names = names.take(self.left).inspect(|_| self.left -= 1).filter(may_be_near);
        let (distance, name) = names.map(|n| (strsim::damerau_levenshtein(word, n), n)).min()?;
        (distance <= most).then(|| format!("did you mean `{name}`?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_only() {
        let names = || ["--dport", "--sport", "--syn"].into_iter();
        let hint = |word: &str| Hints::default().did_you_mean(word, names());
        assert_eq!(hint("--dprot").as_deref(), Some("did you mean `--dport`?"));
        assert_eq!(hint("--something"), None);
    }

    #[test]
    fn names_that_are_compared_are_counted() {
        let mut hints = Hints { left: 3 };
        let mut hint = || hints.did_you_mean("--dprot", ["--syn", "--dport"].into_iter());
        assert_eq!(hint().as_deref(), Some("did you mean `--dport`?"));
        assert_eq!((hint(), hint()), (None, None), "`--syn` alone is compared again, then nothing");
    }
}
