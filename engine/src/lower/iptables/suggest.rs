//! "Did you mean": the name nearest to a misspelt one.

/// A hint naming the nearest of `names`, when one is near.
pub fn did_you_mean<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let limit = (word.len() / 3).clamp(1, 3);
    // A name (in ASCII) is at least as far as it is longer or shorter; words of a broken dump can be very many.
    let length = word.chars().count();
    let may_be_near = |n: &&str| !n.is_empty() && n.len().abs_diff(length) <= limit;
    // Capitals do not tell names apart that people confuse.
    let distance = |n: &str| if n.eq_ignore_ascii_case(word) { 0 } else { strsim::damerau_levenshtein(word, n) };
    let near = names.filter(may_be_near).map(|n| (distance(n), n));
    let (distance, name) = near.min()?;
    (distance <= limit).then(|| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_only() {
        let names = || ["--dport", "--sport", "--syn"].into_iter();
        assert_eq!(did_you_mean("--dprot", names()).as_deref(), Some("did you mean `--dport`?"));
        assert_eq!(did_you_mean("--something", names()), None);
        assert_eq!(did_you_mean("drop", ["PROP", "DROP"].into_iter()).as_deref(), Some("did you mean `DROP`?"));
    }
}
