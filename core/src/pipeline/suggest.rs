//! "Did you mean": suggestions for unknown names of a manifest.

use lethe_crds::load::nearest;

/// Returns `; did you mean X?`, or nothing if no known word is near. Of several that are equally
/// near, the first in the alphabet is suggested.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    nearest(word, known).map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["events", "profiles", "docs", "dogs"];
        assert_eq!(did_you_mean("doc", known), "; did you mean docs?");
        assert_eq!(did_you_mean("dots", known), "; did you mean docs?");
        assert_eq!(did_you_mean("warehouse", known), "");
    }
}
