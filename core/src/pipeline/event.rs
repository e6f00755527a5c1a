//! Checks of the event: its id, time and subject, and what declares a deletion or consent.

use std::str::FromStr;

use lethe_crds::profile_pipeline::{
    Canonical, Consent, Delete, Event, ProfilePipelineSpec, TimeUnit, Undeclared, ZeroTime,
};
use serde_json::Value;

use super::{
    AliasRules, ConsentRules, EventRules, Pointer, TombstoneKey,
    mistake::{Notes, code},
    paths::single,
    schema::View,
    shapes,
};
use crate::identity::CanonicalVersion;

/// Default of how far an event's time may be ahead: 10 minutes, in milliseconds.
const DEFAULT_MAX_AHEAD: i64 = 600_000;

/// Returns the rules of an event, if its subject can be found.
pub(super) fn check(
    event: &Event,
    region: Option<&str>,
    schema: Option<&Value>,
    from_file: bool,
    notes: &mut Notes,
) -> Option<EventRules> {
    let view = schema.map(View::new);
    let locate = |at: &str, text: &str, what: &str, notes: &mut Notes| {
        let pointer = single(at, text, what, notes)?;
        shapes::place(at, &pointer, view.as_ref(), notes);
        Some(pointer)
    };
    let optional =
        |at: &str, text: &Option<String>, what: &str, notes: &mut Notes| locate(at, text.as_deref()?, what, notes);
    let id = optional("spec.event.id", &event.id, "an event's id", notes);
    let time = optional("spec.event.time", &event.time, "an event's time", notes);
    let sequence = optional("spec.event.sequence", &event.sequence, "a sequence", notes);
    let subject = locate("spec.event.subject.id", &event.subject.id, "a subject's id", notes);
    if id.is_some() && id == subject {
        notes.refuse(
            code::ID_IS_SUBJECT,
            "spec.event.id",
            "the event's id is the subject's id, so every event of a subject would count as a repetition of its first",
            "name a member that differs from event to event, or leave event.id out",
        );
    }
    if sequence.is_none()
        && let (Some(time), Some(view)) = (&time, &view)
    {
        check_precision(time, event.time_unit, view, notes);
    }
    let canonical = event.subject.canonical.unwrap_or(Canonical::Exact);
    check_canonical("spec.event.subject.canonical", canonical, region, notes);
    let aliases = check_aliases(event, region, view.as_ref(), notes);
    if event.time_unit.is_some() && event.time.is_none() {
        notes.warn(
            code::SETTING_IDLE,
            "spec.event.timeUnit",
            "no time of an event is read, so it has no unit",
            "name where the time is as event.time, or leave timeUnit out",
        );
    }
    let delete_tombstone = check_tombstone(event, from_file, notes);
    let tombstone_key = tombstone_key(event.delete.as_ref(), notes);
    let when = event.delete.as_ref().and_then(|delete| delete.when.as_ref());
    let delete_when = when.and_then(|when| {
        let path = locate("spec.event.delete.when.path", &when.path, "what means a deletion", notes)?;
        Some((path, when.equals.clone()))
    });
    let deleted_subject = when
        .and_then(|when| locate("spec.event.delete.when.subject", when.subject.as_deref()?, "a subject's id", notes));
    Some(EventRules {
        id,
        time,
        time_unit: event.time_unit,
        zero_time: event.zero_time.unwrap_or(ZeroTime::Reject),
        max_ahead: event.max_ahead.as_ref().map_or(DEFAULT_MAX_AHEAD, lethe_crds::Duration::millis),
        sequence,
        space: event.subject.space.clone(),
        subject: subject?,
        canonical,
        canonical_version: CanonicalVersion::NEWEST,
        aliases,
        schema: schema.cloned(),
        undeclared: event.undeclared.unwrap_or(Undeclared::Drop),
        delete_tombstone,
        tombstone_key,
        delete_when,
        deleted_subject,
    })
}

/// Warns only if there is no doubt: an integer of seconds, or by the schema a date without a time.
fn check_precision(time: &Pointer, unit: Option<TimeUnit>, view: &View<'_>, notes: &mut Notes) {
    let whole = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("integer");
    let seconds = unit == Some(TimeUnit::Seconds) && view.says(time, whole);
    let days = view.says(time, |schema| schema.get("format").and_then(Value::as_str) == Some("date"));
    if seconds || days {
        let unit = if days { "days" } else { "seconds" };
        notes.warn(
            code::COARSE_TIME,
            "spec.event.time",
            format!("by the schema {time} holds whole {unit}, so the order of events within one is not known"),
            "name a member that counts events as event.sequence",
        );
    }
}

