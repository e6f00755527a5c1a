//! The exact decimal text of a JSON number, so that `42`, `42.0` and `4.2e1` are one identifier.

/// A number of more digits than this is no identifier: `1e400` would be 401 bytes of zeros.
const MAX_DIGITS: i64 = 64;

/// Appends the plain decimal text of a JSON number: no exponent, no zero that says nothing, no
/// minus before zero. `None` when it is no number or has more than [`MAX_DIGITS`] digits.
pub(super) fn push_decimal(number: &str, out: &mut String) -> Option<()> {
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit()) {
        return None;
    }

    let digits = || whole.bytes().chain(fraction.bytes());
    let all = whole.len() + fraction.len();
    let leading = digits().take_while(|digit| *digit == b'0').count();
    if leading == all {
        out.push('0');
        return Some(());
    }
    let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
    let significant = i64::try_from(all - leading - trailing).ok()?;
    // The value is 0.d1d2..dn * 10^point.
    let point = (whole.len() as i64 - leading as i64).saturating_add(exponent);
    let length =
        if point <= 0 { 1_i64.saturating_sub(point).saturating_add(significant) } else { significant.max(point) };
    if length > MAX_DIGITS {
        return None;
    }

    if negative {
        out.push('-');
    }
    if point <= 0 {
        out.push_str("0.");
        (point..0).for_each(|_| out.push('0'));
    }
    for (place, digit) in digits().skip(leading).take(significant as usize).enumerate() {
        if place > 0 && place as i64 == point {
            out.push('.');
        }
        out.push(char::from(digit));
    }
    (significant..point).for_each(|_| out.push('0'));
    Some(())
}

/// An exponent; one that no i64 holds counts as the largest, which is refused later unless the
/// number is zero.
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut size = 0_i64;
    for digit in digits.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        size = size.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    }
    // Half the range: adding the digits before the point can't wrap.
    let size = size.min(i64::MAX / 2);
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn decimal(number: &str) -> Option<String> {
        let mut out = String::new();
        push_decimal(number, &mut out).map(|()| out)
    }

    #[test]
    fn equal_numbers_have_one_text() {
        for text in ["42", "42.0", "42.000", "4.2e1", "4.2E+1", "420e-1", "0.42e2", "42000000e-6", "042"] {
            assert_eq!(decimal(text).as_deref(), Some("42"), "{text}");
        }
        for text in ["0", "-0", "0.0", "-0.000", "0e99999999999999999999", "0E-5"] {
            assert_eq!(decimal(text).as_deref(), Some("0"), "{text}");
        }
        for (text, expected) in [
            ("-1.50", "-1.5"),
            ("1e3", "1000"),
            ("100", "100"),
            ("1e-3", "0.001"),
            ("12.34e1", "123.4"),
            ("0.5", "0.5"),
            ("0.050", "0.05"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(decimal(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_number_of_too_many_digits_is_refused() {
        assert_eq!(decimal("1e63").map(|text| text.len()), Some(64));
        assert_eq!(decimal("1e-63").map(|text| text.len()), Some(65));
        for text in ["1e64", "1e-64", "1e400", "1e99999999999999999999", "1e-99999999999999999999", &"1".repeat(65)] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", "-", ".", "1.", ".5", "e1", "1e", "1e+", "1e1.5", "--1", "+1", "0x1", "1_000", "NaN", "1 ", "١"]
        {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_integer_is_itself(number: i128) {
            prop_assert_eq!(decimal(&number.to_string()), Some(number.to_string()));
        }

        #[test]
        fn moving_the_point_changes_nothing(digits in "[1-9][0-9]{0,15}", shift in 0_usize..20) {
            let moved = format!("{digits}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(decimal(&moved), decimal(&digits));
            let small = format!("0.{}{digits}e{}", "0".repeat(shift), shift + digits.len());
            prop_assert_eq!(decimal(&small), decimal(&digits));
        }

        #[test]
        fn a_decimal_text_is_its_own(number in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?") {
            if let Some(text) = decimal(&number) {
                let bits = |text: &str| (text.parse::<f64>().unwrap() + 0.0).to_bits();
                prop_assert_eq!(bits(&text), bits(&number));
                prop_assert_eq!(decimal(&text), Some(text));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            decimal(&text);
        }
    }
}
