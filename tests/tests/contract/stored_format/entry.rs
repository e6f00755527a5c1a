//! A row, document or record of a store, as a line of JSON.

use serde_json::{Map, Value, json};

/// Tables and collections whose rows change with every run: how far it came.
const CHANGING: [&str; 1] = ["lethe_progress"];

/// A row, document or record.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its table, collection or topic.
    pub place: String,
    /// What it holds.
    pub row: Value,
    /// The time of its write, in microseconds; where a store keeps one.
    pub written: Option<i64>,
}

impl Entry {
    /// A row of a store that keeps nothing beside it.
    pub fn new(place: &str, row: Value) -> Self {
        Self { place: place.to_owned(), row, written: None }
    }

    /// Its line.
    pub fn line(&self) -> String {
        let mut line = Map::new();
        line.insert("place".to_owned(), json!(self.place));
        line.insert("row".to_owned(), self.row.clone());
        line.extend(self.written.map(|at| ("written".to_owned(), json!(at))));
        Value::Object(line).to_string()
    }

    /// Whether the other one differs from this one by the version of its sealed values alone.
    fn is_sealed_again(&self, other: &Self) -> bool {
        let (Value::Object(row), Value::Object(again)) = (&self.row, &other.row) else { return false };
        let is_same = |(name, value): (&String, &Value)| {
            again.get(name).is_some_and(|other| match sealed_class(value, 1) {
                Some(class) => sealed_class(other, 2) == Some(class),
                None => other == value,
            })
        };
        (&self.place, self.written) == (&other.place, other.written)
            && row.len() == again.len()
            && row.iter().all(is_same)
    }

    /// The entry of a line.
    pub fn of(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).unwrap();
        Self {
            place: line["place"].as_str().unwrap().to_owned(),
            row: line["row"].clone(),
            written: line["written"].as_i64(),
        }
    }
}

/// Fails the test unless every entry of before is there as it was. Where a store keeps the times of
/// writes, an event that is written again at the same time may have replaced sealed values of
/// version 1: the greater of two values wins, and each column of the row has the same winner.
#[track_caller]
pub fn is_kept(before: &[Entry], after: &[Entry]) {
    for entry in before.iter().filter(|entry| !CHANGING.contains(&&*entry.place)) {
        let sealed_again = || after.iter().any(|other| entry.is_sealed_again(other));
        assert!(after.contains(entry) || entry.written.is_some() && sealed_again(), "it changed: {entry:?}");
    }
}

/// Returns the protection class of a value that is sealed in this version.
fn sealed_class(value: &Value, version: u8) -> Option<&str> {
    let sealed = value.as_str()?.strip_prefix("lethe:")?.strip_prefix(&format!("{version}:"))?;
    sealed.split_once(':').map(|(class, _)| class)
}
