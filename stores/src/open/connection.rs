//! How to reach a store: what a DataStore and its Secrets say, once they are looked up.

use lethe_core::sensitive::Sensitive;
use lethe_crds::data_store::SaslMechanism;

/// A name and its password.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who logs in.
    pub username: String,
    /// With what.
    pub password: Sensitive<String>,
}

/// TLS to a store. The server's name is always verified.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// PEM certificates of the authorities to trust; `None`: those of the system.
    pub ca: Option<Vec<u8>>,
    /// The certificate this client shows, PEM, and its key, PEM.
    pub client: Option<(Vec<u8>, Sensitive<Vec<u8>>)>,
}

/// How to reach Kafka.
#[derive(Clone, Debug)]
pub struct KafkaConnection {
    /// Name of the DataStore, for messages.
    pub store: String,
    /// Brokers to ask first, as `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// Encrypt the connection.
    pub tls: Option<TlsOptions>,
    /// Log in with SASL.
    pub login: Option<(SaslMechanism, Login)>,
}

/// How to reach Cassandra.
#[derive(Clone, Debug)]
pub struct CassandraConnection {
    /// Name of the DataStore, for messages.
    pub store: String,
    /// Nodes to ask first, as `host:port`.
    pub contact_points: Vec<String>,
    /// The data centre to read and write in.
    pub local_datacenter: String,
    /// Encrypt the connection.
    pub tls: Option<TlsOptions>,
    /// Log in.
    pub login: Option<Login>,
}

/// How to reach MongoDB.
#[derive(Clone, Debug)]
pub struct MongodbConnection {
    /// Name of the DataStore, for messages.
    pub store: String,
    /// Servers to ask first, as `host:port`.
    pub hosts: Vec<String>,
    /// Name of the replica set; `None`: found by asking.
    pub replica_set: Option<String>,
    /// Encrypt the connection.
    pub tls: Option<TlsOptions>,
    /// Log in with SCRAM-SHA-256.
    pub login: Option<Login>,
    /// Database that holds the user.
    pub auth_source: String,
}
