//! Asks a store whether it answers, in bounded time, and says in words of Lethe's own why it doesn't: no text of a
//! driver or a server, and nothing of a Secret.

use std::{collections::BTreeMap, time::Duration};

use kube::ResourceExt;
use lethe_core::pipeline::StoreKind;
use lethe_crds::{DataStore, load::Secret};
use lethe_stores::{
    StoreError,
    cassandra::CassandraStore,
    mongodb::MongodbStore,
    reach::{self, ReachError, SecretFault, Secrets},
};
use tokio::net::{TcpStream, lookup_host};

use super::status::Found;
use crate::{
    conditions::Reason,
    context::Context,
    fault::Fault,
    secrets::{self, Look},
};

/// How long an address is waited for.
const ADDRESS: Duration = Duration::from_secs(3);
/// How long a store is waited for.
const STORE: Duration = Duration::from_secs(20);

struct Held(BTreeMap<String, Secret>);

impl Secrets for Held {
    fn secret(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }
}

/// Asks the store.
pub async fn ask(store: &DataStore, context: &Context) -> Result<Found, Fault> {
    let kind = match StoreKind::try_from(&store.spec) {
        Ok(kind) => kind,
        Err(error) => return Ok(Found::fault(Reason::InvalidSpec, error.to_string())),
    };
    let addresses = match kind {
        StoreKind::Embedded => {
            let message = "an embedded store is a file on one machine: use kafka, cassandra or mongodb in a cluster, or \
                           run the pipeline with lethe-worker run -f";
            return Ok(Found::fault(Reason::NotForClusters, message));
        }
        StoreKind::Kafka => store.spec.kafka.as_ref().map(|kafka| &kafka.bootstrap_servers),
        StoreKind::Cassandra => store.spec.cassandra.as_ref().map(|cassandra| &cassandra.contact_points),
        StoreKind::Mongodb => store.spec.mongodb.as_ref().map(|mongodb| &mongodb.hosts),
    };
    let held = match secrets_of(store, context).await? {
        Ok(held) => held,
        Err(found) => return Ok(found),
    };
    if let Some(found) = addresses_of(addresses.map(Vec::as_slice).unwrap_or_default()).await {
        return Ok(found);
    }
    Ok(match tokio::time::timeout(STORE, connect(kind, store, &held)).await {
        Ok(found) => found,
        Err(_) => Found::fault(Reason::TimedOut, format!("it did not answer in {} s", STORE.as_secs())),
    })
}

/// The Secrets that the connection needs. One that was not made for Lethe is not read.
async fn secrets_of(store: &DataStore, context: &Context) -> Result<Result<Held, Found>, Fault> {
    let namespace = store.namespace().unwrap_or_default();
    let mut held = BTreeMap::new();
    for (name, _) in reach::secrets_of(store) {
        match context.secrets.look(&context.client, &namespace, &name).await? {
            Look::Absent => {
                let message = format!("there is no Secret {name} in this namespace: make it");
                return Ok(Err(Found::fault(Reason::SecretNotFound, message)));
            }
            Look::NotAllowed { secret_type } => {
                return Ok(Err(Found::fault(Reason::SecretNotAllowed, not_allowed(&name, &secret_type))));
            }
            Look::Allowed { .. } => {}
        }
        if let Some(secret) = secrets::read(&context.client, &namespace, &name).await? {
            held.insert(name, secret);
        }
    }
    Ok(Ok(Held(held)))
}

/// What to do about a Secret that was not made for Lethe.
pub fn not_allowed(name: &str, secret_type: &str) -> String {
    format!(
        "the Secret {name} is of type {secret_type}: Lethe reads Secrets of type lethe.dev/store or lethe.dev/keys, or \
         with the label lethe.dev/allow: \"true\""
    )
}

/// What is wrong with every address, if none can be connected to.
async fn addresses_of(addresses: &[String]) -> Option<Found> {
    let mut worst: Option<Found> = None;
    for address in addresses {
        let found = match tokio::time::timeout(ADDRESS, lookup_host(address.as_str())).await {
            Err(_) => Found::fault(Reason::NameNotResolved, format!("DNS does not answer about {address}")),
            Ok(Err(_)) => Found::fault(
                Reason::NameNotResolved,
                format!("no address is known for {address}: look at its spelling, and at the DNS of the cluster"),
            ),
            Ok(Ok(found)) => {
                let found: Vec<_> = found.collect();
                match tokio::time::timeout(ADDRESS, TcpStream::connect(found.as_slice())).await {
                    Ok(Ok(_)) => return None,
                    Ok(Err(_)) => Found::fault(
                        Reason::Unreachable,
                        format!("nothing listens at {address}: look at host and port, and whether the store runs"),
                    ),
                    Err(_) => Found::fault(
                        Reason::TimedOut,
                        format!("{address} does not answer: a firewall or a NetworkPolicy may be in between"),
                    ),
                }
            }
        };
        worst = Some(worst.unwrap_or(found));
    }
    worst
}

