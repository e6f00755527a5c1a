//! Payment card numbers in a text.

use std::ops::Range;

use super::around;

/// Most digits of a number (ISO/IEC 7812).
const MOST: usize = 19;

/// Returns the card number that begins with this digit: digits in groups of four or more, of a
/// length that its issuer uses, with Luhn's check digit.
pub(super) fn at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    // Other first digits belong to airlines, fuel cards and future uses.
    if !matches!(bytes[at], b'2'..=b'6') || !around::begins(bytes, at, b"-./") {
        return None;
    }
    let mut digits = [0; MOST];
    let mut count = 0;
    let mut end = at;
    let mut longest = None;
    loop {
        let group = around::digits(bytes, end);
        if group == 0 || count + group > MOST {
            break;
        }
        for byte in &bytes[end..end + group] {
            digits[count] = byte - b'0';
            count += 1;
        }
        end += group;
        if around::ends(bytes, end, b"-.") && is_card(&digits[..count]) {
            longest = Some(at..end);
        }
        // Only the last group may be shorter than four, down to the check digit alone.
        let gap = around::gap(bytes, end, b"./");
        if gap == 0 || group < 4 {
            break;
        }
        end += gap;
    }
    longest
}

fn is_card(digits: &[u8]) -> bool {
    (13..=MOST).contains(&digits.len()) && is_issued(digits) && luhn(digits)
}

/// Returns whether numbers of this length can have this beginning.
#[allow(clippy::match_same_arms)] // One line for each issuer.
fn is_issued(digits: &[u8]) -> bool {
    let begin = digits[..6].iter().fold(0, |number, digit| number * 10 + u32::from(*digit));
    match (begin, digits.len()) {
        // Visa. Its numbers of 13 digits are almost extinct, and article numbers have that length
        // too.
        (400_000..=499_999, 16 | 19) => true,
        (400_000..=499_999, 13) => !is_goods(digits),
        // Mastercard; Mir; American Express; Diners Club.
        (510_000..=559_999 | 222_100..=272_099, 16) | (220_000..=220_499, 16..=19) => true,
        (340_000..=349_999 | 370_000..=379_999, 15) => true,
        (300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999, 14..=19) => true,
        // JCB; Discover and RuPay; UnionPay.
        (352_800..=358_999 | 601_100..=601_199 | 644_000..=659_999 | 620_000..=629_999, 16..=19) => true,
        (606_900..=608_599 | 508_500..=508_999, 16) => true,
        // Maestro.
        (
            501_800..=501_899
            | 502_000..=502_099
            | 503_800..=503_899
            | 560_000..=560_099
            | 589_300..=589_399
            | 630_400..=630_499
            | 670_000..=679_999,
            13..=19,
        ) => true,
        _ => false,
    }
}

/// Checks Luhn's digit (ISO/IEC 7812-1, annex B).
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Returns whether its check digit is that of an article number (EAN-13).
fn is_goods(digits: &[u8]) -> bool {
    let sum: u32 =
        digits.iter().enumerate().map(|(place, digit)| u32::from(*digit) * if place % 2 == 0 { 1 } else { 3 }).sum();
    sum.is_multiple_of(10)
}
