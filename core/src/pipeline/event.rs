//! Checks of the event: its id, time and subject, and what declares a deletion or consent.

use std::str::FromStr;

use lethe_crds::profile_pipeline::{Canonical, Consent, Event, ProfilePipelineSpec, Undeclared};
use serde_json::Value;

use super::{
    AliasRules, ConsentRules, EventRules, Pointer,
    mistake::{Notes, code},
    paths::single,
    schema::View,
    shapes,
};

/// Default of how far an event's time may be ahead: 10 minutes, in milliseconds.
const DEFAULT_MAX_AHEAD: i64 = 600_000;
/// Smaller numbers are seconds since 1970, others milliseconds.
const FIRST_MILLISECOND: f64 = 100_000_000_000.0;

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
        check_precision(time, view, notes);
    }
    let canonical = event.subject.canonical.unwrap_or(Canonical::Exact);
    check_canonical("spec.event.subject.canonical", canonical, region, notes);
    let aliases = check_aliases(event, region, view.as_ref(), notes);
    let (delete_tombstone, delete_when) = check_delete(event, view.as_ref(), from_file, notes);
    Some(EventRules {
        id,
        time,
        max_ahead: event.max_ahead.as_ref().map_or(DEFAULT_MAX_AHEAD, lethe_crds::Duration::millis),
        sequence,
        space: event.subject.space.clone(),
        subject: subject?,
        canonical,
        aliases,
        schema: schema.cloned(),
        undeclared: event.undeclared.unwrap_or(Undeclared::Drop),
        delete_tombstone,
        delete_when,
    })
}

/// Warns only if the schema leaves no doubt: a number too small for milliseconds, or a date without
/// a time.
fn check_precision(time: &Pointer, view: &View<'_>, notes: &mut Notes) {
    let seconds = view.says(time, |schema| {
        schema.get("maximum").and_then(Value::as_f64).is_some_and(|most| most < FIRST_MILLISECOND)
    });
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

fn check_delete(
    event: &Event,
    view: Option<&View<'_>>,
    from_file: bool,
    notes: &mut Notes,
) -> (bool, Option<(Pointer, String)>) {
    let Some(delete) = &event.delete else { return (false, None) };
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
    let when = delete.when.as_ref().and_then(|when| {
        let at = "spec.event.delete.when.path";
        let path = single(at, &when.path, "what means a deletion", notes)?;
        shapes::place(at, &path, view, notes);
        Some((path, when.equals.clone()))
    });
    (tombstone, when)
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
