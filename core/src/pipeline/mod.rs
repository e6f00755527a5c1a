//! A checked pipeline: the form of a `ProfilePipelineSpec` once every rule was checked. Nothing
//! after this reads the spec again.

mod categories;
mod check;
mod columns;
mod dead_letter;
mod detection;
mod event;
mod fields;
mod mistake;
mod paths;
mod places;
mod plan_table;
mod protection;
mod references;
mod schema;
mod separation;
mod shapes;
mod sinks;
mod source;
mod suggest;
mod surroundings;
#[cfg(test)]
pub(crate) mod tests;

pub use check::Checked;
pub use lethe_crds::load::KEYS_SECRET_TYPE;
pub use mistake::{Mistake, Severity, code};
pub use plan_table::{Fate, PlanLine, PlanSink, PlanTable, Topic};

pub use crate::pointer::{Pointer, PointerError, Segment};
#[cfg(test)]
pub(crate) use schema::endless;
pub use surroundings::{SecretSight, StoreKind, StoreKindError, Surroundings};

use crate::identity::CanonicalVersion;
use lethe_crds::profile_pipeline::{
    Audience, Canonical, Clean, Compression, CsvColumn, DatePrecision, DetectKind, FileFormat, Records, TimePrecision,
    TimeUnit, Undeclared, ZeroTime,
};

/// A checked pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Where events come from.
    pub source: SourceRules,
    /// What an event is.
    pub event: EventRules,
    /// Which repetitions are dropped.
    pub dedupe: Option<DedupeRules>,
    /// Name of the keys Secret.
    pub keys_secret: String,
    /// Name of the DataStore that holds the subjects' keys.
    pub key_store: String,
    /// Keyspace or database of the key store.
    pub key_database: String,
    /// The revision, 0 to 9.
    pub revision: u8,
    /// Region of phone numbers without a country code (ISO 3166-1, upper case).
    pub region: Option<String>,
    /// The declared fields. No two have the same path; none is inside another unless the outer one
    /// is kept.
    pub fields: Vec<FieldRules>,
    /// Which subjects' events are processed.
    pub consent: Option<ConsentRules>,
    /// Where events go.
    pub sinks: Vec<SinkRules>,
    /// Where events are written that cannot be processed.
    pub dead_letter: Option<DeadLetterRules>,
}

/// Where events come from.
#[derive(Clone, Debug)]
pub enum SourceRules {
    /// A Kafka topic.
    Kafka {
        /// Name of the DataStore.
        store: String,
        /// The topic.
        topic: String,
        /// The consumer group.
        group: String,
        /// Start at the oldest record if the group has no offsets.
        from_earliest: bool,
    },
    /// Files, or standard input.
    File {
        /// Path, glob or `-`.
        path: String,
        /// How events are written.
        format: FileFormat,
        /// The byte between cells of CSV.
        delimiter: u8,
        /// How CSV columns are read.
        columns: Vec<CsvColumn>,
    },
}

/// What an event is.
#[derive(Clone, Debug)]
pub struct EventRules {
    /// The path of its id; without one, its position.
    pub id: Option<Pointer>,
    /// The path of its time; without one, the record's timestamp.
    pub time: Option<Pointer>,
    /// The unit of a number that is its time; `None` if the manifest names none.
    pub time_unit: Option<TimeUnit>,
    /// How a time that was probably never set is handled.
    pub zero_time: ZeroTime,
    /// How far its time may be after the worker's clock, milliseconds.
    pub max_ahead: i64,
    /// The path of its sequence.
    pub sequence: Option<Pointer>,
    /// Space of the subject's id.
    pub space: String,
    /// The path of the subject's id.
    pub subject: Pointer,
    /// The canonical form of the subject's id.
    pub canonical: Canonical,
    /// The version of the canonical forms. The key store knows which one the space has.
    pub canonical_version: CanonicalVersion,
    /// Other identifiers.
    pub aliases: Vec<AliasRules>,
    /// The schema, already parsed; known to be a JSON Schema.
    pub schema: Option<serde_json::Value>,
    /// How undeclared data is handled.
    pub undeclared: Undeclared,
    /// Whether a tombstone deletes.
    pub delete_tombstone: bool,
    /// How a tombstone's key holds the subject's id.
    pub tombstone_key: TombstoneKey,
    /// The field and the text that declare a deletion.
    pub delete_when: Option<(Pointer, String)>,
    /// The path of the subject's id in an event that declares a deletion by a field; `None` if it
    /// is that of every event.
    pub deleted_subject: Option<Pointer>,
}

/// How a tombstone's key holds the subject's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TombstoneKey {
    /// It is the id, as plain text.
    Text,
    /// It is JSON: the id itself, or an object with the id at a path.
    Json(Option<Pointer>),
}

/// Another identifier of the subject.
#[derive(Clone, Debug)]
pub struct AliasRules {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: Pointer,
    /// Its canonical form.
    pub canonical: Canonical,
}

