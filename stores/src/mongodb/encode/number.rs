//! A JSON number as BSON, without the loss of a digit.
//!
//! | written | becomes |
//! |---|---|
//! | an integer of 64 bits | int64, never int32: one field has one type |
//! | a number that a double gives back as it was | double |
//! | any other of up to 34 digits | Decimal128 |
//! | a longer one | text |
//!
//! "As it was" is about the number, not how it is written: `1.50` comes back as `1.5`.

use crate::mongodb::encode::buffer::Buffer;

/// Any decimal number of so many digits survives a double.
const SURE_DIGITS: usize = 15;
/// Digits of a Decimal128, and the bounds of its exponent.
const DECIMAL_DIGITS: usize = 34;
const DECIMAL_BIAS: i32 = 6176;
const DECIMAL_LARGEST: i32 = 6111;

/// Writes a number under a name. `text` is a JSON number.
pub(crate) fn push(name: &str, text: &str, out: &mut Buffer) {
    if let Ok(integer) = text.parse::<i64>() {
        return out.int64(name, integer);
    }
    let double: f64 = text.parse().unwrap_or(f64::INFINITY);
    let Some(number) = Decimal::of(text) else { return out.text(name, text) };
    // Below the smallest normal number doubles have fewer digits.
    let is_sure = number.digits.len() <= SURE_DIGITS && (double == 0.0 || double.abs() >= f64::MIN_POSITIVE);
    if double.is_finite() && (is_sure && !number.vanished(double) || number.survives(double)) {
        return out.double(name, double);
    }
    match number.bits() {
        Some(bits) => out.decimal(name, bits),
        None => out.text(name, text),
    }
}

/// A number as its digits, without zeros at either end, and the power of ten they are times.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i32,
}

impl Decimal {
    /// `None` where the exponent is beyond all reason.
    fn of(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let text = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok().filter(|e| e.abs() < 100_000)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let fraction = i32::try_from(fraction.len()).ok()?;
        let digits = all.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        if kept.is_empty() {
            return Some(Self { negative, digits: String::new(), exponent: 0 });
        }
        let zeros = i32::try_from(digits.len() - kept.len()).ok()?;
        let digits = kept.to_owned();
        Some(Self { negative, digits, exponent: exponent.checked_sub(fraction)?.checked_add(zeros)? })
    }

    /// A number too small for a double became zero.
    fn vanished(&self, double: f64) -> bool {
        double == 0.0 && !self.digits.is_empty()
    }

    /// The double, written with the shortest text or with as many digits, is this number. Both: where
    /// two texts are as short and as near, programs differ in which they write.
    fn survives(&self, double: f64) -> bool {
        let digits = self.digits.len().saturating_sub(1);
        [format!("{double:e}"), format!("{double:.digits$e}")].iter().any(|back| Self::of(back).as_ref() == Some(self))
    }

    /// The number as IEEE 754-2008 decimal128 with a binary coefficient.
    fn bits(&self) -> Option<u128> {
        if self.digits.len() > DECIMAL_DIGITS || !(-DECIMAL_BIAS..=DECIMAL_LARGEST).contains(&self.exponent) {
            return None;
        }
        let coefficient: u128 = if self.digits.is_empty() { 0 } else { self.digits.parse().ok()? };
        let exponent = u128::from((self.exponent + DECIMAL_BIAS).unsigned_abs());
        Some(u128::from(self.negative) << 127 | exponent << 113 | coefficient)
    }
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
                    prop_assert!(Decimal::of(&text).is_some_and(|was| was.survives(number)), "{}", text);
                    return Ok(());
                }
                Bson::Decimal128(number) => number.to_string().replace("E+", "e"),
                Bson::String(same) => same,
                other => panic!("{other:?}"),
            };
            let (was, is) = (Decimal::of(&text).unwrap(), Decimal::of(&shown).unwrap());
            prop_assert!(was.digits == is.digits && was.exponent == is.exponent, "{} {}", text, shown);
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
