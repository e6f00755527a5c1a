//! Check values of the keys Secret. They share a partition, so that those of one Secret are recorded
//! all or none.

use std::time::{Duration, Instant};

use crate::{
    Fault, KeyCheck,
    cassandra::{
        fault::unexpected,
        vault::{
            Inner,
            conditional::{Applied, TRIES, contended},
            tables::SCOPE,
        },
    },
};

/// How long it is believed that a master was not retired.
const BELIEVED: Duration = Duration::from_secs(2);

impl Inner {
    pub(crate) async fn checks(&self) -> Result<Vec<KeyCheck>, Fault> {
        let rows = self.rows(&self.cql.checks, (SCOPE,)).await?;
        let rows = rows.rows::<(String, String, bool)>().map_err(|_| unexpected())?;
        rows.map(|row| row.map(|(name, check, retired)| KeyCheck { name, check, retired }).map_err(|_| unexpected()))
            .collect()
    }

    pub(crate) async fn add_checks(&self, checks: Vec<KeyCheck>) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let there = self.checks().await?;
            let find = |check: &KeyCheck| there.iter().find(|other| other.name == check.name);
            if let Some(other) = checks.iter().find(|check| find(check).is_some_and(|there| there.check != check.check))
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

    /// Refuses to wrap a key by a master that was retired. Looks at most every two seconds: what is
    /// begun then ends long before a retirement counts what is left.
    pub(crate) async fn must_not_be_retired(&self, master: u32) -> Result<(), Fault> {
        // Held over the look: of many that ask at once one asks the store.
        let mut seen = self.not_retired.lock().await;
        if seen.get(&master).is_some_and(|at| at.elapsed() < BELIEVED) {
            return Ok(());
        }
        let before = Instant::now();
        self.look_whether_retired(master).await?;
        seen.insert(master, before);
        Ok(())
    }

    /// The same, by a look of its own.
    pub(crate) async fn look_whether_retired(&self, master: u32) -> Result<(), Fault> {
        let rows = self.rows(&self.cql.is_retired, (SCOPE, format!("master-{master}"))).await?;
        match rows.maybe_first_row::<(bool,)>().map_err(|_| unexpected())? {
            Some((true,)) => Err(Fault::mismatch(format!(
                "master-{master} was retired; start the worker again with the keys Secret as it is now"
            ))),
            Some((false,)) | None => Ok(()),
        }
    }
}
