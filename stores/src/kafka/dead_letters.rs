//! Dead letters in a topic. The record key is the token of the subject if the letter is sealed with
//! the key of a subject, else the key of the letter. The description of a letter is stored in
//! headers: for Lethe as one JSON object, for other tools under the header names of Kafka Connect.
//!
//! A record of a topic can't be deleted on demand. A redriven letter is therefore followed by a
//! record that names it and has no value, and readers skip both. The retention of the topic deletes
//! the letters in the end. Until then a letter can't be opened if its subject was erased or the key
//! of its day has expired.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use futures::future::BoxFuture;
use lethe_core::{
    identity::{Token, hex, unhex},
    record::Position,
};
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers},
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    DeadLetters, ErrorKind, Letter, LetterKey, StoreError,
    contract::KafkaConnection,
    kafka::{
        History,
        fault::error,
        sink::producer::{Outbound, Producer},
    },
};

const LETTER: &str = "lethe.letter";
const REMOVED: &str = "lethe.removed";

/// A store of dead letters in one topic.
pub struct KafkaLetters {
    connection: KafkaConnection,
    topic: String,
    producer: Mutex<Producer>,
    /// The scan that the next page continues.
    scan: Mutex<Option<Scan>>,
}

/// A pass over the topic. All removals are read before the first letter is returned.
struct Scan {
    history: History,
    gone: HashSet<[u8; 32]>,
}

impl KafkaLetters {
    /// Opens a producer. Call [`crate::kafka::ensure`] first, which checks the topic.
    pub fn open(connection: &KafkaConnection, topic: &str) -> Result<Self, StoreError> {
        Ok(Self {
            connection: connection.clone(),
            topic: topic.to_owned(),
            producer: Mutex::new(Producer::new(connection, topic)?),
            scan: Mutex::default(),
        })
    }

    async fn scan(&self) -> Result<Scan, StoreError> {
        let (connection, topic) = (self.connection.clone(), self.topic.clone());
        self.blocking(move || {
            let mut gone = HashSet::new();
            let mut history = History::whole(&connection, &topic)?;
            while let Some(removed) = history.next(removed_key)? {
                gone.extend(removed);
            }
            Ok(Scan { history: History::whole(&connection, &topic)?, gone })
        })
        .await
    }

    /// Returns up to `limit` letters that `wanted` accepts. A letter that was written twice is
    /// returned once.
    async fn page(
        &self,
        mut scan: Scan,
        pipeline: String,
        limit: usize,
        wanted: impl Fn(&Letter) -> bool + Send + 'static,
    ) -> Result<(Scan, Vec<Letter>), StoreError> {
        self.blocking(move || {
            let mut letters = Vec::new();
            while letters.len() < limit {
                let Some(read) = scan.history.next(letter)? else { break };
                let Some(letter) = read else { continue };
                if letter.pipeline == pipeline && wanted(&letter) && scan.gone.insert(letter.key) {
                    letters.push(letter);
                }
            }
            Ok((scan, letters))
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        tokio::task::spawn_blocking(work).await.map_err(|_| {
            error(&self.connection, ErrorKind::Internal, "reading the dead letters ended without an answer")
        })?
    }

    async fn forget(&self, letters: &[([u8; 32], Vec<u8>)]) -> Result<(), StoreError> {
        let named: Vec<_> = letters.iter().map(|(key, of)| (hex(key), of)).collect();
        let headers: Vec<_> = named.iter().map(|(name, _)| [(REMOVED, name.as_ref())]).collect();
        let records = named.iter().zip(&headers).map(|((_, of), headers)| Outbound {
            key: Some(of),
            value: None,
            timestamp: None,
            headers,
        });
        self.producer.lock().await.write(records).await.map(|_| ())
    }
}

impl DeadLetters for KafkaLetters {
    fn write(&self, letters: Vec<Letter>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let prepared: Vec<_> = letters.iter().map(|letter| (record_key(letter), Described::new(letter))).collect();
            let headers: Vec<_> = prepared.iter().map(|(_, described)| described.headers()).collect();
            let records = letters.iter().zip(&prepared).zip(&headers).map(|((letter, (key, _)), headers)| Outbound {
                key: Some(key),
                value: Some(&letter.sealed),
                timestamp: None,
                headers,
            });
            let answers = self.producer.lock().await.write(records).await?;
            match answers.iter().find_map(|answer| answer.err()) {
                None => Ok(()),
                Some(code) => Err(error(
                    &self.connection,
                    ErrorKind::Refused,
                    format!(
                        "the topic {:?} refuses a dead letter ({code}): raise its max.message.bytes to 17 MiB",
                        self.topic
                    ),
                )),
            }
        })
    }

