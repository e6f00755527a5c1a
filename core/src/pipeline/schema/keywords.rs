//! Keywords that draft 2020-12 does not know. They assert nothing, so a rule with a spelling
//! mistake, or one of an older draft, is lost without an error.

use serde_json::Value;

use super::{
    super::{
        mistake::{Notes, code},
        suggest::did_you_mean,
    },
    subschemas,
};

/// Keywords of draft 2020-12.
const KNOWN: [&str; 60] = [
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "$vocabulary",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "description",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "readOnly",
    "required",
    "then",
    "title",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
    // Annotations of OpenAPI, which are common and assert nothing there either.
    "example",
    "externalDocs",
];

/// Keywords of older drafts, and what draft 2020-12 has instead.
const OLD: [(&str, &str); 8] = [
    ("additionalItems", "write items beside prefixItems"),
    ("dependencies", "write dependentRequired or dependentSchemas"),
    ("$recursiveRef", "write $dynamicRef"),
    ("$recursiveAnchor", "write $dynamicAnchor"),
    ("id", "write $id"),
    ("divisibleBy", "write multipleOf"),
    ("extends", "write allOf"),
    ("disallow", "write not"),
];

/// Warns of each keyword once. Names that begin with `x-` are extensions.
pub(super) fn check(at: &str, schema: &Value, notes: &mut Notes) {
    let mut met = Vec::new();
    subschemas::walk(schema, &mut |keywords, place| {
        for keyword in keywords.keys() {
            if KNOWN.contains(&keyword.as_str()) || keyword.starts_with("x-") || met.contains(keyword) {
                continue;
            }
            met.push(keyword.clone());
            let old = OLD.iter().find(|(old, _)| old == keyword);
            let (message, fix) = match old {
                Some((_, fix)) => (format!("{keyword} at {place} is a keyword of an older draft than 2020-12"), *fix),
                None => {
                    let hint = did_you_mean(keyword, KNOWN);
                    let message = format!("{keyword} at {place} is no keyword of draft 2020-12, so it asserts nothing");
                    (message + &hint, "correct it; a note of your own begins with x-")
                }
            };
            notes.warn(code::SCHEMA_KEYWORD, at, message, fix);
        }
    });
}
