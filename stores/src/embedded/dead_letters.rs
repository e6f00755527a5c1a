//! Dead letters.

use std::{borrow::Cow, sync::Arc};

use futures::future::BoxFuture;
use lethe_core::{
    identity::{Token, hex, unhex},
    record::Position,
};
use rusqlite::{Row, Transaction, params, types::Type};

use crate::{DeadLetters, Fault, Letter, LetterKey, StoreError, embedded::EmbeddedStore};

impl DeadLetters for EmbeddedStore {
    fn write(&self, letters: Vec<Letter>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| letters.iter().try_for_each(|letter| write(transaction, letter))))
    }

    fn list(
        &self,
        pipeline: String,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Letter>, StoreError>> {
        Box::pin(self.read(move |connection| {
            let sql =
                "SELECT pipeline, key, stream, position, reason, rule, path, sinks, sealed_by, sealed_with, sealed
                       FROM lethe_dead_letter WHERE pipeline = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
            let after = after.as_ref().map_or(&[][..], |key| &key[..]);
            let mut statement = connection.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![pipeline, after, i64::try_from(limit).unwrap_or(i64::MAX)], letter)?;
            Ok(rows.collect::<Result<_, _>>()?)
        }))
    }

    fn remove(&self, pipeline: String, keys: Vec<[u8; 32]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let mut delete =
                transaction.prepare_cached("DELETE FROM lethe_dead_letter WHERE pipeline = ?1 AND key = ?2")?;
            for key in &keys {
                delete.execute(params![pipeline, key])?;
            }
            Ok(())
        }))
    }

    fn expire(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.transact(move |transaction| {
            let letters = transaction.execute(
                "DELETE FROM lethe_dead_letter WHERE pipeline = ?1 AND sealed_by = 'day' AND sealed_with < ?2",
                [&pipeline, &before],
            )?;
            Ok(letters as u64)
        }))
    }
}

fn write(transaction: &Transaction<'_>, letter: &Letter) -> Result<(), Fault> {
    let offset = i64::try_from(letter.position.offset)
        .map_err(|_| Fault::internal("a dead letter's offset is 2^63 or more".to_owned()))?;
    let sinks = serde_json::to_string(&letter.sinks)
        .map_err(|_| Fault::internal("a dead letter's sinks can't be written".to_owned()))?;
    let (by, with) = match &letter.sealed_by {
        LetterKey::Subject(token) => ("subject", String::from_utf8_lossy(&hex(&token.0)).into_owned()),
        LetterKey::Day(day) => ("day", day.clone()),
    };
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO lethe_dead_letter
                (pipeline, key, stream, position, reason, rule, path, sinks, sealed_by, sealed_with, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            letter.pipeline,
            letter.key,
            &*letter.position.stream,
            offset,
            letter.reason,
            letter.rule,
            letter.path,
            sinks,
            by,
            with,
            letter.sealed,
        ])?;
    Ok(())
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let wrong = |column: usize, name: &str| rusqlite::Error::InvalidColumnType(column, name.to_owned(), Type::Text);
    let with: String = row.get(9)?;
    let sealed_by = match row.get_ref(8)?.as_str()? {
        "day" => LetterKey::Day(with),
        _ => LetterKey::Subject(Token(unhex(with.as_bytes()).ok_or_else(|| wrong(9, "sealed_with"))?)),
    };
    Ok(Letter {
        pipeline: row.get(0)?,
        key: row.get(1)?,
        position: Position {
            stream: Arc::from(row.get_ref(2)?.as_str()?),
            offset: row.get::<_, i64>(3)?.unsigned_abs(),
        },
        reason: Cow::Owned(row.get(4)?),
        rule: row.get::<_, Option<String>>(5)?.map(Cow::Owned),
        path: row.get(6)?,
        sinks: serde_json::from_str(row.get_ref(7)?.as_str()?).map_err(|_| wrong(7, "sinks"))?,
        sealed_by,
        sealed: row.get(10)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PIPELINE: &str = "shop.profiles";

    fn store() -> (tempfile::TempDir, Arc<EmbeddedStore>) {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        (dir, store)
    }

    fn a_letter(n: u8, sealed_by: LetterKey) -> Letter {
        Letter {
            key: [n; 32],
            pipeline: PIPELINE.into(),
            position: Position { stream: "users.ndjson".into(), offset: u64::from(n) * 1000 },
            reason: "SchemaViolation".into(),
            rule: Some("maxLength".into()),
            path: Some("/email".into()),
            sinks: vec!["profiles".into(), "clean".into()],
            sealed_by,
            sealed: vec![n; 40],
        }
    }

    async fn keys(store: &EmbeddedStore) -> Vec<u8> {
        store.list(PIPELINE.into(), None, 100).await.unwrap().iter().map(|letter| letter.key[0]).collect()
    }

    #[tokio::test]
    async fn a_letter_is_read_back_as_it_was_written() {
        let (_dir, store) = store();
        let written = a_letter(3, LetterKey::Subject(Token([0x5c; 32])));
        store.write(vec![written.clone()]).await.unwrap();
        let read = store.list(PIPELINE.into(), None, 10).await.unwrap().remove(0);
        assert!(read.key == written.key && read.pipeline == written.pipeline && read.position == written.position);
        assert_eq!((read.reason, read.rule, read.path), (written.reason, written.rule, written.path));
        assert_eq!((read.sinks, read.sealed_by, read.sealed), (written.sinks, written.sealed_by, written.sealed));
    }

    #[tokio::test]
    async fn a_letter_that_is_there_is_not_written_again() {
        let (_dir, store) = store();
        let first = a_letter(1, LetterKey::Day("2026-11-20".into()));
        let again = Letter { sealed: vec![9; 40], sealed_by: LetterKey::Day("2026-11-21".into()), ..first.clone() };
        store.write(vec![first.clone(), again.clone()]).await.unwrap();
        store.write(vec![again]).await.unwrap();
        let letters = store.list(PIPELINE.into(), None, 10).await.unwrap();
        assert!(letters.len() == 1 && letters[0].sealed == first.sealed);
    }

    #[tokio::test]
    async fn letters_are_listed_in_pages_and_leave_when_redriven() {
        let (_dir, store) = store();
        let letters = (0..7).rev().map(|n| a_letter(n, LetterKey::Day("2026-11-20".into()))).collect();
        store.write(letters).await.unwrap();
        let page = store.list(PIPELINE.into(), Some([2; 32]), 3).await.unwrap();
        assert_eq!(page.iter().map(|letter| letter.key[0]).collect::<Vec<_>>(), [3, 4, 5]);
        store.remove(PIPELINE.into(), vec![[3; 32], [4; 32]]).await.unwrap();
        store.remove("shop.other".into(), vec![[5; 32]]).await.unwrap();
        assert_eq!(keys(&store).await, [0, 1, 2, 5, 6]);
        assert!(store.list("shop.other".into(), None, 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn letters_of_expired_days_go_and_are_counted_those_of_subjects_stay() {
        let (_dir, store) = store();
        store
            .write(vec![
                a_letter(1, LetterKey::Day("2026-11-19".into())),
                a_letter(2, LetterKey::Day("2026-11-20".into())),
                a_letter(3, LetterKey::Day("2026-11-21".into())),
                a_letter(4, LetterKey::Subject(Token([1; 32]))),
            ])
            .await
            .unwrap();
        assert_eq!(store.expire(PIPELINE.into(), "2026-11-21".into()).await.unwrap(), 2);
        assert_eq!(store.expire(PIPELINE.into(), "2026-11-21".into()).await.unwrap(), 0);
        assert_eq!(keys(&store).await, [3, 4]);
    }
}
