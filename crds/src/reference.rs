//! References to other objects. A reference resolves in the namespace of the object that contains
//! it; there is no namespace field.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A DataStore of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreRef {
    /// Name of the DataStore.
    #[schemars(schema_with = "crate::shape::object_name")]
    pub name: String,
}

/// A Secret of the same namespace. Lethe reads it only if its type is `lethe.dev/store`,
/// `lethe.dev/keys` or `lethe.dev/subject`, or it carries the label `lethe.dev/allow: "true"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(schema_with = "crate::shape::foreign_name")]
    pub name: String,
}

/// One key of a Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(schema_with = "crate::shape::foreign_name")]
    pub name: String,
    /// Key in its data.
    #[schemars(schema_with = "crate::shape::data_key")]
    pub key: String,
}

/// One key of a ConfigMap of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(schema_with = "crate::shape::foreign_name")]
    pub name: String,
    /// Key in its data.
    #[schemars(schema_with = "crate::shape::data_key")]
    pub key: String,
}
