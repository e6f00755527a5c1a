//! Redrives dead letters: each is opened, processed by the pipeline as it is declared now, and
//! delivered to the sinks that lack it.
//!
//! A page of letters is written to the sinks, then the marks of files are committed, then the
//! letters are removed. A redrive that is killed at any moment and started again loses no letter. A
//! table is not changed by an event that it holds already. A file that was killed between the
//! second step and the third gets the lines of that page twice, as an output topic does.

mod reprocess;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use lethe_core::{
    engine::{Engine, Record},
    letter::{self, OwnedRecord},
    outcome::Outcome,
    record::Position,
};
use lethe_stores::{Answer, DeadLetters, Letter, LetterKey, Sink, StoreError, Vault};
use serde::Serialize;
use tokio::runtime::Handle;

use self::reprocess::{PageResult, Reprocessor};
use crate::{
    clock::now,
    counts::{Counts, SinkCounts},
    run::{Deliverer, Job, KeyError, LetterError, RunError, RunHandle, expire_before, open_letter, same_incarnation},
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
    /// Kept because they hold only the start of a record that was too large to be read, or to be
    /// stored in the topic of the letter.
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

/// A record that was opened, of one or more letters.
struct OpenedRecord {
    position: Position,
    reason: Cow<'static, str>,
    /// The keys of its letters.
    letters: Vec<[u8; 32]>,
    /// For each sink of the pipeline, whether it lacks the record.
    lacking: Vec<bool>,
    record: OwnedRecord,
}

/// What became of a record.
enum Verdict {
    /// It has this outcome at the sinks that lack it. `Delivered`: it was sent to them.
    Processed(Outcome),
    /// It was rejected again, for this reason.
    Rejected(&'static str),
}

/// How sinks refused a record.
struct Refused {
    code: &'static str,
    /// Indices of the sinks.
    sinks: Vec<usize>,
}

/// The records of this redrive that are processed, by what they are. A record may have several
/// letters, because a sink was added between two rejections.
#[derive(Default)]
struct Processed(BTreeMap<RecordId, Vec<Delivery>>);

/// The incarnation of the record's stream, and for each sink whether it got the record.
type Delivery = (Arc<str>, Vec<bool>);

/// The stream, the offset, and the digest of key and value.
type RecordId = (Arc<str>, u64, [u8; 32]);

fn record_id(position: &Position, record: &OwnedRecord) -> RecordId {
    let OwnedRecord { key, value, .. } = record;
    // Letters of earlier versions hold no headers.
    let bare = Record { stream: "", offset: 0, timestamp: None, key: key.as_deref(), value: value.as_deref() };
    (Arc::clone(&position.stream), position.offset, letter::digest(&letter::encode(&bare, &[])))
}

impl Processed {
    /// Unites the letters of one record, and leaves out the sinks that got it in this redrive.
    fn unite(&self, opened: Vec<OpenedRecord>) -> Vec<OpenedRecord> {
        let mut united: BTreeMap<RecordId, Vec<OpenedRecord>> = BTreeMap::new();
        for mut one in opened {
            let id = record_id(&one.position, &one.record);
            for (incarnation, sinks) in self.0.get(&id).into_iter().flatten() {
                if same_incarnation(incarnation, &one.position.incarnation) {
                    one.lacking.iter_mut().zip(sinks).for_each(|(lacking, got)| *lacking &= !got);
                }
            }
            let same = united.entry(id).or_default();
            let known =
                same.iter_mut().find(|of| same_incarnation(&of.position.incarnation, &one.position.incarnation));
            match known {
                Some(known) => {
                    known.letters.extend(one.letters);
                    known.lacking.iter_mut().zip(one.lacking).for_each(|(lacking, too)| *lacking |= too);
                }
                None => same.push(one),
            }
        }
        united.into_values().flatten().collect()
    }

    /// Adds a record that the sinks hold which lacked it, except for those that `refused` it.
    fn add(&mut self, one: &OpenedRecord, refused: &[usize]) {
        let id = record_id(&one.position, &one.record);
        let got = one.lacking.iter().enumerate().map(|(sink, lacking)| *lacking && !refused.contains(&sink)).collect();
        self.0.entry(id).or_default().push((Arc::clone(&one.position.incarnation), got));
    }
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
    let mut processed = Processed::default();
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
        let united = processed.unite(opened);
        let result;
        (reprocessor, result) = tokio::task::spawn_blocking(move || {
            let result = reprocessor.page(united);
            (reprocessor, result)
        })
        .await
        .map_err(|_| RunError::ThreadEnded(id.clone()))?;
        let PageResult { records, verdicts, outgoing, origins, mut counts } = result?;
        let mut refused = BTreeMap::new();
        if let Some(deliverer) = &mut deliverer {
            let answers = deliverer.write(&outgoing).await?;
            refused = count(&names, &origins, answers, &mut counts);
            deliverer.commit_marks().await?;
        }
        reprocessor.add_repeats(&records, &verdicts, &mut refused);
        for (at, (one, verdict)) in records.iter().zip(verdicts).enumerate() {
            let letters = one.letters.len() as u64;
            match (refused.get(&at), verdict) {
                (Some(Refused { code, sinks }), _) => {
                    *counts.rejected.entry(code).or_default() += letters;
                    processed.add(one, sinks);
                    continue;
                }
                (None, Verdict::Rejected(code)) => {
                    *counts.rejected.entry(code).or_default() += letters;
                    continue;
                }
                (None, Verdict::Processed(Outcome::Fenced)) => done.fenced += letters,
                (None, Verdict::Processed(outcome)) => {
                    if outcome != Outcome::Delivered {
                        reprocess::count_at_lacking(&mut counts, &names, one, outcome);
                    }
                    done.redriven += letters;
                    processed.add(one, &[]);
                }
            }
            gone.extend_from_slice(&one.letters);
        }
        if let Some(deliverer) = &deliverer {
            deliverer.remove_letters(&gone).await?;
        }
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

/// Counts the answers of the sinks. Returns the records that a sink refused.
fn count(
    names: &[String],
    origins: &[Vec<usize>],
    answers: Vec<Vec<Answer>>,
    counts: &mut Counts,
) -> BTreeMap<usize, Refused> {
    let mut refused = BTreeMap::<usize, Refused>::new();
    for (sink, ((name, origins), answers)) in names.iter().zip(origins).zip(answers).enumerate() {
        let sink_counts = counts.sinks.entry(name.clone()).or_default();
        for (record, answer) in origins.iter().zip(answers) {
            match answer {
                Ok(outcome) => sink_counts.add(outcome, 1),
                Err(rejection) => {
                    sink_counts.add(Outcome::Rejected, 1);
                    let code = rejection.reason.code();
                    refused.entry(*record).or_insert_with(|| Refused { code, sinks: Vec::new() }).sinks.push(sink);
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
    ) -> Result<(Vec<OpenedRecord>, Vec<[u8; 32]>), StoreError> {
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
                Ok(Some(record)) => {
                    let Letter { key, position, reason, .. } = letter;
                    opened.push(OpenedRecord { position, reason, letters: vec![key], lacking, record });
                }
                Ok(None) => {
                    done.fenced += 1;
                    gone.push(letter.key);
                }
                Err(LetterError::DayGone(_)) => {
                    done.expired += 1;
                    gone.push(letter.key);
                }
                Err(error @ LetterError::Cut(_)) => {
                    let Position { stream, offset, .. } = &letter.position;
                    tracing::warn!(%error, stream = &**stream, offset, "dead letter was cut");
                    done.cut += 1;
                }
                Err(LetterError::Store(error) | LetterError::Key(KeyError::Store(error))) => return Err(error),
                Err(
                    error @ (LetterError::Key(_)
                    | LetterError::NoKey
                    | LetterError::Seal(_)
                    | LetterError::Open(_)
                    | LetterError::NoRecord),
                ) => {
                    tracing::warn!(%error, "dead letter cannot be opened");
                    done.unopened += 1;
                }
            }
        }
        Ok((opened, gone))
    }
}
