//! Which keys of objects are names of fields, and which are data.
//!
//! A field's name is part of how events are made; it may be shown. The keys of a map (orders by
//! number, contacts by e-mail address) are values: an object that has one is a map, and all of its
//! keys are shown as `*`.

/// Bytes of the longest name of a field.
const LONGEST: usize = 96;

/// Whether a key in which nothing was detected is data all the same: a number, an id, a text.
pub(super) fn is_data(key: &str) -> bool {
    let long = key.len() > LONGEST;
    let number = !key.is_empty() && !key.chars().any(char::is_alphabetic);
    let unprintable = key.chars().any(char::is_control);
    let uuid = key.len() == 36
        && key.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let hexadecimal = key.len() >= 16
        && key.bytes().all(|byte| byte.is_ascii_hexdigit())
        && key.bytes().filter(u8::is_ascii_digit).count() >= 3;
    long || number || unprintable || uuid || hexadecimal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_no_data() {
        for name in ["email", "E-Mail", "address2", "sha256", "iso3166-1", "größe", "氏名", "", "first name", "a.b/c"]
        {
            assert!(!is_data(name), "{name}");
        }
    }

    #[test]
    fn numbers_ids_and_texts_are() {
        let long = "a".repeat(97);
        let uuid = "0b0d8f3c-1111-4abc-9def-000000000001";
        for data in ["4711", "2026-01-02", "+49", "*", "a\u{1b}[2J", "d41d8cd98f00b204e9800998", uuid, &long] {
            assert!(is_data(data), "{data}");
        }
    }
}
