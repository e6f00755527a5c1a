//! Which event ids were delivered lately.
//!
//! The output topic and the counters need this; stores do not. An id is remembered until it is
//! older than the window by event time, or until newer ids have filled the cache, oldest first. A
//! forgotten id costs a duplicate. Two ids that are mistaken for each other cost an event, so ids
//! are compared by 128 bits of SHA-256: among a million ids, the chance of one mistake is 1 in
//! 10^26.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::version::IdDigest;

/// After how many remembered ids those are dropped that are too old in every stream.
const DROP_EVERY: u32 = 1_024;

/// Delivered ids of all streams of a worker, bounded by event time and number.
///
/// Each stream has a window of its own, because partitions can be far apart in time. The number is
/// that of all streams together.
///
/// A full cache takes 34 to 37 bytes an id, measured by [`Dedupe::bytes`] with 100,000, 900,000 and
/// 1,000,000 ids: 24 for the entry, and 5 for each slot of an index that is about half full. Memory
/// grows with the number of ids.
pub struct Dedupe {
    window: i64,
    max: usize,
    /// Oldest insertion first. Entry number `n`, counted from the first one ever, is at `n -
    /// forgotten`.
    entries: VecDeque<Entry>,
    /// Number of entries that were dropped; it wraps, as do the numbers in the index.
    forgotten: u32,
    /// Numbers of entries, by key.
    index: HashTable<u32>,
    hasher: RandomState,
    streams: HashMap<Arc<str>, Stream, RandomState>,
    /// Streams so far, including forgotten ones.
    streams_ever: u64,
    until_drop: u32,
}

struct Stream {
    /// Makes the keys of one id differ between streams, and between two assignments of one.
    salt: u64,
    newest: i64,
}

/// Identifies an id in a stream.
type Key = [u64; 2];

/// 24 bytes. The key is in two halves so that the entry is not aligned to 16 bytes.
struct Entry {
    key: Key,
    time: i64,
}

impl Stream {
    fn key(&self, id: &IdDigest) -> Key {
        let id = id.short();
        [(id >> 64) as u64 ^ self.salt, id as u64]
    }

    /// Returns the oldest event time inside the window.
    fn oldest(&self, window: i64) -> i64 {
        self.newest.saturating_sub(window)
    }
}

impl Dedupe {
    /// The most ids that a cache can hold; a larger request is cut to it.
    pub const MAX_IDS: usize = 1 << 30;

    /// Returns a cache that remembers at most `max_ids` ids, each for `window` milliseconds of the
    /// event time of its stream.
    pub fn new(window: i64, max_ids: usize) -> Self {
        Self {
            window: window.max(0),
            max: max_ids.min(Self::MAX_IDS),
            entries: VecDeque::new(),
            forgotten: 0,
            index: HashTable::new(),
            hasher: RandomState::default(),
            streams: HashMap::default(),
            streams_ever: 0,
            until_drop: DROP_EVERY,
        }
    }

    /// Returns whether an id of a stream is remembered.
    pub fn seen(&self, stream: &str, id: &IdDigest) -> bool {
        let Some(stream) = self.streams.get(stream) else { return false };
        self.find(stream.key(id)).is_some_and(|place| self.entries[place].time >= stream.oldest(self.window))
    }

    /// Remembers a delivered id with the time of its event, milliseconds since 1970. An id that is
    /// already there keeps its position and the later of its times.
    pub fn remember(&mut self, stream: &Arc<str>, id: &IdDigest, event_time: i64) {
        if self.max == 0 {
            return;
        }
        let Self { streams, streams_ever, .. } = self;
        let stream = streams.entry(Arc::clone(stream)).or_insert_with(|| {
            *streams_ever += 1;
            // An odd factor, so that no two numbers have one salt.
            Stream { salt: streams_ever.wrapping_mul(0x9e37_79b9_7f4a_7c15), newest: i64::MIN }
        });
        stream.newest = stream.newest.max(event_time);
        let (key, oldest) = (stream.key(id), stream.oldest(self.window));
        self.until_drop -= 1;
        if self.until_drop == 0 {
            self.until_drop = DROP_EVERY;
            self.drop_old();
        }
        if let Some(place) = self.find(key) {
            let entry = &mut self.entries[place];
            if entry.time >= oldest {
                entry.time = entry.time.max(event_time);
                return;
            }
            self.remove(key);
        }
        if event_time < oldest {
            return;
        }
        if self.entries.len() == self.max {
            self.forget_first();
        }
        self.grow();
        let number = self.forgotten.wrapping_add(self.entries.len() as u32);
        self.entries.push_back(Entry { key, time: event_time });
        let Self { entries, forgotten, index, hasher, .. } = self;
        index.insert_unique(hasher.hash_one(key), number, |number| {
            hasher.hash_one(entries[number.wrapping_sub(*forgotten) as usize].key)
        });
    }

    /// Forgets an id whose event was not delivered after all. Its position stays taken until it is
    /// the oldest.
    pub fn forget(&mut self, stream: &str, id: &IdDigest) {
        if let Some(key) = self.streams.get(stream).map(|stream| stream.key(id)) {
            self.remove(key);
        }
    }

