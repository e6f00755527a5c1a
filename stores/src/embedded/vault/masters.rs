//! Check values of the keys Secret, the keys that a master wraps, attestations, and the audit
//! record.

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
            // Two ranges of the index. `<>` would read every key.
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
                    let (token, class) = (old.token.0, &old.class);
                    rewrapped += statement
                        .execute(params![new.master, new.sealed, old.space, token, class, was.master, was.sealed])?;
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
            // Counted in the same transaction, so that no key can be wrapped by this master in
            // between.
            if let Some(master) = name.strip_prefix("master-").and_then(|number| number.parse().ok())
                && (count(transaction, master)? > 0 || count_days(transaction, master)? > 0)
            {
                return Err(Fault::mismatch(format!(
                    "{name} still wraps keys; wrap them by the current master with `lethe-worker keys rotate`"
                )));
            }
            // A call that is repeated after a crash brings the same attestation, which is stored
            // once.
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

/// Returns the number of live keys of subjects that a master wraps.
fn count(connection: &Connection, master: u32) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM lethe_keys WHERE state = 'live' AND master = ?1";
    let count: i64 = connection.query_row(sql, [master], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Returns the error for a new key that is wrapped by a retired master. A worker that started
/// before the retirement still uses that master.
pub(crate) fn retired(master: u32) -> Fault {
    Fault::mismatch(format!("master-{master} was retired; start the worker again with the keys Secret as it is now"))
}

fn add_check(transaction: &Transaction<'_>, check: &KeyCheck) -> Result<(), Fault> {
    let existing: Option<String> = transaction
        .query_row("SELECT check_value FROM lethe_key_checks WHERE name = ?1", [&check.name], |row| row.get(0))
        .optional()?;
    match existing {
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