    fn list(
        &self,
        pipeline: String,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Letter>, StoreError>> {
        Box::pin(async move {
            let mut under_way = self.scan.lock().await;
            let scan = match (after, under_way.take()) {
                (Some(_), Some(scan)) => scan,
                _ => self.scan().await?,
            };
            let (scan, letters) = self.page(scan, pipeline, limit, |_| true).await?;
            *under_way = Some(scan);
            Ok(letters)
        })
    }

    fn remove(&self, _pipeline: String, keys: Vec<[u8; 32]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // The record may be in any partition: a reader reads all removals of the topic first.
            let letters: Vec<_> = keys.into_iter().map(|key| (key, hex(&key).to_vec())).collect();
            self.forget(&letters).await
        })
    }

    fn expire(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let due = move |letter: &Letter| matches!(&letter.sealed_by, LetterKey::Day(day) if *day < before);
            let scan = self.scan().await?;
            let (_, letters) = self.page(scan, pipeline, usize::MAX, due).await?;
            let gone: Vec<_> = letters.iter().map(|letter| (letter.key, hex(&letter.key).to_vec())).collect();
            self.forget(&gone).await?;
            Ok(gone.len() as u64)
        })
    }
}

fn record_key(letter: &Letter) -> Vec<u8> {
    match &letter.sealed_by {
        LetterKey::Subject(token) => hex(&token.0).to_vec(),
        LetterKey::Day(_) => hex(&letter.key).to_vec(),
    }
}

/// The description of a letter: codes, declared paths and names.
struct Described {
    letter: String,
    reason: String,
    pipeline: String,
    topic: String,
    partition: String,
    offset: String,
    message: String,
}

impl Described {
    fn new(letter: &Letter) -> Self {
        let (by, with) = match &letter.sealed_by {
            LetterKey::Subject(token) => ("subject", String::from_utf8_lossy(&hex(&token.0)).into_owned()),
            LetterKey::Day(day) => ("day", day.clone()),
        };
        let key = String::from_utf8_lossy(&hex(&letter.key)).into_owned();
        let whole = json!({
            "key": key,
            "pipeline": letter.pipeline,
            "stream": &*letter.position.stream,
            "offset": letter.position.offset,
            "reason": letter.reason,
            "rule": letter.rule,
            "path": letter.path,
            "sinks": letter.sinks,
            "sealedBy": by,
            "sealedWith": with,
        });
        let (topic, partition) = letter.position.stream.rsplit_once('|').unwrap_or((&letter.position.stream, "0"));
        let rule = letter.rule.as_deref().map_or_else(String::new, |rule| format!(" ({rule})"));
        let path = letter.path.as_deref().map_or_else(String::new, |path| format!(" at {path}"));
        Self {
            letter: whole.to_string(),
            reason: letter.reason.to_string(),
            pipeline: letter.pipeline.clone(),
            topic: topic.to_owned(),
            partition: partition.to_owned(),
            offset: letter.position.offset.to_string(),
            message: format!("{}{rule}{path}", letter.reason),
        }
    }

    fn headers(&self) -> [(&str, &[u8]); 7] {
        [
            (LETTER, self.letter.as_bytes()),
            ("__connect.errors.topic", self.topic.as_bytes()),
            ("__connect.errors.partition", self.partition.as_bytes()),
            ("__connect.errors.offset", self.offset.as_bytes()),
            ("__connect.errors.connector.name", self.pipeline.as_bytes()),
            ("__connect.errors.exception.class.name", self.reason.as_bytes()),
            ("__connect.errors.exception.message", self.message.as_bytes()),
        ]
    }
}

fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m [u8]> {
    message.headers()?.iter().find(|header| header.key == name)?.value
}

fn removed_key(message: &BorrowedMessage<'_>) -> Option<[u8; 32]> {
    header(message, REMOVED).and_then(unhex)
}

/// Parses a letter. Returns `None` if the record is not a letter.
fn letter(message: &BorrowedMessage<'_>) -> Option<Letter> {
    let sealed = message.payload()?.to_vec();
    let of: Value = serde_json::from_slice(header(message, LETTER)?).ok()?;
    let text = |name: &str| of[name].as_str().map(str::to_owned);
    let with = text("sealedWith")?;
    let sealed_by = match of["sealedBy"].as_str()? {
        "day" => LetterKey::Day(with),
        _ => LetterKey::Subject(Token(unhex(with.as_bytes())?)),
    };
    Some(Letter {
        key: unhex(of["key"].as_str()?.as_bytes())?,
        pipeline: text("pipeline")?,
        position: Position { stream: Arc::from(of["stream"].as_str()?), offset: of["offset"].as_u64()? },
        reason: Cow::Owned(text("reason")?),
        rule: text("rule").map(Cow::Owned),
        path: text("path"),
        sinks: of["sinks"].as_array()?.iter().filter_map(|sink| sink.as_str().map(str::to_owned)).collect(),
        sealed_by,
        sealed,
    })
}
