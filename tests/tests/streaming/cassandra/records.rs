//! What is found about one subject.

use std::sync::Arc;

use lethe_crds::profile_pipeline::Records::{Append, Latest};
use lethe_stores::{Records as _, cassandra::CassandraRecords};

use super::*;

#[tokio::test]
async fn a_subject_s_records_are_found_oldest_first_and_others_are_not() {
    let bench = Bench::new().await;
    for records in [Latest, Append] {
        let look = CassandraRecords::new(Arc::clone(&bench.store), Bench::table(records));
        let mut sink = bench.sink(records).await;
        let newest = event(1, "b", 9000);
        bench.write(&mut sink, &[newest.clone(), event(1, "a", 1000), event(2, "c", 5000)]).await;
        let of = |subject| look.records_of(bench.reference(subject));
        let found = of(1).await.unwrap().unwrap();
        let ids: Vec<&str> = found.iter().map(|record| &*record.event_id).collect();
        assert_eq!(ids, if records == Latest { vec!["b"] } else { vec!["a", "b"] });
        let last = found.last().unwrap();
        let millis = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        assert_eq!(millis(&last.event_time), newest.time());
        let expires = millis(last.expires_at.as_deref().unwrap());
        assert!((expires - newest.time() - AGE).abs() <= 2000, "{expires}");
        let mut document: serde_json::Value = serde_json::from_str(last.document.as_deref().unwrap()).unwrap();
        document.as_object_mut().unwrap().remove("event_time").unwrap();
        let wanted = serde_json::json!({
            "subject_ref": bench.reference(1).to_string(), "event_id": "b", "version": 9000,
            "plan": "b", "city": "9000", "age": 41, "score": 0.5,
        });
        assert_eq!(document, wanted);
        assert!(of(3).await.unwrap().unwrap().is_empty());
        bench.write(&mut sink, &[deletion(1, "d", 10_000)]).await;
        assert!(of(1).await.unwrap().unwrap().is_empty());
        assert_eq!(of(2).await.unwrap().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_holds_nothing() {
    let bench = Bench::new().await;
    let mut table = Bench::table(Latest);
    table.sink.table = "nowhere".to_owned();
    let look = CassandraRecords::new(Arc::clone(&bench.store), table);
    assert!(look.records_of(bench.reference(1)).await.unwrap().is_none());
}
