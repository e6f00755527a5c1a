//! The separation of persons from figures: what `Analytics` and `Public` may not see in clear.
//!
//! A field that holds an identifier of the subject (its id, an alias) is a direct identifier under
//! every category. So is the event's id, which these audiences receive as a pseudonym.

use lethe_crds::profile_pipeline::{Audience, Meta, TimePrecision, Undeclared};

use super::{
    EventRules, GeneralizeRules, Pointer, ProtectRules, SinkRules, SinkTarget,
    categories::{Nature, nature},
    fields::Declared,
    mistake::{Notes, code},
    schema::Types,
};

/// If a mask or a prefix leaves more characters than this, an identifier can often be guessed.
const MANY_CHARACTERS: usize = 6;

/// How much of a value a protection shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// All of it.
    Clear,
    /// All except what detection finds.
    Searched,
    /// Enough to guess an identifier.
    Much,
    /// The same replacement for every audience.
    Hash,
    /// Little or nothing.
    Little,
}

fn shown(protect: &ProtectRules) -> Shown {
    match protect {
        ProtectRules::Keep
        | ProtectRules::Generalize(GeneralizeRules::Ip { v4: 32, .. } | GeneralizeRules::Ip { v6: 128, .. }) => {
            Shown::Clear
        }
        ProtectRules::RedactDetected(_) => Shown::Searched,
        ProtectRules::Mask { keep_first, keep_last } if keep_first + keep_last > MANY_CHARACTERS => Shown::Much,
        ProtectRules::Generalize(GeneralizeRules::Prefix(length)) if *length > MANY_CHARACTERS => Shown::Much,
        ProtectRules::Hash => Shown::Hash,
        ProtectRules::Mask { .. }
        | ProtectRules::Generalize(_)
        | ProtectRules::Drop
        | ProtectRules::Redact(_)
        | ProtectRules::Encrypt { .. }
        | ProtectRules::Pseudonymize { .. } => Shown::Little,
    }
}

/// Returns whether an audience must not see persons.
pub(super) const fn is_separate(audience: Audience) -> bool {
    match audience {
        Audience::Analytics | Audience::Public => true,
        Audience::Identity | Audience::Operational => false,
    }
}

/// Checks that everything a separate sink would receive is fit for it. `types` are those of the
/// fields, by the schema, in their order.
pub(super) fn check(
    fields: &[Declared],
    types: &[Types],
    event: Option<&EventRules>,
    sinks: &[SinkRules],
    notes: &mut Notes,
) {
    for sink in sinks.iter().filter(|sink| is_separate(sink.audience)) {
        for &index in &sink.fields {
            check_field(index, fields, types, event, sink, notes);
        }
    }
}

fn check_field(
    index: usize,
    fields: &[Declared],
    types: &[Types],
    event: Option<&EventRules>,
    sink: &SinkRules,
    notes: &mut Notes,
) {
    let field = &fields[index];
    let at = format!("spec.fields[{}].protect", field.at);
    let (path, category) = (&field.rules.path, &field.rules.category);
    let reader = format!("the {:?} sink {}", sink.audience, sink.name);
    let identifier = event.and_then(|event| identifier_in(index, fields, event));
    let nature = nature(category);
    let what = match &identifier {
        Some(what) => format!("{path}, which holds {what},"),
        None => format!("{path} ({category})"),
    };
    let direct = identifier.is_some() || nature == Nature::Direct;
    let leave_out = "or leave it out of that sink by its list of fields";
    match shown(&field.rules.protect) {
        Shown::Clear if direct => notes.refuse(
            code::CLEAR_IDENTIFIER,
            at,
            format!("{what} would reach {reader} in clear, and it identifies a person"),
            format!("encrypt, mask or pseudonymize it, {leave_out}"),
        ),
        Shown::Searched if direct => notes.refuse(
            code::CLEAR_IDENTIFIER,
            at,
            format!("{what} would reach {reader} in clear wherever detection doesn't recognise it, and it identifies a person"),
            format!("encrypt, mask or pseudonymize it, {leave_out}"),
        ),
        Shown::Clear if nature == Nature::FreeText => notes.refuse(
            code::CLEAR_TEXT,
            at,
            format!("{what} would reach {reader} in clear, and anything may stand in a free text"),
            format!("encrypt or redact it, or use redactDetected, {leave_out}"),
        ),
        Shown::Clear => {
            if nature == Nature::Sensitive {
                notes.warn(
                    code::SENSITIVE_CLEAR,
                    at.clone(),
                    format!("{what} reaches {reader} in clear; the law protects such data most"),
                    format!("encrypt or generalize it, {leave_out}"),
                );
            }
            if types[index].containers_only() {
                notes.warn(
                    code::OPEN_SUBTREE,
                    at,
                    format!("all that is in {path} reaches {reader} in clear, and also what will be added to it"),
                    "declare the members that are meant one by one",
                );
            }
        }
        Shown::Searched => notes.warn(
            code::DETECTION_NO_GUARANTEE,
            at,
            format!("{what} reaches {reader} with what detection finds redacted; it finds patterns such as card numbers, no names"),
            format!("encrypt or redact it whole if persons may be named in it, {leave_out}"),
        ),
        Shown::Much if direct => notes.warn(
            code::WEAK_PROTECTION,
            at,
            format!("so many characters of {what} stay that {reader} may guess the rest"),
            format!("leave at most {MANY_CHARACTERS} characters"),
        ),
        Shown::Hash if direct => notes.warn(
            code::HASH_JOINS,
            at,
            format!("the hash of {what} is the same for every audience, so {reader} can be joined with the others by it"),
            "use pseudonymize, which differs from audience to audience",
        ),
        Shown::Much | Shown::Hash | Shown::Little => {}
    }
}

