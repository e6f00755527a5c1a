//! Builds connection settings from a DataStore and its Secrets. The caller provides the Secrets:
//! the worker from files, the operator from the API server. Nothing connects here.

use lethe_core::sensitive::Sensitive;
use lethe_crds::{
    DataStore,
    data_store::Tls,
    load::{ALLOW_LABEL, STORE_SECRET_TYPE, Secret, SecretPurpose, may_read},
    reference::{SecretKeyRef, SecretRef},
};

use crate::open::{CassandraConnection, KafkaConnection, Login, MongodbConnection, TlsOptions};

/// Access to the Secrets of a namespace.
pub trait Secrets {
    /// Returns the Secret of this name, or `None` if there is none.
    fn secret(&self, name: &str) -> Option<&Secret>;
}

/// A Secret of a DataStore can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DataStore {store:?} names the Secret {secret:?}: {fault}")]
pub struct SecretError {
    /// The DataStore.
    pub store: String,
    /// The Secret.
    pub secret: String,
    /// What is wrong with it.
    pub fault: SecretFault,
}

/// What is wrong with a Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// The Secret does not exist.
    #[error("it is not there")]
    Absent,
    /// The Secret has another type and lacks the label that allows Lethe to read it. Holds the
    /// type.
    #[error(
        "it is of type {0:?}; Lethe reads a Secret of type {STORE_SECRET_TYPE}, or with the label {ALLOW_LABEL}: \"true\""
    )]
    NotAllowed(String),
    /// The Secret lacks this key.
    #[error("it has no key {0:?}")]
    NoKey(String),
    /// The value of this key is not UTF-8 text.
    #[error("its key {0:?} is no UTF-8; write the text itself")]
    NotText(String),
}

/// Returns the connection settings of a Kafka DataStore, or `None` if the DataStore is of another
/// kind. Fails if a Secret can't be used.
pub fn kafka_connection(store: &DataStore, secrets: &dyn Secrets) -> Result<Option<KafkaConnection>, SecretError> {
    let Some(kafka) = &store.spec.kafka else { return Ok(None) };
    let lookup = Lookup::new(store, secrets);
    let login = match &kafka.credentials {
        Some(credentials) => Some((credentials.mechanism, lookup.login(&credentials.secret_ref)?)),
        None => None,
    };
    Ok(Some(KafkaConnection {
        bootstrap_servers: kafka.bootstrap_servers.clone(),
        tls: lookup.tls(kafka.tls.as_ref())?,
        login,
        store: lookup.name(),
    }))
}

/// Returns the connection settings of a Cassandra DataStore, or `None` if the DataStore is of
/// another kind. Fails if a Secret can't be used.
pub fn cassandra_connection(
    store: &DataStore,
    secrets: &dyn Secrets,
) -> Result<Option<CassandraConnection>, SecretError> {
    let Some(cassandra) = &store.spec.cassandra else { return Ok(None) };
    let lookup = Lookup::new(store, secrets);
    Ok(Some(CassandraConnection {
        contact_points: cassandra.contact_points.clone(),
        local_datacenter: cassandra.local_datacenter.clone(),
        tls: lookup.tls(cassandra.tls.as_ref())?,
        login: cassandra.credentials.as_ref().map(|secret| lookup.login(secret)).transpose()?,
        store: lookup.name(),
    }))
}

/// Returns the connection settings of a MongoDB DataStore, or `None` if the DataStore is of another
/// kind. Fails if a Secret can't be used.
pub fn mongodb_connection(store: &DataStore, secrets: &dyn Secrets) -> Result<Option<MongodbConnection>, SecretError> {
    let Some(mongodb) = &store.spec.mongodb else { return Ok(None) };
    let lookup = Lookup::new(store, secrets);
    let credentials = mongodb.credentials.as_ref();
    let auth_source = credentials.and_then(|credentials| credentials.auth_source.clone());
    Ok(Some(MongodbConnection {
        hosts: mongodb.hosts.clone(),
        replica_set: mongodb.replica_set.clone(),
        tls: lookup.tls(mongodb.tls.as_ref())?,
        login: credentials.map(|credentials| lookup.login(&credentials.secret_ref)).transpose()?,
        auth_source: auth_source.unwrap_or_else(|| "admin".to_owned()),
        store: lookup.name(),
    }))
}

