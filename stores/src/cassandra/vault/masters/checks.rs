//! Check values of the keys Secret. They share a partition, so that all checks of a Secret are
//! recorded or none.

use std::time::{Duration, Instant};

use crate::{
    Fault, KeyCheck,
    cassandra::{
        fault::unexpected,
        vault::{
            Inner,
            conditional::{Applied, MAX_ATTEMPTS, contended},
            tables::SCOPE,
        },
    },
};

/// How long a read of a master as not retired stays valid.
const CACHE_TIME: Duration = Duration::from_secs(2);

impl Inner {
    pub(crate) async fn checks(&self) -> Result<Vec<KeyCheck>, Fault> {
        let rows = self.rows(&self.cql.checks, (SCOPE,)).await?;
        let rows = rows.rows::<(String, String, bool)>().map_err(|_| unexpected())?;
        rows.map(|row| row.map(|(name, check, retired)| KeyCheck { name, check, retired }).map_err(|_| unexpected()))
            .collect()
    }

    pub(crate) async fn add_checks(&self, checks: Vec<KeyCheck>) -> Result<(), Fault> {
        for _ in 0..MAX_ATTEMPTS {
            let existing = self.checks().await?;
            let find = |check: &KeyCheck| existing.iter().find(|other| other.name == check.name);
            if let Some(other) =
                checks.iter().find(|check| find(check).is_some_and(|existing| existing.check != check.check))
            {
                return Err(Fault::mismatch(format!(
                    "key {} of the keys Secret is not the one that this store was written with; give the worker that \
                     Secret",
                    other.name
                )));
            }
            let absent: Vec<_> = checks.iter().filter(|check| find(check).is_none()).collect();
            if absent.is_empty() {
                return Ok(());
            }
            let values = absent.iter().map(|check| (SCOPE, &check.name, &check.check, check.retired)).collect();
            if self.write_all_if(&self.cql.insert_check, values).await? == Applied::Yes {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Fails with `Mismatch` if the master was retired. Reads the mark at most every two seconds. A
    /// write that starts on an older read ends long before a retirement counts the remaining keys.
    pub(crate) async fn ensure_not_retired(&self, master: u32) -> Result<(), Fault> {
        // The lock is held during the read, so that of many concurrent callers only one reads.
        let mut seen = self.not_retired.lock().await;
        if seen.get(&master).is_some_and(|at| at.elapsed() < CACHE_TIME) {
            return Ok(());
        }
        let read_at = Instant::now();
        self.ensure_not_retired_uncached(master).await?;
        seen.insert(master, read_at);
        Ok(())
    }

    /// Like [`Inner::ensure_not_retired`], but always reads the mark.
    pub(crate) async fn ensure_not_retired_uncached(&self, master: u32) -> Result<(), Fault> {
        let rows = self.rows(&self.cql.is_retired, (SCOPE, format!("master-{master}"))).await?;
        match rows.maybe_first_row::<(bool,)>().map_err(|_| unexpected())? {
            Some((true,)) => Err(Fault::mismatch(format!(
                "master-{master} was retired; start the worker again with the keys Secret as it is now"
            ))),
            Some((false,)) | None => Ok(()),
        }
    }
}
