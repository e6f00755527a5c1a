//! JSON Schema 2020-12, taken apart so that the one walk over an event can check it.
//!
//! The keywords most schemas are made of are checked by the walk itself. A subschema that holds any
//! other becomes a [`Residual`]: that part of an event is parsed again and given to the
//! `jsonschema` crate. `format` is an annotation, as the standard says.

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

/// Keywords that give a subschema a name or a base of its own: with one of them anywhere, the
/// whole schema is a residual.
const NAMED: [&str; 6] = ["$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "id"];

/// Keywords whose value is data: what looks like a keyword in it is none.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// Keywords whose value names schemas: their keys are no keywords.
const MAPS: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// With more references than this the whole schema is a residual: to follow each of them would take
/// longer than a start may take.
const MANY_REFERENCES: usize = 1_000;

/// The schema is none.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The `jsonschema` crate refuses it.
    #[error("not a JSON Schema of draft 2020-12: {0}")]
    Invalid(String),
}

/// A schema, ready to be taken apart.
pub struct Schema<'a> {
    root: &'a Value,
    whole: bool,
    /// By the address of their subschema: one that many references lead to is compiled once.
    residuals: HashMap<*const Value, Arc<Residual>>,
    /// By the address of the subschema: whether a reference inside leads back to it.
    recursive: HashMap<*const Value, bool>,
}

/// What a subschema says of one value and of what lies in it.
#[derive(Default)]
pub struct Part<'a> {
    /// Checks of the value itself.
    pub checks: Option<Checks>,
    /// Subschemas of named members.
    pub properties: Vec<(&'a str, &'a Value)>,
    /// Names of members that must be there.
    pub required: Vec<&'a str>,
    /// The subschema of every other member; `None` is any.
    pub additional: Option<&'a Value>,
    /// The subschema of every element.
    pub items: Option<&'a Value>,
}

impl Part<'_> {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.checks.is_none()
            && self.properties.is_empty()
            && self.required.is_empty()
            && self.additional.is_none()
            && self.items.is_none()
    }
}

impl<'a> Schema<'a> {
    /// Checks that this is a JSON Schema.
    pub fn new(root: &'a Value) -> Result<Self, SchemaError> {
        jsonschema::draft202012::new(root).map_err(|error| SchemaError::Invalid(error.masked().to_string()))?;
        let mut references = Vec::new();
        collect_references(root, &mut references);
        // A base at the top changes nothing for references that begin at the top.
        let own_base = root.get("$id").is_some() && references.iter().any(|target| !target.starts_with('#'));
        let whole = own_base || names_itself(root, true) || references.len() > MANY_REFERENCES;
        Ok(Self { root, whole, residuals: HashMap::new(), recursive: HashMap::new() })
    }

    /// The root of it.
    pub fn root(&self) -> &'a Value {
        self.root
    }

    /// Takes one subschema apart.
    pub fn part(&mut self, schema: &'a Value) -> Result<Part<'a>, SchemaError> {
        let mut seen = HashSet::new();
        let mut schema = schema;
        if self.whole {
            return self.rest(schema);
        }
        // A reference that stands alone is its target.
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

    /// Leaves a subschema whole to the `jsonschema` crate.
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

    /// What a reference leads to; `None` where only the `jsonschema` crate knows.
    fn target(&self, reference: &str) -> Option<&'a Value> {
        // A percent sign is an escape of URIs, which a JSON Pointer alone doesn't know.
        let pointer = reference.strip_prefix('#').filter(|pointer| !pointer.contains('%'))?;
        self.root.pointer(pointer)
    }

    /// Whether a reference inside leads back to it, or to something that holds it.
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

/// Whether a subschema has a name or a base of its own; the base of the whole is none of its own.
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

    /// Whether the walk itself checks the top of a schema.
    fn walks(schema: &Value) -> bool {
        let mut schema = Schema::new(schema).unwrap();
        let part = schema.part(schema.root()).unwrap();
        part.checks.is_none_or(|checks| checks.rest().is_none())
    }

    #[test]
    fn a_base_at_the_top_and_ids_in_data_leave_the_walk_its_work() {
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
    fn a_subschema_that_many_references_lead_to_is_compiled_once() {
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
