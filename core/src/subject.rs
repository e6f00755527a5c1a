//! The subjects of recent events: what is derived once from an identifier and needed for each
//! event.
//!
//! A known subject costs one lookup on the hot path. Identifiers in it are personal; nothing here
//! has a `Debug`.

use std::{hash::BuildHasher, sync::Arc};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use lethe_crds::profile_pipeline::Audience;
use sha2::{Digest, Sha256};

use crate::{
    identity::{Reference, Token},
    keys::{KeyRing, KeyRingError, audience_index},
    seal::SubjectCipher,
};

/// What is known of a subject. Made once and shared by the events in flight.
pub struct Subject {
    token: Token,
    references: [Option<Reference>; 4],
    ciphers: Vec<Option<SubjectCipher>>,
    shredded: bool,
}

impl Subject {
    /// Returns a subject with its references for `audiences`. `ciphers` are in the order of the
    /// pipeline's classes. A class whose key was destroyed has none, and the subject counts as
    /// shredded.
    pub fn new(
        ring: &KeyRing,
        token: Token,
        audiences: impl IntoIterator<Item = Audience>,
        ciphers: Vec<Option<SubjectCipher>>,
    ) -> Result<Self, KeyRingError> {
        let mut references = [None; 4];
        for audience in audiences {
            references[audience_index(audience)] = Some(ring.reference(audience, &token)?);
        }
        let shredded = ciphers.iter().any(Option::is_none);
        Ok(Self { token, references, ciphers, shredded })
    }

    /// Returns the subject's token.
    pub const fn token(&self) -> &Token {
        &self.token
    }

    /// Returns the reference for an audience; `None` if the subject was made without it.
    pub fn reference(&self, audience: Audience) -> Option<&Reference> {
        self.references[audience_index(audience)].as_ref()
    }

    /// Returns the cipher of a class, by its index among the pipeline's classes; `None` if its key
    /// was destroyed.
    pub fn cipher(&self, class: usize) -> Option<&SubjectCipher> {
        self.ciphers.get(class)?.as_ref()
    }

    /// Returns whether one of its keys was destroyed: then it was erased, and its events are
    /// fenced.
    pub const fn is_shredded(&self) -> bool {
        self.shredded
    }
}

/// The longest identifier that is a key of the cache itself, in bytes. A longer one, such as an
/// alias of a megabyte, is replaced by its digest, so that a bound on the number of subjects also
/// bounds the memory.
const MAX_KEY: usize = 256;

/// At most `max` subjects, by the identifier as an event holds it.
///
/// There are two generations. A subject that is used moves to the young one. When the young one is
/// full it becomes the old one, and the subjects not used since the last change are dropped. Each
/// call takes constant time except for the one that drops a generation.
pub struct SubjectCache {
    half: usize,
    young: Generation,
    old: Generation,
    hasher: RandomState,
}

type Generation = HashTable<Known>;

struct Known {
    who: Box<[u8]>,
    subject: Arc<Subject>,
}

impl SubjectCache {
    /// Returns a cache of at most `max` subjects, or of two if `max` is less.
    pub fn new(max: usize) -> Self {
        Self { half: (max / 2).max(1), young: HashTable::new(), old: HashTable::new(), hasher: RandomState::default() }
    }

    /// Returns the subject of an event by the bytes of its identifier and aliases in the event.
    pub fn get(&mut self, who: &[u8]) -> Option<Arc<Subject>> {
        if who.len() > MAX_KEY { self.get_by_key(&digest(who)) } else { self.get_by_key(who) }
    }

    fn get_by_key(&mut self, who: &[u8]) -> Option<Arc<Subject>> {
        let hash = self.hasher.hash_one(who);
        let same = |known: &Known| *known.who == *who;
        if let Some(known) = self.young.find(hash, same) {
            return Some(Arc::clone(&known.subject));
        }
        let known = self.old.find_entry(hash, same).ok()?.remove().0;
        let subject = Arc::clone(&known.subject);
        self.push(hash, known);
        Some(subject)
    }

    /// Remembers the subject that these bytes lead to, in place of an earlier one.
    pub fn insert(&mut self, who: &[u8], subject: Arc<Subject>) {
        if who.len() > MAX_KEY { self.insert_by_key(&digest(who), subject) } else { self.insert_by_key(who, subject) }
    }

    fn insert_by_key(&mut self, who: &[u8], subject: Arc<Subject>) {
        let hash = self.hasher.hash_one(who);
        let same = |known: &Known| *known.who == *who;
        if let Some(known) = self.young.find_mut(hash, same) {
            known.subject = subject;
            return;
        }
        if let Ok(known) = self.old.find_entry(hash, same) {
            known.remove();
        }
        self.push(hash, Known { who: who.into(), subject });
    }

    /// Forgets every subject for which `keep` returns false, such as those named by a fence. Visits
    /// all of them.
    pub fn retain(&mut self, mut keep: impl FnMut(&Subject) -> bool) {
        self.young.retain(|known| keep(&known.subject));
        self.old.retain(|known| keep(&known.subject));
    }

