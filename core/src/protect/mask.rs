//! Stars instead of characters.

use super::ProtectFailed;
use crate::scalar::Scalar;

/// Appends the value's text with a star for every character except the first `keep_first` and the
/// last `keep_last`. A value that is not longer than these together is masked as a whole. The text
/// keeps its length in characters (Unicode scalar values).
pub fn mask(value: &Scalar<'_>, keep_first: usize, keep_last: usize, out: &mut String) -> Result<(), ProtectFailed> {
    let text = value.as_text().ok_or(ProtectFailed { rule: "mask" })?;
    let length = if text.is_ascii() { text.len() } else { text.chars().count() };
    let kept = keep_first.saturating_add(keep_last);
    if length <= kept {
        stars(length, out);
        return Ok(());
    }
    let head = byte_of(text, keep_first, length);
    let tail = byte_of(text, length - keep_last, length);
    out.push_str(&text[..head]);
    stars(length - kept, out);
    out.push_str(&text[tail..]);
    Ok(())
}

fn stars(count: usize, out: &mut String) {
    out.extend(std::iter::repeat_n('*', count));
}

/// Returns where the character with this index begins; `length` is the number of characters in the
/// text.
fn byte_of(text: &str, character: usize, length: usize) -> usize {
    if length == text.len() {
        return character;
    }
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    fn masked(text: &str, keep_first: usize, keep_last: usize) -> String {
        let mut out = String::new();
        mask(&Scalar::Text(Cow::Borrowed(text)), keep_first, keep_last, &mut out).unwrap();
        out
    }

    #[test]
    fn the_first_and_last_characters_stay() {
        for (text, first, last, expected) in [
            ("+4930901820", 0, 2, "*********20"),
            ("+4930901820", 3, 2, "+49******20"),
            ("müller", 2, 1, "mü***r"),
            ("漢字仮名", 1, 0, "漢***"),
            ("abc", 0, 0, "***"),
            ("", 1, 1, ""),
        ] {
            assert_eq!(masked(text, first, last), expected);
        }
    }

    #[test]
    fn a_value_no_longer_than_the_kept_characters_is_masked_whole() {
        assert_eq!(masked("ab", 1, 1), "**");
        assert_eq!(masked("ä", 5, 0), "*");
        assert_eq!(masked("abc", usize::MAX, usize::MAX), "***");
    }

    #[test]
    fn a_number_is_masked_by_its_text_and_null_has_no_mask() {
        let mut out = "kept ".to_owned();
        mask(&Scalar::Number(Cow::Borrowed("1234.5")), 0, 2, &mut out).unwrap();
        mask(&Scalar::Bool(true), 0, 0, &mut out).unwrap();
        assert_eq!(out, "kept ****.5****");
        assert_eq!(mask(&Scalar::Null, 0, 0, &mut out), Err(ProtectFailed { rule: "mask" }));
    }

    proptest! {
        #[test]
        fn a_mask_never_shows_more_than_declared(text in "\\PC{0,30}", first in 0usize..12, last in 0usize..12) {
            let (before, after): (Vec<char>, Vec<char>) = (text.chars().collect(), masked(&text, first, last).chars().collect());
            prop_assert_eq!(before.len(), after.len());
            let shows = before.len() > first + last;
            for (at, star) in after.iter().enumerate() {
                let stays = shows && (at < first || at >= before.len() - last);
                prop_assert_eq!(*star, if stays { before[at] } else { '*' });
            }
        }
    }
}
