//! The canonical form of an identifier. It belongs to the space and not to a field's `clean`: two
//! pipelines that clean differently still mean the same person.

use std::borrow::Cow;

use lethe_crds::profile_pipeline::Canonical;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::domain::domain;
use crate::invisible::is_invisible;
use crate::{
    json::{Decimal, Spelling},
    phone::{NotPhone, PhoneRegion, e164},
    scalar::Scalar,
};

/// The longest canonical identifier, bytes.
pub const MAX_IDENTIFIER: usize = 1024;

/// The most digits of a number that is an identifier: `1e400` would be 401 bytes of zeros.
const MAX_DIGITS: usize = 64;

/// The version of the canonical forms of a space. Another form makes another token, and so another
/// person, of an identifier. So a space keeps the version that it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CanonicalVersion {
    /// An e-mail address is trimmed and lower-cased.
    V1 = 1,
    /// Besides, it has no characters that nobody sees, and its domain has one spelling.
    V2 = 2,
}

impl CanonicalVersion {
    /// The version of new spaces.
    pub const NEWEST: Self = Self::V2;

    /// Returns the number by which it is stored.
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// Returns the version with a number; `None` for one of a later Lethe.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            3.. | 0 => None,
        }
    }
}

/// Why a value has no canonical form. It never repeats the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// `null`, `true` or `false`.
    #[error("an identifier is a string or a number, not null, true or false")]
    Kind,
    /// It is empty.
    #[error("an identifier must not be empty")]
    Empty,
    /// It holds U+0000, where some stores and programs end a text: two persons could become one.
    #[error("an identifier must not hold U+0000")]
    Zero,
    /// Longer than [`MAX_IDENTIFIER`].
    #[error("an identifier has at most {MAX_IDENTIFIER} bytes")]
    TooLong,
    /// A number of more digits than an identifier has.
    #[error("a number that is an identifier has at most 64 digits when it is written out")]
    Number,
    /// Not a valid phone number, or one with an extension.
    #[error("not a valid phone number without extension")]
    Phone,
    /// A phone number without a country code, and no region.
    #[error("a phone number without country code needs `defaultRegion` in the pipeline")]
    PhoneWithoutCountry,
    /// The region is not one of ISO 3166-1.
    #[error("`defaultRegion` is not a region of ISO 3166-1: two capital letters, such as CH")]
    Region,
}

impl NotCanonical {
    /// Returns a word for counters and the dead letter.
    pub const fn code(self) -> &'static str {
        match self {
            NotCanonical::Kind => "Kind",
            NotCanonical::Empty => "Empty",
            NotCanonical::Zero => "Zero",
            NotCanonical::TooLong => "TooLong",
            NotCanonical::Number => "Number",
            NotCanonical::Phone => "Phone",
            NotCanonical::PhoneWithoutCountry => "PhoneWithoutCountry",
            NotCanonical::Region => "Region",
        }
    }
}

/// Writes the canonical form of an identifier into `out`, replacing its content. A number becomes
/// its exact decimal text (`42`, `42.0`, `4.2e1` and `"42"` are one identifier). A string becomes
/// Unicode NFC and then what `form` says: `"042"` stays `"042"`. After an error `out` is empty.
///
/// `region` (ISO 3166-1, upper case) is that of phone numbers without a country code.
pub fn canonical(
    value: &Scalar<'_>,
    form: Canonical,
    version: CanonicalVersion,
    region: Option<&str>,
    out: &mut String,
) -> Result<(), NotCanonical> {
    out.clear();
    let result = write(value, form, version, region, out);
    if result.is_err() {
        out.clear();
    }
    result
}

fn write(
    value: &Scalar<'_>,
    form: Canonical,
    version: CanonicalVersion,
    region: Option<&str>,
    out: &mut String,
) -> Result<(), NotCanonical> {
    let mut number = String::new();
    let text = match value {
        Scalar::Null | Scalar::Bool(_) => return Err(NotCanonical::Kind),
        Scalar::Number(digits) => {
            let digits = Decimal::parse_as(digits, Spelling::Padded).ok_or(NotCanonical::Number)?;
            digits.push_plain(MAX_DIGITS, &mut number).ok_or(NotCanonical::Number)?;
            number.as_str()
        }
        Scalar::Text(text) if text.contains('\0') => return Err(NotCanonical::Zero),
        Scalar::Text(text) => text,
    };
    match form {
        Canonical::Exact => push_nfc(text, out)?,
        Canonical::Email => match version {
            CanonicalVersion::V1 => push_lower(text, out)?,
            CanonicalVersion::V2 => push_email(text, out)?,
        },
        Canonical::Phone => out.push_str(&phone(text, region)?),
    }
    if out.is_empty() { Err(NotCanonical::Empty) } else { Ok(()) }
}

