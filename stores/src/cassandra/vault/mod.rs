//! A key store in a keyspace: subjects' keys, day keys, aliases, key checks and bookkeeping.
//!
//! Data that two workers must agree on is written by conditional writes only: Paxos at SERIAL over
//! all data centres, committed at QUORUM. It is read at QUORUM or SERIAL, never at the level of one
//! data centre.

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

/// The shared state of a vault.
struct Inner {
    store: Arc<CassandraStore>,
    cql: Prepared,
    /// When each master was last read as not retired.
    not_retired: tokio::sync::Mutex<HashMap<u32, Instant>>,
    /// Position on the token ring at which the search for keys of other masters continues, by
    /// master.
    resume: Mutex<HashMap<u32, i64>>,
    /// Number of audit lines that this vault has written.
    lines: AtomicU64,
}

impl CassandraVault {
    /// Opens the vault in a keyspace. Creates the keyspace and tables if they are absent and
    /// `access` allows that. Returns `None` if they are absent and `access` is read only.
    pub async fn open(store: Arc<CassandraStore>, keyspace: &str, access: Access) -> Result<Option<Self>, StoreError> {
        let name = store.name().to_owned();
        // Boxed, because this future prepares many statements and is part of large futures itself.
        Box::pin(Self::prepare(store, keyspace, access)).await.map_err(|fault| fault.at(&name))
    }

    async fn prepare(store: Arc<CassandraStore>, keyspace: &str, access: Access) -> Result<Option<Self>, Fault> {
        if !has_keyspace(&store, keyspace).await? {
            match access {
                Access::ReadOnly => return Ok(None),
                Access::Create => ensure_keyspace(&store, keyspace).await?,
            }
        }
        let existing = schema::tables(&store, keyspace).await?;
        for table in tables::TABLES {
            if existing.iter().any(|name| name == table.name) {
                continue;
            }
            match access {
                Access::ReadOnly => return Ok(None),
                Access::Create => ensure_table(&store, keyspace, table.name, &table.create(keyspace)).await?,
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

    /// Awaits `work` and adds the name of this store to its error.
    async fn run<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, StoreError> {
        work.await.map_err(|fault| fault.at(self.inner.store.name()))
    }
}

/// Compaction removes overwritten data from the nodes' files after `gc_grace_seconds`. No client
/// can do that.
impl Vault for CassandraVault {}
