//! Redrives dead letters: each is opened, processed by the pipeline as it is declared now, and
//! delivered to the sinks that lack it.
//!
//! A page of letters is written to the sinks, then the marks of files are committed, then the
//! letters are removed. A redrive that is killed at any moment and started again loses no letter. A
//! table is not changed by an event that it holds already. A file that was killed between the
//! second step and the third gets the lines of that page twice, as an output topic does.

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

/// Letters that are opened together. All their original records are in memory.
const PAGE: usize = 200;

/// Which letters are redriven.
#[derive(Clone, Debug, Default)]
pub struct RedriveOptions {
    /// Only letters with one of these reason codes. Empty: all letters.
    pub reasons: BTreeSet<String>,
    /// The number of letters, at most.
    pub limit: Option<u64>,
    /// Only report the outcomes. Changes no sink, letter or key.
    pub dry_run: bool,
}

/// Outcomes of a redrive. Each letter counts in exactly one of the fields from `redriven` to
/// `without_sink`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// Letters read.
    pub letters: u64,
    /// Processed and removed. `sinks` has their outcomes.
    pub redriven: u64,
    /// Rejected again, by reason code, and kept.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Removed because their subject was erased.
    pub fenced: u64,
    /// Removed because the key of their day was destroyed or has expired.
    pub expired: u64,
    /// Kept because they can't be opened: they are damaged, or their key is missing without an
    /// erasure.
    pub unopened: u64,
    /// Kept because they hold only the start of a record that was too large to be read.
    pub cut: u64,
    /// Kept because no sink that lacks them is declared any more.
    pub without_sink: u64,
    /// Outcomes of the processed letters, at the sinks that lacked them. In a dry run `delivered`
    /// counts the records that would be written.
    pub sinks: BTreeMap<String, SinkCounts>,
}

impl Redriven {
    /// Returns the number of letters that were kept.
    pub fn kept(&self) -> u64 {
        self.rejected.values().sum::<u64>() + self.unopened + self.cut + self.without_sink
    }
}

/// A letter that was opened.
struct OpenedLetter {
    letter: Letter,
    /// For each sink of the pipeline, whether it lacks the record.
    lacking: Vec<bool>,
    record: OwnedRecord,
}

/// Redrives the dead letters of a pipeline. [`RunHandle::stop`] ends it after the current page. A
/// dry run doesn't use the job's sinks.
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
    let reader = LetterReader {
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
            // A letter that a sink rejects again is kept. A letter of another stream with the same
            // offset is then kept, too. It is redriven once more, which changes nothing.
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
        let mut total = Counts { sinks: std::mem::take(&mut self.sinks), ..Counts::default() };
        total.rejected = std::mem::take(&mut self.rejected);
        total.merge(counts);
        self.sinks = total.sinks;
        self.rejected = total.rejected;
    }
}

/// Counts the answers of the sinks. Returns the offsets of records that a sink rejected.
fn count(
    names: &[String],
    outgoing: &[OutgoingBatch],
    answers: Vec<Vec<Answer>>,
    counts: &mut Counts,
) -> BTreeSet<u64> {
    let mut refused = BTreeSet::new();
    for ((name, batch), answers) in names.iter().zip(outgoing).zip(answers) {
        let sink_counts = counts.sinks.entry(name.clone()).or_default();
        for (record, answer) in batch.records.iter().zip(answers) {
            match answer {
                Ok(outcome) => sink_counts.add(outcome, 1),
                Err(rejection) => {
                    sink_counts.add(Outcome::Rejected, 1);
                    *counts.rejected.entry(rejection.reason.code()).or_default() += 1;
                    refused.insert(record.offset);
                }
            }
        }
    }
    refused
}

/// Returns the job with other sinks.
fn with_sinks(job: &Job, sinks: Vec<Box<dyn Sink>>) -> Job {
    Job {
        pipeline: job.pipeline.clone(),
        ring: Arc::clone(&job.ring),
        vault: Arc::clone(&job.vault),
        letters: Arc::clone(&job.letters),
        sinks,
        from_start: false,
    }
}

/// Opens letters.
struct LetterReader {
    letters: Arc<dyn DeadLetters>,
    vault: Arc<dyn Vault>,
    engine: Arc<Engine>,
    /// Names of the pipeline's sinks.
    sinks: Vec<String>,
    /// Keys of days before this one are destroyed or have expired.
    expire_before: Option<String>,
}

impl LetterReader {
    /// Opens letters. Returns those that opened, and the keys of those that can never be opened.
    async fn open(
        &self,
        page: Vec<Letter>,
        done: &mut Redriven,
    ) -> Result<(Vec<OpenedLetter>, Vec<[u8; 32]>), StoreError> {
        let mut opened = Vec::with_capacity(page.len());
        let mut gone = Vec::new();
        for letter in page {
            let lacking: Vec<bool> = self.sinks.iter().map(|name| letter.sinks.contains(name)).collect();
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
                Ok(Some(_)) if !lacking.contains(&true) => done.without_sink += 1,
                Ok(Some(record)) if reprocess::is_cut(&letter, &record) => done.cut += 1,
                Ok(Some(record)) => opened.push(OpenedLetter { letter, lacking, record }),
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
                    | LetterError::NoRecord
                    | LetterError::Cut(_)),
                ) => {
                    tracing::warn!(%error, "dead letter cannot be opened");
                    done.unopened += 1;
                }
            }
        }
        Ok((opened, gone))
    }
}
