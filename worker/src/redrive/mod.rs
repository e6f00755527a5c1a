//! Dead letters once more: each is opened, goes through the pipeline as it is declared now, and is
//! delivered to the sinks that lack it.
//!
//! The order is: write to the sinks, commit the marks of those that are files, remove the letters.
//! Killed at any moment and started again, no letter is lost. A table takes the same event twice
//! without a change; a file that was killed between the second step and the third gets the lines of
//! one page of letters a second time, as an output topic would.

mod reprocess;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use lethe_core::{engine::Engine, letter::OwnedRecord, outcome::Outcome, record::OutgoingBatch};
use lethe_stores::{Answer, DeadLetters, Letter, LetterKey, Sink, StoreError, Vault};
use serde::Serialize;
use tokio::runtime::Handle;

use self::reprocess::{PageResult, Reprocessor};
use crate::{
    clock::now,
    counts::{Counts, SinkCounts},
    run::{Deliverer, Job, KeyError, LetterError, RunError, RunHandle, expire_before, open_letter},
};

/// Letters that are opened at once: their originals are in memory together.
const PAGE: usize = 200;

/// Which letters, and whether anything is changed.
#[derive(Clone, Debug, Default)]
pub struct RedriveOptions {
    /// Only letters with one of these reason codes; empty: all.
    pub reasons: BTreeSet<String>,
    /// So many letters at most.
    pub limit: Option<u64>,
    /// Look what would become of them: no sink, letter or key is touched.
    pub dry_run: bool,
}

/// What became of dead letters: each letter that was looked at counts once among the fates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// Letters that were looked at.
    pub letters: u64,
    /// Processed, and removed: `sinks` says what came of them.
    pub redriven: u64,
    /// Rejected again, by reason code; they stay.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Removed, because their subject was erased.
    pub fenced: u64,
    /// Removed, because the key of their day was destroyed, or is due to be.
    pub expired: u64,
    /// They don't open: damaged, or their key is absent without having been destroyed; they stay.
    pub unopened: u64,
    /// None of the sinks that lack them is declared any more; they stay.
    pub without_sink: u64,
    /// Outcomes of the letters that were processed, at the sinks that lacked them. Of a dry run,
    /// `delivered` are those that would be written.
    pub sinks: BTreeMap<String, SinkCounts>,
}

impl Redriven {
    /// Letters that are still there.
    pub fn stay(&self) -> u64 {
        self.rejected.values().sum::<u64>() + self.unopened + self.without_sink
    }
}

/// A letter that was opened.
struct OpenedLetter {
    letter: Letter,
    /// Which of the pipeline's sinks lack it, in their order.
    wanted: Vec<bool>,
    record: OwnedRecord,
}

/// Redrives the dead letters of a pipeline. [`RunHandle::stop`] ends it after the page under way. The
/// sinks of a dry run's job are not used.
pub async fn redrive(mut job: Job, options: RedriveOptions, handle: Arc<RunHandle>) -> Result<Redriven, RunError> {
    let id = job.pipeline.id();
    let engine = Arc::new(Engine::new(&job.pipeline, Arc::clone(&job.ring))?);
    let names: Vec<String> = job.pipeline.sinks.iter().map(|sink| sink.name.clone()).collect();
    let mut deliverer = if options.dry_run {
        None
    } else {
        let progress = job.vault.progress(id.clone()).await?;
        let sinks = std::mem::take(&mut job.sinks);
        let mut deliverer = Deliverer::new(with_sinks(&job, sinks), Arc::clone(&handle));
        deliverer.restore(&progress).await?;
        Some(deliverer)
    };
    let reader = Reader {
        expire_before: expire_before(&job.pipeline, now()),
        letters: Arc::clone(&job.letters),
        vault: Arc::clone(&job.vault),
        engine: Arc::clone(&engine),
        sinks: names.clone(),
    };
    let mut reprocessor = Reprocessor::new(job, engine, Handle::current(), Arc::clone(&handle), options.dry_run);
    let mut done = Redriven {
        sinks: names.iter().map(|name| (name.clone(), SinkCounts::default())).collect(),
        ..Redriven::default()
    };
    let mut after = None;
    while !handle.is_stopping() {
        let mut page = reader.letters.list(id.clone(), after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key);
        page.retain(|letter| options.reasons.is_empty() || options.reasons.contains(&*letter.reason));
        let left = options.limit.map_or(u64::MAX, |limit| limit - done.letters);
        page.truncate(usize::try_from(left).unwrap_or(usize::MAX));

        let looked_at = page.len() as u64;
        let (opened, mut gone) = reader.open(page, &mut done).await?;
        let result;
        (reprocessor, result) = tokio::task::spawn_blocking(move || {
            let result = reprocessor.page(opened);
            (reprocessor, result)
        })
        .await
        .map_err(|_| RunError::ThreadEnded(id.clone()))?;
        let PageResult { outgoing, mut counts, mut removed, mut redriven, fenced } = result?;
        if let Some(deliverer) = &mut deliverer {
            let answers = deliverer.write(&outgoing).await?;
            let refused = count(&names, &outgoing, answers, &mut counts);
            // A letter that a sink refuses again stays. Its offset may be another stream's, too: that
            // letter stays for nothing and is redriven once more, which changes nothing.
            let before = removed.len();
            removed.retain(|(_, offset)| !refused.contains(offset));
            redriven -= (before - removed.len()) as u64;
            deliverer.commit_marks().await?;
            gone.extend(removed.iter().map(|(key, _)| *key));
            deliverer.remove_letters(&gone).await?;
        }
        done.redriven += redriven;
        done.fenced += fenced;
        done.add(&counts);
        done.letters += looked_at;
        handle.events.fetch_add(looked_at, Ordering::Relaxed);
        if options.limit.is_some_and(|limit| done.letters >= limit) {
            break;
        }
    }
    Ok(done)
}

