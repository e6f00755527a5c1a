//! Checks of the sinks: each by itself, and all of them against each other and against the source.

use lethe_crds::profile_pipeline::{Compression, Field, KafkaSink, Manage, Records, Sink, TimePrecision, Undeclared};

use super::{
    DeadLetterRules, DeadLetterTarget, Pointer, ProtectRules, RESERVED_IN_MONGODB, Segment, SinkRules, SinkTarget,
    SourceRules, columns,
    fields::Declared,
    mistake::{Notes, code},
    paths::path,
    places::Location,
    references::{exactly_one, store},
    schema::Types,
    surroundings::{StoreKind, Surroundings},
};
use crate::place::StoreRef;

/// Tables of an embedded store with this prefix are Lethe's own.
const OWN_PREFIX: &str = "lethe_";
/// Longest TTL that Cassandra takes: 20 years, in milliseconds.
const LONGEST_TTL: i64 = 630_720_000_000;

/// What sinks are checked against.
pub(super) struct Known<'a> {
    /// The fields as written. One with a mistake of its own is not reported as unknown, too.
    pub written: &'a [Field],
    /// The fields without a mistake.
    pub fields: &'a [Declared],
    /// Their types by the schema.
    pub types: &'a [Types],
    /// How undeclared data is handled.
    pub undeclared: Undeclared,
    /// The objects around.
    pub around: &'a dyn Surroundings,
}

/// Returns the rules of every sink whose target is valid.
pub(super) fn check(sinks: &[Sink], known: &Known<'_>, notes: &mut Notes) -> Vec<(usize, SinkRules)> {
    if sinks.is_empty() {
        notes.refuse(code::LIST_EMPTY, "spec.sinks", "events would go nowhere", "add a sink");
    }
    let mut rules = Vec::with_capacity(sinks.len());
    for (i, sink) in sinks.iter().enumerate() {
        let at = format!("spec.sinks[{i}]");
        if sinks[..i].iter().any(|earlier| earlier.name == sink.name) {
            let message = format!("an earlier sink is called {}, too", sink.name);
            notes.refuse(code::DUPLICATE_NAME, format!("{at}.name"), message, "give it a name of its own");
        }
        rules.extend(check_one(&at, sink, known, notes).map(|sink| (i, sink)));
    }
    check_unused(&rules, known, notes);
    rules
}

fn check_one(at: &str, sink: &Sink, known: &Known<'_>, notes: &mut Notes) -> Option<SinkRules> {
    let listed = sink.fields.as_ref().map(|list| check_list(at, list, known, notes));
    let in_list = |index: usize| listed.as_ref().is_none_or(|list| list.contains(&index));
    let members = [
        ("cassandra", sink.cassandra.is_some()),
        ("mongodb", sink.mongodb.is_some()),
        ("kafka", sink.kafka.is_some()),
        ("embedded", sink.embedded.is_some()),
        ("file", sink.file.is_some()),
    ];
    let member = exactly_one(at, &members, notes)?;
    let here = format!("{at}.{member}");
    check_age(at, member, sink, notes);
    let mut fields: Vec<usize> = (0..known.fields.len()).filter(|index| in_list(*index)).collect();
    let mut undeclared = if listed.is_some() { Undeclared::Drop } else { known.undeclared };
    // Rejecting concerns the whole event, no matter which fields a sink takes.
    if known.undeclared == Undeclared::Reject {
        undeclared = Undeclared::Reject;
    }
    let target = if let Some(cassandra) = &sink.cassandra {
        store(&here, &cassandra.store_ref, &[StoreKind::Cassandra], known.around, notes);
        columns::check(&here, cassandra, sink.records, known, in_list, notes);
        let taken: Vec<Pointer> =
            cassandra.columns.iter().filter_map(|column| column.path.as_deref()?.parse().ok()).collect();
        fields.retain(|index| taken.iter().any(|column| column.covers(&known.fields[*index].rules.path)));
        if undeclared != Undeclared::Reject {
            undeclared = Undeclared::Drop;
        }
        check_without_column(at, listed.as_deref(), &fields, known, notes);
        SinkTarget::Cassandra(cassandra.clone())
    } else if let Some(mongodb) = &sink.mongodb {
        store(&here, &mongodb.store_ref, &[StoreKind::Mongodb], known.around, notes);
        check_names(&sink.name, &fields, known, notes);
        SinkTarget::Mongodb(mongodb.clone())
    } else if let Some(kafka) = &sink.kafka {
        store(&here, &kafka.store_ref, &[StoreKind::Kafka], known.around, notes);
        check_topic(&here, kafka, notes);
        SinkTarget::Kafka(kafka.clone())
    } else if let Some(embedded) = &sink.embedded {
        let store = store(&here, &embedded.store_ref, &[StoreKind::Embedded], known.around, notes);
        if embedded.table.to_ascii_lowercase().starts_with(OWN_PREFIX) {
            let message = format!("tables that begin with {OWN_PREFIX} are Lethe's own");
            notes.refuse(code::RESERVED_TABLE, format!("{here}.table"), message, "give the table another name");
        }
        SinkTarget::Embedded { store, table: embedded.table.clone() }
    } else {
        let file = sink.file.as_ref()?;
        if sink.records == Records::Latest {
            notes.refuse(
                code::LATEST_IN_FILE,
                format!("{at}.records"),
                "a file only grows, so it can't hold the latest state of each subject",
                "set records: Append, or use another kind of sink",
            );
        }
        SinkTarget::File { path: file.path.clone(), compression: file.compression.unwrap_or(Compression::None) }
    };
    Some(SinkRules {
        name: sink.name.clone(),
        audience: sink.audience,
        records: sink.records,
        max_age: sink.max_age.as_ref().map(lethe_crds::Duration::millis),
        time_precision: sink.time_precision.unwrap_or(TimePrecision::Exact),
        fields,
        undeclared,
        target,
    })
}

