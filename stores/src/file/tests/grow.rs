//! Files that grow, that end in the middle of a line, and that are replaced by others.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
};

use lethe_crds::profile_pipeline::FileFormat;
use proptest::prelude::*;

use super::resume::{Plain, file, gzip, options, read};
use crate::{
    FilePosition, Source,
    file::{FileEnd, FileSource, FileSourceOptions},
};

const LONGEST: usize = 16;

fn open(path: &Path, format: FileFormat, end: FileEnd, resume: Option<FilePosition>) -> FileSource {
    let name = path.to_str().unwrap().to_owned();
    let resume: BTreeMap<_, _> = resume.into_iter().map(|position| (name.clone(), position)).collect();
    FileSource::open(FileSourceOptions { resume, end, ..options(path, format) }).unwrap()
}

/// Reads what is there now, with batches of `max` records.
fn poll(source: &mut FileSource, max: usize) -> (Vec<Plain>, Option<FilePosition>) {
    let (records, positions) = read(source, max).unwrap();
    (records, positions.last().copied())
}

fn values(records: &[Plain]) -> Vec<&str> {
    records.iter().map(|(_, value, _)| value.as_str()).collect()
}

fn a_follower_takes_each_line_once(text: &[u8], format: FileFormat, cuts: &[prop::sample::Index], restarts: bool) {
    let dir = tempfile::tempdir().unwrap();
    let whole = file(&dir, "whole", text);
    let of = |path: &Path, resume| {
        let name = path.to_str().unwrap().to_owned();
        let resume: BTreeMap<_, _> = Option::into_iter(resume).map(|position| (name.clone(), position)).collect();
        let options = options(path, format);
        let options = FileSourceOptions { resume, max_event_bytes: LONGEST, end: FileEnd::Grows, ..options };
        FileSource::open(options).unwrap()
    };
    let wanted = poll(&mut of(&whole, None), 1000).0;
    let path = file(&dir, "grows", b"");
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([text.len()]).collect();
    cuts.sort_unstable();
    let (mut source, mut position, mut found) = (of(&path, None), None, Vec::new());
    for cut in cuts {
        fs::write(&path, &text[..cut]).unwrap();
        if restarts {
            source = of(&path, position);
        }
        let (records, last) = poll(&mut source, 2);
        found.extend(records);
        position = last.or(position);
        assert_eq!(source.take_replaced(), Vec::<String>::new(), "at {cut}");
    }
    assert_eq!(found, wanted);
}

