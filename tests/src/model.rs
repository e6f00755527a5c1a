//! A model of the pipeline in `examples/laptop`. It derives the outcome of each event from the
//! source alone, with other parsers than the engine's: `serde_json`, the `jsonschema` crate and
//! `jiff`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Window of the example's dedupe in milliseconds: 24 h.
const WINDOW: i64 = 24 * 3_600_000;

/// The most that an event's time may be ahead of the clock, in milliseconds: 10 minutes.
const MAX_AHEAD: i64 = 600_000;

/// The outcome of a line before it reaches a sink.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Written to the dead letter for this reason.
    Rejected {
        /// The reason's code.
        reason: &'static str,
        /// Whether the subject can be read. Its key then seals the letter.
        of_subject: bool,
    },
    /// The subject has not given consent.
    Denied,
    /// The subject was erased.
    Fenced,
    /// An event with this id was delivered within the window.
    Duplicate,
    /// Goes to the sinks.
    Accepted(Event),
}

/// An event that goes to the sinks.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its time in milliseconds since 1970.
    pub time: i64,
    /// Id of the person that it is about.
    pub subject: String,
    /// Fields that the pipeline keeps as they are; `None` if the event deletes the profile.
    pub kept: Option<Kept>,
}

/// Fields that the pipeline keeps as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// `/tier`
    pub tier: Option<String>,
    /// `/plan`
    pub plan: Option<String>,
    /// `/address/country`
    pub country: Option<String>,
}

impl Event {
    /// Returns its version: the time in milliseconds, then the slot of its id.
    pub fn version(&self) -> i64 {
        let digest = Sha256::digest(self.id.as_bytes());
        let slot = u64::from_be_bytes(*digest.first_chunk().unwrap()) % 10;
        self.time * 1000 + i64::try_from(slot).unwrap() * 10
    }

    /// Returns whether it deletes the profile.
    pub fn deletes(&self) -> bool {
        self.kept.is_none()
    }
}

/// A line of the file.
pub struct Line {
    /// Offset of its first byte.
    pub offset: u64,
    /// Range of its bytes without the line feed.
    pub bytes: Range<usize>,
    /// Its outcome.
    pub verdict: Verdict,
}

/// Derives the outcomes of lines in their order.
pub struct Model {
    schema: jsonschema::Validator,
    erased: BTreeSet<String>,
    delivered: HashMap<String, i64>,
    newest: i64,
}

impl Model {
    /// Creates the model of this manifest after the erasure of these subjects.
    pub fn new(pipeline: &str, erased: &[&str]) -> Self {
        let manifest: serde_yaml::Value = serde_yaml::from_str(pipeline).unwrap();
        let schema = manifest["spec"]["event"]["schema"]["inline"].as_str().unwrap();
        Self {
            schema: jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap(),
            erased: erased.iter().map(|id| (*id).to_owned()).collect(),
            delivered: HashMap::new(),
            newest: i64::MIN,
        }
    }

    /// Returns the lines of a file with their outcomes.
    pub fn lines(&mut self, file: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut start = 0;
        while start < file.len() {
            let end = file[start..].iter().position(|byte| *byte == b'\n').map_or(file.len(), |at| start + at);
            lines.push(Line { offset: start as u64, bytes: start..end, verdict: self.judge(&file[start..end]) });
            start = end + 1;
        }
        lines
    }

    /// Returns the outcome of a line in a file, if none of its events is of the future.
    fn judge(&mut self, line: &[u8]) -> Verdict {
        self.judge_at(line, i64::MAX)
    }

