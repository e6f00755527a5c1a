//! Removes expired data while a pipeline runs: expired records of embedded stores, and day keys of
//! old dead letters in every store.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use lethe_core::pipeline::Pipeline;
use lethe_stores::{DeadLetters, StoreError, Vault, embedded::EmbeddedStore};

use crate::clock::now;
use crate::run::expire_before;

/// Rows of a table that one transaction removes, at most.
const AT_ONCE: usize = 10_000;

/// Removes expired data of a pipeline.
pub struct Housekeeper {
    stores: Vec<Arc<EmbeddedStore>>,
    vault: Arc<dyn Vault>,
    letters: Arc<dyn DeadLetters>,
    pipeline: Pipeline,
    /// Whether letters may be left whose keys are destroyed. True at first: an earlier process may
    /// have destroyed keys and failed to remove their letters.
    letters_due: AtomicBool,
}

/// The result of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Records removed.
    pub records: u64,
    /// Dead letters that were never redriven and can no longer be opened.
    pub letters: u64,
}

impl Expired {
    /// Adds the result of another sweep.
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
        Self { stores, vault, letters, pipeline: pipeline.clone(), letters_due: AtomicBool::new(true) }
    }

    /// Removes everything that has expired.
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
            // Keys are destroyed first, so that remaining letters can't be opened. Expiring letters
            // of a topic reads the whole topic, so this is done only after a start, if a key was
            // destroyed, or if the last attempt failed.
            if self.vault.destroy_day_keys(self.pipeline.id(), before.clone()).await? > 0 {
                self.letters_due.store(true, Ordering::Relaxed);
            }
            if self.letters_due.load(Ordering::Relaxed) {
                expired.letters = self.letters.expire(self.pipeline.id(), before).await?;
                self.letters_due.store(false, Ordering::Relaxed);
            }
        }
        for store in &self.stores {
            // A reader that prevents it is not waited for: the next sweep tries again.
            store.truncate_stale_log().await?;
        }
        Ok(expired)
    }
}
