//! Checks of a Cassandra table: its rows can be found by subject, replaying an event writes the
//! same row, and each column can hold its value.
//!
//! The partition key is the subject's reference alone: a `DELETE` by subject names a whole
//! partition key, so any further column would have to be guessed. Key columns are filled with what
//! Lethe knows of the event, never with fields: a field can be absent, and its form can change with
//! the plan. Both would make another row of the same event.

use lethe_crds::profile_pipeline::{CassandraColumn, CassandraSink, Clean, CqlType, Meta, Records};

use super::{
    FieldRules, Pointer, ProtectRules, Segment,
    fields::Declared,
    mistake::{Notes, code},
    paths::path,
    protection::Cleaned,
    references::exactly_one,
    schema::Types,
    sinks::Known,
};

/// Checks the table's columns and keys.
pub(super) fn check(
    at: &str,
    sink: &CassandraSink,
    records: Records,
    known: &Known<'_>,
    listed: impl Fn(usize) -> bool,
    notes: &mut Notes,
) {
    for (i, column) in sink.columns.iter().enumerate() {
        let here = format!("{at}.columns[{i}]");
        if sink.columns[..i].iter().any(|earlier| earlier.name == column.name) {
            let message = format!("an earlier column is called {}, too", column.name);
            notes.refuse(code::DUPLICATE_NAME, format!("{here}.name"), message, "give it a name of its own");
        }
        check_column(&here, column, known, &listed, notes);
    }
    check_keys(at, sink, records, notes);
}

fn check_column(
    at: &str,
    column: &CassandraColumn,
    known: &Known<'_>,
    listed: &impl Fn(usize) -> bool,
    notes: &mut Notes,
) {
    let members = [("path", column.path.is_some()), ("meta", column.meta.is_some())];
    if exactly_one(at, &members, notes).is_none() {
        return;
    }
    if let Some(meta) = column.meta {
        let wanted = match meta {
            Meta::SubjectRef | Meta::EventId => CqlType::Text,
            Meta::EventTime => CqlType::Timestamp,
            Meta::Version => CqlType::Bigint,
        };
        if column.cql_type != wanted {
            wrong_type(at, column, &format!("{meta:?} is {}", cql(wanted)), &[wanted], notes);
        }
        return;
    }
    let Some(text) = &column.path else { return };
    let at_path = format!("{at}.path");
    let Some(place) = path(&at_path, text, notes) else { return };
    if place.segments.contains(&Segment::Each) {
        notes.refuse(
            code::PATH_NEEDS_ONE_VALUE,
            at_path,
            format!("{text} means every element of an array, and a column holds one value"),
            "declare the array itself as kept (what is declared inside it stays protected), and name that",
        );
        return;
    }
    let Some(index) = known.fields.iter().position(|field| field.rules.path == place) else {
        unknown_field(&at_path, &place, known, notes);
        return;
    };
    if !listed(index) {
        notes.refuse(
            code::UNKNOWN_FIELD,
            at_path,
            format!("{place} is not in this sink's list of fields"),
            "add it there, or leave the list out",
        );
        return;
    }
    check_type(at, column, &known.fields[index], known.types[index], notes);
}

/// Reports a path that no field declares. A field with a mistake of its own counts as declared.
pub(super) fn unknown_field(at: &str, place: &Pointer, known: &Known<'_>, notes: &mut Notes) {
    if known.written.iter().any(|field| field.path.parse().is_ok_and(|path: Pointer| path == *place)) {
        return;
    }
    let names: Vec<String> = known.fields.iter().map(|field| field.rules.path.to_string()).collect();
    let text = place.to_string();
    let hint = super::suggest::did_you_mean(&text, names.iter().map(String::as_str));
    notes.refuse(
        code::UNKNOWN_FIELD,
        at,
        format!("no field declares {text}{hint}"),
        "name a path of spec.fields, or declare it there",
    );
}

fn check_type(at: &str, column: &CassandraColumn, field: &Declared, types: Types, notes: &mut Notes) {
    let path = &field.rules.path;
    let (why, fitting): (String, &[CqlType]) = match &field.rules.protect {
        ProtectRules::Drop => {
            notes.refuse(
                code::COLUMN_TYPE,
                format!("{at}.path"),
                format!("{path} is dropped, so the column would always be empty"),
                "remove the column, or protect the field in another way",
            );
            return;
        }
        ProtectRules::Keep => match kept(&field.rules, field.cleaned, types) {
            Some(kept) => kept,
            None => return,
        },
        ProtectRules::Encrypt { .. } => (format!("{path} is sealed, which is text"), &[CqlType::Text]),
        ProtectRules::Redact(_)
        | ProtectRules::Mask { .. }
        | ProtectRules::Hash
        | ProtectRules::Generalize(_)
        | ProtectRules::Pseudonymize { .. }
        | ProtectRules::RedactDetected(_) => (format!("what protection makes of {path} is text"), &[CqlType::Text]),
    };
    if !fitting.contains(&column.cql_type) {
        wrong_type(at, column, &why, fitting, notes);
    }
}

