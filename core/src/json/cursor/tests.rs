#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Map, Number};

use super::*;

/// The document as a tree, read with a cursor.
fn tree(text: &str) -> Result<serde_json::Value, NotJson> {
    let mut cursor = Cursor::new(text);
    let value = value(&mut cursor)?;
    assert_eq!(cursor.depth(), 0);
    cursor.end()?;
    Ok(value)
}

fn value(cursor: &mut Cursor<'_>) -> Result<serde_json::Value, NotJson> {
    Ok(match cursor.value()? {
        Value::Object => {
            let mut members = Map::new();
            while let Some(name) = cursor.member()? {
                members.insert(name.unescaped().into_owned(), value(cursor)?);
            }
            members.into()
        }
        Value::Array => {
            let mut elements = Vec::new();
            while cursor.element()? {
                elements.push(value(cursor)?);
            }
            elements.into()
        }
        Value::Text(text) => text.unescaped().into_owned().into(),
        Value::Number(number) => number.parse::<Number>().unwrap().into(),
        Value::Bool(value) => value.into(),
        Value::Null => serde_json::Value::Null,
    })
}

#[test]
fn a_value_is_skipped_to_its_end_and_no_further() {
    let mut cursor = Cursor::new(r#" {"a" : [1, {"x":"]}"}, []] , "b":-1.5e3,"c":"\"","d":null} "#);
    assert!(matches!(cursor.value(), Ok(Value::Object)));
    let mut skipped = Vec::new();
    while let Some(name) = cursor.member().unwrap() {
        let start = cursor.mark();
        cursor.skip().unwrap();
        skipped.push((name.quoted(), cursor.since(start)));
    }
    let expected =
        [(r#""a""#, r#"[1, {"x":"]}"}, []]"#), (r#""b""#, "-1.5e3"), (r#""c""#, r#""\"""#), (r#""d""#, "null")];
    assert_eq!(skipped, expected);
    assert_eq!(cursor.end(), Ok(()));
}

#[test]
fn the_text_of_a_value_is_also_known_after_its_parts_were_read() {
    let mut cursor = Cursor::new(r#"{"a" :  {"b":[1, 2]} , "c": 3}"#);
    cursor.value().unwrap();
    cursor.member().unwrap();
    let mark = cursor.mark();
    assert!(cursor.is_object(mark));
    cursor.value().unwrap();
    while cursor.member().unwrap().is_some() {
        cursor.skip().unwrap();
    }
    assert_eq!(cursor.since(mark), r#"{"b":[1, 2]}"#);
    cursor.member().unwrap();
    let mark = cursor.mark();
    assert!(!cursor.is_object(mark));
    cursor.skip().unwrap();
    assert_eq!(cursor.since(mark), "3");
}

#[test]
fn a_name_is_compared_without_its_escapes() {
    let mut cursor = Cursor::new(r#"{"gr\u00f6\u00dfe":1}"#);
    cursor.value().unwrap();
    assert_eq!(cursor.member().unwrap().unwrap().unescaped(), "größe");
}

#[test]
fn a_text_that_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "}",
        "]",
        ",",
        "{}x",
        "[]]",
        "{,}",
        "[,]",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\":1 2}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":tru}",
        "{a:1}",
        "[1}",
        "01",
        "1.",
        "+1",
        "NaN",
        "\"\u{1}\"",
        "\"\\ud800\"",
    ] {
        assert_eq!(tree(text), Err(NotJson), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: u32| format!("{}1{}", "[".repeat(depth as usize), "]".repeat(depth as usize));
    let read = |text: &str| {
        let mut cursor = Cursor::new(text);
        while matches!(cursor.value()?, Value::Array) {
            cursor.element()?;
        }
        Ok::<_, NotJson>(())
    };
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert!(read(&nested(MAX_DEPTH + 1)).is_err());
    assert!(Cursor::new(&nested(MAX_DEPTH)).skip().is_ok());
    assert!(Cursor::new(&nested(MAX_DEPTH + 1)).skip().is_err());
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(serde_json::Value::from),
        "\\PC{0,9}|[\"\\\\\\x00-\\x20]{0,4}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[ab\"\\\\]{0,2}", inner, 0..4).prop_map(|map| serde_json::json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn a_document_is_read_as_serde_reads_it(value in values(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        prop_assert_eq!(tree(&text), Ok(serde_json::from_str(&text).unwrap()));
        let mut cursor = Cursor::new(&text);
        let start = cursor.mark();
        prop_assert_eq!(cursor.skip(), Ok(()));
        prop_assert_eq!(cursor.since(start), text.as_str());
        prop_assert_eq!(cursor.end(), Ok(()));
    }

    #[test]
    fn a_text_is_read_exactly_if_serde_reads_it(text in "[\\[\\]{}\",:\\\\a1 n-]{0,16}|\\[[1, \\[\\]]{0,8}\\]") {
        let serde = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(tree(&text).ok(), serde.ok());
    }

    #[test]
    fn no_text_makes_a_skip_panic(text in "[\\[\\]{}\",:\\\\a1ntf. é-]{0,24}") {
        let mut cursor = Cursor::new(&text);
        while cursor.skip().is_ok() {}
    }
}
