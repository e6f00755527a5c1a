//! The loaded objects by kind, namespace and name.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{mistake::Place, secret::Secret};
use crate::{DataStore, ProfilePipeline};

/// The namespace of an object that declares none: the one default, for files and for clusters.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMap {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its texts by key.
    pub data: BTreeMap<String, String>,
}

/// A Namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// The loaded objects. Every object has a namespace, [`DEFAULT_NAMESPACE`] if it declares none.
#[derive(Debug, Default)]
pub struct Resources {
    pub(super) data_stores: Objects<DataStore>,
    pub(super) pipelines: Objects<ProfilePipeline>,
    pub(super) secrets: Objects<Secret>,
    pub(super) config_maps: Objects<ConfigMap>,
    pub(super) namespaces: Objects<Namespace>,
}

impl Resources {
    /// Returns a DataStore.
    pub fn data_store(&self, namespace: &str, name: &str) -> Option<&DataStore> {
        self.data_stores.get(namespace, name)
    }

    /// Returns a ProfilePipeline.
    pub fn pipeline(&self, namespace: &str, name: &str) -> Option<&ProfilePipeline> {
        self.pipelines.get(namespace, name)
    }

    /// Returns a Secret. The caller checks whether Lethe may read it ([`super::may_read`]).
    pub fn secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        self.secrets.get(namespace, name)
    }

    /// Returns the namespaces of all ProfilePipelines, each once.
    pub(super) fn namespaces_of_pipelines(&self) -> std::collections::BTreeSet<String> {
        let named = self.pipelines.iter().filter_map(|pipeline| pipeline.metadata.namespace.clone());
        named.collect()
    }

    /// Returns a ConfigMap.
    pub fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.config_maps.get(namespace, name)
    }

    /// Returns a Namespace.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get("", name)
    }

    /// Returns all DataStores, ordered by namespace and name.
    pub fn data_stores(&self) -> impl Iterator<Item = &DataStore> {
        self.data_stores.iter()
    }

    /// Returns all ProfilePipelines, ordered by namespace and name.
    pub fn pipelines(&self) -> impl Iterator<Item = &ProfilePipeline> {
        self.pipelines.iter()
    }

    /// Returns all Secrets, ordered by namespace and name.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.iter()
    }

    /// Returns all ConfigMaps, ordered by namespace and name.
    pub fn config_maps(&self) -> impl Iterator<Item = &ConfigMap> {
        self.config_maps.iter()
    }

    /// Returns all Namespaces, ordered by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.iter()
    }

    /// Returns the place that a ProfilePipeline was read from.
    pub fn pipeline_place(&self, namespace: &str, name: &str) -> Option<&Place> {
        self.pipelines.place(namespace, name)
    }

    /// Returns the place that a Secret was read from.
    pub fn secret_place(&self, namespace: &str, name: &str) -> Option<&Place> {
        self.secrets.place(namespace, name)
    }

    /// Returns the place that a DataStore was read from.
    pub fn data_store_place(&self, namespace: &str, name: &str) -> Option<&Place> {
        self.data_stores.place(namespace, name)
    }
}

/// Objects of a kind, by namespace and name.
#[derive(Debug)]
pub(super) struct Objects<T>(BTreeMap<(String, String), (T, Place)>);

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Objects<T> {
    fn key(namespace: &str, name: &str) -> (String, String) {
        (namespace.to_owned(), name.to_owned())
    }

    /// Adds an object.
    ///
    /// # Errors
    /// The place of an object of the same name, if there is one.
    pub(super) fn add(&mut self, namespace: &str, name: &str, object: T, place: Place) -> Result<(), Place> {
        match self.0.entry(Self::key(namespace, name)) {
            Entry::Occupied(first) => Err(first.get().1.clone()),
            Entry::Vacant(free) => {
                free.insert((object, place));
                Ok(())
            }
        }
    }

    fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.0.get(&Self::key(namespace, name)).map(|(object, _)| object)
    }

    fn place(&self, namespace: &str, name: &str) -> Option<&Place> {
        self.0.get(&Self::key(namespace, name)).map(|(_, place)| place)
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.values().map(|(object, _)| object)
    }
}
