//! Steps on the letters of a text: ASCII rules if it is ASCII, else Unicode rules.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Removes white space at both ends.
pub(super) fn trim(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text.trim())
}

/// Converts to lower case.
pub(super) fn lowercase(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    if text.is_ascii() {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    // The final sigma of Greek depends on its neighbours, so the text cannot be converted character
    // by character.
    unless_same(text, text.to_lowercase())
}

/// Converts to upper case.
pub(super) fn uppercase(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase()) {
        return Cow::Borrowed(text);
    }
    if text.is_ascii() {
        return Cow::Owned(text.to_ascii_uppercase());
    }
    unless_same(text, text.to_uppercase())
}

/// Converts to normal form C.
pub(super) fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    unless_same(text, text.nfc().collect())
}

fn unless_same(before: &str, after: String) -> Cow<'_, str> {
    if before == after { Cow::Borrowed(before) } else { Cow::Owned(after) }
}
