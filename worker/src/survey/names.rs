//! Distinguishes keys that are field names from keys that are data.
//!
//! A field name is part of the schema and may be shown. The keys of a map (orders by number,
//! contacts by e-mail address) are values. An object with such a key is treated as a map, and all
//! of its keys are shown as `*`.

/// The longest field name, in bytes.
const MAX_NAME_BYTES: usize = 96;

/// Returns whether a key is data although nothing was detected in it: a number, an id, a text.
pub(super) fn is_data(key: &str) -> bool {
    let long = key.len() > MAX_NAME_BYTES;
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
    fn field_names_are_not_data() {
        for name in ["email", "E-Mail", "address2", "sha256", "iso3166-1", "größe", "氏名", "", "first name", "a.b/c"]
        {
            assert!(!is_data(name), "{name}");
        }
    }

    #[test]
    fn numbers_ids_and_texts_are_data() {
        let long = "a".repeat(97);
        let uuid = "0b0d8f3c-1111-4abc-9def-000000000001";
        for data in ["4711", "2026-01-02", "+49", "*", "a\u{1b}[2J", "d41d8cd98f00b204e9800998", uuid, &long] {
            assert!(is_data(data), "{data}");
        }
    }
}