/// Returns which of the event's own identifiers a field holds: those at its path or inside it,
/// unless another declared field is in between.
fn identifier_in(index: usize, fields: &[Declared], event: &EventRules) -> Option<String> {
    let decides = |place: &Pointer| innermost(fields, place) == Some(index);
    if decides(&event.subject) {
        return Some("the subject's id".to_owned());
    }
    if let Some(alias) = event.aliases.iter().find(|alias| decides(&alias.path)) {
        return Some(format!("the subject's alias {}", alias.name));
    }
    if event.id.as_ref().is_some_and(decides) {
        return Some("the event's id".to_owned());
    }
    None
}

/// Returns the field that decides about a place: the innermost around it.
fn innermost(fields: &[Declared], place: &Pointer) -> Option<usize> {
    let around = fields.iter().enumerate().filter(|(_, field)| field.rules.path.covers(place));
    around.max_by_key(|(_, field)| field.rules.path.segments.len()).map(|(index, _)| index)
}

/// Warns of each separate sink that gets exact times of events, if a sink of another audience gets
/// them, too.
pub(super) fn check_times(
    fields: &[Declared],
    event: Option<&EventRules>,
    from_files: bool,
    sinks: &[(usize, SinkRules)],
    notes: &mut Notes,
) {
    let Some(event) = event else { return };
    // All events of a file without times have the same one.
    if from_files && event.time.is_none() {
        return;
    }
    let in_clear = |sink: &SinkRules, time: &Pointer| match innermost(fields, time) {
        Some(index) => fields[index].rules.protect == ProtectRules::Keep && sink.fields.contains(&index),
        None => matches!(sink.undeclared, Undeclared::Keep | Undeclared::Detect),
    };
    let gets = |sink: &SinkRules| writes_times(sink) || event.time.as_ref().is_some_and(|time| in_clear(sink, time));
    let exact: Vec<_> = sinks.iter().filter(|(_, sink)| gets(sink)).collect();
    for (i, sink) in exact.iter().filter(|(_, sink)| is_separate(sink.audience)) {
        if let Some((_, other)) = exact.iter().find(|(_, other)| other.audience != sink.audience) {
            notes.warn(
                code::TIME_JOINS,
                format!("spec.sinks[{i}].timePrecision"),
                format!(
                    "the {:?} sink {} gets the exact times of events, as does {} ({:?}), so the two can be joined by them",
                    sink.audience, sink.name, other.name, other.audience
                ),
                "set timePrecision to Minute, Hour or Day, and leave out the version and the field that holds the time",
            );
        }
    }
}

/// Returns whether Lethe itself writes the exact times of events to a sink: as such, or in a column
/// of the version.
fn writes_times(sink: &SinkRules) -> bool {
    let exact = sink.time_precision == TimePrecision::Exact;
    match &sink.target {
        SinkTarget::Cassandra(table) => table.columns.iter().any(|column| match column.meta {
            Some(Meta::Version) => true,
            Some(Meta::EventTime) => exact,
            Some(Meta::SubjectRef | Meta::EventId) | None => false,
        }),
        SinkTarget::Mongodb(_) | SinkTarget::Kafka(_) | SinkTarget::Embedded { .. } | SinkTarget::File { .. } => exact,
    }
}

/// Undeclared data may be anything.
pub(super) fn undeclared(undeclared: Undeclared, sinks: &[SinkRules], notes: &mut Notes) {
    let separate: Vec<&SinkRules> = sinks.iter().filter(|sink| is_separate(sink.audience)).collect();
    let names = |sinks: &[&SinkRules]| sinks.iter().map(|sink| sink.name.as_str()).collect::<Vec<_>>().join(", ");
    match undeclared {
        // Refused even if each such sink lists its fields: too much would depend on that list.
        Undeclared::Keep if !separate.is_empty() => notes.refuse(
            code::UNDECLARED_KEPT,
            "spec.event.undeclared",
            format!("undeclared data is kept, it may be anything, and {} may see no person in clear", names(&separate)),
            "set undeclared: Drop and declare the fields that are meant, or move that sink to a pipeline of its own",
        ),
        Undeclared::Detect => {
            let reached: Vec<&SinkRules> =
                separate.into_iter().filter(|sink| sink.undeclared == Undeclared::Detect).collect();
            if !reached.is_empty() {
                notes.warn(
                    code::UNDECLARED_DETECTED,
                    "spec.event.undeclared",
                    format!(
                        "undeclared data reaches {} with what detection finds redacted; it finds patterns such as card numbers, no names",
                        names(&reached)
                    ),
                    "set undeclared: Drop, or list the fields of that sink",
                );
            }
        }
        Undeclared::Keep | Undeclared::Drop | Undeclared::Reject => {}
    }
}
