//! Stores, opened once each: two DataStores that name one file share it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use lethe_core::pipeline::StoreKind;
use lethe_crds::load::Resources;
use lethe_stores::{StoreError, embedded::EmbeddedStore};

use super::{OpenError, unsupported};

/// The stores of a namespace that were opened so far.
pub struct Stores<'r> {
    resources: &'r Resources,
    namespace: String,
    embedded: BTreeMap<PathBuf, Arc<EmbeddedStore>>,
    /// Whether a file that is absent is made.
    make: bool,
}

impl<'r> Stores<'r> {
    /// None yet.
    pub fn new(resources: &'r Resources, namespace: &str) -> Self {
        Self { resources, namespace: namespace.to_owned(), embedded: BTreeMap::new(), make: true }
    }

    /// As [`Stores::new`], but a store that is absent is an error: it is read, and an empty one
    /// would say that there is nothing.
    pub fn existing(resources: &'r Resources, namespace: &str) -> Self {
        Self { make: false, ..Self::new(resources, namespace) }
    }

    /// The embedded store of a DataStore. `what` is what needs it, for the message.
    pub fn embedded(&mut self, name: &str, what: &str) -> Result<Arc<EmbeddedStore>, OpenError> {
        let store = self.resources.data_store(&self.namespace, name).ok_or_else(|| {
            OpenError::Which(format!("{what} is on the DataStore {name:?}, which the manifests don't hold"))
        })?;
        let Some(connection) = &store.spec.embedded else {
            let kind = StoreKind::try_from(&store.spec).map_or_else(|error| error.to_string(), |kind| kind.to_string());
            return Err(unsupported(what, &kind));
        };
        let path = canonical(Path::new(&connection.path));
        if let Some(store) = self.embedded.get(&path) {
            return Ok(Arc::clone(store));
        }
        if !self.make && !path.exists() {
            let message = format!(
                "the file {} does not exist; run the pipeline first, and start this in the same directory",
                path.display()
            );
            return Err(StoreError::Mismatch { store: name.to_owned(), message }.into());
        }
        let store = EmbeddedStore::open(name, Path::new(&connection.path))?;
        self.embedded.insert(canonical(Path::new(&connection.path)), Arc::clone(&store));
        Ok(store)
    }

    /// Every store that was opened.
    pub fn opened(&self) -> Vec<Arc<EmbeddedStore>> {
        self.embedded.values().cloned().collect()
    }
}

/// One path for a file, however it is written.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
