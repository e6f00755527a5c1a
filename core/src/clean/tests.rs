//! Examples and properties of each step.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use lethe_crds::profile_pipeline::Clean;
use proptest::prelude::*;

use super::*;

fn clean(step: Clean, value: Scalar<'_>) -> Result<Option<String>, &'static str> {
    let cleaned = Cleaner::new(&[step], Some("DE")).apply(value).map_err(|failed| failed.step)?;
    Ok(cleaned.as_text().map(str::to_owned))
}

fn text(value: &str) -> Scalar<'_> {
    Scalar::Text(Cow::Borrowed(value))
}

fn number(value: &str) -> Scalar<'_> {
    Scalar::Number(Cow::Borrowed(value))
}

#[track_caller]
fn each_becomes(step: Clean, cases: &[(&str, &str)]) {
    for (from, to) in cases {
        assert_eq!(clean(step, text(from)), Ok(Some((*to).to_owned())), "{from:?}");
        // A value that has its form already stays, borrowed.
        let again = Cleaner::new(&[step], Some("DE")).apply(text(to)).unwrap_or(Scalar::Null);
        let borrowed =
            matches!(&again, Scalar::Text(Cow::Borrowed(same)) | Scalar::Number(Cow::Borrowed(same)) if same == to);
        assert!(borrowed, "{to:?} changed or was copied");
    }
}

#[track_caller]
fn each_is_refused(step: Clean, name: &'static str, cases: &[&str]) {
    for case in cases {
        assert_eq!(clean(step, text(case)), Err(name), "{case:?}");
    }
}

const ALL: [Clean; 11] = [
    Clean::Trim,
    Clean::Lowercase,
    Clean::Uppercase,
    Clean::Nfc,
    Clean::CollapseSpace,
    Clean::Email,
    Clean::Phone,
    Clean::Time,
    Clean::TimeFromSeconds,
    Clean::TimeFromMillis,
    Clean::Number,
];

#[test]
fn null_passes_every_step() {
    assert!(matches!(Cleaner::new(&ALL, None).apply(Scalar::Null), Ok(Scalar::Null)));
}

#[test]
fn steps_on_letters_change_texts_only() {
    let cleaner = Cleaner::new(&ALL[..5], None);
    assert!(cleaner.apply(Scalar::Bool(true)) == Ok(Scalar::Bool(true)));
    assert!(cleaner.apply(number("1E5")) == Ok(number("1E5")));
}

#[test]
fn steps_apply_in_their_order() {
    let cleaner = Cleaner::new(&[Clean::Trim, Clean::CollapseSpace, Clean::Lowercase], None);
    assert!(cleaner.apply(text("  Anna \t Muster ")) == Ok(text("anna muster")));
}

#[test]
fn letters_and_blanks_are_brought_to_one_form() {
    each_becomes(Clean::Trim, &[(" a b\u{3000}", "a b"), ("", ""), ("\n\t", "")]);
    each_becomes(Clean::Lowercase, &[("ABC", "abc"), ("ÄÖÜ ẞ", "äöü ß"), ("ΟΔΟΣ", "οδος"), ("漢字", "漢字")]);
    each_becomes(Clean::Uppercase, &[("abc", "ABC"), ("straße", "STRASSE"), ("ÉA", "ÉA")]);
    each_becomes(Clean::Nfc, &[("e\u{301}", "é"), ("a\u{30a}b", "åb"), ("plain", "plain"), ("Ω", "Ω")]);
    each_becomes(
        Clean::CollapseSpace,
        &[("a  b", "a b"), ("a\tb", "a b"), ("\u{a0}a \n\u{2003} b ", " a b "), ("a b", "a b"), ("ä  ö", "ä ö")],
    );
}

#[test]
fn an_address_keeps_its_local_part_and_gets_a_lower_case_domain() {
    each_becomes(
        Clean::Email,
        &[
            ("Anna.Muster@Example.COM", "Anna.Muster@example.com"),
            (" a+b@x.co ", "a+b@x.co"),
            ("\u{200f}a\u{200b}@exam\u{ad}ple.com\u{feff}", "a@example.com"),
            ("a@b.de.", "a@b.de"),
            ("o'brien@sub.example.ie", "o'brien@sub.example.ie"),
            ("info@MÜNCHEN.de", "info@münchen.de"),
            ("info@mu\u{308}nchen.de", "info@münchen.de"),
            ("用户@例子.广告", "用户@例子.广告"),
            ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ],
    );
}

