//! Checks of the declared fields: their paths, and each against the others.
//!
//! Of fields inside each other the innermost decides, in every sink. A field that a sink does not
//! list is not sent there, no matter how the field around it is declared. Only a kept field may
//! hold others: any other protection already decides about everything inside it.

use lethe_crds::profile_pipeline::{Clean, Field};

use super::{
    FieldRules, ProtectRules, RESERVED, Segment, categories,
    mistake::{Notes, code},
    paths::path,
    protection::{self, Cleaned},
};

/// A declared field without a mistake of its own.
pub(super) struct Declared {
    /// Its index in the manifest's list.
    pub at: usize,
    /// The form that its cleaning leaves.
    pub cleaned: Cleaned,
    /// Its rules.
    pub rules: FieldRules,
}

/// Returns every field without a mistake of its own; reports the mistakes of the others.
pub(super) fn check(fields: &[Field], region: Option<&str>, notes: &mut Notes) -> Vec<Declared> {
    let mut declared = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        declared.extend(check_one(at, field, region, notes));
    }
    check_duplicates(&declared, notes);
    check_nesting(&declared, notes);
    declared
}

fn check_one(at: usize, field: &Field, region: Option<&str>, notes: &mut Notes) -> Option<Declared> {
    let here = format!("spec.fields[{at}]");
    let path = path(&format!("{here}.path"), &field.path, notes);
    categories::check(&format!("{here}.category"), &field.category, notes);
    let steps = field.clean.as_deref().unwrap_or_default();
    let cleaned = protection::clean(&format!("{here}.clean"), steps, notes);
    if region.is_none() && steps.contains(&Clean::Phone) {
        notes.warn(
            code::NO_REGION,
            format!("{here}.clean"),
            "without a defaultRegion, events with a phone number that has no country code are rejected",
            "set spec.defaultRegion if such numbers occur",
        );
    }
    let protect = protection::protect(&format!("{here}.protect"), &field.protect, &field.category, notes)?;
    protection::together(&format!("{here}.protect"), cleaned, &protect, notes);
    let path = path?;
    if let Some(Segment::Key(name)) = path.segments.first()
        && RESERVED.contains(&name.as_str())
    {
        notes.refuse(
            code::RESERVED_NAME,
            format!("{here}.path"),
            format!("{name} is a name that Lethe itself writes"),
            format!("remove it: every record carries {name} anyway"),
        );
        return None;
    }
    let rules = FieldRules { path, category: field.category.clone(), clean: steps.to_vec(), protect };
    Some(Declared { at, cleaned, rules })
}

fn check_duplicates(declared: &[Declared], notes: &mut Notes) {
    for (i, field) in declared.iter().enumerate() {
        if let Some(first) = declared[..i].iter().find(|earlier| earlier.rules.path == field.rules.path) {
            notes.refuse(
                code::DUPLICATE_PATH,
                format!("spec.fields[{}].path", field.at),
                format!("{} is declared already, by spec.fields[{}]", field.rules.path, first.at),
                "keep one of the two",
            );
        }
    }
}

fn check_nesting(declared: &[Declared], notes: &mut Notes) {
    for inner in declared {
        let outers = declared
            .iter()
            .filter(|outer| outer.rules.path != inner.rules.path && outer.rules.path.covers(&inner.rules.path));
        for outer in outers {
            let (outer_path, inner_path) = (&outer.rules.path, &inner.rules.path);
            if outer.rules.protect != ProtectRules::Keep {
                notes.refuse(
                    code::PATH_INSIDE_ANOTHER,
                    format!("spec.fields[{}].path", inner.at),
                    format!(
                        "{inner_path} is inside {outer_path}, whose protection covers all that is in it (spec.fields[{}])",
                        outer.at
                    ),
                    format!("remove one of the two, or keep {outer_path}: the inner one then overrides it"),
                );
            } else if !outer.rules.clean.is_empty() {
                notes.refuse(
                    code::CLEAN_IMPOSSIBLE,
                    format!("spec.fields[{}].clean", outer.at),
                    format!("{inner_path} is inside {outer_path}, so that is no single value and can't be cleaned"),
                    "clean the fields inside it",
                );
            }
        }
    }
}
