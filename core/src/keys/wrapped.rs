//! A subject's key as the key store holds it: sealed by a master key of the ring.

use aes_gcm_siv::{AeadInOut, AesGcmSiv, KeyInit, aead::inout::InOutBuf, aes::Aes256Enc};
use zeroize::Zeroizing;

use super::{
    KeyRing,
    mac::{Secret, subkey},
};
use crate::identity::Token;

/// Version of the envelope; part of what is authenticated.
const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;
const LENGTH: usize = NONCE + 32 + TAG;

/// A subject's key, sealed by a master key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Number of the master key that wraps it.
    pub master: u32,
    /// Nonce, ciphertext and tag.
    pub sealed: Vec<u8>,
}

/// A random 256-bit key that seals data: of a subject and class, or of a day of dead letters. It
/// has no `Debug`, and is wiped when dropped.
#[derive(Clone)]
pub struct DataKey(Secret);

impl DataKey {
    /// Takes 32 random bytes as a key and wipes them.
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(bytes));
        zeroize::Zeroize::zeroize(&mut bytes);
        key
    }

    pub(crate) const fn bytes(&self) -> &Secret {
        &self.0
    }
}

/// What a wrapped key belongs to. It is authenticated: a key that was moved to another row does not
/// open.
#[derive(Clone, Copy)]
pub enum WrapContext<'a> {
    /// A subject's key of a class.
    Subject {
        /// Space of the subject's id.
        space: &'a str,
        /// The subject.
        token: &'a Token,
        /// Class of the key.
        class: &'a str,
    },
    /// The key of a day of a pipeline's dead letters.
    Day {
        /// `<namespace>.<name>` of the pipeline.
        pipeline: &'a str,
        /// The UTC day, `2026-11-21`.
        day: &'a str,
    },
}

/// Why a key cannot be wrapped or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The ring lacks the master.
    #[error(
        "a key is wrapped by `master-{master}`, which the keys Secret lacks; restore it from a backup of the Secret"
    )]
    NoMaster {
        /// Number of the master.
        master: u32,
    },
    /// The cipher refused to seal.
    #[error("`master-{master}` can't wrap a key; nothing was written")]
    DoesNotSeal {
        /// Number of the master.
        master: u32,
    },
    /// The master does not open it for this owner.
    #[error(
        "`master-{master}` doesn't open a key that it should wrap: the row was changed or moved, or the master has \
         another value; restore the key store or the keys Secret"
    )]
    DoesNotOpen {
        /// Number of the master.
        master: u32,
    },
}

/// A master key, ready to wrap.
pub(super) struct MasterKey(Box<AesGcmSiv<Aes256Enc>>);

impl MasterKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(Box::new(AesGcmSiv::new((&*subkey(key, "wrap")).into())))
    }
}

impl WrapContext<'_> {
    fn authenticated(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            WrapContext::Subject { space, token, class } => {
                out.push(b's');
                push_part(space.as_bytes(), &mut out);
                push_part(&token.0, &mut out);
                push_part(class.as_bytes(), &mut out);
            }
            WrapContext::Day { pipeline, day } => {
                out.push(b'd');
                push_part(pipeline.as_bytes(), &mut out);
                push_part(day.as_bytes(), &mut out);
            }
        }
        out
    }
}

fn push_part(part: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(part.len() as u64).to_le_bytes());
    out.extend_from_slice(part);
}

