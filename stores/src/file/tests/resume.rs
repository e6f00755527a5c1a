//! Sources of files are read as a whole and resumed at every boundary. Files without valid events
//! are reported.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use lethe_core::reason::Reason;
use lethe_crds::profile_pipeline::{CsvCell, CsvColumn, FileFormat};
use proptest::prelude::*;

use crate::{
    ErrorKind, FilePosition, Source, StoreError,
    file::{
        FileSource, FileSourceOptions,
        source::{input::Input, ndjson::Lines, window::Window},
    },
};

/// A record without its batch: offset, bytes and the reason why it is unreadable.
pub(super) type Plain = (u64, String, Option<Reason>);

/// Returns all records, and the position to resume at after each batch.
pub(super) fn read(source: &mut FileSource, max: usize) -> Result<(Vec<Plain>, Vec<FilePosition>), StoreError> {
    let (mut records, mut next) = (Vec::new(), Vec::new());
    while let Some(batch) = source.next_batch(max)? {
        assert!(!batch.records.is_empty() && batch.records.len() <= max);
        for record in &batch.records {
            let value = String::from_utf8_lossy(&batch.bytes[record.value.clone().unwrap()]).into_owned();
            records.push((record.offset, value, record.unreadable));
        }
        let position = source.position().unwrap();
        assert_eq!(position.offset, batch.next_offset);
        next.push(position);
    }
    Ok((records, next))
}

pub(super) fn options(path: &Path, format: FileFormat) -> FileSourceOptions {
    FileSourceOptions::new(path.to_str().unwrap(), format, 7)
}

fn all(path: &Path, format: FileFormat) -> Vec<Plain> {
    read(&mut FileSource::open(options(path, format)).unwrap(), 1000).unwrap().0
}

fn values(records: &[Plain]) -> Vec<&str> {
    records.iter().map(|(_, value, _)| value.as_str()).collect()
}

pub(super) fn file(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Compresses into two members, split in the middle.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let (a, b) = bytes.split_at(bytes.len() / 2);
    [a, b]
        .iter()
        .flat_map(|part| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        })
        .collect()
}

/// Compresses into two frames, split in the middle.
fn zstd_frames(bytes: &[u8]) -> Vec<u8> {
    let (a, b) = bytes.split_at(bytes.len() / 2);
    [a, b].iter().flat_map(|part| zstd::stream::encode_all(*part, 1).unwrap()).collect()
}

fn goes_on_from_every_boundary(text: &[u8], format: FileFormat, max_event_bytes: usize) {
    let dir = tempfile::tempdir().unwrap();
    let suffix = if format == FileFormat::Csv { "csv" } else { "ndjson" };
    let paths = [
        file(&dir, &format!("plain.{suffix}"), text),
        file(&dir, &format!("a.{suffix}.gz"), &gzip(text)),
        file(&dir, &format!("b.{suffix}.zst"), &zstd_frames(text)),
        file(&dir, &format!("magic.{suffix}"), &gzip(text)),
    ];
    let options = |path: &Path| FileSourceOptions { max_event_bytes, ..options(path, format) };
    let (whole, _) = read(&mut FileSource::open(options(&paths[0])).unwrap(), 1000).unwrap();
    for path in &paths {
        let (one_by_one, boundaries) = read(&mut FileSource::open(options(path)).unwrap(), 1).unwrap();
        assert_eq!(one_by_one, whole, "{}", path.display());
        for (done, boundary) in boundaries.iter().enumerate() {
            let resume = BTreeMap::from([(path.to_str().unwrap().to_owned(), *boundary)]);
            let mut source = FileSource::open(FileSourceOptions { resume, ..options(path) }).unwrap();
            assert_eq!(read(&mut source, 3).unwrap().0, whole[done + 1..], "{} at {boundary:?}", path.display());
            assert_eq!(source.take_replaced(), Vec::<String>::new());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ndjson_goes_on_from_every_boundary(
        bom in any::<bool>(),
        text in "(\\{\"a\":[0-9]{1,3}\\}|\\{\"long\":\"[a-z]{20,30}\"\\}| |\n|\r\n|\n\n){0,20}",
    ) {
        let text = if bom { format!("\u{feff}{text}") } else { text };
        goes_on_from_every_boundary(text.as_bytes(), FileFormat::Ndjson, 16);
    }

    #[test]
    fn csv_goes_on_from_every_boundary(
        bom in any::<bool>(),
        rows in "((([a-z]{0,3}|\"[a-z,\n]{0,4}(\"\")?\"|[a-z]\"|\"[a-z]),){0,1}([a-z]{0,3}|\"[a-z]{9,20}\"|é)(\n|\r\n|\n\n)){0,12}",
    ) {
        let text = format!("{}id,name\r\n{rows}", if bom { "\u{feff}" } else { "" });
        goes_on_from_every_boundary(text.as_bytes(), FileFormat::Csv, 16);
    }

    #[test]
    fn no_junk_stalls_or_stops_a_source(bytes in prop::collection::vec(any::<u8>(), 0..300), name in 0usize..4) {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir, ["junk", "junk.gz", "junk.zst", "junk.csv"][name], &bytes);
        for format in [FileFormat::Ndjson, FileFormat::Csv] {
            let options = FileSourceOptions { max_event_bytes: 20, ..options(&path, format) };
            // Junk may begin as UTF-16 does.
            let Ok(mut source) = FileSource::open(options) else { continue };
            // Either it is read to its end, or every later read returns the same error.
            if let Err(error) = read(&mut source, 5) {
                let again = source.next_batch(5).unwrap_err();
                prop_assert_eq!(error.to_string(), again.to_string());
            }
        }
    }

    /// Lines cross the edges of the window, wherever the reads of the input end.
    #[test]
    fn the_way_an_input_is_cut_changes_nothing(
        text in "(\\{\"a\":[0-9]{1,9}\\}|\n|\r\n){0,30}",
        sizes in prop::collection::vec(1usize..7, 1..5),
    ) {
        struct Drip(io::Cursor<Vec<u8>>, Vec<usize>, usize);
        impl Read for Drip {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.2 += 1;
                let size = self.1[self.2 % self.1.len()].min(buffer.len());
                self.0.read(&mut buffer[..size])
            }
        }
        let lines = Lines { stream: Arc::from("x"), timestamp: None, max_bytes: 12 };
        let read = |input: Input| {
            let mut window = Window::new(input);
            let mut out = Vec::new();
            while let Some(batch) = lines.next(&mut window, 2) {
                out.extend(batch.records.iter().map(|r| (r.offset, batch.bytes[r.value.clone().unwrap()].to_vec(), r.unreadable)));
            }
            out
        };
        let mut live = Input::of(Drip(io::Cursor::new(text.clone().into_bytes()), sizes, 0));
        live.live = true;
        prop_assert_eq!(read(live), read(Input::of(io::Cursor::new(text.into_bytes()))));
    }
}