    /// Returns the number of subjects in memory.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Returns whether no subject is in memory.
    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    fn push(&mut self, hash: u64, known: Known) {
        if self.young.len() >= self.half {
            // The memory of the old table is used again; only its entries are dropped.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        let hasher = &self.hasher;
        self.young.insert_unique(hash, known, |known| hasher.hash_one(&*known.who));
    }
}

/// Returns the key of a long identifier. Keys of short ones begin with other bytes.
fn digest(who: &[u8]) -> [u8; 33] {
    let mut key = [0xff; 33];
    key[1..].copy_from_slice(&Sha256::digest(who));
    key
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::keys::{DataKey, ring::tests::ring};
    use proptest::prelude::*;

    fn subject(number: u8) -> Arc<Subject> {
        Arc::new(Subject { token: Token([number; 32]), references: [None; 4], ciphers: vec![], shredded: false })
    }

    fn token(cache: &mut SubjectCache, id: &str) -> Option<u8> {
        cache.get(id.as_bytes()).map(|subject| subject.token.0[0])
    }

    #[test]
    fn a_subject_has_references_for_its_audiences_and_a_cipher_a_class() {
        let (ring, who) = (ring(1), Token([9; 32]));
        let cipher = SubjectCipher::new(&DataKey::new([3; 32]), "profile").unwrap();
        let subject = Subject::new(&ring, who, [Audience::Analytics], vec![Some(cipher)]).unwrap();
        assert_eq!(subject.reference(Audience::Analytics).copied(), ring.reference(Audience::Analytics, &who).ok());
        assert_eq!(subject.reference(Audience::Public), None);
        assert_eq!(subject.cipher(0).map(SubjectCipher::class), Some("profile"));
        assert!(subject.cipher(1).is_none() && !subject.is_shredded());
    }

    #[test]
    fn a_subject_without_one_of_its_keys_is_shredded() {
        let cipher = SubjectCipher::new(&DataKey::new([3; 32]), "profile").unwrap();
        let subject = Subject::new(&ring(1), Token([9; 32]), [], vec![Some(cipher), None]).unwrap();
        assert!(subject.is_shredded() && subject.cipher(0).is_some() && subject.cipher(1).is_none());
    }

    #[test]
    fn a_subject_in_use_stays_while_others_are_dropped() {
        let mut cache = SubjectCache::new(10);
        cache.insert("regular".as_bytes(), subject(7));
        for guest in 0..100 {
            cache.insert(guest.to_string().as_bytes(), subject(guest));
            assert_eq!(token(&mut cache, "regular"), Some(7));
        }
        assert_eq!(token(&mut cache, "0"), None);
    }

    #[test]
    fn a_long_identifier_takes_no_more_memory_than_a_short_one() {
        let mut cache = SubjectCache::new(10);
        let long = |last: u8| [vec![b'x'; 900_000], vec![last]].concat();
        for n in 0..4 {
            cache.insert(&long(n), subject(n));
        }
        assert!(cache.young.iter().all(|known| known.who.len() <= MAX_KEY));
        for n in 0..4 {
            assert_eq!(cache.get(&long(n)).map(|subject| subject.token.0[0]), Some(n));
        }
        assert!(cache.get(&long(9)).is_none());
    }

    #[test]
    fn a_fence_makes_it_forget_the_named_subjects() {
        let mut cache = SubjectCache::new(4);
        for id in 0..4 {
            cache.insert(id.to_string().as_bytes(), subject(id));
        }
        cache.retain(|subject| subject.token().0[0] != 0 && subject.token().0[0] != 3);
        let left: Vec<_> = (0..4).map(|id| token(&mut cache, &id.to_string())).collect();
        assert_eq!(left, [None, Some(1), Some(2), None]);
    }

    proptest! {
        #[test]
        fn it_never_returns_another_subject_nor_grows_past_its_bound(
            max in 2_usize..20,
            steps in prop::collection::vec((0_u8..30, any::<u8>(), any::<bool>()), 0..200),
        ) {
            let mut cache = SubjectCache::new(max);
            let mut last = std::collections::HashMap::new();
            for (id, who, insert) in steps {
                let name = id.to_string();
                if insert {
                    cache.insert(name.as_bytes(), subject(who));
                    last.insert(id, who);
                    prop_assert_eq!(token(&mut cache, &name), Some(who));
                } else if let Some(found) = token(&mut cache, &name) {
                    prop_assert_eq!(Some(&found), last.get(&id));
                }
                prop_assert!(cache.len() <= max);
            }
        }

        #[test]
        fn the_recently_used_half_is_always_there(
            max in 2_usize..20,
            uses in prop::collection::vec(0_u8..30, 1..100),
        ) {
            let mut cache = SubjectCache::new(max);
            for id in &uses {
                let name = id.to_string();
                if cache.get(name.as_bytes()).is_none() {
                    cache.insert(name.as_bytes(), subject(*id));
                }
            }
            let mut recent: Vec<u8> = Vec::new();
            for id in uses.iter().rev() {
                if !recent.contains(id) && recent.len() < max / 2 {
                    recent.push(*id);
                }
            }
            // Newest first: a lookup drops no subject that is looked up later.
            for id in recent {
                prop_assert_eq!(token(&mut cache, &id.to_string()), Some(id));
            }
        }
    }
}
