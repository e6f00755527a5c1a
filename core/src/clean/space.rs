//! Replaces every run of white space by one blank.

use std::borrow::Cow;

/// Returns the text with one blank for every run of Unicode white space, at its ends too.
pub(super) fn collapse(text: &str) -> Cow<'_, str> {
    let Some(first) = first_to_change(text) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut after_space = out.ends_with(' ');
    for character in text[first..].chars() {
        let space = character.is_whitespace();
        if !space {
            out.push(character);
        } else if !after_space {
            out.push(' ');
        }
        after_space = space;
    }
    Cow::Owned(out)
}

/// Returns the position of the first white space that is not a single blank.
fn first_to_change(text: &str) -> Option<usize> {
    let mut after_space = false;
    text.char_indices().find_map(|(at, character)| {
        let space = character.is_whitespace();
        let changes = space && (after_space || character != ' ');
        after_space = space;
        changes.then_some(at)
    })
}
