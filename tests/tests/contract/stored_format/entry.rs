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

/// Fails the test unless every entry of before is there as it was.
#[track_caller]
pub fn is_kept(before: &[Entry], after: &[Entry]) {
    for entry in before.iter().filter(|entry| !CHANGING.contains(&&*entry.place)) {
        assert!(after.contains(entry), "it changed: {entry:?}");
    }
}
