//! Opens each store once. DataStores that name the same file share one opened store, and all users
//! of a DataStore share its connection.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use lethe_core::pipeline::StoreKind;
use lethe_crds::{DataStore, DataStoreSpec, load::Resources};

use super::{OpenError, unsupported};
#[cfg(any(feature = "kafka", feature = "cassandra", feature = "mongodb"))]
use crate::open::connector::Connector;
use crate::{Access, ErrorKind, StoreError, Vault, embedded::EmbeddedStore};

/// The stores of one namespace that were opened so far.
pub struct Stores<'r> {
    resources: &'r Resources,
    namespace: String,
    embedded: BTreeMap<PathBuf, Arc<EmbeddedStore>>,
    #[cfg(feature = "cassandra")]
    cassandra: BTreeMap<String, Arc<crate::cassandra::CassandraStore>>,
    #[cfg(feature = "mongodb")]
    mongodb: BTreeMap<String, Arc<crate::mongodb::MongodbStore>>,
    vaults: BTreeMap<(String, String), Arc<dyn Vault>>,
    access: Access,
    #[cfg_attr(
        not(any(feature = "kafka", feature = "cassandra", feature = "mongodb")),
        expect(dead_code, reason = "a build without servers has nothing to refuse")
    )]
    live: bool,
}

impl<'r> Stores<'r> {
    /// Creates an empty set. `live` allows the use of stores on other machines.
    pub fn new(resources: &'r Resources, namespace: &str, access: Access, live: bool) -> Self {
        Self {
            resources,
            namespace: namespace.to_owned(),
            embedded: BTreeMap::new(),
            #[cfg(feature = "cassandra")]
            cassandra: BTreeMap::new(),
            #[cfg(feature = "mongodb")]
            mongodb: BTreeMap::new(),
            vaults: BTreeMap::new(),
            access,
            live,
        }
    }

    /// Returns whether absent tables, topics and collections may be created.
    pub fn access(&self) -> Access {
        self.access
    }

