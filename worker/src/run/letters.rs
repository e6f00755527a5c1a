//! Dead letters: a rejected record is sealed whole. It is sealed with its subject's key if the
//! subject can be read, else with the key of the UTC day.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use lethe_core::{
    engine::{Engine, Identity},
    keys::{DataKey, KeyRing, WrapContext, WrappedKey},
    letter::{self, Content, OwnedRecord},
    pipeline::Pipeline,
    reason::{Reason, Rejection},
    record::{IncomingBatch, Position},
    seal::{DAY_CLASS, DEAD_LETTER_CLASS, LetterContext, OpenError, SealError, SubjectCipher},
    subject::{Subject, SubjectCache},
};
use lethe_stores::{DeadLetters, KeyRow, Letter, LetterKey, StoreError, Vault};
use tokio::runtime::Handle;

use super::{
    Job, KeyError, RunHandle,
    retry::with_retries,
    subject_keys::{MissingKey, SubjectSpec, fetch_subjects, random},
    transform::record,
};
use crate::{clock::day_of, observe::KEY_STORE};

/// Why a dead letter can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// A key is not available.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key of its day was destroyed.
    #[error("the key of the day {0} was destroyed: what it sealed can't be opened any more")]
    DayGone(String),
    /// The key of its subject is missing. That is no erasure, which leaves a marker.
    #[error("the key store lacks the key that sealed a dead letter: was it restored from an older backup?")]
    NoKey,
    /// Sealing failed.
    #[error("failed to seal a dead letter: {0}")]
    Seal(#[from] SealError),
    /// Opening failed.
    #[error("failed to open a dead letter: {0}")]
    Open(#[from] OpenError),
    /// What was opened is not a record.
    #[error("a dead letter holds no record: another version of Lethe may have written it")]
    NoRecord,
    /// It is only the start of a record.
    #[error(
        "a dead letter holds only the first 64 KiB of its record of {0} bytes, because its topic took no more: it \
         can't be redriven; send the event again, and raise the topic's max.message.bytes"
    )]
    Cut(u64),
}

/// A record that was rejected.
pub(super) struct RejectedRecord {
    position: Position,
    rejection: Rejection,
    identity: Option<Identity>,
    /// Indices of the sinks that lack the record. `None`: all of them.
    sinks: Option<Vec<usize>>,
    /// The encoded record. It is personal, and is dropped once it is sealed.
    record: Vec<u8>,
}

impl RejectedRecord {
    /// Returns the record at `at` of a batch, which was rejected.
    pub(super) fn new(batch: &IncomingBatch, at: usize, rejection: Rejection, identity: Option<Identity>) -> Self {
        let incoming = &batch.records[at];
        let part = |range: &Range<usize>| &batch.bytes[range.clone()];
        let headers: Vec<_> =
            incoming.headers.iter().map(|(name, value)| (part(name), value.as_ref().map(part))).collect();
        Self {
            position: Position {
                stream: Arc::clone(&batch.stream),
                incarnation: Arc::clone(&batch.incarnation),
                offset: incoming.offset,
            },
            rejection,
            identity,
            sinks: None,
            record: letter::encode(&record(batch, incoming), &headers),
        }
    }

    pub(super) fn reason(&self) -> Reason {
        self.rejection.reason
    }

    /// Limits the sinks that lack the record to these.
    pub(super) fn missing_in(self, sinks: Vec<usize>) -> Self {
        Self { sinks: Some(sinks), ..self }
    }
}

/// Subjects whose dead letter keys are cached, at most. A faulty source sends events of the same
/// subjects again and again.
const CACHE_SIZE: usize = 10_000;

/// Seals dead letters of one pipeline.
pub(super) struct LetterSealer {
    engine: Arc<Engine>,
    vault: Arc<dyn Vault>,
    handle: Arc<RunHandle>,
    pipeline: String,
    sinks: Vec<String>,
    cache: SubjectCache,
    day: Option<(String, SubjectCipher)>,
}

impl LetterSealer {
    pub(super) fn new(job: &Job, engine: Arc<Engine>, handle: Arc<RunHandle>) -> Self {
        Self {
            engine,
            vault: Arc::clone(&job.vault),
            handle,
            pipeline: job.pipeline.id(),
            sinks: job.pipeline.sinks.iter().map(|sink| sink.name.clone()).collect(),
            cache: SubjectCache::new(CACHE_SIZE),
            day: None,
        }
    }

