//! Builds the connection settings of DataStores that are declared in manifests.

use lethe_crds::{
    DataStore,
    load::{Resources, Secret},
};

#[cfg(feature = "cassandra")]
use crate::open::{CassandraConnection, cassandra_connection};
#[cfg(feature = "kafka")]
use crate::open::{KafkaConnection, kafka_connection};
#[cfg(feature = "mongodb")]
use crate::open::{MongodbConnection, mongodb_connection};
use crate::open::{OpenError, Secrets};

/// Builds connection settings from the manifests of one namespace.
#[derive(Clone, Copy)]
pub(super) struct Connector<'r> {
    pub(super) resources: &'r Resources,
    pub(super) namespace: &'r str,
    /// Whether stores on other machines may be used.
    pub(super) live: bool,
}

impl Secrets for Connector<'_> {
    fn secret(&self, name: &str) -> Option<&Secret> {
        self.resources.secret(self.namespace, name)
    }
}

impl Connector<'_> {
    #[cfg(feature = "kafka")]
    pub(super) fn kafka(&self, store: &DataStore) -> Result<Option<KafkaConnection>, OpenError> {
        self.may_reach(store)?;
        Ok(kafka_connection(store, self)?)
    }

    #[cfg(feature = "cassandra")]
    pub(super) fn cassandra(&self, store: &DataStore) -> Result<Option<CassandraConnection>, OpenError> {
        self.may_reach(store)?;
        Ok(cassandra_connection(store, self)?)
    }

    #[cfg(feature = "mongodb")]
    pub(super) fn mongodb(&self, store: &DataStore) -> Result<Option<MongodbConnection>, OpenError> {
        self.may_reach(store)?;
        Ok(mongodb_connection(store, self)?)
    }

    fn may_reach(&self, store: &DataStore) -> Result<(), OpenError> {
        let spec = &store.spec;
        let addresses = [
            spec.kafka.as_ref().map(|kafka| &kafka.bootstrap_servers),
            spec.cassandra.as_ref().map(|cassandra| &cassandra.contact_points),
            spec.mongodb.as_ref().map(|mongodb| &mongodb.hosts),
        ];
        match addresses.into_iter().flatten().flatten().find(|address| !is_loopback(address)) {
            Some(address) if !self.live => Err(OpenError::NotLive {
                store: store.metadata.name.clone().unwrap_or_default(),
                address: address.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// Returns whether `host:port` is an address of this machine.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for address in ["127.0.0.1:9092", "localhost:9092", "[::1]:9092", "127.8.0.1:1"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["10.0.0.1:9092", "kafka:9092", "localhost.example:9092", "0.0.0.0:1"] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
