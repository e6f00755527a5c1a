//! Connection settings of each store, as resolved from a DataStore and its Secrets.

use lethe_core::sensitive::Sensitive;
use lethe_crds::data_store::SaslMechanism;

/// A user name and its password.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Sensitive<String>,
}

/// TLS settings of a connection. The server's name is always verified.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// PEM certificates of the trusted authorities. `None` means the authorities of the system.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate and its private key, both PEM.
    pub client: Option<(Vec<u8>, Sensitive<Vec<u8>>)>,
}

/// Connection settings of a Kafka cluster.
#[derive(Clone, Debug)]
pub struct KafkaConnection {
    /// Name of the DataStore, for error messages.
    pub store: String,
    /// Bootstrap brokers, as `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// TLS settings; `None`: the connection is not encrypted.
    pub tls: Option<TlsOptions>,
    /// SASL mechanism and login; `None`: no authentication.
    pub login: Option<(SaslMechanism, Login)>,
}

/// Connection settings of a Cassandra cluster.
#[derive(Clone, Debug)]
pub struct CassandraConnection {
    /// Name of the DataStore, for error messages.
    pub store: String,
    /// Contact points, as `host:port`.
    pub contact_points: Vec<String>,
    /// The data centre that requests are sent to.
    pub local_datacenter: String,
    /// TLS settings; `None`: the connection is not encrypted.
    pub tls: Option<TlsOptions>,
    /// The login; `None`: no authentication.
    pub login: Option<Login>,
}

/// Connection settings of a MongoDB server.
#[derive(Clone, Debug)]
pub struct MongodbConnection {
    /// Name of the DataStore, for error messages.
    pub store: String,
    /// Seed servers, as `host:port`.
    pub hosts: Vec<String>,
    /// Name of the replica set; `None`: it is discovered.
    pub replica_set: Option<String>,
    /// TLS settings; `None`: the connection is not encrypted.
    pub tls: Option<TlsOptions>,
    /// Login with SCRAM-SHA-256; `None`: no authentication.
    pub login: Option<Login>,
    /// The database that the user is defined in.
    pub auth_source: String,
}
