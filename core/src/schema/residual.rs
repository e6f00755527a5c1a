//! The part of a schema that the walk leaves to the `jsonschema` crate.

use std::fmt::Write;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{SchemaError, collect_references};

/// A validator of the `jsonschema` crate for one subschema.
pub struct Residual {
    validator: Validator,
}

/// The URI by which a subschema refers to its document.
const ROOT: &str = "urn:lethe:root";

impl Residual {
    /// Compiles a subschema of `root`. References in it resolve against `root`.
    pub(super) fn new(root: &Value, schema: &Value) -> Result<Self, SchemaError> {
        let mut references = Vec::new();
        collect_references(schema, &mut references);
        let validator = if std::ptr::eq(root, schema) || references.is_empty() {
            jsonschema::draft202012::new(schema)
        } else {
            let mut document = root.clone();
            if let Value::Object(map) = &mut document {
                map.insert("$id".to_owned(), ROOT.into());
            }
            let place = place_of(root, schema).unwrap_or_default();
            jsonschema::draft202012::new(&json!({"$defs": {"root": document}, "$ref": format!("{ROOT}#{place}")}))
        };
        let validator = validator.map_err(|error| SchemaError::Invalid(error.masked().to_string()))?;
        Ok(Self { validator })
    }

    /// Checks one value. Returns the keyword that was broken.
    pub fn check(&self, json: &str) -> Result<(), &'static str> {
        let Ok(value) = serde_json::from_str::<Value>(json) else { return Err("schema") };
        if self.validator.is_valid(&value) { Ok(()) } else { Err("schema") }
    }
}

/// Returns the JSON Pointer of a part of a document, as a URI fragment.
fn place_of(outer: &Value, inner: &Value) -> Option<String> {
    if std::ptr::eq(outer, inner) {
        return Some(String::new());
    }
    match outer {
        Value::Object(map) => {
            map.iter().find_map(|(key, value)| place_of(value, inner).map(|rest| format!("/{}{rest}", escape(key))))
        }
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, value)| place_of(value, inner).map(|rest| format!("/{at}{rest}")))
        }
        _ => None,
    }
}

/// Returns a key as a segment of a pointer in a URI fragment.
fn escape(key: &str) -> String {
    let mut out = String::new();
    for byte in key.replace('~', "~0").replace('/', "~1").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
