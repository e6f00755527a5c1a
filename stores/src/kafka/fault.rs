//! What goes wrong in Kafka, told with what to do. Messages name brokers, topics and groups.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::{StoreError, connection::KafkaConnection};

/// An error of librdkafka as an answer of the store. `reason` is what the client said of its
/// connections meanwhile: an error of a call says only that there are none.
pub(super) fn of_kafka(
    connection: &KafkaConnection,
    error: &KafkaError,
    reason: Option<&(Code, String)>,
) -> StoreError {
    let own = error.rdkafka_error_code();
    if let (Some(code), Some((told, text))) = (own, reason)
        && is_unreachable(code)
    {
        return of_code(connection, *told, text);
    }
    match own {
        Some(code) => of_code(connection, code, &error.to_string()),
        None => failed(connection, &error.to_string()),
    }
}

/// An error code as an answer of the store.
pub(super) fn of_code(connection: &KafkaConnection, code: Code, text: &str) -> StoreError {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            let what = match &connection.login {
                Some((mechanism, login)) => format!(
                    "the broker refused the login of user {:?} by {mechanism:?}: check username and password in the \
                     Secret that spec.kafka.credentials.secretRef names, and that the broker knows this user with \
                     this mechanism",
                    login.username
                ),
                None => "the broker wants a login: add spec.kafka.credentials".to_owned(),
            };
            mismatch(connection, &what)
        }
        Code::UnsupportedSASLMechanism => mismatch(
            connection,
            "the broker does not offer this SASL mechanism: change spec.kafka.credentials.mechanism",
        ),
        Code::SSL => mismatch(
            connection,
            &format!(
                "TLS failed: {}; check that spec.kafka.tls.caSecretRef holds the authority that signed the broker's \
                 certificate, and that the certificate names the host of bootstrapServers",
                short(text)
            ),
        ),
        Code::TopicAuthorizationFailed => mismatch(
            connection,
            "this user may not use the topic: add an ACL (Read and Describe on a source, Write and Describe on a sink, \
             Create where manage is Create)",
        ),
        Code::GroupAuthorizationFailed => {
            mismatch(connection, "this user may not use the consumer group: add an ACL for Read on the group")
        }
        Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed => mismatch(
            connection,
            "this user may not do that on the cluster: add an ACL (IdempotentWrite to write, Create to make topics)",
        ),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            mismatch(connection, "the topic does not exist: make it, or set manage: Create")
        }
        Code::Resolve => unavailable(connection, &format!("no address for a broker's name: {}", short(text))),
        Code::InvalidArgument | Code::InvalidType | Code::NotImplemented | Code::InvalidConfig => {
            failed(connection, &short(text))
        }
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::OperationTimedOut => unavailable(
            connection,
            &format!(
                "no broker answers at {}: {}; look at spec.kafka.bootstrapServers, and whether they can be reached \
                 from here",
                connection.bootstrap_servers.join(", "),
                short(text)
            ),
        ),
        _ => unavailable(connection, &short(text)),
    }
}

const fn is_unreachable(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::Resolve
    )
}

/// The first sentence of a long story.
fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

pub(super) fn unavailable(connection: &KafkaConnection, message: &str) -> StoreError {
    StoreError::Unavailable { store: connection.store.clone(), message: message.to_owned() }
}

pub(super) fn mismatch(connection: &KafkaConnection, message: &str) -> StoreError {
    StoreError::Mismatch { store: connection.store.clone(), message: message.to_owned() }
}

pub(super) fn failed(connection: &KafkaConnection, message: &str) -> StoreError {
    StoreError::Failed { store: connection.store.clone(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> KafkaConnection {
        KafkaConnection {
            store: "events".to_owned(),
            bootstrap_servers: vec!["127.0.0.1:9092".to_owned()],
            tls: None,
            login: None,
        }
    }

    #[test]
    fn what_a_client_said_of_its_connections_explains_why_a_call_failed() {
        let down = KafkaError::MetadataFetch(Code::BrokerTransportFailure);
        let told = (Code::SSL, "ssl://kafka:9093/bootstrap: certificate verify failed".to_owned());
        let answer = of_kafka(&connection(), &down, Some(&told)).to_string();
        assert!(answer.contains("TLS failed") && answer.contains("certificate verify failed"), "{answer}");
        let silent = of_kafka(&connection(), &down, None);
        assert!(silent.is_transient() && silent.to_string().contains("127.0.0.1:9092"), "{silent}");
    }

    #[test]
    fn a_refused_right_is_no_reason_to_wait() {
        for code in [Code::TopicAuthorizationFailed, Code::SaslAuthenticationFailed, Code::UnknownTopicOrPartition] {
            assert!(!of_code(&connection(), code, "").is_transient(), "{code:?}");
        }
        for code in [Code::NotLeaderForPartition, Code::RequestTimedOut, Code::NotEnoughReplicas] {
            assert!(of_code(&connection(), code, "").is_transient(), "{code:?}");
        }
    }
}