    /// Seals rejected records. Returns a letter for each, or `None` if its subject was erased:
    /// nothing of such a record is stored.
    pub(super) async fn seal(
        &mut self,
        rejected: &[RejectedRecord],
        now: i64,
    ) -> Result<Vec<Option<Letter>>, LetterError> {
        let subjects = self.subjects(rejected).await?;
        let mut letters = Vec::with_capacity(rejected.len());
        for (record, subject) in rejected.iter().zip(subjects) {
            if subject.as_ref().is_some_and(|subject| subject.is_shredded()) {
                letters.push(None);
                continue;
            }
            let sinks: Vec<String> = match &record.sinks {
                None => self.sinks.clone(),
                Some(missing) => missing.iter().map(|at| self.sinks[*at].clone()).collect(),
            };
            let reason = record.rejection.reason.code();
            let digest = letter::digest(&record.record);
            let key = self.engine.ring().letter_key(&self.pipeline, &record.position, &digest, &sinks);
            let day;
            let (sealed_by, cipher) = match subject.as_ref().and_then(|of| Some((*of.token(), of.cipher(0)?))) {
                Some((token, cipher)) => (LetterKey::Subject(token), cipher),
                None => {
                    day = self.day(now).await?;
                    (LetterKey::Day(day.0.clone()), &day.1)
                }
            };
            let pipeline = &self.pipeline;
            let context = LetterContext { key: &key, pipeline, position: &record.position, reason, sinks: &sinks };
            let seal = |content: &[u8]| {
                let mut sealed = Vec::with_capacity(content.len() + 32);
                cipher.seal_letter(&context, content, &mut sealed).map(|()| sealed)
            };
            let sealed = seal(&record.record)?;
            let cut = letter::cut(&record.record).map(|cut| seal(&cut)).transpose()?;
            letters.push(Some(Letter {
                key,
                pipeline: self.pipeline.clone(),
                position: record.position.clone(),
                reason: Cow::Borrowed(reason),
                rule: record.rejection.rule.map(Cow::Borrowed),
                path: record.rejection.path.as_ref().map(ToString::to_string),
                sinks,
                sealed_by,
                sealed,
                cut,
            }));
        }
        Ok(letters)
    }

    /// Returns the subject of each record whose subject can be read, with its dead letter key.
    /// Takes it from the cache, or else from the key store, which creates the key if it is absent.
    async fn subjects(&mut self, rejected: &[RejectedRecord]) -> Result<Vec<Option<Arc<Subject>>>, KeyError> {
        let names: Vec<Option<Vec<u8>>> = rejected.iter().map(|record| record.identity.as_ref().map(name)).collect();
        let mut subjects: Vec<_> = names.iter().map(|name| self.cache.get(name.as_ref()?)).collect();
        let absent = |at: &usize| names[*at].is_some() && subjects[*at].is_none();
        let absent: Vec<usize> = (0..rejected.len()).filter(absent).collect();
        if absent.is_empty() {
            return Ok(subjects);
        }
        let wants: Vec<Identity> = absent.iter().filter_map(|at| rejected[*at].identity.clone()).collect();
        let spec = SubjectSpec {
            engine: &self.engine,
            classes: &[Arc::from(DEAD_LETTER_CLASS)],
            audiences: &self.engine.audiences()[..1],
        };
        let fetched = fetch_subjects(&self.handle, &*self.vault, &spec, &wants, MissingKey::Create).await?;
        for (at, subject) in absent.into_iter().zip(fetched) {
            let subject = Arc::new(subject);
            if let Some(name) = &names[at] {
                self.cache.insert(name, Arc::clone(&subject));
            }
            subjects[at] = Some(subject);
        }
        Ok(subjects)
    }

    /// Returns the cipher of the UTC day. Its key is created for the first letter of the day.
    async fn day(&mut self, now: i64) -> Result<(String, SubjectCipher), LetterError> {
        let today = day_of(now);
        if self.day.as_ref().is_none_or(|(day, _)| *day != today) {
            let ring = self.engine.ring();
            let context = WrapContext::Day { pipeline: &self.pipeline, day: &today };
            let key = DataKey::new(random()?);
            let candidate = ring.wrap(&context, &key, random()?).map_err(KeyError::from)?;
            let ask = || self.vault.day_key(self.pipeline.clone(), today.clone(), candidate.clone());
            let wrapped =
                with_retries(KEY_STORE, &self.handle, ask).await?.ok_or_else(|| LetterError::DayGone(today.clone()))?;
            self.day = Some((today.clone(), cipher(ring, &context, &wrapped, DAY_CLASS)?));
        }
        self.day.clone().ok_or(LetterError::DayGone(today))
    }
}

/// The dead letters of a pipeline, as what dedupe must not remember.
#[derive(Clone)]
pub(super) struct LetterIndex {
    letters: Arc<dyn DeadLetters>,
    pipeline: String,
    runtime: Handle,
    /// Held while letters are listed: a store continues one list at a time.
    turn: Arc<Mutex<()>>,
}

/// Letters that are listed at once.
const LISTED: usize = 200;

impl LetterIndex {
    pub(super) fn new(job: &Job) -> Self {
        Self {
            letters: Arc::clone(&job.letters),
            pipeline: job.pipeline.id(),
            runtime: Handle::current(),
            turn: Arc::default(),
        }
    }

