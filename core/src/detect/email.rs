//! E-mail addresses in a text.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

/// Returns the address around the `@` at a position.
pub(super) fn around(text: &str, at: usize) -> Option<Range<usize>> {
    let start = local_start(text, at)?;
    let end = at + 1 + domain_length(&text[at + 1..])?;
    Some(start..end)
}

/// Returns where the local part begins. Punctuation at its beginning belongs to the sentence.
fn local_start(text: &str, at: usize) -> Option<usize> {
    let before = &text[..at];
    let mut start = at;
    let mut next_is_ascii = false;
    for (index, c) in before.char_indices().rev() {
        let joined = next_is_ascii && has_no_blanks(c);
        if joined || !(is_local(c) || c == '=' && is_return_path(&before[..index])) {
            break;
        }
        next_is_ascii = c.is_ascii();
        start = index;
    }
    let local = &text[start..at];
    let marks = local.len() - local.trim_start_matches(|c: char| c.is_ascii_punctuation() && c != '_').len();
    (start + marks < at).then_some(start + marks)
}

fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '.' | '_' | '-' | '+' | '%' | '\'' | '&' | '~' | '!' | '#' | '$')
        || is_letter(c)
}

/// Returns whether a `=` after this text is part of an address: in
/// `bounce+anna=example.org@list.org` it is, in `?email=` it is not.
fn is_return_path(before: &str) -> bool {
    before.chars().rev().take_while(|c| is_local(*c)).any(|c| c == '+')
}

/// Returns whether a letter is of a script that writes no blank before a word of another script:
/// Chinese, Japanese.
fn has_no_blanks(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

fn is_letter(c: char) -> bool {
    !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c))
}

/// Returns how many bytes the domain at the start of this text has.
fn domain_length(text: &str) -> Option<usize> {
    let is_domain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.') || is_letter(c);
    let mut domain = &text[..text.find(|c| !is_domain(c)).unwrap_or(text.len())];
    if let Some(end) = domain.find("..") {
        domain = &domain[..end];
    }
    // Removes what cannot end a domain: the full stop of a sentence, a number after one.
    loop {
        domain = domain.trim_end_matches(['.', '-']);
        let (rest, last) = domain.rsplit_once('.')?;
        if let Some(length) = top_level(last) {
            domain = &domain[..rest.len() + 1 + length];
            break;
        }
        domain = rest;
    }
    let labels_fit = domain.split('.').all(|label| !label.is_empty() && label.len() <= 63 && !label.starts_with('-'));
    (labels_fit && !is_version(domain) && !is_picture(domain)).then_some(domain.len())
}

/// Returns how much of a label can be a top-level domain: two letters or more, all of ASCII or all
/// of another script, because Chinese and Japanese continue without a blank.
fn top_level(label: &str) -> Option<usize> {
    if label.len() > 4 && label.as_bytes()[..4].eq_ignore_ascii_case(b"xn--") {
        return label.is_ascii().then_some(label.len());
    }
    let ascii = label.bytes().take_while(u8::is_ascii_alphabetic).count();
    if ascii == 0 {
        return (label.chars().count() >= 2 && !label.bytes().any(|b| b.is_ascii())).then_some(label.len());
    }
    let ends = label.as_bytes().get(ascii).is_none_or(|next| !next.is_ascii());
    (ascii >= 2 && ends).then_some(ascii)
}

/// Returns whether it is a version, as in `package@1.2.3-rc.one`.
fn is_version(domain: &str) -> bool {
    let mut labels = domain.split('.');
    let first = labels.next().unwrap_or_default();
    first.bytes().all(|b| b.is_ascii_digit())
        && labels.next().is_some_and(|label| label.bytes().next().is_some_and(|b| b.is_ascii_digit()))
}

/// Returns whether it is a picture, as in `logo@2x.png`.
fn is_picture(domain: &str) -> bool {
    domain.split_once('.').is_some_and(|(density, extension)| {
        matches!(density, "1x" | "2x" | "3x" | "4x")
            && matches!(extension, "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg")
    })
}
