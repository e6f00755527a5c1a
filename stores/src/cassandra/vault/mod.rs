//! A key store in a keyspace: subjects' keys, keys of days, aliases, key checks and bookkeeping.
//!
//! What two workers must agree on is written by conditional writes alone (Paxos at SERIAL over all data
//! centres, committed at QUORUM), and read at QUORUM or SERIAL; never at a level of one data centre.

mod bookkeeping;
mod conditional;
mod day_keys;
mod keys;
mod masters;
mod tables;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Instant,
};

use tables::Prepared;

use crate::{
    Access, Fault, StoreError, Vault,
    cassandra::{
        CassandraStore,
        schema::{self, ensure_keyspace, ensure_table, has_keyspace},
    },
};

/// A key store in a keyspace.
pub struct CassandraVault {
    inner: Arc<Inner>,
}

/// What the vault's work shares.
struct Inner {
    store: Arc<CassandraStore>,
    cql: Prepared,
    /// When each master was last seen not to be retired.
    not_retired: tokio::sync::Mutex<HashMap<u32, Instant>>,
    /// Where the search for keys that another master wraps goes on, by master.
    resume: Mutex<HashMap<u32, i64>>,
    /// Lines of the audit record that this vault has written.
    lines: AtomicU64,
}

impl CassandraVault {
    /// Opens the vault in a keyspace, and makes keyspace and tables where they are absent and `access`
    /// allows it. `None` if it isn't there and may only be looked at.
    pub async fn open(store: Arc<CassandraStore>, keyspace: &str, access: Access) -> Result<Option<Self>, StoreError> {
        let name = store.name().to_owned();
        // Statements are made ready one after the other: boxed, since what awaits this is awaited itself.
        Box::pin(Self::prepare(store, keyspace, access)).await.map_err(|fault| fault.at(&name))
    }

    async fn prepare(store: Arc<CassandraStore>, keyspace: &str, access: Access) -> Result<Option<Self>, Fault> {
        if !has_keyspace(&store, keyspace).await? {
            match access {
                Access::Look => return Ok(None),
                Access::Make => ensure_keyspace(&store, keyspace).await?,
            }
        }
        let there = schema::tables(&store, keyspace).await?;
        for table in tables::TABLES {
            if there.iter().any(|name| name == table.name) {
                continue;
            }
            match access {
                Access::Look => return Ok(None),
                Access::Make => ensure_table(&store, keyspace, table.name, &table.create(keyspace)).await?,
            }
        }
        let cql = Box::pin(Prepared::new(&store, keyspace)).await?;
        let inner = Inner {
            store,
            cql,
            not_retired: tokio::sync::Mutex::default(),
            resume: Mutex::default(),
            lines: AtomicU64::new(0),
        };
        Ok(Some(Self { inner: Arc::new(inner) }))
    }

    /// Runs a piece of work, and tells its failure as one of this store.
    async fn told<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, StoreError> {
        work.await.map_err(|fault| fault.at(self.inner.store.name()))
    }
}

/// What was overwritten goes from the nodes' files by compaction, after `gc_grace_seconds`: no client
/// can make it go.
impl Vault for CassandraVault {}