async fn connect(kind: StoreKind, store: &DataStore, held: &Held) -> Found {
    match kind {
        StoreKind::Kafka => match reach::kafka(store, held) {
            Ok(Some(connection)) => {
                match tokio::task::spawn_blocking(move || lethe_stores::kafka::probe(&connection)).await {
                    Ok(Ok(brokers)) => {
                        let message = if brokers == 1 {
                            "1 broker answers".to_owned()
                        } else {
                            format!("{brokers} brokers answer")
                        };
                        well(message, None, vec![format!("brokers={brokers}")])
                    }
                    Ok(Err(error)) => of_store(&error),
                    Err(_) => Found::fault(Reason::Unusable, "the question ended without an answer"),
                }
            }
            Ok(None) => empty(),
            Err(error) => of_reach(&error),
        },
        StoreKind::Cassandra => match reach::cassandra(store, held) {
            Ok(Some(connection)) => match Box::pin(CassandraStore::connect(&connection)).await {
                Ok(store) => well(format!("Cassandra {} answers", store.version()), Some(store.version()), Vec::new()),
                Err(error) => of_store(&error),
            },
            Ok(None) => empty(),
            Err(error) => of_reach(&error),
        },
        StoreKind::Mongodb => match reach::mongodb(store, held) {
            Ok(Some(connection)) => match Box::pin(MongodbStore::connect(&connection)).await {
                Ok(store) => well(format!("MongoDB {} answers", store.version()), Some(store.version()), Vec::new()),
                Err(error) => of_store(&error),
            },
            Ok(None) => empty(),
            Err(error) => of_reach(&error),
        },
        StoreKind::Embedded => empty(),
    }
}

fn well(message: String, version: Option<&str>, capabilities: Vec<String>) -> Found {
    Found { reason: Reason::Reachable, message, version: version.map(str::to_owned), capabilities }
}

fn empty() -> Found {
    Found::fault(Reason::InvalidSpec, "it names no store: give exactly one of kafka, cassandra and mongodb")
}

fn of_reach(error: &ReachError) -> Found {
    let reason = match error.fault {
        SecretFault::Absent | SecretFault::NoKey(_) | SecretFault::NotText(_) => Reason::SecretNotFound,
        SecretFault::NotAllowed(_) => Reason::SecretNotAllowed,
    };
    Found::fault(reason, format!("the Secret {}: {}", error.secret, error.fault))
}

/// The store's crate says what a driver met, in words of its own; here they become one of a few.
fn of_store(error: &StoreError) -> Found {
    let (StoreError::Unavailable { message, .. }
    | StoreError::Mismatch { message, .. }
    | StoreError::Failed { message, .. }) = error;
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&["login", "password", "SASL"]) {
        let what = "the store refused the login: look at username, password and mechanism in the Secret and in spec";
        return Found::fault(Reason::AuthenticationFailed, what);
    }
    if has(&["TLS", "certificate", "authority"]) {
        let what = "TLS failed: look whether tls belongs here, at the authority in caSecretRef, and whether the \
                    certificate of the store names the host that spec names";
        return Found::fault(Reason::TlsFailed, what);
    }
    if has(&["resolve", "DNS", "no address"]) {
        return Found::fault(Reason::NameNotResolved, "no address is known for a host of the store");
    }
    match error {
        StoreError::Unavailable { .. } => {
            Found::fault(Reason::TimedOut, "something listens there and does not answer as this kind of store does")
        }
        StoreError::Mismatch { .. } | StoreError::Failed { .. } => {
            Found::fault(Reason::Unusable, "the store answers, and can't be used as it is declared")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn an_address_is_told_apart_by_what_is_wrong_with_it() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let reason = async |address: &str| addresses_of(&[address.to_owned()]).await.map(|found| found.reason);
        assert_eq!(reason(&free.to_string()).await, Some(Reason::Unreachable));
        assert_eq!(reason("nowhere.invalid:9092").await, Some(Reason::NameNotResolved));
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(reason(&open.local_addr().unwrap().to_string()).await, None);
    }

    #[test]
    fn nothing_that_a_store_says_is_passed_on() {
        for message in ["the broker refused the login of user \"zara\"", "zara: certificate verify failed", "zara"] {
            let (store, message) = ("events".to_owned(), message.to_owned());
            for error in [
                StoreError::Unavailable { store: store.clone(), message: message.clone() },
                StoreError::Failed { store: store.clone(), message: message.clone() },
            ] {
                assert!(!of_store(&error).message.contains("zara"));
            }
        }
    }
}