impl Redriven {
    fn add(&mut self, counts: &Counts) {
        let mut all = Counts { sinks: std::mem::take(&mut self.sinks), ..Counts::default() };
        all.rejected = std::mem::take(&mut self.rejected);
        all.merge(counts);
        self.sinks = all.sinks;
        self.rejected = all.rejected;
    }
}

/// Counts what sinks answered; answers the offsets of records that one of them refused.
fn count(
    names: &[String],
    outgoing: &[OutgoingBatch],
    answers: Vec<Vec<Answer>>,
    counts: &mut Counts,
) -> BTreeSet<u64> {
    let mut refused = BTreeSet::new();
    for ((name, batch), answers) in names.iter().zip(outgoing).zip(answers) {
        let of_sink = counts.sinks.entry(name.clone()).or_default();
        for (record, answer) in batch.records.iter().zip(answers) {
            match answer {
                Ok(outcome) => of_sink.add(outcome, 1),
                Err(rejection) => {
                    of_sink.add(Outcome::Rejected, 1);
                    *counts.rejected.entry(rejection.reason.code()).or_default() += 1;
                    refused.insert(record.offset);
                }
            }
        }
    }
    refused
}

/// The same job with other sinks.
fn with_sinks(job: &Job, sinks: Vec<Box<dyn Sink>>) -> Job {
    Job {
        pipeline: job.pipeline.clone(),
        ring: Arc::clone(&job.ring),
        vault: Arc::clone(&job.vault),
        letters: Arc::clone(&job.letters),
        sinks,
    }
}

/// Opens letters.
struct Reader {
    letters: Arc<dyn DeadLetters>,
    vault: Arc<dyn Vault>,
    engine: Arc<Engine>,
    /// Names of the pipeline's sinks.
    sinks: Vec<String>,
    /// Keys of days before this one are destroyed, or are due to be.
    expire_before: Option<String>,
}

impl Reader {
    /// Opens letters. Answers those that opened, and the keys of those that never will.
    async fn open(
        &self,
        page: Vec<Letter>,
        done: &mut Redriven,
    ) -> Result<(Vec<OpenedLetter>, Vec<[u8; 32]>), StoreError> {
        let mut opened = Vec::with_capacity(page.len());
        let mut gone = Vec::new();
        for letter in page {
            let wanted: Vec<bool> = self.sinks.iter().map(|name| letter.sinks.contains(name)).collect();
            if let LetterKey::Day(day) = &letter.sealed_by
                && self.expire_before.as_ref().is_some_and(|before| day < before)
            {
                done.expired += 1;
                gone.push(letter.key);
                continue;
            }
            let space = self.engine.space();
            let record = open_letter(&letter, self.engine.ring(), space, &*self.vault).await;
            match record {
                Ok(Some(_)) if !wanted.contains(&true) => done.without_sink += 1,
                Ok(Some(record)) => opened.push(OpenedLetter { letter, wanted, record }),
                Ok(None) => {
                    done.fenced += 1;
                    gone.push(letter.key);
                }
                Err(LetterError::DayGone(_)) => {
                    done.expired += 1;
                    gone.push(letter.key);
                }
                Err(LetterError::Store(error) | LetterError::Key(KeyError::Store(error))) => return Err(error),
                Err(
                    error @ (LetterError::Key(_)
                    | LetterError::NoKey
                    | LetterError::Seal(_)
                    | LetterError::Open(_)
                    | LetterError::NoRecord),
                ) => {
                    tracing::warn!(%error, "a dead letter stays closed");
                    done.unopened += 1;
                }
            }
        }
        Ok((opened, gone))
    }
}
