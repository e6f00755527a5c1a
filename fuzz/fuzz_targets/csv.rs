//! Files with any bytes as a source. Nothing panics and offsets ascend. Batches of any size give
//! the same records. A source that continues at a record's offset, or at the offset after a batch,
//! gives exactly the rest; at any other offset it does not panic.
//!
//! The first byte chooses the format and the delimiter, the second the size of batches, the third
//! the longest event, the fourth where to continue.

#![no_main]

use std::{fs, path::PathBuf, sync::OnceLock};

use lethe_core::reason::Reason;
use lethe_crds::profile_pipeline::{CsvCell, CsvColumn, FileFormat};
use lethe_stores::{
    FilePosition, Source,
    file::{FileSource, FileSourceOptions},
};
use libfuzzer_sys::fuzz_target;

/// A record with its own bytes.
#[derive(Clone, Debug, PartialEq)]
struct One {
    offset: u64,
    value: Vec<u8>,
    unreadable: Option<Reason>,
}

fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| std::env::temp_dir().join(format!("lethe-fuzz-csv-{}", std::process::id())))
}

fn options(choice: u8, longest: u8, resume: u64) -> FileSourceOptions {
    let name = path().to_string_lossy().into_owned();
    let format = if choice & 1 == 0 { FileFormat::Csv } else { FileFormat::Ndjson };
    let mut options = FileSourceOptions::new(name.clone(), format, 0);
    options.delimiter = if choice & 2 == 0 { b',' } else { b';' };
    options.max_event_bytes = if longest == 0 { 1024 * 1024 } else { usize::from(longest) };
    if choice & 4 != 0 {
        let column = |header: &str, key: Option<&str>, cell| CsvColumn {
            header: header.to_owned(),
            key: key.map(str::to_owned),
            cell: Some(cell),
        };
        options.columns = vec![column("a", Some("b"), CsvCell::Number), column("c", None, CsvCell::Boolean)];
    }
    options.resume.insert(name, FilePosition { offset: resume, fingerprint: None });
    options
}

/// Returns every record, and the offsets to continue from after each batch; `None` if the file is
/// refused or breaks off.
fn read(options: FileSourceOptions, batch: usize) -> Option<(Vec<One>, Vec<u64>)> {
    let mut source = FileSource::open(options).ok()?;
    let (mut records, mut marks) = (Vec::new(), Vec::new());
    while let Some(batch) = source.next_batch(batch).ok()? {
        assert!(!batch.records.is_empty(), "a batch of nothing");
        for record in &batch.records {
            let value = batch.bytes[record.value.clone().expect("a file holds no tombstones")].to_vec();
            records.push(One { offset: record.offset, value, unreadable: record.unreadable });
        }
        let last = batch.records.last().map(|record| record.offset);
        assert!(last < Some(batch.next_offset), "a batch that ends before its last record");
        marks.push(batch.next_offset);
    }
    Some((records, marks))
}

fuzz_target!(|data: &[u8]| {
    let [choice, batch, longest, at, bytes @ ..] = data else { return };
    let (choice, batch, longest, at) = (*choice, usize::from(*batch) + 1, *longest, usize::from(*at));
    fs::write(path(), bytes).expect("a file to write");
    let whole = read(options(choice, longest, 0), 4096);
    let any = at as u64 % (bytes.len() as u64 + 1);
    let _ = read(options(choice, longest, any), batch);
    let Some((records, _)) = whole else { return };
    assert!(records.is_sorted_by(|a, b| a.offset < b.offset), "offsets don't ascend");
    if choice & 1 == 0 {
        for record in records.iter().filter(|record| record.unreadable.is_none()) {
            let row = serde_json::from_slice::<serde_json::Value>(&record.value);
            // A number beyond every float is valid in JSON's grammar; the engine rejects it for its
            // own reason.
            let far = |error: serde_json::Error| error.to_string().contains("out of range");
            assert!(row.map_or_else(far, |row| row.is_object()), "a row is no object");
        }
    }
    let (again, marks) = read(options(choice, longest, 0), batch).expect("read a second time");
    assert_eq!(again, records, "smaller batches give other records");
    let rest = |from: u64| records.iter().filter(|record| record.offset >= from).cloned().collect::<Vec<_>>();
    let mark = records.get(at % records.len().max(1)).map(|record| record.offset);
    for from in mark.into_iter().chain(marks.get(at % marks.len().max(1)).copied()) {
        let resumed = read(options(choice, longest, from), batch).expect("gone on with");
        assert_eq!(resumed.0, rest(from), "going on at {from} gives other records");
    }
});
