//! What keeps stores to their promises while a pipeline runs: records of embedded stores that have
//! expired go, and so do the keys of old days of dead letters, wherever they lie.

use std::sync::Arc;

use lethe_core::pipeline::Pipeline;
use lethe_stores::{DeadLetters, StoreError, Vault, embedded::EmbeddedStore};

use crate::clock::now;
use crate::run::expire_before;

/// Rows of a table that one transaction removes.
const AT_ONCE: usize = 10_000;

/// Looks after the embedded stores of a pipeline.
pub struct Housekeeper {
    stores: Vec<Arc<EmbeddedStore>>,
    vault: Arc<dyn Vault>,
    letters: Arc<dyn DeadLetters>,
    pipeline: Pipeline,
}

/// What has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Records removed.
    pub records: u64,
    /// Dead letters that were never redriven and can't be opened any more.
    pub letters: u64,
}

impl Expired {
    /// Adds another sweep's.
    pub fn add(&mut self, other: Expired) {
        self.records += other.records;
        self.letters += other.letters;
    }
}

impl Housekeeper {
    pub(super) fn new(
        pipeline: &Pipeline,
        stores: Vec<Arc<EmbeddedStore>>,
        vault: Arc<dyn Vault>,
        letters: Arc<dyn DeadLetters>,
    ) -> Self {
        Self { stores, vault, letters, pipeline: pipeline.clone() }
    }

    /// Removes what has expired by now.
    pub async fn sweep(&self) -> Result<Expired, StoreError> {
        let now = now();
        let mut expired = Expired::default();
        for store in &self.stores {
            loop {
                let swept = store.sweep(now, AT_ONCE).await?;
                expired.records += swept.total();
                if !swept.more {
                    break;
                }
            }
        }
        if let Some(before) = expire_before(&self.pipeline, now) {
            // The keys first: what is left of the letters can't be opened. To look through a topic for
            // them costs a read of it, which is done when there is something to find.
            if self.vault.destroy_day_keys(self.pipeline.id(), before.clone()).await? > 0 {
                expired.letters = self.letters.expire(self.pipeline.id(), before).await?;
            }
        }
        Ok(expired)
    }
}
