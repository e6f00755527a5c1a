//! Opening a collection: what is created, and the error where something is missing or differs.

use lethe_crds::profile_pipeline::Records::{Append, Latest};
use lethe_stores::{ErrorKind, StoreError};

use super::*;

async fn refusal(fixture: &MongodbFixture, options: CollectionOptions) -> String {
    match CollectionSink::open(Arc::clone(&fixture.store), options, Access::Create).await.err().unwrap() {
        StoreError { kind: ErrorKind::Mismatch, message, .. } => message,
        other => panic!("{other}"),
    }
}

impl MongodbFixture {
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
    let fixture = MongodbFixture::new().await;
    for _ in 0..2 {
        fixture.sink(Append).await;
        assert_eq!(
            fixture.indexes().await,
            ["_deleted_at_1", "_expires_at_1", "_id_", "event_time_1", "subject_ref_1"]
        );
    }
    // What was made passes a check.
    CollectionSink::open(Arc::clone(&fixture.store), fixture.checked(Append), Access::Create).await.unwrap();
    fixture.end().await;
}

#[tokio::test]
async fn a_look_makes_nothing() {
    let fixture = MongodbFixture::new().await;
    CollectionSink::open(Arc::clone(&fixture.store), fixture.options(Append), Access::ReadOnly).await.unwrap();
    let names = fixture.database.list_collection_names().await.unwrap();
    assert_eq!(names, Vec::<String>::new());
    fixture.end().await;
}

#[tokio::test]
async fn a_check_names_the_command_of_each_missing_index() {
    let fixture = MongodbFixture::new().await;
    let message = refusal(&fixture, fixture.checked(Append)).await;
    assert!(message.contains("createCollection(\"people\")"), "{message}");
    fixture.run(doc! {"create": "people"}).await;
    let message = refusal(&fixture, fixture.checked(Append)).await;
    for index in [
        "createIndex({\"subject_ref\":1})",
        "createIndex({\"event_time\":1})",
        "createIndex({\"_deleted_at\":1}, {\"sparse\":true})",
        "createIndex({\"_expires_at\":1}, {\"expireAfterSeconds\":0})",
    ] {
        assert!(message.contains(index), "{message}");
    }
    let index = doc! {"key": {"event_time": -1, "plan": 1}, "name": "own"};
    fixture.run(doc! {"createIndexes": "people", "indexes": [index]}).await;
    let message = refusal(&fixture, fixture.checked(Latest)).await;
    assert!(!message.contains("event_time") && message.contains("_expires_at"), "{message}");
    fixture.end().await;
}

#[tokio::test]
async fn an_index_that_expires_at_another_time_is_refused_with_the_command_that_changes_it() {
    let fixture = MongodbFixture::new().await;
    let index = doc! {"key": {"_expires_at": 1}, "name": "ttl", "expireAfterSeconds": 3600};
    fixture.run(doc! {"createIndexes": "people", "indexes": [index]}).await;
    let message = refusal(&fixture, fixture.options(Latest)).await;
    assert!(message.contains("ttl") && message.contains("3600 s") && message.contains("collMod"), "{message}");
    fixture.run(doc! {"collMod": "people", "index": {"keyPattern": {"_expires_at": 1}, "expireAfterSeconds": 0}}).await;
    fixture.sink(Latest).await;
    fixture.end().await;
}

#[tokio::test]
async fn the_server_reports_its_version() {
    let fixture = MongodbFixture::new().await;
    assert!(fixture.store.version().contains('.'), "{}", fixture.store.version());
    fixture.end().await;
}
