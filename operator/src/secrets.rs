//! What the operator knows of Secrets. It reads only those that were made for Lethe, and keeps no value: a look is at
//! type, label, names of keys, and which version it is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use lethe_crds::load::{Secret as LoadedSecret, SecretValue};

use crate::{fault::Fault, names};

/// Types of Secrets that Lethe may read.
const TYPES: [&str; 3] = ["lethe.dev/store", "lethe.dev/keys", "lethe.dev/subject"];

/// What is known of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// There is none.
    Absent,
    /// It was not made for Lethe.
    NotAllowed {
        /// Its type.
        secret_type: String,
    },
    /// It may be read.
    Allowed {
        /// Its type.
        secret_type: String,
        /// Whether the label allows it, whatever its type.
        labelled: bool,
        /// UID and resource version: another when anything of it changed.
        version: String,
        /// Names of its keys.
        keys: BTreeSet<String>,
    },
}

/// Looks at Secrets, and remembers what was seen of each version of them.
#[derive(Debug, Default)]
pub struct SecretLooks(Mutex<HashMap<(String, String), (String, Look)>>);

impl SecretLooks {
    /// Looks at a Secret. Its contents are asked for only when its version is a new one, and dropped.
    pub async fn look(&self, client: &Client, namespace: &str, name: &str) -> Result<Look, Fault> {
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let failed = || Fault::api(format!("read the Secret {name}"));
        let key = (namespace.to_owned(), name.to_owned());
        let Some(partial) = api.get_metadata_opt(name).await.map_err(failed())? else {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return Ok(Look::Absent);
        };
        let version = version(&partial.metadata);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((_, look)) = known.filter(|(known, _)| *known == version) {
            return Ok(look);
        }
        let Some(secret) = api.get_opt(name).await.map_err(failed())? else { return Ok(Look::Absent) };
        let look = look(&secret);
        let seen = self::version(&secret.metadata);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (seen, look.clone()));
        Ok(look)
    }
}

fn version(metadata: &kube::core::ObjectMeta) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&metadata.uid), part(&metadata.resource_version))
}

fn look(secret: &Secret) -> Look {
    let secret_type = secret.type_.clone().unwrap_or_else(|| "Opaque".to_owned());
    let labelled = secret.metadata.labels.as_ref().and_then(|labels| labels.get(names::ALLOW));
    let labelled = labelled.is_some_and(|value| value == "true");
    if !labelled && !TYPES.contains(&secret_type.as_str()) {
        return Look::NotAllowed { secret_type };
    }
    let keys = secret.data.iter().flat_map(BTreeMap::keys).cloned().collect();
    Look::Allowed { secret_type, labelled, version: version(&secret.metadata), keys }
}

/// A Secret's values, to connect with. `None` where there is none.
pub async fn read(client: &Client, namespace: &str, name: &str) -> Result<Option<LoadedSecret>, Fault> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await.map_err(Fault::api(format!("read the Secret {name}")))?;
    Ok(found.map(|secret| LoadedSecret {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        labels: secret.metadata.labels.unwrap_or_default(),
        secret_type: secret.type_.unwrap_or_else(|| "Opaque".to_owned()),
        data: secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, SecretValue::new(value.0)))
            .collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(secret_type: Option<&str>, label: Option<&str>) -> Secret {
        let mut secret = Secret { type_: secret_type.map(str::to_owned), ..Secret::default() };
        secret.metadata.labels = label.map(|value| BTreeMap::from([(names::ALLOW.to_owned(), value.to_owned())]));
        secret
    }

    #[test]
    fn a_secret_of_another_type_is_not_for_lethe_unless_its_label_says_so() {
        let is_allowed = |secret: &Secret| matches!(look(secret), Look::Allowed { .. });
        for allowed in TYPES {
            assert!(is_allowed(&secret(Some(allowed), None)));
        }
        assert!(is_allowed(&secret(None, Some("true"))));
        assert!(!is_allowed(&secret(Some("kubernetes.io/service-account-token"), None)));
        assert!(!is_allowed(&secret(None, Some("false"))));
    }
}
