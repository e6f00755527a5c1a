//! A vault's cursors, layout and half-finished retirements. The laws of vaults are in
//! `tests/contract`.

use lethe_core::{identity::Token, keys::WrappedKey};
use lethe_stores::{ErrorKind, KeyCheck, MasterKeys, StoreError, SubjectKeys, SubjectWant, mongodb::MongodbVault};

use super::*;

const SPACE: &str = "customers";

impl MongodbFixture {
    async fn vault(&self) -> MongodbVault {
        let open = MongodbVault::open(Arc::clone(&self.store), self.database.name(), Access::Create).await;
        open.unwrap().unwrap()
    }
}

fn key(master: u32, byte: u8) -> WrappedKey {
    WrappedKey { master, sealed: vec![byte; 60] }
}

fn want(who: u8, key: WrappedKey) -> SubjectWant {
    SubjectWant {
        space: SPACE.to_owned(),
        token: Token([who; 32]),
        candidates: vec![("profile".to_owned(), key.clone()), ("history".to_owned(), key)],
        aliases: vec![("email".to_owned(), Token([who + 100; 32]))],
    }
}

fn check(name: &str, value: &str) -> KeyCheck {
    KeyCheck { name: name.to_owned(), check: value.to_owned(), retired: false }
}

fn is_mismatch<T>(result: Result<T, StoreError>, text: &str) -> bool {
    matches!(result, Err(StoreError { kind: ErrorKind::Mismatch, message, .. }) if message.contains(text))
}

#[tokio::test]
async fn a_vault_of_a_later_version_is_refused() {
    let fixture = MongodbFixture::new().await;
    fixture.vault().await;
    fixture
        .run(doc! {"update": "lethe_key_checks", "updates": [{"q": {"_id": "layout"}, "u": {"$set": {"version": 2}}}]})
        .await;
    for access in [Access::ReadOnly, Access::Create] {
        let open = MongodbVault::open(Arc::clone(&fixture.store), fixture.database.name(), access).await;
        assert!(is_mismatch(open, "later version"));
    }
    fixture.end().await;
}

/// MongoDB returns the second page of a cursor only to the session that read the first. Of the two
/// servers that stand in for it in tests, the one in Rust does so, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_keys_than_a_page_holds_are_read_by_several_at_once() {
    let fixture = MongodbFixture::new().await;
    let vault = Arc::new(fixture.vault().await);
    vault.subjects((0..150).map(|who| want(who, key(1, who))).collect()).await.unwrap();
    let readers = (0..8).map(|_| {
        let vault = Arc::clone(&vault);
        tokio::spawn(async move { vault.wrapped_by_others(2, 1_000).await.unwrap().len() })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.unwrap(), 300);
    }
    fixture.end().await;
}

#[tokio::test]
async fn a_retirement_cut_short_stops_keys_of_that_master_until_it_is_repeated() {
    let fixture = MongodbFixture::new().await;
    let vault = fixture.vault().await;
    vault.add_checks(vec![check("master-1", "1"), check("master-2", "2")]).await.unwrap();
    let set = doc! {"$set": {"keys._master-1.retiring": true}};
    fixture.run(doc! {"update": "lethe_key_checks", "updates": [{"q": {"_id": "checks"}, "u": set}]}).await;
    let error = vault.subjects(vec![want(1, key(1, 7))]).await.err().unwrap();
    assert!(error.is_transient() && error.to_string().contains("keys retire master-1"), "{error}");
    vault.subjects(vec![want(1, key(2, 7))]).await.unwrap();
    vault.retire("master-1".into(), "{}".into()).await.unwrap();
    assert!(is_mismatch(vault.subjects(vec![want(2, key(1, 7))]).await, "was retired"));
    fixture.end().await;
}
