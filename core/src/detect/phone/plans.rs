//! Country codes and how many digits follow them. The plans are coarse: enough to separate a number
//! from a quantity.
//!
//! From the ITU's list of assigned codes (E.164 D, 2016) and the national plans of the larger ones.

/// Returns whether digits are a country code and as many more as that country has. The trunk zero
/// of `+49 (0)30` may be among them.
pub(super) fn has_country_code(digits: &[u8]) -> bool {
    let Some((length, fewest, most)) = code(digits) else { return false };
    let national = &digits[length..];
    match digits[0] {
        b'1' => national.len() == 10 && is_north_american(national),
        _ => {
            // Italy's zero is part of the number.
            let trunk = usize::from(national.first() == Some(&b'0') && digits[..length] != *b"39");
            (fewest..=most).contains(&(national.len() - trunk))
        }
    }
}

/// Returns whether ten digits are an area, an exchange and a number of the North American plan.
pub(super) fn is_north_american(digits: &[u8]) -> bool {
    digits.len() == 10 && matches!(digits[0], b'2'..=b'9') && matches!(digits[3], b'2'..=b'9')
}

/// Returns the length of the country code at the beginning, and the fewest and most digits after
/// it.
#[allow(clippy::match_same_arms)] // One line for each country.
fn code(digits: &[u8]) -> Option<(usize, usize, usize)> {
    let [a, b, c, ..] = *digits else { return None };
    Some(match (a, b) {
        (b'1', _) => (1, 10, 10),
        (b'7', _) => (1, 10, 10),
        (b'2', b'0') => (2, 8, 10),
        (b'2', b'7') => (2, 9, 9),
        (b'3', b'0') => (2, 10, 10),
        (b'3', b'1') => (2, 9, 9),
        (b'3', b'2') => (2, 8, 9),
        (b'3', b'3' | b'4') => (2, 9, 9),
        (b'3', b'6') => (2, 8, 9),
        (b'3', b'9') => (2, 6, 12),
        (b'4', b'0' | b'1') => (2, 9, 9),
        (b'4', b'3') => (2, 6, 13),
        (b'4', b'4') => (2, 9, 10),
        (b'4', b'5' | b'7') => (2, 8, 8),
        (b'4', b'6') => (2, 7, 10),
        (b'4', b'8') => (2, 9, 9),
        (b'4', b'9') => (2, 6, 12),
        (b'5', b'1') => (2, 8, 9),
        (b'5', b'2' | b'4') => (2, 10, 11),
        (b'5', b'3') => (2, 8, 8),
        (b'5', b'5') => (2, 10, 11),
        (b'5', b'6') => (2, 9, 9),
        (b'5', b'7' | b'8') => (2, 8, 10),
        (b'6', b'0' | b'3' | b'4') => (2, 8, 10),
        (b'6', b'1') => (2, 9, 9),
        (b'6', b'2') => (2, 8, 12),
        (b'6', b'5') => (2, 8, 8),
        (b'6', b'6') => (2, 8, 9),
        (b'8', b'1') => (2, 9, 10),
        (b'8', b'2') => (2, 8, 10),
        (b'8', b'4') => (2, 9, 10),
        (b'8', b'6') => (2, 9, 11),
        (b'9', b'0' | b'1') => (2, 10, 10),
        (b'9', b'2') => (2, 9, 10),
        (b'9', b'3' | b'4') => (2, 9, 9),
        (b'9', b'5') => (2, 7, 10),
        (b'9', b'8') => (2, 10, 10),
        // Three digits: most of Africa, the rest of Europe, America, the Pacific and Asia.
        (b'2', b'1'..=b'6') | (b'3', b'5' | b'7' | b'8') | (b'4', b'2') => (3, 6, 10),
        (b'2', b'9') if matches!(c, b'0' | b'1' | b'7'..=b'9') => (3, 4, 7),
        (b'5', b'0' | b'9') | (b'6', b'7'..=b'9') => (3, 5, 10),
        (b'8', b'0') if matches!(c, b'0' | b'8') => (3, 8, 8),
        (b'8', b'5' | b'7' | b'8') | (b'9', b'6' | b'7' | b'9') => (3, 6, 12),
        _ => return None,
    })
}
