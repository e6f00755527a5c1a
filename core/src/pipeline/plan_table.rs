//! The plan as a table: what each sink receives of each piece of an event. For people, before they
//! apply a manifest, and as JSON for machines.
//!
//! JSON shape (stable; members are only added): `{"pipeline": "<namespace>.<name>", "sinks":
//! [{"name", "audience", "records"}], "lines": [{"topic", "path", "category"?, "clean": [..],
//! "protection", "fates": [one per sink]}]}`

use lethe_crds::profile_pipeline::{Audience, DatePrecision, Meta, Records, TimePrecision, Undeclared};
use serde::Serialize;

use super::{
    FieldRules, GeneralizeRules, Pipeline, Pointer, ProtectRules, RESERVED, SinkRules, SinkTarget, schema::View,
    separation,
};

/// What a sink receives of a piece of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// It can be read.
    Clear,
    /// Sealed with a key of the subject.
    Sealed,
    /// Characters are replaced.
    Masked,
    /// A pseudonym of the sink's audience.
    Pseudonym,
    /// A keyed hash, the same for every audience.
    Hashed,
    /// A fixed text.
    Redacted,
    /// Less precise.
    Generalized,
    /// Findings of detection are replaced.
    Searched,
    /// It goes to no sink.
    Dropped,
    /// It goes to other sinks.
    NotSent,
    /// An event that holds it goes to the dead letter.
    Rejected,
}

impl Fate {
    /// Returns it in words, for a cell of the table.
    pub const fn words(self) -> &'static str {
        match self {
            Fate::Clear => "clear",
            Fate::Sealed => "sealed",
            Fate::Masked => "masked",
            Fate::Pseudonym => "pseudonym",
            Fate::Hashed => "hashed",
            Fate::Redacted => "redacted",
            Fate::Generalized => "generalized",
            Fate::Searched => "searched",
            Fate::Dropped => "dropped",
            Fate::NotSent => "not sent",
            Fate::Rejected => "rejected",
        }
    }
}

/// What a line describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Topic {
    /// A member that Lethe itself writes.
    Meta,
    /// A declared field.
    Field,
    /// What the pipeline reads without declaring it as a field, such as the subject's id.
    Read,
    /// A property of the schema that nothing declares.
    SchemaProperty,
    /// Everything else.
    Undeclared,
}

/// A sink: a column of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanSink {
    /// Its name.
    pub name: String,
    /// Who reads it.
    pub audience: Audience,
    /// Latest state or every event.
    pub records: Records,
}

/// A piece of an event: a line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanLine {
    /// What it describes.
    pub topic: Topic,
    /// Its path; `*` for [`Topic::Undeclared`].
    pub path: String,
    /// Its data category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// How it is cleaned, in order.
    pub clean: Vec<String>,
    /// How it is protected, in words.
    pub protection: String,
    /// What each sink receives, in the order of the sinks.
    pub fates: Vec<Fate>,
}

/// The plan of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanTable {
    /// `<namespace>.<name>`.
    pub pipeline: String,
    /// The sinks.
    pub sinks: Vec<PlanSink>,
    /// The pieces of an event.
    pub lines: Vec<PlanLine>,
}

impl PlanTable {
    /// Returns the plan of a pipeline.
    pub fn new(pipeline: &Pipeline) -> Self {
        let mut lines = meta_lines(pipeline);
        lines.extend(pipeline.fields.iter().enumerate().map(|(index, field)| field_line(pipeline, index, field)));
        lines.extend(read_lines(pipeline));
        lines.extend(schema_lines(pipeline));
        lines.push(PlanLine {
            topic: Topic::Undeclared,
            path: "*".to_owned(),
            category: None,
            clean: Vec::new(),
            protection: format!("undeclared: {:?}", pipeline.event.undeclared),
            fates: undeclared_fates(pipeline),
        });
        let sinks = pipeline.sinks.iter();
        let sinks =
            sinks.map(|sink| PlanSink { name: sink.name.clone(), audience: sink.audience, records: sink.records });
        Self { pipeline: pipeline.id(), sinks: sinks.collect(), lines }
    }

