//! Properties of the detector.

#![allow(clippy::unwrap_used)]

mod corpus;

use proptest::prelude::*;

use super::*;

fn find(text: &str) -> Vec<(DetectKind, &str)> {
    let mut found = Vec::new();
    Detector::new(&[]).find(text, &mut found);
    found.into_iter().map(|finding| (finding.kind, &text[finding.range])).collect()
}

#[test]
fn each_kind_is_replaced_by_its_name() {
    let text = "Anna (anna@example.org, +49 30 901820) paid with 4111 1111 1111 1111 from \
                DE89 3704 0044 0532 0130 00 at 192.0.2.7 and 2001:db8::7.";
    assert_eq!(
        Detector::new(&[]).redact(text),
        "Anna ([email], [phone]) paid with [card] from [iban] at [ipv4] and [ipv6]."
    );
}

#[test]
fn a_text_without_findings_is_borrowed() {
    let detector = Detector::new(&[]);
    for text in ["", "nothing here", "Lieferung am 02.11.2026 um 09:00 Uhr, 3 Stück", "a: b @ c 12"] {
        assert!(matches!(detector.redact(text), Cow::Borrowed(same) if same == text));
        assert!(detector.is_clean(text));
    }
}

#[test]
fn only_the_kinds_asked_for_are_found_and_mean_the_same() {
    let text = "anna@example.org 192.0.2.7 +49 30 901820 4111111111111111";
    let detector = Detector::new(&[DetectKind::Phone]);
    assert_eq!(detector.redact(text), "anna@example.org 192.0.2.7 [phone] 4111111111111111");
    assert!(detector.is_clean("192.168.100.200 and 4111 1111 1111 1111 and DE89 3704 0044 0532 0130 00"));
    assert!(!detector.is_clean("+49 30 901820"));
}

#[test]
fn earlier_findings_are_replaced() {
    let mut found = vec![Finding { kind: DetectKind::Email, range: 0..1 }];
    Detector::new(&[]).find("", &mut found);
    assert!(found.is_empty());
}

#[test]
fn findings_do_not_overlap_and_the_longest_of_those_that_begin_first_counts() {
    assert_eq!(find("491712345678@example.org"), [(DetectKind::Email, "491712345678@example.org")]);
    assert_eq!(find("::ffff:192.0.2.7"), [(DetectKind::Ipv6, "::ffff:192.0.2.7")]);
    assert_eq!(
        find("030 1234567 192.168.1.10"),
        [(DetectKind::Phone, "030 1234567"), (DetectKind::Ipv4, "192.168.1.10")]
    );
}

#[test]
fn the_time_of_a_long_text_is_linear_in_its_length() {
    // Each of these would take minutes if a scanner looked back or ahead without a bound.
    for unit in [
        "1 ",
        "1.",
        "a@",
        "1:",
        "a:",
        "0171 ",
        "4111",
        "DE89",
        "(",
        "+49",
        "::",
        "a.",
        "x@a-",
        "４",
        "@\u{200b}",
        "４@ﬁ",
    ] {
        let text = unit.repeat(200_000);
        let begun = std::time::Instant::now();
        let _ = Detector::new(&[]).is_clean(&text);
        assert!(begun.elapsed().as_secs() < 5, "{unit}");
    }
}

fn luhn_card() -> impl Strategy<Value = String> {
    (proptest::sample::select(vec!["4", "51", "2221", "6011"]), any::<u64>()).prop_map(|(begin, digits)| {
        let mut number = format!("{begin}{digits:020}");
        number.truncate(15);
        let sum: u32 = number
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, digit)| match (place % 2, u32::from(digit - b'0')) {
                (1, digit) => digit,
                (_, digit) => digit * 2 / 10 + digit * 2 % 10,
            })
            .sum();
        format!("{number}{}", (10 - sum % 10) % 10)
    })
}

fn iban() -> impl Strategy<Value = String> {
    (0u64..1_000_000_000_000_000_000).prop_map(|account| {
        // DE is 1314 in the checksum.
        let check = 98 - (u128::from(account) * 1_000_000 + 131_400) % 97;
        format!("DE{check:02}{account:018}")
    })
}

fn planted() -> impl Strategy<Value = (DetectKind, String)> {
    prop_oneof![
        "[a-z][a-z0-9._+-]{0,10}[a-z0-9]@[a-z][a-z0-9-]{0,8}[a-z0-9]\\.(de|com|co\\.uk|museum)"
            .prop_map(|text| (DetectKind::Email, text)),
        "\\+49 ?(30|171|89) ?[1-9][0-9]{6}".prop_map(|text| (DetectKind::Phone, text)),
        "\\+1[ -][2-9][0-9]{2}[ -][2-9][0-9]{2}-[0-9]{4}".prop_map(|text| (DetectKind::Phone, text)),
        "0(30|171|89)[ /-][1-9][0-9]{6,7}".prop_map(|text| (DetectKind::Phone, text)),
        "\\([2-9][0-9]{2}\\) [2-9][0-9]{2}-[0-9]{4}".prop_map(|text| (DetectKind::Phone, text)),
        luhn_card().prop_map(|text| (DetectKind::Card, text)),
        luhn_card().prop_map(|text| {
            (
                DetectKind::Card,
                text.as_bytes().chunks(4).map(|four| std::str::from_utf8(four).unwrap()).collect::<Vec<_>>().join(" "),
            )
        }),
        iban().prop_map(|text| (DetectKind::Iban, text)),
        any::<u32>().prop_map(|bits| (DetectKind::Ipv4, std::net::Ipv4Addr::from_bits(bits).to_string())),
        any::<[u16; 8]>()
            .prop_map(|groups| std::net::Ipv6Addr::from(groups).to_string())
            .prop_map(|text| (DetectKind::Ipv6, text)),
    ]
}

