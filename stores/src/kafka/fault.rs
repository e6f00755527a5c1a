//! Errors of Kafka, each with its fix. The kind follows from the error code of librdkafka. Messages
//! name brokers, topics and groups.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::{ErrorKind, StoreError, contract::KafkaConnection};

/// Converts an error of librdkafka. `reason` is the last connection error that the client reported.
/// It is preferred if the call failed because no broker was reachable: the error of the call does
/// not hold the cause.
pub(super) fn of_kafka(
    connection: &KafkaConnection,
    error: &KafkaError,
    reason: Option<&(Code, String)>,
) -> StoreError {
    let own = error.rdkafka_error_code();
    if let (Some(code), Some((reported, text))) = (own, reason)
        && is_unreachable(code)
    {
        return of_code(connection, *reported, text);
    }
    match own {
        Some(code) => of_code(connection, code, &error.to_string()),
        // All other settings that could be invalid are constants of this program, so the cause is a
        // certificate.
        None if connection.tls.is_some() && matches!(error, KafkaError::ClientCreation(_)) => {
            self::error(connection, ErrorKind::Tls, error.to_string())
        }
        None => self::error(connection, ErrorKind::Internal, error.to_string()),
    }
}

/// Converts an error code. `text` is the message of librdkafka.
pub(super) fn of_code(connection: &KafkaConnection, code: Code, text: &str) -> StoreError {
    let kind = kind(code);
    let message = match code {
        Code::Authentication | Code::SaslAuthenticationFailed => match &connection.login {
            Some((mechanism, login)) => format!(
                "the broker refused the login of user {:?} by {mechanism:?}: check username and password in the \
                 Secret that spec.kafka.credentials.secretRef names, and that the broker knows this user with \
                 this mechanism",
                login.username
            ),
            None => "the broker wants a login: add spec.kafka.credentials".to_owned(),
        },
        Code::UnsupportedSASLMechanism => {
            "the broker does not offer this SASL mechanism: change spec.kafka.credentials.mechanism".to_owned()
        }
        Code::SSL => format!(
            "TLS failed: {}; check that spec.kafka.tls.caSecretRef holds the authority that signed the broker's \
             certificate, and that the certificate names the host of bootstrapServers",
            short(text)
        ),
        Code::TopicAuthorizationFailed => {
            "this user may not use the topic: add an ACL (Read and Describe on a source, \
                                           Write and Describe on a sink, Create where manage is Create)"
                .to_owned()
        }
        Code::GroupAuthorizationFailed => {
            "this user may not use the consumer group: add an ACL for Read on the group".to_owned()
        }
        Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed => {
            "this user may not do that on the cluster: add an ACL (IdempotentWrite to write, Create to make topics)"
                .to_owned()
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            "the topic does not exist: make it, or set manage: Create".to_owned()
        }
        Code::Resolve => format!("no address for a broker's name: {}", short(text)),
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::OperationTimedOut => format!(
            "no broker answers at {}: {}; look at spec.kafka.bootstrapServers, and whether they can be reached \
             from here",
            connection.bootstrap_servers.join(", "),
            short(text)
        ),
        _ => short(text),
    };
    error(connection, kind, message)
}

/// Returns the kind of a code. Codes that aren't listed are transient: brokers start, elect leaders
/// and move partitions.
const fn kind(code: Code) -> ErrorKind {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => ErrorKind::Login,
        Code::SSL => ErrorKind::Tls,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => ErrorKind::Rights,
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => ErrorKind::Mismatch,
        Code::Resolve => ErrorKind::Dns,
        Code::InvalidArgument | Code::InvalidType | Code::NotImplemented | Code::InvalidConfig => ErrorKind::Internal,
        Code::AllBrokersDown | Code::BrokerTransportFailure => ErrorKind::Unreachable,
        Code::OperationTimedOut | Code::RequestTimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Busy,
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

/// Returns the first line, cut to 300 characters.
fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// Returns an error that names this store.
pub(super) fn error(connection: &KafkaConnection, kind: ErrorKind, message: impl Into<String>) -> StoreError {
    StoreError::new(kind, &connection.store, message)
}

pub(super) fn mismatch(connection: &KafkaConnection, message: impl Into<String>) -> StoreError {
    error(connection, ErrorKind::Mismatch, message)
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
    fn the_error_of_a_connection_explains_why_a_call_failed() {
        let down = KafkaError::MetadataFetch(Code::BrokerTransportFailure);
        let reported = (Code::SSL, "ssl://kafka:9093/bootstrap: certificate verify failed".to_owned());
        let answer = of_kafka(&connection(), &down, Some(&reported)).to_string();
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

    #[test]
    fn a_code_decides_the_kind_whatever_the_text_is() {
        for (code, kind) in [
            (Code::SSL, ErrorKind::Tls),
            (Code::Authentication, ErrorKind::Login),
            (Code::UnsupportedSASLMechanism, ErrorKind::Login),
            (Code::ClusterAuthorizationFailed, ErrorKind::Rights),
            (Code::Resolve, ErrorKind::Dns),
            (Code::AllBrokersDown, ErrorKind::Unreachable),
            (Code::RequestTimedOut, ErrorKind::Timeout),
            (Code::NotEnoughReplicas, ErrorKind::Busy),
            (Code::UnknownTopic, ErrorKind::Mismatch),
        ] {
            assert_eq!(of_code(&connection(), code, "SASL login, TLS certificate, DNS").kind, kind, "{code:?}");
        }
    }
}
