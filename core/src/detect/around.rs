//! The surroundings of a position in a text, read as bytes, so that nothing is decoded on the way.

/// Returns how many digits begin at a position.
pub(super) fn digits(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Returns whether a byte is part of an ASCII word. Letters of other scripts end a number: Chinese
/// and Japanese write no blank before one.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns the byte before a position.
pub(super) fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).map(|before| bytes[before])
}

/// Returns whether a number can begin here: it must not continue a word (`v1`, `0x1f`), nor a word
/// and one of the marks that join (`A-17`, `1.5`, `x/y`).
pub(super) fn begins(bytes: &[u8], at: usize, joins: &[u8]) -> bool {
    before(bytes, at)
        .is_none_or(|byte| !(is_word(byte) || joins.contains(&byte) && before(bytes, at - 1).is_some_and(is_word)))
}

/// Returns whether a number can end here: [`begins`] in the other direction.
pub(super) fn ends(bytes: &[u8], at: usize, joins: &[u8]) -> bool {
    let joined = || bytes.get(at + 1).is_some_and(|next| is_word(*next));
    bytes.get(at).is_none_or(|byte| !(is_word(*byte) || joins.contains(byte) && joined()))
}

/// Returns the length of the blank at a position: a blank, a no-break or a narrow no-break space;
/// else 0.
pub(super) fn blank(bytes: &[u8], at: usize) -> usize {
    match bytes[at..] {
        [b' ', ..] => 1,
        [0xc2, 0xa0, ..] => 2,
        [0xe2, 0x80, 0xaf | 0x89, ..] => 3,
        _ => 0,
    }
}

/// Returns the length of the dash at a position: a hyphen, a no-break hyphen or an en dash; else 0.
pub(super) fn dash(bytes: &[u8], at: usize) -> usize {
    match bytes[at..] {
        [b'-', ..] => 1,
        [0xe2, 0x80, 0x90..=0x93, ..] => 3,
        _ => 0,
    }
}

/// Returns the length of the gap between two groups of one number at a position: up to two blanks,
/// or a dash or one of the marks with a blank on each side at most. 0 if there is none.
pub(super) fn gap(bytes: &[u8], at: usize, marks: &[u8]) -> usize {
    let before = blank(bytes, at);
    let mark =
        dash(bytes, at + before).max(usize::from(bytes.get(at + before).is_some_and(|byte| marks.contains(byte))));
    before + mark + blank(bytes, at + before + mark)
}
