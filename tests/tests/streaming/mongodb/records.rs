//! The marker that a deletion leaves in a collection of all events. The laws of records are in
//! `tests/contract`.

use lethe_crds::profile_pipeline::Records::Append;
use lethe_stores::{Records as _, mongodb::MongodbRecords};

use super::*;

#[tokio::test]
async fn the_marker_of_a_deletion_is_found_in_a_history_too() {
    let fixture = MongodbFixture::new().await;
    let mut sink = fixture.sink(Append).await;
    write(&mut sink, &[event(1, "a", 1000), deletion(1, "d", 10_000)]).await;
    let records = MongodbRecords::new(Arc::clone(&fixture.store), fixture.options(Append));
    let found = records.records_of(reference(1)).await.unwrap().unwrap();
    assert!(found.len() == 1 && found[0].deleted_at.is_some() && found[0].document.is_none());
    fixture.end().await;
}
