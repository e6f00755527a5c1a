//! Keys of subjects, and aliases of subjects.

use futures::future::BoxFuture;
use lethe_core::{identity::Token, keys::WrappedKey};
use rusqlite::{OptionalExtension, Row, Transaction, params, types::Type};

use crate::{
    Fault, KeyEntry, KeyRow, StoreError, SubjectKeys, SubjectWant,
    embedded::{EmbeddedStore, vault::masters::retired},
};

impl EmbeddedStore {
    /// Destroys all keys of a subject. Returns how many were live. The rows are kept, so that a
    /// late conditional write can't create a new key. The sealed bytes are overwritten in the file,
    /// and in the write-ahead log as soon as no reader prevents the checkpoint.
    pub async fn shred(&self, space: String, token: Token) -> Result<u64, StoreError> {
        let shredded = self
            .delete(move |transaction| {
                let sql = "UPDATE lethe_keys SET state = 'shredded', master = NULL, sealed = NULL
                           WHERE space = ?1 AND token = ?2 AND state = 'live'";
                Ok(transaction.execute(sql, params![space, token.0])? as u64)
            })
            .await?;
        self.checkpoint().await?;
        Ok(shredded)
    }
}

impl SubjectKeys for EmbeddedStore {
    fn subjects(&self, wants: Vec<SubjectWant>) -> BoxFuture<'_, Result<Vec<Vec<KeyRow>>, StoreError>> {
        Box::pin(self.transact(move |transaction| wants.iter().map(|want| subject(transaction, want)).collect()))
    }

    fn find(&self, space: String, token: Token) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>> {
        Box::pin(self.read(move |connection| {
            let sql = "SELECT space, token, class, state, master, sealed FROM lethe_keys
                       WHERE space = ?1 AND token = ?2 ORDER BY class";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![space, token.0], entry)?;
            Ok(rows.collect::<Result<_, _>>()?)
        }))
    }

    fn resolve(&self, space: String, name: String, alias: Token) -> BoxFuture<'_, Result<Vec<Token>, StoreError>> {
        Box::pin(self.read(move |connection| {
            let sql = "SELECT token FROM lethe_aliases WHERE space = ?1 AND name = ?2 AND alias = ?3 ORDER BY token";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![space, name, alias.0], |row| Ok(Token(row.get(0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        }))
    }
}

/// Returns the keys of one subject and creates missing ones. Reads first, so that a known subject
/// needs no write.
fn subject(transaction: &Transaction<'_>, want: &SubjectWant) -> Result<Vec<KeyRow>, Fault> {
    let mut select = transaction.prepare_cached(
        "SELECT state, master, sealed FROM lethe_keys WHERE space = ?1 AND token = ?2 AND class = ?3",
    )?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO lethe_keys (space, token, class, state, master, sealed)
         SELECT ?1, ?2, ?3, 'live', ?4, ?5
         WHERE NOT EXISTS (SELECT 1 FROM lethe_key_checks WHERE name = 'master-' || ?4 AND retired = 1)",
    )?;
    let mut keys = Vec::with_capacity(want.candidates.len());
    for (class, candidate) in &want.candidates {
        let existing = select.query_row(params![want.space, want.token.0, class], |row| key_row(row, 0)).optional()?;
        if let Some(row) = existing {
            keys.push(row);
            continue;
        }
        if insert.execute(params![want.space, want.token.0, class, candidate.master, candidate.sealed])? == 0 {
            return Err(retired(candidate.master));
        }
        keys.push(KeyRow::Live(candidate.clone()));
    }
    let mut alias = transaction
        .prepare_cached("INSERT OR IGNORE INTO lethe_aliases (space, name, alias, token) VALUES (?1, ?2, ?3, ?4)")?;
    for (name, token) in &want.aliases {
        alias.execute(params![want.space, name, token.0, want.token.0])?;
    }
    Ok(keys)
}

pub(crate) fn entry(row: &Row<'_>) -> rusqlite::Result<KeyEntry> {
    Ok(KeyEntry { space: row.get(0)?, token: Token(row.get(1)?), class: row.get(2)?, row: key_row(row, 3)? })
}

/// Reads the columns state, master and sealed, starting at the column `first`.
fn key_row(row: &Row<'_>, first: usize) -> rusqlite::Result<KeyRow> {
    match row.get_ref(first)?.as_str()? {
        "live" => Ok(KeyRow::Live(WrappedKey { master: row.get(first + 1)?, sealed: row.get(first + 2)? })),
        "shredded" => Ok(KeyRow::Shredded),
        _ => Err(rusqlite::Error::InvalidColumnType(first, "state".to_owned(), Type::Text)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;

    const SPACE: &str = "customers";

    fn store() -> (tempfile::TempDir, Arc<EmbeddedStore>) {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        (dir, store)
    }

    fn key(master: u32, byte: u8) -> WrappedKey {
        WrappedKey { master, sealed: vec![byte; 60] }
    }

    fn want(subject: u8, key: WrappedKey) -> SubjectWant {
        SubjectWant {
            space: SPACE.to_owned(),
            token: Token([subject; 32]),
            candidates: vec![("profile".to_owned(), key)],
            aliases: vec![("email".to_owned(), Token([subject + 100; 32]))],
        }
    }

    async fn one(store: &EmbeddedStore, want: SubjectWant) -> KeyRow {
        store.subjects(vec![want]).await.unwrap().remove(0).remove(0)
    }

    #[tokio::test]
    async fn no_byte_of_a_shredded_key_is_left_in_the_files() {
        let (dir, store) = store();
        store.subjects((0..200).map(|n| want(n % 150, key(1, 0x40 + n % 150))).collect()).await.unwrap();
        let needle = vec![0x40 + 77; 60];
        let found = |dir: &std::path::Path| {
            std::fs::read_dir(dir).unwrap().any(|file| {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                memchr::memmem::find(&bytes, &needle).is_some()
            })
        };
        assert!(found(dir.path()));
        store.shred(SPACE.to_owned(), Token([77; 32])).await.unwrap();
        assert!(!found(dir.path()));
    }

    #[tokio::test]
    async fn requesting_the_key_of_a_known_subject_writes_nothing() {
        let (dir, store) = store();
        one(&store, want(1, key(1, 7))).await;
        let wal = || std::fs::metadata(dir.path().join("lethe.db-wal")).unwrap().len();
        let before = wal();
        one(&store, want(1, key(1, 8))).await;
        assert_eq!(wal(), before);
    }
}
