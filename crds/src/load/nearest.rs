//! "Did you mean": the nearest of a few words.

/// Longest text that is compared. A longer one is no misspelled word, and the work grows with its
/// square.
const LONGEST: usize = 64;

/// Returns the word nearest to `text`, case aside, or the first of several; `None` if more than a
/// third of the text's characters differ. Two swapped letters differ in one.
pub fn nearest<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.len() > LONGEST {
        return None;
    }
    let wanted = text.to_lowercase();
    let allowed = (text.chars().count() / 3).max(1);
    words
        .into_iter()
        .map(|word| (strsim::osa_distance(&wanted, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_word_is_recognised_and_another_word_is_not() {
        let words = ["keepFirst", "keepLast", "secretRef", "storeRef", "path"];
        assert_eq!(nearest("keepfirst", words), Some("keepFirst"));
        assert_eq!(nearest("paht", words), Some("path"));
        assert_eq!(nearest("storeref", words), Some("storeRef"));
        assert_eq!(nearest("secretReference", words), None);
        assert_eq!(nearest("password", words), None);
        assert_eq!(nearest(&"x".repeat(1000), words), None);
        let names = ["events", "profiles", "docs"];
        assert_eq!(nearest("event", names), Some("events"));
        assert_eq!(nearest("Profles", names), Some("profiles"));
        assert_eq!(nearest("warehouse", names), None);
    }

    #[test]
    fn swapped_letters_are_one_mistake() {
        assert_eq!(nearest("pahts", ["paths"]), Some("paths"));
        assert_eq!(nearest("", ["abc"]), None);
        assert_eq!(nearest("kitten", ["sitting"]), None);
        assert_eq!(nearest("dosc", ["docs"]), Some("docs"));
    }
}
