//! Check values of the keys Secret, what a master wraps, attestations and the audit record.

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::{
    Fault, KeyCheck, KeyEntry, KeyRow, MasterKeys, StoreError,
    embedded::{
        EmbeddedStore,
        vault::{day_keys::count_days, keys::entry},
    },
};

impl MasterKeys for EmbeddedStore {
    fn checks(&self) -> BoxFuture<'_, Result<Vec<KeyCheck>, StoreError>> {
        Box::pin(self.read(|connection| {
            let sql = "SELECT name, check_value, retired FROM lethe_key_checks ORDER BY name";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement
                .query_map([], |row| Ok(KeyCheck { name: row.get(0)?, check: row.get(1)?, retired: row.get(2)? }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        }))
    }

    fn add_checks(&self, checks: Vec<KeyCheck>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| checks.iter().try_for_each(|check| add_check(transaction, check))))
    }

    fn wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>> {
        Box::pin(self.read(move |connection| {
            // Two ranges of the index, where `<>` would read every key.
            let sql = "SELECT space, token, class, state, master, sealed FROM lethe_keys
                       WHERE state = 'live' AND (master < ?1 OR master > ?1) LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![master, i64::try_from(limit).unwrap_or(i64::MAX)], entry)?;
            Ok(rows.collect::<Result<_, _>>()?)
        }))
    }

    fn count_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.read(move |connection| Ok(count(connection, master)?)))
    }

    fn rewrap(&self, keys: Vec<(KeyEntry, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let mut rewrapped = 0;
            let mut statement = transaction.prepare_cached(
                "UPDATE lethe_keys SET master = ?1, sealed = ?2
                 WHERE space = ?3 AND token = ?4 AND class = ?5 AND state = 'live' AND master = ?6 AND sealed = ?7",
            )?;
            for (old, new) in &keys {
                if let KeyRow::Live(was) = &old.row {
                    let (who, class) = (old.token.0, &old.class);
                    rewrapped += statement
                        .execute(params![new.master, new.sealed, old.space, who, class, was.master, was.sealed])?;
                }
            }
            Ok(rewrapped as u64)
        }))
    }

    fn retire(&self, name: String, attestation: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let known = transaction.execute("UPDATE lethe_key_checks SET retired = 1 WHERE name = ?1", [&name])?;
            if known == 0 {
                return Err(Fault::mismatch(format!("no key {name} was ever used with this store")));
            }
            // In the same transaction: no key can come to be wrapped by it in between.
            if let Some(master) = name.strip_prefix("master-").and_then(|number| number.parse().ok())
                && (count(transaction, master)? > 0 || count_days(transaction, master)? > 0)
            {
                return Err(Fault::mismatch(format!(
                    "{name} still wraps keys; wrap them by the current master with `lethe-worker keys rotate`"
                )));
            }
            // The same attestation again (a call repeated after a crash) is the same act.
            transaction.execute(
                "INSERT INTO lethe_attestations (key_name, attestation) SELECT ?1, ?2 WHERE NOT EXISTS
                    (SELECT 1 FROM lethe_attestations WHERE key_name = ?1 AND attestation = ?2)",
                [&name, &attestation],
            )?;
            Ok(())
        }))
    }

    fn audit(&self, line: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| {
            transaction.execute("INSERT INTO lethe_audit (line) VALUES (?1)", [line])?;
            Ok(())
        }))
    }
}

