//! From a DataStore and its Secrets to what a driver needs to connect. Secrets are looked up by the
//! caller (the loader of files, the operator); nothing is connected here.

use lethe_core::sensitive::Sensitive;
use lethe_crds::{
    DataStore,
    data_store::Tls,
    load::Secret,
    reference::{SecretKeyRef, SecretRef},
};

use crate::open::{CassandraConnection, KafkaConnection, Login, MongodbConnection, TlsOptions};

/// Type of a Secret that Lethe may read for a connection.
pub const STORE_SECRET_TYPE: &str = "lethe.dev/store";

/// Where the Secrets of a namespace are looked up.
pub trait Secrets {
    /// The Secret of this name, if there is one.
    fn secret(&self, name: &str) -> Option<&Secret>;
}

/// Why a connection can't be made of what is declared.
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
    /// There is none of that name.
    #[error("it is not there")]
    Absent,
    /// It was not made for Lethe.
    #[error(
        "it is of type {0:?}; Lethe reads a Secret of type {STORE_SECRET_TYPE}, or with the label lethe.dev/allow: \"true\""
    )]
    NotAllowed(String),
    /// It lacks a key.
    #[error("it has no key {0:?}")]
    NoKey(String),
    /// A value is no text.
    #[error("its key {0:?} is no UTF-8; write the text itself")]
    NotText(String),
}

/// How to reach the Kafka cluster of a DataStore; `None` where it is of another kind.
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

/// How to reach the Cassandra cluster of a DataStore; `None` where it is of another kind.
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

/// How to reach the MongoDB server of a DataStore; `None` where it is of another kind.
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

/// Names of the Secrets that the connection of a DataStore is made of, each once, with the keys it needs.
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

/// Whether Lethe may read a Secret of this type and these labels for a connection.
pub fn may_read(secret: &Secret) -> bool {
    secret.secret_type == STORE_SECRET_TYPE || secret.labels.get("lethe.dev/allow").is_some_and(|value| value == "true")
}

/// A DataStore whose Secrets are looked up.
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
        if !may_read(secret) {
            return Err(self.fault(name, SecretFault::NotAllowed(secret.secret_type.clone())));
        }
        let value = secret.data.get(key).ok_or_else(|| self.fault(name, SecretFault::NoKey(key.to_owned())))?;
        Ok(value.expose())
    }

    fn fault(&self, secret: &str, fault: SecretFault) -> SecretError {
        SecretError { store: self.name(), secret: secret.to_owned(), fault }
    }
}
