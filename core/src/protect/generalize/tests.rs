//! Examples and properties of each rule.

#![allow(clippy::unwrap_used)]

use std::{borrow::Cow, net::Ipv4Addr as Ipv4};

use proptest::prelude::*;

use super::*;

fn text(value: &str) -> Scalar<'_> {
    Scalar::Text(Cow::Borrowed(value))
}

fn number(value: &str) -> Scalar<'_> {
    Scalar::Number(Cow::Borrowed(value))
}

fn apply(rules: &GeneralizeRules, value: &Scalar<'_>) -> Result<String, &'static str> {
    let mut out = String::new();
    let result = Generalizer::new(rules).apply(value, &mut out);
    if result.is_err() {
        assert_eq!(out, "", "a failure leaves nothing behind");
    }
    result.map(|()| out).map_err(|failed| failed.rule)
}

#[test]
fn a_prefix_is_counted_in_characters() {
    let rules = GeneralizeRules::Prefix(3);
    assert_eq!(apply(&rules, &text("10115")).unwrap(), "101");
    assert_eq!(apply(&rules, &text("äöüß")).unwrap(), "äöü");
    assert_eq!(apply(&rules, &text("äö")).unwrap(), "äö");
    assert_eq!(apply(&rules, &number("10115")).unwrap(), "101");
    assert_eq!(apply(&GeneralizeRules::Prefix(0), &text("x")).unwrap(), "");
    assert_eq!(apply(&rules, &Scalar::Null), Err("prefix"));
}

#[test]
fn a_number_becomes_its_bucket() {
    let rules = GeneralizeRules::Buckets(vec![10, 20, 50]);
    for (value, expected) in [
        ("-5", "<10"),
        ("9", "<10"),
        ("9.999999999999999999999999", "<10"),
        ("10", "10-19"),
        ("1e1", "10-19"),
        ("19.99", "10-19"),
        ("20.0", "20-49"),
        ("49", "20-49"),
        ("50", ">=50"),
        ("1e300", ">=50"),
        ("-1e300", "<10"),
        ("1e-300", "<10"),
        ("123456789012345678901234567890123456789012345678901234567890", ">=50"),
        ("-123456789012345678901234567890123456789012345678901234567890", "<10"),
    ] {
        assert_eq!(apply(&rules, &number(value)).as_deref(), Ok(expected), "{value}");
        assert_eq!(apply(&rules, &text(value)).as_deref(), Ok(expected), "{value}");
    }
    for value in ["", "ten", "1,5", "0x10", "NaN", "007"] {
        assert_eq!(apply(&rules, &text(value)), Err("buckets"), "{value}");
    }
    assert_eq!(apply(&rules, &Scalar::Bool(true)), Err("buckets"));
}

#[test]
fn narrow_and_extreme_buckets_have_labels_too() {
    let rules = GeneralizeRules::Buckets(vec![i64::MIN, -1, 0, 1, i64::MAX]);
    assert_eq!(apply(&rules, &number("0")).unwrap(), "0");
    assert_eq!(apply(&rules, &number("-1")).unwrap(), "-1");
    assert_eq!(apply(&rules, &number("-0.5")).unwrap(), "-1");
    assert_eq!(apply(&rules, &number("9223372036854775807")).unwrap(), ">=9223372036854775807");
    assert_eq!(apply(&rules, &number("-9223372036854775809")).unwrap(), "<-9223372036854775808");
}

#[test]
fn a_date_becomes_its_month_or_year() {
    let month = GeneralizeRules::Date(DatePrecision::Month);
    let year = GeneralizeRules::Date(DatePrecision::Year);
    for value in ["1984-07-01", "1984/07/31", "1984-07-01T00:30:00+02:00", "1984-07-31T23:30:00.5-08:00"] {
        assert_eq!(apply(&month, &text(value)).as_deref(), Ok("1984-07"), "{value}");
        assert_eq!(apply(&year, &text(value)).as_deref(), Ok("1984"), "{value}");
    }
    for unknown in ["0", "457488000", "94694400000"] {
        assert_eq!(apply(&year, &number(unknown)), Err("date"), "{unknown}: seconds or milliseconds?");
    }
    assert_eq!(apply(&year, &text("0845-01-01")).unwrap(), "0845");
    for value in ["", "hello", "03/04/2020", "1984-02-30", "1984", "19840701"] {
        assert_eq!(apply(&month, &text(value)), Err("date"), "{value}");
    }
    assert_eq!(apply(&year, &Scalar::Bool(false)), Err("date"));
}

#[test]
fn an_address_becomes_its_network() {
    let rules = GeneralizeRules::Ip { v4: 24, v6: 48 };
    for (value, expected) in [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("2001:DB8::1", "2001:db8::/48"),
        ("fe80::1%eth0", "fe80::/48"),
    ] {
        assert_eq!(apply(&rules, &text(value)).as_deref(), Ok(expected), "{value}");
    }
    let none = GeneralizeRules::Ip { v4: 0, v6: 0 };
    assert_eq!(apply(&none, &text("192.0.2.77")).unwrap(), "0.0.0.0/0");
    assert_eq!(apply(&none, &text("2001:db8::1")).unwrap(), "::/0");
    for value in ["", "hello", "192.0.2", "192.0.2.256", "192.0.2.1/24", "192.0.2.1:80", "fe80::1%", "01.2.3.4"] {
        assert_eq!(apply(&rules, &text(value)), Err("ip"), "{value}");
    }
    assert_eq!(apply(&rules, &number("3232235777")), Err("ip"));
}

#[test]
fn a_table_maps_by_text_and_everything_else_to_its_default() {
    let rules = GeneralizeRules::Map {
        values: vec![("DE".into(), "EU".into()), ("1".into(), "one".into()), ("DE".into(), "never".into())],
        default: "other".into(),
    };
    assert_eq!(apply(&rules, &text("DE")).unwrap(), "EU");
    assert_eq!(apply(&rules, &number("1")).unwrap(), "one");
    assert_eq!(apply(&rules, &text("de")).unwrap(), "other");
    assert_eq!(apply(&rules, &Scalar::Bool(true)).unwrap(), "other");
    assert_eq!(apply(&rules, &Scalar::Null), Err("map"));
}

#[test]
fn a_failure_names_the_rule_and_nothing_of_the_value() {
    let failed =
        ProtectFailed { rule: apply(&GeneralizeRules::Date(DatePrecision::Year), &text("secret")).unwrap_err() };
    assert_eq!(failed.to_string(), "the value can't be protected by the rule date");
}

proptest! {
    #[test]
    fn a_prefix_never_exceeds_its_length(value in "\\PC{0,30}", characters in 0usize..40) {
        let short = apply(&GeneralizeRules::Prefix(characters), &text(&value)).unwrap();
        prop_assert_eq!(short.chars().count(), characters.min(value.chars().count()));
        prop_assert!(value.starts_with(&short));
    }

    #[test]
    fn buckets_cover_every_number_exactly_once(
        bounds in proptest::collection::btree_set(-1000i64..1000, 1..8).prop_map(|set| set.into_iter().collect::<Vec<_>>()),
        hundredths in -150_000i64..150_000,
    ) {
        let value = format!("{}{}.{:02}", if hundredths < 0 { "-" } else { "" }, hundredths.abs() / 100, hundredths.abs() % 100);
        let label = apply(&GeneralizeRules::Buckets(bounds.clone()), &number(&value)).unwrap();
        let below = bounds.iter().filter(|bound| **bound * 100 <= hundredths).count();
        let labels = Buckets::new(&bounds).labels;
        prop_assert_eq!(labels.len(), bounds.len() + 1);
        prop_assert_eq!(labels.iter().position(|l| **l == *label), Some(below));
        let distinct: std::collections::BTreeSet<_> = labels.iter().collect();
        prop_assert_eq!(distinct.len(), labels.len());
    }

    #[test]
    fn a_table_yields_declared_texts_only(
        values in proptest::collection::vec(("[a-c]{0,2}", "[x-z]{1,2}"), 0..6), value in "[a-d]{0,2}",
    ) {
        let rules = GeneralizeRules::Map { values: values.clone(), default: "other".into() };
        let mapped = apply(&rules, &text(&value)).unwrap();
        let expected = values.iter().find(|(from, _)| *from == value).map_or("other", |(_, to)| to.as_str());
        prop_assert_eq!(mapped, expected);
    }

    #[test]
    fn addresses_of_one_network_become_equal(address in any::<u32>(), other in any::<u32>(), bits in 0u8..=32) {
        let rules = GeneralizeRules::Ip { v4: bits, v6: 0 };
        let kept = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        let neighbour = (address & kept) | (other & !kept);
        let [one, two] = [address, neighbour].map(|bits| apply(&rules, &text(&Ipv4::from_bits(bits).to_string())).unwrap());
        prop_assert_eq!(one, two);
    }

    #[test]
    fn no_rule_panics_and_a_date_never_passes_unchanged(value in "\\PC{0,24}|[0-9:. TZ/+-]{0,30}") {
        for rules in [
            GeneralizeRules::Buckets(vec![0, 10]),
            GeneralizeRules::Ip { v4: 24, v6: 48 },
            GeneralizeRules::Date(DatePrecision::Month),
        ] {
            if let Ok(out) = apply(&rules, &text(&value)) {
                prop_assert!(out != value || value.ends_with("/24"));
            }
        }
    }
}
