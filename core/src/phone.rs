//! Phone numbers in E.164, by the numbering plans that the `phonenumber` crate carries.

use std::borrow::Cow;

use phonenumber::{country, metadata::DATABASE};

/// Longest text that is read. No phone number is longer.
const MAX: usize = 64;

/// The region of a number without a country code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PhoneRegion(Option<country::Id>);

impl PhoneRegion {
    /// Returns the region of an ISO 3166-1 code in upper case; none if no numbering plan has it.
    pub(crate) fn new(region: Option<&str>) -> Self {
        let known = |region: &str| DATABASE.by_id(region).and_then(|_| region.parse().ok());
        Self(region.and_then(known))
    }

    /// Returns whether there is no region.
    pub(crate) fn is_none(self) -> bool {
        self.0.is_none()
    }
}

/// Why a text is not a phone number. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotPhone {
    /// Not a valid number, or one with an extension. E.164 cannot hold an extension, and it may
    /// name another person behind the same number.
    Invalid,
    /// It has no country code, and no region is given.
    NoCountry,
}

/// Returns the number as `+` and digits.
pub(crate) fn e164(text: &str, region: PhoneRegion) -> Result<Cow<'_, str>, NotPhone> {
    let text = text.trim();
    let dialled = dialled(text.strip_prefix("tel:").unwrap_or(text), region).ok_or(NotPhone::Invalid)?;
    // With a country code, the crate would still strip the trunk prefix of the region: an Italian
    // number would lose its 0 in Germany. So the region is passed only without a country code.
    let region = if dialled.starts_with('+') { None } else { Some(region.0.ok_or(NotPhone::NoCountry)?) };
    let written = by_plan(&dialled, region).ok_or(NotPhone::Invalid)?;
    // The crate strips trunk prefixes twice where a plan has them once. A result that does not read
    // as the same number again is refused.
    if written != dialled && by_plan(&written, None).as_ref() != Some(&written) {
        return Err(NotPhone::Invalid);
    }
    Ok(if written == text { Cow::Borrowed(text) } else { Cow::Owned(written) })
}

/// Returns the number in E.164 if the plan of its country has it.
fn by_plan(dialled: &str, region: Option<country::Id>) -> Option<String> {
    let number = phonenumber::parse(region, dialled).ok()?;
    let valid = number.is_valid() && number.extension().is_none();
    valid.then(|| format!("+{}{}", number.code().value(), number.national()))
}

/// Returns the digits of a number, with `+` before a country code. Other characters than digits and
/// the usual marks between them are refused.
fn dialled(text: &str, region: PhoneRegion) -> Option<String> {
    if text.len() > MAX {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' => out.push(character),
            '+' | '\u{ff0b}' if out.is_empty() => out.push('+'),
            // Full-width digits of East Asian keyboards.
            '\u{ff10}'..='\u{ff19}' => out.push(char::from(b'0' + (character as u32 - 0xff10) as u8)),
            // Marks between groups, and those of writing direction, which phones include in a
            // copied number.
            ' '
            | '-'
            | '.'
            | '/'
            | '('
            | ')'
            | '\t'
            | '\u{a0}'
            | '\u{2009}'
            | '\u{202f}'
            | '\u{3000}'
            | '\u{2010}'..='\u{2015}'
            | '\u{2212}'
            | '\u{ff0d}'
            | '\u{ff08}'
            | '\u{ff09}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{2066}'..='\u{2069}' => {}
            _ => return None,
        }
    }
    let exit = match region.0.and_then(|id| DATABASE.by_id(id.as_ref())) {
        Some(plan) if !out.starts_with('+') => plan
            .international_prefix()
            .and_then(|exit| exit.find(&out))
            .filter(|m| m.start() == 0)
            .map_or(0, |m| m.end()),
        None if out.starts_with("00") => 2,
        _ => 0,
    };
    if exit > 0 && !out[exit..].starts_with('0') {
        out.replace_range(..exit, "+");
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, region: Option<&str>) -> Result<String, NotPhone> {
        e164(text, PhoneRegion::new(region)).map(Cow::into_owned)
    }

    fn ch(text: &str) -> Result<String, NotPhone> {
        of(text, Some("CH"))
    }

    #[test]
    fn every_spelling_of_a_number_has_one_form() {
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
            assert_eq!(of("+39 06 698 12345", region).as_deref(), Ok("+390669812345"), "{region:?}");
        }
        assert_eq!(of("0039 06 698 12345", Some("FR")).as_deref(), Ok("+390669812345"));
        assert_eq!(of("011 39 06 698 12345", Some("US")).as_deref(), Ok("+390669812345"));
    }

    #[test]
    fn a_number_without_a_country_code_needs_a_region() {
        assert_eq!(of("044 668 18 00", None), Err(NotPhone::NoCountry));
        assert_eq!(of("044 668 18 00", Some("XX")), Err(NotPhone::NoCountry));
    }

    #[test]
    fn an_invalid_number_is_refused() {
        for text in ["", "+", "12", "+41", "+999 123 456 789", "044 668 18 00 x12", "1-800-FLOWERS", "++41446681800"] {
            assert_eq!(ch(text), Err(NotPhone::Invalid), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself(digits in "\\+?[0-9]{1,16}", region in prop::sample::select(vec!["CH", "FR", "IT", "US", "BR", "AR", "MX", "DE", "GB", "JP"])) {
            if let Ok(form) = of(&digits, Some(region)) {
                prop_assert_eq!(of(&form, Some(region)), Ok(form.clone()));
                prop_assert_eq!(of(&form, None), Ok(form));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[+＋]?[\\PC]{0,30}", digits in "\\+?[0-9]{0,30}", region in "[A-Z]{2}") {
            let _ = of(&text, Some(&region));
            let _ = of(&digits, Some(&region));
            let _ = of(&digits, None);
        }
    }
}
