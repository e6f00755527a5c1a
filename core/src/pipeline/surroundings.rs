//! The objects that a pipeline refers to: stores, ConfigMaps, Secrets. An implementation looks them
//! up (the loader of files, the operator); this module does no I/O.

use std::fmt;

use lethe_crds::DataStoreSpec;

/// What a DataStore connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreKind {
    /// Apache Kafka.
    Kafka,
    /// Apache Cassandra.
    Cassandra,
    /// MongoDB.
    Mongodb,
    /// A SQLite file.
    Embedded,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreKind::Kafka => "kafka",
            StoreKind::Cassandra => "cassandra",
            StoreKind::Mongodb => "mongodb",
            StoreKind::Embedded => "embedded",
        })
    }
}

/// Why a DataStore has no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreKindError {
    /// No connection.
    #[error("a DataStore holds exactly one of kafka, cassandra, mongodb and embedded; this one holds none")]
    None,
    /// Several connections.
    #[error("a DataStore holds exactly one of kafka, cassandra, mongodb and embedded; this one holds several")]
    Several,
}

impl TryFrom<&DataStoreSpec> for StoreKind {
    type Error = StoreKindError;

    fn try_from(spec: &DataStoreSpec) -> Result<Self, StoreKindError> {
        let there = [
            spec.kafka.as_ref().map(|_| StoreKind::Kafka),
            spec.cassandra.as_ref().map(|_| StoreKind::Cassandra),
            spec.mongodb.as_ref().map(|_| StoreKind::Mongodb),
            spec.embedded.as_ref().map(|_| StoreKind::Embedded),
        ];
        let mut kinds = there.into_iter().flatten();
        match (kinds.next(), kinds.next()) {
            (Some(kind), None) => Ok(kind),
            (None, _) => Err(StoreKindError::None),
            (Some(_), Some(_)) => Err(StoreKindError::Several),
        }
    }
}

/// What is known of a Secret. Its content is never read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSight {
    /// It exists and has this type, such as `lethe.dev/keys`.
    OfType(String),
    /// It is known not to exist.
    Absent,
    /// It cannot be looked up from here: Secrets are rarely kept in Git beside the manifests.
    NotVisible,
}

/// The objects around a pipeline, all in its own namespace.
pub trait Surroundings {
    /// Returns what the DataStore connects to; `None` if there is none of that name.
    fn store_kind(&self, name: &str) -> Option<StoreKind>;

    /// Returns the text under a key of a ConfigMap; `None` if there is no such ConfigMap or key.
    fn config_map(&self, name: &str, key: &str) -> Option<String>;

    /// Returns what is known of a Secret.
    fn secret(&self, name: &str) -> SecretSight;

    /// Returns the names of the existing DataStores, for "did you mean".
    fn store_names(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kind(spec: serde_json::Value) -> Result<StoreKind, StoreKindError> {
        StoreKind::try_from(&serde_json::from_value::<DataStoreSpec>(spec).unwrap())
    }

    #[test]
    fn a_store_with_no_connection_or_two_has_no_kind() {
        let file = serde_json::json!({"path": "lethe.db"});
        let kafka = serde_json::json!({"bootstrapServers": ["localhost:9092"]});
        assert_eq!(kind(serde_json::json!({"embedded": file})), Ok(StoreKind::Embedded));
        assert_eq!(kind(serde_json::json!({"embedded": file, "kafka": kafka})), Err(StoreKindError::Several));
        assert_eq!(kind(serde_json::json!({})), Err(StoreKindError::None));
    }
}
