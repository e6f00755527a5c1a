//! Dead letters: a rejected record is sealed whole, with its subject's key where the subject can be
//! read, else with the key of the UTC day.

use std::{borrow::Cow, sync::Arc};

use lethe_core::{
    engine::{Engine, Identity, Record},
    keys::{DataKey, KeyRing, WrapContext, WrappedKey},
    letter::{self, OwnedRecord},
    pipeline::Pipeline,
    reason::{Reason, Rejection},
    record::Position,
    seal::{DAY_CLASS, DEAD_LETTER_CLASS, OpenError, SealError, SubjectCipher},
    subject::{Subject, SubjectCache},
};
use lethe_stores::{
    StoreError, Vault,
    dead_letter::{Letter, LetterKey},
    key_store::KeyRow,
};

use super::{
    Job, KeyError, Watch,
    patience::patiently,
    pipeline_id,
    subject_keys::{Absent, Needs, fetch_subjects, random},
};
use crate::{clock::day_of, observe::KEY_STORE};

/// Why a dead letter can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// A key can't be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store answered with an error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key of its day was destroyed.
    #[error("the key of the day {0} was destroyed: what it sealed can't be opened any more")]
    DayGone(String),
    /// Its subject's key is not there; that is no erasure, which leaves a mark.
    #[error("the key store lacks the key that sealed a dead letter: was it restored from an older backup?")]
    NoKey,
    /// Sealing failed.
    #[error("failed to seal a dead letter: {0}")]
    Seal(#[from] SealError),
    /// Opening failed.
    #[error("failed to open a dead letter: {0}")]
    Open(#[from] OpenError),
    /// It was opened, and is no record.
    #[error("a dead letter holds no record: another version of Lethe may have written it")]
    NoRecord,
}

/// A record that was rejected.
pub(super) struct Refused {
    position: Position,
    rejection: Rejection,
    identity: Option<Identity>,
    /// Indices of the sinks that lack it; `None`: all do.
    sinks: Option<Vec<usize>>,
    /// The record, as a letter holds it: personal, lives until it is sealed.
    record: Vec<u8>,
}

impl Refused {
    pub(super) fn new(record: &Record<'_>, rejection: Rejection, identity: Option<Identity>) -> Self {
        Self {
            position: Position { stream: Arc::from(record.stream), offset: record.offset },
            rejection,
            identity,
            sinks: None,
            record: letter::encode(record),
        }
    }

    pub(super) fn reason(&self) -> Reason {
        self.rejection.reason
    }

    /// The same, of a record that some sinks hold.
    pub(super) fn lacking(self, sinks: Vec<usize>) -> Self {
        Self { sinks: Some(sinks), ..self }
    }
}

/// Subjects whose keys of dead letters are kept at hand, at most: a source that goes wrong sends events of the same
/// subjects again and again.
const CACHED: usize = 10_000;

/// Seals dead letters of one pipeline.
pub(super) struct LetterSealer {
    engine: Arc<Engine>,
    vault: Arc<dyn Vault>,
    watch: Arc<Watch>,
    pipeline: String,
    sinks: Vec<String>,
    cache: SubjectCache,
    day: Option<(String, SubjectCipher)>,
}

impl LetterSealer {
    pub(super) fn new(job: &Job, engine: Arc<Engine>, watch: Arc<Watch>) -> Self {
        Self {
            engine,
            vault: Arc::clone(&job.vault),
            watch,
            pipeline: pipeline_id(&job.pipeline),
            sinks: job.pipeline.sinks.iter().map(|sink| sink.name.clone()).collect(),
            cache: SubjectCache::new(CACHED),
            day: None,
        }
    }

    /// Seals rejected records: a letter for each, or `None` where its subject was erased; nothing is
    /// kept of those.
    pub(super) async fn seal(&mut self, refused: &[Refused], now: i64) -> Result<Vec<Option<Letter>>, LetterError> {
        let subjects = self.subjects(refused).await?;
        let mut letters = Vec::with_capacity(refused.len());
        for (one, subject) in refused.iter().zip(subjects) {
            if subject.as_ref().is_some_and(|subject| subject.is_shredded()) {
                letters.push(None);
                continue;
            }
            let of_subject = subject.as_ref().and_then(|subject| Some((subject.token(), subject.cipher(0)?)));
            let key = self.engine.ring().position_key(&one.position);
            let mut sealed = Vec::with_capacity(one.record.len() + 32);
            let sealed_by = if let Some((token, cipher)) = of_subject {
                cipher.seal_letter(&key, &one.record, &mut sealed)?;
                LetterKey::Subject(*token)
            } else {
                let (day, cipher) = self.day(now).await?;
                cipher.seal_letter(&key, &one.record, &mut sealed)?;
                LetterKey::Day(day.clone())
            };
            let sinks = match &one.sinks {
                None => self.sinks.clone(),
                Some(lacking) => lacking.iter().map(|at| self.sinks[*at].clone()).collect(),
            };
            letters.push(Some(Letter {
                key,
                pipeline: self.pipeline.clone(),
                position: one.position.clone(),
                reason: Cow::Borrowed(one.rejection.reason.code()),
                rule: one.rejection.rule.map(Cow::Borrowed),
                path: one.rejection.path.as_ref().map(ToString::to_string),
                sinks,
                sealed_by,
                sealed,
            }));
        }
        Ok(letters)
    }

    /// The subject of each record that shows one, with its key of dead letters: from the cache, and else from the key
    /// store, where it is made if it is absent.
    async fn subjects(&mut self, refused: &[Refused]) -> Result<Vec<Option<Arc<Subject>>>, KeyError> {
        let names: Vec<Option<Vec<u8>>> = refused.iter().map(|one| one.identity.as_ref().map(name)).collect();
        let mut subjects: Vec<_> = names.iter().map(|name| self.cache.get(name.as_ref()?)).collect();
        let absent = |at: &usize| names[*at].is_some() && subjects[*at].is_none();
        let absent: Vec<usize> = (0..refused.len()).filter(absent).collect();
        if absent.is_empty() {
            return Ok(subjects);
        }
        let wants: Vec<Identity> = absent.iter().filter_map(|at| refused[*at].identity.clone()).collect();
        let needs = Needs {
            engine: &self.engine,
            classes: &[Arc::from(DEAD_LETTER_CLASS)],
            audiences: &self.engine.audiences()[..1],
        };
        let fetched = fetch_subjects(&self.watch, &*self.vault, &needs, &wants, Absent::Make).await?;
        for (at, subject) in absent.into_iter().zip(fetched) {
            let subject = Arc::new(subject);
            if let Some(name) = &names[at] {
                self.cache.insert(name, Arc::clone(&subject));
            }
            subjects[at] = Some(subject);
        }
        Ok(subjects)
    }

    /// The cipher of the UTC day; made when the first letter of the day needs it.
    async fn day(&mut self, now: i64) -> Result<&(String, SubjectCipher), LetterError> {
        let today = day_of(now);
        if self.day.as_ref().is_none_or(|(day, _)| *day != today) {
            let ring = self.engine.ring();
            let context = WrapContext::Day { pipeline: &self.pipeline, day: &today };
            let key = DataKey::new(random()?);
            let candidate = ring.wrap(&context, &key, random()?).map_err(KeyError::from)?;
            let ask = || self.vault.day_key(self.pipeline.clone(), today.clone(), candidate.clone());
            let wrapped =
                patiently(KEY_STORE, &self.watch, ask).await?.ok_or_else(|| LetterError::DayGone(today.clone()))?;
            self.day = Some((today.clone(), cipher(ring, &context, &wrapped, DAY_CLASS)?));
        }
        self.day.as_ref().ok_or(LetterError::DayGone(today))
    }
}

/// What a subject is found by in the cache: its token, and those of its aliases, which the key store is told of with it.
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

/// Keys of days before this one are destroyed: a day's key goes at the day's end plus the days that
/// the pipeline keeps letters for. `None` where it keeps none.
pub(crate) fn expire_before(pipeline: &Pipeline, now: i64) -> Option<String> {
    let days = pipeline.dead_letter.as_ref()?.keep_days;
    Some(day_of(now - i64::from(days) * 86_400_000))
}

/// Opens a dead letter: the record as it was. `None` where its subject was erased.
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
    let plain = cipher.open_letter(&letter.key, &letter.sealed)?;
    letter::decode(plain.expose()).map(Some).ok_or(LetterError::NoRecord)
}