    /// Returns the names of the columns: `path`, `category`, `clean`, `protection`, then one for
    /// each sink.
    pub fn headers(&self) -> Vec<String> {
        let fixed = ["path", "category", "clean", "protection"].map(str::to_owned);
        let sinks = self.sinks.iter().map(|sink| format!("{} ({:?})", sink.name, sink.audience));
        fixed.into_iter().chain(sinks).collect()
    }

    /// Returns the cells of each line, as many as there are headers.
    pub fn rows(&self) -> Vec<Vec<String>> {
        self.lines.iter().map(PlanLine::cells).collect()
    }
}

impl PlanLine {
    fn cells(&self) -> Vec<String> {
        let category = self.category.clone().unwrap_or_default();
        let fixed = [self.path.clone(), category, self.clean.join(", "), self.protection.clone()];
        fixed.into_iter().chain(self.fates.iter().map(|fate| fate.words().to_owned())).collect()
    }
}

fn meta_lines(pipeline: &Pipeline) -> Vec<PlanLine> {
    RESERVED
        .iter()
        .map(|name| {
            let (meta, protection) = match *name {
                "subject_ref" => (Meta::SubjectRef, "a reference, another for each audience"),
                "event_id" => (Meta::EventId, "a pseudonym for Analytics and Public"),
                _ => (Meta::EventTime, "as precise as timePrecision"),
            };
            PlanLine {
                topic: Topic::Meta,
                path: format!("/{name}"),
                category: None,
                clean: Vec::new(),
                protection: protection.to_owned(),
                fates: pipeline.sinks.iter().map(|sink| meta_fate(sink, meta)).collect(),
            }
        })
        .collect()
}

fn meta_fate(sink: &SinkRules, meta: Meta) -> Fate {
    if let SinkTarget::Cassandra(table) = &sink.target
        && !table.columns.iter().any(|column| column.meta == Some(meta))
    {
        return Fate::NotSent;
    }
    match meta {
        Meta::SubjectRef => Fate::Pseudonym,
        Meta::EventId if separation::is_separate(sink.audience) => Fate::Pseudonym,
        Meta::EventTime if sink.time_precision != TimePrecision::Exact => Fate::Generalized,
        Meta::EventId | Meta::EventTime | Meta::Version => Fate::Clear,
    }
}

fn field_line(pipeline: &Pipeline, index: usize, field: &FieldRules) -> PlanLine {
    let fate = match &field.protect {
        ProtectRules::Keep => Fate::Clear,
        ProtectRules::Drop => Fate::Dropped,
        ProtectRules::Redact(_) => Fate::Redacted,
        ProtectRules::Mask { .. } => Fate::Masked,
        ProtectRules::Hash => Fate::Hashed,
        ProtectRules::Encrypt { .. } => Fate::Sealed,
        ProtectRules::Generalize(_) => Fate::Generalized,
        ProtectRules::Pseudonymize { .. } => Fate::Pseudonym,
        ProtectRules::RedactDetected(_) => Fate::Searched,
    };
    let here = |sink: &SinkRules| {
        if fate == Fate::Dropped || sink.fields.contains(&index) { fate } else { Fate::NotSent }
    };
    PlanLine {
        topic: Topic::Field,
        path: field.path.to_string(),
        category: Some(field.category.clone()),
        clean: field.clean.iter().map(|step| format!("{step:?}")).collect(),
        protection: words(&field.protect),
        fates: pipeline.sinks.iter().map(here).collect(),
    }
}

