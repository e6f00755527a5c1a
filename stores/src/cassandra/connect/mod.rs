//! Connections to a cluster.

mod session;
mod tls;

use std::{sync::Arc, time::Duration};

use scylla::{
    client::{
        execution_profile::ExecutionProfile,
        session::{Session, TlsContext},
        session_builder::SessionBuilder,
    },
    policies::{load_balancing::DefaultPolicy, timestamp_generator::MonotonicTimestampGenerator},
    response::query_result::QueryRowsResult,
    serialize::row::SerializeRow,
    statement::{Consistency, SerialConsistency, Statement, prepared::PreparedStatement},
};

use crate::{
    Fault, StoreError,
    cassandra::{
        connect::session::Sessions,
        fault::{is_unknown, unexpected},
    },
    contract::CassandraConnection,
};

/// Timeout of a request. A writer's lease depends on it: change both together.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
/// Timeout of a connection attempt, including the handshake and the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of the nodes' agreement on a schema change.
const AGREEMENT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a node may lag behind the schema tables before it knows a new table.
const SCHEMA_LAG: Duration = Duration::from_secs(3);

/// A connected cluster, shared by all of its sinks and vaults. Lost connections are restored in the
/// background.
pub struct CassandraStore {
    name: String,
    version: String,
    sessions: Arc<Sessions>,
}

impl CassandraStore {
    /// Connects. Fails with a transient error if no node answers within about 10 seconds, else with
    /// a permanent error that names what to change: the manifest, a Secret or the cluster.
    pub async fn connect(connection: &CassandraConnection) -> Result<Arc<Self>, StoreError> {
        let name = connection.store.clone();
        Self::open(connection).await.map(Arc::new).map_err(|fault| fault.at(&name))
    }

    async fn open(connection: &CassandraConnection) -> Result<Self, Fault> {
        let sessions = Sessions::open(builder(connection)?, &connection.local_datacenter).await?;
        let mut store = Self { name: connection.store.clone(), version: String::new(), sessions };
        let rows = store.describe("SELECT release_version FROM system.local", ()).await?;
        store.version = rows.first_row::<(String,)>().map_err(|_| unexpected())?.0;
        Ok(store)
    }

    /// Returns the name of the DataStore.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version of the node that was asked, e.g. `5.0.9`.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn datacenter(&self) -> &str {
        self.sessions.datacenter()
    }

    pub(crate) fn session(&self) -> Arc<Session> {
        self.sessions.current()
    }

    /// Returns the number of known nodes of the local data centre.
    pub(crate) fn local_nodes(&self) -> usize {
        self.sessions.local_nodes().len()
    }

    /// Prepares a statement. `is_idempotent` allows the driver to retry it.
    pub(crate) async fn prepare(
        &self,
        cql: &str,
        consistency: Consistency,
        is_idempotent: bool,
    ) -> Result<PreparedStatement, Fault> {
        let mut wait = Duration::from_millis(50);
        let mut prepared = loop {
            match self.session().prepare(cql).await {
                Ok(prepared) => break prepared,
                // Another worker has just created the table: the schema tables list it, but the
                // node does not know it yet.
                Err(error) if wait < SCHEMA_LAG && is_unknown(&error) => tokio::time::sleep(wait).await,
                Err(error) => return Err(error.into()),
            }
            wait *= 2;
        };
        prepared.set_consistency(consistency);
        prepared.set_serial_consistency(Some(SerialConsistency::Serial));
        prepared.set_is_idempotent(is_idempotent);
        Ok(prepared)
    }

    /// Queries the server's own tables.
    pub(crate) async fn describe(&self, cql: &str, values: impl SerializeRow) -> Result<QueryRowsResult, Fault> {
        let mut statement = Statement::new(cql);
        statement.set_consistency(Consistency::LocalOne);
        statement.set_is_idempotent(true);
        let answer = self.session().query_unpaged(statement, values).await.map_err(|error| Fault::of_schema(&error))?;
        answer.into_rows_result().map_err(|_| unexpected())
    }

    /// Changes the schema, and waits until all nodes agree on it.
    pub(crate) async fn define(&self, cql: &str) -> Result<(), Fault> {
        let mut statement = Statement::new(cql);
        // All nodes take part, so this is slower than a write.
        statement.set_request_timeout(Some(AGREEMENT_TIMEOUT));
        self.session().query_unpaged(statement, ()).await.map_err(|error| Fault::of_schema(&error))?;
        Ok(())
    }
}

fn builder(connection: &CassandraConnection) -> Result<SessionBuilder, Fault> {
    let near = DefaultPolicy::builder()
        .prefer_datacenter(connection.local_datacenter.clone())
        .token_aware(true)
        .permit_dc_failover(false)
        .build();
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::Serial))
        .request_timeout(Some(REQUEST_TIMEOUT))
        .load_balancing_policy(near)
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&connection.contact_points)
        .prefer_datacenter(connection.local_datacenter.clone())
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(CONNECT_TIMEOUT)
        .hostname_resolution_timeout(Some(CONNECT_TIMEOUT))
        .metadata_request_serverside_timeout(CONNECT_TIMEOUT)
        .metadata_request_clientside_timeout(CONNECT_TIMEOUT)
        .keepalive_interval(CONNECT_TIMEOUT)
        .keepalive_timeout(CONNECT_TIMEOUT)
        .schema_agreement_timeout(AGREEMENT_TIMEOUT)
        // Routing needs only names and replication. Columns are read where they are checked.
        .fetch_full_schema_metadata(false)
        // Writes without a version of their own keep the order in which this worker sends them.
        .timestamp_generator(Arc::new(MonotonicTimestampGenerator::new()))
        .driver_config_reporting(false);
    if let Some(login) = &connection.login {
        builder = builder.user(&login.username, login.password.expose());
    }
    if let Some(options) = &connection.tls {
        builder = builder.tls_context(Some(TlsContext::Rustls023(tls::config(options, &connection.contact_points)?)));
    }
    Ok(builder)
}
