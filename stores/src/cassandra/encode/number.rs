//! Encodes JSON numbers for Cassandra. No digit is lost; a number that does not fit is refused.

use lethe_core::json::Decimal;

/// Maximum number of digits of a `decimal`. The time to convert digits to binary grows with the
/// square of their number.
const MAX_DIGITS: usize = 4096;
/// Maximum number of decimals, or of zeros before the point, of a `decimal`. Readers write a number
/// out in full: `1e-2000000000` would be two gigabytes of zeros.
const MAX_SCALE: u32 = 4096;

/// Reads a JSON number. Returns `None` if the text is not a number or its exponent does not fit in
/// 32 bits.
fn number(raw: &str) -> Option<Decimal<'_>> {
    Decimal::parse(raw).filter(|number| i32::try_from(number.exponent()).is_ok())
}

/// Returns a number as a 64-bit integer, or `None` if it is not an integer or too large. `12`,
/// `12.0` and `1.2e1` are integers.
pub(crate) fn integer(raw: &str) -> Option<i64> {
    // Rust also accepts `+1` and `007`, which are not JSON; the document's numbers are.
    raw.parse().ok().or_else(|| number(raw)?.to_i64())
}

/// Returns a number as the nearest 64-bit float, or `None` if that is not finite.
pub(crate) fn float(raw: &str) -> Option<f64> {
    number(raw)?;
    raw.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Returns a number as CQL's `decimal`: its scale, then its digits as a two's complement integer.
/// `1.50` keeps both decimals.
pub(crate) fn decimal(raw: &str) -> Option<Vec<u8>> {
    let number = number(raw)?;
    let decimals = number.fraction().len();
    let count = number.whole().len() + decimals;
    if count > MAX_DIGITS {
        return None;
    }
    let scale = i32::try_from(i64::try_from(decimals).ok()? - number.exponent()).ok()?;
    if scale.unsigned_abs() > MAX_SCALE {
        return None;
    }
    let mut out = scale.to_be_bytes().to_vec();
    if count <= 38 {
        let value = number.digits().fold(0_i128, |value, digit| value * 10 + i128::from(digit));
        let bytes = (if number.is_negative() { -value } else { value }).to_be_bytes();
        out.extend_from_slice(shortest(&bytes));
    } else {
        let mut bytes = magnitude(number.digits());
        if number.is_negative() {
            negate(&mut bytes);
        }
        out.extend_from_slice(shortest(&bytes));
    }
    Some(out)
}

/// Removes leading bytes that only repeat the sign of a big-endian two's complement integer.
fn shortest(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, second, ..] = rest {
        let repeats = (*first == 0 && *second < 0x80) || (*first == 0xff && *second >= 0x80);
        if !repeats {
            break;
        }
        rest = &rest[1..];
    }
    rest
}

/// Converts decimal digits to a big-endian integer with room for a sign.
fn magnitude(digits: impl Iterator<Item = u8>) -> Vec<u8> {
    // Least significant limb first.
    let mut limbs: Vec<u32> = vec![0];
    for digit in digits {
        let mut carry = u64::from(digit);
        for limb in &mut limbs {
            let value = u64::from(*limb) * 10 + carry;
            *limb = value as u32;
            carry = value >> 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    let mut bytes = vec![0];
    limbs.iter().rev().for_each(|limb| bytes.extend_from_slice(&limb.to_be_bytes()));
    bytes
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (value, over) = (!*byte).overflowing_add(u8::from(carry));
        *byte = value;
        carry = over;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_integer_is_recognized_in_every_notation() {
        for (raw, value) in [
            ("12", Some(12)),
            ("-12.0", Some(-12)),
            ("1.2e1", Some(12)),
            ("1200E-2", Some(12)),
            ("0.0e-99", Some(0)),
            ("-0", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808.0", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("9.223372036854775807e18", Some(i64::MAX)),
            ("1.5", None),
            ("1e-1", None),
            ("1e19", None),
            ("1e2147483647", None),
            ("1e99999999999", None),
            ("\"1\"", None),
            ("true", None),
        ] {
            assert_eq!(integer(raw), value, "{raw}");
        }
    }

    #[test]
    fn a_float_is_finite() {
        assert_eq!(float("1.5e3"), Some(1500.0));
        assert_eq!(float("1e400"), None);
        for raw in ["NaN", "inf", "nan", "\"1\"", "null"] {
            assert_eq!(float(raw), None, "{raw}");
        }
    }

    #[test]
    fn a_decimal_keeps_every_digit() {
        let parts = |raw: &str| {
            let bytes = decimal(raw).unwrap();
            (i32::from_be_bytes(*bytes.first_chunk().unwrap()), bytes[4..].to_vec())
        };
        assert_eq!(parts("1.50"), (2, vec![0, 150]));
        assert_eq!(parts("-1.50"), (2, vec![0xff, 0x6a]));
        assert_eq!(parts("0"), (0, vec![0]));
        assert_eq!(parts("-0.00"), (2, vec![0]));
        assert_eq!(parts("127"), (0, vec![127]));
        assert_eq!(parts("-128"), (0, vec![0x80]));
        assert_eq!(parts("12e3"), (-3, vec![12]));
        assert_eq!(parts("1.2e-3"), (4, vec![12]));
        assert_eq!(parts("18446744073709551616"), (0, vec![1, 0, 0, 0, 0, 0, 0, 0, 0]));
        // 2^130, in 40 digits: more than 128 bits hold.
        let long = parts("1361129467683753853853498429727072845824").1;
        assert_eq!(long, [&[4][..], &[0; 16]].concat());
        assert!(decimal(&"9".repeat(MAX_DIGITS + 1)).is_none());
        assert_eq!(parts("1e-4096"), (4096, vec![1]));
        for vast in ["1e2147483648", "1e-2000000000", "0e2000000000", "1e-4097", "1e4097"] {
            assert!(decimal(vast).is_none(), "{vast}");
        }
    }

    proptest! {
        #[test]
        fn the_short_and_the_long_conversion_agree(value: i128) {
            let value = value / 10;
            let digits = value.unsigned_abs().to_string();
            let mut long = magnitude(digits.bytes().map(|d| d - b'0'));
            if value < 0 {
                negate(&mut long);
            }
            let wanted = value.to_be_bytes();
            prop_assert_eq!(shortest(&long), shortest(&wanted));
            let written = decimal(&value.to_string()).unwrap();
            prop_assert_eq!(&written[4..], shortest(&wanted));
        }

        #[test]
        fn an_integer_of_64_bits_is_taken_whatever_form(value: i64, zeros in 0_usize..4) {
            let point = format!("{value}.{}", "0".repeat(zeros + 1));
            let power = format!("{value}{}e-{zeros}", "0".repeat(zeros));
            prop_assert_eq!(integer(&point), Some(value));
            prop_assert_eq!(integer(&power), Some(value));
        }
    }
}
