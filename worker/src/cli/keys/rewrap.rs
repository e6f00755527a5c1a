//! Wraps every live key of a store with the current master, in batches. It can be interrupted at
//! any moment and continued later.

use indicatif::ProgressBar;
use lethe_core::keys::{KeyRing, WrapContext, WrappedKey};
use lethe_stores::{KeyRow, Vault};

use super::{access::OpenKeyStore, random};
use crate::cli::Failure;

/// Keys per transaction.
const BATCH: usize = 1_000;
/// The number of consecutive batches without success, because other processes changed the keys
/// first, after which this gives up.
const MAX_LOST_BATCHES: u32 = 100;

/// Number of keys that a master wraps, or that were re-wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrapped {
    /// Keys of subjects.
    pub subjects: u64,
    /// Day keys of dead letters.
    pub days: u64,
}

impl Wrapped {
    pub(super) const fn total(self) -> u64 {
        self.subjects + self.days
    }

    pub(super) fn add(&mut self, other: Wrapped) {
        self.subjects += other.subjects;
        self.days += other.days;
    }
}

/// Returns how many live keys a master wraps.
pub(super) async fn count(open: &OpenKeyStore, master: u32) -> Result<Wrapped, Failure> {
    let days = open.store.count_day_keys_wrapped_by(master).await?;
    Ok(Wrapped { subjects: open.store.count_wrapped_by(master).await?, days })
}

/// Returns whether a master other than the current one wraps a live key.
pub(super) async fn any_by_others(open: &OpenKeyStore, current: u32) -> Result<bool, Failure> {
    let days = open.store.day_keys_wrapped_by_others(current, 1).await?;
    Ok(!days.is_empty() || !open.store.wrapped_by_others(current, 1).await?.is_empty())
}

/// Wraps every live key with the current master.
pub(super) async fn rewrap(ring: &KeyRing, open: &OpenKeyStore, bar: &ProgressBar) -> Result<Wrapped, Failure> {
    let done =
        Wrapped { subjects: subjects(ring, &*open.store, bar).await?, days: days(ring, &*open.store, bar).await? };
    // Removes previous wrappings from the store's files.
    open.store.purge().await?;
    Ok(done)
}

async fn subjects(ring: &KeyRing, store: &dyn Vault, bar: &ProgressBar) -> Result<u64, Failure> {
    let mut progress = BatchProgress::default();
    loop {
        let old = store.wrapped_by_others(ring.current_master(), BATCH).await?;
        if old.is_empty() {
            return Ok(progress.done);
        }
        let mut pairs = Vec::with_capacity(old.len());
        for entry in old {
            if let KeyRow::Live(was) = &entry.row {
                let context = WrapContext::Subject { space: &entry.space, token: &entry.token, class: &entry.class };
                let new = again(ring, &context, was)?;
                pairs.push((entry, new));
            }
        }
        progress.add(store.rewrap(pairs).await?, bar)?;
    }
}

async fn days(ring: &KeyRing, store: &dyn Vault, bar: &ProgressBar) -> Result<u64, Failure> {
    let mut progress = BatchProgress::default();
    loop {
        let old = store.day_keys_wrapped_by_others(ring.current_master(), BATCH).await?;
        if old.is_empty() {
            return Ok(progress.done);
        }
        let mut pairs = Vec::with_capacity(old.len());
        for day in old {
            let context = WrapContext::Day { pipeline: &day.pipeline, day: &day.day };
            let new = again(ring, &context, &day.key)?;
            pairs.push((day, new));
        }
        progress.add(store.rewrap_day_keys(pairs).await?, bar)?;
    }
}

fn again(ring: &KeyRing, context: &WrapContext<'_>, was: &WrappedKey) -> Result<WrappedKey, Failure> {
    let mut nonce = [0; 12];
    random(&mut nonce)?;
    ring.rewrap(context, was, nonce).map_err(|error| Failure::Key(error.to_string()))
}

/// The progress of all batches so far.
#[derive(Default)]
struct BatchProgress {
    done: u64,
    lost_batches: u32,
}

impl BatchProgress {
    /// Counts a batch. A key that another process changed meanwhile is found again by the next
    /// batch.
    fn add(&mut self, rewrapped: u64, bar: &ProgressBar) -> Result<(), Failure> {
        self.done += rewrapped;
        bar.inc(rewrapped);
        self.lost_batches = if rewrapped == 0 { self.lost_batches + 1 } else { 0 };
        if self.lost_batches > MAX_LOST_BATCHES {
            return Err(Failure::Other(
                "keys change faster than they are re-wrapped; end other commands on this store and run it again"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}