/// Live keys of subjects that a master wraps.
fn count(connection: &Connection, master: u32) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM lethe_keys WHERE state = 'live' AND master = ?1";
    let count: i64 = connection.query_row(sql, [master], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// A worker that was started before a master was retired would wrap new keys by it.
pub(crate) fn retired(master: u32) -> Fault {
    Fault::mismatch(format!("master-{master} was retired; start the worker again with the keys Secret as it is now"))
}

fn add_check(transaction: &Transaction<'_>, check: &KeyCheck) -> Result<(), Fault> {
    let there: Option<String> = transaction
        .query_row("SELECT check_value FROM lethe_key_checks WHERE name = ?1", [&check.name], |row| row.get(0))
        .optional()?;
    match there {
        Some(value) if value == check.check => Ok(()),
        Some(_) => Err(Fault::mismatch(format!(
            "key {} of the keys Secret is not the one that this store was written with; give the worker that Secret",
            check.name
        ))),
        None => {
            transaction.execute(
                "INSERT INTO lethe_key_checks (name, check_value, retired) VALUES (?1, ?2, ?3)",
                params![check.name, check.check, check.retired],
            )?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::identity::Token;

    use super::*;
    use crate::{
        DayKeys, ErrorKind, SubjectKeys,
        embedded::vault::keys::tests::{SPACE, key, one, store, want},
    };

    #[tokio::test]
    async fn rewrapping_goes_on_until_no_key_is_left_and_loses_to_a_change() {
        let (_dir, store) = store();
        store.subjects((0..9).map(|who| want(who, key(1, who))).collect()).await.unwrap();
        store.shred(SPACE.to_owned(), Token([3; 32])).await.unwrap();
        let mut stale = store.wrapped_by_others(2, 1).await.unwrap().remove(0);
        stale.row = KeyRow::Live(key(1, 0xff));
        assert_eq!(store.rewrap(vec![(stale, key(2, 0))]).await.unwrap(), 0);
        let mut turns = 0;
        loop {
            let old = store.wrapped_by_others(2, 3).await.unwrap();
            if old.is_empty() {
                break;
            }
            let pairs: Vec<_> = old.into_iter().map(|entry| (entry, key(2, 0x77))).collect();
            assert_eq!(store.rewrap(pairs.clone()).await.unwrap(), pairs.len() as u64);
            turns += 1;
        }
        assert_eq!(turns, 3);
        assert_eq!((store.count_wrapped_by(1).await.unwrap(), store.count_wrapped_by(2).await.unwrap()), (0, 8));
    }

    #[tokio::test]
    async fn a_key_of_the_same_name_with_another_value_is_refused() {
        let (_dir, store) = store();
        let check = |name: &str, value: &str| KeyCheck { name: name.into(), check: value.into(), retired: false };
        store.add_checks(vec![check("root", "aa"), check("master-1", "bb")]).await.unwrap();
        store.add_checks(vec![check("root", "aa")]).await.unwrap();
        let error = store.add_checks(vec![check("master-2", "dd"), check("root", "cc")]).await.unwrap_err();
        assert!(error.kind == ErrorKind::Mismatch && error.to_string().contains("key root"), "{error}");
        assert_eq!(store.checks().await.unwrap(), [check("master-1", "bb"), check("root", "aa")]);
    }

    #[tokio::test]
    async fn a_master_that_wraps_a_key_is_not_retired_and_a_retired_one_wraps_none() {
        let (_dir, store) = store();
        let check = |master| KeyCheck { name: format!("master-{master}"), check: format!("{master}"), retired: false };
        store.add_checks(vec![check(1), check(2)]).await.unwrap();
        one(&store, want(1, key(1, 7))).await;
        let retire = || store.retire("master-1".into(), "{}".into());
        assert!(matches!(retire().await, Err(StoreError { kind: ErrorKind::Mismatch, .. })));
        let old = store.wrapped_by_others(2, 9).await.unwrap().remove(0);
        store.rewrap(vec![(old, key(2, 7))]).await.unwrap();
        store.day_key("shop.a".into(), "2026-11-20".into(), key(1, 8)).await.unwrap();
        assert!(matches!(retire().await, Err(StoreError { kind: ErrorKind::Mismatch, .. })), "a day key is a key");
        assert!(!store.checks().await.unwrap()[0].retired);
        let old = store.day_keys_wrapped_by_others(2, 9).await.unwrap().remove(0);
        store.rewrap_day_keys(vec![(old, key(2, 8))]).await.unwrap();
        retire().await.unwrap();
        let late = store.subjects(vec![want(2, key(1, 9))]).await;
        assert!(
            matches!(late, Err(StoreError { kind: ErrorKind::Mismatch, message, .. }) if message.contains("was retired"))
        );
        assert!(store.day_key("shop.a".into(), "2026-11-21".into(), key(1, 9)).await.is_err());
        assert!(one(&store, want(2, key(2, 9))).await == KeyRow::Live(key(2, 9)));
    }

    #[tokio::test]
    async fn a_retired_key_is_marked_and_its_attestation_kept_once() {
        let (_dir, store) = store();
        let check = KeyCheck { name: "master-1".into(), check: "aa".into(), retired: false };
        store.add_checks(vec![check.clone()]).await.unwrap();
        for _ in 0..2 {
            store.retire("master-1".into(), "{\"by\":\"ops\"}".into()).await.unwrap();
        }
        assert_eq!(store.checks().await.unwrap(), [KeyCheck { retired: true, ..check }]);
        let rows =
            store.read(|c| Ok(c.query_row("SELECT count(*) FROM lethe_attestations", [], |row| row.get::<_, i64>(0))?));
        assert_eq!(rows.await.unwrap(), 1);
        assert!(matches!(
            store.retire("master-9".into(), String::new()).await,
            Err(StoreError { kind: ErrorKind::Mismatch, .. })
        ));
    }

    #[tokio::test]
    async fn the_audit_record_keeps_its_order() {
        let (_dir, store) = store();
        for line in ["{\"n\":1}", "{\"n\":2}"] {
            store.audit(line.into()).await.unwrap();
        }
        let lines: String = store
            .read(|c| Ok(c.query_row("SELECT group_concat(line) FROM lethe_audit", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(lines, "{\"n\":1},{\"n\":2}");
    }
}
