//! Keys of subjects: fetched from the key store, made where there are none.

use std::{sync::Arc, time::Instant};

use lethe_core::{
    engine::{Engine, Identity},
    identity::Token,
    keys::{DataKey, WrapContext, WrapError},
    seal::SubjectCipher,
    subject::Subject,
};
use lethe_crds::profile_pipeline::Audience;
use lethe_stores::{
    KeyStore, StoreError,
    key_store::{KeyRow, SubjectWant},
};

use super::{Watch, patience::Patience};
use crate::observe::KEY_STORE;

/// Why a subject's keys can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key store answered with an error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key can't be wrapped or unwrapped.
    #[error("failed to open a subject's key in the key store: {0}")]
    Wrap(#[from] WrapError),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The keys Secret lacks a key that this pipeline needs.
    #[error(transparent)]
    Ring(#[from] lethe_core::keys::KeyRingError),
    /// The class of a key can't be one.
    #[error(transparent)]
    Class(#[from] lethe_core::seal::BadClass),
}

/// What becomes of a key that is absent from the key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It is made, and is durable when it is first used.
    Make,
    /// Another takes its place for once, and is kept nowhere: for what is written to no sink.
    Imagine,
}

/// What is needed of each subject: a cipher for each class, a reference for each audience.
pub(super) struct Needs<'n> {
    pub(super) engine: &'n Engine,
    pub(super) classes: &'n [Arc<str>],
    pub(super) audiences: &'n [Audience],
}

/// Fetches subjects in the order of `wants`. Waits for a key store that is not available.
pub(super) async fn fetch_subjects(
    watch: &Watch,
    store: &dyn KeyStore,
    needs: &Needs<'_>,
    wants: &[Identity],
    absent: Absent,
) -> Result<Vec<Subject>, KeyError> {
    let mut patience = Patience::new(KEY_STORE, watch);
    loop {
        let asked = Instant::now();
        match patience.watched(needs.fetch(store, wants, absent)).await {
            Err(KeyError::Store(error)) => patience.wait(error).await?,
            answer => {
                patience.resumed();
                watch.shown.metrics.key_store(asked.elapsed());
                return answer;
            }
        }
    }
}

impl Needs<'_> {
    async fn fetch(&self, store: &dyn KeyStore, wants: &[Identity], absent: Absent) -> Result<Vec<Subject>, KeyError> {
        let asked = wants.iter().map(|identity| self.want(identity)).collect::<Result<_, KeyError>>()?;
        let rows = match absent {
            Absent::Make => store.subjects(asked).await?,
            Absent::Imagine => imagine(store, asked).await?,
        };
        wants.iter().zip(rows).map(|(identity, rows)| self.subject(&identity.token, &rows)).collect()
    }

    fn want(&self, identity: &Identity) -> Result<SubjectWant, KeyError> {
        let (ring, space) = (self.engine.ring(), self.engine.space());
        let candidates = self
            .classes
            .iter()
            .map(|class| {
                let key = DataKey::new(random()?);
                let context = WrapContext::Subject { space, token: &identity.token, class };
                Ok((class.to_string(), ring.wrap(&context, &key, random()?)?))
            })
            .collect::<Result<_, KeyError>>()?;
        Ok(SubjectWant {
            space: space.to_owned(),
            token: identity.token,
            candidates,
            aliases: identity.aliases.clone(),
        })
    }

    fn subject(&self, token: &Token, rows: &[KeyRow]) -> Result<Subject, KeyError> {
        let (ring, space) = (self.engine.ring(), self.engine.space());
        let mut ciphers = Vec::with_capacity(rows.len());
        for (class, row) in self.classes.iter().zip(rows) {
            match row {
                KeyRow::Live(wrapped) => {
                    let context = WrapContext::Subject { space, token, class };
                    ciphers.push(Some(SubjectCipher::new(&ring.unwrap(&context, wrapped)?, class)?));
                }
                KeyRow::Shredded => ciphers.push(None),
            }
        }
        Ok(Subject::new(ring, *token, self.audiences.iter().copied(), ciphers)?)
    }
}

/// The keys that are there, and candidates in place of those that are not.
async fn imagine(store: &dyn KeyStore, wants: Vec<SubjectWant>) -> Result<Vec<Vec<KeyRow>>, StoreError> {
    let mut all = Vec::with_capacity(wants.len());
    for want in wants {
        let there = store.find(want.space, want.token).await?;
        let row = |(class, candidate): (String, _)| {
            let found = there.iter().find(|entry| entry.class == class);
            found.map_or(KeyRow::Live(candidate), |entry| entry.row.clone())
        };
        all.push(want.candidates.into_iter().map(row).collect());
    }
    Ok(all)
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}
