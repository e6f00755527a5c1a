//! Phone numbers in a text.
//!
//! A number with a country code is recognised by it. A national one is recognised by its shape (the
//! trunk zero and enough digits, or groups that only phone numbers have) or by the word before it
//! (`tel`). A word before it can also rule it out (`order`).

mod groups;
mod plans;

use std::ops::Range;

use self::groups::{Gap, Groups};
use super::{
    around,
    context::{Context, words_before},
};

/// A text with fewer digits has no phone number.
pub(super) const FEWEST_DIGITS: usize = 7;

/// Returns the phone number that begins with this digit, within these bounds.
pub(super) fn at(text: &str, at: usize, bounds: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (start, plus) = beginning(bytes, at, bounds.start);
    if !begins(bytes, start, plus) {
        return None;
    }
    let mut groups = Groups::read(&bytes[..bounds.end], at)?;
    let mut context = None;
    // The longest that is valid: what follows after a blank can be another number.
    loop {
        let end = groups.end();
        if groups.digits() < FEWEST_DIGITS {
            return None;
        }
        let makes_sense = ends(bytes, end, plus)
            && (plus && plans::has_country_code(groups.all())
                || !plus && !groups.is_date() && {
                    let context = *context.get_or_insert_with(|| words_before(text, start));
                    let follows_digits =
                        start > bounds.start + 1 && bytes[start - 1] == b' ' && bytes[start - 2].is_ascii_digit();
                    let unbroken = end == at + groups.digits();
                    is_national(&groups, context, start < at, unbroken, follows_digits)
                });
        if makes_sense {
            return Some(whole(bytes, start, end));
        }
        if !groups.shorten() {
            return None;
        }
    }
}

/// Returns where the number with its first digit at `at` begins, which may be at a `+` or a `(`
/// before it, and whether it has a `+`.
fn beginning(bytes: &[u8], at: usize, from: usize) -> (usize, bool) {
    let mut start = at;
    let take = |start: usize, byte: u8| start > from && bytes[start - 1] == byte;
    if take(start, b'(') {
        start -= 1;
    }
    let blank = usize::from(start == at && take(start, b' ') && start > from + 1 && bytes[start - 2] == b'+');
    let plus = take(start - blank, b'+');
    if plus {
        start -= blank + 1;
        if take(start, b'(') {
            start -= 1;
        }
    }
    (start, plus)
}

/// Returns whether a number can begin here: not within a word, a decimal, a path, a price.
fn begins(bytes: &[u8], start: usize, plus: bool) -> bool {
    let Some(byte) = around::before(bytes, start) else { return true };
    let after_digit = start > 1 && bytes[start - 2].is_ascii_digit();
    match byte {
        b'+' => false,
        _ if plus => !around::is_word(byte),
        b'-' | b'/' | b'.' | b',' | b':' if after_digit => false,
        b'-' | b'/' => around::begins(bytes, start, b"-/"),
        b'$' | b'@' | b'*' | b'%' => false,
        _ => !around::is_word(byte) && !["€", "£", "¥"].iter().any(|sign| is_price(&bytes[..start], sign)),
    }
}

fn is_price(before: &[u8], sign: &str) -> bool {
    before.ends_with(sign.as_bytes())
        || before.strip_suffix(b" ").is_some_and(|before| before.ends_with(sign.as_bytes()))
}

/// Returns whether a number can end here. A number with a country code may be followed by more.
fn ends(bytes: &[u8], end: usize, plus: bool) -> bool {
    let after = |place: usize| bytes.get(end + place).copied().unwrap_or(b' ');
    match after(0) {
        // An extension.
        b'x' | b'X' => after(1).is_ascii_digit(),
        byte if around::is_word(byte) => false,
        b'.' | b',' | b':' => plus || !after(1).is_ascii_digit(),
        b'-' | b'/' => plus || !around::is_word(after(1)),
        b'%' | b'$' | b'@' => false,
        _ => {
            let rest = &bytes[end..];
            let rest = rest.strip_prefix(b" ").unwrap_or(rest);
            plus || !["€", "£", "¥", "$", "EUR", "USD", "CHF", "GBP"]
                .iter()
                .any(|sign| rest.starts_with(sign.as_bytes()))
        }
    }
}

