//! Probes a store in bounded time. A failure is reported in Lethe's own words: it contains no text
//! of a driver or a server, and nothing of a Secret.

use std::{collections::BTreeMap, time::Duration};

use kube::ResourceExt;
use lethe_core::pipeline::StoreKind;
use lethe_crds::{
    DataStore,
    load::{ALLOW_LABEL, KEYS_SECRET_TYPE, STORE_SECRET_TYPE, Secret},
};
use lethe_stores::{
    ErrorKind, Probe, StoreError, cassandra, kafka, mongodb,
    open::{SecretError, SecretFault, Secrets, cassandra_connection, kafka_connection, mongodb_connection, secrets_of},
};
use tokio::net::{TcpStream, lookup_host};

use super::status::ProbeResult;
use crate::{
    conditions::Reason,
    context::Context,
    fault::Fault,
    secrets::{Look, read},
};

/// Timeout for resolving an address, and for connecting to it.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout for the store's own protocol.
const STORE_TIMEOUT: Duration = Duration::from_secs(20);

/// The Secrets of a DataStore, by name.
struct StoreSecrets(BTreeMap<String, Secret>);

/// What reading the Secrets of a DataStore gave.
enum SecretsRead {
    /// All of them.
    All(StoreSecrets),
    /// One is missing, or Lethe may not read it.
    Unusable(ProbeResult),
}

impl Secrets for StoreSecrets {
    fn secret(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }
}

/// Probes the store.
///
/// # Errors
/// A request to the API server failed. A failure of the store is a result.
pub async fn probe(store: &DataStore, context: &Context) -> Result<ProbeResult, Fault> {
    let kind = match StoreKind::try_from(&store.spec) {
        Ok(kind) => kind,
        Err(error) => return Ok(ProbeResult::failure(Reason::InvalidSpec, error.to_string())),
    };
    let addresses = match kind {
        StoreKind::Embedded => {
            let message = "an embedded store is a file on one machine: use kafka, cassandra or mongodb in a cluster, or \
                           run the pipeline with lethe-worker run -f";
            return Ok(ProbeResult::failure(Reason::NotForClusters, message));
        }
        StoreKind::Kafka => store.spec.kafka.as_ref().map(|kafka| &kafka.bootstrap_servers),
        StoreKind::Cassandra => store.spec.cassandra.as_ref().map(|cassandra| &cassandra.contact_points),
        StoreKind::Mongodb => store.spec.mongodb.as_ref().map(|mongodb| &mongodb.hosts),
    };
    let secrets = match read_secrets(store, context).await? {
        SecretsRead::All(secrets) => secrets,
        SecretsRead::Unusable(failure) => return Ok(failure),
    };
    if let Some(failure) = check_addresses(addresses.map(Vec::as_slice).unwrap_or_default()).await {
        return Ok(failure);
    }
    Ok(match tokio::time::timeout(STORE_TIMEOUT, connect(kind, store, &secrets)).await {
        Ok(result) => result,
        Err(_) => ProbeResult::failure(Reason::TimedOut, format!("it did not answer in {} s", STORE_TIMEOUT.as_secs())),
    })
}

/// Reads the Secrets that the connection needs, except those that Lethe may not read.
async fn read_secrets(store: &DataStore, context: &Context) -> Result<SecretsRead, Fault> {
    let namespace = store.namespace().unwrap_or_default();
    let mut secrets = BTreeMap::new();
    for (name, _) in secrets_of(store) {
        match context.secrets.look(&context.client, &namespace, &name).await? {
            Look::Absent => {
                let message = format!("there is no Secret {name} in this namespace: make it");
                return Ok(SecretsRead::Unusable(ProbeResult::failure(Reason::SecretNotFound, message)));
            }
            Look::NotAllowed { secret_type } => {
                let message = not_allowed(&name, &secret_type);
                return Ok(SecretsRead::Unusable(ProbeResult::failure(Reason::SecretNotAllowed, message)));
            }
            Look::Allowed { .. } => {}
        }
        if let Some(secret) = read(&context.client, &namespace, &name).await? {
            secrets.insert(name, secret);
        }
    }
    Ok(SecretsRead::All(StoreSecrets(secrets)))
}

/// Returns the message about a Secret that Lethe may not read, with what to do.
pub fn not_allowed(name: &str, secret_type: &str) -> String {
    format!(
        "the Secret {name} is of type {secret_type}: Lethe reads Secrets of type {STORE_SECRET_TYPE} or \
         {KEYS_SECRET_TYPE}, or with the label {ALLOW_LABEL}: \"true\""
    )
}