fn check_canonical(at: &str, canonical: Canonical, region: Option<&str>, notes: &mut Notes) {
    if canonical == Canonical::Phone && region.is_none() {
        notes.warn(
            code::NO_REGION,
            at,
            "without a defaultRegion, events whose phone number has no country code are rejected",
            "set spec.defaultRegion if such numbers occur",
        );
    }
}

fn check_aliases(event: &Event, region: Option<&str>, view: Option<&View<'_>>, notes: &mut Notes) -> Vec<AliasRules> {
    let aliases = event.subject.aliases.as_deref().unwrap_or_default();
    let mut rules = Vec::with_capacity(aliases.len());
    for (i, alias) in aliases.iter().enumerate() {
        let here = format!("spec.event.subject.aliases[{i}]");
        if aliases[..i].iter().any(|earlier| earlier.name == alias.name) {
            let message = format!("an earlier alias is called {}, too", alias.name);
            notes.refuse(code::DUPLICATE_NAME, format!("{here}.name"), message, "give it a name of its own");
        }
        let canonical = alias.canonical.unwrap_or(Canonical::Exact);
        check_canonical(&format!("{here}.canonical"), canonical, region, notes);
        let at = format!("{here}.path");
        if let Some(path) = single(&at, &alias.path, "an alias", notes) {
            shapes::place(&at, &path, view, notes);
            rules.push(AliasRules { name: alias.name.clone(), path, canonical });
        }
    }
    rules
}

/// Returns whether a tombstone deletes.
fn check_tombstone(event: &Event, from_file: bool, notes: &mut Notes) -> bool {
    let Some(delete) = &event.delete else { return false };
    let tombstone = delete.tombstone.unwrap_or(false);
    if !tombstone && delete.when.is_none() {
        notes.refuse(
            code::NEVER_TRUE,
            "spec.event.delete",
            "nothing is named that means a deletion",
            "set tombstone: true, or when, or leave delete out",
        );
    }
    if tombstone && from_file {
        notes.warn(
            code::SETTING_IDLE,
            "spec.event.delete.tombstone",
            "a file holds no tombstones, so this deletes nothing",
            "use delete.when for files",
        );
    }
    tombstone
}

fn tombstone_key(delete: Option<&Delete>, notes: &mut Notes) -> TombstoneKey {
    match delete.and_then(|delete| delete.key_path.as_deref()) {
        None => TombstoneKey::Text,
        Some("") => TombstoneKey::Json(None),
        Some(path) => TombstoneKey::Json(single("spec.event.delete.keyPath", path, "a subject's id", notes)),
    }
}

/// The consent of an event must be one value, and its granted texts must be possible.
pub(super) fn consent(consent: &Consent, schema: Option<&Value>, notes: &mut Notes) -> Option<ConsentRules> {
    if consent.from.granted.as_ref().is_some_and(Vec::is_empty) {
        notes.refuse(
            code::NEVER_TRUE,
            "spec.consent.from.granted",
            "no text counts as consent, so every event would be denied",
            "list the texts that do, or leave the list out: then true does",
        );
    }
    let at = "spec.consent.from.field";
    let path = single(at, &consent.from.field, "a consent", notes)?;
    shapes::place(at, &path, schema.map(View::new).as_ref(), notes);
    Some(ConsentRules { purpose: consent.purpose.clone(), path, granted: consent.from.granted.clone() })
}

/// The phone numbers of the region must be known.
pub(super) fn region(spec: &ProfilePipelineSpec, notes: &mut Notes) {
    let Some(region) = &spec.default_region else { return };
    if phonenumber::country::Id::from_str(region).is_err() {
        let upper = region.to_uppercase();
        let hint = if phonenumber::country::Id::from_str(&upper).is_ok() {
            format!("write {upper}")
        } else {
            "write an ISO 3166-1 code of two capital letters, such as CH".to_owned()
        };
        let message = format!("{region} is no region that phone numbers are known of");
        notes.refuse(code::UNKNOWN_REGION, "spec.defaultRegion", message, hint);
    }
}
