//! Laws of tables that any number of workers write: what a table holds is a function of the events
//! written to it, not of their order, of how often each was written, or of the worker that wrote
//! it.

use lethe_core::outcome::Outcome::{Deleted, Delivered, Stale};
use proptest::prelude::*;

use crate::{
    event::{AGE, Event, deletion, event, events, replays, untied, with_json, write},
    fixture::{
        Answers, Expiry, Row,
        Shape::{self, Append, Latest},
        Subjects, TableStore, ids, seen,
    },
    for_all,
    model::model,
};

pub async fn a_replay_by_another_worker_changes_no_cell_of_a_latest_table<S: TableStore>(store: &S) {
    for_all(S::CASES, replays(events()), async |replay| {
        is_replayed::<S>(store, Latest, &replay.batches, &replay.events).await;
    });
}

pub async fn an_append_table_ends_as_the_model_in_any_order<S: TableStore>(store: &S) {
    for_all(S::CASES, replays(events()), async |replay| {
        is_replayed::<S>(store, Append, &replay.batches, &replay.events).await;
    });
}

/// Writes batches by one worker, then again by another one.
pub async fn is_replayed<S: TableStore>(store: &S, shape: Shape, batches: &[Vec<Event>], events: &[Event]) {
    let of = Subjects::new();
    let mut sink = store.open(shape).await;
    for batch in batches {
        assert!(write(&mut sink, &of, batch).await.iter().all(Result::is_ok));
    }
    let rows = store.rows(shape, &of).await;
    is_model::<S>(shape, &rows, events);
    let mut other = store.open(shape).await;
    for batch in batches {
        let answers = write(&mut other, &of, batch).await;
        match S::ANSWERS {
            Answers::Row => assert!(answers.iter().all(|answer| *answer == Ok(Stale)), "{answers:?}"),
            Answers::Memory => assert!(answers.iter().all(Result::is_ok), "{answers:?}"),
        }
    }
    assert_eq!(store.rows(shape, &of).await, rows);
}

fn is_model<S: TableStore>(shape: Shape, rows: &[Row], events: &[Event]) {
    assert_eq!(seen(rows), model(shape, S::DELETION, events));
    for row in rows {
        let expires = event(0, "", row.seen.version).expires().map(Expiry);
        assert_eq!(row.expires, expires, "{row:?}");
    }
}

pub async fn a_latest_table_of_many_workers_ends_as_the_model_in_any_order<S: TableStore>(store: &S) {
    of_many_workers(store, Latest);
}

pub async fn an_append_table_of_many_workers_ends_as_the_model_in_any_order<S: TableStore>(store: &S) {
    of_many_workers(store, Append);
}

/// A worker for each batch, which knows of no other.
fn of_many_workers<S: TableStore>(store: &S, shape: Shape) {
    let of = match S::ANSWERS {
        Answers::Row => events().boxed(),
        Answers::Memory => untied().boxed(),
    };
    // To open a table takes as long as ten batches.
    for_all(S::CASES / 2, replays(of), async |replay| {
        let of = Subjects::new();
        for batch in &replay.batches {
            let mut sink = store.open(shape).await;
            assert!(write(&mut sink, &of, batch).await.iter().all(Result::is_ok));
        }
        is_model::<S>(shape, &store.rows(shape, &of).await, &replay.events);
    });
}

pub async fn another_worker_s_late_events_change_nothing<S: TableStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Latest).await;
    write(&mut sink, &of, &[event(1, "a", 1000), event(2, "n", 1000)]).await;
    write(&mut sink, &of, &[with_json(1, "b", 2000, r#"{"plan":"x"}"#)]).await;
    write(&mut sink, &of, &[deletion(2, "d", 2000)]).await;
    let before = store.rows(Latest, &of).await;
    assert_eq!(ids(&before), ["b"]);
    for late in [event(1, "a", 1000), deletion(1, "z", 1990), event(2, "n", 1000), event(2, "o", 1500)] {
        let mut other = store.open(Latest).await;
        assert!(write(&mut other, &of, &[late]).await[0].is_ok());
    }
    assert_eq!(store.rows(Latest, &of).await, before);
    assert_eq!(write(&mut sink, &of, &[event(2, "e", 3000)]).await, [Ok(Delivered)]);
    write(&mut store.open(Latest).await, &of, &[deletion(2, "d", 2000)]).await;
    assert_eq!(ids(&store.rows(Latest, &of).await), ["b", "e"]);
}

pub async fn a_deletion_empties_a_subject_s_history_and_a_replay_brings_nothing_back<S: TableStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Append).await;
    let history = [event(1, "a", 1000), event(1, "b", 2000), event(2, "c", 1500), event(1, "z", 9000)];
    write(&mut sink, &of, &history).await;
    assert_eq!(write(&mut sink, &of, &[deletion(1, "d", 3000)]).await, [Ok(Deleted)]);
    let after = store.rows(Append, &of).await;
    assert_eq!(ids(&after), ["z", "c"]);
    // The second has written no deletion itself.
    let mut other = store.open(Append).await;
    for sink in [&mut sink, &mut other] {
        let answers = [write(sink, &of, &history).await, write(sink, &of, &[deletion(1, "d", 3000)]).await].concat();
        match S::ANSWERS {
            Answers::Row => assert!(answers.iter().all(|answer| *answer == Ok(Stale)), "{answers:?}"),
            Answers::Memory => {
                assert!(answers[..4].iter().all(|answer| *answer == Ok(Delivered)), "{answers:?}");
                assert_eq!(answers[4], Ok(Deleted));
            }
        }
    }
    assert_eq!(store.rows(Append, &of).await, after);
    assert_eq!(write(&mut sink, &of, &[event(1, "e", 4000)]).await, [Ok(Delivered)]);
    assert_eq!(ids(&store.rows(Append, &of).await), ["e", "z", "c"]);
}