/// Every listed path must be that of a declared field, once.
fn check_list(at: &str, list: &[String], known: &Known<'_>, notes: &mut Notes) -> Vec<usize> {
    let mut indices = Vec::with_capacity(list.len());
    for (i, text) in list.iter().enumerate() {
        let here = format!("{at}.fields[{i}]");
        if list[..i].contains(text) {
            notes.refuse(code::DUPLICATE_PATH, here, format!("{text} is listed twice"), "list it once");
            continue;
        }
        let Some(place) = path(&here, text, notes) else { continue };
        match known.fields.iter().position(|field| field.rules.path == place) {
            Some(index) => indices.push(index),
            None => columns::unknown_field(&here, &place, known, notes),
        }
    }
    indices
}

fn check_age(at: &str, member: &str, sink: &Sink, notes: &mut Notes) {
    let Some(age) = &sink.max_age else { return };
    let here = format!("{at}.maxAge");
    if age.millis() <= 0 {
        notes.refuse(
            code::OUT_OF_RANGE,
            here,
            "records would expire before they are written",
            "write a length such as 365d",
        );
    } else if let Some(precision) = sink.time_precision.filter(|precision| precision.millis() > age.millis()) {
        notes.refuse(
            code::OUT_OF_RANGE,
            here,
            format!("a record's age counts from its time, which is rounded down to the {precision:?}, so it could expire before it is written"),
            "write a longer maxAge, or a finer timePrecision",
        );
    } else if member == "kafka" || member == "file" {
        let (what, fix) = if member == "kafka" {
            ("topic", "remove it, and set the topic's age by a RetentionPolicy")
        } else {
            ("file", "remove it, and delete files when they are old")
        };
        let message = format!("a {what} can't drop single records when they are older than {age}");
        notes.refuse(code::AGE_NOT_KEPT, here, message, fix);
    } else if member == "cassandra" && age.millis() > LONGEST_TTL {
        notes.refuse(
            code::AGE_NOT_KEPT,
            here,
            format!("Cassandra keeps no time to live of {age}"),
            "write at most 7300d",
        );
    }
}

/// The top of a MongoDB document has names of its own, and a server reads `$` as an operator.
fn check_names(sink: &str, fields: &[usize], known: &Known<'_>, notes: &mut Notes) {
    for field in fields.iter().map(|index| &known.fields[*index]) {
        let Some(Segment::Key(name)) = field.rules.path.segments.first() else { continue };
        let what = if RESERVED_IN_MONGODB.contains(&name.as_str()) {
            "a name that Lethe or MongoDB itself writes in"
        } else if name.starts_with('$') {
            "an operator, and no name, in"
        } else {
            continue;
        };
        if field.rules.protect != ProtectRules::Drop {
            notes.refuse(
                code::RESERVED_NAME,
                format!("spec.fields[{}].path", field.at),
                format!("{name} is {what} the documents of the sink {sink}"),
                "leave it out of that sink's fields, or drop it",
            );
        }
    }
}

fn check_topic(at: &str, kafka: &KafkaSink, notes: &mut Notes) {
    let made = kafka.manage == Some(Manage::Create);
    for (name, number, most) in
        [("partitions", kafka.partitions, i32::MAX), ("replication", kafka.replication, i32::from(i16::MAX))]
    {
        let Some(number) = number else { continue };
        super::protection::within(&format!("{at}.{name}"), number, 1, most, notes);
        if !made {
            notes.warn(
                code::SETTING_IDLE,
                format!("{at}.{name}"),
                format!("{name} are given, but Lethe doesn't make the topic"),
                "set manage: Create, or remove it",
            );
        }
    }
}

