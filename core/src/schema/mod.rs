//! JSON Schema 2020-12, taken apart so that the one walk over an event can check it.
//!
//! The keywords most schemas are made of are checked by the walk itself. A subschema that holds any
//! other becomes a [`Residual`]: that part of an event is parsed again and given to the
//! `jsonschema` crate. `format` is an annotation, as the standard says.

mod checks;
mod pattern;
mod residual;

use std::collections::BTreeSet;

pub use checks::{Checks, Kind};
pub use residual::Residual;
use serde_json::{Map, Value};

/// Keywords that assert nothing.
const ANNOTATIONS: [&str; 16] = [
    "$schema",
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
        Ok(Self { root, whole: names_itself(root) })
    }

    /// The root of it.
    pub fn root(&self) -> &'a Value {
        self.root
    }

    /// Takes one subschema apart.
    pub fn part(&self, schema: &'a Value) -> Result<Part<'a>, SchemaError> {
        let mut seen = BTreeSet::new();
        let mut schema = schema;
        if self.whole {
            return self.rest(schema);
        }
        // A reference that stands alone is its target.
        while let Some(target) = lone_reference(schema) {
            let Some(found) = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else {
                return self.rest(schema);
            };
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

    fn object(&self, schema: &'a Value, map: &'a Map<String, Value>) -> Result<Part<'a>, SchemaError> {
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
    pub fn rest(&self, schema: &'a Value) -> Result<Part<'a>, SchemaError> {
        let residual = Residual::new(self.root, schema)?;
        Ok(Part { checks: Some(Checks::residual(residual)), ..Part::default() })
    }

    /// Whether a reference inside leads back to it.
    fn is_recursive(&self, schema: &'a Value) -> bool {
        let mut seen = Vec::new();
        self.reaches(schema, schema, &mut seen)
    }

    fn reaches(&self, from: &'a Value, goal: &'a Value, seen: &mut Vec<&'a Value>) -> bool {
        references(from).into_iter().any(|target| {
            let Some(found) = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else {
                return false;
            };
            // A reference to something that holds the goal reaches it, too.
            if std::ptr::eq(found, goal) || holds(found, goal) {
                return true;
            }
            if seen.iter().any(|known| std::ptr::eq(*known, found)) {
                return false;
            }
            seen.push(found);
            self.reaches(found, goal, seen)
        })
    }
}

fn holds(outer: &Value, inner: &Value) -> bool {
    children(outer).any(|child| std::ptr::eq(child, inner) || holds(child, inner))
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Object(map) => Box::new(map.values()),
        Value::Array(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

fn references(value: &Value) -> Vec<&str> {
    let own = value.get("$ref").and_then(Value::as_str);
    own.into_iter().chain(children(value).flat_map(references)).collect()
}

fn lone_reference(schema: &Value) -> Option<&str> {
    let map = schema.as_object()?;
    let target = map.get("$ref")?.as_str()?;
    map.keys().all(|key| key == "$ref" || ANNOTATIONS.contains(&key.as_str())).then_some(target)
}

fn names_itself(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.keys().any(|key| NAMED.contains(&key.as_str()) && map[key].is_string()))
        || children(value).any(names_itself)
}
