//! One number per event for every store: a newer event has a higher one, and the same event always
//! has the same one.
//!
//! ```text
//!   event time, cut to milliseconds   in microseconds
//! + revision                        0-9, x 100   the pipeline's; raised to reprocess history
//! + slot                            0-9, x 10    from the event id: separates most events of a millisecond
//! + rewrite                         0-9          raised by the retention rewrite only
//! ```
//!
//! It is Cassandra's `TIMESTAMP` and MongoDB's guard. Events are ordered by (version without
//! rewrite, event id): [`Order`].

use std::{cmp::Ordering, fmt};

use sha2::{Digest, Sha256};

/// SHA-256 of an event id, computed once for each event. The slot of the version and the dedupe
/// cache both need a digest that never changes and for which collisions cannot be made. It can be
/// guessed from the id and is never written anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdDigest([u8; 32]);

impl IdDigest {
    /// Returns the digest of an event id.
    pub fn of(event_id: &[u8]) -> Self {
        Self(Sha256::digest(event_id).into())
    }

    /// Returns the event's slot: the first 8 bytes, big-endian, modulo 10. It must never change:
    /// another slot would be another version of the same event.
    fn slot(&self) -> i64 {
        let first = self.0.first_chunk().copied().map_or(0, u64::from_be_bytes);
        i64::from((first % 10) as u8)
    }

    /// Returns 128 bits that represent the id. They do not overlap with those of the slot.
    pub(crate) fn short(&self) -> u128 {
        self.0.last_chunk().copied().map_or(0, u128::from_be_bytes)
    }
}

/// The version of an event in every store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(i64);

/// Why an event has no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The time is too far from 1970 for microseconds in 64 bits.
    #[error("the event's time is more than 292,000 years from 1970")]
    TimeOutOfRange,
    /// A revision above 9.
    #[error("the pipeline's revision is {0}; it is 0 to 9")]
    Revision(u8),
    /// A tenth rewrite.
    #[error("a row was rewritten 9 times already, which is the most; raise the pipeline's revision and reprocess it")]
    Rewrites,
}

impl Version {
    /// Returns the version of an event.
    ///
    /// `time` is in milliseconds since 1970, rounded down. If it is in whole seconds, `sequence`
    /// modulo 1000 takes the place of its milliseconds; if the times of a source have milliseconds,
    /// pass `None`.
    pub fn of(time: i64, sequence: Option<i64>, revision: u8, id: &IdDigest) -> Result<Self, VersionError> {
        if revision > 9 {
            return Err(VersionError::Revision(revision));
        }
        let fill = match sequence {
            Some(sequence) if time.rem_euclid(1000) == 0 => sequence.rem_euclid(1000),
            _ => 0,
        };
        time.checked_add(fill)
            .and_then(|time| time.checked_mul(1000))
            .and_then(|time| time.checked_add(i64::from(revision) * 100 + id.slot() * 10))
            .map(Self)
            .ok_or(VersionError::TimeOutOfRange)
    }

    /// Returns the version that a store holds as this number.
    pub const fn from_stored(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number that a store holds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Returns how often the retention rewrite has written the row: 0 to 9.
    pub const fn rewrite(self) -> u8 {
        self.0.rem_euclid(10) as u8
    }

    /// Returns the version of the event itself, before any rewrite.
    #[must_use]
    pub const fn without_rewrite(self) -> Self {
        // Saturating, because a store may hold a number that no event has.
        Self(self.0.saturating_sub(self.0.rem_euclid(10)))
    }

    /// Returns the version that the next retention rewrite writes. A tenth rewrite is refused.
    pub const fn rewritten(self) -> Result<Self, VersionError> {
        // Nine never carries, so nothing overflows.
        if self.rewrite() == 9 { Err(VersionError::Rewrites) } else { Ok(Self(self.0 + 1)) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The order of a subject's events: by version without rewrite, then by id. Of two events the
/// greater is the later one, in either order of reading.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Order<'a> {
    /// The event's version.
    version: Version,
    /// The event's id.
    id: &'a [u8],
}

impl<'a> Order<'a> {
    /// Returns the position of an event in that order.
    pub const fn new(version: Version, id: &'a [u8]) -> Self {
        Self { version: version.without_rewrite(), id }
    }
}

impl Ord for Order<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.version.cmp(&other.version).then_with(|| self.id.cmp(other.id))
    }
}

impl PartialOrd for Order<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn version(time: i64, revision: u8, id: &str) -> Version {
        Version::of(time, None, revision, &IdDigest::of(id.as_bytes())).unwrap()
    }

    #[test]
    fn a_version_never_changes_between_versions_of_lethe() {
        // printf e-1 | sha256sum begins with b94f523196aaacd8.
        assert_eq!(IdDigest::of(b"e-1").slot(), 8);
        assert_eq!(version(1_763_716_000_123, 3, "e-1").get(), 1_763_716_000_123_300 + 8 * 10);
    }