#[test]
fn a_text_that_is_not_an_address_is_refused() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long_label = format!("a@{}.com", "b".repeat(64));
    let long_all = format!("a@{}com", "bcdefghi.".repeat(28));
    each_is_refused(
        Clean::Email,
        "Email",
        &[
            "",
            "@",
            "a@",
            "@b.de",
            "a",
            "a@b",
            "a@@b.de",
            "a@b@c.de",
            ".a@b.de",
            "a.@b.de",
            "a..b@c.de",
            "a b@c.de",
            "a@b .de",
            "a@-b.de",
            "a@b-.de",
            "a@b..de",
            "a@b_c.de",
            "a@1.2.3.4",
            "a@[1.2.3.4]",
            "\"a\"@b.de",
            "a@b.c",
            &long_local,
            &long_label,
            &long_all,
        ],
    );
    assert_eq!(clean(Clean::Email, Scalar::Bool(true)), Err("Email"));
    assert_eq!(clean(Clean::Email, number("1")), Err("Email"));
}

#[test]
fn a_phone_number_becomes_e164() {
    each_becomes(
        Clean::Phone,
        &[
            ("+49 30 901820", "+4930901820"),
            ("030 901820", "+4930901820"),
            ("(030) 90 18-20", "+4930901820"),
            ("+49 (0)30 901820", "+4930901820"),
            ("0049 30 901820", "+4930901820"),
            ("tel:+49-30-901820", "+4930901820"),
            ("0171 2345678", "+491712345678"),
            ("+39 06 698 12345", "+390669812345"),
            ("0039 06 698 12345", "+390669812345"),
            ("+1 (415) 555-2671", "+14155552671"),
            ("+44 20 7946 0958", "+442079460958"),
            ("\u{ff0b}\u{ff14}\u{ff19} 30 901820", "+4930901820"),
            ("+33\u{a0}6\u{a0}12\u{a0}34\u{a0}56\u{a0}78", "+33612345678"),
        ],
    );
    assert_eq!(clean(Clean::Phone, number("4930901820")), Ok(Some("+4930901820".to_owned())));
}

#[test]
fn an_invalid_phone_number_is_refused() {
    each_is_refused(
        Clean::Phone,
        "Phone",
        &[
            "",
            "+",
            "abc",
            "1",
            "+1 555",
            "+999 123456789",
            "+49 30 901820 ext. 5",
            "++4930901820",
            "+49+30901820",
            "030-FLOWERS",
            "+7888421417210",
            "12:30",
            &"1".repeat(100),
        ],
    );
    assert_eq!(clean(Clean::Phone, Scalar::Bool(false)), Err("Phone"));
    let nowhere = Cleaner::new(&[Clean::Phone], None);
    assert!(nowhere.apply(text("030 901820")).is_err());
    assert!(nowhere.apply(text("0049 30 901820")) == Ok(text("+4930901820")));
    let unknown = Cleaner::new(&[Clean::Phone], Some("ZZ"));
    assert!(unknown.apply(text("030 901820")).is_err());
}

#[test]
fn a_time_becomes_rfc3339_in_utc() {
    each_becomes(
        Clean::Time,
        &[
            ("2026-11-02T10:00:00+01:00", "2026-11-02T09:00:00Z"),
            ("2026-11-02 09:00:00.120Z", "2026-11-02T09:00:00.120Z"),
            ("2026-11-02T09:00:00.000Z", "2026-11-02T09:00:00Z"),
            ("2026-11-02", "2026-11-02T00:00:00Z"),
            ("2026/11/02", "2026-11-02T00:00:00Z"),
            ("Mon, 02 Nov 2026 10:00:00 +0100", "2026-11-02T09:00:00Z"),
        ],
    );
    each_becomes(Clean::TimeFromSeconds, &[("1793610000", "2026-11-02T09:00:00Z"), ("-1", "1969-12-31T23:59:59Z")]);
    each_becomes(
        Clean::TimeFromMillis,
        &[("1793610000123", "2026-11-02T09:00:00.123Z"), ("94694400000", "1973-01-01T00:00:00Z")],
    );
    assert_eq!(clean(Clean::TimeFromSeconds, number("1793610000")), Ok(Some("2026-11-02T09:00:00Z".to_owned())));
    assert_eq!(clean(Clean::TimeFromMillis, text("2026-11-02")), Ok(Some("2026-11-02T00:00:00Z".to_owned())));
    assert_eq!(clean(Clean::Time, number("1793610000")), Err("Time"));
    let refused = ["", "03/04/2020", "2026-11-02T09:00:00", "2026", "20261102", "1793610000", "-1", "yesterday"];
    each_is_refused(Clean::Time, "Time", &refused);
    assert_eq!(clean(Clean::Time, Scalar::Bool(true)), Err("Time"));
}

