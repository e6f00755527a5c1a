//! What a law needs of a store: a place of its own, workers that write to it, and a reader of what
//! it holds that does not go through Lethe.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use lethe_core::identity::{Reference, Token};
use lethe_stores::{DeadLetters, Records, Sink, StoreError, Vault};
use serde_json::Value;

use crate::event::Event;

/// A place for one law. Stores that take long to make a place share one in the whole binary;
/// subjects, spaces, pipelines and master keys of a law are its own ([`Subjects`], [`Names`]).
pub trait Fixture: Sized {
    /// Makes the place.
    async fn new() -> Self;

    /// Removes it after the law.
    async fn end(self) {}
}

/// What a sink's place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The latest state of each subject.
    Latest,
    /// Every event, by its id.
    Append,
    /// Every event, by its time and id.
    AppendByTime,
}

impl Shape {
    /// How a manifest declares it.
    pub fn records(self) -> lethe_crds::profile_pipeline::Records {
        use lethe_crds::profile_pipeline::Records;
        match self {
            Shape::Latest => Records::Latest,
            Shape::Append | Shape::AppendByTime => Records::Append,
        }
    }
}

/// A store with a sink.
pub trait SinkStore: Fixture {
    /// Its sink.
    type Sink: Sink + 'static;

    /// Generated cases of a property.
    const CASES: u32;

    /// Opens the place as another worker, which remembers nothing.
    async fn open(&self, shape: Shape) -> Self::Sink;

    /// What the place holds of these subjects. In the order of a log, else by subject, version and
    /// id.
    async fn rows(&self, shape: Shape, of: &Subjects) -> Vec<Row>;
}

/// A store that can hold the latest state of each subject, written by one worker.
pub trait LatestStore: SinkStore {
    /// What it shows of a deletion.
    const DELETION: Deletion;
}

/// What a store shows of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// A marker without the event's fields.
    Marker,
    /// Nothing; the store itself knows what was deleted.
    Hidden,
}

/// A store whose tables may be written by any number of workers.
pub trait TableStore: LatestStore {
    /// From what it answers that an event changed nothing.
    const ANSWERS: Answers;
}

/// From what a sink answers that an event changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// From the row: `Stale`, whichever worker wrote it. Workers may write two events of one
    /// version.
    Row,
    /// From what this worker wrote: an event that another worker made stale counts as delivered. Of
    /// two events of one version that two workers write at once either may stay.
    Memory,
}

/// A store that refuses single records.
pub trait RefusingStore: TableStore {
    /// A document that it refuses. It holds the word `hunter2`.
    const MISFIT: &'static str;
    /// The rule and the path by which it is refused.
    const MISFIT_RULE: (&'static str, Option<&'static str>);
    /// Bytes of a document that it takes.
    const LARGE: usize;
    /// Bytes of documents that it refuses.
    const TOO_LARGE: &'static [usize];
}

/// A store whose records can be found by subject.
pub trait RecordsStore: TableStore {
    /// Reads the place of a shape.
    async fn records(&self, shape: Shape) -> Box<dyn Records>;

    /// Reads a place that was never made.
    async fn absent(&self) -> Box<dyn Records>;

    /// The document that is found of an event, but for its `event_time`.
    fn found(event: &Event, of: &Subjects) -> Value;
}

/// A store that can hold keys and what is stored beside them.
pub trait VaultStore: Fixture {
    /// Generated cases of a property.
    const CASES: u32;

    /// Opens it as another worker, which remembers nothing.
    async fn vault(&self) -> Arc<dyn Vault>;

    /// Destroys the keys of a subject; returns how many were live.
    async fn shred(&self, space: String, token: Token) -> Result<u64, StoreError>;

    /// Number of the subject's rows that still hold sealed bytes or name a master.
    async fn sealed_rows(&self, space: String, token: Token) -> u64;

    /// Attestations of a key's retirement.
    async fn attestations(&self, key: String) -> Vec<String>;

    /// Lines of the audit record, in its order.
    async fn audit_lines(&self) -> Vec<String>;
}

