//! Sinks: where events go.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, reference::StoreRef};

/// One place where events go: exactly one of `cassandra`, `mongodb`, `kafka`, `embedded` and
/// `file`.
/// Every record carries `subject_ref`, `event_id`, `event_time` and the declared fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "[has(self.cassandra), has(self.mongodb), has(self.kafka), has(self.embedded), has(self.file)].filter(x, x).size() == 1",
    "give exactly one of cassandra, mongodb, kafka, embedded and file: a sink is one place",
))]
#[x_kube(validation = (
    "!has(self.file) || self.records == 'Append'",
    "a file holds every event: set records: Append, or use embedded for the latest state",
))]
#[x_kube(validation = (
    "!has(self.maxAge) || has(self.cassandra) || has(self.mongodb) || has(self.embedded)",
    "maxAge is kept in cassandra, mongodb and embedded only; remove it here, a topic is given its own retention",
))]
#[x_kube(validation = (
    "!has(self.maxAge) || self.maxAge.matches('[1-9]')",
    "maxAge must be above zero; leave it out for no limit",
))]
#[x_kube(validation = (
    "self.audience == oldSelf.audience",
    "audience is immutable: another audience has other references, which records already there would not carry; add a sink of another name",
))]
pub struct Sink {
    /// Its name in metrics and status; unique in the pipeline.
    #[schemars(schema_with = "crate::shape::identifier")]
    pub name: String,
    /// Who reads it. References and pseudonyms of two audiences can't be joined; event ids leave
    /// to `Analytics` and `Public` as pseudonyms.
    #[schemars(schema_with = "crate::shape::choice::<Audience>")]
    pub audience: Audience,
    /// Whether it holds the latest state of each subject, or every event.
    #[schemars(schema_with = "crate::shape::choice::<Records>")]
    pub records: Records,
    /// How old a record may become, from its event time, as in `365d`; for `cassandra`, `mongodb`
    /// and `embedded`. Left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// How precise `event_time` is there, rounded down. Exact times join the records of two
    /// audiences. The order of events stays exact. Left out: `Exact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<TimePrecision>")]
    pub time_precision: Option<TimePrecision>,
    /// Paths of the declared fields that go there. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::pointers")]
    pub fields: Option<Vec<String>>,
    /// A Cassandra table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassandra: Option<CassandraSink>,
    /// A MongoDB collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongodb: Option<MongodbSink>,
    /// A Kafka topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaSink>,
    /// A table of an embedded store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedSink>,
    /// A file of JSON lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSink>,
}

/// Who reads a sink: each is a pseudonymisation domain of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Audience {
    /// Readers who must know the person.
    Identity,
    /// Readers who run the service.
    Operational,
    /// Readers who compute statistics; no direct identifier in clear text.
    Analytics,
    /// Any reader; no direct identifier in clear text.
    Public,
}

/// What a sink holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Records {
    /// The latest state of each subject.
    Latest,
    /// Every event.
    Append,
}

/// How precise the times of events are in a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimePrecision {
    /// To the millisecond.
    Exact,
    /// The minute, in UTC.
    Minute,
    /// The hour, in UTC.
    Hour,
    /// The day, in UTC.
    Day,
}

impl TimePrecision {
    /// Returns the milliseconds that times are multiples of.
    pub const fn millis(self) -> i64 {
        match self {
            Self::Exact => 1,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }
}

/// Whether Lethe creates a missing table, collection or topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Manage {
    /// Create it if it does not exist; a difference is an error.
    Create,
    /// It must exist and fit.
    Check,
}

/// A Cassandra table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CassandraSink {
    /// DataStore of the cluster.
    pub store_ref: StoreRef,
    /// The keyspace.
    #[schemars(schema_with = "crate::shape::cql_name")]
    pub keyspace: String,
    /// The table.
    #[schemars(schema_with = "crate::shape::cql_name")]
    pub table: String,
    /// Whether Lethe creates the table. Left out: `Check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Manage>")]
    pub manage: Option<Manage>,
    /// Columns and what fills them.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub columns: Vec<CassandraColumn>,
    /// Columns of the partition key.
    #[schemars(schema_with = "crate::shape::cql_names")]
    pub partition_key: Vec<String>,
    /// Clustering columns. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::clustering_names")]
    pub clustering_key: Option<Vec<String>>,
    /// How many replicas must hold a row before it counts as written. Left out: `LocalQuorum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Consistency>")]
    pub consistency: Option<Consistency>,
}

/// How many replicas of Cassandra must hold a row before it counts as written. There is no level
/// below a quorum, because a single replica can be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Consistency {
    /// More than half of those in the local data centre.
    LocalQuorum,
    /// More than half of all.
    Quorum,
    /// More than half in each data centre.
    EachQuorum,
    /// Every one.
    All,
}

