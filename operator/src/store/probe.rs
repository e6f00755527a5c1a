//! Asks a store whether it answers, in bounded time, and says in words of Lethe's own why it doesn't: no text of a
//! driver or a server, and nothing of a Secret.

use std::{collections::BTreeMap, time::Duration};

use kube::ResourceExt;
use lethe_core::pipeline::StoreKind;
use lethe_crds::{DataStore, load::Secret};
use lethe_stores::{
    ErrorKind, Probe, StoreError, cassandra, kafka, mongodb,
    open::{SecretError, SecretFault, Secrets, cassandra_connection, kafka_connection, mongodb_connection, secrets_of},
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
    let held = match read_secrets(store, context).await? {
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
async fn read_secrets(store: &DataStore, context: &Context) -> Result<Result<Held, Found>, Fault> {
    let namespace = store.namespace().unwrap_or_default();
    let mut held = BTreeMap::new();
    for (name, _) in secrets_of(store) {
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
    let probed = match kind {
        StoreKind::Kafka => match kafka_connection(store, held) {
            Ok(Some(connection)) => kafka::probe(&connection).await,
            Ok(None) => return empty(),
            Err(error) => return of_secret(&error),
        },
        StoreKind::Cassandra => match cassandra_connection(store, held) {
            Ok(Some(connection)) => cassandra::probe(&connection).await,
            Ok(None) => return empty(),
            Err(error) => return of_secret(&error),
        },
        StoreKind::Mongodb => match mongodb_connection(store, held) {
            Ok(Some(connection)) => mongodb::probe(&connection).await,
            Ok(None) => return empty(),
            Err(error) => return of_secret(&error),
        },
        StoreKind::Embedded => return empty(),
    };
    match probed {
        Ok(probe) => well(kind, probe),
        Err(error) => of_store(&error),
    }
}

fn well(kind: StoreKind, probe: Probe) -> Found {
    let message = match (kind, &probe.version) {
        (StoreKind::Cassandra, Some(version)) => format!("Cassandra {version} answers"),
        (StoreKind::Mongodb, Some(version)) => format!("MongoDB {version} answers"),
        (StoreKind::Kafka, _) => match probe.capability("brokers") {
            Some("1") | None => "1 broker answers".to_owned(),
            Some(brokers) => format!("{brokers} brokers answer"),
        },
        (StoreKind::Cassandra | StoreKind::Mongodb | StoreKind::Embedded, _) => "it answers".to_owned(),
    };
    Found { reason: Reason::Reachable, message, version: probe.version, capabilities: probe.capabilities }
}

fn empty() -> Found {
    Found::fault(Reason::InvalidSpec, "it names no store: give exactly one of kafka, cassandra and mongodb")
}

fn of_secret(error: &SecretError) -> Found {
    let reason = match error.fault {
        SecretFault::Absent | SecretFault::NoKey(_) | SecretFault::NotText(_) => Reason::SecretNotFound,
        SecretFault::NotAllowed(_) => Reason::SecretNotAllowed,
    };
    Found::fault(reason, format!("the Secret {}: {}", error.secret, error.fault))
}

/// Returns the reason of an error's kind, with a message that holds no text of the store.
fn of_store(error: &StoreError) -> Found {
    let (reason, message) = match error.kind {
        ErrorKind::Login => (
            Reason::AuthenticationFailed,
            "the store refused the login: look at username, password and mechanism in the Secret and in spec",
        ),
        ErrorKind::Tls | ErrorKind::Handshake => (
            Reason::TlsFailed,
            "TLS failed: look whether tls belongs here, at the authority in caSecretRef, and whether the certificate of \
             the store names the host that spec names",
        ),
        ErrorKind::Dns => (Reason::NameNotResolved, "no address is known for a host of the store"),
        ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Busy => {
            (Reason::TimedOut, "something listens there and does not answer as this kind of store does")
        }
        ErrorKind::Rights | ErrorKind::Mismatch | ErrorKind::TooLarge | ErrorKind::Refused | ErrorKind::Internal => {
            (Reason::Unusable, "the store answers, and can't be used as it is declared")
        }
    };
    Found::fault(reason, message)
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
    fn no_text_of_a_store_is_passed_on() {
        for message in ["the broker refused the login of user \"zara\"", "zara: certificate verify failed", "zara"] {
            for kind in ErrorKind::ALL {
                assert!(!of_store(&StoreError::new(kind, "events", message)).message.contains("zara"), "{kind}");
            }
        }
    }

    #[test]
    fn every_kind_has_a_reason_and_no_text_changes_it() {
        let reason = |kind, message: &str| of_store(&StoreError::new(kind, "events", message)).reason;
        for kind in ErrorKind::ALL {
            let expected = match kind {
                ErrorKind::Login => Reason::AuthenticationFailed,
                ErrorKind::Tls | ErrorKind::Handshake => Reason::TlsFailed,
                ErrorKind::Dns => Reason::NameNotResolved,
                kind if kind.is_transient() => Reason::TimedOut,
                _ => Reason::Unusable,
            };
            for message in ["", "the login was refused", "TLS failed: a certificate", "no address in DNS"] {
                assert_eq!(reason(kind, message), expected, "{kind}: {message}");
            }
        }
    }

    #[test]
    fn an_answer_is_shown_with_version_or_brokers() {
        let brokers = |count: u32| Probe { version: None, capabilities: vec![format!("brokers={count}")] };
        assert_eq!(well(StoreKind::Kafka, brokers(1)).message, "1 broker answers");
        assert_eq!(well(StoreKind::Kafka, brokers(3)).message, "3 brokers answer");
        let probe = Probe { version: Some("5.0.9".to_owned()), capabilities: Vec::new() };
        assert_eq!(well(StoreKind::Cassandra, probe).message, "Cassandra 5.0.9 answers");
    }
}
