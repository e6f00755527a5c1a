//! The loaded manifests that a pipeline may refer to.

use lethe_core::pipeline::{KEYS_SECRET_TYPE, SecretSight, StoreKind, Surroundings};
use lethe_crds::load::{DEFAULT_NAMESPACE, Resources};

use super::keys::may_read;

/// The loaded objects of one namespace.
pub struct NamespaceObjects<'r> {
    /// All loaded objects.
    pub resources: &'r Resources,
    /// The pipeline's namespace. References to other namespaces are not possible.
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
            // A label allows Lethe to read a Secret of another type. Its contents are checked when
            // they are read.
            Some(secret) if may_read(secret) => SecretSight::OfType(KEYS_SECRET_TYPE.to_owned()),
            Some(secret) => SecretSight::OfType(secret.secret_type.clone()),
            None => SecretSight::NotVisible,
        }
    }

    fn store_names(&self) -> Vec<String> {
        let here = self
            .resources
            .data_stores()
            .filter(|store| store.metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE) == self.namespace);
        here.filter_map(|store| store.metadata.name.clone()).collect()
    }
}