fn words(protect: &ProtectRules) -> String {
    match protect {
        ProtectRules::Keep => "keep".to_owned(),
        ProtectRules::Drop => "drop".to_owned(),
        ProtectRules::Redact(text) => format!("redact: {text}"),
        ProtectRules::Mask { keep_first: 0, keep_last: 0 } => "mask all".to_owned(),
        ProtectRules::Mask { keep_first, keep_last: 0 } => format!("mask all but the first {keep_first}"),
        ProtectRules::Mask { keep_first: 0, keep_last } => format!("mask all but the last {keep_last}"),
        ProtectRules::Mask { keep_first, keep_last } => {
            format!("mask all but the first {keep_first} and the last {keep_last}")
        }
        ProtectRules::Hash => "hash".to_owned(),
        ProtectRules::Encrypt { class } => format!("encrypt, key {class}"),
        ProtectRules::Generalize(rules) => match rules {
            GeneralizeRules::Prefix(length) => format!("keep the first {length}"),
            GeneralizeRules::Buckets(bounds) => format!("{} ranges", bounds.len() + 1),
            GeneralizeRules::Date(DatePrecision::Month) => "keep the month".to_owned(),
            GeneralizeRules::Date(DatePrecision::Year) => "keep the year".to_owned(),
            GeneralizeRules::Ip { v4, v6 } => format!("keep the network: /{v4}, /{v6}"),
            GeneralizeRules::Map { values, .. } => format!("a table of {}", values.len()),
        },
        ProtectRules::Pseudonymize { space } => format!("pseudonymize in {space}"),
        ProtectRules::RedactDetected(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("{kind:?}")).collect();
            format!("redact {} found in it", kinds.join(", "))
        }
    }
}

/// Returns what the pipeline reads without declaring it as a field, each with its use.
fn read(pipeline: &Pipeline) -> Vec<(&Pointer, String)> {
    let event = &pipeline.event;
    let mut read = vec![(&event.subject, "the subject's id".to_owned())];
    read.extend(event.aliases.iter().map(|alias| (&alias.path, format!("the alias {}", alias.name))));
    read.extend(event.id.iter().map(|path| (path, "the event's id".to_owned())));
    read.extend(event.time.iter().map(|path| (path, "the event's time".to_owned())));
    read.extend(event.sequence.iter().map(|path| (path, "the sequence".to_owned())));
    read.extend(event.delete_when.iter().map(|(path, _)| (path, "what means a deletion".to_owned())));
    read.extend(event.deleted_subject.iter().map(|path| (path, "the id of a deleted subject".to_owned())));
    read.extend(pipeline.consent.iter().map(|consent| (&consent.path, "the consent".to_owned())));
    read.retain(|(path, _)| !pipeline.fields.iter().any(|field| field.path.covers(path)));
    read
}

fn read_lines(pipeline: &Pipeline) -> Vec<PlanLine> {
    let lines = read(pipeline).into_iter().map(|(path, what)| PlanLine {
        topic: Topic::Read,
        path: path.to_string(),
        category: None,
        clean: Vec::new(),
        protection: format!("read as {what}"),
        fates: vec![Fate::Dropped; pipeline.sinks.len()],
    });
    lines.collect()
}

/// Returns the topmost properties of the schema that no field declares and the pipeline does not
/// read.
fn schema_lines(pipeline: &Pipeline) -> Vec<PlanLine> {
    let Some(schema) = &pipeline.event.schema else { return Vec::new() };
    let mut declared: Vec<&Pointer> = pipeline.fields.iter().map(|field| &field.path).collect();
    declared.extend(read(pipeline).into_iter().map(|(path, _)| path));
    let places = View::new(schema).undeclared(&declared);
    let lines = places.into_iter().map(|place| PlanLine {
        topic: Topic::SchemaProperty,
        path: place.to_string(),
        category: None,
        clean: Vec::new(),
        protection: "not declared".to_owned(),
        fates: undeclared_fates(pipeline),
    });
    lines.collect()
}

