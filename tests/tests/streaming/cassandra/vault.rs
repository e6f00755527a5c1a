//! The retirement of a master key while keys are written. The laws of vaults are in
//! `tests/contract`; here are the states that only Cassandra has between its conditional writes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_core::{identity::Token, keys::WrappedKey};
use lethe_stores::{ErrorKind, KeyCheck, MasterKeys, StoreError, SubjectKeys, SubjectWant, cassandra::CassandraVault};

use super::*;

/// Tests share one vault: spaces and masters of a fixture are its own.
impl CassandraFixture {
    async fn vault(&self) -> CassandraVault {
        let open = CassandraVault::open(Arc::clone(&self.store), &fixture::shared(), Access::Create).await;
        open.unwrap().unwrap()
    }

    fn space(&self) -> String {
        format!("customers-{}", self.number())
    }

    fn master(&self, n: u32) -> u32 {
        self.number() * 10 + n
    }

    fn master_name(&self, n: u32) -> String {
        format!("master-{}", self.master(n))
    }

    fn master_check(&self, n: u32) -> KeyCheck {
        KeyCheck { name: self.master_name(n), check: "m".to_owned(), retired: false }
    }

    fn want(&self, subject: u8, master: u32) -> SubjectWant {
        let key = WrappedKey { master: self.master(master), sealed: vec![7; 60] };
        SubjectWant {
            space: self.space(),
            token: Token([subject; 32]),
            candidates: vec![("profile".to_owned(), key)],
            aliases: Vec::new(),
        }
    }

    async fn is_retired(&self, vault: &CassandraVault, n: u32) -> bool {
        let checks = vault.checks().await.unwrap();
        checks.iter().find(|check| check.name == self.master_name(n)).unwrap().retired
    }

    /// Runs a conditional statement; these tables take no others. Returns whether it was applied.
    async fn applied(&self, cql: &str) -> bool {
        let rows = self.session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        let row: scylla::value::Row = rows.first_row().unwrap();
        row.columns[0].as_ref().unwrap().as_boolean().unwrap()
    }
}

fn is_mismatch<T>(result: Result<T, StoreError>, text: &str) -> bool {
    matches!(result, Err(StoreError { kind: ErrorKind::Mismatch, message, .. }) if message.contains(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_in_flight_when_its_master_was_marked_stops_the_retirement() {
    let fixture = CassandraFixture::new().await;
    let vault = Arc::new(fixture.vault().await);
    vault.add_checks(vec![fixture.master_check(1)]).await.unwrap();
    let (retiring, name) = (Arc::clone(&vault), fixture.master_name(1));
    let retirement = tokio::spawn(async move { retiring.retire(name, "{}".into()).await });
    let began = Instant::now();
    while !fixture.is_retired(&vault, 1).await {
        assert!(began.elapsed() < Duration::from_secs(10), "no mark was set");
    }
    let late = format!(
        "INSERT INTO {}.lethe_keys (space, subject, class, state, master, sealed) \
         VALUES ('{}', 0x{}, 'profile', 'live', {}, 0x00) IF NOT EXISTS",
        fixture::shared(),
        fixture.space(),
        "ff".repeat(32),
        fixture.master(1)
    );
    assert!(fixture.applied(&late).await);
    assert!(is_mismatch(retirement.await.unwrap(), "still wraps"));
    assert!(!fixture.is_retired(&vault, 1).await, "the mark stays");
}

#[tokio::test]
async fn a_retirement_cut_short_stops_keys_of_that_master_and_is_finished_when_repeated() {
    let fixture = CassandraFixture::new().await;
    let vault = fixture.vault().await;
    vault.add_checks(vec![fixture.master_check(1), fixture.master_check(2)]).await.unwrap();
    let mark = format!(
        "UPDATE {}.lethe_key_checks SET retired = true WHERE scope = 'keys' AND name = '{}' IF retired = false",
        fixture::shared(),
        fixture.master_name(1)
    );
    assert!(fixture.applied(&mark).await);
    assert!(is_mismatch(vault.subjects(vec![fixture.want(1, 1)]).await, "was retired"));
    vault.subjects(vec![fixture.want(1, 2)]).await.unwrap();
    vault.retire(fixture.master_name(1), "{}".into()).await.unwrap();
    let attested = format!(
        "SELECT attestation FROM {}.lethe_attestations WHERE key_name = '{}'",
        fixture::shared(),
        fixture.master_name(1)
    );
    assert_eq!(fixture.texts(&attested).await, ["{}"]);
}