/// Words that neither join a number nor reveal anything about it.
const WORDS: &str = "([A-Za-zäöüß漢字é]{1,8}[,;!?]? ){0,6}";

fn full_width(c: char) -> char {
    match c {
        ' ' => '\u{3000}',
        '!'..='~' => char::from_u32(c as u32 + 0xfee0).unwrap(),
        other => other,
    }
}

#[test]
fn a_number_in_exponent_form_is_read_as_it_would_be_written_out() {
    let detector = Detector::new(&[]);
    assert_eq!(detector.redact_number("4.111111111111111e15"), "[card]");
    assert_eq!(detector.redact_number("4111111111111111.0"), "[card]");
    assert_eq!(detector.redact_number("4111111111111111"), "[card]");
    for other in ["4.111111111111112e15", "1e400", "1e-2000000000", "0.5", "-7", "6.02214076e23"] {
        assert!(matches!(detector.redact_number(other), Cow::Borrowed(same) if same == other), "{other}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn planted_personal_data_is_found(before in WORDS, (kind, value) in planted(), after in WORDS) {
        prop_assume!(matches!(
            context::words_before(&format!("{before} "), before.len()),
            context::Context::Unknown | context::Context::Phone
        ));
        let text = format!("{before}{value}, {after}");
        let mut found = Vec::new();
        Detector::new(&[]).find(&text, &mut found);
        let expected = Finding { kind, range: before.len()..before.len() + value.len() };
        prop_assert!(found.contains(&expected), "{text:?}: {found:?}");
    }

    #[test]
    fn planted_data_is_found_however_its_characters_are_spelled(
        (kind, value) in planted(),
        spelling in 0u8..3,
        places in proptest::collection::vec(0usize..40, 0..4),
    ) {
        let mut spelled: Vec<char> = match spelling {
            0 => value.chars().collect(),
            1 => value.chars().map(full_width).collect(),
            // Digits of another script are those of numbers; an address of the net has none.
            _ if matches!(kind, DetectKind::Phone | DetectKind::Card) => {
                value.chars().map(|c| c.to_digit(10).and_then(|d| char::from_u32(0x660 + d)).unwrap_or(c)).collect()
            }
            _ => value.chars().collect(),
        };
        for place in places {
            spelled.insert(1 + place % (spelled.len() - 1), ['\u{200b}', '\u{ad}', '\u{200f}'][place % 3]);
        }
        let spelled: String = spelled.into_iter().collect();
        let text = format!("é {spelled}, x");
        let mut found = Vec::new();
        Detector::new(&[]).find(&text, &mut found);
        let expected = Finding { kind, range: "é ".len().."é ".len() + spelled.len() };
        prop_assert!(found.contains(&expected), "{text:?}: {found:?}");
        let redacted = format!("é {}, x", placeholder(kind));
        prop_assert_eq!(Detector::new(&[]).redact(&text), redacted);
    }

    #[test]
    fn findings_are_ordered_apart_and_on_character_boundaries(
        text in "\\PC{0,60}|[0-9a-f@:. +()é漢４＠\u{200b}²-]{0,60}|([0-9]{1,5}[ .:@+/-]?){0,16}",
    ) {
        let mut found = Vec::new();
        Detector::new(&[]).find(&text, &mut found);
        let mut end = 0;
        for Finding { range, .. } in found {
            prop_assert!(range.start >= end && range.start < range.end);
            prop_assert!(text.get(range.clone()).is_some());
            end = range.end;
        }
    }

    #[test]
    fn redacting_twice_changes_nothing(
        parts in proptest::collection::vec(
            prop_oneof![planted().prop_map(|(_, value)| value), "[0-9a-f@:. +()é漢/４＠\u{200b}²-]{0,12}".prop_map(|text| text)], 0..6,
        ),
        kinds in proptest::sample::subsequence(
            vec![DetectKind::Email, DetectKind::Phone, DetectKind::Card, DetectKind::Iban, DetectKind::Ipv4, DetectKind::Ipv6], 0..6,
        ),
    ) {
        let text = parts.concat();
        let detector = Detector::new(&kinds);
        let once = detector.redact(&text).into_owned();
        prop_assert!(detector.is_clean(&once), "{text:?} -> {once:?}");
        prop_assert!(matches!(detector.redact(&once), Cow::Borrowed(_)));
        prop_assert_eq!(detector.is_clean(&text), once == text);
    }
}
