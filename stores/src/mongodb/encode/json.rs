//! A record's JSON object as BSON, in one pass from bytes to bytes.
//!
//! The JSON was written by the engine: it is whole and its keys are unique. What is no JSON here is a
//! fault of the caller, not of an event.

use std::borrow::Cow;

use crate::mongodb::encode::{
    buffer::{Buffer, Indexes},
    number,
};

/// Objects and arrays inside each other, at most: the engine lets 100 pass, a server takes 180.
const DEEPEST: usize = 150;

/// Why a JSON object can't be a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A name that holds NUL, or one at the top that Lethe or MongoDB gives a meaning.
    Name,
    /// Nested too deeply.
    Depth,
    /// No JSON object.
    NotJson,
}

/// What is done with a member at the top.
pub(crate) enum Top {
    /// It is written as it is.
    Take,
    /// It is left out: the caller writes it.
    Skip,
    /// The object is refused.
    Refuse,
}

/// Adds the members of an object to the open document.
pub(crate) fn members(json: &str, top: impl Fn(&str) -> Top, out: &mut Buffer) -> Result<(), Refused> {
    let mut reader = Reader { text: json, at: 0 };
    reader.blank();
    reader.expect(b'{')?;
    reader.object(&top, out)?;
    reader.blank();
    if reader.at == json.len() { Ok(()) } else { Err(Refused::NotJson) }
}

struct Reader<'j> {
    text: &'j str,
    at: usize,
}

impl<'j> Reader<'j> {
    /// The members of an object whose brace was read, and the brace at its end.
    fn object(&mut self, top: &impl Fn(&str) -> Top, out: &mut Buffer) -> Result<(), Refused> {
        let mut ignored = Buffer::default();
        self.each(b'}', |reader| {
            let name = reader.name()?;
            match top(&name) {
                Top::Take => reader.value(&name, 1, out),
                Top::Skip => {
                    ignored.cut(0);
                    reader.value(&name, 1, &mut ignored)
                }
                Top::Refuse => Err(Refused::Name),
            }
        })
    }

    fn value(&mut self, name: &str, depth: usize, out: &mut Buffer) -> Result<(), Refused> {
        if depth > DEEPEST {
            return Err(Refused::Depth);
        }
        self.blank();
        match self.peek() {
            Some(b'"') => {
                let text = self.string()?;
                out.text(name, &text);
            }
            Some(b'{') => {
                self.at += 1;
                let open = out.document(name);
                self.each(b'}', |reader| {
                    let name = reader.name()?;
                    reader.value(&name, depth + 1, out)
                })?;
                out.end(open);
            }
            Some(b'[') => {
                self.at += 1;
                let open = out.array(name);
                let mut names = Indexes::new();
                self.each(b']', |reader| {
                    reader.value(names.peek(), depth + 1, out)?;
                    names.step();
                    Ok(())
                })?;
                out.end(open);
            }
            Some(b't') => {
                self.word("true")?;
                out.boolean(name, true);
            }
            Some(b'f') => {
                self.word("false")?;
                out.boolean(name, false);
            }
            Some(b'n') => {
                self.word("null")?;
                out.null(name);
            }
            Some(b'-' | b'0'..=b'9') => number::push(name, self.number(), out),
            _ => return Err(Refused::NotJson),
        }
        Ok(())
    }

    /// Items between commas, up to `end`, which is read.
    fn each(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<(), Refused>) -> Result<(), Refused> {
        self.blank();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Refused::NotJson),
            }
        }
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Result<Cow<'j, str>, Refused> {
        self.blank();
        let name = self.string()?;
        self.blank();
        self.expect(b':')?;
        // A name ends at its first NUL in BSON: the rest would be read as a value.
        if name.as_bytes().contains(&0) { Err(Refused::Name) } else { Ok(name) }
    }

    /// A string without its quotes and escapes.
    fn string(&mut self) -> Result<Cow<'j, str>, Refused> {
        self.expect(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    let plain = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(plain));
                }
                Some(b'\\') => break,
                Some(_) => self.at += 1,
                None => return Err(Refused::NotJson),
            }
        }
        // Escapes are rare: serde_json, which knows them all, reads the whole string again.
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(Refused::NotJson),
            }
        }
        self.at += 1;
        let quoted = self.text.get(start - 1..self.at).ok_or(Refused::NotJson)?;
        serde_json::from_str::<String>(quoted).map(Cow::Owned).map_err(|_| Refused::NotJson)
    }

    fn number(&mut self) -> &'j str {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn word(&mut self, word: &str) -> Result<(), Refused> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Refused::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refused> {
        if self.peek() != Some(byte) {
            return Err(Refused::NotJson);
        }
        self.at += 1;
        Ok(())
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

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
            // Floats that are whole numbers compare equal as numbers.
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
