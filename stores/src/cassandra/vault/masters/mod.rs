//! The named keys of the keys Secret: their check values, the keys that they wrap, their
//! retirement, and the audit record.

mod audit;
mod checks;
mod retire;
mod scan;

use std::sync::Arc;

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;

use crate::{
    Fault, KeyCheck, KeyEntry, KeyRow, MasterKeys, StoreError,
    cassandra::{
        concurrency,
        vault::{
            CassandraVault, Inner,
            conditional::{Applied, MAX_ATTEMPTS, contended},
            keys::{Read, WRITES},
        },
    },
};

impl MasterKeys for CassandraVault {
    fn checks(&self) -> BoxFuture<'_, Result<Vec<KeyCheck>, StoreError>> {
        Box::pin(self.run(self.inner.checks()))
    }

    fn add_checks(&self, checks: Vec<KeyCheck>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.run(self.inner.add_checks(checks)))
    }

    fn wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>> {
        Box::pin(self.run(self.inner.wrapped_by_others(master, limit)))
    }

    fn count_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.run(self.inner.count_wrapped_by(master)))
    }

    fn rewrap(&self, keys: Vec<(KeyEntry, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(self.run(async move {
            let done = concurrency::run(keys, WRITES, move |(old, new)| {
                let inner = Arc::clone(&inner);
                async move { inner.rewrap(old, new).await }
            });
            Ok(done.await?.into_iter().map(u64::from).sum())
        }))
    }

    fn retire(&self, name: String, attestation: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.run(self.inner.retire(name, attestation)))
    }

    fn audit(&self, line: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.run(self.inner.audit(line)))
    }
}

impl Inner {
    /// Replaces a key's wrapping unless it has changed. Returns whether it was replaced.
    async fn rewrap(&self, old: KeyEntry, new: WrappedKey) -> Result<bool, Fault> {
        let KeyRow::Live(was) = &old.row else { return Ok(false) };
        self.ensure_not_retired(new.master).await?;
        let token = old.token.0.as_slice();
        for _ in 0..MAX_ATTEMPTS {
            let values = (
                i64::from(new.master),
                new.sealed.as_slice(),
                &old.space,
                token,
                &old.class,
                i64::from(was.master),
                was.sealed.as_slice(),
            );
            match self.write_if(&self.cql.rewrap_key, values).await? {
                Applied::Yes => return Ok(true),
                Applied::No => return Ok(false),
                Applied::Unknown => {
                    let keys = self.keys(&old.space, old.token, Read::Serial).await?;
                    match keys.iter().find(|(class, _)| *class == old.class) {
                        Some((_, KeyRow::Live(is))) if *is == new => return Ok(true),
                        Some((_, KeyRow::Live(is))) if is == was => {}
                        _ => return Ok(false),
                    }
                }
            }
        }
        Err(contended())
    }
}