    /// Forgets all ids of a stream. Their positions stay taken until they are the oldest.
    pub fn forget_stream(&mut self, stream: &str) {
        self.streams.remove(stream);
    }

    /// Returns the number of ids in memory; some may be older than the window, or forgotten.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no id is in memory.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the bytes of memory that the cache holds.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.index.allocation_size()
    }

    fn find(&self, key: Key) -> Option<usize> {
        let place = |number: &u32| number.wrapping_sub(self.forgotten) as usize;
        self.index.find(self.hasher.hash_one(key), |number| self.entries[place(number)].key == key).map(place)
    }

    fn remove(&mut self, key: Key) {
        let Self { entries, forgotten, index, hasher, .. } = self;
        let is_it = |number: &u32| entries[number.wrapping_sub(*forgotten) as usize].key == key;
        if let Ok(found) = index.find_entry(hasher.hash_one(key), is_it) {
            found.remove();
        }
    }

    /// Drops entries that are older than the window of every stream, from the oldest insertion on.
    /// Others stay in memory until newer ones need their place, but are not reported as seen.
    fn drop_old(&mut self) {
        let oldest = self.streams.values().map(|stream| stream.oldest(self.window)).min().unwrap_or(i64::MAX);
        while self.entries.front().is_some_and(|entry| entry.time < oldest) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some(entry) = self.entries.front() else { return };
        let first = self.forgotten;
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(entry.key), |number| *number == first) {
            found.remove();
        }
        self.entries.pop_front();
        self.forgotten = first.wrapping_add(1);
    }

    /// Doubles the room, up to what the largest number of ids needs.
    fn grow(&mut self) {
        let length = self.entries.len();
        if length == self.entries.capacity() {
            self.entries.reserve_exact(length.max(64).min(self.max - length).max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A cache with one stream.
    struct One(Dedupe, Arc<str>);

    impl One {
        fn new(window: i64, max: usize) -> Self {
            Self(Dedupe::new(window, max), Arc::from("events"))
        }

        fn seen(&self, id: &IdDigest) -> bool {
            self.0.seen(&self.1, id)
        }

        fn remember(&mut self, id: &IdDigest, time: i64) {
            self.0.remember(&self.1, id, time);
        }

        fn forget(&mut self, id: &IdDigest) {
            self.0.forget(&self.1, id);
        }

        fn len(&self) -> usize {
            self.0.len()
        }
    }

    fn id(number: u64) -> IdDigest {
        IdDigest::of(&number.to_le_bytes())
    }

    #[test]
    fn an_id_is_seen_once_it_was_delivered() {
        let mut cache = One::new(1000, 10);
        assert!(!cache.seen(&id(1)));
        cache.remember(&id(1), 5000);
        assert!(cache.seen(&id(1)) && !cache.seen(&id(2)));
    }

    #[test]
    fn an_id_is_forgotten_when_newer_events_have_left_it_behind() {
        let mut cache = One::new(1000, 10);
        cache.remember(&id(1), 5000);
        cache.remember(&id(2), 6000);
        assert!(cache.seen(&id(1)), "just inside");
        cache.remember(&id(3), 6001);
        assert!(!cache.seen(&id(1)) && cache.seen(&id(2)));
        cache.remember(&id(4), 5000);
        assert!(!cache.seen(&id(4)), "an event that comes too late is not remembered");
    }

    #[test]
    fn a_forgotten_id_can_be_delivered_again() {
        let mut cache = One::new(1000, 2);
        cache.remember(&id(1), 0);
        cache.forget(&id(1));
        cache.forget(&id(9));
        assert!(!cache.seen(&id(1)));
        cache.remember(&id(1), 0);
        cache.remember(&id(2), 0);
        assert!(cache.seen(&id(1)) && cache.seen(&id(2)), "the place of what was forgotten was the oldest");
    }

    #[test]
    fn the_oldest_insertion_goes_first_when_the_cache_is_full() {
        let mut cache = One::new(i64::MAX, 2);
        for number in 1..=3 {
            cache.remember(&id(number), -5);
        }
        assert!(!cache.seen(&id(1)) && cache.seen(&id(2)) && cache.seen(&id(3)));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_cache_of_no_ids_remembers_nothing() {
        let mut cache = One::new(1000, 0);
        cache.remember(&id(1), 0);
        assert!(!cache.seen(&id(1)) && cache.0.is_empty());
    }

    #[test]
    fn extreme_times_do_not_make_it_panic() {
        let mut cache = One::new(i64::MAX, 4);
        for time in [i64::MIN, 0, i64::MAX, i64::MIN] {
            cache.remember(&id(time as u64), time);
        }
        assert!(cache.seen(&id(i64::MAX as u64)));
    }

    #[test]
    fn numbers_of_entries_may_wrap() {
        let mut cache = One::new(i64::MAX, 3);
        cache.0.forgotten = u32::MAX - 4;
        for number in 0..20 {
            cache.remember(&id(number), 0);
            assert!((0..=number).all(|earlier| cache.seen(&id(earlier)) == (earlier + 3 > number)));
        }
    }

    #[test]
    fn a_full_cache_takes_at_most_forty_bytes_an_id() {
        for max in [10_000, 100_000, 1_000_000] {
            let mut cache = One::new(i64::MAX, max);
            for number in 0..max as u64 + 1000 {
                cache.remember(&id(number), 0);
            }
            assert_eq!(cache.len(), max);
            let each = cache.0.bytes() as f64 / max as f64;
            assert!(each <= 40.0, "{each} bytes at {max}");
        }
    }

    fn streams<const N: usize>(names: [&str; N]) -> [Arc<str>; N] {
        names.map(Arc::from)
    }

    #[test]
    fn the_number_of_ids_is_that_of_all_streams_together() {
        let mut cache = Dedupe::new(i64::MAX, 100);
        for stream in 0..1_000 {
            let stream = Arc::from(format!("events|{stream}"));
            for number in 0..10 {
                cache.remember(&stream, &id(number), 0);
                assert!(cache.seen(&stream, &id(number)));
            }
        }
        assert_eq!(cache.len(), 100);
        assert!(cache.seen("events|999", &id(0)) && !cache.seen("events|0", &id(0)), "the oldest went first");
    }

    #[test]
    fn each_stream_has_its_own_ids_and_its_own_window() {
        let [late, early] = streams(["events|0", "events|1"]);
        let mut cache = Dedupe::new(1_000, 10);
        cache.remember(&late, &id(1), 1_000_000);
        cache.remember(&early, &id(2), 5);
        assert!(cache.seen(&early, &id(2)), "far behind the other stream");
        assert!(!cache.seen(&early, &id(1)) && !cache.seen(&late, &id(2)));
    }

    #[test]
    fn a_stream_that_is_forgotten_and_comes_back_begins_without_ids() {
        let [stream, other] = streams(["events|0", "events|1"]);
        let mut cache = Dedupe::new(1_000, 10);
        cache.remember(&stream, &id(1), 0);
        cache.remember(&other, &id(1), 0);
        cache.forget_stream(&stream);
        assert!(!cache.seen(&stream, &id(1)) && cache.seen(&other, &id(1)));
        cache.remember(&stream, &id(2), 0);
        assert!(!cache.seen(&stream, &id(1)) && cache.seen(&stream, &id(2)));
    }

    #[test]
    fn ids_that_are_too_old_in_every_stream_leave_the_memory() {
        let [first, second] = streams(["events|0", "events|1"]);
        let mut cache = Dedupe::new(1_000, 1_000_000);
        for number in 0..100_000 {
            for stream in [&first, &second] {
                cache.remember(stream, &id(number), number as i64);
            }
        }
        assert!(cache.len() < 2 * 1_001 + DROP_EVERY as usize, "{}", cache.len());
    }

    #[test]
    fn a_cache_of_any_size_can_be_filled() {
        for max in (1..300).step_by(7) {
            let mut cache = One::new(i64::MAX, max);
            (0..1_000).for_each(|number| cache.remember(&id(number), 0));
            assert_eq!(cache.len(), max);
        }
    }

    /// A model of the cache: slow and simple.
    #[derive(Default)]
    struct Model {
        entries: Vec<(u64, i64)>,
        newest: Option<i64>,
    }

    impl Model {
        fn oldest(&self, window: i64) -> i64 {
            self.newest.map_or(i64::MIN, |newest| newest - window)
        }

        fn seen(&self, id: u64, window: i64) -> bool {
            self.entries.iter().any(|(known, time)| *known == id && *time >= self.oldest(window))
        }

        fn remember(&mut self, id: u64, time: i64, window: i64, max: usize) {
            self.newest = self.newest.max(Some(time));
            let oldest = self.oldest(window);
            while self.entries.first().is_some_and(|(_, time)| *time < oldest) {
                self.entries.remove(0);
            }
            // One that is too old, behind a younger one, is remembered as if it were new.
            for entry in self.entries.iter_mut().filter(|(known, time)| *known == id && *time < oldest) {
                entry.0 = u64::MAX;
            }
            if let Some(entry) = self.entries.iter_mut().find(|(known, _)| *known == id) {
                entry.1 = entry.1.max(time);
            } else if time >= oldest {
                if self.entries.len() == max {
                    self.entries.remove(0);
                }
                self.entries.push((id, time));
            }
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_naive_model(
            window in 0_i64..50,
            max in 1_usize..20,
            deliveries in prop::collection::vec((0_u64..40, -20_i64..100), 0..200),
        ) {
            let (mut cache, mut model) = (One::new(window, max), Model::default());
            for (number, time) in deliveries {
                prop_assert_eq!(cache.seen(&id(number)), model.seen(number, window));
                cache.remember(&id(number), time);
                model.remember(number, time, window, max);
                prop_assert!(cache.len() <= max);
            }
            for number in 0..40 {
                prop_assert_eq!(cache.seen(&id(number)), model.seen(number, window));
            }
        }
    }
}