#[test]
fn lines_are_read_with_any_ending_and_blank_ones_are_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "x.ndjson", b"\xef\xbb\xbf{\"a\":1}\r\n\n  \r\n{\"a\":2}\n{\"a\":3}");
    let wanted = [(3, "{\"a\":1}".into(), None), (17, "{\"a\":2}".into(), None), (25, "{\"a\":3}".into(), None)];
    assert_eq!(all(&path, FileFormat::Ndjson), wanted);
}

#[test]
fn files_follow_each_other_and_carry_their_names() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("b.ndjson", "{\"n\":2}\n"), ("a.ndjson", "{\"n\":1}"), ("c.ndjson", "")] {
        file(&dir, name, text.as_bytes());
    }
    let mut source = FileSource::open(options(&dir.path().join("*.ndjson"), FileFormat::Ndjson)).unwrap();
    let mut seen = Vec::new();
    while let Some(batch) = source.next_batch(100).unwrap() {
        assert!(batch.records[0].timestamp.unwrap() > 1_600_000_000_000);
        seen.push((batch.stream.rsplit('/').next().unwrap().to_owned(), batch.next_offset));
    }
    assert_eq!(seen, [("a.ndjson".to_owned(), 7), ("b.ndjson".to_owned(), 8)]);
    assert_eq!((source.total_bytes(), source.bytes_read()), (Some(15), 15));
}

#[test]
fn a_line_too_long_is_one_record_and_its_neighbours_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = b"{\"n\":1}\n".to_vec();
    text.resize(text.len() + 50_000_000, b'x');
    text.extend_from_slice(b"\n{\"n\":2}\n");
    let records = all(&file(&dir, "x.ndjson", &text), FileFormat::Ndjson);
    assert_eq!(records.len(), 3);
    assert_eq!((records[1].0, records[1].1.len(), records[1].2), (8, crate::file::CUT, Some(Reason::TooLarge)));
    assert_eq!((records[2].0, records[2].1.as_str()), (50_000_009, "{\"n\":2}"));
}

#[test]
fn a_file_cut_below_its_offset_is_read_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [("x.ndjson", b"{}\n".to_vec()), ("x.gz", gzip(b"{}\n"))] {
        let path = file(&dir, name, &bytes);
        let name = path.to_str().unwrap().to_owned();
        let position = FilePosition { offset: 100, fingerprint: None };
        let resume = BTreeMap::from([(name.clone(), position)]);
        let mut source = FileSource::open(FileSourceOptions { resume, ..options(&path, FileFormat::Ndjson) }).unwrap();
        assert_eq!(read(&mut source, 1).unwrap().0.len(), 1);
        assert_eq!(source.take_replaced(), [name]);
    }
}

