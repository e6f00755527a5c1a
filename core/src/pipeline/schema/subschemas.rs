//! The schemas inside a schema. Values of `const`, `enum`, `default` and `examples` are data, not
//! schemas.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Keywords whose value is a schema.
const ONE: [&str; 12] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is a map of schemas.
const MAP: [&str; 5] = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
/// Keywords whose schemas are applied to the same value as the schema that holds them.
const IN_PLACE: [&str; 8] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// Calls `visit` for the schema and for every schema inside it, with its JSON Pointer.
pub(super) fn walk(schema: &Value, visit: &mut impl FnMut(&Map<String, Value>, &str)) {
    let mut pending = vec![(schema, String::from("#"))];
    while let Some((schema, place)) = pending.pop() {
        let Value::Object(keywords) = schema else { continue };
        visit(keywords, &place);
        let mut inside = Vec::new();
        for (keyword, value) in keywords {
            let name = keyword.as_str();
            match value {
                Value::Object(_) if ONE.contains(&name) => inside.push((value, format!("{place}/{name}"))),
                Value::Array(list) if LIST.contains(&name) => {
                    inside.extend(list.iter().enumerate().map(|(i, one)| (one, format!("{place}/{name}/{i}"))));
                }
                Value::Object(map) if MAP.contains(&name) => {
                    inside.extend(map.iter().map(|(key, one)| (one, format!("{place}/{name}/{}", escaped(key)))));
                }
                _ => {}
            }
        }
        pending.extend(inside.into_iter().rev());
    }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Returns how deep a JSON value is nested; a scalar has depth 1.
pub(super) fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut pending = vec![(value, 1)];
    while let Some((value, depth)) = pending.pop() {
        deepest = deepest.max(depth);
        match value {
            Value::Array(list) => pending.extend(list.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => pending.extend(map.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    deepest
}

/// Returns the schema that a reference of the form `#`, `#/...` leads to. Anchors are not followed.
/// A percent sign is an escape of URIs.
pub(super) fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(&percent_decode_str(reference.strip_prefix('#')?).decode_utf8().ok()?)
}

/// Returns a reference that leads back to its own schema without a step into the event. A validator
/// that followed it would never end.
pub(crate) fn endless(root: &Value) -> Option<String> {
    let mut done = HashMap::new();
    let mut found = None;
    walk_values(root, &mut |schema| {
        if found.is_none() {
            found = cycle(root, schema, &mut done);
        }
    });
    found
}

fn walk_values<'a>(schema: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    let mut pending = vec![schema];
    while let Some(schema) = pending.pop() {
        visit(schema);
        match schema {
            Value::Array(list) => pending.extend(list),
            Value::Object(map) => pending.extend(map.values()),
            _ => {}
        }
    }
}

/// Depth-first over the schemas that are applied in place. `done` holds the address of each visited
/// schema, and whether it is finished. The depth is bounded by the number of schemas only, so the
/// search keeps its own stack.
fn cycle<'a>(root: &'a Value, start: &'a Value, done: &mut HashMap<usize, bool>) -> Option<String> {
    let address = |schema: &Value| std::ptr::from_ref(schema) as usize;
    if done.contains_key(&address(start)) {
        return None;
    }
    done.insert(address(start), false);
    let mut stack = vec![(start, in_place(root, start))];
    while let Some((schema, rest)) = stack.last_mut() {
        let Some((next, name)) = rest.pop() else {
            done.insert(address(schema), true);
            stack.pop();
            continue;
        };
        match done.get(&address(next)) {
            Some(false) => return Some(name),
            Some(true) => {}
            None => {
                done.insert(address(next), false);
                stack.push((next, in_place(root, next)));
            }
        }
    }
    None
}

fn in_place<'a>(root: &'a Value, schema: &'a Value) -> Vec<(&'a Value, String)> {
    let Value::Object(keywords) = schema else { return Vec::new() };
    let mut next = Vec::new();
    if let Some(reference) = keywords.get("$ref").and_then(Value::as_str)
        && let Some(target) = target(root, reference)
    {
        next.push((target, reference.to_owned()));
    }
    for keyword in IN_PLACE {
        match keywords.get(keyword) {
            Some(Value::Array(list)) => next.extend(list.iter().map(|one| (one, keyword.to_owned()))),
            Some(Value::Object(map)) if keyword == "dependentSchemas" => {
                next.extend(map.values().map(|one| (one, keyword.to_owned())));
            }
            Some(one) => next.push((one, keyword.to_owned())),
            None => {}
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn data_inside_a_schema_is_not_read_as_a_schema() {
        let schema = json!({
            "properties": {"const": {"format": "a"}, "x": {"const": {"format": "b"}, "enum": [{"format": "c"}]}},
            "$defs": {"d": {"anyOf": [true, {"items": {"format": "e"}}]}}
        });
        let mut formats = Vec::new();
        walk(&schema, &mut |keywords, place| {
            if let Some(format) = keywords.get("format") {
                formats.push((place.to_owned(), format.clone()));
            }
        });
        formats.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            formats,
            [("#/$defs/d/anyOf/1/items".to_owned(), json!("e")), ("#/properties/const".to_owned(), json!("a"))]
        );
    }

    #[test]
    fn only_a_reference_without_a_step_into_the_event_is_endless() {
        assert!(endless(&json!({"$ref": "#"})).is_some());
        assert!(
            endless(&json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}})).is_some()
        );
        assert!(endless(&json!({"$defs": {"one": {"not": {"$ref": "#/$defs/o%6Ee"}}}})).is_some(), "an escape of URIs");
        assert_eq!(endless(&json!({"properties": {"child": {"$ref": "#"}}})), None);
        assert_eq!(
            endless(&json!({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {}}})),
            None
        );
    }
}
