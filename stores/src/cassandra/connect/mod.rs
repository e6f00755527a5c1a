//! A cluster.

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
    open::CassandraConnection,
};

/// How long a request may take. A writer's lease counts on it: raise neither alone.
const REQUEST: Duration = Duration::from_secs(4);
/// How long a connection may take, with its greeting and login.
const CONNECTION: Duration = Duration::from_secs(5);
/// How long nodes may take to agree on a new table.
const AGREEMENT: Duration = Duration::from_secs(20);

/// How long a node may take to know a table that its schema names already.
const KNOWN: Duration = Duration::from_secs(3);

/// A cluster, for all sinks and vaults in it. Who was away is connected again without being asked.
pub struct CassandraStore {
    name: String,
    version: String,
    sessions: Arc<Sessions>,
}

impl CassandraStore {
    /// Connects. Fails with a transient error if no node answers in about 10 seconds, else with one
    /// that the manifest, a Secret or the cluster must be changed for.
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

    /// Name of the DataStore.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the node that was asked: `5.0.9`.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn datacenter(&self) -> &str {
        self.sessions.datacenter()
    }

    pub(crate) fn session(&self) -> Arc<Session> {
        self.sessions.now()
    }

    /// Nodes of the local data centre, as far as they are known.
    pub(crate) fn local_nodes(&self) -> usize {
        self.sessions.local_nodes().len()
    }

    /// Prepares a statement. `is_idempotent`: the driver may send it again by itself.
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
                // Another worker's table stands in the schema's own tables before the node knows it.
                Err(error) if wait < KNOWN && is_unknown(&error) => tokio::time::sleep(wait).await,
                Err(error) => return Err(error.into()),
            }
            wait *= 2;
        };
        prepared.set_consistency(consistency);
        prepared.set_serial_consistency(Some(SerialConsistency::Serial));
        prepared.set_is_idempotent(is_idempotent);
        Ok(prepared)
    }

    /// Reads the server's own tables.
    pub(crate) async fn describe(&self, cql: &str, values: impl SerializeRow) -> Result<QueryRowsResult, Fault> {
        let mut statement = Statement::new(cql);
        statement.set_consistency(Consistency::LocalOne);
        statement.set_is_idempotent(true);
        let answer = self.session().query_unpaged(statement, values).await.map_err(|error| Fault::of_schema(&error))?;
        answer.into_rows_result().map_err(|_| unexpected())
    }

    /// Changes the schema, and waits until the nodes agree on it.
    pub(crate) async fn define(&self, cql: &str) -> Result<(), Fault> {
        let mut statement = Statement::new(cql);
        // All nodes take part: slower than a write, and it carries no data.
        statement.set_request_timeout(Some(AGREEMENT));
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
        .request_timeout(Some(REQUEST))
        .load_balancing_policy(near)
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&connection.contact_points)
        .prefer_datacenter(connection.local_datacenter.clone())
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(CONNECTION)
        .hostname_resolution_timeout(Some(CONNECTION))
        .metadata_request_serverside_timeout(CONNECTION)
        .metadata_request_clientside_timeout(CONNECTION)
        .keepalive_interval(CONNECTION)
        .keepalive_timeout(CONNECTION)
        .schema_agreement_timeout(AGREEMENT)
        // Names and replication is what routing needs; columns are read where they are checked.
        .fetch_full_schema_metadata(false)
        // What has no version of its own is written in the order in which one worker writes it.
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