    /// Returns the outcome of a record that is read at this time.
    pub fn judge_at(&mut self, line: &[u8], now: i64) -> Verdict {
        let rejected = |reason, of_subject| Verdict::Rejected { reason, of_subject };
        let Ok(text) = std::str::from_utf8(line) else { return rejected("InvalidUtf8", false) };
        let Ok(value) = serde_json::from_str::<Value>(text) else { return rejected("NotJson", false) };
        let Some(event) = value.as_object() else { return rejected("NotAnObject", false) };
        let text_of = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
        let erased = text_of("user_id").is_some_and(|id| self.erased.contains(&id));
        let deletes = event.get("deleted") == Some(&Value::Bool(true));
        let agreed = value.pointer("/consent/marketing") == Some(&Value::Bool(true));
        if !deletes && !agreed {
            return Verdict::Denied;
        }
        if !self.schema.is_valid(&value) {
            return if erased {
                Verdict::Fenced
            } else {
                rejected("SchemaViolation", event.get("user_id").is_some_and(|id| id.is_string() || id.is_number()))
            };
        }
        let time = text_of("timestamp").unwrap().parse::<Timestamp>().unwrap().as_millisecond();
        if time > now.saturating_add(MAX_AHEAD) {
            return if erased { Verdict::Fenced } else { rejected("TimeAhead", true) };
        }
        if erased {
            return Verdict::Fenced;
        }
        let id = text_of("event_id").unwrap();
        let inside = |newest: i64, time: i64| time >= newest.saturating_sub(WINDOW);
        if self.delivered.get(&id).is_some_and(|time| inside(self.newest, *time)) {
            return Verdict::Duplicate;
        }
        self.newest = self.newest.max(time);
        if inside(self.newest, time) {
            self.delivered.insert(id.clone(), time);
        }
        let country = value.pointer("/address/country").and_then(Value::as_str).map(str::to_owned);
        let kept = (!deletes).then(|| Kept { tier: text_of("tier"), plan: text_of("plan"), country });
        Verdict::Accepted(Event { id, time, subject: text_of("user_id").unwrap(), kept })
    }
}

/// Returns what a `Latest` sink holds in the end: the newest event of each subject. `id` returns an
/// event's id for the audience of the sink.
pub fn latest<'e>(
    events: impl IntoIterator<Item = &'e Event>,
    id: impl Fn(&Event) -> String,
) -> BTreeMap<String, &'e Event> {
    let mut rows: BTreeMap<String, &Event> = BTreeMap::new();
    for event in events {
        let row = rows.entry(event.subject.clone()).or_insert(event);
        if (event.version(), id(event)) > (row.version(), id(row)) {
            *row = event;
        }
    }
    rows
}

/// The outcomes of an `Append` sink, and the rows that it holds in the end.
pub struct Appended<'e> {
    /// Events written.
    pub delivered: u64,
    /// Deletions carried out.
    pub deleted: u64,
    /// Events that a deletion covers, or that the sink holds already.
    pub stale: u64,
    /// Rows in the end, by subject and id.
    pub rows: BTreeMap<(String, String), &'e Event>,
}

/// Applies the events of a stream to an `Append` sink, in their order.
pub fn append<'e>(events: impl IntoIterator<Item = &'e Event>, id: impl Fn(&Event) -> String) -> Appended<'e> {
    let mut deletions: HashMap<String, (i64, String)> = HashMap::new();
    let mut of_subject: BTreeMap<String, BTreeMap<String, &Event>> = BTreeMap::new();
    let (mut delivered, mut deleted, mut stale) = (0, 0, 0);
    for event in events {
        let order = (event.version(), id(event));
        let rows = of_subject.entry(event.subject.clone()).or_default();
        if deletions.get(&event.subject).is_some_and(|deletion| order <= *deletion) {
            stale += 1;
        } else if event.deletes() {
            rows.retain(|other, row| (row.version(), other) > (order.0, &order.1));
            deletions.insert(event.subject.clone(), order);
            deleted += 1;
        } else if rows.get(&order.1).is_some_and(|row| row.version() >= order.0) {
            stale += 1;
        } else {
            rows.insert(order.1, event);
            delivered += 1;
        }
    }
    let rows = of_subject
        .into_iter()
        .flat_map(|(subject, rows)| rows.into_iter().map(move |(id, event)| ((subject.clone(), id), event)))
        .collect();
    Appended { delivered, deleted, stale, rows }
}
