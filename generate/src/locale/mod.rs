//! Names, places and numbers of eight countries, all invented.
//!
//! They lead to no real person: phone numbers come from ranges that regulators keep for film and
//! drama (a country without such a range borrows those of its neighbours), account numbers from
//! bank codes that are not given out, national ids from forms that are never issued. Towns do not
//! exist. Given names and surnames are common ones.

mod france;
mod germany;
mod greece;
mod japan;
mod poland;
mod sweden;
mod united_kingdom;
mod united_states;

/// A name and how it looks in an e-mail address (`a` to `z` only).
pub(super) struct Word {
    pub(super) text: &'static str,
    pub(super) slug: &'static str,
}

/// A town and its state or region.
pub(super) struct Town {
    pub(super) name: &'static str,
    pub(super) state: &'static str,
}

/// What people of one country are called and where they live. In patterns `#` is a digit
/// and `@` a capital letter; blanks are left out where a number is written without them.
pub(super) struct Locale {
    /// ISO 3166-1 code.
    pub(super) code: &'static str,
    /// English name of the country.
    pub(super) country: &'static str,
    pub(super) women: &'static [Word],
    pub(super) men: &'static [Word],
    /// Surnames of women; many languages decline them.
    pub(super) surnames_of_women: &'static [Word],
    pub(super) surnames_of_men: &'static [Word],
    /// Whether the surname comes first.
    pub(super) surname_first: bool,
    pub(super) streets: &'static [&'static str],
    /// Whether the house number comes before the street.
    pub(super) number_first: bool,
    pub(super) towns: &'static [Town],
    pub(super) postcode: &'static str,
    /// Fixed lines, in international form.
    pub(super) phones: &'static [&'static str],
    /// Mobiles, in international form.
    pub(super) mobiles: &'static [&'static str],
    /// Country of the IBAN, and the pattern of what follows its two check digits.
    pub(super) iban: (&'static str, &'static str),
    /// What the national id is called, and its pattern.
    pub(super) national_id: (&'static str, &'static str),
    /// Language and region, as a browser sends them.
    pub(super) language: &'static str,
    /// ISO 4217 code, and how many of its minor units a euro is about.
    pub(super) currency: (&'static str, u64),
    /// Offset from UTC, and a place of that time zone.
    pub(super) timezone: (&'static str, &'static str),
    /// South-west corner of a box within the country, and its size, in ten-thousandths of a degree.
    pub(super) corner: (i64, i64),
    pub(super) size: (u64, u64),
}

/// Every country.
pub(super) static LOCALES: [Locale; 8] = [
    germany::GERMANY,
    france::FRANCE,
    poland::POLAND,
    united_kingdom::UNITED_KINGDOM,
    united_states::UNITED_STATES,
    sweden::SWEDEN,
    greece::GREECE,
    japan::JAPAN,
];

/// A name, as short as a table wants it.
const fn word(text: &'static str, slug: &'static str) -> Word {
    Word { text, slug }
}

/// A town, as short as a table wants it.
const fn town(name: &'static str, state: &'static str) -> Town {
    Town { name, state }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::numbers::{Blanks, put_pattern},
        *,
    };

    #[test]
    fn no_table_is_empty_and_every_text_fits_json_as_it_is() {
        for locale in &LOCALES {
            let words = [locale.women, locale.men, locale.surnames_of_women, locale.surnames_of_men];
            assert!(words.iter().all(|table| !table.is_empty()), "{}", locale.code);
            assert!(!locale.streets.is_empty() && !locale.towns.is_empty());
            assert!(!locale.phones.is_empty() && !locale.mobiles.is_empty());
            let texts = words.iter().flat_map(|table| table.iter().map(|word| word.text));
            let texts = texts.chain(locale.streets.iter().copied());
            let texts = texts.chain(locale.towns.iter().flat_map(|town| [town.name, town.state]));
            for text in texts {
                assert!(
                    !text.is_empty() && !text.contains(['"', '\\']) && !text.chars().any(char::is_control),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn slugs_are_plain_letters() {
        for locale in &LOCALES {
            for table in [locale.women, locale.men, locale.surnames_of_women, locale.surnames_of_men] {
                for word in table {
                    assert!(
                        !word.slug.is_empty() && word.slug.bytes().all(|b| b.is_ascii_lowercase()),
                        "{}",
                        word.slug
                    );
                }
            }
        }
    }

    #[test]
    fn one_pattern_asks_for_no_more_digits_than_64_bits_hold() {
        for locale in &LOCALES {
            let others = [locale.postcode, locale.iban.1, locale.national_id.1];
            for pattern in locale.phones.iter().chain(locale.mobiles).copied().chain(others) {
                let digits = pattern.matches('#').count();
                let letters = pattern.matches('@').count();
                assert!(digits as u32 * 4 + letters as u32 * 5 <= 68, "{pattern}");
            }
        }
    }

    #[test]
    fn every_phone_number_is_one_that_libphonenumber_takes() {
        for pattern in LOCALES.iter().flat_map(|locale| locale.phones.iter().chain(locale.mobiles)) {
            for bits in (0..10_000).step_by(37) {
                let mut out = Vec::new();
                put_pattern(&mut out, pattern, bits, Blanks::Keep);
                let number = phonenumber::parse(None, String::from_utf8(out).unwrap()).unwrap();
                assert!(number.is_valid(), "{pattern}");
            }
        }
    }
}
