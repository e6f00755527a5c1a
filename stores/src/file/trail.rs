//! Tells a file from another one of the same name.
//!
//! The fingerprint of a position covers the first 4 KiB of the file and the last 4 KiB before the
//! position. It stays the same while the file grows, and in a copy of the file. It is keyed, since
//! a short file may hold a single person's data, which could be guessed.

use std::io::{self, Read};

use lethe_core::{identity::hex, keys::FileKey};

use crate::FilePosition;

/// Length of each part that a fingerprint covers, at most.
pub(crate) const PART: usize = 4096;

/// What a fingerprint needs of the bytes that lie before a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trail {
    head: Vec<u8>,
    /// The last bytes, at most twice [`PART`].
    tail: Vec<u8>,
}

impl Trail {
    /// Moves the position forward over `bytes`.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = PART - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(PART)..]);
        if self.tail.len() > 2 * PART {
            self.tail.drain(..self.tail.len() - PART);
        }
    }

    /// Reads what lies before `offset`. `skip` moves a reader forward. Returns `None` if the file
    /// ends before it.
    pub(crate) fn read<R: Read>(
        reader: &mut R,
        offset: u64,
        skip: impl FnOnce(&mut R, u64) -> io::Result<()>,
    ) -> io::Result<Option<Self>> {
        let part = PART as u64;
        let mut trail = Self::default();
        let mut take = |reader: &mut R, length: u64| -> io::Result<bool> {
            let mut bytes = Vec::with_capacity(PART);
            Read::by_ref(reader).take(length).read_to_end(&mut bytes)?;
            trail.push(&bytes);
            Ok(bytes.len() as u64 == length)
        };
        let head = offset.min(part);
        if !take(reader, head)? {
            return Ok(None);
        }
        let between = (offset - head).saturating_sub(part);
        if between > 0 {
            skip(reader, between)?;
        }
        if !take(reader, offset - head - between)? {
            return Ok(None);
        }
        Ok(Some(trail))
    }

    /// Returns the first bytes before the position.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns whether the position is at the start of a line.
    pub(crate) fn is_at_line_start(&self) -> bool {
        self.tail.last().is_none_or(|byte| *byte == b'\n')
    }

    /// Returns the position with its fingerprint.
    pub(crate) fn position(&self, offset: u64, key: &FileKey) -> FilePosition {
        FilePosition { offset, fingerprint: Some(self.fingerprint(key)) }
    }

    /// Returns whether the file before `position` is the one of which the position was stored.
    pub(crate) fn fits(&self, position: FilePosition, key: &FileKey) -> bool {
        position.fingerprint.is_none_or(|stored| stored == self.fingerprint(key))
    }

    fn fingerprint(&self, key: &FileKey) -> u64 {
        let tail = &self.tail[self.tail.len().saturating_sub(PART)..];
        let mac = key.fingerprint(&[&self.head, tail]);
        mac[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 1
    }

    /// Returns what tells the file from its replacement: the fingerprint of its first lines, up to
    /// the end of its first record.
    pub(crate) fn incarnation(&self, lines: usize, key: &FileKey) -> String {
        let end = memchr::memchr_iter(b'\n', &self.head).nth(lines - 1).unwrap_or(self.head.len());
        let first = &self.head[..end];
        let first = first.strip_suffix(b"\r").unwrap_or(first);
        let mac = key.fingerprint(&[first]);
        hex(&mac)[..32].iter().map(|digit| char::from(*digit)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Cursor, Seek, SeekFrom};

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], offset: u64) -> Option<Trail> {
        let skip = |reader: &mut Cursor<&[u8]>, count| reader.seek(SeekFrom::Current(count as i64)).map(|_| ());
        Trail::read(&mut Cursor::new(bytes), offset, skip).unwrap()
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7919 % 251) as u8).collect()
    }

    proptest! {
        #[test]
        fn reading_a_file_in_any_pieces_gives_the_trail_of_its_position(
            length in 0usize..20_000,
            sizes in prop::collection::vec(1usize..9_000, 1..6),
        ) {
            let bytes = text(length);
            let (mut trail, mut at) = (Trail::default(), 0);
            for size in sizes.iter().cycle() {
                let key = FileKey::public();
                let read = read(&bytes, at as u64).unwrap();
                prop_assert_eq!(trail.position(0, &key), read.position(0, &key));
                if at == length {
                    break;
                }
                let end = (at + size).min(length);
                trail.push(&bytes[at..end]);
                at = end;
            }
        }

        #[test]
        fn another_byte_in_either_part_is_another_file_and_a_longer_file_is_the_same(
            length in 1usize..12_000,
            at in any::<prop::sample::Index>(),
            longer in 0usize..100,
        ) {
            let key = FileKey::public();
            let bytes = text(length);
            let position = read(&bytes, length as u64).unwrap().position(length as u64, &key);
            let mut grown = bytes.clone();
            grown.extend_from_slice(&text(longer));
            prop_assert!(read(&grown, length as u64).unwrap().fits(position, &key));
            let at = at.index(length);
            grown[at] ^= 1;
            let covered = at < PART || at >= length - PART.min(length);
            prop_assert_eq!(read(&grown, length as u64).unwrap().fits(position, &key), !covered);
        }
    }

    #[test]
    fn a_file_that_ends_before_the_position_has_no_trail() {
        for (length, offset) in [(0, 1), (10, 11), (5_000, 5_001), (5_000, 100_000), (100_000, 100_001)] {
            assert_eq!(read(&text(length), offset), None, "{length} {offset}");
        }
    }

    #[test]
    fn an_incarnation_stays_while_the_file_grows() {
        let of = |text: &str, lines| {
            let mut trail = Trail::default();
            trail.push(text.as_bytes());
            trail.incarnation(lines, &FileKey::public())
        };
        assert_eq!(of("a", 1), of("a\r\nb\n", 1));
        assert_eq!(of("h\na\n", 2), of("h\na\nb\n", 2));
        assert_ne!(of("h\na\n", 2), of("h\nb\n", 2));
        assert_eq!(of("a", 1).len(), 32);
        let long = "x".repeat(10_000);
        assert_eq!(of(&long, 1), of(&format!("{long}\n"), 1));
    }
}