fn a_line_that_grew_is_read_whole(text: &[u8], format: FileFormat, cut: usize, follows: bool) {
    let dir = tempfile::tempdir().unwrap();
    let whole = poll(&mut open(&file(&dir, "whole", text), format, FileEnd::Final, None), 1000).0;
    let path = file(&dir, "grows", &text[..cut]);
    let (first, position) = poll(&mut open(&path, format, FileEnd::Final, None), 2);
    assert_eq!(poll(&mut open(&path, format, FileEnd::Final, position), 2).0, []);
    fs::write(&path, text).unwrap();
    let end = if follows { FileEnd::Grows } else { FileEnd::Final };
    let second = poll(&mut open(&path, format, end, position), 2).0;
    // Everything before the last line was complete.
    let same = first.iter().zip(&whole).take_while(|(a, b)| a == b).count();
    assert!(same + 1 >= first.len());
    assert_eq!(second, whole[same..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_follower_takes_each_line_of_ndjson_once(
        text in "(\u{feff})?((\\{\"a\":[0-9]{1,3}\\}|\\{\"long\":\"[a-z]{20,30}\"\\}| |\u{feff}\\{\\}|)(\n|\r\n)){0,12}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        restarts in any::<bool>(),
    ) {
        a_follower_takes_each_line_once(text.as_bytes(), FileFormat::Ndjson, &cuts, restarts);
    }

    #[test]
    fn a_follower_takes_each_row_of_csv_once(
        rows in "(([a-z]{0,3}|\"[a-z,\n]{0,4}(\"\")?\"|[a-z]{20}),([a-z]{0,3}|\"é\")(\n|\r\n|\n\n)){0,10}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        restarts in any::<bool>(),
    ) {
        a_follower_takes_each_line_once(format!("id,name\r\n{rows}").as_bytes(), FileFormat::Csv, &cuts, restarts);
    }

    #[test]
    fn a_last_line_of_ndjson_that_grew_is_read_whole(
        text in "(\u{feff})?((\\{\"a\":[0-9]{1,3}\\}| |\u{feff}\\{\\}|)(\n|\r\n)){0,8}",
        cut in any::<prop::sample::Index>(),
        follows in any::<bool>(),
    ) {
        let cut = cut.index(text.len() + 1);
        a_line_that_grew_is_read_whole(text.as_bytes(), FileFormat::Ndjson, cut, follows);
    }

    #[test]
    fn a_last_row_of_csv_that_grew_is_read_whole(
        rows in "([a-z]{0,3},([a-z]{0,3}|\"é\")(\n|\r\n|\n\n)){0,8}",
        cut in any::<prop::sample::Index>(),
        follows in any::<bool>(),
    ) {
        let cut = "id,name\n".len() + cut.index(rows.len() + 1);
        a_line_that_grew_is_read_whole(format!("id,name\n{rows}").as_bytes(), FileFormat::Csv, cut, follows);
    }
}

#[test]
fn a_line_without_an_end_waits_for_it_unless_nothing_follows() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "x.ndjson", b"{\"n\":1}\n{\"n\":2");
    let mut follower = open(&path, FileFormat::Ndjson, FileEnd::Grows, None);
    assert_eq!(values(&poll(&mut follower, 10).0), ["{\"n\":1}"]);
    assert_eq!(poll(&mut follower, 10).0, []);
    let until_end = |resume| poll(&mut open(&path, FileFormat::Ndjson, FileEnd::Final, resume), 10);
    let (records, position) = until_end(None);
    assert_eq!(values(&records), ["{\"n\":1}", "{\"n\":2"]);
    assert_eq!(until_end(position).0, []);
    fs::write(&path, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n").unwrap();
    assert_eq!(values(&poll(&mut follower, 10).0), ["{\"n\":2}", "{\"n\":3}"]);
    assert_eq!(values(&until_end(position).0), ["{\"n\":2}", "{\"n\":3}"]);
}

fn lines(count: usize, of: &str) -> String {
    (0..count).map(|n| format!("{{\"{of}\":{n}}}\n")).collect()
}

#[test]
fn a_replaced_file_is_read_from_its_start_and_a_copy_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let old = lines(2_000, "old");
    for packed in [false, true] {
        let bytes = |text: &str| if packed { gzip(text.as_bytes()) } else { text.as_bytes().to_vec() };
        for end in [FileEnd::Final, FileEnd::Grows] {
            let path = file(&dir, "dump.ndjson", &bytes(&old));
            let name = path.to_str().unwrap();
            let (all, position) = poll(&mut open(&path, FileFormat::Ndjson, end, None), 500);
            assert_eq!(all.len(), 2_000);
            let resume = || open(&path, FileFormat::Ndjson, end, position);
            let copy = file(&dir, "copy", &bytes(&old));
            fs::rename(copy, &path).unwrap();
            let mut source = resume();
            assert_eq!((poll(&mut source, 500).0, source.take_replaced()), (vec![], vec![]));
            // Shorter, of the same length, and longer; with another start, or another end.
            let other_end = format!("{}{}", &old[..old.len() - 100], lines(100, "new"));
            for text in [String::new(), lines(10, "new"), old.replace("old", "new"), lines(2_500, "new"), other_end] {
                let new = file(&dir, "new", &bytes(&text));
                fs::rename(new, &path).unwrap();
                let mut source = resume();
                assert_eq!(poll(&mut source, 500).0.len(), text.lines().count());
                assert_eq!(source.take_replaced(), [name]);
            }
            // Old lines and then more of them are a file that grew.
            let new = file(&dir, "new", &bytes(&format!("{old}{}", lines(3, "more"))));
            fs::rename(new, &path).unwrap();
            assert_eq!(poll(&mut resume(), 500).0.len(), 3);
        }
    }
}

#[test]
fn a_position_without_a_fingerprint_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "x.ndjson", b"{\"n\":1}\n{\"n\":2}\n");
    let position = FilePosition { offset: 8, fingerprint: None };
    let mut source = open(&path, FileFormat::Ndjson, FileEnd::Final, Some(position));
    assert_eq!(values(&poll(&mut source, 10).0), ["{\"n\":2}"]);
}

#[test]
fn a_follower_reads_new_and_replaced_files_and_outlasts_absent_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (file(&dir, "a.ndjson", b"{\"a\":1}\n"), dir.path().join("b.ndjson"));
    let mut source = open(&dir.path().join("*.ndjson"), FileFormat::Ndjson, FileEnd::Grows, None);
    assert_eq!(values(&poll(&mut source, 10).0), ["{\"a\":1}"]);
    fs::remove_file(&a).unwrap();
    assert_eq!(poll(&mut source, 10).0, []);
    fs::write(&b, "{\"b\":1}\n").unwrap();
    fs::write(&a, "{\"a\":2}\n").unwrap();
    assert_eq!(values(&poll(&mut source, 10).0), ["{\"a\":2}", "{\"b\":1}"]);
    assert_eq!(source.take_replaced(), [a.to_str().unwrap()]);
    assert_eq!(source.total_bytes(), Some(16));
}