#[test]
fn a_number_keeps_its_digits() {
    each_becomes(
        Clean::Number,
        &[
            ("42", "42"),
            (" -42.50 ", "-42.50"),
            ("+7", "7"),
            ("1e5", "1e5"),
            ("1E+05", "1E+05"),
            ("007", "7"),
            ("00", "0"),
            ("-00.10", "-0.10"),
            (".5", "0.5"),
            ("-.5e3", "-0.5e3"),
            ("5.", "5"),
            ("5.e2", "5e2"),
            ("123456789012345678901234567890.12345", "123456789012345678901234567890.12345"),
        ],
    );
    each_is_refused(
        Clean::Number,
        "Number",
        &[
            "", " ", ".", "-", "+-1", "1,000", "1 000", "1_000", "0x10", "NaN", "Infinity", "inf", "1e", "1e400",
            "1.2.3", "٣",
        ],
    );
    assert!(Cleaner::new(&[Clean::Number], None).apply(number("1.0")) == Ok(number("1.0")));
    assert_eq!(clean(Clean::Number, Scalar::Bool(true)), Err("Number"));
}

#[test]
fn a_failure_names_the_step_and_nothing_of_the_value() {
    let failed = Cleaner::new(&[Clean::Trim, Clean::Email], None).apply(text("secret")).err().unwrap();
    assert_eq!(failed.to_string(), "the value can't be cleaned by the step Email");
    assert!(!format!("{failed:?}").contains("secret"));
}

fn any_step() -> impl Strategy<Value = Clean> {
    proptest::sample::select(ALL.to_vec())
}

proptest! {
    #[test]
    fn a_step_done_twice_is_a_step_done_once(step in any_step(), value in "\\PC{0,40}|[ \\t0-9+.eE-]{0,12}|[a-zA-Z.]{1,9}@[a-zA-ZäÄİẞ.-]{3,9}") {
        let cleaner = Cleaner::new(&[step], Some("DE"));
        if let Ok(once) = cleaner.apply(text(&value)) {
            let twice = cleaner.apply(once.borrowed());
            prop_assert!(twice == Ok(once.borrowed()));
        }
    }

    #[test]
    fn an_owned_text_is_cleaned_as_a_borrowed_one(step in any_step(), value in "\\PC{0,40}|[0-9 +-]{0,14}") {
        let cleaner = Cleaner::new(&[step], Some("FR"));
        let owned = cleaner.apply(Scalar::Text(Cow::Owned(value.clone())));
        prop_assert!(owned == cleaner.apply(text(&value)));
    }

    #[test]
    fn a_cleaned_number_is_json(value in "[ +-]{0,2}[0-9]{0,5}[.]{0,1}[0-9]{0,5}([eE][+-]?[0-9]{1,3})?") {
        if let Ok(Some(cleaned)) = clean(Clean::Number, text(&value)) {
            let parsed: f64 = serde_json::from_str(&cleaned).unwrap();
            prop_assert_eq!(parsed.to_bits(), value.trim().parse::<f64>().unwrap().to_bits());
        } else {
            prop_assert!(!value.trim().parse::<f64>().is_ok_and(f64::is_finite));
        }
    }

    #[test]
    fn no_digits_make_the_phone_step_panic_and_e164_stays(
        region in proptest::sample::select(vec!["DE", "US", "AR", "BR", "MX", "IT", "GB", "AU", "CN", "NZ", "BB", "AQ", "CL", "HU"]),
        value in "[+]?[0-9]{0,18}|(00|011|0)[0-9]{4,14}|[0-9()+./ -]{0,24}",
    ) {
        let cleaner = Cleaner::new(&[Clean::Phone], Some(region));
        if let Ok(once) = cleaner.apply(text(&value)) {
            prop_assert!(cleaner.apply(once.borrowed()) == Ok(once.borrowed()));
        }
    }
}
