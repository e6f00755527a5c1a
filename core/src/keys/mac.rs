//! HMAC-SHA256 with the blocks of the key computed once, and a subkey for each purpose.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A key of 32 bytes, wiped when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// A key whose two first blocks are computed. A use costs the blocks of the message and one more.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// Takes the key as it is.
    fn new(key: &[u8; 32]) -> Self {
        // A key shorter than a block is filled with zeros: that is how HMAC is defined (RFC 2104).
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(key);
        let block: &[u8; 64] = &block;
        Self(Hmac::new(block.into()))
    }

    /// Returns the subkey of `key` for one purpose. Two purposes never share a subkey, so a value
    /// made for one of them is meaningless for another.
    pub(crate) fn of(key: &[u8; 32], purpose: &str) -> Self {
        Self::new(&subkey(key, purpose))
    }

    /// Returns the HMAC of the parts. Two different lists of parts are never the same message,
    /// because each part is preceded by its length.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            // One byte if that is enough: most messages then need one SHA-256 block less.
            match u8::try_from(part.len()) {
                Ok(length) if length < u8::MAX => mac.update(&[length]),
                _ => {
                    mac.update(&[u8::MAX]);
                    mac.update(&(part.len() as u64).to_le_bytes());
                }
            }
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Returns the subkey for one purpose: `HMAC(key, "lethe " + purpose)`.
pub(crate) fn subkey(key: &[u8; 32], purpose: &str) -> Secret {
    let mut mac = MacKey::new(key).0;
    mac.update(b"lethe ");
    mac.update(purpose.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Returns the check value of a key, which identifies it without revealing it: `HMAC(key, "lethe
/// check")`, cut to 8 bytes.
pub(crate) fn check(key: &[u8; 32]) -> [u8; 8] {
    let mut check = [0; 8];
    check.copy_from_slice(&subkey(key, "check")[..8]);
    check
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::identity::{hex, unhex};
    use proptest::prelude::*;

    #[test]
    fn it_is_the_hmac_of_rfc_4231() {
        // Test case 2 has a key of 4 bytes; zeros after it change nothing.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mut mac = MacKey::new(&key).0;
        mac.update(b"what do ya want for nothing?");
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        assert_eq!(&hex(&bytes), b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_check_value_never_changes() {
        // printf 'lethe check' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707..07
        assert_eq!(check(&[7; 32]), unhex(b"8931e470892a902f").unwrap());
    }

    #[test]
    fn the_bounds_of_parts_of_any_length_count() {
        let key = MacKey::new(&[7; 32]);
        for length in [0, 1, 54, 55, 254, 255, 256, 1000] {
            let bytes = vec![255; length];
            assert_ne!(key.mac(&[&bytes, b""]), key.mac(&[b"", &bytes[..length / 2], &bytes[length / 2..]]));
            if length > 0 {
                assert_ne!(key.mac(&[&bytes, b""]), key.mac(&[&bytes[1..], &bytes[..1]]));
            }
        }
    }

    proptest! {
        #[test]
        fn two_lists_of_parts_have_the_same_mac_only_if_they_are_equal(
            a in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255)], 0..4), 0..4),
            b in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255)], 0..4), 0..4),
        ) {
            let key = MacKey::new(&[7; 32]);
            let mac = |parts: &[Vec<u8>]| key.mac(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(a == b, mac(&a) == mac(&b));
        }
    }
}
