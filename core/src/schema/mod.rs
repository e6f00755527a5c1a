//! JSON Schema 2020-12, split into parts that the walk over an event can check.
//!
//! The walk itself checks the most frequent keywords. A subschema that holds any other becomes a
//! [`Residual`]: that part of an event is parsed again and passed to the `jsonschema` crate.
//! `format` is an annotation, as the standard says.

mod checks;
mod pattern;
mod residual;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

pub use checks::{Checks, Kind};
pub use residual::Residual;
use serde_json::{Map, Value};

/// Keywords that assert nothing.
const ANNOTATIONS: [&str; 17] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "$vocabulary",
];

/// Keywords of the standard that only the `jsonschema` crate checks.
const RESIDUAL: [&str; 22] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependentRequired",
    "dependencies",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "patternProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "multipleOf",
    "additionalItems",
    "$recursiveRef",
];

/// Keywords that give a subschema its own name or base. If one of them occurs anywhere, the whole
/// schema is a residual.
const NAMED: [&str; 6] = ["$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "id"];

/// Keywords whose value is data, in which nothing is a keyword.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// Keywords whose value maps names to schemas. The names are not keywords.
const MAPS: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// A schema with more references than this is a residual as a whole: following each of them would
/// take too long at the start.
const MANY_REFERENCES: usize = 1_000;

/// Why a text is not a schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The `jsonschema` crate refuses it.
    #[error("not a JSON Schema of draft 2020-12: {0}")]
    Invalid(String),
}

/// A schema that can be split into parts.
pub struct Schema<'a> {
    root: &'a Value,
    whole: bool,
    /// By the address of their subschema, so that one with many references to it is compiled once.
    residuals: HashMap<*const Value, Arc<Residual>>,
    /// By the address of the subschema: whether a reference inside it leads back to it.
    recursive: HashMap<*const Value, bool>,
}

/// The rules of a subschema for one value and what is inside it.
#[derive(Default)]
pub struct Part<'a> {
    /// Checks of the value itself.
    pub checks: Option<Checks>,
    /// Subschemas of named members.
    pub properties: Vec<(&'a str, &'a Value)>,
    /// Names of required members.
    pub required: Vec<&'a str>,
    /// The subschema of every other member; `None` allows any.
    pub additional: Option<&'a Value>,
    /// The subschema of every element.
    pub items: Option<&'a Value>,
}

impl Part<'_> {
    /// Returns whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.checks.is_none()
            && self.properties.is_empty()
            && self.required.is_empty()
            && self.additional.is_none()
            && self.items.is_none()
    }
}

impl<'a> Schema<'a> {
    /// Checks that a document is a JSON Schema.
    pub fn new(root: &'a Value) -> Result<Self, SchemaError> {
        jsonschema::draft202012::new(root).map_err(|error| SchemaError::Invalid(error.masked().to_string()))?;
        let mut references = Vec::new();
        collect_references(root, &mut references);
        // A base at the top does not change references that begin at the top.
        let own_base = root.get("$id").is_some() && references.iter().any(|target| !target.starts_with('#'));
        let whole = own_base || names_itself(root, true) || references.len() > MANY_REFERENCES;
        Ok(Self { root, whole, residuals: HashMap::new(), recursive: HashMap::new() })
    }