    #[test]
    fn a_sequence_fills_the_milliseconds_of_a_whole_second_only() {
        let id = IdDigest::of(b"e");
        let of = |time, sequence| Version::of(time, sequence, 0, &id).unwrap();
        assert_eq!(of(5_000, Some(7)), of(5_007, None));
        assert_eq!(of(5_000, Some(12_345)), of(5_345, None));
        assert_eq!(of(5_000, Some(-1)), of(5_999, None));
        assert_eq!(of(-5_000, Some(7)), of(-4_993, None));
        assert_eq!(of(5_001, Some(7)), of(5_001, None));
        assert_eq!(of(5_000, Some(0)), of(5_000, None));
    }

    #[test]
    fn a_time_or_revision_out_of_range_is_refused() {
        let id = IdDigest::of(b"e");
        assert_eq!(Version::of(0, None, 10, &id), Err(VersionError::Revision(10)));
        let last = i64::MAX / 1000;
        for time in [i64::MAX, i64::MIN, last + 1, -last - 2] {
            assert_eq!(Version::of(time, Some(999), 9, &id), Err(VersionError::TimeOutOfRange), "{time}");
        }
        assert!(Version::of(last - 1, Some(999), 9, &id).is_ok());
        assert!(Version::of(-last, None, 9, &id).is_ok());
    }

    #[test]
    fn a_tenth_rewrite_is_refused() {
        for time in [-1, 0, 1] {
            let first = version(time, 9, "e");
            let mut row = first;
            for rewrite in 1..=9 {
                row = row.rewritten().unwrap();
                assert_eq!((row.rewrite(), row.without_rewrite()), (rewrite, first));
            }
            assert_eq!(row.rewritten(), Err(VersionError::Rewrites));
        }
    }

    #[test]
    fn the_slots_of_many_ids_are_spread_evenly() {
        let mut counts = [0; 10];
        for id in 0..10_000 {
            counts[IdDigest::of(id.to_string().as_bytes()).slot() as usize] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    /// 292,000 years around 1970, with many near zero.
    fn any_time() -> impl Strategy<Value = i64> {
        let most = i64::MAX / 1000 - 1000;
        prop_oneof![-3000_i64..3000, -most..most]
    }

    proptest! {
        #[test]
        fn a_later_millisecond_always_has_a_higher_version(
            a in any_time(), later in 1_i64..5000, revisions in (0_u8..10, 0_u8..10), ids in (".*", ".*"),
        ) {
            let (earlier, later) = (version(a, revisions.0, &ids.0), version(a + later, revisions.1, &ids.1));
            prop_assert!(earlier < later);
            prop_assert!((0..9).try_fold(earlier, |row, _| row.rewritten()).unwrap() < later);
        }

        #[test]
        fn a_higher_revision_wins_within_its_millisecond(
            time in any_time(), revision in 0_u8..9, ids in (".*", ".*"), rewrites in 0..10,
        ) {
            let row = (0..rewrites).try_fold(version(time, revision, &ids.0), |row, _| row.rewritten()).unwrap();
            prop_assert!(row < version(time, revision + 1, &ids.1));
        }

        #[test]
        fn a_version_is_its_parts(time in any_time(), revision in 0_u8..10, id in ".*") {
            let number = version(time, revision, &id).get();
            prop_assert_eq!(number.div_euclid(1000), time);
            prop_assert_eq!(number.rem_euclid(1000) / 100, i64::from(revision));
            prop_assert_eq!(number.rem_euclid(100) / 10, IdDigest::of(id.as_bytes()).slot());
            prop_assert_eq!(number.rem_euclid(10), 0);
        }

        #[test]
        fn no_input_makes_it_panic(time: i64, sequence: Option<i64>, revision: u8) {
            let _ = Version::of(time, sequence, revision, &IdDigest::of(b""));
            let any = Version::from_stored(time);
            let _ = (any.rewrite(), any.rewritten(), any.without_rewrite());
            let _ = [i64::MIN, i64::MAX].map(|most| Version::from_stored(most).without_rewrite());
        }

        #[test]
        fn the_order_of_events_is_total_and_ignores_rewrites(
            events in prop::collection::vec((0_i64..3, "[ab]{0,2}"), 1..6), rewrites in 0..10,
        ) {
            let order = |(time, id): &(i64, String), rewrites| {
                let row = (0..rewrites).try_fold(version(*time, 0, id), |row, _| row.rewritten()).unwrap();
                (row, id.as_bytes().to_vec())
            };
            for a in &events {
                for b in &events {
                    let (x, y) = (order(a, rewrites), order(b, 0));
                    let (x, y) = (Order::new(x.0, &x.1), Order::new(y.0, &y.1));
                    prop_assert_eq!(x.cmp(&y), y.cmp(&x).reverse());
                    prop_assert_eq!(x == y, a == b);
                    prop_assert_eq!(x.cmp(&y) == Ordering::Equal, a == b);
                }
            }
        }
    }
}
