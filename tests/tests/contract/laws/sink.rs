//! Laws of every sink that holds all events: tables, topics and files.

use std::collections::BTreeSet;

use lethe_core::outcome::Outcome::{Deleted, Delivered};
use lethe_stores::{Restore, Sink};

use crate::{
    event::{batch, deletion, event, write},
    fixture::{Shape::Append, SinkStore, Subjects, seen},
};

pub async fn each_record_is_answered_in_order_and_can_be_read_back<S: SinkStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Append).await;
    sink.restore(Restore::Continue(None)).unwrap();
    let events = [event(1, "a", 1000), event(1, "b", 2000), event(2, "c", 3000)];
    assert_eq!(write(&mut sink, &of, &events).await, [Ok(Delivered), Ok(Delivered), Ok(Delivered)]);
    let shown = |row: &crate::fixture::Seen| (row.subject, row.id.clone(), row.plan.clone(), row.city.clone());
    let written = events.each_ref().map(|e| (e.subject, e.id.clone(), Some(e.id.clone()), Some(e.version.to_string())));
    assert_eq!(seen(&store.rows(Append, &of).await).iter().map(shown).collect::<Vec<_>>(), written);

    let more = [deletion(2, "d", 4000), event(1, "e", 5000)];
    assert_eq!(write(&mut sink, &of, &more).await, [Ok(Deleted), Ok(Delivered)]);
    let rows = seen(&store.rows(Append, &of).await);
    let last = |subject| rows.iter().rfind(|row| row.subject == subject);
    assert!(last(2).is_none_or(|row| row.is_deleted && row.plan.is_none() && row.city.is_none()));
    assert_eq!(last(1).unwrap().id, "e");
}

pub async fn a_batch_of_nothing_is_answered_with_nothing<S: SinkStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Append).await;
    sink.restore(Restore::Continue(None)).unwrap();
    assert!(sink.write(&batch(&of, &[])).await.unwrap().is_empty());
    assert!(store.rows(Append, &of).await.is_empty());
}

/// By the sink itself, by going back to its mark, or, where `Sink::repeats` is true, by the ids.
pub async fn a_batch_that_is_written_again_is_known_as_the_same<S: SinkStore>(store: &S) {
    let of = Subjects::new();
    let first = [event(1, "a", 1000), event(2, "b", 2000)];
    let again = [event(1, "c", 3000), event(3, "d", 1000)];
    let mut sink = store.open(Append).await;
    sink.restore(Restore::Continue(None)).unwrap();
    write(&mut sink, &of, &first).await;
    let mark = sink.mark();
    write(&mut sink, &of, &again).await;
    let repeats = sink.repeats();
    drop(sink);
    let before = store.rows(Append, &of).await;

    // Another worker: the first one ended before its progress was committed.
    let mut sink = store.open(Append).await;
    sink.restore(Restore::Continue(mark)).unwrap();
    write(&mut sink, &of, &again).await;
    drop(sink);
    let after = store.rows(Append, &of).await;
    if repeats {
        let distinct = |rows| seen(rows).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(distinct(&after), distinct(&before));
    } else {
        assert_eq!(after, before);
    }
}

pub async fn an_id_that_a_source_gives_to_two_subjects_keeps_both<S: SinkStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Append).await;
    sink.restore(Restore::Continue(None)).unwrap();
    write(&mut sink, &of, &[event(1, "same", 1000), event(2, "same", 1000)]).await;
    let subjects: Vec<u8> = store.rows(Append, &of).await.iter().map(|row| row.seen.subject).collect();
    assert_eq!(subjects, [1, 2]);
}

/// Tests of these laws for a store.
macro_rules! sink_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, sink:
            each_record_is_answered_in_order_and_can_be_read_back,
            a_batch_of_nothing_is_answered_with_nothing,
            a_batch_that_is_written_again_is_known_as_the_same,
            an_id_that_a_source_gives_to_two_subjects_keeps_both,
        }
    };
}
pub(crate) use sink_laws;
