//! `DataStore`: one connection to one store.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::{SecretKeyRef, SecretRef};

/// One connection to one store: exactly one of `kafka`, `cassandra`, `mongodb` and `embedded`.
/// Passwords and keys come from Secrets, never from here.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "lethe.dev",
    version = "v1alpha1",
    kind = "DataStore",
    plural = "datastores",
    shortname = "dst",
    category = "lethe",
    namespaced,
    doc = "One connection to one store: Kafka, Cassandra, MongoDB or an embedded file.",
    derive = "PartialEq",
    status = "DataStoreStatus",
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether the store answers.",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Why it is ready or not, in one word.",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        description = "Version that the store reports.",
        json_path = ".status.version"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        description = "Why it is ready or not, in a sentence.",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    validation = ("self.metadata.name.size() <= 40", "metadata.name may have 40 characters at most, because names of other objects are made from it; choose a shorter one")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "[has(self.kafka), has(self.cassandra), has(self.mongodb), has(self.embedded)].filter(x, x).size() == 1",
    "give exactly one of kafka, cassandra, mongodb and embedded: a DataStore is one connection to one store",
))]
pub struct DataStoreSpec {
    /// An Apache Kafka cluster, or a server that speaks its protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaConnection>,
    /// An Apache Cassandra cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassandra: Option<CassandraConnection>,
    /// A MongoDB replica set or cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongodb: Option<MongodbConnection>,
    /// A SQLite file beside the worker: a whole pipeline on a laptop, with no server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedConnection>,
}

/// How to reach Kafka.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaConnection {
    /// Brokers to ask first, as `host:port`.
    #[schemars(schema_with = "crate::shape::addresses")]
    pub bootstrap_servers: Vec<String>,
    /// Encrypt the connection. Left out: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Log in with SASL. Left out: no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<KafkaCredentials>,
}

/// How to log in to Kafka.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaCredentials {
    /// SASL mechanism.
    #[schemars(schema_with = "crate::shape::choice::<SaslMechanism>")]
    pub mechanism: SaslMechanism,
    /// Secret with the keys `username` and `password`.
    pub secret_ref: SecretRef,
}

/// SASL mechanisms of Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// PLAIN: the password is sent over the connection; use it with TLS only.
    Plain,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

/// How to reach Cassandra.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CassandraConnection {
    /// Nodes to ask first, as `host:port`.
    #[schemars(schema_with = "crate::shape::addresses")]
    pub contact_points: Vec<String>,
    /// The data centre that this worker reads and writes in.
    #[schemars(schema_with = "crate::shape::text")]
    pub local_datacenter: String,
    /// Encrypt the connection. Left out: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Secret with the keys `username` and `password`. Left out: no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretRef>,
}

/// How to reach MongoDB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MongodbConnection {
    /// Servers to ask first, as `host:port`.
    #[schemars(schema_with = "crate::shape::addresses")]
    pub hosts: Vec<String>,
    /// Name of the replica set. Left out: the one that the servers report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::text")]
    pub replica_set: Option<String>,
    /// Encrypt the connection. Left out: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Log in with SCRAM-SHA-256. Left out: no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<MongodbCredentials>,
}

/// How to log in to MongoDB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MongodbCredentials {
    /// Secret with the keys `username` and `password`.
    pub secret_ref: SecretRef,
    /// Database that holds the user. Left out: `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::database")]
    pub auth_source: Option<String>,
}

/// TLS to a store. The server's name is always verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// PEM certificates of the authorities to trust. Left out: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// Secret with the keys `tls.crt` and `tls.key`: the certificate that Lethe presents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretRef>,
}

/// A SQLite file. It is for one machine and can't be shared between pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddedConnection {
    /// Path of the file, relative to the worker's directory. It is created if it does not exist.
    #[schemars(schema_with = "crate::shape::disk_path")]
    pub path: String,
}

/// The state of a DataStore as the operator last saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStoreStatus {
    /// The generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions. `Ready`: whether the store answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Version that the store reports, if its protocol has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub version: Option<String>,
    /// What the store offers, as `brokers=3`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub capabilities: Vec<String>,
    /// The value of the annotation `lethe.dev/reconcile-requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}