#[test]
fn a_damaged_file_gives_its_good_records_and_then_says_where_it_broke() {
    let dir = tempfile::tempdir().unwrap();
    let text: String =
        (0..50_000).flat_map(|n| ["{\"n\":".to_owned(), (n * 7919 % 100_003).to_string(), "}\n".to_owned()]).collect();
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 100].to_vec();
    let mut flipped = zstd_frames(text.as_bytes());
    let frames = [0x28, 0xb5, 0x2f, 0xfd];
    let second = memchr::memmem::rfind(&flipped, &frames).unwrap();
    flipped[second..second + 4].fill(0xff);
    for (name, bytes) in [
        ("cut.gz", cut(gzip(text.as_bytes()))),
        ("cut.zst", cut(zstd_frames(text.as_bytes()))),
        ("flipped.zst", flipped),
    ] {
        let path = file(&dir, name, &bytes);
        let mut source = FileSource::open(options(&path, FileFormat::Ndjson)).unwrap();
        let mut given = String::new();
        let error = loop {
            match source.next_batch(1000) {
                Ok(Some(batch)) => {
                    for record in &batch.records {
                        given.push_str(std::str::from_utf8(&batch.bytes[record.value.clone().unwrap()]).unwrap());
                        given.push('\n');
                    }
                }
                Ok(None) => panic!("{name} was read to its end"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(given.len() > text.len() / 3 && text.starts_with(&given), "{name}");
        assert!(error.contains(name) && error.contains(&format!("after byte {}", given.len())), "{error}");
        assert_eq!(source.next_batch(1).unwrap_err().to_string(), error);
    }
}

fn csv(text: &[u8], columns: &[(&str, Option<&str>, CsvCell)]) -> Result<Vec<Plain>, StoreError> {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "x.csv", text);
    let columns = columns
        .iter()
        .map(|(header, key, cell)| CsvColumn {
            header: (*header).to_owned(),
            key: key.map(str::to_owned),
            cell: Some(*cell),
        })
        .collect();
    let mut source = FileSource::open(FileSourceOptions { columns, ..options(&path, FileFormat::Csv) })?;
    Ok(read(&mut source, 100)?.0)
}

#[test]
fn rows_become_objects_with_cells_of_their_types() {
    let text =
        b"id,Full Name,age,ok,note\n1,\"Doe, \"\"J\"\"\nX\",42,TRUE,\n007,,+5,maybe,a\tb\r\n-0.5e3,x,1e,False,\"\"\n";
    let columns = [
        ("id", None, CsvCell::Number),
        ("Full Name", Some("name"), CsvCell::Text),
        ("age", None, CsvCell::Number),
        ("ok", None, CsvCell::Boolean),
    ];
    let records = csv(text, &columns).unwrap();
    assert_eq!(
        values(&records),
        [
            r#"{"id":1,"name":"Doe, \"J\"\nX","age":42,"ok":true}"#,
            r#"{"id":"007","age":"+5","ok":"maybe","note":"a\tb"}"#,
            r#"{"id":-0.5e3,"name":"x","age":"1e","ok":false}"#,
        ]
    );
}

#[test]
fn a_bad_row_is_one_record_and_its_neighbours_are_read() {
    let records = csv(b"a,b\n1,2\n3\n4,5,6\n\"7,8\n9,\xff\n\"x\"y,1\n10,11\n", &[]).unwrap();
    let reasons: Vec<Option<Reason>> = records.iter().map(|record| record.2).collect();
    use Reason::{InvalidUtf8, NotCsv, RowLength};
    let bad = [RowLength, RowLength, NotCsv, InvalidUtf8, NotCsv].map(Some);
    assert_eq!(reasons, [&[None][..], &bad, &[None]].concat());
    assert_eq!(values(&records)[3], "\"7,8");
    assert_eq!((records[6].0, values(&records)[6]), (32, r#"{"a":"10","b":"11"}"#));
}

#[test]
fn a_header_that_does_not_fit_is_explained_without_quoting_it() {
    let message = |text: &[u8], columns: &[(&str, Option<&str>, CsvCell)]| csv(text, columns).unwrap_err().to_string();
    let lacking = message(b"Jane Doe,b\n", &[("email", None, CsvCell::Text)]);
    assert!(lacking.contains("lacks the declared column email") && !lacking.contains("Jane"), "{lacking}");
    let twice = message(b"Jane,b,Jane\n", &[]);
    assert!(twice.contains("columns 1 and 3 the same name") && !twice.contains("Jane"), "{twice}");
    assert!(message(b"a,,c\n", &[]).contains("gives column 2 no name"));
    assert!(message(b"a,\"b\n1,2\n", &[]).contains("a quote in it has no other"));
    assert!(message(b"a,\xff\n", &[]).contains("is no UTF-8"));
    assert!(message(b"a,b\n", &[("a", Some("b"), CsvCell::Text)]).contains("columns 1 and 2"));
    assert_eq!(csv(b"", &[]).unwrap(), []);
    assert_eq!(csv(b"a,b", &[]).unwrap(), []);
}

#[test]
fn a_delimiter_that_can_t_be_one_is_refused() {
    for delimiter in [b'"', b'\n', b'\r', 0xe9] {
        let options = FileSourceOptions { delimiter, ..FileSourceOptions::new("-", FileFormat::Csv, 0) };
        assert!(matches!(FileSource::open(options), Err(StoreError { kind: ErrorKind::Mismatch, .. })));
    }
}
