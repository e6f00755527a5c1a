//! The end of a master key.
//!
//! No transaction spans the mark and the keys. So the mark comes first, then a wait that is longer
//! than any write that was begun before the mark may take, then the count: a worker looks at the mark
//! at most 2 s before each write, and a write is answered or given up after 4 s. A key that is written
//! in between is counted, and the mark is taken back.
//!
//! What is left is a worker that stands still for more than nine seconds between its look and its
//! write. It looks again before it uses such a key, and refuses; the key is there then, wrapped by a
//! retired master, has sealed nothing of that worker's, and `keys rotate` finds it.

use std::time::Duration;

use crate::{
    Fault,
    cassandra::vault::{
        Inner,
        conditional::{Applied, TRIES, contended},
        tables::SCOPE,
    },
};

/// The longest that a write may be under way: what a look is believed, a request, and as much again.
const SETTLE: Duration = Duration::from_secs(15);

impl Inner {
    pub(crate) async fn retire(&self, name: String, attestation: String) -> Result<(), Fault> {
        let checks = self.checks().await?;
        let Some(check) = checks.iter().find(|check| check.name == name) else {
            return Err(Fault::mismatch(format!("no key {name} was ever used with this store")));
        };
        let master = name.strip_prefix("master-").and_then(|number| number.parse().ok());
        // Looked at before anything is marked: the usual refusal disturbs no worker.
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
        // The same attestation again (a call repeated after a crash) is the same row.
        self.write(&self.cql.attest, (name, attestation)).await
    }

    async fn count_all_wrapped_by(&self, master: u32) -> Result<u64, Fault> {
        Ok(self.count_wrapped_by(master).await? + self.count_day_keys_wrapped_by(master).await?)
    }

    async fn mark(&self, name: &str, retired: bool) -> Result<(), Fault> {
        for _ in 0..TRIES {
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
