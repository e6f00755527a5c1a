//! Reads the key ring from its Secret, and compares it with the keys that the key store was used
//! with.

use std::collections::BTreeMap;

use lethe_core::{
    keys::{KeyRing, KeyRingError},
    pipeline::Pipeline,
};
use lethe_crds::load::{self, ALLOW_LABEL, KEYS_SECRET_TYPE, Resources, Secret, SecretPurpose};
use lethe_stores::{KeyCheck, MasterKeys};

use super::OpenError;

/// Returns the key ring of a pipeline, from the Secret that it names.
pub fn find_ring(resources: &Resources, pipeline: &Pipeline) -> Result<KeyRing, OpenError> {
    find_ring_of(resources, &pipeline.namespace, &pipeline.keys_secret)
}

/// Returns the key ring of a Secret among the manifests.
pub fn find_ring_of(resources: &Resources, namespace: &str, name: &str) -> Result<KeyRing, OpenError> {
    let secret = resources.secret(namespace, name).ok_or_else(|| {
        OpenError::Keys(format!(
            "the manifests hold no Secret {name:?} with the keys; make one with `lethe-worker keys create {name}` and \
             give its file with -f, too"
        ))
    })?;
    if !may_read(secret) {
        return Err(OpenError::Keys(format!(
            "the Secret {name:?} is of type {:?}; Lethe reads keys from a Secret of type {KEYS_SECRET_TYPE}, or with \
             the label {ALLOW_LABEL}: \"true\"",
            secret.secret_type
        )));
    }
    Ok(read_ring(secret)?)
}

/// Parses the key ring of a Secret.
pub fn read_ring(secret: &Secret) -> Result<KeyRing, KeyRingError> {
    KeyRing::parse(secret.data.iter().map(|(name, value)| (name.as_str(), value.expose())))
}

/// Returns whether Lethe may read a Secret for its keys.
pub(crate) fn may_read(secret: &Secret) -> bool {
    load::may_read(secret, SecretPurpose::Keys)
}

/// Returns the keys of the ring that are new to the store. Fails if the ring lacks a key that is in
/// use, or holds another value for one.
pub(super) async fn verify(ring: &KeyRing, store: &dyn MasterKeys) -> Result<Vec<KeyCheck>, OpenError> {
    let known = store.checks().await?;
    let new =
        ring.verify_against(known.iter().map(|known| (known.name.as_str(), known.check.as_str(), known.retired)))?;
    let new: BTreeMap<String, String> = new.into_iter().collect();
    Ok(new.into_iter().map(|(name, check)| KeyCheck { name, check, retired: false }).collect())
}

/// Verifies the ring like [`verify`], and registers new keys in the store.
pub(super) async fn agree(ring: &KeyRing, store: &dyn MasterKeys) -> Result<(), OpenError> {
    let new = verify(ring, store).await?;
    if !new.is_empty() {
        store.add_checks(new).await?;
    }
    Ok(())
}