    /// Returns its root.
    pub fn root(&self) -> &'a Value {
        self.root
    }

    /// Splits one subschema.
    pub fn part(&mut self, schema: &'a Value) -> Result<Part<'a>, SchemaError> {
        let mut seen = HashSet::new();
        let mut schema = schema;
        if self.whole {
            return self.rest(schema);
        }
        // A schema that is only a reference is its target.
        while let Some(target) = lone_reference(schema) {
            let Some(found) = self.target(target) else { return self.rest(schema) };
            if !seen.insert(target) || self.is_recursive(found) {
                return self.rest(schema);
            }
            schema = found;
        }
        match schema {
            Value::Object(map) => self.object(schema, map),
            Value::Bool(false) => Ok(Part { checks: Some(Checks::never()), ..Part::default() }),
            _ => Ok(Part::default()),
        }
    }

    fn object(&mut self, schema: &'a Value, map: &'a Map<String, Value>) -> Result<Part<'a>, SchemaError> {
        let mut part = Part::default();
        let mut checks = Checks::default();
        for (keyword, value) in map {
            let understood = match keyword.as_str() {
                "properties" => {
                    part.properties =
                        value.as_object().into_iter().flatten().map(|(name, sub)| (name.as_str(), sub)).collect();
                    true
                }
                "required" => {
                    part.required = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    true
                }
                "additionalProperties" => {
                    part.additional = Some(value).filter(|value| **value != Value::Bool(true));
                    true
                }
                "items" => {
                    part.items = Some(value).filter(|value| **value != Value::Bool(true));
                    true
                }
                "$ref" => false,
                word if ANNOTATIONS.contains(&word) => true,
                word if RESIDUAL.contains(&word) => false,
                word => checks.take(word, value),
            };
            if !understood {
                return self.rest(schema);
            }
        }
        part.checks = Some(checks).filter(|checks| !checks.is_empty());
        Ok(part)
    }

    /// Leaves a whole subschema to the `jsonschema` crate.
    pub fn rest(&mut self, schema: &'a Value) -> Result<Part<'a>, SchemaError> {
        let address = std::ptr::from_ref(schema);
        let residual = match self.residuals.get(&address) {
            Some(residual) => Arc::clone(residual),
            None => {
                let residual = Arc::new(Residual::new(self.root, schema)?);
                self.residuals.insert(address, Arc::clone(&residual));
                residual
            }
        };
        Ok(Part { checks: Some(Checks::residual(residual)), ..Part::default() })
    }

    /// Returns the target of a reference; `None` if only the `jsonschema` crate can find it.
    fn target(&self, reference: &str) -> Option<&'a Value> {
        // A percent sign is an escape of URIs, which a plain JSON Pointer does not have.
        let pointer = reference.strip_prefix('#').filter(|pointer| !pointer.contains('%'))?;
        self.root.pointer(pointer)
    }

    /// Returns whether a reference inside a subschema leads back to it or to one that holds it.
    fn is_recursive(&mut self, goal: &'a Value) -> bool {
        let address = std::ptr::from_ref(goal);
        if let Some(known) = self.recursive.get(&address) {
            return *known;
        }
        let mut met = HashSet::new();
        let mut pending = vec![goal];
        let mut found = false;
        while let Some(value) = pending.pop() {
            if !met.insert(std::ptr::from_ref(value)) {
                found |= std::ptr::eq(value, goal);
                continue;
            }
            pending.extend(children(value));
            let reference = value.get("$ref").and_then(Value::as_str);
            pending.extend(reference.and_then(|reference| self.target(reference)));
        }
        self.recursive.insert(address, found);
        found
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Object(map) => Box::new(map.values()),
        Value::Array(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

fn collect_references<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    out.extend(value.get("$ref").and_then(Value::as_str));
    children(value).for_each(|child| collect_references(child, out));
}

fn lone_reference(schema: &Value) -> Option<&str> {
    let map = schema.as_object()?;
    let target = map.get("$ref")?.as_str()?;
    map.keys().all(|key| key == "$ref" || ANNOTATIONS.contains(&key.as_str())).then_some(target)
}

/// Returns whether a subschema has its own name or base. That of the whole schema does not count.
fn names_itself(schema: &Value, top: bool) -> bool {
    let map = match schema {
        Value::Object(map) => map,
        Value::Array(items) => return items.iter().any(|item| names_itself(item, false)),
        _ => return false,
    };
    map.iter().any(|(keyword, value)| {
        let keyword = keyword.as_str();
        if NAMED.contains(&keyword) && value.is_string() {
            return !(top && keyword == "$id");
        }
        match value {
            Value::Object(named) if MAPS.contains(&keyword) => named.values().any(|inner| names_itself(inner, false)),
            _ => !DATA.contains(&keyword) && names_itself(value, false),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    /// Returns whether the walk itself checks the top of a schema.
    fn walks(schema: &Value) -> bool {
        let mut schema = Schema::new(schema).unwrap();
        let part = schema.part(schema.root()).unwrap();
        part.checks.is_none_or(|checks| checks.rest().is_none())
    }

    #[test]
    fn a_base_at_the_top_and_ids_in_data_leave_the_schema_to_the_walk() {
        let name = json!({"properties": {"id": {"type": "string"}}, "additionalProperties": false});
        let with = |keyword: &str, value: Value| {
            let mut schema = name.clone();
            schema[keyword] = value;
            schema
        };
        assert!(walks(&with("$id", json!("https://example.org/profile.json"))));
        assert!(walks(&with("examples", json!([{"id": "u-1", "$id": "x"}]))));
        assert!(!walks(&with("$defs", json!({"a": {"$id": "https://example.org/a.json"}}))));
        assert!(!walks(&with("$defs", json!({"default": {"$anchor": "here"}}))));
    }

    #[test]
    fn a_reference_by_the_schemas_own_base_is_followed() {
        let schema = json!({
            "$id": "https://example.org/profile.json", "$defs": {"a": {"type": "integer"}},
            "properties": {"x": {"$ref": "https://example.org/profile.json#/$defs/a"}}
        });
        let mut taken = Schema::new(&schema).unwrap();
        let part = taken.part(&schema).unwrap();
        let checks = part.checks.unwrap();
        assert!(checks.rest().unwrap().check("{\"x\": 1}").is_ok());
        assert!(checks.rest().unwrap().check("{\"x\": \"a\"}").is_err());
    }

    #[test]
    fn a_percent_sign_in_a_reference_is_an_escape() {
        let schema =
            json!({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "integer"}, "a%20b": {"type": "string"}}});
        let mut taken = Schema::new(&schema).unwrap();
        assert!(taken.part(&schema).unwrap().checks.unwrap().rest().unwrap().check("1").is_ok());
    }

    #[test]
    fn a_subschema_with_many_references_to_it_is_compiled_once() {
        let schema = json!({"$defs": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"$ref": "#/$defs/a"}}});
        let mut taken = Schema::new(&schema).unwrap();
        let mut rest = |name: &str| taken.part(&schema["properties"][name]).unwrap().checks.unwrap();
        assert!(std::ptr::eq(rest("x").rest().unwrap(), rest("y").rest().unwrap()));
    }

    #[test]
    fn only_a_reference_that_leads_back_is_recursive() {
        let schema = json!({"$defs": {
            "tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}},
            "a": {"items": {"$ref": "#/$defs/b"}}, "b": {"items": {"$ref": "#/$defs/a/items"}},
            "leaf": {"type": "string"}, "user": {"items": {"$ref": "#/$defs/tree"}}
        }});
        let mut taken = Schema::new(&schema).unwrap();
        let mut recursive = |name: &str| taken.is_recursive(&schema["$defs"][name]);
        assert!(recursive("tree"));
        assert!(!recursive("leaf") && !recursive("user"));
    }
}