/// Returns the Secrets that a DataStore's connection needs: each name once, with the keys that it
/// must hold.
pub fn secrets_of(store: &DataStore) -> Vec<(String, Vec<String>)> {
    let spec = &store.spec;
    let mut named: Vec<(&str, &[&str])> = Vec::new();
    let login: &[&str] = &["username", "password"];
    let credentials = [
        spec.kafka.as_ref().and_then(|kafka| kafka.credentials.as_ref()).map(|login| &login.secret_ref),
        spec.cassandra.as_ref().and_then(|cassandra| cassandra.credentials.as_ref()),
        spec.mongodb.as_ref().and_then(|mongodb| mongodb.credentials.as_ref()).map(|login| &login.secret_ref),
    ];
    named.extend(credentials.into_iter().flatten().map(|secret| (secret.name.as_str(), login)));
    let tls = [
        spec.kafka.as_ref().and_then(|kafka| kafka.tls.as_ref()),
        spec.cassandra.as_ref().and_then(|cassandra| cassandra.tls.as_ref()),
        spec.mongodb.as_ref().and_then(|mongodb| mongodb.tls.as_ref()),
    ];
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |name: &str, keys: &mut dyn Iterator<Item = String>| match all.iter_mut().find(|(n, _)| n == name) {
        Some((_, there)) => there.extend(keys),
        None => all.push((name.to_owned(), keys.collect())),
    };
    for (name, keys) in named {
        add(name, &mut keys.iter().map(|key| (*key).to_owned()));
    }
    for tls in tls.into_iter().flatten() {
        if let Some(ca) = &tls.ca_secret_ref {
            add(&ca.name, &mut std::iter::once(ca.key.clone()));
        }
        if let Some(client) = &tls.client_secret_ref {
            add(&client.name, &mut ["tls.crt", "tls.key"].map(str::to_owned).into_iter());
        }
    }
    all
}

/// Resolves the Secrets of one DataStore.
struct Lookup<'r> {
    store: &'r DataStore,
    secrets: &'r dyn Secrets,
}

impl<'r> Lookup<'r> {
    fn new(store: &'r DataStore, secrets: &'r dyn Secrets) -> Self {
        Self { store, secrets }
    }

    fn name(&self) -> String {
        self.store.metadata.name.clone().unwrap_or_default()
    }

    fn tls(&self, tls: Option<&Tls>) -> Result<Option<TlsOptions>, SecretError> {
        let Some(tls) = tls else { return Ok(None) };
        let ca = match &tls.ca_secret_ref {
            Some(SecretKeyRef { name, key }) => Some(self.value(name, key)?.to_vec()),
            None => None,
        };
        let client = match &tls.client_secret_ref {
            Some(SecretRef { name }) => {
                Some((self.value(name, "tls.crt")?.to_vec(), Sensitive::new(self.value(name, "tls.key")?.to_vec())))
            }
            None => None,
        };
        Ok(Some(TlsOptions { ca, client }))
    }

    fn login(&self, secret: &SecretRef) -> Result<Login, SecretError> {
        let text = |key: &str| {
            let value = self.value(&secret.name, key)?;
            String::from_utf8(value.to_vec())
                .map_err(|_| self.fault(&secret.name, SecretFault::NotText(key.to_owned())))
        };
        Ok(Login { username: text("username")?, password: Sensitive::new(text("password")?) })
    }

    fn value(&self, name: &str, key: &str) -> Result<&'r [u8], SecretError> {
        let secret = self.secrets.secret(name).ok_or_else(|| self.fault(name, SecretFault::Absent))?;
        if !may_read(secret, SecretPurpose::Store) {
            return Err(self.fault(name, SecretFault::NotAllowed(secret.secret_type.clone())));
        }
        let value = secret.data.get(key).ok_or_else(|| self.fault(name, SecretFault::NoKey(key.to_owned())))?;
        Ok(value.expose())
    }

    fn fault(&self, secret: &str, fault: SecretFault) -> SecretError {
        SecretError { store: self.name(), secret: secret.to_owned(), fault }
    }
}
