//! Dead letters in a topic. The record key is the token of the subject if the letter is sealed with
//! the key of a subject, else the key of the letter. The description of a letter is stored in
//! headers: for Lethe as one JSON object, for other tools under the header names of Kafka Connect.
//!
//! A record of a topic can't be deleted on demand. A redriven letter is therefore followed by a
//! record that has no value and names the pipeline, the letter, and the offsets at which the letter
//! was found. Readers skip both. A letter that is written again later has a higher offset, and is
//! listed again. The retention of the topic deletes the letters in the end. Until then a letter
//! can't be opened if its subject was erased or the key of its day has expired.
//!
//! Earlier versions of Lethe named the key of a letter alone, for every pipeline and for ever.
//! Letters have other keys since then, so such a record hides letters of those versions only.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::future::BoxFuture;
use lethe_core::{
    identity::{Token, hex, unhex},
    record::Position,
};
use rdkafka::{Message, error::RDKafkaErrorCode as Code, message::BorrowedMessage};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    DeadLetters, ErrorKind, Letter, LetterKey, StoreError,
    contract::KafkaConnection,
    kafka::{
        History,
        connect::native::headers,
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

/// A pass over the topic for one pipeline. Everything is read once before the first letter is
/// returned, because a letter and its removal may be in different partitions.
struct Scan {
    history: History,
    pipeline: String,
    /// Where each letter is.
    copies: HashMap<[u8; 32], Places>,
    /// Where each removed letter was, in every pipeline if it is `None`.
    removed: HashMap<[u8; 32], Option<Places>>,
    /// Letters that were returned.
    returned: HashSet<[u8; 32]>,
}

/// The last offset of a letter in each partition. There are several only if the topic got more
/// partitions.
type Places = Vec<(i32, i64)>;

fn add(places: &mut Places, partition: i32, offset: i64) {
    match places.iter_mut().find(|(of, _)| *of == partition) {
        Some((_, last)) => *last = offset.max(*last),
        None => places.push((partition, offset)),
    }
}

/// What a record of the topic says.
enum Entry {
    Letter(Box<Letter>),
    Removed(Removed),
}

/// The removal of a letter.
enum Removed {
    /// Of the letters with this key, wherever they are.
    Everywhere([u8; 32]),
    /// Of the letters of a pipeline with this key, up to these offsets.
    Until(String, [u8; 32], Places),
}

impl Scan {
    fn new(connection: &KafkaConnection, topic: &str, pipeline: String) -> Result<Self, StoreError> {
        let (mut copies, mut removed) = (HashMap::<_, Places>::new(), HashMap::<_, Option<Places>>::new());
        let mut history = History::whole(connection, topic)?;
        while let Some(read) = history.next(|message| Some((entry(message)?, message.partition(), message.offset())))? {
            match read {
                Some((Entry::Letter(letter), partition, offset)) if letter.pipeline == pipeline => {
                    add(copies.entry(letter.key).or_default(), partition, offset);
                }
                Some((Entry::Removed(Removed::Until(of, key, places)), ..)) if of == pipeline => {
                    if let Some(known) = removed.entry(key).or_insert_with(|| Some(Places::new())) {
                        for (partition, offset) in places {
                            add(known, partition, offset);
                        }
                    }
                }
                Some((Entry::Removed(Removed::Everywhere(key)), ..)) => {
                    removed.insert(key, None);
                }
                Some((Entry::Letter(_) | Entry::Removed(Removed::Until(..)), ..)) | None => {}
            }
        }
        let history = History::whole(connection, topic)?;
        Ok(Self { history, pipeline, copies, removed, returned: HashSet::new() })
    }

    /// Returns the next letter that was not removed, once.
    fn next(&mut self) -> Result<Option<Letter>, StoreError> {
        loop {
            let read = self.history.next(|message| match entry(message) {
                Some(Entry::Letter(letter)) => Some((letter, message.partition(), message.offset())),
                Some(Entry::Removed(_)) | None => None,
            })?;
            let Some(read) = read else { return Ok(None) };
            if let Some((letter, partition, offset)) = read
                && letter.pipeline == self.pipeline
                && !self.is_removed(&letter.key, partition, offset)
                && self.returned.insert(letter.key)
            {
                return Ok(Some(*letter));
            }
        }
    }

    fn is_removed(&self, key: &[u8; 32], partition: i32, offset: i64) -> bool {
        self.removed.get(key).is_some_and(|places| match places {
            None => true,
            Some(places) => places.iter().any(|(of, last)| *of == partition && offset <= *last),
        })
    }
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

    async fn scan(&self, pipeline: String) -> Result<Scan, StoreError> {
        let (connection, topic) = (self.connection.clone(), self.topic.clone());
        self.blocking(move || Scan::new(&connection, &topic, pipeline)).await
    }

    /// Returns up to `limit` letters that `wanted` accepts. A letter that was written twice is
    /// returned once.
    async fn page(
        &self,
        mut scan: Scan,
        limit: usize,
        wanted: impl Fn(&Letter) -> bool + Send + 'static,
    ) -> Result<(Scan, Vec<Letter>), StoreError> {
        self.blocking(move || {
            let mut letters = Vec::new();
            while letters.len() < limit {
                let Some(letter) = scan.next()? else { break };
                if wanted(&letter) {
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

    /// Writes the removal of letters from where a scan found them.
    async fn forget(&self, scan: &Scan, keys: &[[u8; 32]]) -> Result<(), StoreError> {
        let found = keys.iter().filter_map(|key| Some((hex(key), scan.copies.get(key)?)));
        let named: Vec<_> = found
            .map(|(key, places)| {
                let name = String::from_utf8_lossy(&key).into_owned();
                (key, json!({"key": name, "pipeline": scan.pipeline, "places": places}).to_string())
            })
            .collect();
        let headers: Vec<_> = named.iter().map(|(_, removal)| [(REMOVED, removal.as_bytes())]).collect();
        let records = named.iter().zip(&headers).map(|((key, _), headers)| Outbound {
            key: Some(key),
            value: None,
            timestamp: None,
            headers,
        });
        let answers = self.producer.lock().await.write(records).await?;
        answers.into_iter().find_map(Result::err).map_or(Ok(()), |code| {
            Err(error(
                &self.connection,
                ErrorKind::Refused,
                format!("the topic {:?} refuses the removal of a dead letter ({code})", self.topic),
            ))
        })
    }

    /// Writes letters, whole or cut. Returns for each whether the topic took it.
    async fn send(
        &self,
        letters: &[&Letter],
        sealed: fn(&Letter) -> &[u8],
    ) -> Result<Vec<Result<(), Code>>, StoreError> {
        let prepared: Vec<_> = letters.iter().map(|letter| (record_key(letter), Described::new(letter))).collect();
        let headers: Vec<_> = prepared.iter().map(|(_, described)| described.headers()).collect();
        let records = letters.iter().zip(&prepared).zip(&headers).map(|((letter, (key, _)), headers)| Outbound {
            key: Some(key),
            value: Some(sealed(letter)),
            timestamp: None,
            headers,
        });
        self.producer.lock().await.write(records).await
    }
}

impl DeadLetters for KafkaLetters {
    fn write(&self, letters: Vec<Letter>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let all: Vec<&Letter> = letters.iter().collect();
            let answers = self.send(&all, |letter| &letter.sealed).await?;
            let mut refused: Vec<(&Letter, Code)> =
                all.iter().zip(answers).filter_map(|(letter, answer)| Some((*letter, answer.err()?))).collect();
            let too_large = |code: &Code| matches!(code, Code::MessageSizeTooLarge | Code::InvalidMessageSize);
            let cut: Vec<&Letter> = refused
                .extract_if(.., |(letter, code)| letter.cut.is_some() && too_large(code))
                .map(|(letter, _)| letter)
                .collect();
            if !cut.is_empty() {
                let answers = self.send(&cut, |letter| letter.cut.as_deref().unwrap_or_default()).await?;
                refused.extend(cut.iter().zip(answers).filter_map(|(letter, answer)| Some((*letter, answer.err()?))));
                for Letter { position, .. } in cut {
                    tracing::warn!(
                        topic = self.topic,
                        stream = &*position.stream,
                        offset = position.offset,
                        "the topic of dead letters takes no record of this size: only the start and the digest of \
                         the record are kept, and redrive can't deliver it; raise its max.message.bytes"
                    );
                }
            }
            refused.first().map_or(Ok(()), |(_, code)| {
                Err(error(
                    &self.connection,
                    ErrorKind::Refused,
                    format!("the topic {:?} refuses a dead letter ({code}): raise its max.message.bytes", self.topic),
                ))
            })
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
                (Some(_), Some(scan)) if scan.pipeline == pipeline => scan,
                _ => self.scan(pipeline).await?,
            };
            let (scan, letters) = self.page(scan, limit, |_| true).await?;
            // Nothing follows the last page, so what the scan remembers is dropped.
            *under_way = (!letters.is_empty()).then_some(scan);
            Ok(letters)
        })
    }

    fn remove(&self, pipeline: String, keys: Vec<[u8; 32]>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let under_way = self.scan.lock().await;
            match &*under_way {
                Some(scan) if scan.pipeline == pipeline && keys.iter().all(|key| scan.copies.contains_key(key)) => {
                    self.forget(scan, &keys).await
                }
                _ => self.forget(&self.scan(pipeline).await?, &keys).await,
            }
        })
    }

    fn expire(&self, pipeline: String, before: String) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let due = move |letter: &Letter| matches!(&letter.sealed_by, LetterKey::Day(day) if *day < before);
            let (scan, letters) = self.page(self.scan(pipeline).await?, usize::MAX, due).await?;
            let gone: Vec<_> = letters.iter().map(|letter| letter.key).collect();
            self.forget(&scan, &gone).await?;
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
            "incarnation": &*letter.position.incarnation,
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
    headers(message).find(|(of, _)| *of == name.as_bytes())?.1
}

/// Parses a record of the topic. Returns `None` if another program wrote it.
fn entry(message: &BorrowedMessage<'_>) -> Option<Entry> {
    match header(message, REMOVED) {
        Some(removal) => Some(Entry::Removed(removed(removal)?)),
        None => letter(message).map(|letter| Entry::Letter(Box::new(letter))),
    }
}

fn removed(header: &[u8]) -> Option<Removed> {
    if let Some(key) = unhex(header) {
        return Some(Removed::Everywhere(key));
    }
    let mut of: Value = serde_json::from_slice(header).ok()?;
    let places = serde_json::from_value(of["places"].take()).ok()?;
    Some(Removed::Until(of["pipeline"].as_str()?.to_owned(), unhex(of["key"].as_str()?.as_bytes())?, places))
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
        position: Position {
            stream: Arc::from(of["stream"].as_str()?),
            incarnation: Arc::from(of["incarnation"].as_str().unwrap_or_default()),
            offset: of["offset"].as_u64()?,
        },
        reason: Cow::Owned(text("reason")?),
        rule: text("rule").map(Cow::Owned),
        path: text("path"),
        sinks: of["sinks"].as_array()?.iter().filter_map(|sink| sink.as_str().map(str::to_owned)).collect(),
        sealed_by,
        sealed,
        cut: None,
    })
}
