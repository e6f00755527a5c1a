//! The content of a dead letter: the record as it was read, byte for byte.

use crate::engine::Record;

/// A record taken out of a dead letter. Its bytes are personal: it has no Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// The record's own timestamp, milliseconds since 1970; `None` if it has none.
    pub timestamp: Option<i64>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// The format of a letter's content. Another format gets another number.
const FORM: u8 = 1;
/// Encodes that a record has no timestamp. No clock shows this time.
const NO_TIMESTAMP: i64 = i64::MIN;

/// Encodes a record: format, timestamp, then key and value, each after its length; -1 means absent.
pub fn encode(record: &Record<'_>) -> Vec<u8> {
    let parts = [record.key, record.value];
    let mut out = Vec::with_capacity(25 + parts.iter().flatten().map(|part| part.len()).sum::<usize>());
    out.push(FORM);
    out.extend_from_slice(&record.timestamp.unwrap_or(NO_TIMESTAMP).to_le_bytes());
    for part in parts {
        let length = part.map_or(-1, |part| i64::try_from(part.len()).unwrap_or(i64::MAX));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(part.unwrap_or_default());
    }
    out
}

/// Decodes a record; `None` if the bytes do not hold one.
pub fn decode(bytes: &[u8]) -> Option<OwnedRecord> {
    let (form, mut rest) = bytes.split_first()?;
    if *form != FORM {
        return None;
    }
    let timestamp = Some(take_i64(&mut rest)?).filter(|timestamp| *timestamp != NO_TIMESTAMP);
    let key = take_part(&mut rest)?;
    let value = take_part(&mut rest)?;
    rest.is_empty().then_some(OwnedRecord { timestamp, key, value })
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
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_decoded_letter_is_the_encoded_record(
            timestamp in option::of(NO_TIMESTAMP + 1..),
            key in option::of(vec(any::<u8>(), 0..20)),
            value in option::of(vec(any::<u8>(), 0..20)),
        ) {
            let record = Record { stream: "s", offset: 7, timestamp, key: key.as_deref(), value: value.as_deref() };
            let back = decode(&encode(&record));
            let expected = OwnedRecord { timestamp, key, value };
            prop_assert!(back == Some(expected));
        }

        #[test]
        fn other_bytes_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
