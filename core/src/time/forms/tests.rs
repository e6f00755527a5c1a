//! Examples of each form, and a comparison of the parser with `jiff`.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn text(value: &str) -> Scalar<'_> {
    Scalar::Text(Cow::Borrowed(value))
}

fn number(value: &str) -> Scalar<'_> {
    Scalar::Number(Cow::Borrowed(value))
}

fn shown(millis: i64) -> String {
    let mut out = [0; 24];
    let len = rfc3339(millis, &mut out);
    String::from_utf8(out[..len].to_vec()).unwrap()
}

#[test]
fn an_event_time_is_read_in_each_form() {
    for (form, millis, whole_seconds) in [
        ("2026-11-02T09:00:00Z", 1_793_610_000_000, true),
        ("2026-11-02t09:00:00z", 1_793_610_000_000, true),
        ("2026-11-02 09:00:00Z", 1_793_610_000_000, true),
        ("2026-11-02T10:30:00+01:30", 1_793_610_000_000, true),
        ("2026-11-02T01:00:00-08:00", 1_793_610_000_000, true),
        ("2026-11-02T09:00:00.5Z", 1_793_610_000_500, false),
        ("2026-11-02T09:00:00.123456789123Z", 1_793_610_000_123, false),
        ("2026-11-02T09:00:00.000Z", 1_793_610_000_000, false),
        ("20261102T090000Z", 1_793_610_000_000, true),
        ("20261102T090000.25+0000", 1_793_610_000_250, false),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000, true),
        ("1969-12-31T23:59:59.9999Z", -1, false),
        ("1793610000", 1_793_610_000_000, true),
        ("1793610000000", 1_793_610_000_000, false),
        ("0000-01-01T00:00:00Z", -62_167_219_200_000, true),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999, false),
    ] {
        assert_eq!(parse_event_time(&text(form), None), Some(Instant { millis, whole_seconds }), "{form}");
    }
}

#[test]
fn without_a_unit_a_number_of_recent_times_is_read_by_its_magnitude_and_any_other_refused() {
    for (form, millis, whole_seconds) in [
        ("100000000", 100_000_000_000, true),
        ("99999999999", 99_999_999_999_000, true),
        ("100000000000", 100_000_000_000, false),
        ("1793610000.25", 1_793_610_000_250, false),
        ("1.79361E9", 1_793_610_000_000, true),
        ("1793610000000.75", 1_793_610_000_000, false),
    ] {
        assert_eq!(parse_event_time(&number(form), None), Some(Instant { millis, whole_seconds }), "{form}");
    }
    for form in ["0", "1", "-1", "99999999", "99999999.9", "-94694400000", "-100000000000", "-0.0005"] {
        assert_eq!(parse_event_time(&number(form), None), None, "{form}");
        assert_eq!(parse_event_time(&text(form), None), None, "{form}");
    }
}

#[test]
fn with_a_unit_every_number_is_read_by_it() {
    let year = |form: &str, unit| parse_moment(&number(form), Some(unit)).map(|moment| moment.day.year);
    // Births between 1966 and 1990.
    let millis = ["-94694400000", "-14182980000", "86400000", "94694400000", "631152000000"];
    for (form, wanted) in millis.iter().zip([1967, 1969, 1970, 1973, 1990]) {
        assert_eq!(year(form, TimeUnit::Millis), Some(wanted), "{form}");
        let seconds = &form[..form.len() - 3];
        assert_eq!(year(seconds, TimeUnit::Seconds), Some(wanted), "{seconds}");
        assert_eq!(parse_moment(&text(form), Some(TimeUnit::Millis)).map(|moment| moment.day.year), Some(wanted));
    }
    for (form, unit, millis, whole_seconds) in [
        ("0", TimeUnit::Seconds, 0, true),
        ("-1", TimeUnit::Seconds, -1000, true),
        ("-0.0005", TimeUnit::Seconds, -1, false),
        ("1793610000", TimeUnit::Millis, 1_793_610_000, false),
        ("1.5", TimeUnit::Millis, 1, false),
    ] {
        assert_eq!(parse_event_time(&number(form), Some(unit)), Some(Instant { millis, whole_seconds }), "{form}");
    }
    // Years that RFC 3339 can't write.
    assert_eq!(parse_event_time(&number("-99999999999"), Some(TimeUnit::Seconds)), None);
    assert_eq!(parse_event_time(&number("1e400"), Some(TimeUnit::Millis)), None);
    assert_eq!(parse_event_time(&number("1e-2000000000"), Some(TimeUnit::Millis)).map(|at| at.millis), Some(0));
}

#[test]
fn a_time_that_was_never_set_is_known_in_any_offset() {
    let zero = |form: &str| is_zero_time(parse_event_time(&text(form), None).unwrap().millis);
    for form in ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+02:00", "0000-01-01T00:00:00Z", "1970-01-01T00:00:00Z"] {
        assert!(zero(form), "{form}");
    }
    for form in ["0002-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00.001Z", "2026-11-02T09:00:00Z"] {
        assert!(!zero(form), "{form}");
    }
}