fn phone<'t>(text: &'t str, region: Option<&str>) -> Result<Cow<'t, str>, NotCanonical> {
    let known = PhoneRegion::new(region);
    if region.is_some() && known.is_none() {
        return Err(NotCanonical::Region);
    }
    e164(text, known).map_err(|not| match not {
        NotPhone::Invalid => NotCanonical::Phone,
        NotPhone::NoCountry => NotCanonical::PhoneWithoutCountry,
    })
}

/// The longest text that is taken for an e-mail address, bytes: its form can be shorter.
const MAX_EMAIL: usize = 16 * MAX_IDENTIFIER;

/// Every sign that is an @.
const AT: [char; 3] = ['@', '\u{fe6b}', '\u{ff20}'];

fn push_email(text: &str, out: &mut String) -> Result<(), NotCanonical> {
    if text.is_ascii() && !text.contains("--") {
        push_lower(text, out)?;
        if out.contains('@') {
            let end = out.trim_end_matches(|c: char| c == '.' || c.is_whitespace()).len();
            out.truncate(end);
        }
        return Ok(());
    }
    if text.len() > MAX_EMAIL {
        return Err(NotCanonical::TooLong);
    }
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let Some((local, host)) = visible.trim().rsplit_once(AT) else { return push_lower(&visible, out) };
    let address = format!("{local}@{}", domain(host));
    push_lower(&address, out)
}

fn push_lower(text: &str, out: &mut String) -> Result<(), NotCanonical> {
    push_nfc(text.trim(), out)?;
    if out.is_ascii() {
        out.make_ascii_lowercase();
        return Ok(());
    }
    // Lower case may decompose and NFC may compose. The result must be its own canonical form.
    let lower = out.to_lowercase();
    out.clear();
    push_nfc(&lower, out)
}

