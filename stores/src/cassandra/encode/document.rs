//! Finds the values of a record's document that fill columns.
//!
//! The document is read in one pass, without a tree and without copies. A column gets the text of
//! its value exactly as the document contains it, so no digit of a number is lost.

use lethe_core::{
    json::{Cursor, NotJson, Value},
    pipeline::{Pointer, Segment},
};

/// The paths of a table's columns, as a tree.
pub(crate) struct Paths {
    nodes: Vec<Node>,
}

/// A node of the tree: one path of the document.
#[derive(Default)]
struct Node {
    /// Columns that its value fills.
    columns: Vec<usize>,
    /// Members on the path of a column, sorted by name.
    members: Vec<(Box<str>, usize)>,
}

impl Paths {
    /// Builds the tree from pairs of column and path. A path with `*` fills no column; core refuses
    /// such paths.
    pub(crate) fn new(paths: impl IntoIterator<Item = (usize, Pointer)>) -> Self {
        let mut tree = Self { nodes: vec![Node::default()] };
        'paths: for (column, path) in paths {
            let mut at = 0;
            for segment in &path.segments {
                let Segment::Key(key) = segment else { continue 'paths };
                at = tree.member(at, key);
            }
            tree.nodes[at].columns.push(column);
        }
        tree
    }

    fn member(&mut self, at: usize, key: &str) -> usize {
        match self.nodes[at].members.binary_search_by(|(name, _)| (**name).cmp(key)) {
            Ok(place) => self.nodes[at].members[place].1,
            Err(place) => {
                let new = self.nodes.len();
                self.nodes.push(Node::default());
                self.nodes[at].members.insert(place, (key.into(), new));
                new
            }
        }
    }

    /// Calls `found` with each column that the document fills, and the JSON text of its value.
    pub(crate) fn read<'d>(&self, document: &'d str, mut found: impl FnMut(usize, &'d str)) -> Result<(), NotJson> {
        let mut cursor = Cursor::new(document);
        let Value::Object = cursor.value()? else { return Err(NotJson) };
        self.members(0, &mut cursor, &mut found)?;
        cursor.end()
    }

    /// Reads the members of the current object. Skips values that no column needs.
    fn members<'d>(
        &self,
        node: usize,
        cursor: &mut Cursor<'d>,
        found: &mut impl FnMut(usize, &'d str),
    ) -> Result<(), NotJson> {
        let node = &self.nodes[node];
        while let Some(name) = cursor.member()? {
            let key = name.unescaped();
            let Ok(place) = node.members.binary_search_by(|(name, _)| (**name).cmp(&*key)) else {
                cursor.skip()?;
                continue;
            };
            let index = node.members[place].1;
            let member = &self.nodes[index];
            let start = cursor.mark();
            if cursor.is_object(start) && !member.members.is_empty() {
                cursor.value()?;
                self.members(index, cursor, found)?;
            } else {
                cursor.skip()?;
            }
            let value = cursor.since(start);
            member.columns.iter().for_each(|column| found(*column, value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::{NotJson, Paths};

    fn paths(of: &[&str]) -> Paths {
        Paths::new(of.iter().enumerate().map(|(i, path)| (i, path.parse().unwrap())))
    }

    fn read<'d>(of: &[&str], document: &'d str) -> Result<BTreeMap<usize, &'d str>, NotJson> {
        let mut found = BTreeMap::new();
        paths(of).read(document, |column, value| {
            found.insert(column, value);
        })?;
        Ok(found)
    }

    #[test]
    fn a_column_gets_the_text_of_its_value() {
        let document = r#"{"a":1.50,"b":{"c":"x\"y","d":[1,{"e":"}"}]},"n":null,"deep/er":{"~":true}}"#;
        let found = read(&["/a", "/b/c", "/b/d", "/b", "/n", "/deep~1er/~0", "/absent", "/a/b"], document).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [
                (0, "1.50"),
                (1, r#""x\"y""#),
                (2, r#"[1,{"e":"}"}]"#),
                (3, r#"{"c":"x\"y","d":[1,{"e":"}"}]}"#),
                (4, "null"),
                (5, "true")
            ]
        );
    }

    #[test]
    fn a_key_is_compared_without_its_escapes() {
        assert_eq!(read(&["/größe"], r#"{"gr\u00f6\u00dfe" : "L" }"#).unwrap()[&0], r#""L""#);
    }

    #[test]
    fn one_value_can_fill_two_columns() {
        assert_eq!(read(&["/a", "/a"], r#"{"a":[]}"#).unwrap().len(), 2);
    }

    #[test]
    fn a_document_that_is_not_an_object_is_refused() {
        for text in
            ["", "[]", "1", "{", "{}x", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1"#, r#"{"a":1,}"#, r#"{"a":1 2}"#, r#"{"a":"#]
        {
            assert!(read(&["/a"], text).is_err(), "{text}");
            assert!(read(&["/z"], text).is_err(), "{text}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab\"\\\\]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_values_are_those_of_a_parsed_document(value in values(), pretty: bool) {
            let document = serde_json::json!({"a": value, "b": {"a": value}});
            let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
            let text = text.unwrap();
            let of = ["/a", "/a/a", "/b/a", "/b/a/b", "/b/c", "/b/a/a\"/b\\"];
            let found = read(&of, &text).unwrap();
            for (column, path) in of.iter().enumerate() {
                let there = found.get(&column).map(|text| serde_json::from_str::<Value>(text).unwrap());
                // A serde pointer also enters arrays, but `a` and `b` are not indexes.
                prop_assert_eq!(there.as_ref(), document.pointer(path), "{}", path);
            }
        }

        #[test]
        fn no_text_causes_a_panic(text in "[\\[\\]{}\",:\\\\a1 ]{0,24}") {
            let _ = read(&["/a", "/a/a"], &text);
        }
    }
}
