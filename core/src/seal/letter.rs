//! Dead letters: a whole record, sealed as bytes. The same record read again gives the same bytes.

use super::{OpenError, SealError, SubjectCipher, cipher::Kind};
use crate::{record::Position, sensitive::Sensitive};

/// Version of the envelope of letters, and its first byte. It binds everything in
/// [`LetterContext`]; version 1 bound the key alone, and still opens.
const LETTER_VERSION: u8 = 2;

/// What is readable of a letter and decides what is done with it. It does not open for anything
/// else.
#[derive(Clone, Copy)]
pub struct LetterContext<'a> {
    /// The key of the letter: [`crate::keys::KeyRing::letter_key`].
    pub key: &'a [u8; 32],
    /// The pipeline.
    pub pipeline: &'a str,
    /// Position of the record in its source.
    pub position: &'a Position,
    /// Reason code.
    pub reason: &'a str,
    /// Names of the sinks that lack the record.
    pub sinks: &'a [String],
}

impl SubjectCipher {
    /// Appends a sealed record: a version byte, nonce, ciphertext and tag. It opens only as the
    /// letter of its own context.
    ///
    /// The cipher is that of the subject's class [`super::DEAD_LETTER_CLASS`], or of a day's key.
    pub fn seal_letter(&self, context: &LetterContext<'_>, record: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let mut sealed = context.authenticated();
        let start = sealed.len();
        let nonce = self.nonce(Kind::Letter, &[&sealed, b"", record]);
        self.push_sealed(nonce, start, record, &mut sealed)?;
        out.push(LETTER_VERSION);
        out.extend_from_slice(&sealed[start..]);
        Ok(())
    }

    /// Opens a sealed record of this version, or of version 1.
    pub fn open_letter(&self, context: &LetterContext<'_>, letter: &[u8]) -> Result<Sensitive<Vec<u8>>, OpenError> {
        match letter.split_first() {
            Some((&LETTER_VERSION, sealed)) => self.open_sealed(&context.authenticated(), sealed.to_vec()),
            Some((&1, sealed)) => {
                self.open_sealed(&[&[1, Kind::Letter as u8], &context.key[..]].concat(), sealed.to_vec())
            }
            _ => Err(OpenError::NotALetter),
        }
    }
}