/// Returns why the first address can't be connected to; `None` if any of them can be.
async fn check_addresses(addresses: &[String]) -> Option<ProbeResult> {
    let mut first: Option<ProbeResult> = None;
    for address in addresses {
        let failure = match tokio::time::timeout(ADDRESS_TIMEOUT, lookup_host(address.as_str())).await {
            Err(_) => ProbeResult::failure(Reason::NameNotResolved, format!("DNS does not answer about {address}")),
            Ok(Err(_)) => ProbeResult::failure(
                Reason::NameNotResolved,
                format!("no address is known for {address}: look at its spelling, and at the DNS of the cluster"),
            ),
            Ok(Ok(resolved)) => {
                let resolved: Vec<_> = resolved.collect();
                match tokio::time::timeout(ADDRESS_TIMEOUT, TcpStream::connect(resolved.as_slice())).await {
                    Ok(Ok(_)) => return None,
                    Ok(Err(_)) => ProbeResult::failure(
                        Reason::Unreachable,
                        format!("nothing listens at {address}: look at host and port, and whether the store runs"),
                    ),
                    Err(_) => ProbeResult::failure(
                        Reason::TimedOut,
                        format!("{address} does not answer: a firewall or a NetworkPolicy may be in between"),
                    ),
                }
            }
        };
        first = Some(first.unwrap_or(failure));
    }
    first
}

async fn connect(kind: StoreKind, store: &DataStore, secrets: &StoreSecrets) -> ProbeResult {
    let probed = match kind {
        StoreKind::Kafka => match kafka_connection(store, secrets) {
            Ok(Some(connection)) => kafka::probe(&connection).await,
            Ok(None) => return no_store(),
            Err(error) => return secret_failure(&error),
        },
        StoreKind::Cassandra => match cassandra_connection(store, secrets) {
            Ok(Some(connection)) => cassandra::probe(&connection).await,
            Ok(None) => return no_store(),
            Err(error) => return secret_failure(&error),
        },
        StoreKind::Mongodb => match mongodb_connection(store, secrets) {
            Ok(Some(connection)) => mongodb::probe(&connection).await,
            Ok(None) => return no_store(),
            Err(error) => return secret_failure(&error),
        },
        StoreKind::Embedded => return no_store(),
    };
    match probed {
        Ok(probe) => reachable(kind, probe),
        Err(error) => store_failure(&error),
    }
}

fn reachable(kind: StoreKind, probe: Probe) -> ProbeResult {
    let message = match (kind, &probe.version) {
        (StoreKind::Cassandra, Some(version)) => format!("Cassandra {version} answers"),
        (StoreKind::Mongodb, Some(version)) => format!("MongoDB {version} answers"),
        (StoreKind::Kafka, _) => match probe.capability("brokers") {
            Some("1") | None => "1 broker answers".to_owned(),
            Some(brokers) => format!("{brokers} brokers answer"),
        },
        (StoreKind::Cassandra | StoreKind::Mongodb | StoreKind::Embedded, _) => "it answers".to_owned(),
    };
    ProbeResult { reason: Reason::Reachable, message, version: probe.version, capabilities: probe.capabilities }
}

fn no_store() -> ProbeResult {
    ProbeResult::failure(Reason::InvalidSpec, "it names no store: give exactly one of kafka, cassandra and mongodb")
}

fn secret_failure(error: &SecretError) -> ProbeResult {
    let reason = match error.fault {
        SecretFault::Absent | SecretFault::NoKey(_) | SecretFault::NotText(_) => Reason::SecretNotFound,
        SecretFault::NotAllowed(_) => Reason::SecretNotAllowed,
    };
    ProbeResult::failure(reason, format!("the Secret {}: {}", error.secret, error.fault))
}

/// Returns the failure for an error's kind. Its message contains no text of the store.
fn store_failure(error: &StoreError) -> ProbeResult {
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
        ErrorKind::Rights
        | ErrorKind::Mismatch
        | ErrorKind::Input
        | ErrorKind::TooLarge
        | ErrorKind::Refused
        | ErrorKind::Internal => (Reason::Unusable, "the store answers, and can't be used as it is declared"),
    };
    ProbeResult::failure(reason, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn an_unresolved_name_and_a_refused_connection_have_different_reasons() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let reason = async |address: &str| check_addresses(&[address.to_owned()]).await.map(|failure| failure.reason);
        assert_eq!(reason(&free.to_string()).await, Some(Reason::Unreachable));
        assert_eq!(reason("nowhere.invalid:9092").await, Some(Reason::NameNotResolved));
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(reason(&open.local_addr().unwrap().to_string()).await, None);
    }

    #[test]
    fn no_text_of_a_store_is_passed_on() {
        for message in ["the broker refused the login of user \"zara\"", "zara: certificate verify failed", "zara"] {
            for kind in ErrorKind::ALL {
                assert!(!store_failure(&StoreError::new(kind, "events", message)).message.contains("zara"), "{kind}");
            }
        }
    }

    #[test]
    fn every_kind_has_a_reason_and_no_text_changes_it() {
        let reason = |kind, message: &str| store_failure(&StoreError::new(kind, "events", message)).reason;
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
    fn the_message_names_the_version_or_the_number_of_brokers() {
        let brokers = |count: u32| Probe { version: None, capabilities: vec![format!("brokers={count}")] };
        assert_eq!(reachable(StoreKind::Kafka, brokers(1)).message, "1 broker answers");
        assert_eq!(reachable(StoreKind::Kafka, brokers(3)).message, "3 brokers answer");
        let probe = Probe { version: Some("5.0.9".to_owned()), capabilities: Vec::new() };
        assert_eq!(reachable(StoreKind::Cassandra, probe).message, "Cassandra 5.0.9 answers");
    }
}