fn check_without_column(at: &str, listed: Option<&[usize]>, taken: &[usize], known: &Known<'_>, notes: &mut Notes) {
    for index in listed.unwrap_or_default().iter().filter(|index| !taken.contains(index)) {
        notes.warn(
            code::FIELD_UNUSED,
            format!("{at}.fields"),
            format!("no column takes {}", known.fields[*index].rules.path),
            "add a column for it, or remove it from the list",
        );
    }
}

fn check_unused(sinks: &[(usize, SinkRules)], known: &Known<'_>, notes: &mut Notes) {
    for (index, field) in known.fields.iter().enumerate() {
        let dropped = field.rules.protect == ProtectRules::Drop;
        if !dropped && !sinks.is_empty() && !sinks.iter().any(|(_, sink)| sink.fields.contains(&index)) {
            notes.warn(
                code::FIELD_UNUSED,
                format!("spec.fields[{}]", field.at),
                format!("no sink takes {}", field.rules.path),
                "add it to a sink, or protect it by drop",
            );
        }
    }
}

/// Returns where a sink writes, in one spelling: two sinks write to the same place exactly if these
/// are equal.
fn location(target: &SinkTarget) -> Location {
    let (store, object) = target.location();
    let object = match target {
        // SQLite ignores the case of names.
        SinkTarget::Embedded { .. } => object.to_ascii_lowercase(),
        SinkTarget::File { .. } => plain(&object),
        SinkTarget::Cassandra(_) | SinkTarget::Mongodb(_) | SinkTarget::Kafka(_) => object,
    };
    (store, object)
}

/// Returns a file's path without `./` and doubled slashes.
fn plain(path: &str) -> String {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, steps.join("/"))
}

/// Refuses two writers of one place, and a writer of the source.
pub(super) fn check_places(
    sinks: &[(usize, SinkRules)],
    dead_letter: Option<&DeadLetterRules>,
    source: Option<&SourceRules>,
    notes: &mut Notes,
) {
    let mut writers: Vec<(String, String, Location)> = Vec::new();
    for (i, sink) in sinks {
        let member = match &sink.target {
            SinkTarget::Cassandra(_) => "cassandra.table",
            SinkTarget::Mongodb(_) => "mongodb.collection",
            SinkTarget::Kafka(_) => "kafka.topic",
            SinkTarget::Embedded { .. } => "embedded.table",
            SinkTarget::File { .. } => "file.path",
        };
        writers.push((format!("spec.sinks[{i}].{member}"), format!("the sink {}", sink.name), location(&sink.target)));
    }
    // No sink can write to the table that an embedded store keeps dead letters in: its name is
    // reserved.
    if let Some(target @ DeadLetterTarget::Kafka(_)) = dead_letter.map(|letters| &letters.target) {
        writers.push(("spec.deadLetter.kafka.topic".to_owned(), "the dead letter".to_owned(), target.location()));
    }
    for (i, (at, writer, place)) in writers.iter().enumerate() {
        if let Some((_, first, _)) = writers[..i].iter().find(|(_, _, earlier)| earlier == place) {
            let message = format!("{writer} writes to the same place as {first}");
            notes.refuse(code::SAME_PLACE, at, message, "give it a place of its own");
        }
        if source.is_some_and(|source| reads(source, place)) {
            let message =
                format!("{writer} writes to what this pipeline reads, so it would read its own records again");
            notes.refuse(code::OWN_SOURCE, at, message, "write to another place");
        }
    }
}

fn reads(source: &SourceRules, (store, object): &Location) -> bool {
    match (source, store) {
        (SourceRules::Kafka { store: from, topic, .. }, StoreRef::DataStore(name)) => from == name && topic == object,
        (SourceRules::File { path, .. }, StoreRef::File) => glob_matches(&plain(path), object),
        (SourceRules::Kafka { .. }, StoreRef::File) | (SourceRules::File { .. }, StoreRef::DataStore(_)) => false,
    }
}

/// Returns whether a path, perhaps with `*`, `**` and `?`, matches a file.
fn glob_matches(glob: &str, file: &str) -> bool {
    let pattern = regex::escape(glob)
        .replace(r"\*\*/", "(?:.*/)?")
        .replace(r"\*\*", ".*")
        .replace(r"\*", "[^/]*")
        .replace(r"\?", "[^/]");
    regex::Regex::new(&format!("^{pattern}$")).is_ok_and(|pattern| pattern.is_match(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_what_a_shell_would_match() {
        assert!(glob_matches("data/*.ndjson", "data/a.ndjson"));
        assert!(glob_matches("data/**/a.ndjson", "data/x/y/a.ndjson"));
        assert!(glob_matches("data/a.ndjson", "data/a.ndjson"));
        assert!(!glob_matches("data/*.ndjson", "data/x/a.ndjson"));
        assert!(!glob_matches("data/a.ndjson", "data/aXndjson"));
    }
}
