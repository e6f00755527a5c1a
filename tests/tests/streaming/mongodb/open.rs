//! Opening a collection: what is made, and what is said where something is lacking or differs.

use lethe_crds::profile_pipeline::Records::{Append, Latest};
use lethe_stores::StoreError;

use super::*;

async fn refusal(bench: &Bench, options: CollectionOptions) -> String {
    match CollectionSink::open(Arc::clone(&bench.store), options, Access::Make).await.err().unwrap() {
        StoreError::Mismatch { message, .. } => message,
        other => panic!("{other}"),
    }
}

impl Bench {
    /// `manage: Check`.
    fn checked(&self, records: Records) -> CollectionOptions {
        let mut options = self.options(records);
        options.sink.manage = None;
        options
    }

    async fn indexes(&self) -> Vec<String> {
        let reply = self.run(doc! {"listIndexes": "people"}).await;
        let list = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
        let mut names: Vec<String> =
            list.iter().map(|one| one.as_document().unwrap().get_str("name").unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn what_is_absent_is_made_once() {
    let bench = Bench::new().await;
    for _ in 0..2 {
        bench.sink(Append).await;
        assert_eq!(bench.indexes().await, ["_deleted_at_1", "_expires_at_1", "_id_", "event_time_1", "subject_ref_1"]);
    }
    // What was made passes a check.
    CollectionSink::open(Arc::clone(&bench.store), bench.checked(Append), Access::Make).await.unwrap();
    bench.end().await;
}

#[tokio::test]
async fn a_look_makes_nothing() {
    let bench = Bench::new().await;
    CollectionSink::open(Arc::clone(&bench.store), bench.options(Append), Access::Look).await.unwrap();
    let names = bench.database.list_collection_names().await.unwrap();
    assert_eq!(names, Vec::<String>::new());
    bench.end().await;
}

#[tokio::test]
async fn a_check_says_index_by_index_what_to_run() {
    let bench = Bench::new().await;
    let message = refusal(&bench, bench.checked(Append)).await;
    assert!(message.contains("createCollection(\"people\")"), "{message}");
    bench.run(doc! {"create": "people"}).await;
    let message = refusal(&bench, bench.checked(Append)).await;
    for index in [
        "createIndex({\"subject_ref\":1})",
        "createIndex({\"event_time\":1})",
        "createIndex({\"_deleted_at\":1}, {\"sparse\":true})",
        "createIndex({\"_expires_at\":1}, {\"expireAfterSeconds\":0})",
    ] {
        assert!(message.contains(index), "{message}");
    }
    let index = doc! {"key": {"event_time": -1, "plan": 1}, "name": "own"};
    bench.run(doc! {"createIndexes": "people", "indexes": [index]}).await;
    let message = refusal(&bench, bench.checked(Latest)).await;
    assert!(!message.contains("event_time") && message.contains("_expires_at"), "{message}");
    bench.end().await;
}

#[tokio::test]
async fn an_index_that_expires_at_another_time_is_refused_with_the_command_that_changes_it() {
    let bench = Bench::new().await;
    let index = doc! {"key": {"_expires_at": 1}, "name": "ttl", "expireAfterSeconds": 3600};
    bench.run(doc! {"createIndexes": "people", "indexes": [index]}).await;
    let message = refusal(&bench, bench.options(Latest)).await;
    assert!(message.contains("ttl") && message.contains("3600 s") && message.contains("collMod"), "{message}");
    bench.run(doc! {"collMod": "people", "index": {"keyPattern": {"_expires_at": 1}, "expireAfterSeconds": 0}}).await;
    bench.sink(Latest).await;
    bench.end().await;
}

#[tokio::test]
async fn the_server_says_its_version() {
    let bench = Bench::new().await;
    assert!(bench.store.version().contains('.'), "{}", bench.store.version());
    bench.end().await;
}
