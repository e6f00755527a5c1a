//! Batches under way: a few at once, so that one store's answer is not what the next batch waits for.

use std::{collections::BTreeMap, sync::Arc};

use lethe_stores::Answer;

use super::{Transformed, part::Receipt};

/// Batches under way to the sinks, at most; of small ones more, as long as they hold few events.
const WINDOW: usize = 4;
pub(super) const SMALL: usize = 32;
const FEW: u64 = 1_000;

/// A batch on its way.
pub(super) struct UnderWay {
    pub of: Arc<Transformed>,
    /// What each sink answered.
    pub answers: Vec<Option<Vec<Answer>>>,
    /// Where each sink ends with it, if it says so.
    pub marks: Vec<Option<u64>>,
    /// Whether its dead letters are written.
    pub lettered: bool,
}

impl UnderWay {
    /// One that no sink of so many holds yet.
    pub(super) fn new(of: Arc<Transformed>, sinks: usize) -> Self {
        Self { answers: vec![None; sinks], marks: vec![None; sinks], lettered: of.letters.is_empty(), of }
    }

    fn is_done(&self) -> bool {
        self.lettered && self.answers.iter().all(Option::is_some)
    }

    /// Whether it may be committed before what came before it: a group's offsets are put in order where
    /// they are acknowledged, marks and the offsets of files are not.
    fn has_no_order(&self) -> bool {
        let in_books = self.of.parts.iter().any(|part| matches!(part.receipt, Receipt::Books));
        !in_books && self.marks.iter().all(Option::is_none)
    }
}

/// Batches under way, by their numbers.
#[derive(Default)]
pub(super) struct Window(BTreeMap<u64, UnderWay>);

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has_room(&self) -> bool {
        let few = || self.0.values().map(|under_way| under_way.of.counts.events).sum::<u64>() < FEW;
        self.0.len() < WINDOW || self.0.len() < SMALL && few()
    }

    pub(super) fn insert(&mut self, number: u64, batch: UnderWay) {
        self.0.insert(number, batch);
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut UnderWay> {
        self.0.get_mut(&number)
    }

    /// Takes out one that every sink holds, the oldest that may be committed now.
    pub(super) fn done(&mut self) -> Option<UnderWay> {
        let mut all = self.0.iter().enumerate();
        let (_, (&number, _)) =
            all.find(|(place, (_, batch))| batch.is_done() && (*place == 0 || batch.has_no_order()))?;
        self.0.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::record::IncomingBatch;

    use super::*;
    use crate::run::{Counts, part::Part};

    fn under_way(events: u64, in_books: bool, is_done: bool) -> UnderWay {
        let batch = IncomingBatch { stream: Arc::from("in.ndjson"), bytes: vec![], records: vec![], next_offset: 1 };
        let parts = if in_books { vec![Part { batch, receipt: Receipt::Books }] } else { vec![] };
        let counts = Counts { events, ..Counts::default() };
        let of = Transformed { parts, outgoing: vec![], ends: vec![], letters: vec![], counts };
        UnderWay { of: Arc::new(of), answers: vec![is_done.then(Vec::new)], marks: vec![None], lettered: true }
    }

    #[test]
    fn what_every_sink_holds_waits_for_others_only_where_its_offsets_do() {
        let mut window = Window::default();
        for (number, batch) in [(1, (5, true, false)), (2, (6, false, true)), (3, (7, true, true))] {
            window.insert(number, under_way(batch.0, batch.1, batch.2));
        }
        assert_eq!(window.done().unwrap().of.counts.events, 6);
        assert!(window.done().is_none(), "its offset would be committed before that of the one that came first");
        window.get_mut(1).unwrap().answers[0] = Some(Vec::new());
        assert_eq!([window.done().unwrap().of.counts.events, window.done().unwrap().of.counts.events], [5, 7]);
        assert!(window.done().is_none());
    }

    #[test]
    fn a_mark_keeps_its_order() {
        let mut window = Window::default();
        window.insert(1, under_way(1, false, false));
        window.insert(2, UnderWay { marks: vec![Some(40)], ..under_way(1, false, true) });
        assert!(window.done().is_none());
    }

    #[test]
    fn few_large_batches_or_many_small_ones_are_under_way() {
        let most = |events: u64| {
            let mut window = Window::default();
            while window.has_room() {
                window.insert(window.len() as u64, under_way(events, false, false));
            }
            window.len()
        };
        assert_eq!([most(1_000), most(200), most(1)], [WINDOW, 5, SMALL]);
    }
}
