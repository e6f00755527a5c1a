//! Retires master keys.
//!
//! No transaction covers both the mark and the keys. The steps are therefore: set the mark, wait
//! longer than any write that started before the mark can take, then count the keys. A worker reads
//! the mark at most 2 s before each write, and a write is answered or given up after 4 s. A key
//! that was written in between is counted, and the mark is removed again.
//!
//! One case is left: a worker pauses for more than nine seconds between its read of the mark and
//! its write. It reads the mark again before it uses such a key, and fails. The key then exists,
//! wrapped by a retired master. That worker sealed nothing with it, and `keys rotate` finds it.

use std::time::Duration;

use crate::{
    Fault,
    cassandra::vault::{
        Inner,
        conditional::{Applied, MAX_ATTEMPTS, contended},
        tables::SCOPE,
    },
};

/// Maximum duration of a write that started before the mark: the cache time of a read, a request
/// timeout, and the same again as a margin.
const SETTLE: Duration = Duration::from_secs(15);

impl Inner {
    pub(crate) async fn retire(&self, name: String, attestation: String) -> Result<(), Fault> {
        let checks = self.checks().await?;
        let Some(check) = checks.iter().find(|check| check.name == name) else {
            return Err(Fault::mismatch(format!("no key {name} was ever used with this store")));
        };
        let master = name.strip_prefix("master-").and_then(|number| number.parse().ok());
        // Count before setting the mark: in the usual case of a refusal no worker is disturbed.
        if let Some(master) = master.filter(|_| !check.retired)
            && self.count_all_wrapped_by(master).await? > 0
        {
            return Err(still_wraps(&name));
        }
        self.mark(&name, true).await?;
        if let Some(master) = master {
            if !check.retired {
                tokio::time::sleep(SETTLE).await;
            }
            if self.count_all_wrapped_by(master).await? > 0 {
                self.mark(&name, false).await?;
                return Err(still_wraps(&name));
            }
        }
        // A call that is repeated after a crash writes the same attestation to the same row.
        self.write(&self.cql.attest, (name, attestation)).await
    }

    async fn count_all_wrapped_by(&self, master: u32) -> Result<u64, Fault> {
        Ok(self.count_wrapped_by(master).await? + self.count_day_keys_wrapped_by(master).await?)
    }

    async fn mark(&self, name: &str, retired: bool) -> Result<(), Fault> {
        for _ in 0..MAX_ATTEMPTS {
            match self.write_if(&self.cql.mark_retired, (retired, SCOPE, name, !retired)).await? {
                Applied::Yes => return Ok(()),
                Applied::No | Applied::Unknown => {
                    let checks = self.checks().await?;
                    if checks.iter().any(|check| check.name == name && check.retired == retired) {
                        return Ok(());
                    }
                }
            }
        }
        Err(contended())
    }
}

fn still_wraps(name: &str) -> Fault {
    Fault::mismatch(format!("{name} still wraps keys; wrap them by the current master with `lethe-worker keys rotate`"))
}
