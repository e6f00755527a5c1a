//! Checks that a key ring is the one that a key store was used with. A ring that lacks a key, or
//! holds another value for one, must not write anything.

use super::{KeyName, KeyRing};

/// Why a key ring must not be used with a key store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingMismatch {
    /// A key in use is absent.
    #[error(
        "the keys Secret lacks `{name}`, which the key store was used with; restore it from a backup of the Secret (a \
         master that is no longer needed is retired by `lethe-worker keys retire`)"
    )]
    Missing {
        /// The key's name.
        name: String,
    },
    /// A key in use has another value.
    #[error(
        "the keys Secret holds another value for `{name}` than the key store was used with; restore the Secret from a \
         backup, or point the pipeline at the key store that belongs to it"
    )]
    OtherValue {
        /// The key's name.
        name: String,
    },
    /// A retired key is in the ring again.
    #[error("`{name}` was retired, but the keys Secret holds it again; remove it from the Secret and its backups")]
    Returned {
        /// The key's name.
        name: String,
    },
    /// A key has the value of another that the key store knows.
    #[error("`{name}` of the keys Secret has the value of `{of}`; draw a new one with `lethe-worker keys rotate`")]
    Reused {
        /// The key's name.
        name: String,
        /// The key whose value it has.
        of: String,
    },
}

impl KeyRing {
    /// Compares the ring with the keys that were ever used with a key store: name, check value, and
    /// whether the key was retired. Returns names and check values of the keys that are new to the
    /// store. They must be recorded before a key is used.
    pub fn verify_against<'a>(
        &self,
        known: impl IntoIterator<Item = (&'a str, &'a str, bool)>,
    ) -> Result<Vec<(String, String)>, KeyRingMismatch> {
        let mut new = self.checks();
        // Ordered by name, so that of two faults the same one is always reported.
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort_unstable_by_key(|(name, ..)| (name.parse::<KeyName>().ok(), *name));
        for (name, check, retired) in &known {
            let held = new.iter().position(|(held, _)| held == name).map(|place| new.swap_remove(place).1);
            let name = || (*name).to_owned();
            match (held, retired) {
                (None, true) => {}
                (Some(_), true) => return Err(KeyRingMismatch::Returned { name: name() }),
                (None, false) => return Err(KeyRingMismatch::Missing { name: name() }),
                (Some(held), false) if held == *check => {}
                (Some(_), false) => return Err(KeyRingMismatch::OtherValue { name: name() }),
            }
        }
        for (name, check) in &new {
            if let Some((of, ..)) = known.iter().find(|(_, other, _)| other == check) {
                return Err(KeyRingMismatch::Reused { name: name.clone(), of: (*of).to_owned() });
            }
        }
        new.sort_unstable();
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::keys::ring::tests::{counting, ring};

    type Known = Vec<(String, String, bool)>;

    fn known(ring: &KeyRing) -> Known {
        ring.checks().into_iter().map(|(name, check)| (name, check, false)).collect()
    }

    fn verify(ring: &KeyRing, known: &Known) -> Result<Vec<(String, String)>, KeyRingMismatch> {
        ring.verify_against(known.iter().map(|(name, check, retired)| (name.as_str(), check.as_str(), *retired)))
    }

    fn retire(known: &mut Known, name: &str) {
        known.iter_mut().find(|(known, ..)| known == name).unwrap().2 = true;
    }

    #[test]
    fn a_new_store_records_every_key_and_the_same_ring_adds_none() {
        let ring = ring(1);
        let mut all = ring.checks();
        all.sort();
        assert_eq!(verify(&ring, &vec![]), Ok(all));
        assert_eq!(verify(&ring, &known(&ring)), Ok(vec![]));
    }

    #[test]
    fn a_rotated_ring_adds_its_new_master() {
        let first = ring(1);
        let second = first.with_new_master(counting(100)).unwrap();
        let new = verify(&second, &known(&first)).unwrap();
        assert_eq!(new.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["master-2"]);
    }

    #[test]
    fn a_key_in_use_must_be_there() {
        let first = ring(1);
        let second = first.with_new_master(counting(100)).unwrap();
        assert_eq!(verify(&first, &known(&second)), Err(KeyRingMismatch::Missing { name: "master-2".to_owned() }));
    }

    #[test]
    fn a_key_in_use_must_have_its_value() {
        // The fault of the root is reported first.
        assert_eq!(verify(&ring(50), &known(&ring(1))), Err(KeyRingMismatch::OtherValue { name: "root".to_owned() }));
    }

    #[test]
    fn a_retired_master_may_be_absent_but_never_come_back() {
        let both = ring(1).with_new_master(counting(100)).unwrap();
        let after = both.without_master(1).unwrap();
        let mut known = known(&both);
        retire(&mut known, "master-1");
        assert_eq!(verify(&after, &known), Ok(vec![]));
        let returned = Err(KeyRingMismatch::Returned { name: "master-1".to_owned() });
        assert_eq!(verify(&both, &known), returned);
        known.iter_mut().find(|(name, ..)| name == "master-1").unwrap().1 = "0".repeat(16);
        assert_eq!(verify(&both, &known), returned, "another value doesn't make the name free");
    }

    #[test]
    fn a_retired_value_never_comes_back_under_another_name() {
        let both = ring(1).with_new_master(counting(100)).unwrap();
        let mut known = known(&both);
        retire(&mut known, "master-1");
        // The sixth key drawn by ring(1) was master-1: master-3 gets its bytes.
        let again = both.with_new_master(counting(6)).err();
        assert!(again.is_some(), "the ring itself refuses it while both are there");
        let again = both.without_master(1).unwrap().with_new_master(counting(6)).unwrap();
        assert_eq!(
            verify(&again, &known),
            Err(KeyRingMismatch::Reused { name: "master-3".to_owned(), of: "master-1".to_owned() })
        );
    }

    #[test]
    fn an_unknown_key_of_a_later_version_is_missing() {
        let ring = ring(1);
        let mut known = known(&ring);
        known.push(("audience-future".to_owned(), "0".repeat(16), false));
        assert_eq!(verify(&ring, &known), Err(KeyRingMismatch::Missing { name: "audience-future".to_owned() }));
    }
}
