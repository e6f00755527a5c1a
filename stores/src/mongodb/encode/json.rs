//! Encodes the JSON object of a record as BSON, in one pass from bytes to bytes.
//!
//! The engine wrote the JSON: it is complete and its keys are unique. Invalid JSON is therefore an
//! error of the caller and not of an event.

use std::borrow::Cow;

use lethe_core::json::{Cursor, NotJson, Text, Value};

use crate::mongodb::encode::{
    buffer::{Buffer, Indexes},
    number,
};

/// Maximum depth of nested objects and arrays. The engine allows 100 and a server 180.
const DEEPEST: u32 = 150;

/// Why a JSON object can't be stored as a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A name holds NUL, or a name at the top has a meaning for Lethe or for MongoDB.
    Name,
    /// The object is nested too deeply.
    Depth,
    /// The text is not a JSON object.
    NotJson,
}

/// How to treat a member at the top of an object.
pub(crate) enum Top {
    /// Write it.
    Take,
    /// Omit it. The caller writes it.
    Skip,
    /// Refuse the object.
    Refuse,
}

impl From<NotJson> for Refused {
    fn from(_: NotJson) -> Self {
        Self::NotJson
    }
}

/// Adds the members of a JSON object to the open document.
pub(crate) fn members(json: &str, top: impl Fn(&str) -> Top, out: &mut Buffer) -> Result<(), Refused> {
    let mut cursor = Cursor::new(json);
    let Value::Object = cursor.value()? else { return Err(Refused::NotJson) };
    while let Some(name) = cursor.member()? {
        let name = checked(name)?;
        match top(&name) {
            Top::Take => push(&name, &mut cursor, out)?,
            Top::Skip => cursor.skip()?,
            Top::Refuse => return Err(Refused::Name),
        }
    }
    Ok(cursor.end()?)
}

/// Adds the next value under a name.
fn push(name: &str, cursor: &mut Cursor<'_>, out: &mut Buffer) -> Result<(), Refused> {
    if cursor.depth() > DEEPEST {
        return Err(Refused::Depth);
    }
    match cursor.value()? {
        Value::Text(text) => out.text(name, &text.unescaped()),
        Value::Number(number) => number::push(name, number, out),
        Value::Bool(value) => out.boolean(name, value),
        Value::Null => out.null(name),
        Value::Object => {
            let open = out.document(name);
            while let Some(name) = cursor.member()? {
                push(&checked(name)?, cursor, out)?;
            }
            out.end(open);
        }
        Value::Array => {
            let open = out.array(name);
            let mut names = Indexes::new();
            while cursor.element()? {
                push(names.peek(), cursor, out)?;
                names.step();
            }
            out.end(open);
        }
    }
    Ok(())
}

/// Returns the name of a member. BSON ends a name at its first NUL and would read the rest as a
/// value.
fn checked(name: Text<'_>) -> Result<Cow<'_, str>, Refused> {
    let name = name.unescaped();
    if name.as_bytes().contains(&0) { Err(Refused::Name) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Buffer, Refused, Top, members};

    fn read(json: &str) -> Result<Document, Refused> {
        let mut buffer = Buffer::default();
        let root = buffer.begin();
        members(
            json,
            |name| match name {
                "skip" => Top::Skip,
                "refuse" => Top::Refuse,
                _ => Top::Take,
            },
            &mut buffer,
        )?;
        buffer.end(root);
        Ok(RawDocumentBuf::from_bytes(buffer.into_bytes()).unwrap().to_document().unwrap())
    }

    #[test]
    fn every_kind_of_value_finds_its_type() {
        let json = r#"{"a": "x\"\u00e9\n", "b": [1, 2.5, {"c": null}, []], "d": {"e": true, "f": false}, "skip": [1, {"x": "]"}]}"#;
        let wanted = doc! {
            "a": "x\"é\n", "b": [1_i64, 2.5, {"c": Bson::Null}, []], "d": {"e": true, "f": false},
        };
        assert_eq!(read(json).unwrap(), wanted);
    }

    #[test]
    fn a_name_with_a_meaning_is_refused_at_the_top_only() {
        assert_eq!(read(r#"{"a":1,"refuse":2}"#), Err(Refused::Name));
        assert_eq!(read(r#"{"a":{"refuse":2}}"#).unwrap(), doc! {"a": {"refuse": 2_i64}});
        assert_eq!(read(r#"{"a":{"x\u0000y":2}}"#), Err(Refused::Name));
        assert_eq!(read(r#"{"\u0072efuse":2}"#), Err(Refused::Name), "an escape hides no name");
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(100)).is_ok());
        assert_eq!(read(&nested(200)), Err(Refused::Depth));
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for text in ["", "[]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":\"", "{\"a\":\"\\", "{\"a\":tru}", "{}x"]
        {
            assert_eq!(read(text), Err(Refused::NotJson), "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| json!(f)),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[^\0]*", inner, 0..6).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_same_object_is_read_as_a_tree_would_be(
            map in prop::collection::btree_map("k[^\0]*", any_json(), 0..6), pretty: bool,
        ) {
            let value = json!(map);
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let back = Bson::Document(read(&text).unwrap()).into_relaxed_extjson();
            let there: Value = mongodb::bson::from_bson(mongodb::bson::to_bson(&value).unwrap()).unwrap();
            // Compare numbers as floats, so that `1` and `1.0` are equal.
            prop_assert_eq!(plain(&back), plain(&there));
        }
    }

    fn plain(value: &Value) -> String {
        match value {
            Value::Object(map) => map.iter().map(|(k, v)| format!("{k:?}:{},", plain(v))).collect(),
            Value::Array(list) => list.iter().map(|v| format!("[{}]", plain(v))).collect(),
            Value::Number(number) => format!("{:e}", number.as_f64().unwrap()),
            other => other.to_string(),
        }
    }
}
