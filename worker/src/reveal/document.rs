//! Opens the sealed values of a document in place. All other bytes are kept, so that no number
//! changes by a conversion to float.

use std::collections::BTreeMap;

use lethe_core::{
    identity::Token,
    json::{Cursor, Value},
    seal::{SealContext, SubjectCipher, class_of},
};
use lethe_crds::profile_pipeline::Audience;
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
    /// Returns the document of a sink of an audience with its sealed values opened, or `None` if it
    /// is not JSON. Adds values that stay closed to `closed`.
    ///
    /// A sealed value is recognised by its prefix, and its path is its position in the document.
    /// Fields that the manifest no longer declares are thus opened, too.
    pub(super) fn open(&self, audience: Audience, document: &str, closed: &mut Vec<Closed>) -> Option<Box<RawValue>> {
        let raw: &RawValue = serde_json::from_str(document).ok()?;
        let mut out = String::with_capacity(document.len());
        self.value(audience, &mut Cursor::new(raw.get()), &mut String::new(), &mut out, closed)?;
        RawValue::from_string(out).ok()
    }

    fn value(
        &self,
        audience: Audience,
        cursor: &mut Cursor<'_>,
        path: &mut String,
        out: &mut String,
        closed: &mut Vec<Closed>,
    ) -> Option<()> {
        let length = path.len();
        match cursor.value().ok()? {
            Value::Object => {
                out.push('{');
                let first = out.len();
                while let Some(name) = cursor.member().ok()? {
                    let key = name.unescaped();
                    push_comma(first, out);
                    out.push_str(&serde_json::to_string(&*key).ok()?);
                    out.push(':');
                    path.push('/');
                    path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    self.value(audience, cursor, path, out, closed)?;
                    path.truncate(length);
                }
                out.push('}');
            }
            Value::Array => {
                out.push('[');
                let first = out.len();
                path.push_str("/*");
                while cursor.element().ok()? {
                    push_comma(first, out);
                    self.value(audience, cursor, path, out, closed)?;
                }
                path.truncate(length);
                out.push(']');
            }
            Value::Text(text) => self.text(audience, text.quoted(), path, out, closed)?,
            Value::Number(number) => out.push_str(number),
            Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Value::Null => out.push_str("null"),
        }
        Some(())
    }

    fn text(
        &self,
        audience: Audience,
        raw: &str,
        path: &str,
        out: &mut String,
        closed: &mut Vec<Closed>,
    ) -> Option<()> {
        // Sealed values contain no escapes.
        let plain = raw.get(1..raw.len() - 1)?;
        let Some(class) = class_of(plain) else {
            out.push_str(raw);
            return Some(());
        };
        let why = match self.keys.get(class) {
            Some(Ok(cipher)) => {
                let context = SealContext { space: self.space, token: &self.token, audience, path };
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

/// Appends a comma if something was written since `first`.
fn push_comma(first: usize, out: &mut String) {
    if out.len() > first {
        out.push(',');
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Returns the path and value of every leaf of a document, in order, for display. Returns `None` if
/// it is not JSON.
pub fn flatten(document: &RawValue) -> Option<Vec<(String, String)>> {
    let mut leaves = Vec::new();
    push_leaves(&mut Cursor::new(document.get()), &mut String::new(), &mut leaves)?;
    Some(leaves)
}

fn push_leaves(cursor: &mut Cursor<'_>, path: &mut String, leaves: &mut Vec<(String, String)>) -> Option<()> {
    let (start, length) = (cursor.mark(), path.len());
    let mut inner = 0_usize;
    match cursor.value().ok()? {
        Value::Object => {
            while let Some(name) = cursor.member().ok()? {
                path.push('/');
                path.push_str(&name.unescaped());
                push_leaves(cursor, path, leaves)?;
                path.truncate(length);
                inner += 1;
            }
        }
        Value::Array => {
            while cursor.element().ok()? {
                path.push('/');
                path.push_str(&inner.to_string());
                push_leaves(cursor, path, leaves)?;
                path.truncate(length);
                inner += 1;
            }
        }
        Value::Text(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
    if inner == 0 {
        leaves.push((path.clone(), cursor.since(start).to_owned()));
    }
    Some(())
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
        let context = SealContext { space: "customers", token: &TOKEN, audience: Audience::Operational, path };
        let cipher = cipher(class);
        let nonce = cipher.event_nonce(context.audience, b"e-1");
        cipher.seal(&context, nonce, value.as_bytes(), &mut Scratch::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn open(document: &str) -> (String, Vec<Closed>) {
        open_for(Audience::Operational, document)
    }

    fn open_for(audience: Audience, document: &str) -> (String, Vec<Closed>) {
        let keys =
            [("profile".to_owned(), Ok(cipher("profile"))), ("identity".to_owned(), Err(KeyUnavailable::Shredded))];
        let opener = Opener { space: "customers", token: TOKEN, keys: keys.into() };
        let mut closed = Vec::new();
        let shown = opener.open(audience, document, &mut closed).unwrap();
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
    fn a_value_of_version_1_is_opened_for_every_audience_and_one_of_version_2_for_its_own() {
        // By AESGCMSIV of Python's cryptography.
        let old = "lethe:1:profile:U58Dj0d4kyPuyZ-Dmlr82HeK6M9BsU-Z8io4s9g-EngHOIvqIr353GIMNJv_zQ";
        let new = sealed("profile", "/email", "\"anna@example.com\"");
        let document = |value: &str| format!(r#"{{"email":"{value}"}}"#);
        let opened = (document("anna@example.com"), vec![]);
        for audience in [Audience::Operational, Audience::Analytics] {
            assert_eq!(open_for(audience, &document(old)), opened);
        }
        assert_eq!(open_for(Audience::Operational, &document(&new)), opened);
        let (shown, closed) = open_for(Audience::Analytics, &document(&new));
        assert_eq!((shown, closed[0].path.as_str()), (document(&new), "/email"));
        assert!(closed[0].why.contains("another subject, audience or path"));
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
        assert!(opener.open(Audience::Public, "{\"a\":", &mut Vec::new()).is_none());
    }

    #[test]
    fn a_document_is_flattened_into_its_leaves_in_order() {
        let document: &RawValue =
            serde_json::from_str(r#"{"z":1.10,"a":{"b/c":[true,{"d":"x"},[]],"e":{ }},"n":null}"#).unwrap();
        let leaves = flatten(document).unwrap();
        let leaves: Vec<_> = leaves.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
        let expected = [
            ("/z", "1.10"),
            ("/a/b/c/0", "true"),
            ("/a/b/c/1/d", r#""x""#),
            ("/a/b/c/2", "[]"),
            ("/a/e", "{ }"),
            ("/n", "null"),
        ];
        assert_eq!(leaves, expected);
        let scalar: &RawValue = serde_json::from_str("7").unwrap();
        assert_eq!(flatten(scalar).unwrap(), [(String::new(), "7".to_owned())]);
    }
}