/// Returns what a kept field holds, and the types that fit; `None` if nothing is known about it.
fn kept(rules: &FieldRules, cleaned: Cleaned, types: Types) -> Option<(String, &'static [CqlType])> {
    use CqlType::{Bigint, Boolean, Date, Decimal, Double, Inet, Int, Text, Timestamp, Uuid};
    let path = &rules.path;
    match cleaned {
        Cleaned::Contact(Clean::Email) => return Some((format!("{path} is an e-mail address"), &[Text])),
        Cleaned::Contact(_) => return Some((format!("{path} is a phone number, written with a +"), &[Text])),
        Cleaned::Time => return Some((format!("{path} is a time"), &[Timestamp, Date, Text])),
        Cleaned::Number => return Some((format!("{path} is a number"), &[Bigint, Int, Double, Decimal, Text])),
        Cleaned::Anything => {}
    }
    if types.unknown() {
        return None;
    }
    let several = [types.text(), types.number(), types.boolean(), types.object() || types.array()];
    if several.iter().filter(|one| **one).count() != 1 {
        let mixed = several.iter().any(|one| *one);
        return mixed.then(|| (format!("{path} holds values of several types"), &[Text] as &[CqlType]));
    }
    Some(if types.text() {
        (format!("by the schema {path} is a text"), &[Text, Timestamp, Date, Inet, Uuid])
    } else if types.fraction() {
        (format!("by the schema {path} is a number with a fraction"), &[Double, Decimal, Text])
    } else if types.number() {
        (format!("by the schema {path} is an integer"), &[Bigint, Int, Double, Decimal, Text])
    } else if types.boolean() {
        (format!("by the schema {path} is true or false"), &[Boolean, Text])
    } else {
        (format!("by the schema {path} is an object or an array, which is written as JSON"), &[Text])
    })
}

fn cql(cql_type: CqlType) -> String {
    format!("{cql_type:?}").to_lowercase()
}

fn wrong_type(at: &str, column: &CassandraColumn, why: &str, fitting: &[CqlType], notes: &mut Notes) {
    let fitting: Vec<String> = fitting.iter().map(|one| cql(*one)).collect();
    notes.refuse(
        code::COLUMN_TYPE,
        format!("{at}.type"),
        format!("{why}; a column of type {} can't hold it", cql(column.cql_type)),
        format!("make the column {}", fitting.join(" or ")),
    );
}

fn check_keys(at: &str, sink: &CassandraSink, records: Records, notes: &mut Notes) {
    let clustering = sink.clustering_key.as_deref().unwrap_or_default();
    let Some(subject) = sink.columns.iter().find(|column| column.meta == Some(Meta::SubjectRef)) else {
        notes.refuse(
            code::NO_SUBJECT_COLUMN,
            format!("{at}.columns"),
            "no column holds the subject's reference, so the rows of a person could never be found and erased",
            "add {name: subject_ref, type: text, meta: SubjectRef}, and make it the partition key",
        );
        return;
    };
    if sink.partition_key != [subject.name.clone()] {
        notes.refuse(
            code::KEY_NOT_SUBJECT,
            format!("{at}.partitionKey"),
            format!("the rows of a person can be found only if the partition key is the column {} alone", subject.name),
            format!("set partitionKey: [{}], and order rows by the clustering key", subject.name),
        );
    }
    let mut has_event_id = false;
    for (i, name) in clustering.iter().enumerate() {
        let here = format!("{at}.clusteringKey[{i}]");
        if sink.partition_key.contains(name) || clustering[..i].contains(name) {
            let message = format!("{name} is part of the key already");
            notes.refuse(code::KEY_COLUMN, here, message, "name each key column once");
            continue;
        }
        let column = sink.columns.iter().find(|column| column.name == *name);
        match column.map(|column| column.meta) {
            Some(Some(Meta::EventId)) => has_event_id = true,
            Some(Some(Meta::EventTime | Meta::SubjectRef)) => {}
            Some(Some(Meta::Version)) => notes.refuse(
                code::KEY_COLUMN,
                here,
                format!("{name} holds the version, which a retention rewrite raises: it would make a second row"),
                "use a column with meta EventTime",
            ),
            Some(None) => notes.refuse(
                code::KEY_COLUMN,
                here,
                format!("{name} holds a field, which may be absent, and whose form may change with the plan"),
                "make keys of columns with meta EventTime and EventId only",
            ),
            None => notes.refuse(
                code::KEY_COLUMN,
                here,
                format!("there is no column {name}"),
                "name a column of this table",
            ),
        }
    }
    match records {
        Records::Latest if !clustering.is_empty() => notes.refuse(
            code::KEY_NOT_SUBJECT,
            format!("{at}.clusteringKey"),
            "with a clustering key there are several rows of a subject, and records: Latest means one",
            "remove it, or set records: Append",
        ),
        Records::Append if !has_event_id => notes.refuse(
            code::KEY_LACKS_EVENT_ID,
            format!("{at}.clusteringKey"),
            "the key lacks the event's id, so events of a subject would overwrite each other",
            "add a column with meta EventId to the clustering key, after EventTime if rows are to be in order",
        ),
        Records::Latest | Records::Append => {}
    }
}
