#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn plain(number: &str) -> Option<String> {
    let mut out = String::new();
    Decimal::parse_as(number, Spelling::Padded)?.push_plain(64, &mut out).map(|()| out)
}

fn integer(number: &str) -> Option<i64> {
    Decimal::parse(number)?.to_i64()
}

#[test]
fn equal_numbers_have_one_text() {
    for text in ["42", "42.0", "42.000", "4.2e1", "4.2E+1", "420e-1", "0.42e2", "42000000e-6", "042"] {
        assert_eq!(plain(text).as_deref(), Some("42"), "{text}");
    }
    for text in ["0", "-0", "0.0", "-0.000", "0e99999999999999999999", "0E-5"] {
        assert_eq!(plain(text).as_deref(), Some("0"), "{text}");
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
        assert_eq!(plain(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn a_number_of_too_many_digits_has_no_plain_text() {
    assert_eq!(plain("1e63").map(|text| text.len()), Some(64));
    assert_eq!(plain("1e-63").map(|text| text.len()), Some(65));
    for text in ["1e64", "1e-64", "1e400", "1e99999999999999999999", "1e-99999999999999999999", &"1".repeat(65)] {
        assert_eq!(plain(text), None, "{text}");
    }
}

#[test]
fn a_text_that_is_not_a_number_is_refused() {
    for text in ["", "-", ".", "1.", ".5", "e1", "1e", "1e+", "1e1.5", "--1", "+1", "0x1", "1_000", "NaN", "1 ", "١"] {
        assert_eq!(plain(text), None, "{text}");
    }
}

#[test]
fn the_strictest_spelling_of_a_text_is_found() {
    for (text, spelling) in [
        ("0", Some(Spelling::Json)),
        ("-0.50E+07", Some(Spelling::Json)),
        ("00", Some(Spelling::Padded)),
        ("-007.5", Some(Spelling::Padded)),
        ("+1", Some(Spelling::Loose)),
        (".5", Some(Spelling::Loose)),
        ("-5.e3", Some(Spelling::Loose)),
        (".", None),
        ("+-1", None),
        ("1.5.2", None),
    ] {
        assert_eq!(Decimal::parse_as(text, Spelling::Loose).map(|number| number.spelling()), spelling, "{text}");
    }
}

#[test]
fn an_integer_is_one_in_every_spelling_of_json() {
    for (text, value) in [
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
        ("1e-99999999999999999999", None),
    ] {
        assert_eq!(integer(text), value, "{text}");
    }
}

#[test]
fn a_huge_exponent_costs_no_more_than_a_small_one() {
    for text in ["1e2000000000", "-1e2000000000", "1e-2000000000", "1e99999999999999999999", "-1e-99999999999999999999"]
    {
        let number = Decimal::parse(text).unwrap();
        assert!(number.to_i64().is_none(), "{text}");
        let floors = [i128::MAX, -i128::MAX, 0, -1];
        assert!(floors.contains(&number.floor(i64::MAX)) && floors.contains(&number.floor(i64::MIN)), "{text}");
        assert_eq!(number.significant().coefficient(), Some(1), "{text}");
    }
}

#[test]
fn a_number_is_written_whole_without_a_fraction() {
    for (text, whole) in
        [("1", true), ("1.0", false), ("1.5e1", true), ("1e-1", false), ("0e-1", true), ("1.55e1", false)]
    {
        assert_eq!(Decimal::parse(text).unwrap().is_written_whole(), whole, "{text}");
    }
}

#[test]
fn numbers_are_equal_by_sign_and_value() {
    let number = |text| Decimal::parse(text).unwrap();
    for (left, right) in [("1.50", "15e-1"), ("0.0", "0e5"), ("100", "1e2"), ("12.34", "1234e-2"), ("0.001", "1e-3")] {
        assert!(number(left) == number(right), "{left} {right}");
    }
    for (left, right) in [("0", "-0"), ("1", "-1"), ("1", "10"), ("1.2", "1.21"), ("12", "1.2")] {
        assert!(number(left) != number(right), "{left} {right}");
    }
}

/// A number in parts, so that what is expected of it can be computed from integers alone.
#[derive(Clone, Debug)]
struct Parts {
    negative: bool,
    /// All digits as an integer, and how many of them are after the point.
    digits: u64,
    places: u32,
    exponent: i32,
}

impl Parts {
    fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let all = format!("{:0width$}", self.digits, width = self.places as usize + 1);
        let (whole, fraction) = all.split_at(all.len() - self.places as usize);
        let point = if fraction.is_empty() { "" } else { "." };
        let exponent = if self.exponent == 0 { String::new() } else { format!("e{}", self.exponent) };
        format!("{sign}{whole}{point}{fraction}{exponent}")
    }

    /// The power of ten of the last digit.
    fn power(&self) -> i32 {
        self.exponent - self.places as i32
    }

    /// The number × 10^`shift`, if that is an integer.
    fn scaled(&self, shift: i32) -> Option<i128> {
        let signed = if self.negative { -i128::from(self.digits) } else { i128::from(self.digits) };
        let power = self.power() + shift;
        let factor = 10_i128.pow(power.unsigned_abs());
        if power >= 0 { Some(signed * factor) } else { (signed % factor == 0).then_some(signed / factor) }
    }
}

prop_compose! {
    fn parts()(
        negative: bool,
        digits in prop_oneof![Just(0_u64), 0_u64..2000, any::<u64>().prop_map(|n| n / 100_000)],
        places in 0_u32..8,
        exponent in -8_i32..9,
    ) -> Parts {
        Parts { negative, digits, places, exponent }
    }
}

proptest! {
    #[test]
    fn an_integer_is_its_own_plain_text(number: i128) {
        prop_assert_eq!(plain(&number.to_string()), Some(number.to_string()));
    }

    #[test]
    fn moving_the_point_changes_nothing(digits in "[1-9][0-9]{0,15}", shift in 0_usize..20) {
        let moved = format!("{digits}{}e-{shift}", "0".repeat(shift));
        prop_assert_eq!(plain(&moved), plain(&digits));
        let small = format!("0.{}{digits}e{}", "0".repeat(shift), shift + digits.len());
        prop_assert_eq!(plain(&small), plain(&digits));
    }

    #[test]
    fn a_plain_text_is_its_own(number in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?") {
        if let Some(text) = plain(&number) {
            let bits = |text: &str| (text.parse::<f64>().unwrap() + 0.0).to_bits();
            prop_assert_eq!(bits(&text), bits(&number));
            prop_assert_eq!(plain(&text), Some(text));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*|[-+]?[0-9]{0,40}[.]?[0-9]{0,40}([eE][-+]?[0-9]{0,25})?") {
        plain(&text);
        if let Some(number) = Decimal::parse_as(&text, Spelling::Loose) {
            number.to_i64();
            number.floor(3);
            number.significant().coefficient();
        }
    }

    /// The grammars of the readers that this one replaces.
    #[test]
    fn a_text_is_a_number_where_serde_and_rust_say_so(text in "[+-]?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
        let is = |spelling| Decimal::parse_as(&text, spelling).is_some();
        prop_assert_eq!(is(Spelling::Json), serde_json::from_str::<f64>(&text).is_ok());
        prop_assert_eq!(is(Spelling::Json), crate::json::is_number(&text));
        prop_assert_eq!(is(Spelling::Loose), text.parse::<f64>().is_ok());
        let unpadded = text.trim_start_matches('-').trim_start_matches('0');
        let unpadded = if unpadded.starts_with(|c: char| c.is_ascii_digit()) { unpadded.to_owned() } else { format!("0{unpadded}") };
        let zero = text.trim_start_matches('-').starts_with('0');
        let padded = serde_json::from_str::<f64>(&text).is_ok()
            || (zero && serde_json::from_str::<f64>(&unpadded).is_ok() && !text.starts_with("--"));
        prop_assert_eq!(is(Spelling::Padded), padded, "{}", text);
    }

    #[test]
    fn an_integer_of_64_bits_is_found_in_any_spelling(value: i64, zeros in 0_usize..4) {
        let point = format!("{value}.{}", "0".repeat(zeros + 1));
        let power = format!("{value}{}e-{zeros}", "0".repeat(zeros));
        prop_assert_eq!(integer(&point), Some(value));
        prop_assert_eq!(integer(&power), Some(value));
    }

    #[test]
    fn every_operation_gives_what_integer_arithmetic_gives(parts in parts(), shift in 0_i32..4) {
        let text = parts.text();
        let number = Decimal::parse(&text).unwrap();

        prop_assert_eq!(number.to_i64(), parts.scaled(0).and_then(|value| i64::try_from(value).ok()), "{}", text);

        let by = 10_i128.pow((-parts.power() - shift).max(0).unsigned_abs());
        let floor = parts.scaled((-parts.power()).max(shift)).unwrap().div_euclid(by);
        prop_assert_eq!(number.floor(shift.into()), floor, "{}", text);

        let significant = number.significant();
        let mut expected = (u128::from(parts.digits), i64::from(parts.power()));
        while expected.0 != 0 && expected.0.is_multiple_of(10) {
            expected = (expected.0 / 10, expected.1 + 1);
        }
        if expected.0 == 0 {
            expected.1 = 0;
        }
        prop_assert_eq!((significant.coefficient().unwrap(), significant.exponent()), expected, "{}", text);
        prop_assert_eq!(significant.is_empty(), parts.digits == 0);

        let read = plain(&text).unwrap();
        prop_assert!(!read.contains(['e', 'E']) && (read == "0" || !read.ends_with(".0")), "{}", read);
        let again = Decimal::parse(&read).unwrap();
        prop_assert!(again.significant() == significant && again.is_negative() == (parts.negative && parts.digits != 0));
        prop_assert_eq!(Decimal::parse(&read).unwrap() == number, parts.digits != 0 || !parts.negative);
    }

    #[test]
    fn the_floor_is_that_of_the_value(digits in -1_000_000_000_i64..1_000_000_000, places in 0_u32..9) {
        let parts = Parts { negative: digits < 0, digits: digits.unsigned_abs(), places, exponent: 0 };
        let expected = i128::from(digits).div_euclid(10_i128.pow(places));
        prop_assert_eq!(Decimal::parse(&parts.text()).unwrap().floor(0), expected);
        let shifted = format!("{digits}e-{places}");
        prop_assert_eq!(Decimal::parse(&shifted).unwrap().floor(0), expected, "{}", shifted);
    }
}