#[test]
fn a_copy_that_is_being_written_is_no_other_file() {
    let dir = tempfile::tempdir().unwrap();
    let text = lines(100, "n");
    let path = file(&dir, "x.ndjson", text.as_bytes());
    let mut source = open(&path, FileFormat::Ndjson, FileEnd::Grows, None);
    assert_eq!(poll(&mut source, 1000).0.len(), 100);
    for length in [0, 200] {
        fs::write(&path, &text[..length]).unwrap();
        assert_eq!(poll(&mut source, 1000).0, []);
    }
    fs::write(&path, format!("{text}{{\"n\":100}}\n")).unwrap();
    assert_eq!(values(&poll(&mut source, 1000).0), ["{\"n\":100}"]);
    assert_eq!(source.take_replaced(), Vec::<String>::new());
    // It stays short, so it is another file.
    fs::write(&path, &text[..text.find("10}").unwrap() + 4]).unwrap();
    assert_eq!(poll(&mut source, 1000).0, []);
    assert_eq!(poll(&mut source, 1000).0.len(), 11);
    assert_eq!(source.take_replaced().len(), 1);
}

/// A damaged file would be reported if it were read.
#[test]
fn a_follower_does_not_open_a_file_that_did_not_change() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = gzip(lines(100, "n").as_bytes());
    let path = file(&dir, "x.ndjson.gz", &bytes);
    let mut source = open(&path, FileFormat::Ndjson, FileEnd::Grows, None);
    assert_eq!(poll(&mut source, 1000).0.len(), 100);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, vec![0; bytes.len()]).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(poll(&mut source, 1000).0, []);
    assert_eq!((source.total_bytes(), source.bytes_read()), (Some(bytes.len() as u64), bytes.len() as u64));
}

#[test]
fn a_compressed_file_is_followed_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (gzip(lines(100, "a").as_bytes()), gzip(lines(100, "b").as_bytes()));
    let path = file(&dir, "x.ndjson.gz", &first);
    let mut source = open(&path, FileFormat::Ndjson, FileEnd::Grows, None);
    assert_eq!(poll(&mut source, 1000).0.len(), 100);
    let both = [first.clone(), second].concat();
    let mut found = Vec::new();
    for length in [first.len() + 5, first.len() + 60, both.len()] {
        fs::write(&path, &both[..length]).unwrap();
        found.extend(poll(&mut source, 1000).0);
    }
    assert_eq!(found.len(), 100);
}

#[test]
fn the_records_before_an_offset_are_read_from_the_last_lines_on() {
    let dir = tempfile::tempdir().unwrap();
    let text = lines(100, "n");
    let before = |path: &Path, format, offset, records| {
        let name = path.to_str().unwrap();
        let mut source = FileSource::open_before(options(path, format), name, offset, records).unwrap();
        read(&mut source, 1000).unwrap().0
    };
    let plain = file(&dir, "x.ndjson", text.as_bytes());
    let end = text.find("{\"n\":50}").unwrap() as u64;
    let records = before(&plain, FileFormat::Ndjson, end, 10);
    assert_eq!((records[0].1.as_str(), records.len()), ("{\"n\":40}", 60));
    // Others can't be entered in the middle.
    let packed = file(&dir, "x.gz", &gzip(text.as_bytes()));
    assert_eq!(before(&packed, FileFormat::Ndjson, end, 10).len(), 100);
    let csv = file(&dir, "x.csv", b"id,name\n1,\"a\n2,b\"\n3,c\n");
    assert_eq!(before(&csv, FileFormat::Csv, 17, 1).len(), 2);
}

#[test]
fn an_incarnation_tells_a_file_from_its_replacement() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str, text: &str, format| {
        let path = file(&dir, name, text.as_bytes());
        let batch = open(&path, format, FileEnd::Final, None).next_batch(10).unwrap().unwrap();
        batch.incarnation.to_string()
    };
    let first = of("a", &lines(3, "n"), FileFormat::Ndjson);
    assert_eq!(first, of("b", &lines(5_000, "n"), FileFormat::Ndjson), "it grew");
    assert_ne!(first, of("a", &lines(3, "m"), FileFormat::Ndjson));
    assert_ne!(of("c", "id\n1\n2\n", FileFormat::Csv), of("c", "id\n3\n2\n", FileFormat::Csv));
}