/// A column and what fills it: exactly one of `path` and `meta`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "[has(self.path), has(self.meta)].filter(x, x).size() == 1",
    "give exactly one of path and meta: a column is filled from one place",
))]
pub struct CassandraColumn {
    /// Name of the column.
    #[schemars(schema_with = "crate::shape::cql_name")]
    pub name: String,
    /// CQL type.
    #[serde(rename = "type")]
    #[schemars(schema_with = "crate::shape::choice::<CqlType>")]
    pub cql_type: CqlType,
    /// Path of a declared field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::pointer")]
    pub path: Option<String>,
    /// What Lethe knows about the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Meta>")]
    pub meta: Option<Meta>,
}

/// CQL types a column can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CqlType {
    /// UTF-8 text; objects and arrays as JSON.
    Text,
    /// 64-bit integer.
    Bigint,
    /// 32-bit integer.
    Int,
    /// 64-bit floating point number.
    Double,
    /// Decimal of any precision.
    Decimal,
    /// True or false.
    Boolean,
    /// Instant, in milliseconds.
    Timestamp,
    /// Day.
    Date,
    /// IP address.
    Inet,
    /// UUID.
    Uuid,
}

/// What Lethe knows about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Meta {
    /// The subject's reference for the sink's audience.
    SubjectRef,
    /// The event's id; a pseudonym for `Analytics` and `Public`.
    EventId,
    /// The event's time.
    EventTime,
    /// The event's version.
    Version,
}

/// A MongoDB collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MongodbSink {
    /// DataStore of the server.
    pub store_ref: StoreRef,
    /// The database.
    #[schemars(schema_with = "crate::shape::database")]
    pub database: String,
    /// The collection.
    #[schemars(schema_with = "crate::shape::collection")]
    pub collection: String,
    /// Whether Lethe creates the indexes. Left out: `Check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Manage>")]
    pub manage: Option<Manage>,
}

/// A Kafka topic. The record key is the subject's reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "(!has(self.partitions) && !has(self.replication)) || (has(self.manage) && self.manage == 'Create')",
    "partitions and replication are for a topic that Lethe makes; set manage: Create or remove them",
))]
pub struct KafkaSink {
    /// DataStore of the cluster.
    pub store_ref: StoreRef,
    /// The topic.
    #[schemars(schema_with = "crate::shape::topic")]
    pub topic: String,
    /// Whether Lethe creates the topic. Left out: `Check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Manage>")]
    pub manage: Option<Manage>,
    /// Partitions of a topic that Lethe creates; with `manage: Create`. Left out: the broker's
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub partitions: Option<i32>,
    /// Replicas of a topic that Lethe creates; with `manage: Create`. Left out: the broker's
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub replication: Option<i32>,
}

/// A table of an embedded store; Lethe creates it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "!self.table.startsWith('lethe_')",
    "names that begin with lethe_ are Lethe's own; choose another table",
))]
pub struct EmbeddedSink {
    /// DataStore of the file.
    pub store_ref: StoreRef,
    /// The table: lower-case letters, digits and `_`; names that begin with `lethe_` are reserved.
    #[schemars(schema_with = "crate::shape::embedded_table")]
    pub table: String,
}

/// A file of JSON lines; only with `records: Append`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSink {
    /// Path of the file, relative to the worker's directory.
    #[schemars(schema_with = "crate::shape::disk_path")]
    pub path: String,
    /// How the file is compressed. Left out: `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Compression>")]
    pub compression: Option<Compression>,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compression {
    /// Not at all.
    None,
    /// Zstandard, a frame per commit.
    Zstd,
}

/// Where events that can't be processed go: exactly one of `kafka` and `embedded`. They are sealed
/// with the subject's key or with a key of the day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "[has(self.kafka), has(self.embedded)].filter(x, x).size() == 1",
    "give exactly one of kafka and embedded",
))]
pub struct DeadLetter {
    /// How long an event that can't be assigned to a subject stays readable, from the end of the
    /// day it was first written: whole days from `1d` to `21d`.
    #[schemars(schema_with = "crate::shape::keep_for")]
    pub keep_for: Duration,
    /// A Kafka topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaDeadLetter>,
    /// An embedded store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedDeadLetter>,
}

/// A Kafka topic of dead letters. It must not be compacted: letters of one subject share a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "(!has(self.partitions) && !has(self.replication)) || (has(self.manage) && self.manage == 'Create')",
    "partitions and replication are for a topic that Lethe makes; set manage: Create or remove them",
))]
pub struct KafkaDeadLetter {
    /// DataStore of the cluster.
    pub store_ref: StoreRef,
    /// The topic.
    #[schemars(schema_with = "crate::shape::topic")]
    pub topic: String,
    /// Whether Lethe creates the topic. Left out: `Check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Manage>")]
    pub manage: Option<Manage>,
    /// Partitions of a topic that Lethe creates; with `manage: Create`. Left out: the broker's
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub partitions: Option<i32>,
    /// Replicas of a topic that Lethe creates; with `manage: Create`. Left out: the broker's
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub replication: Option<i32>,
}

/// Dead letters in an embedded store, in its table `lethe_dead_letter`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddedDeadLetter {
    /// DataStore of the file.
    pub store_ref: StoreRef,
}
