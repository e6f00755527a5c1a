//! What stands around a place in a text: all in bytes, so that nothing is decoded on the way.

/// How many digits stand from here on.
pub(super) fn digits(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether a byte is part of a word of ASCII. Letters of other scripts end a number: Chinese and
/// Japanese write no blank before one.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The byte before this place.
pub(super) fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).map(|before| bytes[before])
}

/// Whether a number can begin here: it does not go on from a word (`v1`, `0x1f`), nor from a word and
/// one of the marks that join (`A-17`, `1.5`, `x/y`).
pub(super) fn begins(bytes: &[u8], at: usize, joins: &[u8]) -> bool {
    before(bytes, at)
        .is_none_or(|byte| !(is_word(byte) || joins.contains(&byte) && before(bytes, at - 1).is_some_and(is_word)))
}

/// Whether a number can end here, as [`begins`] from the other side.
pub(super) fn ends(bytes: &[u8], at: usize, joins: &[u8]) -> bool {
    let joined = || bytes.get(at + 1).is_some_and(|next| is_word(*next));
    bytes.get(at).is_none_or(|byte| !(is_word(*byte) || joins.contains(byte) && joined()))
}

/// Length of the blank that stands here: a blank, a no-break or a narrow no-break space; else 0.
pub(super) fn blank(bytes: &[u8], at: usize) -> usize {
    match bytes[at..] {
        [b' ', ..] => 1,
        [0xc2, 0xa0, ..] => 2,
        [0xe2, 0x80, 0xaf | 0x89, ..] => 3,
        _ => 0,
    }
}

/// Length of the dash that stands here: a hyphen, a no-break hyphen or an en dash; else 0.
pub(super) fn dash(bytes: &[u8], at: usize) -> usize {
    match bytes[at..] {
        [b'-', ..] => 1,
        [0xe2, 0x80, 0x90..=0x93, ..] => 3,
        _ => 0,
    }
}
