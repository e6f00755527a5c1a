//! What a collection holds after events came late, twice, at once, and beside others' indexes.

use lethe_core::{outcome::Outcome::*, reason::Reason};
use lethe_crds::profile_pipeline::Records::{Append, Latest};
use mongodb::bson::{Bson, DateTime, doc};

use super::*;

/// The rule by which a record was refused.
fn rule(answer: &Answer) -> &'static str {
    let rejection = answer.as_ref().unwrap_err();
    assert_eq!((rejection.reason, &rejection.path), (Reason::SinkRefused, &None));
    rejection.rule.unwrap()
}

#[tokio::test]
async fn a_record_is_a_document_with_dates_and_64_bit_integers() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Append).await;
    let one = event(1, "e-1", 7000);
    assert_eq!(write(&mut sink, std::slice::from_ref(&one)).await, [Ok(Delivered)]);
    let reference = reference(1).to_string();
    let wanted = doc! {
        "_id": format!("{reference}:e-1"), "_version": 7000_i64,
        "_expires_at": DateTime::from_millis(one.time() + 86_400_000),
        "subject_ref": reference, "event_id": "e-1", "event_time": DateTime::from_millis(one.time()),
        "plan": "e-1", "address": {"city": "7000"}, "age": 41_i64, "score": 0.5,
    };
    assert_eq!(bench.dump().await, [wanted]);
    bench.end().await;
}

#[tokio::test]
async fn an_event_older_than_the_document_changes_nothing() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    assert_eq!(write(&mut sink, &[event(1, "b", 5000)]).await, [Ok(Delivered)]);
    let before = bench.dump().await;
    let late = [event(1, "a", 4000), event(1, "a", 5000), event(1, "b", 5003), deletion(1, "z", 4990)];
    for late in late {
        assert_eq!(write(&mut sink, &[late]).await, [Ok(Stale)]);
    }
    assert_eq!(bench.dump().await, before);
    bench.end().await;
}

#[tokio::test]
async fn of_two_events_of_one_millisecond_the_greater_id_stays_in_either_order() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    let (a, b) = (event(1, "a", 5003), event(1, "b", 5000));
    write(&mut sink, std::slice::from_ref(&a)).await;
    assert_eq!(write(&mut sink, std::slice::from_ref(&b)).await, [Ok(Delivered)], "a rewrite counts for nothing");
    let (a, b) = (Event { subject: 2, ..a }, Event { subject: 2, ..b });
    write(&mut sink, std::slice::from_ref(&b)).await;
    assert_eq!(write(&mut sink, std::slice::from_ref(&a)).await, [Ok(Stale)]);
    let ids: Vec<_> = bench.dump().await.iter().map(|row| row.get_str("event_id").unwrap().to_owned()).collect();
    assert_eq!(ids, ["b", "b"]);
    bench.end().await;
}

#[tokio::test]
async fn the_newest_of_a_batch_is_written_and_the_others_are_superseded() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    let events =
        [event(1, "a", 1000), event(2, "b", 9000), event(1, "c", 3000), event(1, "c", 3000), event(1, "d", 2000)];
    let answers = write(&mut sink, &events).await;
    assert_eq!(answers, [Ok(Superseded), Ok(Delivered), Ok(Delivered), Ok(Stale), Ok(Superseded)]);
    assert_eq!(bench.dump().await.len(), 2);
    bench.end().await;
}

#[tokio::test]
async fn a_refused_winner_makes_way_for_the_one_it_replaced() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    let events = [
        event(1, "a", 1000),
        event(1, "b", 2000),
        with_json(1, "c", 3000, "{\"_version\":1}"),
        with_json(1, "d", 4000, "{\"$set\":{}}"),
    ];
    let answers = write(&mut sink, &events).await;
    assert_eq!(answers[..2], [Ok(Superseded), Ok(Delivered)]);
    assert_eq!((rule(&answers[2]), rule(&answers[3])), ("name", "name"));
    assert_eq!(bench.dump().await[0].get_str("event_id"), Ok("b"));
    bench.end().await;
}

#[tokio::test]
async fn a_deleted_profile_leaves_a_marker_without_its_fields() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    write(&mut sink, &[event(1, "a", 1000)]).await;
    let delete = deletion(1, "d", 2000);
    assert_eq!(write(&mut sink, std::slice::from_ref(&delete)).await, [Ok(Deleted)]);
    let marker = bench.dump().await.remove(0);
    let names: Vec<&str> = marker.keys().map(String::as_str).collect();
    assert_eq!(names, ["_id", "_version", "_expires_at", "_deleted_at", "subject_ref", "event_id", "event_time"]);
    assert_eq!(marker.get("_deleted_at"), Some(&Bson::DateTime(DateTime::from_millis(delete.time()))));
    assert_eq!(write(&mut sink, &[event(1, "b", 1500)]).await, [Ok(Stale)]);
    assert_eq!(write(&mut sink, &[event(1, "e", 3000)]).await, [Ok(Delivered)]);
    assert!(!bench.dump().await[0].contains_key("_deleted_at"));
    bench.end().await;
}

