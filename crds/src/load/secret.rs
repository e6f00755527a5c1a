//! Secrets: which of them Lethe may read, and values that are never shown.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

/// Type of a Secret for the connection to a store.
pub const STORE_SECRET_TYPE: &str = "lethe.dev/store";
/// Type of a Secret with the keys of pipelines.
pub const KEYS_SECRET_TYPE: &str = "lethe.dev/keys";
/// Type of a Secret with the identifiers of subjects.
pub const SUBJECT_SECRET_TYPE: &str = "lethe.dev/subject";
/// Label of a Secret of any type that Lethe may read, if its value is `true`.
pub const ALLOW_LABEL: &str = "lethe.dev/allow";

/// What a Secret is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretPurpose {
    /// To connect to a store.
    Store,
    /// For the keys of a pipeline.
    Keys,
    /// For the identifiers of subjects.
    Subject,
}

impl SecretPurpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Store, Self::Keys, Self::Subject];

    /// Returns the type of the Secrets that are made for this purpose.
    pub const fn secret_type(self) -> &'static str {
        match self {
            Self::Store => STORE_SECRET_TYPE,
            Self::Keys => KEYS_SECRET_TYPE,
            Self::Subject => SUBJECT_SECRET_TYPE,
        }
    }

    /// Returns whether Lethe may read a Secret of this type and these labels for this purpose.
    pub fn allows(self, secret_type: &str, labels: &BTreeMap<String, String>) -> bool {
        secret_type == self.secret_type() || has_allow_label(labels)
    }
}

/// Returns whether the labels of a Secret allow Lethe to read it, whatever its type.
pub fn has_allow_label(labels: &BTreeMap<String, String>) -> bool {
    labels.get(ALLOW_LABEL).is_some_and(|value| value == "true")
}

/// Returns whether Lethe may read a Secret for a purpose.
pub fn may_read(secret: &Secret, purpose: SecretPurpose) -> bool {
    purpose.allows(&secret.secret_type, &secret.labels)
}

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its type. Left out: `Opaque`.
    pub secret_type: String,
    /// Its values by key; `stringData` wins over `data`.
    pub data: BTreeMap<String, SecretValue>,
}

/// A value of a Secret. `Debug` does not show it, and its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes. The caller is responsible for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(secret_type: &str, label: Option<&str>) -> Secret {
        let labels = label.map(|value| (ALLOW_LABEL.to_owned(), value.to_owned()));
        Secret {
            namespace: "shop".to_owned(),
            name: "s".to_owned(),
            labels: labels.into_iter().collect(),
            secret_type: secret_type.to_owned(),
            data: BTreeMap::new(),
        }
    }

    #[test]
    fn a_secret_may_be_read_for_the_purpose_of_its_type_only() {
        for purpose in SecretPurpose::ALL {
            for other in SecretPurpose::ALL {
                let secret = secret(other.secret_type(), None);
                assert_eq!(may_read(&secret, purpose), purpose == other, "{other:?} for {purpose:?}");
            }
            assert!(!may_read(&secret("Opaque", None), purpose));
            assert!(!may_read(&secret("kubernetes.io/service-account-token", None), purpose));
        }
    }

    #[test]
    fn the_label_allows_any_type_for_any_purpose_and_only_with_the_value_true() {
        for purpose in SecretPurpose::ALL {
            for secret_type in ["Opaque", STORE_SECRET_TYPE, KEYS_SECRET_TYPE] {
                assert!(may_read(&secret(secret_type, Some("true")), purpose), "{secret_type} for {purpose:?}");
            }
            for value in ["false", "True", "1", ""] {
                assert!(!may_read(&secret("Opaque", Some(value)), purpose), "{value:?} for {purpose:?}");
            }
        }
    }
}
