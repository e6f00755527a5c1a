//! A vault: keys that two workers agree on, that stay destroyed, and that no retired master wraps.

mod books;
mod keys;
mod masters;

use std::sync::Arc;

use lethe_core::{identity::Token, keys::WrappedKey};
use lethe_stores::{
    Bookkeeping, DayKeys, KeyStore, StoreError,
    bookkeeping::{Place, Progress},
    cassandra::CassandraVault,
    key_store::{KeyCheck, KeyRow, SubjectWant},
};

use super::*;

/// All tests write into one vault: spaces, pipelines and masters of this one are its own.
impl Bench {
    async fn vault(&self) -> CassandraVault {
        let open = CassandraVault::open(Arc::clone(&self.store), &bench::shared(), Access::Make).await;
        open.unwrap().unwrap()
    }

    fn space(&self) -> String {
        format!("customers-{}", self.number())
    }

    fn pipeline(&self) -> String {
        format!("shop.p{}", self.number())
    }

    fn master(&self, n: u32) -> u32 {
        self.number() * 10 + n
    }

    fn master_name(&self, n: u32) -> String {
        format!("master-{}", self.master(n))
    }

    fn key(&self, master: u32, byte: u8) -> WrappedKey {
        WrappedKey { master: self.master(master), sealed: vec![byte; 60] }
    }

    fn want(&self, who: u8, key: WrappedKey) -> SubjectWant {
        SubjectWant {
            space: self.space(),
            token: Token([who; 32]),
            candidates: vec![("profile".to_owned(), key.clone()), ("history".to_owned(), key)],
            aliases: vec![("email".to_owned(), Token([who + 100; 32]))],
        }
    }

    fn check(&self, name: &str, value: &str) -> KeyCheck {
        KeyCheck { name: format!("{name}-{}", self.number()), check: value.to_owned(), retired: false }
    }

    fn master_check(&self, n: u32) -> KeyCheck {
        KeyCheck { name: self.master_name(n), check: "m".to_owned(), retired: false }
    }

    /// The checks that this test recorded.
    async fn checks(&self, vault: &CassandraVault, wanted: &[KeyCheck]) -> Vec<KeyCheck> {
        let mut all = vault.checks().await.unwrap();
        all.retain(|check| wanted.iter().any(|other| other.name == check.name));
        all
    }

    /// A conditional write by hand: in these tables no other may be.
    async fn applied(&self, cql: &str) -> bool {
        let rows = self.session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        let row: scylla::value::Row = rows.first_row().unwrap();
        row.columns[0].as_ref().unwrap().as_boolean().unwrap()
    }
}

async fn one(vault: &CassandraVault, want: SubjectWant) -> KeyRow {
    vault.subjects(vec![want]).await.unwrap().remove(0).remove(0)
}

fn is_mismatch<T>(result: Result<T, StoreError>, text: &str) -> bool {
    matches!(result, Err(StoreError::Mismatch { message, .. }) if message.contains(text))
}

#[tokio::test]
async fn a_look_finds_a_vault_only_where_one_was_made() {
    let bench = Bench::new().await;
    let look = |keyspace: String| {
        let store = Arc::clone(&bench.store);
        async move { CassandraVault::open(store, &keyspace, Access::Look).await.unwrap().is_some() }
    };
    let nowhere = format!("{}_nowhere", bench::shared());
    assert!(!look(nowhere.clone()).await);
    assert!(!bench.texts("SELECT keyspace_name FROM system_schema.keyspaces").await.contains(&nowhere));
    bench.vault().await;
    assert!(look(bench::shared()).await);
}
