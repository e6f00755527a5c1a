//! What is found about one subject.

use lethe_crds::profile_pipeline::Records::{Append, Latest};
use lethe_stores::{Records as _, mongodb::MongodbRecords};

use super::*;

#[tokio::test]
async fn a_subject_s_records_are_found_oldest_first_and_others_are_not() {
    for records in [Latest, Append] {
        let bench = Bench::new().await;
        let look = MongodbRecords::new(Arc::clone(&bench.store), bench.options(records));
        assert!(look.records_of(reference(1)).await.unwrap().is_none());
        let mut sink = bench.sink(records).await;
        let newest = event(1, "b", 9000);
        write(&mut sink, &[newest.clone(), event(1, "a", 1000), event(2, "c", 5000)]).await;
        let found = look.records_of(reference(1)).await.unwrap().unwrap();
        let ids: Vec<&str> = found.iter().map(|record| &*record.event_id).collect();
        assert_eq!(ids, if records == Latest { vec!["b"] } else { vec!["a", "b"] });
        let last = found.last().unwrap();
        assert_eq!(last.event_time, "2100-01-01T00:00:00.009Z");
        assert_eq!(last.expires_at.as_deref(), Some("2100-01-02T00:00:00.009Z"));
        let document: serde_json::Value = serde_json::from_str(last.document.as_deref().unwrap()).unwrap();
        let mut wanted: serde_json::Value = serde_json::from_str(&newest.document()).unwrap();
        wanted["event_time"] = serde_json::json!("2100-01-01T00:00:00.009Z");
        assert_eq!(document, wanted);
        assert_eq!(look.records_of(reference(3)).await.unwrap().unwrap().len(), 0);
        write(&mut sink, &[deletion(1, "d", 10_000)]).await;
        let found = look.records_of(reference(1)).await.unwrap().unwrap();
        assert!(found.len() == 1 && found[0].deleted_at.is_some() && found[0].document.is_none());
        bench.end().await;
    }
}
