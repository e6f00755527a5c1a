//! The keys of a Secret of type `lethe.dev/keys`: one root, one key for each audience, one or more
//! masters.

use std::collections::BTreeMap;

use lethe_crds::profile_pipeline::Audience;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    mac::{Secret, check},
    name::{AUDIENCES, KeyName},
    pseudonym::{AudienceKeys, RootKeys},
    wrapped::MasterKey,
};
use crate::identity::{RootCheck, push_hex, unhex};

/// The keys of a Secret. It has no `Debug`, and its keys are wiped when it is dropped.
///
/// A key is written as 64 hexadecimal digits; upper case and one line end after them are accepted.
pub struct KeyRing {
    pub(super) keys: BTreeMap<KeyName, Secret>,
    pub(super) root: RootKeys,
    pub(super) audiences: [Option<AudienceKeys>; 4],
    pub(super) masters: BTreeMap<u32, MasterKey>,
}

/// Why the keys of a Secret are not a key ring, or a key cannot be used. It names keys, never
/// values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// The name is not one that a key can have.
    #[error("the keys Secret holds {name:?}: {source}; remove it", source = super::NotAKeyName)]
    UnknownName {
        /// The name, cut to 64 characters.
        name: String,
    },
    /// A name occurs twice.
    #[error("the keys Secret holds `{0}` twice; remove the wrong one")]
    Repeated(KeyName),
    /// The value is not a key.
    #[error(
        "key `{0}` of the keys Secret is not 64 hexadecimal digits (32 bytes); make keys with `lethe-worker keys create`"
    )]
    NotAKey(KeyName),
    /// The value was not drawn at random.
    #[error("key `{0}` of the keys Secret is all zeros; make keys with `lethe-worker keys create`")]
    Zero(KeyName),
    /// Two names have one value.
    #[error("keys `{0}` and `{1}` of the keys Secret have the same value; each must be drawn on its own")]
    SameValue(KeyName, KeyName),
    /// There is no root key.
    #[error(
        "the keys Secret holds no `root`; put the right Secret in place, or make one with `lethe-worker keys create`"
    )]
    NoRoot,
    /// There is no master key.
    #[error(
        "the keys Secret holds no `master-<n>`; put the right Secret in place, or make one with `lethe-worker keys create`"
    )]
    NoMaster,
    /// An audience in use has no key.
    #[error("the keys Secret holds no `{0}`, which a sink needs; put it back, or add it if it never was there")]
    NoAudience(KeyName),
    /// The master to remove does not exist.
    #[error("the keys Secret holds no `master-{0}`")]
    NoSuchMaster(u32),
    /// The current master cannot be removed.
    #[error("`master-{0}` is the current master; make another with `lethe-worker keys rotate` before it is retired")]
    CurrentMaster(u32),
    /// No number is left for another master.
    #[error("`master-{0}` has the highest number there is; no other master can follow it")]
    LastMaster(u32),
}