#[tokio::test]
async fn a_deletion_empties_a_subject_s_history_and_a_replay_brings_nothing_back() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Append).await;
    let history = [event(1, "a", 1000), event(1, "b", 2000), event(2, "c", 1500), event(1, "z", 9000)];
    write(&mut sink, &history).await;
    assert_eq!(write(&mut sink, &[deletion(1, "d", 3000)]).await, [Ok(Deleted)]);
    let after = bench.dump().await;
    let ids: Vec<_> = after.iter().map(|row| row.get_str("event_id").unwrap()).collect();
    assert_eq!(ids, ["d", "z", "c"]);
    // Another worker, which has written no deletion itself.
    let mut other = bench.sink(Append).await;
    for sink in [&mut sink, &mut other] {
        assert!(write(sink, &history).await.iter().all(|answer| *answer == Ok(Stale)));
        assert_eq!(write(sink, &[deletion(1, "d", 3000)]).await, [Ok(Stale)]);
    }
    assert_eq!(bench.dump().await, after);
    bench.end().await;
}

#[tokio::test]
async fn what_a_deletion_of_the_same_batch_covers_is_never_written() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Append).await;
    let events = [event(1, "a", 1000), deletion(1, "d", 3000), event(1, "b", 2000), event(1, "e", 4000)];
    let answers = write(&mut sink, &events).await;
    assert_eq!(answers, [Ok(Superseded), Ok(Deleted), Ok(Stale), Ok(Delivered)]);
    assert_eq!(bench.dump().await.len(), 2);
    bench.end().await;
}

#[tokio::test]
async fn another_s_unique_index_refuses_its_record_and_no_other() {
    for records in [Latest, Append] {
        let bench = Bench::new().await;
        let mut sink = bench.sink(records).await;
        let index = doc! {"key": {"plan": 1}, "name": "plan", "unique": true, "sparse": true};
        bench.run(doc! {"createIndexes": "people", "indexes": [index]}).await;
        let answers = write(&mut sink, &[event(1, "same", 1000), event(2, "same", 2000), event(3, "c", 1000)]).await;
        assert_eq!((&answers[0], rule(&answers[1]), &answers[2]), (&Ok(Delivered), "unique", &Ok(Delivered)));
        let again = write(&mut sink, &[event(2, "same", 2000), event(1, "same", 1000)]).await;
        assert_eq!((rule(&again[0]), &again[1]), ("unique", &Ok(Stale)));
        assert!(!format!("{again:?}").contains("same"));
        bench.end().await;
    }
}

#[tokio::test]
async fn a_document_larger_than_a_server_takes_is_refused_and_a_large_one_is_written() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Append).await;
    let of = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
    let (large, larger) = (of(15_900_000), of(17_000_000));
    let events = [with_json(1, "a", 1, &large), with_json(1, "b", 2, &larger), event(1, "c", 3)];
    let answers = write(&mut sink, &events).await;
    assert_eq!((&answers[0], rule(&answers[1]), &answers[2]), (&Ok(Delivered), "size", &Ok(Delivered)));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_leave_the_newest() {
    let bench = Bench::new().await;
    bench.sink(Latest).await;
    let mut writers = Vec::new();
    for writer in 0..32_i64 {
        let mut sink = bench.sink(Latest).await;
        writers.push(tokio::spawn(async move {
            for step in 0..4_i64 {
                // Each writes all subjects, in its own order of versions.
                let version = 1000 * ((writer * 7 + step * 11) % 128);
                let events: Vec<Event> = (0..8).map(|who| event(who, &format!("{writer:02}"), version)).collect();
                for answer in write(&mut sink, &events).await {
                    assert!(matches!(answer, Ok(Delivered | Stale)), "{answer:?}");
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let newest = (0..32_i64)
        .flat_map(|writer| (0..4).map(move |step| (1000 * ((writer * 7 + step * 11) % 128), format!("{writer:02}"))))
        .max()
        .unwrap();
    for row in bench.dump().await {
        assert_eq!((row.get_i64("_version").unwrap(), row.get_str("event_id").unwrap()), (newest.0, &*newest.1));
    }
    bench.end().await;
}
