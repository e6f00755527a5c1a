//! The written form of a sealed value: `lethe:2:<class>:<base64url>`, without a character that
//! JSON, CSV or CQL must escape. `reveal` takes version and class from it, the path from its
//! position in the document, the audience from the sink, and the token from the record's subject.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Version of the envelope of a sealed value. It is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Opens for every audience. Lethe writes it no longer.
    One = 1,
    /// Opens for its own audience.
    Two = 2,
}

/// The parts of a sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    pub(super) version: Version,
    pub(super) class: &'t str,
    /// The bytes as base64url.
    pub(super) body: &'t str,
}

/// The longest name of a class.
const MAX_CLASS: usize = 63;

/// A class of keys cannot have this name, because it is part of the written form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the class of a key has 1 to {MAX_CLASS} letters a-z and A-Z, digits, `-`, `_` and `.`")]
pub struct BadClass;

/// Returns the beginning of a sealed value of a class.
pub(super) fn prefix(class: &str) -> Result<String, BadClass> {
    if is_class(class) { Ok(format!("lethe:2:{class}:")) } else { Err(BadClass) }
}

/// Returns the parts of a sealed value; `None` if the text is none of a known version.
pub(super) fn parts(text: &str) -> Option<Parts<'_>> {
    let (version, rest) = text.strip_prefix("lethe:")?.split_once(':')?;
    let version = match version {
        "1" => Version::One,
        "2" => Version::Two,
        _ => return None,
    };
    let (class, body) = rest.split_once(':')?;
    (is_class(class) && !body.is_empty()).then_some(Parts { version, class, body })
}

/// Returns the class in a sealed value; `None` if the text is not a sealed value of a known
/// version.
pub fn class_of(text: &str) -> Option<&str> {
    parts(text).map(|parts| parts.class)
}

fn is_class(class: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_CLASS).contains(&class.len()) && class.bytes().all(known)
}

/// Appends `base64url(bytes)` without padding.
pub(super) fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // Four letters for each three bytes, the last group included: exact, or up to two letters too
    // many.
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

/// Returns the bytes of a body. Each byte string has one body: padding, other letters and unused
/// bits that are set are refused.
pub(super) fn read_base64(body: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn version_and_class_are_read_from_the_text() {
        let expected = |version| Some(Parts { version, class: "profile", body: "AAAA" });
        assert_eq!(parts("lethe:1:profile:AAAA"), expected(Version::One));
        assert_eq!(parts("lethe:2:profile:AAAA"), expected(Version::Two));
        assert_eq!(class_of("lethe:2:profile:AAAA"), Some("profile"));
        for text in [
            "",
            "profile",
            "lethe:0:profile:AAAA",
            "lethe:3:profile:AAAA",
            "lethe:02:profile:AAAA",
            "lethe:2:profile",
            "lethe:2::AAAA",
            "lethe:2:a b:AAAA",
            "lethe:2:a:",
        ] {
            assert_eq!(class_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_class_that_would_break_the_text_is_refused() {
        for class in ["", "a:b", "a\"b", "a b", "ä", &"a".repeat(64)] {
            assert_eq!(prefix(class), Err(BadClass), "{class}");
        }
        assert_eq!(prefix("Profile-1_x.y").as_deref(), Ok("lethe:2:Profile-1_x.y:"));
    }

    #[test]
    fn a_body_has_one_written_form() {
        assert_eq!(read_base64("AA"), Some(vec![0]));
        for body in ["AB", "AA==", "A", "AA AA", "AA\n", "+/++", "A\u{e9}"] {
            assert_eq!(read_base64(body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_and_nothing_needs_escaping(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut out = b"before".to_vec();
            push_base64(&bytes, &mut out);
            let body = std::str::from_utf8(&out[6..]).unwrap_or("not ASCII");
            prop_assert!(body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(read_base64(body), Some(bytes));
        }
    }
}
