//! Checks that the objects which a pipeline refers to exist and are of the right kind, and that
//! unions hold exactly one member.

use lethe_crds::{load::KEYS_SECRET_TYPE, profile_pipeline::Keys, reference::StoreRef};

use super::{
    mistake::{Notes, code},
    suggest::did_you_mean,
    surroundings::{SecretSight, StoreKind, Surroundings},
};

/// Returns the name of the only member of a union. Otherwise reports a mistake, so that an empty
/// union never counts as its mildest member.
pub(super) fn exactly_one(at: &str, members: &[(&'static str, bool)], notes: &mut Notes) -> Option<&'static str> {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let there: Vec<&'static str> = members.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    match there.as_slice() {
        [one] => return Some(one),
        [] => notes.refuse(
            code::UNION_EMPTY,
            at,
            format!("exactly one of {} is needed, and none is given", names.join(", ")),
            "add one of them",
        ),
        several => notes.refuse(
            code::UNION_AMBIGUOUS,
            at,
            format!("{} are given, but exactly one of {} is needed", several.join(" and "), names.join(", ")),
            "keep one of them",
        ),
    }
    None
}

/// A DataStore must exist and be of one of these kinds.
pub(super) fn store(
    at: &str,
    reference: &StoreRef,
    kinds: &[StoreKind],
    around: &dyn Surroundings,
    notes: &mut Notes,
) -> String {
    let name = &reference.name;
    let at = format!("{at}.storeRef.name");
    match around.store_kind(name) {
        None => {
            let names = around.store_names();
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            notes.refuse(
                code::UNKNOWN_STORE,
                at,
                format!("there is no DataStore {name} in this namespace{hint}"),
                "name a DataStore that is there, or make this one",
            );
        }
        Some(kind) if !kinds.contains(&kind) => {
            let wanted: Vec<String> = kinds.iter().map(ToString::to_string).collect();
            notes.refuse(
                code::WRONG_STORE_KIND,
                at,
                format!("the DataStore {name} is {kind}, and what is declared here needs {}", wanted.join(", ")),
                "name a DataStore of that kind",
            );
        }
        Some(_) => {}
    }
    name.clone()
}

/// The keys Secret must be of its type, and the subjects' keys need a store that can update a row
/// on a condition.
pub(super) fn keys(keys: &Keys, around: &dyn Surroundings, notes: &mut Notes) {
    let name = &keys.secret_ref.name;
    let at = "spec.keys.secretRef.name";
    let fix = format!("make it with `lethe-worker keys create {name}`");
    match around.secret(name) {
        SecretSight::OfType(kind) if kind == KEYS_SECRET_TYPE => {}
        SecretSight::OfType(kind) => notes.refuse(
            code::WRONG_SECRET_TYPE,
            at,
            format!("the Secret {name} is of type {kind}, and keys are read only from one of type {KEYS_SECRET_TYPE}"),
            fix,
        ),
        SecretSight::Absent => notes.refuse(code::UNKNOWN_SECRET, at, format!("there is no Secret {name}"), fix),
        SecretSight::NotVisible => notes.warn(
            code::SECRET_NOT_SEEN,
            at,
            format!(
                "the Secret {name} can't be seen from here; whether it is there and of type {KEYS_SECRET_TYPE} shows when the pipeline runs"
            ),
            fix,
        ),
    }
    let kinds = [StoreKind::Cassandra, StoreKind::Mongodb, StoreKind::Embedded];
    store("spec.keys", &keys.store_ref, &kinds, around, notes);
}
