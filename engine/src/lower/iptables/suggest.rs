//! "Did you mean": the name nearest to a misspelt one.

/// A hint naming the nearest of `names`, when one is near.
pub fn did_you_mean<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let near = names.filter(|n| !n.is_empty()).map(|n| (strsim::damerau_levenshtein(word, n), n));
    let (distance, name) = near.min()?;
    let limit = (word.len() / 3).clamp(1, 3);
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
    }
}