/// Appends the NFC of a text. It is refused as soon as it is too long, so that a value of a
/// megabyte costs no more than one of a kilobyte.
fn push_nfc(text: &str, out: &mut String) -> Result<(), NotCanonical> {
    if text.len() <= MAX_IDENTIFIER && is_nfc_quick(text.chars()) == IsNormalized::Yes {
        out.push_str(text);
        return Ok(());
    }
    for c in text.nfc() {
        if out.len() + c.len_utf8() > MAX_IDENTIFIER {
            return Err(NotCanonical::TooLong);
        }
        out.push(c);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn of(value: &Scalar<'_>, form: Canonical) -> Result<String, NotCanonical> {
        let mut out = String::from("left over");
        canonical(value, form, CanonicalVersion::NEWEST, Some("CH"), &mut out).map(|()| out)
    }

    fn text(text: &str) -> Scalar<'_> {
        Scalar::Text(Cow::Borrowed(text))
    }

    fn number(text: &str) -> Scalar<'_> {
        Scalar::Number(Cow::Borrowed(text))
    }

    #[test]
    fn an_identifier_with_a_zero_character_is_refused() {
        for form in [Canonical::Exact, Canonical::Email, Canonical::Phone] {
            assert_eq!(of(&text("7\0"), form), Err(NotCanonical::Zero));
        }
        assert_eq!(of(&text("7"), Canonical::Exact).as_deref(), Ok("7"));
    }

    #[test]
    fn a_number_and_its_decimal_text_are_one_identifier() {
        for value in [number("42"), number("42.0"), number("4.2e1"), text("42")] {
            assert_eq!(of(&value, Canonical::Exact).as_deref(), Ok("42"));
        }
        assert_eq!(of(&number("-0"), Canonical::Exact).as_deref(), Ok("0"));
    }

    #[test]
    fn a_string_keeps_its_zeros_spaces_and_capitals_when_exact() {
        for id in ["042", "42.0", " Anna ", "4.2e1"] {
            assert_eq!(of(&text(id), Canonical::Exact).as_deref(), Ok(id));
        }
    }

    #[test]
    fn an_email_is_trimmed_and_lower_case() {
        assert_eq!(
            of(&text("\u{2003} Anna.Muster@Example.COM\n"), Canonical::Email).as_deref(),
            Ok("anna.muster@example.com")
        );
        assert_eq!(of(&text("ZO\u{45}\u{308}@example.com"), Canonical::Email).as_deref(), Ok("zo\u{eb}@example.com"));
    }

    fn in_version(version: CanonicalVersion, email: &str) -> String {
        let mut out = String::new();
        canonical(&text(email), Canonical::Email, version, None, &mut out).unwrap();
        out
    }

    #[test]
    fn every_spelling_of_an_address_is_one_identifier() {
        for (wanted, spellings) in [
            (
                "ada@example.com",
                &[
                    "ada@example.com",
                    "\u{200f}ada@example.com",
                    "ada@example.com\u{200b}",
                    "\u{feff} ada@example.com ",
                    "ada@exam\u{ad}ple.com",
                    "Ada@Example.com.",
                    "ada\u{ff20}example.com",
                ][..],
            ),
            (
                "jo@b\u{fc}cher.example",
                &[
                    "Jo@B\u{fc}cher.example",
                    "jo@xn--bcher-kva.example",
                    "JO@B\u{dc}CHER.EXAMPLE",
                    "jo@bu\u{308}cher.example",
                    "jo@b\u{fc}cher.example.",
                    "jo@XN--BCHER-KVA.example. ",
                ],
            ),
            ("no address.", &["No Address.", "\u{200b}no address.\u{200b}"]),
        ] {
            for email in spellings {
                assert_eq!(in_version(CanonicalVersion::V2, email), wanted, "{email:?}");
            }
        }
    }

    #[test]
    fn the_first_version_never_changes() {
        for (email, wanted) in [
            ("\u{2003} Anna.Muster@Example.COM\n", "anna.muster@example.com"),
            ("ada@example.com\u{200b}", "ada@example.com\u{200b}"),
            ("ada@example.com.", "ada@example.com."),
            ("jo@XN--BCHER-KVA.example", "jo@xn--bcher-kva.example"),
            ("ZO\u{45}\u{308}@example.com", "zo\u{eb}@example.com"),
        ] {
            assert_eq!(in_version(CanonicalVersion::V1, email), wanted);
        }
        for version in [CanonicalVersion::V1, CanonicalVersion::V2] {
            assert_eq!(CanonicalVersion::from_number(version.number()), Some(version));
        }
        assert_eq!((CanonicalVersion::from_number(0), CanonicalVersion::from_number(3)), (None, None));
    }

    #[test]
    fn a_phone_number_can_be_a_json_number() {
        assert_eq!(of(&number("446681800"), Canonical::Phone).as_deref(), Ok("+41446681800"));
    }

    #[test]
    fn a_value_that_is_not_an_identifier_is_refused_and_leaves_nothing() {
        let long = "a".repeat(MAX_IDENTIFIER + 1);
        for (value, form, error) in [
            (Scalar::Null, Canonical::Exact, NotCanonical::Kind),
            (Scalar::Bool(true), Canonical::Exact, NotCanonical::Kind),
            (text(""), Canonical::Exact, NotCanonical::Empty),
            (text(" \t\n"), Canonical::Email, NotCanonical::Empty),
            (text(&long), Canonical::Exact, NotCanonical::TooLong),
            (text(&long), Canonical::Email, NotCanonical::TooLong),
            (number("1e400"), Canonical::Exact, NotCanonical::Number),
            (number("banana"), Canonical::Exact, NotCanonical::Number),
            (text("banana"), Canonical::Phone, NotCanonical::Phone),
        ] {
            let mut out = String::from("left over");
            assert_eq!(canonical(&value, form, CanonicalVersion::NEWEST, Some("CH"), &mut out), Err(error));
            assert_eq!(out, "");
        }
    }

    #[test]
    fn the_longest_identifier_is_measured_in_its_canonical_form() {
        let composed = "\u{e9}".repeat(MAX_IDENTIFIER / 2);
        let decomposed = "e\u{301}".repeat(MAX_IDENTIFIER / 2);
        assert_eq!(of(&text(&composed), Canonical::Exact).as_deref(), Ok(composed.as_str()));
        assert_eq!(of(&text(&decomposed), Canonical::Exact).as_deref(), Ok(composed.as_str()));
    }

    #[test]
    fn a_capital_with_an_accent_has_one_form() {
        let capitals = ('\0'..=char::MAX).filter(|c| !c.to_lowercase().eq([*c]));
        for capital in capitals {
            for accent in '\u{300}'..='\u{345}' {
                let id: String = [capital, accent].iter().collect();
                let once = of(&text(&id), Canonical::Email).unwrap();
                assert_eq!(of(&text(&once), Canonical::Email).as_deref(), Ok(once.as_str()), "{id}");
                let decomposed = id.nfd().collect::<String>();
                assert_eq!(of(&text(&decomposed), Canonical::Email).as_deref(), Ok(once.as_str()), "{id}");
            }
        }
    }

    fn any_form() -> impl Strategy<Value = Canonical> {
        prop_oneof![Just(Canonical::Exact), Just(Canonical::Email), Just(Canonical::Phone)]
    }

    proptest! {
        #[test]
        fn a_json_integer_agrees_with_its_text(id: i64, form in any_form()) {
            let digits = id.to_string();
            prop_assert_eq!(of(&number(&digits), form), of(&text(&digits), form));
        }

        #[test]
        fn the_form_of_a_form_is_itself(id in any::<String>(), form in any_form()) {
            if let Ok(once) = of(&text(&id), form) {
                prop_assert_eq!(of(&text(&once), form), Ok(once.clone()));
            }
        }

        #[test]
        fn nfc_and_nfd_agree(id in any::<String>(), form in any_form()) {
            let composed = id.nfc().collect::<String>();
            let decomposed = id.nfd().collect::<String>();
            prop_assert_eq!(of(&text(&composed), form), of(&text(&decomposed), form));
        }

        #[test]
        fn ascii_emails_are_equal_without_regard_to_case(id in "[ -~]{1,60}") {
            prop_assert_eq!(of(&text(&id), Canonical::Email), of(&text(&id.to_ascii_uppercase()), Canonical::Email));
        }
    }
}
