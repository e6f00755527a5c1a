//! Opens the sealed values of a document in place. All other bytes are kept, so that no number
//! changes by a conversion to float.

use std::{collections::BTreeMap, fmt, sync::Arc};

use lethe_core::{
    identity::Token,
    seal::{SealContext, SubjectCipher, class_of},
};
use serde::{
    Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::Closed;

/// Replaces a value whose key was destroyed.
const SHREDDED: &str = "[shredded]";

/// Why a class has no cipher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyUnavailable {
    /// Its key was destroyed.
    Shredded,
    /// Its key can't be unwrapped.
    CannotUnwrap(String),
}

/// Opens sealed values of one subject.
pub(super) struct Opener<'o> {
    pub(super) space: &'o str,
    pub(super) token: Token,
    pub(super) keys: BTreeMap<String, Result<SubjectCipher, KeyUnavailable>>,
}

impl Opener<'_> {
    /// Returns the document with its sealed values opened, or `None` if it is not JSON. Adds values
    /// that stay closed to `closed`.
    ///
    /// A sealed value is recognised by its prefix, and its path is its position in the document.
    /// Fields that the manifest no longer declares are thus opened, too.
    pub(super) fn open(&self, document: &str, closed: &mut Vec<Closed>) -> Option<Box<RawValue>> {
        let raw: &RawValue = serde_json::from_str(document).ok()?;
        let mut out = String::with_capacity(document.len());
        self.value(raw, &mut String::new(), &mut out, closed)?;
        RawValue::from_string(out).ok()
    }

    fn value(&self, raw: &RawValue, path: &mut String, out: &mut String, closed: &mut Vec<Closed>) -> Option<()> {
        let text = raw.get();
        let length = path.len();
        match text.as_bytes().first()? {
            b'{' => {
                out.push('{');
                for (at, (key, inner)) in members(text)?.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&serde_json::to_string(&*key).ok()?);
                    out.push(':');
                    path.push('/');
                    path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    self.value(inner, path, out, closed)?;
                    path.truncate(length);
                }
                out.push('}');
            }
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                out.push('[');
                path.push_str("/*");
                for (at, inner) in elements.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.value(inner, path, out, closed)?;
                }
                path.truncate(length);
                out.push(']');
            }
            b'"' => self.text(text, path, out, closed)?,
            _ => out.push_str(text),
        }
        Some(())
    }

    fn text(&self, raw: &str, path: &str, out: &mut String, closed: &mut Vec<Closed>) -> Option<()> {
        // Sealed values contain no escapes.
        let plain = raw.get(1..raw.len() - 1)?;
        let Some(class) = class_of(plain) else {
            out.push_str(raw);
            return Some(());
        };
        let why = match self.keys.get(class) {
            Some(Ok(cipher)) => {
                let context = SealContext { space: self.space, token: &self.token, path };
                match cipher.open(&context, plain) {
                    Ok(value) => match std::str::from_utf8(value.expose()).ok().filter(|value| is_json(value)) {
                        Some(value) => {
                            out.push_str(value);
                            return Some(());
                        }
                        None => "it opens, but holds no JSON".to_owned(),
                    },
                    Err(error) => error.to_string(),
                }
            }
            Some(Err(KeyUnavailable::Shredded)) => {
                out.push_str(&serde_json::to_string(SHREDDED).ok()?);
                closed.push(Closed { path: path.to_owned(), why: format!("the key of class {class} was destroyed") });
                return Some(());
            }
            Some(Err(KeyUnavailable::CannotUnwrap(why))) => why.clone(),
            None => format!("the key store has no key of class {class} for this subject"),
        };
        out.push_str(raw);
        closed.push(Closed { path: path.to_owned(), why });
        Some(())
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Returns the path and value of every leaf of a document, in order, for display. Returns `None` if
/// it is not JSON.
pub fn flatten(document: &RawValue) -> Option<Vec<(String, String)>> {
    let mut leaves = Vec::new();
    push_leaves(document, &mut String::new(), &mut leaves)?;
    Some(leaves)
}

fn push_leaves(raw: &RawValue, path: &mut String, leaves: &mut Vec<(String, String)>) -> Option<()> {
    let text = raw.get();
    let inner: Vec<(Arc<str>, &RawValue)> = match text.as_bytes().first()? {
        b'{' => members(text)?,
        b'[' => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            elements.into_iter().enumerate().map(|(at, value)| (Arc::from(at.to_string()), value)).collect()
        }
        _ => Vec::new(),
    };
    if inner.is_empty() {
        leaves.push((path.clone(), text.to_owned()));
    }
    for (key, value) in inner {
        let length = path.len();
        path.push('/');
        path.push_str(&key);
        push_leaves(value, path, leaves)?;
        path.truncate(length);
    }
    Some(())
}

