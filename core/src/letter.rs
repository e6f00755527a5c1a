//! The content of a dead letter: the record as it was read, byte for byte. If the store of the
//! letter can't hold all of it, the content is its start and its digest.

use sha2::{Digest, Sha256};

use crate::engine::Record;

/// A header of a record: its name and its value.
pub type Header<'r> = (&'r [u8], Option<&'r [u8]>);

/// A record taken out of a dead letter. Its bytes are personal: it has no Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// The record's own timestamp, milliseconds since 1970; `None` if it has none.
    pub timestamp: Option<i64>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The record's headers: names and values.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// What a dead letter holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// The record.
    Record(OwnedRecord),
    /// Only the start of the record.
    Cut {
        /// The [`digest`] of the record.
        digest: [u8; 32],
        /// Bytes of the record's encoding.
        length: u64,
        /// The first bytes of the record's encoding.
        start: Vec<u8>,
    },
}

/// The format of letters before they held headers.
const WITHOUT_HEADERS: u8 = 1;
/// The format of a whole record. Another format gets another number.
const WHOLE: u8 = 2;
/// The format of a record that was cut.
const CUT: u8 = 3;

/// Encodes that a record has no timestamp. No clock shows this time.
const NO_TIMESTAMP: i64 = i64::MIN;

/// Bytes of its encoding that a letter keeps of a record that is cut.
pub const CUT_TO: usize = 64 * 1024;

/// Encodes a record: format and timestamp, then key, value, and the names and values of its
/// headers, each after its length; -1 means absent.
pub fn encode(record: &Record<'_>, headers: &[Header<'_>]) -> Vec<u8> {
    let parts = || {
        let headers = headers.iter().flat_map(|(name, value)| [Some(*name), *value]);
        [record.key, record.value].into_iter().chain(headers)
    };
    let mut out = Vec::with_capacity(9 + parts().map(|part| 8 + part.map_or(0, <[u8]>::len)).sum::<usize>());
    out.push(WHOLE);
    out.extend_from_slice(&record.timestamp.unwrap_or(NO_TIMESTAMP).to_le_bytes());
    for part in parts() {
        let length = part.map_or(-1, |part| i64::try_from(part.len()).unwrap_or(i64::MAX));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(part.unwrap_or_default());
    }
    out
}

/// Returns the digest of an encoded record: SHA-256 of its key, value and headers. The timestamp is
/// left out, because that of a line is the time of its file, which changes when the file grows.
pub fn digest(encoded: &[u8]) -> [u8; 32] {
    Sha256::digest(encoded.get(9..).unwrap_or_default()).into()
}

/// Cuts an encoded record: format, digest, length and the first bytes. `None` if it is so short
/// that nothing is gained.
pub fn cut(encoded: &[u8]) -> Option<Vec<u8>> {
    let start = encoded.get(..CUT_TO)?;
    let mut out = Vec::with_capacity(41 + start.len());
    out.push(CUT);
    out.extend_from_slice(&digest(encoded));
    out.extend_from_slice(&(encoded.len() as u64).to_le_bytes());
    out.extend_from_slice(start);
    Some(out)
}

/// Decodes the content of a letter; `None` if the bytes hold none.
pub fn decode(bytes: &[u8]) -> Option<Content> {
    let (form, mut rest) = bytes.split_first()?;
    match *form {
        WITHOUT_HEADERS | WHOLE => {
            let timestamp = Some(take_i64(&mut rest)?).filter(|timestamp| *timestamp != NO_TIMESTAMP);
            let (key, value) = (take_part(&mut rest)?, take_part(&mut rest)?);
            let mut headers = Vec::new();
            while *form == WHOLE && !rest.is_empty() {
                headers.push((take_part(&mut rest)??, take_part(&mut rest)?));
            }
            rest.is_empty().then_some(Content::Record(OwnedRecord { timestamp, key, value, headers }))
        }
        CUT => {
            let (digest, rest) = rest.split_first_chunk()?;
            let (length, start) = rest.split_first_chunk()?;
            Some(Content::Cut { digest: *digest, length: u64::from_le_bytes(*length), start: start.to_vec() })
        }
        _ => None,
    }
}

fn take_i64(rest: &mut &[u8]) -> Option<i64> {
    let (number, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(i64::from_le_bytes(*number))
}

// The outer `None` means that the bytes end too early, the inner one that the part is absent.
#[allow(clippy::option_option)]
fn take_part(rest: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let Ok(length) = usize::try_from(take_i64(rest)?) else { return Some(None) };
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(Some(part.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn record(value: &[u8]) -> Record<'_> {
        Record { stream: "s", offset: 7, timestamp: Some(5), key: Some(b"k"), value: Some(value) }
    }

    proptest! {
        #[test]
        fn a_decoded_letter_is_the_encoded_record(
            timestamp in option::of(NO_TIMESTAMP + 1..),
            key in option::of(vec(any::<u8>(), 0..20)),
            value in option::of(vec(any::<u8>(), 0..20)),
            headers in vec((vec(any::<u8>(), 0..5), option::of(vec(any::<u8>(), 0..5))), 0..4),
        ) {
            let record = Record { stream: "s", offset: 7, timestamp, key: key.as_deref(), value: value.as_deref() };
            let borrowed: Vec<Header<'_>> = headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
            let back = decode(&encode(&record, &borrowed));
            let expected = OwnedRecord { timestamp, key, value, headers };
            prop_assert!(back == Some(Content::Record(expected)));
        }

        #[test]
        fn other_bytes_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..64), form in 0_u8..5) {
            let _ = decode(&bytes);
            let _ = decode(&[&[form], &*bytes].concat());
        }
    }

    #[test]
    fn a_letter_of_the_version_without_headers_is_still_decoded() {
        let bytes = b"\x01\x05\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\0\0\0{}";
        let record = OwnedRecord { timestamp: Some(5), key: None, value: Some(b"{}".to_vec()), headers: Vec::new() };
        assert!(decode(bytes) == Some(Content::Record(record)));
        assert!(decode(&[&bytes[..], &[0; 16]].concat()).is_none(), "it had no headers");
    }

    #[test]
    fn a_digest_is_of_the_record_and_not_of_its_timestamp() {
        let of = |record: &Record<'_>, headers: &[Header<'_>]| digest(&encode(record, headers));
        let one = record(b"{}");
        assert_eq!(of(&one, &[]), of(&Record { timestamp: None, ..one }, &[]));
        assert_ne!(of(&one, &[]), of(&record(b"[]"), &[]));
        assert_ne!(of(&one, &[]), of(&one, &[(b"trace", None)]));
        assert_ne!(of(&one, &[]), of(&Record { key: None, ..one }, &[]));
    }

    #[test]
    fn a_long_record_is_cut_to_its_start_and_says_so() {
        let long = vec![b'x'; 3 * CUT_TO];
        let encoded = encode(&record(&long), &[]);
        let bytes = cut(&encoded).unwrap();
        assert_eq!(bytes.len(), CUT_TO + 41);
        let expected =
            Content::Cut { digest: digest(&encoded), length: encoded.len() as u64, start: encoded[..CUT_TO].to_vec() };
        assert!(decode(&bytes) == Some(expected));
        assert!(cut(&encode(&record(b"{}"), &[])).is_none());
    }
}
