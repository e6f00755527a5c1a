//! A phone number as E.164: `+` and digits.
//!
//! The `phonenumber` crate knows the numbering plans. What it is given is made safe first: a plus
//! and digits, nothing else, and never a region for a number that names its country itself. (With
//! a region it strips that region's trunk prefix from any number: with `FR`, the Italian
//! `+39 06 ...` would lose its zero.)

use phonenumber::{PhoneNumber, country, metadata::DATABASE};

use super::NotCanonical;

/// E.164 allows 15 digits, some German numbers have more; this leaves room for what is dialled
/// before a number.
const MAX_DIGITS: usize = 24;

/// The E.164 form of a number. One without a country code is read as a number of `region`
/// (ISO 3166-1, upper case).
pub(super) fn e164(text: &str, region: Option<&str>) -> Result<String, NotCanonical> {
    let dialled = Dialled::read(text).ok_or(NotCanonical::Phone)?;
    let number = if dialled.plus {
        international(&dialled.digits)
    } else {
        let region = region.ok_or(NotCanonical::PhoneWithoutCountry)?;
        let region = region.parse::<country::Id>().map_err(|_| NotCanonical::Region)?;
        from_abroad(&dialled.digits, region).or_else(|| valid(Some(region), &dialled.digits))
    };
    let number = number.ok_or(NotCanonical::Phone)?;
    Ok(format!("+{}{}", number.code().value(), number.national()))
}

/// What a person dials: digits, after a plus or not. A letter is refused: an extension (`x12`) may
/// name another person behind the same number, and E.164 has no place for it.
struct Dialled {
    plus: bool,
    digits: String,
}

impl Dialled {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (plus, rest) = match text.strip_prefix(['+', '\u{FF0B}']) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut digits = String::new();
        for c in rest.chars() {
            match c {
                '0'..='9' => digits.push(c),
                '\u{FF10}'..='\u{FF19}' => digits.push(char::from_digit(u32::from(c) - 0xFF10, 10)?),
                '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2060}' | '\u{200B}' => {}
                c if c.is_whitespace() => {}
                _ => return None,
            }
            if digits.len() > MAX_DIGITS {
                return None;
            }
        }
        Some(Self { plus, digits })
    }
}

/// A number dialled with the region's own prefix for calls abroad: `0039 06 ...` in France.
fn from_abroad(digits: &str, region: country::Id) -> Option<PhoneNumber> {
    let prefix = DATABASE.by_id(region.as_ref())?.international_prefix()?.find(digits)?;
    (prefix.start() == 0).then(|| international(&digits[prefix.end()..])).flatten()
}

fn international(digits: &str) -> Option<PhoneNumber> {
    valid(None, &format!("+{digits}"))
}

fn valid(region: Option<country::Id>, number: &str) -> Option<PhoneNumber> {
    phonenumber::parse(region, number).ok().filter(PhoneNumber::is_valid)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn ch(text: &str) -> Result<String, NotCanonical> {
        e164(text, Some("CH"))
    }

    #[test]
    fn one_number_has_one_form_however_it_is_written() {
        for text in [
            "+41446681800",
            "+41 44 668 18 00",
            "+41 (0)44 668 18 00",
            "044 668 18 00",
            "044/668.18.00",
            "0041 44 668 18 00",
            " ＋41446681800 ",
            "０４４ 668 18 00",
            "044\u{A0}668\u{2011}18\u{2011}00",
        ] {
            assert_eq!(ch(text).as_deref(), Ok("+41446681800"), "{text}");
        }
    }

    #[test]
    fn a_number_with_a_country_code_is_the_same_in_every_region() {
        for region in [None, Some("FR"), Some("CH"), Some("IT"), Some("US"), Some("BR")] {
            assert_eq!(e164("+39 06 698 12345", region).as_deref(), Ok("+390669812345"), "{region:?}");
        }
        assert_eq!(e164("0039 06 698 12345", Some("FR")).as_deref(), Ok("+390669812345"));
        assert_eq!(e164("011 39 06 698 12345", Some("US")).as_deref(), Ok("+390669812345"));
    }

    #[test]
    fn a_number_without_a_country_code_needs_a_region() {
        assert_eq!(e164("044 668 18 00", None), Err(NotCanonical::PhoneWithoutCountry));
        assert_eq!(e164("044 668 18 00", Some("XX")), Err(NotCanonical::Region));
    }

    #[test]
    fn what_is_no_valid_number_is_refused() {
        for text in ["", "+", "12", "+41", "+999 123 456 789", "044 668 18 00 x12", "1-800-FLOWERS", "++41446681800"] {
            assert_eq!(ch(text), Err(NotCanonical::Phone), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself(digits in "\\+?[0-9]{1,16}", region in prop::sample::select(vec!["CH", "FR", "IT", "US", "BR", "AR", "MX", "DE", "GB", "JP"])) {
            if let Ok(form) = e164(&digits, Some(region)) {
                prop_assert_eq!(e164(&form, Some(region)), Ok(form.clone()));
                prop_assert_eq!(e164(&form, None), Ok(form));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[+＋]?[\\PC]{0,30}", digits in "\\+?[0-9]{0,30}", region in "[A-Z]{2}") {
            let _ = e164(&text, Some(&region));
            let _ = e164(&digits, Some(&region));
            let _ = e164(&digits, None);
        }
    }
}