/// Which repetitions are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupeRules {
    /// How long an id is remembered by event time, milliseconds.
    pub window: i64,
    /// How many ids are remembered.
    pub max_ids: usize,
}

/// One declared field.
#[derive(Clone, Debug)]
pub struct FieldRules {
    /// Its path.
    pub path: Pointer,
    /// Its data category.
    pub category: String,
    /// How it is cleaned.
    pub clean: Vec<Clean>,
    /// How it is protected.
    pub protect: ProtectRules,
}

/// How a field is protected.
#[derive(Clone, Debug, PartialEq)]
pub enum ProtectRules {
    /// It passes unchanged.
    Keep,
    /// It is not written.
    Drop,
    /// It becomes this text.
    Redact(String),
    /// Stars, except for the first and last characters.
    Mask {
        /// Characters that are kept at the start.
        keep_first: usize,
        /// Characters that are kept at the end.
        keep_last: usize,
    },
    /// A keyed hash, the same for every audience.
    Hash,
    /// Sealed by the subject's key of this class.
    Encrypt {
        /// Class of the key.
        class: String,
    },
    /// Less precise.
    Generalize(GeneralizeRules),
    /// A pseudonym for each audience, derived from the value as an identifier of this space.
    Pseudonymize {
        /// The space.
        space: String,
    },
    /// Personal data found inside is replaced.
    RedactDetected(Vec<DetectKind>),
}

/// How a value becomes less precise.
#[derive(Clone, Debug, PartialEq)]
pub enum GeneralizeRules {
    /// The first characters, as many as this.
    Prefix(usize),
    /// The range that a number is in; bounds ascend, at least one.
    Buckets(Vec<i64>),
    /// A date's month or year.
    Date(DatePrecision),
    /// The network of an address: the bits that are kept of IPv4 (0-32) and IPv6 (0-128).
    Ip {
        /// Bits of IPv4.
        v4: u8,
        /// Bits of IPv6.
        v6: u8,
    },
    /// A table of values.
    Map {
        /// From, to.
        values: Vec<(String, String)>,
        /// The replacement of every other value.
        default: String,
    },
}

/// Which subjects' events are processed.
#[derive(Clone, Debug)]
pub struct ConsentRules {
    /// The purpose.
    pub purpose: String,
    /// The path of the consent in an event.
    pub path: Pointer,
    /// Texts that mean consent; `None`: only the JSON value `true`.
    pub granted: Option<Vec<String>>,
}

/// One sink.
#[derive(Clone, Debug)]
pub struct SinkRules {
    /// Its name.
    pub name: String,
    /// Who reads it.
    pub audience: Audience,
    /// Latest state or every event.
    pub records: Records,
    /// How old a record may become, milliseconds.
    pub max_age: Option<i64>,
    /// How precise the times of its events are.
    pub time_precision: TimePrecision,
    /// Indices into `Pipeline::fields`, ascending. Of fields inside each other the innermost
    /// decides here, too: one that is not listed is left out, even from a listed field around it.
    /// For a Cassandra sink: the fields that its columns take.
    pub fields: Vec<usize>,
    /// How undeclared data is handled here: `Drop` if the sink lists its fields or has columns,
    /// else by the event's rules.
    pub undeclared: Undeclared,
    /// Where it writes.
    pub target: SinkTarget,
}

/// Where a sink writes.
#[derive(Clone, Debug)]
pub enum SinkTarget {
    /// A Cassandra table.
    Cassandra(lethe_crds::profile_pipeline::CassandraSink),
    /// A MongoDB collection.
    Mongodb(lethe_crds::profile_pipeline::MongodbSink),
    /// A Kafka topic.
    Kafka(lethe_crds::profile_pipeline::KafkaSink),
    /// A table of an embedded store.
    Embedded {
        /// Name of the DataStore.
        store: String,
        /// The table.
        table: String,
    },
    /// A file of JSON lines.
    File {
        /// Its path.
        path: String,
        /// How it is compressed.
        compression: Compression,
    },
}

/// Where events are written that cannot be processed.
#[derive(Clone, Debug)]
pub struct DeadLetterRules {
    /// Days that a day key outlives its day: 1 to 21.
    pub keep_days: u8,
    /// Where they are written.
    pub target: DeadLetterTarget,
}

/// Where dead letters are written.
#[derive(Clone, Debug)]
pub enum DeadLetterTarget {
    /// A Kafka topic.
    Kafka(lethe_crds::profile_pipeline::KafkaDeadLetter),
    /// An embedded store.
    Embedded {
        /// Name of the DataStore.
        store: String,
    },
}

/// Default keyspace or database of a key store.
pub const KEY_DATABASE: &str = "lethe";

/// Names of the members that Lethe itself writes at the top of every record.
pub const RESERVED: [&str; 3] = ["subject_ref", "event_id", "event_time"];

/// Names of the members that Lethe itself writes at the top of a MongoDB document, in addition to
/// [`RESERVED`].
pub const RESERVED_IN_MONGODB: [&str; 4] = ["_id", "_version", "_expires_at", "_deleted_at"];