impl KeyRing {
    /// Wraps a key by the current master. `nonce` is random. If one is used twice, it only reveals
    /// whether the two keys are equal (AES-GCM-SIV).
    pub fn wrap(&self, context: &WrapContext<'_>, key: &DataKey, nonce: [u8; NONCE]) -> Result<WrappedKey, WrapError> {
        let master = self.current_master();
        let cipher = self.masters.get(&master).ok_or(WrapError::NoMaster { master })?;
        let mut text = key.0.clone();
        let tag = cipher
            .0
            .encrypt_inout_detached(&nonce.into(), &context.authenticated(), InOutBuf::from(&mut text[..]))
            .map_err(|_| WrapError::DoesNotSeal { master })?;
        let mut sealed = Vec::with_capacity(LENGTH);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text[..]);
        sealed.extend_from_slice(&tag);
        Ok(WrappedKey { master, sealed })
    }

    /// Opens a wrapped key.
    pub fn unwrap(&self, context: &WrapContext<'_>, wrapped: &WrappedKey) -> Result<DataKey, WrapError> {
        let master = wrapped.master;
        let key = self.masters.get(&master).ok_or(WrapError::NoMaster { master })?;
        let fails = WrapError::DoesNotOpen { master };
        let sealed: &[u8; LENGTH] = wrapped.sealed.as_slice().try_into().map_err(|_| fails)?;
        let (nonce, rest) = sealed.split_at(NONCE);
        let (text, tag) = rest.split_at(32);
        let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| fails)?;
        let tag = <[u8; TAG]>::try_from(tag).map_err(|_| fails)?;
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(text);
        key.0
            .decrypt_inout_detached(&nonce.into(), &context.authenticated(), InOutBuf::from(&mut out[..]), &tag.into())
            .map_err(|_| fails)?;
        Ok(DataKey(out))
    }

    /// Returns the same key wrapped by the current master: what `keys rotate` writes.
    pub fn rewrap(
        &self,
        context: &WrapContext<'_>,
        wrapped: &WrappedKey,
        nonce: [u8; NONCE],
    ) -> Result<WrappedKey, WrapError> {
        self.wrap(context, &self.unwrap(context, wrapped)?, nonce)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        identity::push_hex,
        keys::ring::tests::{counting, ring},
    };
    use proptest::prelude::*;

    const TOKEN: Token = Token([9; 32]);

    fn subject() -> WrapContext<'static> {
        WrapContext::Subject { space: "customers", token: &TOKEN, class: "profile" }
    }

    fn opens(ring: &KeyRing, context: &WrapContext<'_>, wrapped: &WrappedKey) -> Result<[u8; 32], WrapError> {
        ring.unwrap(context, wrapped).map(|key| **key.bytes())
    }

    proptest! {
        #[test]
        fn a_wrapped_key_opens_for_its_owner(key: [u8; 32], nonce: [u8; 12]) {
            let wrapped = ring(1).wrap(&subject(), &DataKey::new(key), nonce).unwrap();
            prop_assert_eq!(wrapped.master, 1);
            prop_assert_eq!(wrapped.sealed.len(), LENGTH);
            prop_assert_eq!(opens(&ring(1), &subject(), &wrapped), Ok(key));
        }

        #[test]
        fn a_changed_bit_does_not_open(bit in 0..LENGTH * 8) {
            let mut wrapped = ring(1).wrap(&subject(), &DataKey::new([3; 32]), [4; 12]).unwrap();
            wrapped.sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(opens(&ring(1), &subject(), &wrapped), Err(WrapError::DoesNotOpen { master: 1 }));
        }
    }

    #[test]
    fn a_wrapped_key_never_changes_between_versions_of_lethe() {
        // By another implementation: AESGCMSIV of Python's cryptography. The master is 06 x 32.
        let wrapped = ring(1).wrap(&subject(), &DataKey::new([3; 32]), [4; 12]).unwrap();
        let (nonce, rest) = wrapped.sealed.split_at(NONCE);
        let mut digits = Vec::new();
        push_hex(rest, &mut digits);
        assert_eq!(nonce, [4; 12]);
        assert_eq!(
            String::from_utf8(digits).unwrap(),
            "e64e70109defaeb6754dd6342359825755e88fc619e162d13110f6599eff4933ed45f52e145a282cc1069ee7937320c5"
        );
    }

    #[test]
    fn a_key_opens_for_no_other_owner() {
        let wrapped = ring(1).wrap(&subject(), &DataKey::new([3; 32]), [4; 12]).unwrap();
        let other = Token([8; 32]);
        for context in [
            WrapContext::Subject { space: "customer", token: &TOKEN, class: "sprofile" },
            WrapContext::Subject { space: "customers", token: &other, class: "profile" },
            WrapContext::Subject { space: "customers", token: &TOKEN, class: "financial" },
            WrapContext::Day { pipeline: "customers", day: "profile" },
        ] {
            assert_eq!(opens(&ring(1), &context, &wrapped), Err(WrapError::DoesNotOpen { master: 1 }));
        }
    }

    #[test]
    fn a_day_key_opens_on_its_day_only() {
        let day = |day| WrapContext::Day { pipeline: "shop.profiles", day };
        let wrapped = ring(1).wrap(&day("2026-11-21"), &DataKey::new([3; 32]), [4; 12]).unwrap();
        assert_eq!(opens(&ring(1), &day("2026-11-21"), &wrapped), Ok([3; 32]));
        assert_eq!(opens(&ring(1), &day("2026-11-22"), &wrapped), Err(WrapError::DoesNotOpen { master: 1 }));
    }

    #[test]
    fn another_master_does_not_open_it() {
        let wrapped = ring(1).wrap(&subject(), &DataKey::new([3; 32]), [4; 12]).unwrap();
        assert_eq!(opens(&ring(50), &subject(), &wrapped), Err(WrapError::DoesNotOpen { master: 1 }));
        let absent = WrappedKey { master: 2, ..wrapped };
        assert_eq!(opens(&ring(1), &subject(), &absent), Err(WrapError::NoMaster { master: 2 }));
    }

    #[test]
    fn a_rotated_key_opens_without_the_old_master() {
        let first = ring(1);
        let wrapped = first.wrap(&subject(), &DataKey::new([3; 32]), [4; 12]).unwrap();
        let both = first.with_new_master(counting(100)).unwrap();
        assert_eq!(opens(&both, &subject(), &wrapped), Ok([3; 32]));
        let again = both.rewrap(&subject(), &wrapped, [5; 12]).unwrap();
        assert_eq!(again.master, 2);
        let after = both.without_master(1).unwrap();
        assert_eq!(opens(&after, &subject(), &again), Ok([3; 32]));
        assert_eq!(opens(&after, &subject(), &wrapped), Err(WrapError::NoMaster { master: 1 }));
    }

    #[test]
    fn a_row_of_another_length_does_not_open() {
        for length in [0, LENGTH - 1, LENGTH + 1] {
            let wrapped = WrappedKey { master: 1, sealed: vec![0; length] };
            assert_eq!(opens(&ring(1), &subject(), &wrapped), Err(WrapError::DoesNotOpen { master: 1 }));
        }
    }
}
