//! IBANs in a text (ISO 13616).

use std::ops::Range;

use super::around;

/// Longest IBAN.
const MOST: usize = 34;

/// Returns the IBAN whose two check digits are at a position: a country, as many letters and digits
/// as that country has, together or in groups, and a correct checksum.
pub(super) fn at_check_digits(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at.checked_sub(2)?;
    let country = [bytes[start].to_ascii_uppercase(), bytes[start + 1].to_ascii_uppercase()];
    let length = length(country)?;
    if !around::begins(bytes, start, b"") {
        return None;
    }
    let mut values = [0; MOST];
    let (mut count, mut end) = (0, start);
    while count < length {
        let byte = *bytes.get(end)?;
        if byte.is_ascii_alphanumeric() {
            values[count] = byte;
            count += 1;
            end += 1;
            continue;
        }
        let gap = around::gap(bytes, end, b"");
        if gap == 0 || !bytes.get(end + gap)?.is_ascii_alphanumeric() {
            return None;
        }
        end += gap;
    }
    (around::ends(bytes, end, b"") && checks(&values[..length])).then_some(start..end)
}

/// Checks that the number which begins with the fifth character is 1 modulo 97; letters count as 10
/// to 35.
fn checks(values: &[u8]) -> bool {
    let rest = values[4..].iter().chain(&values[..4]).fold(0u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    rest == 1
}

/// Returns the length of a country's IBANs by the SWIFT registry.
const fn length(country: [u8; 2]) -> Option<usize> {
    Some(match &country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FK" | b"FO" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"MN" | b"XK" => 20,
        b"CH" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"CR" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"OM" | b"SO" | b"TL" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BI" | b"DJ" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HN" | b"HU" | b"LB" | b"NI" | b"PL" | b"SV" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" | b"YE" => 29,
        b"JO" | b"KW" | b"MU" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    })
}
