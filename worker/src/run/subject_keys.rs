//! Keys of subjects: fetched from the key store, made where there are none.

use std::{sync::Arc, time::Instant};

use lethe_core::{
    engine::Identity,
    keys::{DataKey, KeyRing, WrapContext, WrapError},
    seal::SubjectCipher,
    subject::Subject,
    who::Token,
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

/// Fetches subjects with their ciphers of `classes`, in the order of `wants`. Waits for a key store that is not available.
#[expect(clippy::too_many_arguments, reason = "each is one thing that a key depends on")]
pub(super) async fn fetch_subjects(
    watch: &Watch,
    store: &dyn KeyStore,
    ring: &KeyRing,
    space: &str,
    classes: &[Arc<str>],
    audiences: &[Audience],
    wants: &[Identity],
    absent: Absent,
) -> Result<Vec<Subject>, KeyError> {
    let mut patience = Patience::new(KEY_STORE, watch);
    loop {
        let asked = Instant::now();
        match fetch(store, ring, space, classes, audiences, wants, absent).await {
            Err(KeyError::Store(error)) => patience.wait(error).await?,
            answer => {
                patience.resumed();
                watch.shown.metrics.key_store(asked.elapsed());
                return answer;
            }
        }
    }
}

async fn fetch(
    store: &dyn KeyStore,
    ring: &KeyRing,
    space: &str,
    classes: &[Arc<str>],
    audiences: &[Audience],
    wants: &[Identity],
    absent: Absent,
) -> Result<Vec<Subject>, KeyError> {
    let asked = wants.iter().map(|identity| want(ring, space, classes, identity)).collect::<Result<_, KeyError>>()?;
    let rows = match absent {
        Absent::Make => store.subjects(asked).await?,
        Absent::Imagine => imagine(store, asked).await?,
    };
    wants
        .iter()
        .zip(rows)
        .map(|(identity, rows)| subject(ring, space, classes, audiences, &identity.token, &rows))
        .collect()
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

fn want(ring: &KeyRing, space: &str, classes: &[Arc<str>], identity: &Identity) -> Result<SubjectWant, KeyError> {
    let candidates = classes
        .iter()
        .map(|class| {
            let key = DataKey::new(random()?);
            let context = WrapContext::Subject { space, token: &identity.token, class };
            Ok((class.to_string(), ring.wrap(&context, &key, random()?)?))
        })
        .collect::<Result<_, KeyError>>()?;
    Ok(SubjectWant { space: space.to_owned(), token: identity.token, candidates, aliases: identity.aliases.clone() })
}

fn subject(
    ring: &KeyRing,
    space: &str,
    classes: &[Arc<str>],
    audiences: &[Audience],
    token: &Token,
    rows: &[KeyRow],
) -> Result<Subject, KeyError> {
    let mut ciphers = Vec::with_capacity(rows.len());
    for (class, row) in classes.iter().zip(rows) {
        match row {
            KeyRow::Live(wrapped) => {
                let context = WrapContext::Subject { space, token, class };
                ciphers.push(Some(SubjectCipher::new(&ring.unwrap(&context, wrapped)?, class)?));
            }
            KeyRow::Shredded => ciphers.push(None),
        }
    }
    Ok(Subject::new(ring, *token, audiences.iter().copied(), ciphers)?)
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}
