//! The subject in a tombstone's key.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::{
    identity::is_rounded,
    json::{Cursor, Value, payload},
    pipeline::{Pointer, TombstoneKey},
    pointer::Segment,
    scalar::Scalar,
};

/// Returns the subject's id in a key. Returns `None` if the key has another form than declared:
/// such a tombstone would delete nobody, and nobody would notice.
pub(super) fn subject<'k>(key: &'k [u8], form: &TombstoneKey) -> Option<Scalar<'k>> {
    let subject = match form {
        TombstoneKey::Text => plain(std::str::from_utf8(key).ok()?)?,
        TombstoneKey::Json(path) => json(std::str::from_utf8(payload(key)).ok()?, path.as_ref())?,
    };
    Some(subject).filter(|subject| !is_rounded(subject))
}

/// A plain text that is no JSON, no frame of a serializer and no binary number.
fn plain(key: &str) -> Option<Scalar<'_>> {
    let foreign = key.starts_with(['{', '[', '"', '\u{feff}']) || key.contains(char::is_control);
    (!foreign).then_some(Scalar::Text(Cow::Borrowed(key)))
}

fn json<'k>(key: &'k str, path: Option<&Pointer>) -> Option<Scalar<'k>> {
    serde_json::from_str::<IgnoredAny>(key).ok()?;
    let mut cursor = Cursor::new(key);
    let mut value = cursor.value().ok()?;
    for segment in path.map_or(&[][..], |path| &path.segments) {
        let (Segment::Key(name), Value::Object) = (segment, value) else { return None };
        while cursor.member().ok()??.unescaped() != *name {
            cursor.skip().ok()?;
        }
        value = cursor.value().ok()?;
    }
    match value {
        Value::Text(text) => Some(Scalar::Text(text.unescaped())),
        Value::Number(number) => Some(Scalar::Number(Cow::Borrowed(number))),
        Value::Object | Value::Array | Value::Bool(_) | Value::Null => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn found(key: &[u8], path: Option<&str>) -> Option<String> {
        let form = match path {
            None => TombstoneKey::Text,
            Some("") => TombstoneKey::Json(None),
            Some(path) => TombstoneKey::Json(Some(path.parse().unwrap())),
        };
        subject(key, &form).and_then(|subject| subject.as_text().map(str::to_owned))
    }

    #[test]
    fn a_plain_key_is_the_id_and_any_other_is_refused() {
        for id in ["u-1", "42", "Ann Müller", " padded ", "a{b}"] {
            assert_eq!(found(id.as_bytes(), None).as_deref(), Some(id));
        }
        let others: [&[u8]; 9] = [
            b"\"u-1\"",
            b"{\"id\":\"u-2\"}",
            b"[1]",
            b"\0\0\0\x2a",
            b"\0\0\0\0\x2a{\"id\":1}",
            b"\xef\xbb\xbfu-1",
            b"\xff",
            b"u-1\n",
            b"5.12345E+17",
        ];
        for key in others {
            assert_eq!(found(key, None), None, "{key:?}");
        }
    }

    #[test]
    fn an_id_is_taken_out_of_a_key_that_is_json() {
        assert_eq!(found(b"\"u-1\"", Some("")).as_deref(), Some("u-1"));
        assert_eq!(found(b" 42 ", Some("")).as_deref(), Some("42"));
        assert_eq!(found(b"\0\0\0\0\x2a\"u-1\"", Some("")).as_deref(), Some("u-1"));
        let key = br#"{"schema":{"id":7},"payload":{"a":[{"id":1}],"\u0069d":1627668684594000001}}"#;
        assert_eq!(found(key, Some("/payload/id")).as_deref(), Some("1627668684594000001"));
        assert_eq!(found(b"\0\0\0\0\x2a{\"id\":\"u-2\"}", Some("/id")).as_deref(), Some("u-2"));
        for key in
            ["u-1", "{\"id\":null}", "{\"id\":{}}", "{}", "{\"id\":\"u-1\"", "{\"id\":\"u-1\"}x", "[\"u-1\"]", ""]
        {
            assert_eq!(found(key.as_bytes(), Some("/id")), None, "{key}");
        }
        assert_eq!(found(b"{\"id\":\"u-1\"}", Some("")), None);
        assert_eq!(found(b"\"u-1\"", Some("/id")), None);
    }
}