    fn declared(&self, name: &str, what: &str) -> Result<&'r DataStore, OpenError> {
        self.resources.data_store(&self.namespace, name).ok_or_else(|| {
            OpenError::Undeclared(format!("{what} is on the DataStore {name:?}, which the manifests don't hold"))
        })
    }

    #[cfg(any(feature = "kafka", feature = "cassandra", feature = "mongodb"))]
    fn connector(&self) -> Connector<'_> {
        Connector { resources: self.resources, namespace: &self.namespace, live: self.live }
    }

    /// Returns the embedded store of a DataStore. `what` names what needs the store; errors quote
    /// it. Fails with `Mismatch` if the access is read only and the file does not exist.
    pub fn embedded(&mut self, name: &str, what: &str) -> Result<Arc<EmbeddedStore>, OpenError> {
        let store = self.declared(name, what)?;
        let Some(connection) = &store.spec.embedded else { return Err(unsupported(what, kind(&store.spec))) };
        let path = canonical(Path::new(&connection.path));
        if let Some(store) = self.embedded.get(&path) {
            return Ok(Arc::clone(store));
        }
        if self.access == Access::ReadOnly && !path.exists() {
            let message = format!(
                "the file {} does not exist; run the pipeline first, and start this in the same directory",
                path.display()
            );
            return Err(StoreError::new(ErrorKind::Mismatch, name, message).into());
        }
        let store = EmbeddedStore::open(name, Path::new(&connection.path))?;
        self.embedded.insert(canonical(Path::new(&connection.path)), Arc::clone(&store));
        Ok(store)
    }

    /// Returns the connection settings of a Kafka DataStore.
    #[cfg(feature = "kafka")]
    pub fn kafka(&self, name: &str, what: &str) -> Result<crate::open::KafkaConnection, OpenError> {
        let store = self.declared(name, what)?;
        self.connector().kafka(store)?.ok_or_else(|| unsupported(what, kind(&store.spec)))
    }

    /// Returns the connected cluster of a Cassandra DataStore.
    #[cfg(feature = "cassandra")]
    pub async fn cassandra(
        &mut self,
        name: &str,
        what: &str,
    ) -> Result<Arc<crate::cassandra::CassandraStore>, OpenError> {
        if let Some(store) = self.cassandra.get(name) {
            return Ok(Arc::clone(store));
        }
        let store = self.declared(name, what)?;
        let connection = self.connector().cassandra(store)?.ok_or_else(|| unsupported(what, kind(&store.spec)))?;
        let store = Box::pin(crate::cassandra::CassandraStore::connect(&connection)).await?;
        self.cassandra.insert(name.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    /// Returns the connected server of a MongoDB DataStore.
    #[cfg(feature = "mongodb")]
    pub async fn mongodb(&mut self, name: &str, what: &str) -> Result<Arc<crate::mongodb::MongodbStore>, OpenError> {
        if let Some(store) = self.mongodb.get(name) {
            return Ok(Arc::clone(store));
        }
        let store = self.declared(name, what)?;
        let connection = self.connector().mongodb(store)?.ok_or_else(|| unsupported(what, kind(&store.spec)))?;
        let store = Box::pin(crate::mongodb::MongodbStore::connect(&connection)).await?;
        self.mongodb.insert(name.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    /// Returns the key store of a DataStore, or `None` if it does not exist yet and the access is
    /// read only.
    pub async fn find_vault(
        &mut self,
        name: &str,
        database: &str,
        what: &str,
    ) -> Result<Option<Arc<dyn Vault>>, OpenError> {
        let key = (name.to_owned(), database.to_owned());
        if let Some(vault) = self.vaults.get(&key) {
            return Ok(Some(Arc::clone(vault)));
        }
        let store = self.declared(name, what)?;
        let access = self.access;
        let vault: Option<Arc<dyn Vault>> = match StoreKind::try_from(&store.spec) {
            Ok(StoreKind::Embedded) => {
                let is_absent = store.spec.embedded.as_ref().is_none_or(|file| !Path::new(&file.path).exists());
                if access == Access::ReadOnly && is_absent { None } else { Some(self.embedded(name, what)?) }
            }
            #[cfg(feature = "cassandra")]
            Ok(StoreKind::Cassandra) => {
                let store = self.cassandra(name, what).await?;
                let vault = crate::cassandra::CassandraVault::open(store, database, access).await?;
                vault.map(|vault| Arc::new(vault) as Arc<dyn Vault>)
            }
            #[cfg(feature = "mongodb")]
            Ok(StoreKind::Mongodb) => {
                let store = self.mongodb(name, what).await?;
                let vault = crate::mongodb::MongodbVault::open(store, database, access).await?;
                vault.map(|vault| Arc::new(vault) as Arc<dyn Vault>)
            }
            #[cfg(not(feature = "cassandra"))]
            Ok(kind @ StoreKind::Cassandra) => return Err(unsupported(what, kind)),
            #[cfg(not(feature = "mongodb"))]
            Ok(kind @ StoreKind::Mongodb) => return Err(unsupported(what, kind)),
            // Kafka can't hold a key store.
            Ok(kind @ StoreKind::Kafka) => return Err(unsupported(what, kind)),
            Err(error) => return Err(unsupported(what, error)),
        };
        if let Some(vault) = &vault {
            self.vaults.insert(key, Arc::clone(vault));
        }
        Ok(vault)
    }

    /// Like [`Stores::find_vault`], but a key store that does not exist yet is an error.
    pub async fn vault(&mut self, name: &str, database: &str, what: &str) -> Result<Arc<dyn Vault>, OpenError> {
        if let Some(vault) = self.find_vault(name, database, what).await? {
            return Ok(vault);
        }
        let message = match &self.declared(name, what)?.spec.embedded {
            Some(embedded) => format!(
                "the file {} does not exist; run the pipeline first, and start this in the same directory",
                embedded.path
            ),
            None => format!("it has no key store {database:?} yet; run the pipeline first"),
        };
        Err(StoreError::new(ErrorKind::Mismatch, name, message).into())
    }

    /// Returns all embedded stores that were opened.
    pub fn opened(&self) -> Vec<Arc<EmbeddedStore>> {
        self.embedded.values().cloned().collect()
    }
}

/// Returns one canonical path for all spellings of a file's path.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Returns the kind of a DataStore, for messages.
fn kind(spec: &DataStoreSpec) -> String {
    StoreKind::try_from(spec).map_or_else(|error| error.to_string(), |kind| kind.to_string())
}
