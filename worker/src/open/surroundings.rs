//! What a pipeline may refer to, among loaded manifests.

use lethe_core::pipeline::{KEYS_SECRET_TYPE, SecretSight, StoreKind, Surroundings};
use lethe_crds::load::Resources;

use super::keys::may_read;

/// The objects of a namespace.
pub struct NamespaceObjects<'r> {
    /// Everything that was loaded.
    pub resources: &'r Resources,
    /// The pipeline's own namespace: no reference leaves it.
    pub namespace: &'r str,
}

impl Surroundings for NamespaceObjects<'_> {
    fn store_kind(&self, name: &str) -> Option<StoreKind> {
        self.resources.data_store(self.namespace, name).and_then(|store| StoreKind::try_from(&store.spec).ok())
    }

    fn config_map(&self, name: &str, key: &str) -> Option<String> {
        self.resources.config_map(self.namespace, name)?.data.get(key).cloned()
    }

    fn secret(&self, name: &str) -> SecretSight {
        match self.resources.secret(self.namespace, name) {
            // A label lets Lethe read a Secret of another type; what it holds is checked when it is read.
            Some(secret) if may_read(secret) => SecretSight::OfType(KEYS_SECRET_TYPE.to_owned()),
            Some(secret) => SecretSight::OfType(secret.secret_type.clone()),
            None => SecretSight::NotVisible,
        }
    }

    fn store_names(&self) -> Vec<String> {
        let here = self
            .resources
            .data_stores()
            .filter(|store| store.metadata.namespace.as_deref().unwrap_or("default") == self.namespace);
        here.filter_map(|store| store.metadata.name.clone()).collect()
    }
}
