//! Laws of a place that holds the latest state of each subject, written by one worker.

use lethe_core::outcome::Outcome::{Deleted, Delivered, Stale, Superseded};

use crate::{
    event::{Event, deletion, event, events, replays, with_json, write},
    fixture::{Deletion, LatestStore, Shape::Latest, Subjects, ids, seen},
    for_all,
    model::model,
};

pub async fn it_ends_as_the_model_in_any_order<S: LatestStore>(store: &S) {
    for_all(S::CASES, replays(events()), async |replay| {
        let of = Subjects::new();
        let mut sink = store.open(Latest).await;
        // The second time is the replay.
        for _ in 0..2 {
            for batch in &replay.batches {
                assert!(write(&mut sink, &of, batch).await.iter().all(Result::is_ok));
            }
            let rows = store.rows(Latest, &of).await;
            assert_eq!(seen(&rows), model(Latest, S::DELETION, &replay.events));
        }
    });
}

pub async fn an_event_older_than_the_row_changes_nothing<S: LatestStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Latest).await;
    assert_eq!(write(&mut sink, &of, &[event(1, "b", 5000)]).await, [Ok(Delivered)]);
    let before = store.rows(Latest, &of).await;
    for late in [event(1, "a", 4000), event(1, "a", 5000), event(1, "b", 5003), deletion(1, "z", 4990)] {
        assert_eq!(write(&mut sink, &of, &[late]).await, [Ok(Stale)]);
    }
    assert_eq!(store.rows(Latest, &of).await, before);
}

pub async fn of_two_events_of_one_millisecond_the_greater_id_stays_in_either_order<S: LatestStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Latest).await;
    // The fields of the loser are the greater values: a store that merges two rows would take them.
    let a = |subject| with_json(subject, "a", 5003, r#"{"plan":"z","address":{"city":"z"}}"#);
    let b = |subject| with_json(subject, "b", 5000, r#"{"plan":"y"}"#);
    write(&mut sink, &of, &[a(1)]).await;
    assert_eq!(write(&mut sink, &of, &[b(1)]).await, [Ok(Delivered)], "a rewrite is no part of the order");
    write(&mut sink, &of, &[b(2)]).await;
    assert_eq!(write(&mut sink, &of, &[a(2)]).await, [Ok(Stale)]);
    let rows = seen(&store.rows(Latest, &of).await);
    let fields: Vec<_> = rows.iter().map(|row| (&*row.id, row.plan.as_deref(), row.city.as_deref())).collect();
    assert_eq!(fields, [("b", Some("y"), None), ("b", Some("y"), None)]);
}

pub async fn the_newest_of_a_batch_is_written_and_the_others_are_superseded<S: LatestStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Latest).await;
    let events =
        [event(1, "a", 1000), event(2, "b", 9000), event(1, "c", 3000), event(1, "c", 3000), event(1, "d", 2000)];
    let answers = write(&mut sink, &of, &events).await;
    assert_eq!(answers, [Ok(Superseded), Ok(Delivered), Ok(Delivered), Ok(Stale), Ok(Superseded)]);
    assert_eq!(ids(&store.rows(Latest, &of).await), ["c", "b"]);
}

pub async fn a_deleted_profile_is_gone_and_a_late_event_does_not_bring_it_back<S: LatestStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Latest).await;
    write(&mut sink, &of, &[event(1, "a", 1000), event(2, "n", 1000)]).await;
    assert_eq!(write(&mut sink, &of, &[deletion(1, "d", 2000)]).await, [Ok(Deleted)]);
    let rows = seen(&store.rows(Latest, &of).await);
    match S::DELETION {
        Deletion::Marker => {
            let marker = &rows[0];
            assert!(marker.is_deleted && marker.plan.is_none() && marker.city.is_none(), "{marker:?}");
            assert_eq!((rows.len(), &*marker.id, marker.version), (2, "d", 2000));
        }
        Deletion::Hidden => assert_eq!((rows.len(), &*rows[0].id), (1, "n")),
    }
    assert_eq!(write(&mut sink, &of, &[event(1, "b", 1500)]).await, [Ok(Stale)]);
    assert_eq!(ids(&store.rows(Latest, &of).await), ["n"]);
    assert_eq!(write(&mut sink, &of, &[event(1, "e", 3000)]).await, [Ok(Delivered)]);
    let rows = store.rows(Latest, &of).await;
    assert!(rows.iter().all(|row| !row.seen.is_deleted));
    assert_eq!(ids(&rows), ["e", "n"]);
}

pub async fn nothing_of_an_older_event_stays_in_a_row<S: LatestStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Latest).await;
    write(&mut sink, &of, &[event(1, "a", 1000)]).await;
    let sparse: Event = with_json(1, "b", 2000, r#"{"plan":"x"}"#);
    write(&mut sink, &of, &[sparse]).await;
    let row = store.rows(Latest, &of).await.remove(0).seen;
    assert_eq!((&*row.id, row.plan.as_deref(), row.city), ("b", Some("x"), None));
}

/// Tests of these laws for a store.
macro_rules! latest_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, latest:
            it_ends_as_the_model_in_any_order,
            an_event_older_than_the_row_changes_nothing,
            of_two_events_of_one_millisecond_the_greater_id_stays_in_either_order,
            the_newest_of_a_batch_is_written_and_the_others_are_superseded,
            a_deleted_profile_is_gone_and_a_late_event_does_not_bring_it_back,
            nothing_of_an_older_event_stays_in_a_row,
        }
    };
}
pub(crate) use latest_laws;
