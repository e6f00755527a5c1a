//! Dead letters in the SQLite file.

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
                "SELECT pipeline, key, stream, position, reason, rule, path, sinks, sealed_by, sealed_with, sealed,
                              incarnation
                       FROM lethe_dead_letter WHERE pipeline = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
            let after = after.as_ref().map_or(&[][..], |key| &key[..]);
            let mut statement = connection.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![pipeline, after, i64::try_from(limit).unwrap_or(i64::MAX)], letter)?;
            Ok(rows.collect::<Result<_, _>>()?)
        }))
    }

    fn remove(&self, pipeline: String, keys: Vec<[u8; 32]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.delete(move |transaction| {
            let mut delete =
                transaction.prepare_cached("DELETE FROM lethe_dead_letter WHERE pipeline = ?1 AND key = ?2")?;
            for key in &keys {
                delete.execute(params![pipeline, key])?;
            }
            Ok(())
        }))
    }

    fn expire(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.delete(move |transaction| {
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
                (pipeline, key, stream, position, reason, rule, path, sinks, sealed_by, sealed_with, sealed,
                 incarnation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
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
            &*letter.position.incarnation,
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
            incarnation: Arc::from(row.get_ref(11)?.as_str()?),
            offset: row.get::<_, i64>(3)?.unsigned_abs(),
        },
        reason: Cow::Owned(row.get(4)?),
        rule: row.get::<_, Option<String>>(5)?.map(Cow::Owned),
        path: row.get(6)?,
        sinks: serde_json::from_str(row.get_ref(7)?.as_str()?).map_err(|_| wrong(7, "sinks"))?,
        sealed_by,
        sealed: row.get(10)?,
        cut: None,
    })
}
