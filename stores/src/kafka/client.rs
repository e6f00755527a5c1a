//! How a client of librdkafka is made, and what it says on the way.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lethe_crds::data_store::SaslMechanism;
use rdkafka::{
    ClientConfig, ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, Producer, ProducerContext},
};

use super::fault::{of_kafka, unavailable};
use crate::{StoreError, connection::KafkaConnection};

/// How long a store is waited for when it is opened.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What brokers know every client as.
pub(super) const CLIENT: &str = "lethe-worker";

/// What every client is configured with.
pub(super) fn config(connection: &KafkaConnection) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", connection.bootstrap_servers.join(","))
        .set("client.id", CLIENT)
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        // A connection that has gone silent is given up after that long, before the group's session ends.
        .set("socket.timeout.ms", "6000")
        .set("socket.connection.setup.timeout.ms", "10000")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("log.connection.close", "false");
    let protocol = match (&connection.tls, &connection.login) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &connection.tls {
        config.set("ssl.endpoint.identification.algorithm", "https");
        match &tls.ca {
            Some(ca) => config.set("ssl.ca.pem", String::from_utf8_lossy(ca)),
            None => config.set("ssl.ca.location", "probe"),
        };
        if let Some((certificate, key)) = &tls.client {
            config
                .set("ssl.certificate.pem", String::from_utf8_lossy(certificate))
                .set("ssl.key.pem", String::from_utf8_lossy(key.expose()));
        }
    }
    if let Some((mechanism, login)) = &connection.login {
        let mechanism = match mechanism {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        config
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", &login.username)
            .set("sasl.password", login.password.expose());
    }
    config
}

/// What librdkafka says: its log lines, which name brokers, topics and partitions and never a
/// record, and the last error that explains why nothing is heard of a broker.
#[derive(Clone, Default)]
pub(super) struct Voice(Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>);

impl Voice {
    /// The reason that was told last, and nobody heard yet.
    pub(super) fn take(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Voice {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::info!(target: "librdkafka", %error, "{reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down follows from a reason that was told before it.
        let follows = matches!(code, RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure);
        if last.is_none() || !follows {
            *last = Some((code, reason.to_owned()));
        }
    }
}

impl ProducerContext for Voice {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, (): ()) {}
}

/// A client that only asks. Blocks no longer than [`PATIENCE`]; what a broker refuses (a password, a
/// certificate) is said as soon as it is known.
pub(super) fn asking<T>(
    connection: &KafkaConnection,
    mut ask: impl FnMut(&BaseProducer<Voice>, Duration) -> Result<T, KafkaError>,
) -> Result<T, StoreError> {
    let voice = Voice::default();
    let client: BaseProducer<Voice> = BaseProducer::from_config_and_context(&config(connection), voice.clone())
        .map_err(|error| of_kafka(connection, &error, None))?;
    let until = Instant::now() + PATIENCE;
    let mut reason = None;
    loop {
        match ask(&client, Duration::from_secs(2)) {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                client.poll(Duration::from_millis(50));
                reason = voice.take().or(reason);
                let answer = of_kafka(connection, &error, reason.as_ref());
                if !answer.is_transient() || Instant::now() >= until {
                    return Err(answer);
                }
            }
        }
    }
}

/// Asks a cluster whether it answers. Blocks.
pub fn probe(connection: &KafkaConnection) -> Result<usize, StoreError> {
    let brokers = asking(connection, |client, timeout| {
        client.client().fetch_metadata(None, timeout).map(|metadata| metadata.brokers().len())
    })?;
    if brokers == 0 {
        return Err(unavailable(connection, "the cluster names no broker"));
    }
    Ok(brokers)
}
