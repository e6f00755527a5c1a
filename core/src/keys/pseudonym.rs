//! What is derived from the root key and the audience keys: tokens, references, hashed ids. Each
//! purpose has its own subkey, so that a value of one kind never equals one of another.

use lethe_crds::profile_pipeline::Audience;

use super::{KeyName, KeyRing, KeyRingError, MacKey, mac::check, name::index};
use crate::{
    identity::{Reference, RootCheck, Token, hex},
    record::Position,
};

/// The root key, as one subkey for each purpose.
pub(super) struct RootKeys {
    pub(super) check: RootCheck,
    token: MacKey,
    alias: MacKey,
    hash: MacKey,
    letter: MacKey,
    file: MacKey,
}

/// An audience's key, as one subkey for each purpose.
pub(super) struct AudienceKeys {
    reference: MacKey,
    event_id: MacKey,
}

impl RootKeys {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self {
            check: RootCheck(check(key)),
            token: MacKey::of(key, "token"),
            alias: MacKey::of(key, "alias"),
            hash: MacKey::of(key, "hash"),
            letter: MacKey::of(key, "letter"),
            file: MacKey::of(key, "file"),
        }
    }
}

/// A key for fingerprints of files. Without it, a fingerprint tells nothing about what a file holds.
#[derive(Clone)]
pub struct FileKey(MacKey);

impl FileKey {
    /// Returns a key that anyone knows, for fingerprints that are not stored.
    pub fn public() -> Self {
        Self(MacKey::of(&[0; 32], "file"))
    }

    /// Returns the fingerprint of the parts of a file.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.mac(parts)
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}

impl AudienceKeys {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self { reference: MacKey::of(key, "reference"), event_id: MacKey::of(key, "event id") }
    }
}

impl KeyRing {
    /// Returns the token of a canonical identifier in a space.
    pub fn token(&self, space: &str, canonical: &str) -> Token {
        Token(self.root.token.mac(&[space.as_bytes(), canonical.as_bytes()]))
    }

    /// Returns the token of an alias, a canonical identifier that leads to a subject of the space.
    /// It never equals the token of a subject.
    pub fn alias_token(&self, space: &str, name: &str, canonical: &str) -> Token {
        Token(self.root.alias.mac(&[space.as_bytes(), name.as_bytes(), canonical.as_bytes()]))
    }

    /// Returns the keyed hash of a value of a category, the same for every audience.
    pub fn hash(&self, category: &str, text: &str) -> [u8; 32] {
        self.root.hash.mac(&[category.as_bytes(), text.as_bytes()])
    }

    /// Returns the key of a record's dead letter, for a pipeline and the sinks that lack the record:
    /// the same when the record is read again. `digest` is that of its content
    /// ([`crate::letter::digest`]).
    ///
    /// Letters of Lethe before layout 2 have keys of another subkey, "position".
    pub fn letter_key(&self, pipeline: &str, position: &Position, digest: &[u8; 32], sinks: &[String]) -> [u8; 32] {
        let offset = position.offset.to_le_bytes();
        let mut parts =
            vec![pipeline.as_bytes(), position.stream.as_bytes(), position.incarnation.as_bytes(), &offset, digest];
        parts.extend(sinks.iter().map(String::as_bytes));
        self.root.letter.mac(&parts)
    }

    /// Returns the key for fingerprints of the files that a pipeline reads and writes.
    pub fn file_key(&self) -> FileKey {
        FileKey(self.root.file.clone())
    }

    /// Returns the reference of a subject for an audience.
    pub fn reference(&self, audience: Audience, token: &Token) -> Result<Reference, KeyRingError> {
        Ok(Reference(self.audience(audience)?.reference.mac(&[&token.0])))
    }

    /// Appends an event id as the audience may see it: unchanged for `Identity` and `Operational`,
    /// 64 hexadecimal digits of its keyed hash for `Analytics` and `Public`.
    pub fn event_id_for(&self, audience: Audience, id: &str, out: &mut Vec<u8>) -> Result<(), KeyRingError> {
        match audience {
            Audience::Identity | Audience::Operational => out.extend_from_slice(id.as_bytes()),
            Audience::Analytics | Audience::Public => {
                out.extend_from_slice(&hex(&self.audience(audience)?.event_id.mac(&[id.as_bytes()])));
            }
        }
        Ok(())
    }

