//! What an event is.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, reference::ConfigMapKeyRef};

/// What an event is. All paths are JSON Pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "!has(self.sequence) || has(self.time)",
    "sequence orders events of the same second and needs time; add time or remove sequence",
))]
pub struct Event {
    /// Where its id is: a string or an integer, the same when the event is sent again. Left out:
    /// the record's position in the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::pointer")]
    pub id: Option<String>,
    /// Where its time is: RFC 3339, or a number of the unit that `timeUnit` names. Left out: the
    /// record's own timestamp; for a file, the time it was last modified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::pointer")]
    pub time: Option<String>,
    /// What a number counts that is its time, since 1970. Left out: a number from 100,000,000,000 on
    /// is milliseconds, from 100,000,000 on seconds, and a smaller one is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<TimeUnit>")]
    pub time_unit: Option<TimeUnit>,
    /// What happens to an event whose time was probably never set: 1970-01-01T00:00:00Z, 0, or the
    /// year 1. Left out: `Reject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<ZeroTime>")]
    pub zero_time: Option<ZeroTime>,
    /// How far its time may be after the worker's clock before it is rejected. Left out: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ahead: Option<Duration>,
    /// Where an integer is that orders events of the same second; for times in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::pointer")]
    pub sequence: Option<String>,
    /// The person it is about.
    pub subject: Subject,
    /// What a valid event looks like. Left out: any JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<EventSchema>,
    /// What happens to data that neither `fields` nor this section names. Left out: `Drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Undeclared>")]
    pub undeclared: Option<Undeclared>,
    /// Which events delete a profile. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Delete>,
}

/// The unit of a number that is a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimeUnit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

/// What happens to an event whose time was probably never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ZeroTime {
    /// It goes to the dead letter.
    Reject,
    /// It is an event of that time.
    Accept,
}

/// The person that an event is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "(has(self.canonical) ? self.canonical : 'Exact') == (has(oldSelf.canonical) ? oldSelf.canonical : 'Exact')",
    "canonical is immutable: another form makes other persons of the same identifiers; make a pipeline with another space",
))]
pub struct Subject {
    /// The set of identifiers that the id belongs to: `customers`. The same id in two spaces is two
    /// persons. It can't be changed.
    #[schemars(schema_with = "crate::shape::identifier")]
    #[x_kube(validation = (
        "self == oldSelf",
        "space is immutable: the same identifier in another space is another person; make another pipeline",
    ))]
    pub space: String,
    /// Where the identifier is: a string or a number.
    #[schemars(schema_with = "crate::shape::pointer")]
    pub id: String,
    /// How the identifier is normalized. It must be the same in every pipeline of a space. It can't
    /// be changed. Left out: `Exact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Canonical>")]
    pub canonical: Option<Canonical>,
    /// Other identifiers that lead to the same person in an erasure request. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub aliases: Option<Vec<Alias>>,
}

/// Another identifier of the subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alias {
    /// Its name in an erasure request: `email`.
    #[schemars(schema_with = "crate::shape::identifier")]
    pub name: String,
    /// Where it is.
    #[schemars(schema_with = "crate::shape::pointer")]
    pub path: String,
    /// How it is normalized. Left out: `Exact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<Canonical>")]
    pub canonical: Option<Canonical>,
}

/// How an identifier is normalized before a token is made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Canonical {
    /// Numbers as decimal text, Unicode NFC, nothing else.
    Exact,
    /// Trimmed and lower-cased, without characters that nobody sees; its domain in Unicode, without
    /// a dot at its end.
    Email,
    /// E.164; `defaultRegion` for numbers without a country code.
    Phone,
}

/// A JSON Schema, draft 2020-12: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "[has(self.inline), has(self.configMapKeyRef)].filter(x, x).size() == 1",
    "give exactly one of inline and configMapKeyRef",
))]
pub struct EventSchema {
    /// The schema's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::schema_text")]
    pub inline: Option<String>,
    /// A ConfigMap that holds the schema's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
}

/// What happens to data that isn't declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Undeclared {
    /// It is dropped.
    Drop,
    /// The whole event goes to the dead letter.
    Reject,
    /// It is written with detected personal data redacted.
    Detect,
    /// It is written unchanged.
    Keep,
}

/// Which events delete a profile: at least one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "(has(self.tombstone) && self.tombstone) || has(self.when)",
    "give at least one of tombstone: true and when, or remove delete",
))]
#[x_kube(validation = (
    "!has(self.keyPath) || (has(self.tombstone) && self.tombstone)",
    "keyPath is for the key of a tombstone; add tombstone: true or remove keyPath",
))]
pub struct Delete {
    /// A Kafka record with a key and no value. Its key is the subject's id as plain text, unless
    /// `keyPath` is given. Left out: it deletes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstone: Option<bool>,
    /// Where the subject's id is in a tombstone's key, which is then JSON: `/id`; empty for a key
    /// that is a JSON string or number itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::key_pointer")]
    pub key_path: Option<String>,
    /// An event with a certain value in a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<DeleteWhen>,
}

/// An event with a certain value in a field deletes the profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteWhen {
    /// JSON Pointer of the field.
    #[schemars(schema_with = "crate::shape::pointer")]
    pub path: String,
    /// The text that means deleted; `true` matches the JSON value, too.
    #[schemars(schema_with = "crate::shape::any_text")]
    pub equals: String,
    /// Where the subject's id is in such an event: `/before/id` in Debezium's. Left out: where it
    /// always is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::pointer")]
    pub subject: Option<String>,
}
