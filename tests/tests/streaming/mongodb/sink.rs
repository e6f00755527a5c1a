//! The form of documents and markers, the outcomes within a batch, and other programs' indexes.

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
    let fixture = MongodbFixture::new().await;
    let mut sink = fixture.sink(Append).await;
    let one = event(1, "e-1", 7000);
    assert_eq!(write(&mut sink, std::slice::from_ref(&one)).await, [Ok(Delivered)]);
    let reference = reference(1).to_string();
    let wanted = doc! {
        "_id": format!("{reference}:e-1"), "_version": 7000_i64,
        "_expires_at": DateTime::from_millis(one.time() + 86_400_000),
        "subject_ref": reference, "event_id": "e-1", "event_time": DateTime::from_millis(one.time()),
        "plan": "e-1", "address": {"city": "7000"}, "age": 41_i64, "score": 0.5,
    };
    assert_eq!(fixture.dump().await, [wanted]);
    fixture.end().await;
}

#[tokio::test]
async fn a_deleted_profile_leaves_a_marker_without_its_fields() {
    let fixture = MongodbFixture::new().await;
    let mut sink = fixture.sink(Latest).await;
    write(&mut sink, &[event(1, "a", 1000)]).await;
    let delete = deletion(1, "d", 2000);
    assert_eq!(write(&mut sink, std::slice::from_ref(&delete)).await, [Ok(Deleted)]);
    let marker = fixture.dump().await.remove(0);
    let names: Vec<&str> = marker.keys().map(String::as_str).collect();
    assert_eq!(names, ["_id", "_version", "_expires_at", "_deleted_at", "subject_ref", "event_id", "event_time"]);
    assert_eq!(marker.get("_deleted_at"), Some(&Bson::DateTime(DateTime::from_millis(delete.time()))));
    assert_eq!(write(&mut sink, &[event(1, "b", 1500)]).await, [Ok(Stale)]);
    assert_eq!(write(&mut sink, &[event(1, "e", 3000)]).await, [Ok(Delivered)]);
    assert!(!fixture.dump().await[0].contains_key("_deleted_at"));
    fixture.end().await;
}

#[tokio::test]
async fn what_a_deletion_of_the_same_batch_covers_is_not_counted_as_delivered() {
    let fixture = MongodbFixture::new().await;
    let mut sink = fixture.sink(Append).await;
    let events = [event(1, "a", 1000), deletion(1, "d", 3000), event(1, "b", 2000), event(1, "e", 4000)];
    let answers = write(&mut sink, &events).await;
    assert_eq!(answers, [Ok(Superseded), Ok(Deleted), Ok(Stale), Ok(Delivered)]);
    assert_eq!(fixture.dump().await.len(), 2);
    fixture.end().await;
}

#[tokio::test]
async fn another_s_unique_index_refuses_its_record_and_no_other() {
    for records in [Latest, Append] {
        let fixture = MongodbFixture::new().await;
        let mut sink = fixture.sink(records).await;
        let index = doc! {"key": {"plan": 1}, "name": "plan", "unique": true, "sparse": true};
        fixture.run(doc! {"createIndexes": "people", "indexes": [index]}).await;
        let answers = write(&mut sink, &[event(1, "same", 1000), event(2, "same", 2000), event(3, "c", 1000)]).await;
        assert_eq!((&answers[0], rule(&answers[1]), &answers[2]), (&Ok(Delivered), "unique", &Ok(Delivered)));
        let again = write(&mut sink, &[event(2, "same", 2000), event(1, "same", 1000)]).await;
        assert_eq!((rule(&again[0]), &again[1]), ("unique", &Ok(Stale)));
        assert!(!format!("{again:?}").contains("same"));
        fixture.end().await;
    }
}