pub async fn what_a_deletion_of_the_same_batch_covers_is_not_there<S: TableStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Append).await;
    let events = [event(1, "a", 1000), deletion(1, "d", 3000), event(1, "b", 2000), event(1, "e", 4000)];
    let answers = write(&mut sink, &of, &events).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((&answers[1], &answers[3]), (&Ok(Deleted), &Ok(Delivered)));
    assert_eq!(ids(&store.rows(Append, &of).await), ["e"]);
}

pub async fn of_a_deletion_s_own_millisecond_the_events_with_greater_ids_stay<S: TableStore>(store: &S) {
    greater_ids_stay(store, Append).await;
}

pub async fn greater_ids_stay<S: TableStore>(store: &S, shape: Shape) {
    let of = Subjects::new();
    let mut sink = store.open(shape).await;
    // `b` was rewritten since: it is the same event.
    write(&mut sink, &of, &[event(1, "a", 5000), event(1, "b", 5004), event(1, "e", 5000)]).await;
    write(&mut sink, &of, &[deletion(1, "d", 5000), event(1, "c", 5000), event(1, "f", 5000)]).await;
    assert_eq!(ids(&store.rows(shape, &of).await), ["e", "f"]);
}

pub async fn a_record_without_an_age_stays_for_ever<S: TableStore>(store: &S) {
    for shape in [Latest, Append] {
        let of = Subjects::new();
        let mut sink = store.open(shape).await;
        let events = [Event { stays: true, ..event(1, "a", 1000) }, event(2, "b", 1000)];
        assert_eq!(write(&mut sink, &of, &events).await, [Ok(Delivered), Ok(Delivered)]);
        let expires: Vec<_> = store.rows(shape, &of).await.iter().map(|row| row.expires).collect();
        assert_eq!(expires, [None, Some(Expiry(events[1].time() + AGE))]);
    }
}

pub async fn writers_that_race_leave_the_newest<S: TableStore>(store: &S) {
    const WRITERS: i64 = 8;
    const STEPS: i64 = 16;
    let mut writers = tokio::task::JoinSet::new();
    let of = std::sync::Arc::new(Subjects::new());
    for writer in 0..WRITERS {
        let (mut sink, of) = (store.open(Latest).await, std::sync::Arc::clone(&of));
        writers.spawn(async move {
            for step in 0..STEPS {
                // Each writes all subjects, in its own order of versions. No two write the same
                // one.
                let version = 1000 * ((writer * STEPS + step) * 37 % (WRITERS * STEPS));
                let events: Vec<Event> = (0..8).map(|who| event(who, &format!("{version}"), version)).collect();
                for answer in write(&mut sink, &of, &events).await {
                    assert!(matches!(answer, Ok(Delivered | Stale)), "{answer:?}");
                }
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let rows = seen(&store.rows(Latest, &of).await);
    assert_eq!(rows.len(), 8);
    for row in rows {
        assert_eq!((row.version, &*row.id, row.plan.as_deref()), (127_000, "127000", Some("127000")));
    }
}

/// Tests of these laws for a store.
macro_rules! table_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, table:
            a_replay_by_another_worker_changes_no_cell_of_a_latest_table,
            an_append_table_ends_as_the_model_in_any_order,
            a_latest_table_of_many_workers_ends_as_the_model_in_any_order,
            an_append_table_of_many_workers_ends_as_the_model_in_any_order,
            another_worker_s_late_events_change_nothing,
            a_deletion_empties_a_subject_s_history_and_a_replay_brings_nothing_back,
            what_a_deletion_of_the_same_batch_covers_is_not_there,
            of_a_deletion_s_own_millisecond_the_events_with_greater_ids_stay,
            a_record_without_an_age_stays_for_ever,
            writers_that_race_leave_the_newest,
        }
    };
}
pub(crate) use table_laws;
