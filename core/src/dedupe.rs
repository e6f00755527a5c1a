//! Which event ids were delivered lately.
//!
//! The output topic and the counters need this; stores do not. An id is remembered until it is
//! older than the window by event time, or until newer ids have filled the cache, oldest first. A
//! forgotten id costs a duplicate. Two ids that are mistaken for each other cost an event, so ids
//! are compared by 128 bits of SHA-256: among a million ids, the chance of one mistake is 1 in
//! 10^26.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::version::IdDigest;

/// Delivered ids, bounded by event time and number.
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
    /// Numbers of entries, by id.
    index: HashTable<u32>,
    hasher: RandomState,
    newest: i64,
}

/// 24 bytes. The digest is in two halves so that the entry is not aligned to 16 bytes.
struct Entry {
    id: [u64; 2],
    time: i64,
}

impl Dedupe {
    /// The most ids that a cache can hold; a larger request is cut to it.
    pub const MAX_IDS: usize = 1 << 30;

    /// Returns a cache that remembers at most `max_ids` ids, each for `window` milliseconds of
    /// event time.
    pub fn new(window: i64, max_ids: usize) -> Self {
        Self {
            window: window.max(0),
            max: max_ids.min(Self::MAX_IDS),
            entries: VecDeque::new(),
            forgotten: 0,
            index: HashTable::new(),
            hasher: RandomState::default(),
            newest: i64::MIN,
        }
    }

    /// Returns whether an id is remembered.
    pub fn seen(&self, id: &IdDigest) -> bool {
        self.find(halves(id)).is_some_and(|place| self.entries[place].time >= self.oldest())
    }

    /// Remembers a delivered id with the time of its event, milliseconds since 1970. An id that is
    /// already there keeps its position and the later of its times.
    pub fn remember(&mut self, id: &IdDigest, event_time: i64) {
        self.newest = self.newest.max(event_time);
        self.forget_old();
        let id = halves(id);
        if let Some(place) = self.find(id) {
            let entry = &mut self.entries[place];
            entry.time = entry.time.max(event_time);
            return;
        }
        if self.max == 0 || event_time < self.oldest() {
            return;
        }
        if self.entries.len() == self.max {
            self.forget_first();
        }
        self.grow();
        let number = self.forgotten.wrapping_add(self.entries.len() as u32);
        self.entries.push_back(Entry { id, time: event_time });
        let Self { entries, forgotten, index, hasher, .. } = self;
        index.insert_unique(hasher.hash_one(id), number, |number| {
            hasher.hash_one(entries[number.wrapping_sub(*forgotten) as usize].id)
        });
    }

    /// Forgets an id whose event was not delivered after all. Its position stays taken until it is
    /// the oldest.
    pub fn forget(&mut self, id: &IdDigest) {
        let id = halves(id);
        let Self { entries, forgotten, index, hasher, .. } = self;
        let is_it = |number: &u32| entries[number.wrapping_sub(*forgotten) as usize].id == id;
        if let Ok(found) = index.find_entry(hasher.hash_one(id), is_it) {
            found.remove();
        }
    }

    /// Returns the number of ids in memory; some may be older than the window.
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

    /// Returns the oldest event time inside the window.
    fn oldest(&self) -> i64 {
        self.newest.saturating_sub(self.window)
    }

    fn find(&self, id: [u64; 2]) -> Option<usize> {
        let place = |number: &u32| number.wrapping_sub(self.forgotten) as usize;
        self.index.find(self.hasher.hash_one(id), |number| self.entries[place(number)].id == id).map(place)
    }

    /// Drops entries that are older than the window, from the oldest insertion on. One behind a
    /// younger entry stays in memory for a while, but is no longer reported as seen.
    fn forget_old(&mut self) {
        let oldest = self.oldest();
        while self.entries.front().is_some_and(|entry| entry.time < oldest) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some(entry) = self.entries.front() else { return };
        let first = self.forgotten;
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(entry.id), |number| *number == first) {
            found.remove();
        }
        self.entries.pop_front();
        self.forgotten = first.wrapping_add(1);
    }

    /// Doubles the room, up to what the largest number of ids needs.
    fn grow(&mut self) {
        let length = self.entries.len();
        if length == self.entries.capacity() {
            self.entries.reserve_exact(length.clamp(64.min(self.max), (self.max - length).max(1)));
        }
    }
}

fn halves(id: &IdDigest) -> [u64; 2] {
    let id = id.short();
    [(id >> 64) as u64, id as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u64) -> IdDigest {
        IdDigest::of(&number.to_le_bytes())
    }

    #[test]
    fn an_id_is_seen_once_it_was_delivered() {
        let mut cache = Dedupe::new(1000, 10);
        assert!(!cache.seen(&id(1)));
        cache.remember(&id(1), 5000);
        assert!(cache.seen(&id(1)) && !cache.seen(&id(2)));
    }

    #[test]
    fn an_id_is_forgotten_when_newer_events_have_left_it_behind() {
        let mut cache = Dedupe::new(1000, 10);
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
        let mut cache = Dedupe::new(1000, 2);
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
        let mut cache = Dedupe::new(i64::MAX, 2);
        for number in 1..=3 {
            cache.remember(&id(number), -5);
        }
        assert!(!cache.seen(&id(1)) && cache.seen(&id(2)) && cache.seen(&id(3)));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_cache_of_no_ids_remembers_nothing() {
        let mut cache = Dedupe::new(1000, 0);
        cache.remember(&id(1), 0);
        assert!(!cache.seen(&id(1)) && cache.is_empty());
    }

    #[test]
    fn extreme_times_do_not_make_it_panic() {
        let mut cache = Dedupe::new(i64::MAX, 4);
        for time in [i64::MIN, 0, i64::MAX, i64::MIN] {
            cache.remember(&id(time as u64), time);
        }
        assert!(cache.seen(&id(i64::MAX as u64)));
    }

    #[test]
    fn numbers_of_entries_may_wrap() {
        let mut cache = Dedupe::new(i64::MAX, 3);
        cache.forgotten = u32::MAX - 4;
        for number in 0..20 {
            cache.remember(&id(number), 0);
            assert!((0..=number).all(|earlier| cache.seen(&id(earlier)) == (earlier + 3 > number)));
        }
    }

    #[test]
    fn a_full_cache_takes_at_most_forty_bytes_an_id() {
        for max in [10_000, 100_000, 1_000_000] {
            let mut cache = Dedupe::new(i64::MAX, max);
            for number in 0..max as u64 + 1000 {
                cache.remember(&id(number), 0);
            }
            assert_eq!(cache.len(), max);
            let each = cache.bytes() as f64 / max as f64;
            assert!(each <= 40.0, "{each} bytes at {max}");
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
            let (mut cache, mut model) = (Dedupe::new(window, max), Model::default());
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