/// Returns the number without a bracket at its beginning that is not closed inside it: `(030
/// 123456)`.
fn whole(bytes: &[u8], start: usize, end: usize) -> Range<usize> {
    let count = |bracket: u8| memchr::memchr_iter(bracket, &bytes[start..end]).count();
    start + usize::from(bytes[start] == b'(' && count(b')') < count(b'('))..end
}

/// Returns whether digits without a `+` are a phone number.
fn is_national(groups: &Groups, context: Context, bracket: bool, unbroken: bool, follows_digits: bool) -> bool {
    let digits = groups.all();
    match context {
        Context::Phone => return digits.len() <= 15 && groups.len(0) <= 15,
        Context::Reference | Context::Version => return false,
        Context::Unknown => {}
    }
    if groups.looks_like_v4() || follows_digits && groups.are_fours() {
        return false;
    }
    match digits {
        // Inside other digits it is not an exit code, but an IBAN with a mistake.
        [b'0', b'0', rest @ ..] => !follows_digits && plans::has_country_code(rest),
        [b'0', b'1', b'1', rest @ ..] if groups.len(0) == 3 && plans::has_country_code(rest) => true,
        [b'0', b'1'..=b'9', ..] if unbroken => match digits.len() {
            10 | 11 => true,
            // Longer ones are German mobile numbers; article numbers have twelve digits, too (UPC).
            12 => matches!(digits[..3], [b'0', b'1', b'5'..=b'7']),
            _ => false,
        },
        [b'0', b'1'..=b'9', ..] => (9..=12).contains(&digits.len()) && has_trunk_shape(groups),
        _ => !unbroken && (bracket && is_area_in_brackets(groups) || has_known_shape(groups)),
    }
}

/// Returns whether it is an area code with its zero and the rest in groups. Only the last group,
/// after pairs, may be a single digit: `(030) 90 18 20 0`.
fn has_trunk_shape(groups: &Groups) -> bool {
    let sizes = groups.sizes();
    // `08.1234567` is a decimal.
    let decimal = sizes.len() == 2 && groups.gap(0) == Gap::Dot;
    // Five pairs are a French number; six are lottery numbers.
    let lottery = groups.pairs().is_some_and(|pairs| pairs != 5);
    let rest_fits = match sizes {
        [_, pairs @ .., 1] => pairs.len() >= 2 && pairs.iter().all(|size| *size == 2),
        [2, ..] => true,
        [_, rest @ ..] => rest.iter().all(|size| *size >= 2),
        [] => false,
    };
    (2..=6).contains(&groups.len(0)) && !decimal && !lottery && rest_fits
}

/// Returns whether it begins as `(415) 555-2671` or `(11) 91234-5678`: with two digits or more,
/// because `(1)` numbers a list.
fn is_area_in_brackets(groups: &Groups) -> bool {
    (2..=5).contains(&groups.len(0))
        && groups.gap(0) == Gap::Bracket
        && (8..=12).contains(&groups.digits())
        && groups.digits() - groups.len(0) >= 6
}

/// Returns whether the groups are ones that phone numbers have and hardly anything else.
fn has_known_shape(groups: &Groups) -> bool {
    let digits = groups.all();
    let first = digits[0];
    match groups.sizes() {
        // North America, with or without the 1.
        [3, 3, 4] => plans::is_north_american(digits),
        [1, 3, 3, 4] => first == b'1' && plans::is_north_american(&digits[1..]),
        // Russia with its 8; Spain; Switzerland's and Spain's landlines; India; China; Brazil.
        [1, 3, 3, 2, 2] => first == b'8' || first == b'7',
        [3, 2, 2, 2] => matches!(first, b'6'..=b'9'),
        [2, 3, 2, 2] => matches!(first, b'8' | b'9'),
        [5, 5] => matches!(first, b'6'..=b'9') && groups.gap(0) != Gap::Dot,
        [3, 4, 4] => first == b'1' && matches!(digits[1], b'3'..=b'9'),
        [2, 5, 4] => digits[2] == b'9',
        [3, 3, 3] => matches!(first, b'5'..=b'9') && groups.gap(0) == Gap::Dash && groups.gap(1) == Gap::Dash,
        _ => false,
    }
}