    /// Returns the records that have letters, as far as `wanted` accepts their stream and offset.
    /// Blocks. If the letters can't be read, corrections of these records may be dropped as
    /// duplicates, which is logged.
    pub(super) fn undelivered(&self, wanted: impl Fn(&str, u64) -> bool, handle: &RunHandle) -> Undelivered {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Undelivered::default();
        let mut after = None;
        while !handle.is_stopping() {
            match self.runtime.block_on(self.letters.list(self.pipeline.clone(), after, LISTED)) {
                Ok(page) => {
                    let Some(last) = page.last() else { break };
                    after = Some(last.key);
                    let positions = page.into_iter().map(|letter| letter.position);
                    positions.filter(|at| wanted(&at.stream, at.offset)).for_each(|at| found.insert(at));
                }
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "failed to read the dead letters: corrections of rejected events may be dropped as duplicates"
                    );
                    break;
                }
            }
        }
        found
    }
}

/// Records that were not delivered to every sink: offsets by stream and incarnation.
#[derive(Default)]
pub(super) struct Undelivered(HashMap<Arc<str>, HashMap<Arc<str>, HashSet<u64>>>);

impl Undelivered {
    fn insert(&mut self, at: Position) {
        self.0.entry(at.stream).or_default().entry(at.incarnation).or_default().insert(at.offset);
    }

    pub(super) fn extend(&mut self, more: Self) {
        for (stream, incarnations) in more.0 {
            let known = self.0.entry(stream).or_default();
            for (incarnation, offsets) in incarnations {
                known.entry(incarnation).or_default().extend(offsets);
            }
        }
    }

    #[cfg(feature = "kafka")]
    pub(super) fn forget_stream(&mut self, stream: &str) {
        self.0.remove(stream);
    }

    /// Returns whether a record of a batch was not delivered.
    pub(super) fn contains(&self, batch: &IncomingBatch, offset: u64) -> bool {
        let of_stream = self.0.get(&batch.stream).into_iter().flatten();
        let mut same = of_stream.filter(|(incarnation, _)| same_incarnation(incarnation, &batch.incarnation));
        same.any(|(_, offsets)| offsets.contains(&offset))
    }
}

/// Returns whether two incarnations may be the same. Letters of earlier versions name none.
pub(crate) fn same_incarnation(a: &str, b: &str) -> bool {
    a == b || a.is_empty() || b.is_empty()
}

/// Returns the cache key of a subject: its token, and the tokens of its aliases. A new alias thus
/// misses the cache, and is passed to the key store.
fn name(identity: &Identity) -> Vec<u8> {
    let mut name = identity.token.0.to_vec();
    for (alias, token) in &identity.aliases {
        name.extend_from_slice(alias.as_bytes());
        name.extend_from_slice(&token.0);
    }
    name
}

fn cipher(
    ring: &KeyRing,
    context: &WrapContext<'_>,
    wrapped: &WrappedKey,
    class: &str,
) -> Result<SubjectCipher, KeyError> {
    Ok(SubjectCipher::new(&ring.unwrap(context, wrapped)?, class)?)
}

/// Returns the day before which day keys are destroyed. A day key lives until the end of its day
/// plus the days that the pipeline keeps dead letters. Returns `None` if the pipeline has no dead
/// letter.
pub(crate) fn expire_before(pipeline: &Pipeline, now: i64) -> Option<String> {
    let days = pipeline.dead_letter.as_ref()?.keep_days;
    Some(day_of(now - i64::from(days) * 86_400_000))
}

/// Opens a dead letter and returns the original record. Returns `None` if its subject was erased.
pub async fn open_letter(
    letter: &Letter,
    ring: &KeyRing,
    space: &str,
    vault: &dyn Vault,
) -> Result<Option<OwnedRecord>, LetterError> {
    let cipher = match &letter.sealed_by {
        LetterKey::Subject(token) => {
            let entries = vault.find(space.to_owned(), *token).await?;
            let row = entries.into_iter().find(|entry| entry.class == DEAD_LETTER_CLASS).map(|entry| entry.row);
            let wrapped = match row {
                Some(KeyRow::Live(wrapped)) => wrapped,
                Some(KeyRow::Shredded) => return Ok(None),
                None => return Err(LetterError::NoKey),
            };
            let context = WrapContext::Subject { space, token, class: DEAD_LETTER_CLASS };
            cipher(ring, &context, &wrapped, DEAD_LETTER_CLASS)?
        }
        LetterKey::Day(day) => {
            let wrapped = vault
                .find_day_key(letter.pipeline.clone(), day.clone())
                .await?
                .ok_or_else(|| LetterError::DayGone(day.clone()))?;
            cipher(ring, &WrapContext::Day { pipeline: &letter.pipeline, day }, &wrapped, DAY_CLASS)?
        }
    };
    let Letter { key, pipeline, position, reason, sinks, .. } = letter;
    let plain = cipher.open_letter(&LetterContext { key, pipeline, position, reason, sinks }, &letter.sealed)?;
    match letter::decode(plain.expose()) {
        Some(Content::Record(record)) => Ok(Some(record)),
        Some(Content::Cut { length, .. }) => Err(LetterError::Cut(length)),
        None => Err(LetterError::NoRecord),
    }
}
