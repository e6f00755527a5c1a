//! Fetches the keys of subjects from the key store, which creates missing ones.

use std::{sync::Arc, time::Instant};

use lethe_core::{
    engine::{Engine, Identity},
    identity::Token,
    keys::{DataKey, WrapContext, WrapError},
    seal::SubjectCipher,
    subject::Subject,
};
use lethe_crds::profile_pipeline::Audience;
use lethe_stores::{KeyRow, StoreError, SubjectKeys, SubjectWant};

use super::{RunHandle, retry::Backoff};
use crate::observe::KEY_STORE;

/// Why the keys of a subject are not available.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key can't be wrapped or unwrapped.
    #[error("failed to open a subject's key in the key store: {0}")]
    Wrap(#[from] WrapError),
    /// The operating system returned no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The keys Secret lacks a key that this pipeline needs.
    #[error(transparent)]
    Ring(#[from] lethe_core::keys::KeyRingError),
    /// A class has an invalid name.
    #[error(transparent)]
    Class(#[from] lethe_core::seal::BadClass),
}

/// How a key is handled that the key store lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissingKey {
    /// It is created, and durable before it is first used.
    Create,
    /// It is replaced by a random key that is not stored. For dry runs, which write to no sink.
    Simulate,
}

/// What is fetched for each subject: a cipher per class, and a reference per audience.
pub(super) struct SubjectSpec<'n> {
    pub(super) engine: &'n Engine,
    pub(super) classes: &'n [Arc<str>],
    pub(super) audiences: &'n [Audience],
}

/// Fetches subjects in the order of `wants`. Retries while the key store is not available.
pub(super) async fn fetch_subjects(
    handle: &RunHandle,
    store: &dyn SubjectKeys,
    spec: &SubjectSpec<'_>,
    wants: &[Identity],
    missing: MissingKey,
) -> Result<Vec<Subject>, KeyError> {
    let mut backoff = Backoff::new(KEY_STORE, handle);
    loop {
        let asked = Instant::now();
        match backoff.run(spec.fetch(store, wants, missing)).await {
            Err(KeyError::Store(error)) => backoff.failed(error).await?,
            answer => {
                backoff.succeeded();
                handle.instruments.metrics.key_store(asked.elapsed());
                return answer;
            }
        }
    }
}

impl SubjectSpec<'_> {
    async fn fetch(
        &self,
        store: &dyn SubjectKeys,
        wants: &[Identity],
        missing: MissingKey,
    ) -> Result<Vec<Subject>, KeyError> {
        let asked = wants.iter().map(|identity| self.want(identity)).collect::<Result<_, KeyError>>()?;
        let rows = match missing {
            MissingKey::Create => store.subjects(asked).await?,
            MissingKey::Simulate => find_or_simulate(store, asked).await?,
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

/// Returns the stored keys, and candidates for the missing ones.
async fn find_or_simulate(store: &dyn SubjectKeys, wants: Vec<SubjectWant>) -> Result<Vec<Vec<KeyRow>>, StoreError> {
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

/// Returns random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}