impl KeyRing {
    /// Reads the data of a keys Secret: names and values.
    pub fn parse<'a>(data: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, KeyRingError> {
        let mut keys = BTreeMap::new();
        for (name, value) in data {
            let known = name.parse::<KeyName>();
            let name = known.map_err(|_| KeyRingError::UnknownName { name: name.chars().take(64).collect() })?;
            let key = read_key(value).ok_or(KeyRingError::NotAKey(name))?;
            if keys.insert(name, key).is_some() {
                return Err(KeyRingError::Repeated(name));
            }
        }
        Self::new(keys)
    }

    /// Returns a ring with a key for every audience and `master-1`. `random` fills a buffer with
    /// bytes fit for keys.
    pub fn generate(mut random: impl FnMut(&mut [u8])) -> Result<Self, KeyRingError> {
        let names = AUDIENCES.into_iter().map(KeyName::Audience);
        let names = names.chain([KeyName::Root, KeyName::Master(1)]);
        Self::new(names.map(|name| (name, draw(&mut random))).collect())
    }

    /// Returns the ring with another master, which is then the current one.
    pub fn with_new_master(&self, mut random: impl FnMut(&mut [u8])) -> Result<Self, KeyRingError> {
        let current = self.current_master();
        let next = current.checked_add(1).ok_or(KeyRingError::LastMaster(current))?;
        let mut keys = self.keys.clone();
        keys.insert(KeyName::Master(next), draw(&mut random));
        Self::new(keys)
    }

    /// Returns the ring without a master that is no longer the current one. A caller first makes
    /// sure that this master wraps no live key.
    pub fn without_master(&self, number: u32) -> Result<Self, KeyRingError> {
        if number == self.current_master() {
            return Err(KeyRingError::CurrentMaster(number));
        }
        let mut keys = self.keys.clone();
        keys.remove(&KeyName::Master(number)).ok_or(KeyRingError::NoSuchMaster(number))?;
        Self::new(keys)
    }

    fn new(keys: BTreeMap<KeyName, Secret>) -> Result<Self, KeyRingError> {
        refuse_weak_values(&keys)?;
        let root = RootKeys::new(keys.get(&KeyName::Root).ok_or(KeyRingError::NoRoot)?);
        let audiences =
            AUDIENCES.map(|audience| keys.get(&KeyName::Audience(audience)).map(|key| AudienceKeys::new(key)));
        let masters: BTreeMap<_, _> = keys
            .iter()
            .filter_map(|(name, key)| match name {
                KeyName::Master(number) => Some((*number, MasterKey::new(key))),
                KeyName::Root | KeyName::Audience(_) => None,
            })
            .collect();
        if masters.is_empty() {
            return Err(KeyRingError::NoMaster);
        }
        Ok(Self { keys, root, audiences, masters })
    }

    /// Returns the data of the Secret that [`KeyRing::parse`] reads. No other function returns the
    /// keys.
    pub fn to_secret_data(&self) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
        self.keys
            .iter()
            .map(|(name, key)| {
                let mut text = Zeroizing::new(Vec::with_capacity(64));
                push_hex(&key[..], &mut text);
                (name.to_string(), text)
            })
            .collect()
    }

    /// Returns the number of the master that wraps new keys: the highest.
    pub fn current_master(&self) -> u32 {
        self.masters.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Returns the numbers of all masters, ascending.
    pub fn master_numbers(&self) -> impl Iterator<Item = u32> {
        self.masters.keys().copied()
    }

    /// Returns the check value of the root key.
    pub fn root_check(&self) -> RootCheck {
        self.root.check
    }

    /// Returns the name of each key and its check value as 16 hexadecimal digits.
    pub fn checks(&self) -> Vec<(String, String)> {
        self.keys.iter().map(|(name, key)| (name.to_string(), RootCheck(check(key)).to_string())).collect()
    }

    /// Fails if the key of an audience in use is absent. A worker calls this at its start.
    pub fn require(&self, audiences: impl IntoIterator<Item = Audience>) -> Result<(), KeyRingError> {
        audiences.into_iter().try_for_each(|audience| self.audience(audience).map(|_| ()))
    }
}

fn draw(random: &mut impl FnMut(&mut [u8])) -> Secret {
    let mut key = Zeroizing::new([0; 32]);
    random(&mut key[..]);
    key
}

fn read_key(value: &[u8]) -> Option<Secret> {
    let text = value.strip_suffix(b"\n").unwrap_or(value);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.len() != 64 {
        return None;
    }
    let mut lower = Zeroizing::new([0; 64]);
    lower.copy_from_slice(text);
    lower.make_ascii_lowercase();
    unhex(&lower[..]).map(Zeroizing::new)
}

