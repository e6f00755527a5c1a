//! Checks of the declared paths against the schema: whether a value can exist at the path, and
//! whether it can be cleaned and protected as declared.

use lethe_crds::profile_pipeline::Clean;

use super::{
    GeneralizeRules, Pointer, ProtectRules, Segment,
    fields::Declared,
    mistake::{Notes, code},
    protection::Cleaned,
    schema::{Look, Types, View},
};

/// Returns what the schema allows at a path; reports a path at which nothing can exist.
pub(super) fn place(at: &str, path: &Pointer, schema: Option<&View<'_>>, notes: &mut Notes) -> Types {
    if !reaches(at, path, schema, notes) {
        return Types::ANY;
    }
    match schema.map_or(Look::May(Types::ANY), |schema| schema.look(path)) {
        Look::May(types) => types,
        Look::Forbidden(_) => {
            notes.warn(
                code::SCHEMA_FORBIDS,
                at,
                format!("the schema forbids {path}, so an event that holds it is rejected"),
                "allow it in the schema, or remove it here",
            );
            Types::ANY
        }
        Look::Mismatch(step) => {
            let above = match step {
                0 => "an event".to_owned(),
                _ => Pointer { segments: path.segments[..step].to_vec() }.to_string(),
            };
            let (is_not, hint) = match &path.segments[step] {
                Segment::Each => ("an array", "leave the * out"),
                Segment::Key(_) => ("an object", "reach the elements of an array with *, as in /items/*/name"),
            };
            let message = format!("by the schema {above} is never {is_not}, so nothing can be at {path}");
            notes.refuse(code::PATH_NEVER_MATCHES, at, message, hint);
            Types::ANY
        }
    }
}

/// Refuses a number in a path unless it is certainly a key of an object, because it is never an
/// index. If it were accepted for an array, a protection would silently miss its target.
fn reaches(at: &str, path: &Pointer, schema: Option<&View<'_>>, notes: &mut Notes) -> bool {
    for (step, segment) in path.segments.iter().enumerate().skip(1) {
        let Segment::Key(key) = segment else { continue };
        if !key.bytes().all(|byte| byte.is_ascii_digit()) || key.is_empty() {
            continue;
        }
        let maybe_array = match schema.map_or(Look::May(Types::ANY), |schema| schema.parent(path, step)) {
            Look::May(types) => types.array(),
            Look::Forbidden(_) | Look::Mismatch(_) => false,
        };
        if maybe_array {
            notes.refuse(
                code::PATH_INDEX,
                at,
                format!("{key} in {path} names a member of an object, not an element of an array"),
                "write * for every element; if it is an object with such a key, say so in the schema (type: object)",
            );
            return false;
        }
    }
    true
}

/// The value at a field's path must be one that its cleaning and protection can work on.
pub(super) fn field(field: &Declared, schema: Option<&View<'_>>, notes: &mut Notes) -> Types {
    let here = format!("spec.fields[{}]", field.at);
    let rules = &field.rules;
    let types = place(&format!("{here}.path"), &rules.path, schema, notes);
    if types.unknown() {
        return types;
    }
    if let Some(step) = rules.clean.first()
        && types.containers_only()
    {
        notes.refuse(
            code::CLEAN_IMPOSSIBLE,
            format!("{here}.clean"),
            format!("by the schema {} is an object or an array, and {step:?} works on a single value", rules.path),
            "declare the values inside it",
        );
    }
    if rules.clean.contains(&Clean::Email) && !types.text() && !types.containers_only() {
        notes.refuse(
            code::CLEAN_IMPOSSIBLE,
            format!("{here}.clean"),
            format!("by the schema {} is never a text, so it is never an e-mail address", rules.path),
            "remove the step, or allow a string in the schema",
        );
    }
    if rules.clean.contains(&Clean::Time) && !types.text() && types.number() {
        notes.refuse(
            code::CLEAN_IMPOSSIBLE,
            format!("{here}.clean"),
            format!("by the schema {} is a number, and the step Time does not know what it counts", rules.path),
            "use the step TimeFromSeconds or TimeFromMillis",
        );
    }
    check_protection(&format!("{here}.protect"), field, types, notes);
    types
}

fn check_protection(at: &str, field: &Declared, types: Types, notes: &mut Notes) {
    let path = &field.rules.path;
    let name = match &field.rules.protect {
        ProtectRules::Keep | ProtectRules::Drop | ProtectRules::Redact(_) | ProtectRules::Encrypt { .. } => return,
        ProtectRules::Mask { .. } => "mask",
        ProtectRules::Hash => "hash",
        ProtectRules::Generalize(_) => "generalize",
        ProtectRules::Pseudonymize { .. } => "pseudonymize",
        ProtectRules::RedactDetected(_) => "redactDetected",
    };
    if types.containers_only() {
        notes.refuse(
            code::PROTECT_IMPOSSIBLE,
            at,
            format!("by the schema {path} is an object or an array, and {name} works on a single value"),
            "declare the values inside it, or encrypt, redact or drop it whole",
        );
        return;
    }
    let ProtectRules::Generalize(rules) = &field.rules.protect else { return };
    let (needs, possible) = match rules {
        GeneralizeRules::Buckets(_) => ("a number", types.number() || types.text()),
        GeneralizeRules::Ip { .. } => ("an IP address", types.text()),
        GeneralizeRules::Date(_) => ("a date", types.text() || field.cleaned == Cleaned::Time),
        GeneralizeRules::Prefix(_) | GeneralizeRules::Map { .. } => return,
    };
    if !possible {
        let message = format!("by the schema {path} never holds {needs}, which generalize needs here");
        let fix = match rules {
            GeneralizeRules::Date(_) if types.number() => "clean it with the step TimeFromSeconds or TimeFromMillis",
            _ => "choose another protection",
        };
        notes.refuse(code::PROTECT_IMPOSSIBLE, at, message, fix);
    }
}
