//! Encodes a JSON number as BSON without losing a digit.
//!
//! | JSON | BSON |
//! |---|---|
//! | an integer of 64 bits | int64, never int32: one field has one type |
//! | a number that a double holds exactly as written | double |
//! | any other number of up to 34 digits | Decimal128 |
//! | a longer number | text |
//!
//! "Exactly" refers to the value and not to the notation: `1.50` is read back as `1.5`.

use lethe_core::json::Decimal;

use crate::mongodb::encode::buffer::Buffer;

/// A double keeps every decimal number of up to this many digits.
const SURE_DIGITS: usize = 15;
/// Maximum number of digits of a Decimal128, and the limits of its exponent.
const DECIMAL_DIGITS: usize = 34;
const DECIMAL_BIAS: i64 = 6176;
const DECIMAL_LARGEST: i64 = 6111;
/// A number with an exponent of this size or more is stored as text.
const EXPONENT_LIMIT: i64 = 100_000;

/// Adds a number under a name. `text` is a JSON number.
pub(crate) fn push(name: &str, text: &str, out: &mut Buffer) {
    if let Ok(integer) = text.parse::<i64>() {
        return out.int64(name, integer);
    }
    let Some(number) = read(text) else { return out.text(name, text) };
    let double: f64 = text.parse().unwrap_or(f64::INFINITY);
    let digits = number.significant().len();
    // The number is too small for a double, so it became zero.
    let vanished = double == 0.0 && digits > 0;
    // Doubles below the smallest normal number have fewer digits.
    let is_sure = digits <= SURE_DIGITS && (double == 0.0 || double.abs() >= f64::MIN_POSITIVE);
    if double.is_finite() && (is_sure && !vanished || survives(&number, double)) {
        return out.double(name, double);
    }
    match decimal128(&number) {
        Some(bits) => out.decimal(name, bits),
        None => out.text(name, text),
    }
}

fn read(text: &str) -> Option<Decimal<'_>> {
    Decimal::parse(text).filter(|number| number.exponent().abs() < EXPONENT_LIMIT)
}

/// Returns whether the double, written with the shortest text or with as many digits, is this
/// number. Both are tried, because programs differ in which of several equally short texts they
/// write.
fn survives(number: &Decimal<'_>, double: f64) -> bool {
    let digits = number.significant().len().saturating_sub(1);
    [format!("{double:e}"), format!("{double:.digits$e}")].iter().any(|back| read(back).as_ref() == Some(number))
}

/// Returns the number as IEEE 754-2008 decimal128 with a binary coefficient. Returns `None` if it
/// does not fit.
fn decimal128(number: &Decimal<'_>) -> Option<u128> {
    let digits = number.significant();
    if digits.len() > DECIMAL_DIGITS || !(-DECIMAL_BIAS..=DECIMAL_LARGEST).contains(&digits.exponent()) {
        return None;
    }
    let exponent = u128::from((digits.exponent() + DECIMAL_BIAS).unsigned_abs());
    Some(u128::from(number.is_negative()) << 127 | exponent << 113 | digits.coefficient()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]

    use mongodb::bson::{Bson, RawDocumentBuf};
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Bson {
        let mut buffer = Buffer::default();
        let root = buffer.begin();
        push("n", text, &mut buffer);
        buffer.end(root);
        RawDocumentBuf::from_bytes(buffer.into_bytes()).unwrap().to_document().unwrap().remove("n").unwrap()
    }

    #[test]
    fn an_integer_of_64_bits_stays_one() {
        for text in ["0", "7", "-9223372036854775808", "9223372036854775807"] {
            assert_eq!(of(text), Bson::Int64(text.parse().unwrap()));
        }
    }

    #[test]
    fn what_a_double_gives_back_is_a_double() {
        for text in [
            "0.1",
            "1.50",
            "-0.0",
            "1e3",
            "12345678901234567000",
            "0.30000000000000004",
            "5e-324",
            "1387176478113791.2",
            "1387176478113791.3",
        ] {
            assert_eq!(of(text), Bson::Double(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_a_double_would_change_is_a_decimal() {
        for (text, shown) in [
            ("9223372036854775809", "9223372036854775809"),
            ("12345678901234567891", "12345678901234567891"),
            ("0.1000000000000000001", "0.1000000000000000001"),
            ("-3.14159265358979323846264338327950288", "-3.14159265358979323846264338327950288"),
            ("1e-400", "1E-400"),
        ] {
            match of(text) {
                Bson::Decimal128(decimal) if text.len() < 37 => assert_eq!(decimal.to_string(), shown),
                Bson::String(same) => assert_eq!(same, text),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_no_number_of_bson_holds_is_text() {
        let long = "1".repeat(35);
        assert_eq!(of(&long), Bson::String(long.clone()));
        assert!(matches!(of(&"1".repeat(34)), Bson::Decimal128(_)));
    }

    proptest! {
        #[test]
        fn no_digit_is_lost(whole in "-?(0|[1-9][0-9]{0,24})", fraction in "(\\.[0-9]{1,12})?", power in "(e-?[0-9]{1,2})?") {
            let text = format!("{whole}{fraction}{power}");
            let shown = match of(&text) {
                Bson::Int64(number) => number.to_string(),
                Bson::Double(number) => {
                    prop_assert!(read(&text).is_some_and(|was| survives(&was, number)), "{}", text);
                    return Ok(());
                }
                Bson::Decimal128(number) => number.to_string().replace("E+", "e"),
                Bson::String(same) => same,
                other => panic!("{other:?}"),
            };
            let (was, is) = (read(&text).unwrap(), read(&shown).unwrap());
            prop_assert!(was.significant() == is.significant(), "{} {}", text, shown);
        }

        #[test]
        fn every_double_comes_back(double in any::<f64>().prop_filter("finite", |d| d.is_finite())) {
            let text = format!("{double:e}");
            match of(&text) {
                Bson::Double(back) => prop_assert_eq!(back, double),
                Bson::Int64(back) => prop_assert_eq!(back as f64, double),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
