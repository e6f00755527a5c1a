//! The key ring: read from its Secret, held against what the key store remembers.

use std::collections::BTreeMap;

use lethe_core::{
    keys::{KeyRing, KeyRingError},
    pipeline::{KEYS_SECRET_TYPE, Pipeline},
};
use lethe_crds::load::{Resources, Secret};
use lethe_stores::{KeyCheck, MasterKeys};

use super::OpenError;

/// The key ring of a pipeline, from the Secret that it names.
pub fn find_ring(resources: &Resources, pipeline: &Pipeline) -> Result<KeyRing, OpenError> {
    find_ring_of(resources, &pipeline.namespace, &pipeline.keys_secret)
}

/// The key ring of a Secret among the manifests.
pub fn find_ring_of(resources: &Resources, namespace: &str, name: &str) -> Result<KeyRing, OpenError> {
    let secret = resources.secret(namespace, name).ok_or_else(|| {
        OpenError::Keys(format!(
            "the manifests hold no Secret {name:?} with the keys; make one with `lethe-worker keys create {name}` and \
             give its file with -f, too"
        ))
    })?;
    if !may_read(secret) {
        return Err(OpenError::Keys(format!(
            "the Secret {name:?} is of type {:?}; Lethe reads keys from a Secret of type lethe.dev/keys, or with the \
             label lethe.dev/allow: \"true\"",
            secret.secret_type
        )));
    }
    Ok(read_ring(secret)?)
}

/// The key ring of a Secret.
pub fn read_ring(secret: &Secret) -> Result<KeyRing, KeyRingError> {
    KeyRing::parse(secret.data.iter().map(|(name, value)| (name.as_str(), value.expose())))
}

/// Whether Lethe may read a Secret for its keys.
pub(crate) fn may_read(secret: &Secret) -> bool {
    secret.secret_type == KEYS_SECRET_TYPE || secret.labels.get("lethe.dev/allow").is_some_and(|value| value == "true")
}

/// Refuses a ring that lacks a key in use or holds another value for one; answers those that are new
/// to the store.
pub(super) async fn verify(ring: &KeyRing, store: &dyn MasterKeys) -> Result<Vec<KeyCheck>, OpenError> {
    let known = store.checks().await?;
    let new =
        ring.verify_against(known.iter().map(|known| (known.name.as_str(), known.check.as_str(), known.retired)))?;
    let new: BTreeMap<String, String> = new.into_iter().collect();
    Ok(new.into_iter().map(|(name, check)| KeyCheck { name, check, retired: false }).collect())
}

/// As [`verify`], and the store remembers the new ones.
pub(super) async fn agree(ring: &KeyRing, store: &dyn MasterKeys) -> Result<(), OpenError> {
    let new = verify(ring, store).await?;
    if !new.is_empty() {
        store.add_checks(new).await?;
    }
    Ok(())
}