impl LetterContext<'_> {
    /// Returns version, kind and key, then each part after its length.
    fn authenticated(&self) -> Vec<u8> {
        let mut out = vec![LETTER_VERSION, Kind::Letter as u8];
        out.extend_from_slice(self.key);
        out.extend_from_slice(&self.position.offset.to_le_bytes());
        let parts = [self.pipeline, &self.position.stream, &self.position.incarnation, self.reason];
        for part in parts.into_iter().chain(self.sinks.iter().map(String::as_str)) {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(part.as_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        identity::{Token, push_hex},
        seal::{DAY_CLASS, DEAD_LETTER_CLASS, SealContext, cipher::tests::cipher},
    };
    use lethe_crds::profile_pipeline::Audience;
    use proptest::prelude::*;

    fn position(offset: u64) -> Position {
        Position { stream: "users|3".into(), incarnation: "id-1".into(), offset }
    }

    /// Calls `of` with the context of the letter of an offset.
    fn at<R>(offset: u64, of: impl FnOnce(&LetterContext<'_>) -> R) -> R {
        let sinks = ["profiles".to_owned(), "clean".to_owned()];
        of(&LetterContext {
            key: &[1; 32],
            pipeline: "shop.people",
            position: &position(offset),
            reason: "NotJson",
            sinks: &sinks,
        })
    }

    fn seal(cipher: &SubjectCipher, offset: u64, record: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        at(offset, |context| cipher.seal_letter(context, record, &mut out)).unwrap();
        out
    }

    fn open(cipher: &SubjectCipher, offset: u64, letter: &[u8]) -> Result<Sensitive<Vec<u8>>, OpenError> {
        at(offset, |context| cipher.open_letter(context, letter))
    }

    proptest! {
        #[test]
        fn a_record_comes_back_and_the_same_record_gives_the_same_bytes(
            record in prop::collection::vec(any::<u8>(), 0..300),
            offset: u64,
        ) {
            let key = cipher(7, DEAD_LETTER_CLASS);
            let letter = seal(&key, offset, &record);
            prop_assert_eq!(&letter, &seal(&key, offset, &record));
            prop_assert_eq!(open(&key, offset, &letter), Ok(Sensitive::new(record)));
        }

        #[test]
        fn a_changed_bit_does_not_open(bit in 0_usize..1000) {
            let key = cipher(7, DAY_CLASS);
            let mut letter = seal(&key, 1, b"{\"user_id\": 42}");
            let bit = bit % (letter.len() * 8);
            letter[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(&key, 1, &letter).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), version in 0_u8..4) {
            prop_assert!(open(&cipher(7, DAY_CLASS), 1, &bytes).is_err());
            prop_assert!(open(&cipher(7, DAY_CLASS), 1, &[&[version], &*bytes].concat()).is_err());
        }
    }

    #[test]
    fn a_letter_never_changes_between_versions_of_lethe() {
        // By another implementation: AESGCMSIV of Python's cryptography.
        let mut digits = Vec::new();
        push_hex(&seal(&cipher(7, DAY_CLASS), 1, b"record"), &mut digits);
        assert_eq!(
            String::from_utf8(digits).unwrap(),
            "0283464ff310c9f3689b64b14a895d20b34779ee5981f0fee66e0564d3c4f733a20eaf"
        );
    }

    #[test]
    fn a_letter_of_version_1_opens_with_its_key_alone() {
        let letter: Vec<u8> = (0..70)
            .step_by(2)
            .map(|at| {
                let digits = "01c2155dec9951e9da81180f84d13fef87fdde515b58cbeacc698cea2dd7f35df24709";
                u8::from_str_radix(&digits[at..at + 2], 16).unwrap()
            })
            .collect();
        for offset in [1, 2] {
            assert_eq!(open(&cipher(7, DAY_CLASS), offset, &letter), Ok(Sensitive::new(b"record".to_vec())));
        }
        assert!(open(&cipher(8, DAY_CLASS), 1, &letter).is_err());
    }

    #[test]
    fn a_letter_opens_with_its_own_headers_and_its_key_only() {
        let letter = seal(&cipher(7, DAY_CLASS), 1, b"record");
        let fails = Err(OpenError::DoesNotOpen(DAY_CLASS.into()));
        assert_eq!(open(&cipher(8, DAY_CLASS), 1, &letter), fails);
        assert_eq!(open(&cipher(7, DAY_CLASS), 2, &letter), fails);
        let renamed = Position { stream: "users|4".into(), ..position(1) };
        let made_anew = Position { incarnation: "id-2".into(), ..position(1) };
        at(1, |own| {
            for other in [
                LetterContext { key: &[2; 32], ..*own },
                LetterContext { pipeline: "shop.others", ..*own },
                LetterContext { position: &renamed, ..*own },
                LetterContext { position: &made_anew, ..*own },
                LetterContext { reason: "SchemaViolation", ..*own },
                LetterContext { sinks: &own.sinks[..1], ..*own },
                LetterContext { sinks: &[], ..*own },
            ] {
                assert_eq!(cipher(7, DAY_CLASS).open_letter(&other, &letter), fails);
            }
        });
    }

    #[test]
    fn a_sealed_field_does_not_open_as_a_letter() {
        let key = cipher(7, DEAD_LETTER_CLASS);
        let token = Token([1; 32]);
        let mut out = Vec::new();
        let context = SealContext { space: "", token: &token, audience: Audience::Identity, path: "" };
        let nonce = key.event_nonce(context.audience, &[1; 32]);
        key.seal(&context, nonce, b"record", &mut crate::seal::Scratch::default(), &mut out).unwrap();
        assert_ne!(seal(&key, 1, b"record")[1..], out);
        assert_eq!(open(&key, 1, &out), Err(OpenError::NotALetter));
        assert_eq!(open(&key, 1, b""), Err(OpenError::NotALetter));
    }
}