#[test]
fn a_value_that_is_not_an_instant_is_not_an_event_time() {
    for form in [
        "",
        "now",
        "2026-11-02",
        "2026-11-02T09:00:00",
        "2026-11-02T24:00:00Z",
        "2026-02-30T09:00:00Z",
        "2026-11-02T09:00:00.Z",
        "2026-11-02T09:00:00+1:00",
        "2026-11-02T09:00:00Z[UTC]",
        "2026-11-02T09:00:00Z ",
        "03/04/2020",
        "02.11.2026 09:00:00",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1e400",
        "999999999999999999999",
        "2026-1-2T09:00:00Zäöü",
        "äääääääääää",
    ] {
        assert_eq!(parse_event_time(&text(form), None), None, "{form}");
    }
    assert_eq!(parse_event_time(&Scalar::Bool(true), None), None);
    assert_eq!(parse_event_time(&Scalar::Null, None), None);
}

#[test]
fn a_day_and_a_mail_date_are_read_where_any_form_is_taken() {
    for (form, expected) in [
        ("2026-11-02", "2026-11-02T00:00:00Z"),
        ("2026/11/02", "2026-11-02T00:00:00Z"),
        (" 2026-11-02 ", "2026-11-02T00:00:00Z"),
        ("Mon, 02 Nov 2026 10:00:00 +0100", "2026-11-02T09:00:00Z"),
        ("2 Nov 2026 09:00:00 GMT", "2026-11-02T09:00:00Z"),
    ] {
        assert_eq!(
            parse_moment(&text(form), None).map(|m| shown(m.instant.millis)).as_deref(),
            Some(expected),
            "{form}"
        );
    }
}

#[test]
fn a_form_with_two_meanings_is_refused() {
    for form in ["03/04/2020", "03.04.2020", "03-04-2020", "2026/13/02", "2026-11/02", "2026", "202611", "20261102"] {
        assert!(parse_moment(&text(form), None).is_none(), "{form}");
    }
    for form in ["19840701", "1984", "-94694400000", "86400000", "1793610000"] {
        assert!(parse_moment(&number(form), None).is_none() && parse_moment(&text(form), None).is_none(), "{form}");
    }
}

#[test]
fn the_day_is_that_of_the_written_offset() {
    let moment = parse_moment(&text("1984-07-01T00:30:00+02:00"), None).unwrap();
    assert_eq!((moment.day.year, moment.day.month, moment.day.of_month), (1984, 7, 1));
    let moment = parse_moment(&text("Sun, 01 Jul 1984 00:30:00 +0200"), None).unwrap();
    assert_eq!((moment.day.year, moment.day.month, moment.day.of_month), (1984, 7, 1));
}

fn jiff_reads(form: &str) -> Option<i64> {
    let nanos = form.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
    i64::try_from(nanos.div_euclid(1_000_000)).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_fast_reading_equals_that_of_jiff(
        (year, month, day) in (0..=9999i32, 0..=13u8, 0..=32u8),
        (hour, minute, second) in (0..=24u8, 0..=60u8, 0..=59u8),
        mark in "[Tt ]",
        fraction in proptest::option::of("[0-9]{1,9}"),
        offset in prop_oneof![Just("Z".to_owned()), Just("z".to_owned()), "[+-]([01][0-9]|2[0-3]):[0-5][0-9]"],
    ) {
        let fraction = fraction.map(|f| format!(".{f}")).unwrap_or_default();
        let form = format!("{year:04}-{month:02}-{day:02}{mark}{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
        let fast = timestamp(form.as_bytes());
        let jiffs = jiff_reads(&form).filter(|millis| RANGE.contains(millis));
        prop_assert_eq!(fast.map(|m| m.instant.millis), jiffs, "{}", form);
    }

    #[test]
    fn no_text_makes_any_reader_panic(form in "\\PC{0,40}") {
        let _ = parse_event_time(&text(&form), None);
        let _ = parse_moment(&text(&form), None);
        let _ = parse_moment(&number(&form), Some(TimeUnit::Seconds));
    }

    #[test]
    fn no_damaged_time_makes_a_reader_panic(
        mut form in Just("2026-11-02T09:00:00.123+01:00".to_owned()),
        cut in 0..29usize, with in any::<char>(),
    ) {
        form.replace_range(cut..=cut, &with.to_string());
        let _ = parse_event_time(&text(&form), None);
        let _ = parse_moment(&text(&form), None);
    }

    #[test]
    fn a_written_instant_is_read_back(millis in RANGE) {
        let form = shown(millis);
        prop_assert_eq!(parse_moment(&text(&form), None).map(|m| m.instant.millis), Some(millis));
        prop_assert_eq!(jiff_reads(&form), Some(millis));
    }
}