/// A key store that is made only when a worker opens it.
pub trait AbsentVaultStore: Fixture {
    /// Whether a look finds a vault in a place that this fixture has not used yet.
    async fn look(&self) -> bool;

    /// Makes a vault there.
    async fn make(&self);

    /// Whether the server has anything under the name of that place.
    async fn is_anything_there(&self) -> bool;
}

/// A store of dead letters.
pub trait DeadLetterStore: Fixture {
    /// Generated cases of a property.
    const CASES: u32;

    /// Opens it as another worker.
    async fn letters(&self) -> Arc<dyn DeadLetters>;
}

/// Subjects that no other law uses.
pub struct Subjects(u32);

/// Subjects of a [`Subjects`], at most.
pub const SUBJECTS: u8 = 16;

impl Subjects {
    /// Subjects of which nothing was written yet.
    pub fn new() -> Self {
        Self(number())
    }

    /// The reference of one of them.
    pub fn reference(&self, subject: u8) -> Reference {
        assert!(subject < SUBJECTS);
        let mut bytes = [subject; 32];
        bytes[..4].copy_from_slice(&self.0.to_be_bytes());
        Reference(bytes)
    }

    /// The references of all, as text.
    pub fn references(&self) -> Vec<String> {
        (0..SUBJECTS).map(|subject| self.reference(subject).to_string()).collect()
    }

    /// Which of them a reference names; `None` for a subject of another law.
    pub fn find(&self, reference: &str) -> Option<u8> {
        (0..SUBJECTS).find(|subject| self.reference(*subject).to_string() == reference)
    }
}

/// A token as stores write it in text.
pub fn hex(token: Token) -> String {
    String::from_utf8(lethe_core::identity::hex(&token.0).to_vec()).unwrap()
}

/// A number that no other law of this run has.
pub fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The name of the keyspace or database of this run: its start and its process.
pub fn run_name() -> &'static str {
    static NAME: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("{PREFIX}{}_{}", seconds(), std::process::id()));
    &NAME
}

const PREFIX: &str = "lethe_contract_";

/// Whether a keyspace or database is one that a run left behind more than an hour ago.
pub fn is_left_over(name: &str) -> bool {
    let start = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
    start.and_then(|start| start.parse::<u64>().ok()).is_some_and(|start| start + 3600 < seconds())
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a store shows of an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Its subject.
    pub subject: u8,
    /// Its version; 0 where the store does not show it.
    pub version: i64,
    /// Its id.
    pub id: String,
    /// It is a deletion.
    pub is_deleted: bool,
    /// Its field `/plan`.
    pub plan: Option<String>,
    /// Its field `/address/city`.
    pub city: Option<String>,
}

/// A row as a reader sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The event.
    pub seen: Seen,
    /// When it expires.
    pub expires: Option<Expiry>,
    /// Every cell of it, and what the store keeps beside them.
    pub whole: String,
}

impl Row {
    /// A row with the fields of a document.
    pub fn of(subject: u8, id: &str, version: i64, document: Option<&Value>) -> Self {
        let field = |path: &str| {
            let value = document?.pointer(path)?;
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let seen = Seen {
            subject,
            version,
            id: id.to_owned(),
            is_deleted: document.is_none(),
            plan: field("/plan"),
            city: field("/address/city"),
        };
        Self { seen, expires: None, whole: String::new() }
    }
}

/// What is seen of each row.
pub fn seen(rows: &[Row]) -> Vec<Seen> {
    rows.iter().map(|row| row.seen.clone()).collect()
}

/// The ids of rows that hold a document.
pub fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().filter(|row| !row.seen.is_deleted).map(|row| row.seen.id.as_str()).collect()
}

/// Milliseconds since 1970. Two are the same within 2 s: Cassandra keeps an expiry to the second,
/// and shows it by the clocks of two machines.
#[derive(Clone, Copy)]
pub struct Expiry(pub i64);

impl PartialEq for Expiry {
    fn eq(&self, other: &Self) -> bool {
        self.0.abs_diff(other.0) <= 2000
    }
}

impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
