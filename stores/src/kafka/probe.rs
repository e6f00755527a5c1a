//! Checks whether a cluster answers.

use rdkafka::producer::Producer;

use crate::{
    ErrorKind, Probe, StoreError,
    contract::KafkaConnection,
    kafka::{connect::asking, fault::error},
};

/// Asks a cluster for its brokers. The version is `None`, because the protocol of Kafka does not
/// report one. Fails if the cluster names no broker.
pub async fn probe(connection: &KafkaConnection) -> Result<Probe, StoreError> {
    let asked = connection.clone();
    let asking = tokio::task::spawn_blocking(move || {
        asking(&asked, |client, timeout| {
            client.client().fetch_metadata(None, timeout).map(|metadata| metadata.brokers().len())
        })
    });
    let brokers =
        asking.await.map_err(|_| error(connection, ErrorKind::Internal, "the question ended without an answer"))??;
    if brokers == 0 {
        return Err(error(connection, ErrorKind::Unreachable, "the cluster names no broker"));
    }
    Ok(Probe { version: None, capabilities: vec![format!("brokers={brokers}")] })
}