fn refuse_weak_values(keys: &BTreeMap<KeyName, Secret>) -> Result<(), KeyRingError> {
    for (place, (name, key)) in keys.iter().enumerate() {
        if key[..].ct_eq(&[0; 32]).into() {
            return Err(KeyRingError::Zero(*name));
        }
        for (earlier, other) in keys.iter().take(place) {
            if key[..].ct_eq(&other[..]).into() {
                return Err(KeyRingError::SameValue(*earlier, *name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Returns a ring whose keys are `seed`, `seed + 1` and so on.
    pub(crate) fn ring(seed: u8) -> KeyRing {
        KeyRing::generate(counting(seed)).unwrap()
    }

    pub(crate) fn counting(mut next: u8) -> impl FnMut(&mut [u8]) {
        move |buffer| {
            buffer.fill(next);
            next += 1;
        }
    }

    fn parse(data: &[(&str, &str)]) -> Result<KeyRing, KeyRingError> {
        KeyRing::parse(data.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    fn error(data: &[(&str, &str)]) -> KeyRingError {
        parse(data).err().unwrap()
    }

    #[test]
    fn the_data_of_a_ring_parses_to_the_same_ring() {
        let ring = ring(1);
        let data = ring.to_secret_data();
        assert_eq!(
            data.keys().map(String::as_str).collect::<Vec<_>>(),
            ["audience-analytics", "audience-identity", "audience-operational", "audience-public", "master-1", "root"]
        );
        let again = KeyRing::parse(data.iter().map(|(name, value)| (name.as_str(), value.as_slice()))).unwrap();
        assert_eq!(again.checks(), ring.checks());
        assert_eq!(again.root_check(), ring.root_check());
    }

    #[test]
    fn a_line_end_and_upper_case_are_accepted() {
        let plain = parse(&[("root", &"0a".repeat(32)), ("master-1", &"0b".repeat(32))]).unwrap();
        let other = parse(&[("root", &format!("{}\r\n", "0A".repeat(32))), ("master-1", &"0b".repeat(32))]).unwrap();
        assert_eq!(plain.checks(), other.checks());
    }

    #[test]
    fn an_error_names_the_key_and_never_shows_a_value() {
        let (a, b) = ("0a".repeat(32), "0b".repeat(32));
        let master = KeyName::Master(1);
        let cases: Vec<(Vec<(&str, &str)>, KeyRingError)> = vec![
            (vec![("master-1", &a)], KeyRingError::NoRoot),
            (vec![("root", &a)], KeyRingError::NoMaster),
            (vec![("root", &a), ("master-1", "secret")], KeyRingError::NotAKey(master)),
            (vec![("root", &a), ("master-1", &b[1..])], KeyRingError::NotAKey(master)),
            (vec![("root", &a), ("master-1", &a)], KeyRingError::SameValue(KeyName::Root, master)),
            (vec![("root", &a), ("root", &b)], KeyRingError::Repeated(KeyName::Root)),
            (vec![("root", &a), ("sign-1", &b)], KeyRingError::UnknownName { name: "sign-1".to_owned() }),
        ];
        for (data, expected) in cases {
            let error = error(&data);
            assert_eq!(error, expected);
            for shown in [error.to_string(), format!("{error:?}")] {
                assert!(!shown.contains("0a0a") && !shown.contains("0b0b") && !shown.contains("secret"), "{shown}");
            }
        }
        assert_eq!(error(&[("root", &"0".repeat(64)), ("master-1", &b)]), KeyRingError::Zero(KeyName::Root));
    }

    #[test]
    fn a_stuck_generator_gives_no_ring() {
        assert!(matches!(KeyRing::generate(|buffer| buffer.fill(7)), Err(KeyRingError::SameValue(..))));
        assert!(matches!(KeyRing::generate(|_| ()), Err(KeyRingError::Zero(_))));
    }

    #[test]
    fn an_audience_in_use_must_have_its_key() {
        let some = parse(&[
            ("root", &"0a".repeat(32)),
            ("master-1", &"0b".repeat(32)),
            ("audience-analytics", &"0c".repeat(32)),
        ])
        .unwrap();
        assert_eq!(some.require([Audience::Analytics]), Ok(()));
        assert_eq!(
            some.require([Audience::Analytics, Audience::Public]),
            Err(KeyRingError::NoAudience(KeyName::Audience(Audience::Public)))
        );
    }

    #[test]
    fn the_highest_master_is_the_current_one() {
        let masters = ["0b", "0c", "0d"].map(|byte| byte.repeat(32));
        let data = [("root", "0a".repeat(32)), ("master-9", masters[0].clone()), ("master-10", masters[1].clone())];
        let ring = parse(&data.each_ref().map(|(name, value)| (*name, value.as_str()))).unwrap();
        assert_eq!(ring.current_master(), 10);
        assert_eq!(ring.master_numbers().collect::<Vec<_>>(), [9, 10]);
    }

    #[test]
    fn rotating_adds_a_master_and_retiring_removes_an_old_one() {
        let first = ring(1);
        let second = first.with_new_master(counting(100)).unwrap();
        assert_eq!(second.master_numbers().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(second.without_master(2).err(), Some(KeyRingError::CurrentMaster(2)));
        assert_eq!(second.without_master(3).err(), Some(KeyRingError::NoSuchMaster(3)));
        let third = second.without_master(1).unwrap();
        assert_eq!(third.master_numbers().collect::<Vec<_>>(), [2]);
        assert_eq!(third.root_check(), first.root_check());
        assert_eq!(third.without_master(2).err(), Some(KeyRingError::CurrentMaster(2)));
    }

    #[test]
    fn no_master_follows_the_last_number() {
        let last = parse(&[("root", &"0a".repeat(32)), ("master-4294967295", &"0b".repeat(32))]).unwrap();
        assert_eq!(last.with_new_master(counting(1)).err(), Some(KeyRingError::LastMaster(u32::MAX)));
    }
}
