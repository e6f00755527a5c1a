//! What the operator knows of Secrets. It reads only those that Lethe may read, and keeps no value:
//! only the type, the label, the names of the keys and the version.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use lethe_crds::load::{Secret as LoadedSecret, SecretPurpose, SecretValue, has_allow_label};

use crate::fault::Fault;

/// What is known of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It does not exist.
    Absent,
    /// Lethe may not read it.
    NotAllowed {
        /// Its type.
        secret_type: String,
    },
    /// Lethe may read it.
    Allowed {
        /// Its type.
        secret_type: String,
        /// Whether its label allows it, whatever its type.
        labelled: bool,
        /// UID and resource version: they change whenever the Secret does.
        version: String,
        /// Names of its keys.
        keys: BTreeSet<String>,
    },
}

/// Looks Secrets up, and caches the result for each version of them.
#[derive(Debug, Default)]
pub struct SecretLooks(Mutex<HashMap<(String, String), (String, Look)>>);

impl SecretLooks {
    /// Looks a Secret up. Reads its contents only if its version is new, and does not keep them.
    pub async fn look(&self, client: &Client, namespace: &str, name: &str) -> Result<Look, Fault> {
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let failed = || Fault::api(format!("read the Secret {name}"));
        let key = (namespace.to_owned(), name.to_owned());
        let Some(partial) = api.get_metadata_opt(name).await.map_err(failed())? else {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return Ok(Look::Absent);
        };
        let version = version(&partial.metadata);
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((_, look)) = cached.filter(|(cached, _)| *cached == version) {
            return Ok(look);
        }
        let Some(secret) = api.get_opt(name).await.map_err(failed())? else { return Ok(Look::Absent) };
        let look = look(&secret);
        let read = self::version(&secret.metadata);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (read, look.clone()));
        Ok(look)
    }
}

fn version(metadata: &kube::core::ObjectMeta) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&metadata.uid), part(&metadata.resource_version))
}

fn look(secret: &Secret) -> Look {
    let secret_type = secret.type_.clone().unwrap_or_else(|| "Opaque".to_owned());
    let labels = secret.metadata.labels.clone().unwrap_or_default();
    let labelled = has_allow_label(&labels);
    if !SecretPurpose::ALL.iter().any(|purpose| purpose.allows(&secret_type, &labels)) {
        return Look::NotAllowed { secret_type };
    }
    let keys = secret.data.iter().flat_map(BTreeMap::keys).cloned().collect();
    Look::Allowed { secret_type, labelled, version: version(&secret.metadata), keys }
}

/// Reads a Secret with its values, to connect to a store. Returns `None` if it does not exist.
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
    use lethe_crds::load::ALLOW_LABEL;

    use super::*;

    fn secret(secret_type: Option<&str>, label: Option<&str>) -> Secret {
        let mut secret = Secret { type_: secret_type.map(str::to_owned), ..Secret::default() };
        secret.metadata.labels = label.map(|value| BTreeMap::from([(ALLOW_LABEL.to_owned(), value.to_owned())]));
        secret
    }

    #[test]
    fn a_secret_of_another_type_may_not_be_read_without_the_label() {
        let is_allowed = |secret: &Secret| matches!(look(secret), Look::Allowed { .. });
        for purpose in SecretPurpose::ALL {
            assert!(is_allowed(&secret(Some(purpose.secret_type()), None)));
        }
        assert!(is_allowed(&secret(None, Some("true"))));
        assert!(!is_allowed(&secret(Some("kubernetes.io/service-account-token"), None)));
        assert!(!is_allowed(&secret(None, Some("false"))));
    }
}
