//! "Did you mean": the known word nearest to an unknown one.

/// ` (did you mean X?)`, or nothing when no known word is near.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, known) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    }
}

/// The known word nearest to `word`, if no more than a third of its characters differ.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters must be put in, left out or changed (Levenshtein), case aside.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let changed = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_a_stranger_is_not() {
        let known = ["events", "profiles", "docs"];
        assert_eq!(nearest("event", known), Some("events"));
        assert_eq!(nearest("Profles", known), Some("profiles"));
        assert_eq!(nearest("warehouse", known), None);
        assert_eq!(did_you_mean("dosc", known), "");
        assert_eq!(did_you_mean("doc", known), "; did you mean docs?");
    }
}