    pub(super) fn audience(&self, audience: Audience) -> Result<&AudienceKeys, KeyRingError> {
        self.audiences[index(audience)].as_ref().ok_or(KeyRingError::NoAudience(KeyName::Audience(audience)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        identity::unhex,
        keys::{name::AUDIENCES, ring::tests::ring},
    };
    use proptest::prelude::*;
    use std::{collections::BTreeSet, sync::Arc};

    fn position(stream: &str, incarnation: &str, offset: u64) -> Position {
        Position { stream: Arc::from(stream), incarnation: Arc::from(incarnation), offset }
    }

    #[test]
    fn a_token_never_changes_between_versions_of_lethe() {
        // root = 05 x 32 (the fifth key drawn):
        // k = HMAC(root, "lethe token"); HMAC(k, 09 "customers" 02 "42"), by openssl.
        assert_eq!(
            ring(1).token("customers", "42").0,
            unhex(b"03ba09c84712f45c32def6cc94b142d66f475bc04fba94f562156d7bace5b673").unwrap()
        );
    }

    #[test]
    fn a_reference_never_changes_between_versions_of_lethe() {
        // audience-analytics = 03 x 32 (the third key drawn):
        // k = HMAC(key, "lethe reference"); HMAC(k, 20 token), by Python's hmac.
        let reference = ring(1).reference(Audience::Analytics, &Token([9; 32])).unwrap();
        assert_eq!(reference.to_string(), "72ff8e4492eaa249ddcfd6ba4c198f81e75ae4f109453827d13bac8e25751544");
    }

    #[test]
    fn only_identity_and_operational_see_an_event_id_in_the_clear() {
        let ring = ring(1);
        let id = |audience| {
            let mut out = b"before ".to_vec();
            ring.event_id_for(audience, "e-1", &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(id(Audience::Identity), "before e-1");
        assert_eq!(id(Audience::Operational), "before e-1");
        assert_eq!(id(Audience::Analytics).len(), "before ".len() + 64);
        assert_ne!(id(Audience::Analytics), id(Audience::Public));
    }

    #[test]
    fn two_kinds_of_value_are_never_equal() {
        let ring = ring(1);
        let token = ring.token("a", "b");
        let mut values = BTreeSet::from([
            token.0,
            ring.alias_token("a", "b", "").0,
            ring.alias_token("a", "", "b").0,
            ring.hash("a", "b"),
            ring.letter_key("a", &position("b", "", 98), &[0; 32], &[]),
        ]);
        for audience in AUDIENCES {
            values.insert(ring.reference(audience, &token).unwrap().0);
        }
        assert_eq!(values.len(), 9);
    }

    #[test]
    fn another_root_gives_other_tokens_and_another_audience_other_references() {
        assert!(ring(1).token("a", "b") != ring(10).token("a", "b"));
        let token = Token([1; 32]);
        assert_ne!(ring(1).reference(Audience::Public, &token), ring(10).reference(Audience::Public, &token));
        assert_ne!(ring(1).reference(Audience::Public, &token), ring(1).reference(Audience::Identity, &token));
    }

    proptest! {
        #[test]
        fn two_identifiers_of_two_spaces_never_share_a_token(
            a in ("[ab|]{0,3}", "[ab|]{0,3}"),
            b in ("[ab|]{0,3}", "[ab|]{0,3}"),
        ) {
            let ring = ring(1);
            prop_assert_eq!(a == b, ring.token(&a.0, &a.1) == ring.token(&b.0, &b.1));
            prop_assert_eq!(a == b, ring.hash(&a.0, &a.1) == ring.hash(&b.0, &b.1));
            prop_assert_eq!(
                a == b,
                ring.alias_token("s", &a.0, &a.1) == ring.alias_token("s", &b.0, &b.1)
            );
        }

        #[test]
        fn two_letters_share_a_key_only_if_all_that_identifies_them_is_equal(
            a in letter_parts(),
            b in letter_parts(),
        ) {
            let ring = ring(1);
            let key = |(pipeline, stream, incarnation, offset, digest, sinks): &LetterParts| {
                ring.letter_key(pipeline, &position(stream, incarnation, *offset), &[*digest; 32], sinks)
            };
            prop_assert_eq!(a == b, key(&a) == key(&b));
        }
    }

    type LetterParts = (String, String, String, u64, u8, Vec<String>);

    fn letter_parts() -> impl Strategy<Value = LetterParts> {
        let text = || "[a|]{0,2}";
        (text(), text(), text(), 0_u64..2, 0_u8..2, prop::collection::vec(text(), 0..3))
    }

    #[test]
    fn the_key_of_a_letter_never_changes_between_versions_of_lethe() {
        // root = 05 x 32: k = HMAC(root, "lethe letter"); HMAC(k, parts, each after its length), by
        // Python's hmac.
        let sinks = ["profiles".to_owned(), "clean".to_owned()];
        let key = ring(1).letter_key("shop.people", &position("users|3", "id-1", 7), &[8; 32], &sinks);
        assert_eq!(hex_text(&key), "3747f636410db1f4b08848fd0558b830cab042e1f8d7f1efa6d3397d84bc3dd7");
    }

    fn hex_text(bytes: &[u8; 32]) -> String {
        String::from_utf8_lossy(&hex(bytes)).into_owned()
    }
}