fn undeclared_fates(pipeline: &Pipeline) -> Vec<Fate> {
    let fate = |sink: &SinkRules| match (pipeline.event.undeclared, sink.undeclared) {
        (Undeclared::Reject, _) | (_, Undeclared::Reject) => Fate::Rejected,
        (Undeclared::Drop, _) => Fate::Dropped,
        (_, Undeclared::Drop) => Fate::NotSent,
        (_, Undeclared::Detect) => Fate::Searched,
        (_, Undeclared::Keep) => Fate::Clear,
    };
    pipeline.sinks.iter().map(fate).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pipeline::tests::fixtures::{base, check, with};
    use serde_json::{Value, json};

    fn table(manifest: Value) -> PlanTable {
        PlanTable::new(&check(manifest).unwrap().pipeline)
    }

    fn fates(table: &PlanTable, path: &str) -> Vec<Fate> {
        table.lines.iter().find(|line| line.path == path).unwrap().fates.clone()
    }

    #[test]
    fn each_field_has_a_fate_in_each_sink() {
        let table = table(base());
        assert_eq!(fates(&table, "/email"), [Fate::Sealed, Fate::Sealed, Fate::NotSent]);
        assert_eq!(fates(&table, "/plan"), [Fate::Clear; 3]);
        assert_eq!(fates(&table, "/age"), [Fate::NotSent, Fate::Generalized, Fate::Generalized]);
    }

    #[test]
    fn separate_audiences_receive_event_ids_as_pseudonyms() {
        let table = table(base());
        assert_eq!(fates(&table, "/subject_ref"), [Fate::Pseudonym; 3]);
        assert_eq!(
            fates(&table, "/event_id"),
            [Fate::NotSent, Fate::Pseudonym, Fate::Pseudonym],
            "the table has no column for it"
        );
        assert_eq!(fates(&table, "/event_time"), [Fate::Clear, Fate::Generalized, Fate::Generalized]);
    }

    #[test]
    fn read_and_undeclared_data_is_shown_as_such() {
        let table = table(base());
        let of = |topic: Topic| -> Vec<&str> {
            table.lines.iter().filter(|line| line.topic == topic).map(|line| line.path.as_str()).collect()
        };
        assert_eq!(of(Topic::Read), ["/user_id", "/event_id", "/timestamp"]);
        assert_eq!(of(Topic::SchemaProperty), ["/address/city", "/referrer"]);
        assert_eq!(fates(&table, "/referrer"), [Fate::Dropped; 3]);
    }

    #[test]
    fn undeclared_data_reaches_only_sinks_that_take_whole_records() {
        let fates_under = |undeclared: &str| {
            let table = table(with(&[
                ("/event/undeclared", json!(undeclared)),
                ("/sinks/1/audience", json!("Identity")),
                ("/sinks/2/audience", json!("Identity")),
            ]));
            table.lines.last().unwrap().fates.clone()
        };
        assert_eq!(fates_under("Drop"), [Fate::Dropped; 3]);
        assert_eq!(fates_under("Reject"), [Fate::Rejected; 3]);
        assert_eq!(fates_under("Detect"), [Fate::NotSent, Fate::Searched, Fate::NotSent]);
        assert_eq!(fates_under("Keep"), [Fate::NotSent, Fate::Clear, Fate::NotSent]);
    }

    #[test]
    fn a_row_has_as_many_cells_as_there_are_headers() {
        let table = table(base());
        assert_eq!(table.headers()[4..], ["profiles (Operational)", "history (Analytics)", "clean (Analytics)"]);
        assert!(table.rows().iter().all(|row| row.len() == table.headers().len()));
        assert_eq!(
            table.rows()[3],
            ["/email", "user.contact.email", "Trim, Email", "encrypt, key profile", "sealed", "sealed", "not sent"]
        );
    }

    #[test]
    fn the_json_shape_is_the_documented_one() {
        let json = serde_json::to_value(table(base())).unwrap();
        assert_eq!(json["pipeline"], "shop.users");
        assert_eq!(json["sinks"][1], json!({"name": "history", "audience": "Analytics", "records": "Append"}));
        assert_eq!(
            json["lines"][3],
            json!({"topic": "field", "path": "/email", "category": "user.contact.email", "clean": ["Trim", "Email"],
                   "protection": "encrypt, key profile", "fates": ["sealed", "sealed", "notSent"]})
        );
    }
}
