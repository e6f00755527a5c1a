//! Creates librdkafka clients and records what they log and report.

pub(crate) mod native;

pub(crate) use native::{committed_texts, position, topic_id};

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use lethe_crds::data_store::SaslMechanism;
use rdkafka::{
    ClientConfig, ClientContext,
    client::Client,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, ProducerContext},
    statistics::Statistics,
};

use crate::{
    StoreError,
    contract::KafkaConnection,
    kafka::{connect::native::add_brokers, fault::of_kafka},
};

/// How long opening a store may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The client ID that brokers see.
pub(crate) const CLIENT: &str = "lethe-worker";

/// Returns the configuration that all clients share.
pub(crate) fn config(connection: &KafkaConnection) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers(connection))
        .set("client.id", CLIENT)
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        // A connection without an answer is closed after this time, which is shorter than the
        // session timeout of the group.
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

/// Interval at which a long-lived client emits its statistics, in milliseconds.
const COUNTING: &str = "2000";

/// Returns the configuration of a client that lives for a whole run. Its owner calls
/// [`ErrorRecorder::remind`], so that the client survives brokers that stop and start.
pub(crate) fn lasting(connection: &KafkaConnection) -> ClientConfig {
    let mut config = config(connection);
    config
        .set("statistics.interval.ms", COUNTING)
        // A client that knows no leader or no broker asks for metadata again at this interval.
        // `metadata.max.age.ms` is set as well, because its default follows from this interval, and
        // known metadata stays valid for longer.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("metadata.max.age.ms", "900000");
    config
}

/// What librdkafka reports: its log lines, the last error that explains why no broker answers, and
/// whether the client knows any broker. The log lines name brokers, topics and partitions and never
/// hold a record.
#[derive(Clone, Default)]
pub(crate) struct ErrorRecorder(Arc<ClientErrors>);

#[derive(Default)]
struct ClientErrors {
    reason: Mutex<Option<(RDKafkaErrorCode, String)>>,
    lost: AtomicBool,
}

impl ErrorRecorder {
    /// Returns the last reported reason and clears it.
    pub(crate) fn take(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.reason.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Adds the configured brokers again if the client knows no broker.
    ///
    /// A broker that has just started may answer a metadata request with topics and without any
    /// broker. librdkafka then forgets all brokers, also the configured ones, and never asks again:
    /// <https://github.com/confluentinc/librdkafka/issues/5301>. Only [`lasting`] clients emit the
    /// statistics that reveal this.
    pub(crate) fn remind<C: ClientContext>(&self, client: &Client<C>, connection: &KafkaConnection) {
        if self.0.lost.swap(false, Relaxed) {
            let added = add_brokers(client, &servers(connection));
            tracing::warn!(added, "the client knows no broker, adding the configured ones again");
        }
    }
}

fn servers(connection: &KafkaConnection) -> String {
    connection.bootstrap_servers.join(",")
}

impl ClientContext for ErrorRecorder {
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
        let mut last = self.0.reason.lock().unwrap_or_else(PoisonError::into_inner);
        // "All brokers are down" only follows from an earlier reason, so it does not replace that
        // one.
        let follows = matches!(code, RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure);
        if last.is_none() || !follows {
            *last = Some((code, reason.to_owned()));
        }
    }

    fn stats(&self, statistics: Statistics) {
        // Other sources are internal to librdkafka: the group coordinator and the client itself.
        let knows = |source: &str| matches!(source, "learned" | "configured");
        self.0.lost.store(!statistics.brokers.values().any(|broker| knows(&broker.source)), Relaxed);
    }
}

impl ProducerContext for ErrorRecorder {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, (): ()) {}
}

/// Creates a client and calls `ask` until it succeeds. Transient errors are retried for up to
/// [`PATIENCE`]. Any other error, such as a refused password or certificate, is returned at once.
/// Blocks.
pub(crate) fn asking<T>(
    connection: &KafkaConnection,
    mut ask: impl FnMut(&BaseProducer<ErrorRecorder>, Duration) -> Result<T, KafkaError>,
) -> Result<T, StoreError> {
    let voice = ErrorRecorder::default();
    let client: BaseProducer<ErrorRecorder> = BaseProducer::from_config_and_context(&config(connection), voice.clone())
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
