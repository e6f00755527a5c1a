//! Subjects' keys, and their aliases.

use futures::future::BoxFuture;
use lethe_core::{identity::Token, keys::WrappedKey};
use rusqlite::{OptionalExtension, Row, Transaction, params, types::Type};

use crate::{
    Fault, KeyEntry, KeyRow, StoreError, SubjectKeys, SubjectWant,
    embedded::{EmbeddedStore, vault::masters::retired},
};

impl EmbeddedStore {
    /// Destroys every key of a subject; answers how many were live. The rows stay, so that a late
    /// conditional write makes no new key. The sealed bytes are overwritten in the file, and in the
    /// write-ahead log as soon as no reader is in the way.
    pub async fn shred(&self, space: String, token: Token) -> Result<u64, StoreError> {
        let shredded = self
            .transact(move |transaction| {
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

/// One subject's keys, made where absent. Reads first: a subject that is known costs no write.
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
        let there = select.query_row(params![want.space, want.token.0, class], |row| key_row(row, 0)).optional()?;
        if let Some(row) = there {
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

/// Reads (state, master, sealed) from `first` on.
fn key_row(row: &Row<'_>, first: usize) -> rusqlite::Result<KeyRow> {
    match row.get_ref(first)?.as_str()? {
        "live" => Ok(KeyRow::Live(WrappedKey { master: row.get(first + 1)?, sealed: row.get(first + 2)? })),
        "shredded" => Ok(KeyRow::Shredded),
        _ => Err(rusqlite::Error::InvalidColumnType(first, "state".to_owned(), Type::Text)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;

    pub(crate) const SPACE: &str = "customers";

    pub(crate) fn store() -> (tempfile::TempDir, Arc<EmbeddedStore>) {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        (dir, store)
    }

    pub(crate) fn key(master: u32, byte: u8) -> WrappedKey {
        WrappedKey { master, sealed: vec![byte; 60] }
    }

    pub(crate) fn want(who: u8, key: WrappedKey) -> SubjectWant {
        SubjectWant {
            space: SPACE.to_owned(),
            token: Token([who; 32]),
            candidates: vec![("profile".to_owned(), key)],
            aliases: vec![("email".to_owned(), Token([who + 100; 32]))],
        }
    }

    pub(crate) async fn one(store: &EmbeddedStore, want: SubjectWant) -> KeyRow {
        store.subjects(vec![want]).await.unwrap().remove(0).remove(0)
    }

    #[tokio::test]
    async fn the_first_key_of_a_subject_stays() {
        let (_dir, store) = store();
        assert!(one(&store, want(1, key(1, 7))).await == KeyRow::Live(key(1, 7)));
        assert!(one(&store, want(1, key(1, 8))).await == KeyRow::Live(key(1, 7)));
    }

    #[tokio::test]
    async fn workers_that_race_agree_on_one_key() {
        let (_dir, store) = store();
        let other = EmbeddedStore::open("profiles", store.path()).unwrap();
        let wants = |byte| (0..50).map(|who| want(who, key(1, byte))).collect::<Vec<_>>();
        let (a, b) = tokio::join!(store.subjects(wants(1)), other.subjects(wants(2)));
        assert!(a.unwrap() == b.unwrap());
    }

    #[tokio::test]
    async fn a_shredded_key_stays_shredded_and_gets_no_successor() {
        let (_dir, store) = store();
        one(&store, want(1, key(1, 0xab))).await;
        assert_eq!(store.shred(SPACE.to_owned(), Token([1; 32])).await.unwrap(), 1);
        assert!(one(&store, want(1, key(1, 9))).await == KeyRow::Shredded);
        assert!(store.find(SPACE.to_owned(), Token([1; 32])).await.unwrap()[0].row == KeyRow::Shredded);
        assert_eq!(store.shred(SPACE.to_owned(), Token([1; 32])).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn no_byte_of_a_shredded_key_is_left_in_the_files() {
        let (dir, store) = store();
        store.subjects((0..200).map(|who| want(who % 150, key(1, 0x40 + who % 150))).collect()).await.unwrap();
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
    async fn an_alias_leads_to_every_subject_that_had_it() {
        let (_dir, store) = store();
        let mut second = want(2, key(1, 2));
        second.aliases = want(1, key(1, 1)).aliases;
        store.subjects(vec![want(1, key(1, 1)), second.clone(), second]).await.unwrap();
        let resolve = |name: &str| store.resolve(SPACE.to_owned(), name.to_owned(), Token([101; 32]));
        assert_eq!(resolve("email").await.unwrap(), [Token([1; 32]), Token([2; 32])]);
        assert_eq!(resolve("phone").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_known_subject_costs_no_write() {
        let (dir, store) = store();
        one(&store, want(1, key(1, 7))).await;
        let wal = || std::fs::metadata(dir.path().join("lethe.db-wal")).unwrap().len();
        let before = wal();
        one(&store, want(1, key(1, 8))).await;
        assert_eq!(wal(), before);
    }
}
