//! A file of JSON lines. It holds every event and has no state by subject: of the laws it keeps
//! those of every sink, by going back to its mark.

use std::{fs, path::PathBuf};

use lethe_core::keys::FileKey;
use lethe_crds::profile_pipeline::Compression;
use lethe_stores::file::{FileSink, FileSinkOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    fixture::{Fixture, Row, Shape, SinkStore, Subjects},
    laws::sink::sink_laws,
};

sink_laws!(File);

struct File {
    _dir: TempDir,
    path: PathBuf,
}

impl Fixture for File {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        Self { _dir: dir, path }
    }
}

impl SinkStore for File {
    type Sink = FileSink;

    const CASES: u32 = 96;

    async fn open(&self, shape: Shape) -> FileSink {
        assert_eq!(shape, Shape::Append, "a file holds every event");
        let options =
            FileSinkOptions { path: self.path.clone(), compression: Compression::None, key: FileKey::public() };
        FileSink::new(options).unwrap()
    }

    async fn rows(&self, _: Shape, of: &Subjects) -> Vec<Row> {
        let text = fs::read_to_string(&self.path).unwrap();
        let rows = text.lines().map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            let subject = of.find(value["subject_ref"].as_str().unwrap()).unwrap();
            let document = value.get("deleted").is_none().then_some(&value);
            let version = value.pointer("/address/city").map_or(0, |city| city.as_str().unwrap().parse().unwrap());
            let row = Row::of(subject, value["event_id"].as_str().unwrap(), version, document);
            Row { whole: line.to_owned(), ..row }
        });
        rows.collect()
    }
}
