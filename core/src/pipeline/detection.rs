//! Where `redactDetected` is declared, the values should be sentences. A value of one form (a
//! number, a code, a name) passes whole wherever detection doesn't recognise it.

use serde_json::Value;

use super::{
    ProtectRules, Segment,
    categories::{Nature, nature},
    fields::Declared,
    mistake::{Notes, code},
    schema::{Types, View},
};
use crate::detect::telling_name;

/// By the schema, a text of at most this length is no free text.
const SHORT: u64 = 64;

/// Warns of fields whose values are searched although they have one form.
pub(super) fn check(fields: &[Declared], types: &[Types], schema: Option<&View<'_>>, notes: &mut Notes) {
    for (field, types) in fields.iter().zip(types) {
        if !matches!(field.rules.protect, ProtectRules::RedactDetected(_)) {
            continue;
        }
        let path = &field.rules.path;
        let name = path.segments.iter().rev().find_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Each => None,
        });
        let why = if nature(&field.rules.category) != Nature::FreeText {
            format!("by its category {}", field.rules.category)
        } else if name.and_then(telling_name).is_some() {
            "by its name".to_owned()
        } else if !types.text() || schema.is_some_and(|schema| schema.says(path, is_short_or_formed)) {
            "by the schema".to_owned()
        } else {
            continue;
        };
        notes.warn(
            code::DETECTION_OF_VALUES,
            format!("spec.fields[{}].protect", field.at),
            format!("{why}, {path} holds no free text, and each value that detection doesn't recognise passes whole"),
            "encrypt, pseudonymize, mask or drop it; redactDetected is for sentences",
        );
    }
}

/// Returns whether a schema limits a text to a form or a short length.
fn is_short_or_formed(schema: &Value) -> bool {
    ["pattern", "format", "enum", "const"].iter().any(|keyword| schema.get(keyword).is_some())
        || schema.get("maxLength").and_then(Value::as_u64).is_some_and(|length| length <= SHORT)
}
