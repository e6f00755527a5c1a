//! Checks of the event's schema: JSON without repeated keys, of limited size, a JSON Schema of
//! draft 2020-12 that refers to nothing outside itself and to itself only with an end.

mod keywords;
mod strict_json;
mod subschemas;
mod view;

use lethe_crds::profile_pipeline::EventSchema;
use serde_json::Value;

#[cfg(test)]
pub(crate) use subschemas::endless;
pub(super) use view::{Look, Types, View};

use super::{
    mistake::{Notes, code},
    references::exactly_one,
    surroundings::Surroundings,
};

/// Largest schema text that is taken, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// Deepest schema that is taken, in levels of JSON.
pub const MAX_DEPTH: usize = 64;
/// The draft that a schema is read as, and the only one it may name.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// How many violations of the meta-schema are shown.
const SHOWN: usize = 8;

/// Returns the schema, if there is one and it has no mistake.
pub(super) fn check(schema: &EventSchema, around: &dyn Surroundings, notes: &mut Notes) -> Option<Value> {
    let members = [("inline", schema.inline.is_some()), ("configMapKeyRef", schema.config_map_key_ref.is_some())];
    let member = exactly_one("spec.event.schema", &members, notes)?;
    let at = format!("spec.event.schema.{member}");
    let text = match (&schema.inline, &schema.config_map_key_ref) {
        (Some(text), _) => text.clone(),
        (None, Some(reference)) => match around.config_map(&reference.name, &reference.key) {
            Some(text) => text,
            None => {
                notes.refuse(
                    code::UNKNOWN_CONFIG_MAP,
                    at,
                    format!("there is no ConfigMap {} with a key {}", reference.name, reference.key),
                    "name one that is there, or write the schema under inline",
                );
                return None;
            }
        },
        (None, None) => return None,
    };
    compiled(&at, &text, notes)
}

fn compiled(at: &str, text: &str, notes: &mut Notes) -> Option<Value> {
    if text.len() > MAX_BYTES {
        notes.refuse(
            code::SCHEMA_TOO_LARGE,
            at,
            format!("the schema has {} bytes, and at most {MAX_BYTES} are taken", text.len()),
            "describe only what must hold",
        );
        return None;
    }
    let schema = match strict_json::parse(text) {
        Ok(schema) => schema,
        Err(error) => {
            let message = format!("the schema is no JSON: {error}");
            notes.refuse(code::SCHEMA_NOT_JSON, at, message, "write it as JSON, each key once in an object");
            return None;
        }
    };
    if subschemas::depth(&schema) > MAX_DEPTH {
        notes.refuse(
            code::SCHEMA_TOO_LARGE,
            at,
            format!("the schema is nested deeper than {MAX_DEPTH} levels"),
            "name parts under $defs and refer to them",
        );
        return None;
    }
    check_draft(at, &schema, notes)?;
    check_form(at, &schema, notes)?;
    check_references(at, &schema, notes)?;
    if let Err(error) = jsonschema::draft202012::options().offline().should_validate_formats(false).build(&schema) {
        let message = format!("the schema can't be compiled: {}", shortened(&error.to_string()));
        notes.refuse(code::SCHEMA_INVALID, at, message, "correct that place of the schema");
        return None;
    }
    note_formats(at, &schema, notes);
    keywords::check(at, &schema, notes);
    Some(schema)
}

fn check_draft(at: &str, schema: &Value, notes: &mut Notes) -> Option<()> {
    match schema.get("$schema").and_then(Value::as_str) {
        Some(draft) if draft.trim_end_matches('#') != DRAFT => {
            let message = format!("the schema says that it is written in {draft}, and it is read as draft 2020-12");
            notes.refuse(code::SCHEMA_DRAFT, at, message, format!("set $schema to {DRAFT}, and adapt the schema"));
            None
        }
        _ => Some(()),
    }
}

fn check_form(at: &str, schema: &Value, notes: &mut Notes) -> Option<()> {
    let validator = jsonschema::draft202012::meta::validator();
    let mut valid = Some(());
    for error in validator.iter_errors(schema).take(SHOWN) {
        let place = error.instance_path().to_string();
        let place = if place.is_empty() { "its top".to_owned() } else { place };
        let message = format!("the schema is no JSON Schema, at {place}: {}", shortened(&error.to_string()));
        notes.refuse(code::SCHEMA_INVALID, at, message, "correct that place of the schema");
        valid = None;
    }
    valid
}

fn check_references(at: &str, schema: &Value, notes: &mut Notes) -> Option<()> {
    let mut valid = Some(());
    subschemas::walk(schema, &mut |keywords, place| {
        for keyword in ["$ref", "$dynamicRef"] {
            let Some(target) = keywords.get(keyword).and_then(Value::as_str) else { continue };
            if !target.starts_with('#') {
                notes.refuse(
                    code::SCHEMA_REMOTE_REF,
                    at,
                    format!("{keyword} at {place} refers to {target}, outside the schema; nothing is fetched"),
                    "copy what it refers to under $defs, and refer to it as #/$defs/name",
                );
                valid = None;
            }
        }
    });
    if let Some(place) = subschemas::endless(schema) {
        notes.refuse(
            code::SCHEMA_ENDLESS,
            at,
            format!("the schema at {place} leads back to itself without looking at a part of the event"),
            "refer to a schema from inside properties or items",
        );
        valid = None;
    }
    valid
}

fn note_formats(at: &str, schema: &Value, notes: &mut Notes) {
    let mut places = Vec::new();
    subschemas::walk(schema, &mut |keywords, place| {
        if keywords.get("format").is_some_and(Value::is_string) {
            places.push(place.to_owned());
        }
    });
    if let Some(first) = places.first() {
        notes.warn(
            code::FORMAT_NOT_ASSERTED,
            at,
            format!(
                "format is an annotation in draft 2020-12 and rejects nothing ({} uses, first at {first})",
                places.len()
            ),
            "use a cleaning step (Email, Phone, Time), or pattern, where it must hold",
        );
    }
}

/// Messages quote the schema; a long quotation does not help.
fn shortened(message: &str) -> String {
    const MOST: usize = 240;
    match message.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message.to_owned(),
    }
}
