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
    position: MacKey,
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
            position: MacKey::of(key, "position"),
        }
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

    /// Returns the row key of the dead letter of a record: the same when the record is read again.
    pub fn position_key(&self, position: &Position) -> [u8; 32] {
        self.root.position.mac(&[position.stream.as_bytes(), &position.offset.to_le_bytes()])
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

    fn position(stream: &str, offset: u64) -> Position {
        Position { stream: Arc::from(stream), offset }
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
            ring.position_key(&position("a", 98)),
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
        fn two_positions_never_share_a_row_key(a in ("[t|0-9]{0,3}", 0_u64..300), b in ("[t|0-9]{0,3}", 0_u64..300)) {
            let ring = ring(1);
            let key = |at: &(String, u64)| ring.position_key(&position(&at.0, at.1));
            prop_assert_eq!(a == b, key(&a) == key(&b));
        }
    }
}
