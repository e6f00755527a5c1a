//! Dead letters: a whole record, sealed as bytes. The same record read again gives the same bytes.

use super::{
    OpenError, SealError, SubjectCipher,
    cipher::{Kind, VERSION},
};
use crate::sensitive::Sensitive;

impl SubjectCipher {
    /// Appends a sealed record: a version byte, nonce, ciphertext and tag. It opens only as the
    /// letter of its own position (`KeyRing::position_key`).
    ///
    /// The cipher is that of the subject's class [`super::DEAD_LETTER_CLASS`], or of a day's key.
    pub fn seal_letter(&self, position_key: &[u8; 32], record: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let mut sealed = authenticated(position_key);
        let start = sealed.len();
        let nonce = self.nonce(Kind::Letter, &[position_key, b"", record]);
        self.push_sealed(nonce, start, record, &mut sealed)?;
        out.push(VERSION);
        out.extend_from_slice(&sealed[start..]);
        Ok(())
    }

    /// Opens a sealed record.
    pub fn open_letter(&self, position_key: &[u8; 32], letter: &[u8]) -> Result<Sensitive<Vec<u8>>, OpenError> {
        match letter.split_first() {
            Some((&VERSION, sealed)) => self.open_sealed(&authenticated(position_key), sealed.to_vec()),
            _ => Err(OpenError::NotALetter),
        }
    }
}

fn authenticated(position_key: &[u8; 32]) -> Vec<u8> {
    let mut out = vec![VERSION, Kind::Letter as u8];
    out.extend_from_slice(position_key);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        identity::{Token, push_hex},
        seal::{DAY_CLASS, DEAD_LETTER_CLASS, SealContext, cipher::tests::cipher},
    };
    use proptest::prelude::*;

    fn seal(cipher: &SubjectCipher, position: u8, record: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        cipher.seal_letter(&[position; 32], record, &mut out).unwrap();
        out
    }

    proptest! {
        #[test]
        fn a_record_comes_back_and_the_same_record_gives_the_same_bytes(
            record in prop::collection::vec(any::<u8>(), 0..300),
            position: u8,
        ) {
            let key = cipher(7, DEAD_LETTER_CLASS);
            let letter = seal(&key, position, &record);
            prop_assert_eq!(&letter, &seal(&key, position, &record));
            prop_assert_eq!(key.open_letter(&[position; 32], &letter), Ok(Sensitive::new(record)));
        }

        #[test]
        fn a_changed_bit_does_not_open(bit in 0_usize..1000) {
            let key = cipher(7, DAY_CLASS);
            let mut letter = seal(&key, 1, b"{\"user_id\": 42}");
            let bit = bit % (letter.len() * 8);
            letter[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(key.open_letter(&[1; 32], &letter).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(cipher(7, DAY_CLASS).open_letter(&[1; 32], &bytes).is_err());
        }
    }

    #[test]
    fn a_letter_never_changes_between_versions_of_lethe() {
        // By another implementation: AESGCMSIV of Python's cryptography.
        let mut digits = Vec::new();
        push_hex(&seal(&cipher(7, DAY_CLASS), 1, b"record"), &mut digits);
        assert_eq!(
            String::from_utf8(digits).unwrap(),
            "01c2155dec9951e9da81180f84d13fef87fdde515b58cbeacc698cea2dd7f35df24709"
        );
    }

    #[test]
    fn a_letter_opens_at_its_position_with_its_key_only() {
        let letter = seal(&cipher(7, DAY_CLASS), 1, b"record");
        let fails = Err(OpenError::DoesNotOpen(DAY_CLASS.into()));
        assert_eq!(cipher(7, DAY_CLASS).open_letter(&[2; 32], &letter), fails);
        assert_eq!(cipher(8, DAY_CLASS).open_letter(&[1; 32], &letter), fails);
    }

    #[test]
    fn a_sealed_field_does_not_open_as_a_letter() {
        let key = cipher(7, DEAD_LETTER_CLASS);
        let token = Token([1; 32]);
        let mut out = Vec::new();
        let context = SealContext { space: "", token: &token, path: "" };
        key.seal(&context, &[1; 32], b"record", &mut crate::seal::Scratch::default(), &mut out).unwrap();
        assert_ne!(seal(&key, 1, b"record")[1..], out);
        assert_eq!(key.open_letter(&[1; 32], &out), Err(OpenError::NotALetter));
        assert_eq!(key.open_letter(&[1; 32], b""), Err(OpenError::NotALetter));
    }
}