/// Returns the members of an object in order. The maps of `serde_json` would sort them.
fn members(text: &str) -> Option<Vec<(Arc<str>, &RawValue)>> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Arc<str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                members.push((Arc::from(key), value));
            }
            Ok(members)
        }
    }

    serde_json::Deserializer::from_str(text).deserialize_map(Members).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::{keys::DataKey, seal::Scratch};

    use super::*;

    const TOKEN: Token = Token([9; 32]);

    fn cipher(class: &str) -> SubjectCipher {
        SubjectCipher::new(&DataKey::new([7; 32]), class).unwrap()
    }

    fn sealed(class: &str, path: &str, value: &str) -> String {
        let mut out = Vec::new();
        let context = SealContext { space: "customers", token: &TOKEN, path };
        cipher(class).seal(&context, b"e-1", value.as_bytes(), &mut Scratch::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn open(document: &str) -> (String, Vec<Closed>) {
        let keys =
            [("profile".to_owned(), Ok(cipher("profile"))), ("identity".to_owned(), Err(KeyUnavailable::Shredded))];
        let opener = Opener { space: "customers", token: TOKEN, keys: keys.into() };
        let mut closed = Vec::new();
        let shown = opener.open(document, &mut closed).unwrap();
        (shown.get().to_owned(), closed)
    }

    #[test]
    fn sealed_values_are_opened_in_place_and_all_other_bytes_are_kept() {
        let document = format!(
            r#"{{"z":1.10,"name":"{}","a/b":{{"tags":["{}",12345678901234567890123]}},"note":"lethe"}}"#,
            sealed("profile", "/name", r#""Anna \u00e9""#),
            sealed("profile", "/a~1b/tags/*", "42"),
        );
        let (opened, closed) = open(&document);
        let expected = r#"{"z":1.10,"name":"Anna \u00e9","a/b":{"tags":[42,12345678901234567890123]},"note":"lethe"}"#;
        assert_eq!((opened.as_str(), closed), (expected, vec![]));
    }

    #[test]
    fn values_of_a_destroyed_key_are_replaced_by_a_marker() {
        let document = format!(r#"{{"id":"{}"}}"#, sealed("identity", "/id", "1"));
        let (opened, closed) = open(&document);
        assert_eq!(opened, r#"{"id":"[shredded]"}"#);
        assert_eq!(closed[0].path, "/id");
        assert!(closed[0].why.contains("identity was destroyed"));
    }

    #[test]
    fn a_value_that_does_not_open_is_kept_and_reported() {
        let moved = sealed("profile", "/email", "\"anna@example.com\"");
        let unknown = sealed("financial", "/card", "1");
        let document = format!(r#"{{"name":"{moved}","card":"{unknown}"}}"#);
        let (opened, closed) = open(&document);
        assert_eq!(opened, document);
        let paths: Vec<_> = closed.iter().map(|closed| closed.path.as_str()).collect();
        assert_eq!(paths, ["/name", "/card"]);
        assert!(closed[1].why.contains("no key of class financial"));
    }

    #[test]
    fn a_document_that_is_not_json_is_not_shown() {
        let opener = Opener { space: "customers", token: TOKEN, keys: BTreeMap::new() };
        assert!(opener.open("{\"a\":", &mut Vec::new()).is_none());
    }
}
