//! Every live key of a store, wrapped by the current master, in batches. It may be cut short at any
//! moment: what is left is found again.

use indicatif::ProgressBar;
use lethe_core::keys::{KeyRing, WrapContext, WrappedKey};
use lethe_stores::{KeyRow, Vault};

use super::{access::OpenKeyStore, random};
use crate::cli::Failure;

/// Keys that one transaction re-wraps.
const BATCH: usize = 1_000;
/// Batches in a row that others were faster with, after which something is wrong.
const LOST: u32 = 100;

/// How many keys a master wraps, or were wrapped by another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrapped {
    /// Keys of subjects.
    pub subjects: u64,
    /// Keys of days of dead letters.
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

/// How many live keys a master wraps.
pub(super) async fn count(open: &OpenKeyStore, master: u32) -> Result<Wrapped, Failure> {
    let days = open.store.count_day_keys_wrapped_by(master).await?;
    Ok(Wrapped { subjects: open.store.count_wrapped_by(master).await?, days })
}

/// Whether another master than the current one wraps a live key.
pub(super) async fn any_by_others(open: &OpenKeyStore, current: u32) -> Result<bool, Failure> {
    let days = open.store.day_keys_wrapped_by_others(current, 1).await?;
    Ok(!days.is_empty() || !open.store.wrapped_by_others(current, 1).await?.is_empty())
}

/// Wraps every live key by the current master.
pub(super) async fn rewrap(ring: &KeyRing, open: &OpenKeyStore, bar: &ProgressBar) -> Result<Wrapped, Failure> {
    let done =
        Wrapped { subjects: subjects(ring, &*open.store, bar).await?, days: days(ring, &*open.store, bar).await? };
    // The older wrapping of a key is in no file any more.
    open.store.purge().await?;
    Ok(done)
}

async fn subjects(ring: &KeyRing, store: &dyn Vault, bar: &ProgressBar) -> Result<u64, Failure> {
    let mut turns = Turns::default();
    loop {
        let old = store.wrapped_by_others(ring.current_master(), BATCH).await?;
        if old.is_empty() {
            return Ok(turns.done);
        }
        let mut pairs = Vec::with_capacity(old.len());
        for entry in old {
            if let KeyRow::Live(was) = &entry.row {
                let context = WrapContext::Subject { space: &entry.space, token: &entry.token, class: &entry.class };
                let new = again(ring, &context, was)?;
                pairs.push((entry, new));
            }
        }
        turns.took(store.rewrap(pairs).await?, bar)?;
    }
}

async fn days(ring: &KeyRing, store: &dyn Vault, bar: &ProgressBar) -> Result<u64, Failure> {
    let mut turns = Turns::default();
    loop {
        let old = store.day_keys_wrapped_by_others(ring.current_master(), BATCH).await?;
        if old.is_empty() {
            return Ok(turns.done);
        }
        let mut pairs = Vec::with_capacity(old.len());
        for day in old {
            let context = WrapContext::Day { pipeline: &day.pipeline, day: &day.day };
            let new = again(ring, &context, &day.key)?;
            pairs.push((day, new));
        }
        turns.took(store.rewrap_day_keys(pairs).await?, bar)?;
    }
}

fn again(ring: &KeyRing, context: &WrapContext<'_>, was: &WrappedKey) -> Result<WrappedKey, Failure> {
    let mut nonce = [0; 12];
    random(&mut nonce)?;
    ring.rewrap(context, was, nonce).map_err(|error| Failure::Key(error.to_string()))
}

/// Batches so far.
#[derive(Default)]
struct Turns {
    done: u64,
    lost: u32,
}

impl Turns {
    /// A key that was changed in between is found again in the next turn.
    fn took(&mut self, rewrapped: u64, bar: &ProgressBar) -> Result<(), Failure> {
        self.done += rewrapped;
        bar.inc(rewrapped);
        self.lost = if rewrapped == 0 { self.lost + 1 } else { 0 };
        if self.lost > LOST {
            return Err(Failure::Other(
                "keys change faster than they are re-wrapped; end other commands on this store and run it again"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}
