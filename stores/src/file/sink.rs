//! A file of JSON lines as a sink.
//!
//! The length of the file is committed together with the offset of the source, with a fingerprint of
//! what the file holds up to there. Bytes beyond that length were not committed and are cut off at
//! the next start. A file with another fingerprint is not the one that was written: it is refused,
//! and never cut or emptied. Two writers would cut off each other's lines, so the file is locked
//! while it is open.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::BoxFuture;
use lethe_core::{
    json::push_string,
    keys::FileKey,
    outcome::Outcome,
    record::{Body, OutgoingBatch},
};
use lethe_crds::profile_pipeline::Compression;

use crate::{
    Answer, ErrorKind, FilePosition, Restore, Sink, StoreError,
    file::{
        fault::{error, failed, mismatch},
        trail::Trail,
    },
    instant::rfc3339,
};

/// Compression level of zstd: its default.
const ZSTD_LEVEL: i32 = 3;

/// How every uncompressed line of a file begins that this sink wrote.
const LINE_START: &[u8] = b"{\"subject_ref\":\"";
/// How every compressed batch begins.
const FRAME_START: &[u8] = b"\x28\xb5\x2f\xfd";

/// Options of the sink.
#[derive(Clone, Debug)]
pub struct FileSinkOptions {
    /// Path of the file.
    pub path: PathBuf,
    /// No compression, or one zstd frame per batch.
    pub compression: Compression,
    /// The key for fingerprints of the file.
    pub key: FileKey,
}

/// A sink that writes JSON lines to a file.
pub struct FileSink {
    options: FileSinkOptions,
    /// The open and locked file, until it moves into `output`.
    file: Option<File>,
    output: Option<Arc<Mutex<Output>>>,
    mark: FilePosition,
}

/// The open file and its state.
struct Output {
    file: File,
    path: PathBuf,
    compression: Compression,
    /// Length of the file after the last durable batch.
    length: u64,
    trail: Trail,
    key: FileKey,
}

impl FileSink {
    /// Opens the file and locks it, so that no other process writes it. Creates an absent file.
    /// Returns a transient error while another process holds the lock. Nothing is cut off or
    /// written before [`Sink::restore`] passes the committed length. Read that length only after
    /// this call, because then no other process can change it.
    pub fn new(options: FileSinkOptions) -> Result<Self, StoreError> {
        let path = &options.path;
        let shown = path.display();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
            return Err(mismatch(format!("the directory {} does not exist; make it", parent.display())));
        }
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                return Err(mismatch(format!("{shown} is no regular file; name a file, it is cut back after a crash")));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(format!("open {shown}"), &error));
            }
            _ => {}
        }
        let file = open_locked(path)?;
        let mark = Trail::default().position(0, &options.key);
        Ok(Self { options, file: Some(file), output: None, mark })
    }

    fn open(&mut self, from: Restore) -> Result<Arc<Mutex<Output>>, StoreError> {
        let FileSinkOptions { path, compression, key } = &self.options;
        let shown = path.display();
        let trouble = |error: io::Error| failed(format!("open {shown}"), &error);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open_locked(path)?,
        };
        let length = file.metadata().map_err(trouble)?.len();
        let (Restore::Continue(mark) | Restore::StartOver(mark)) = from;
        let trail = if length == 0 && matches!(from, Restore::StartOver(_)) {
            Trail::default()
        } else {
            self.written(&mut file, length, mark)?
        };
        let (keep, trail) = match (from, mark) {
            (Restore::Continue(_), Some(mark)) => (mark.offset, trail),
            (Restore::Continue(_), None) | (Restore::StartOver(_), _) => (0, Trail::default()),
        };
        file.set_len(keep).map_err(trouble)?;
        file.seek(SeekFrom::Start(keep)).map_err(trouble)?;
        file.sync_all().map_err(trouble)?;
        sync_parent(path).map_err(trouble)?;
        self.mark = trail.position(keep, key);
        let (path, key) = (path.clone(), key.clone());
        let output = Output { file, path, compression: *compression, length: keep, trail, key };
        Ok(Arc::new(Mutex::new(output)))
    }

    /// Reads what lies before the committed mark. Fails unless the file is recorded as written by
    /// this sink.
    fn written(&self, file: &mut File, length: u64, mark: Option<FilePosition>) -> Result<Trail, StoreError> {
        let FileSinkOptions { path, compression, key } = &self.options;
        let shown = path.display();
        let trouble = |error: io::Error| failed(format!("read {shown}"), &error);
        let Some(mark) = mark else {
            if length == 0 {
                return Ok(Trail::default());
            }
            return Err(mismatch(format!(
                "{shown} is there already, and this pipeline has written nothing of it; name another path, or move the \
                 file away"
            )));
        };
        let skip = |file: &mut File, count: u64| file.seek_relative(i64::try_from(count).map_err(io::Error::other)?);
        file.seek(SeekFrom::Start(0)).map_err(trouble)?;
        let Some(trail) = Trail::read(file, mark.offset, skip).map_err(trouble)? else {
            return Err(mismatch(format!(
                "{shown} has {length} bytes, but {} were committed: it was cut or replaced; put it back, or move it \
                 away and start over (--from-start)",
                mark.offset
            )));
        };
        // Of a file without committed bytes, only its beginning tells who wrote it.
        let starts = match compression {
            Compression::None => LINE_START,
            Compression::Zstd => FRAME_START,
        };
        let mut first = Vec::new();
        if mark.offset == 0 {
            file.seek(SeekFrom::Start(0)).map_err(trouble)?;
            Read::by_ref(file).take(starts.len() as u64).read_to_end(&mut first).map_err(trouble)?;
        }
        if !trail.fits(mark, key) || !starts.starts_with(&first) {
            return Err(mismatch(format!(
                "{shown} holds something else than what this pipeline wrote to it: it was replaced; put it back, name \
                 another path, or move the file away and start over (--from-start)"
            )));
        }
        Ok(trail)
    }
}

impl Sink for FileSink {
    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>> {
        Box::pin(async move {
            let output = match &self.output {
                Some(output) => Arc::clone(output),
                None => {
                    let output = self.open(Restore::Continue(None))?;
                    Arc::clone(self.output.insert(output))
                }
            };
            let (lines, outcomes) = lines(batch)?;
            if outcomes.is_empty() {
                return Ok(outcomes);
            }
            let append = move || output.lock().unwrap_or_else(PoisonError::into_inner).append(lines);
            self.mark = tokio::task::spawn_blocking(append)
                .await
                .unwrap_or_else(|_| Err(error(ErrorKind::Internal, "a write was cut short")))?;
            Ok(outcomes)
        })
    }

    fn mark(&self) -> Option<FilePosition> {
        Some(self.mark)
    }

    fn restore(&mut self, from: Restore) -> Result<(), StoreError> {
        let output = self.open(from)?;
        self.output = Some(output);
        Ok(())
    }
}

impl Output {
    /// Writes lines after the last durable ones. Returns the end of the file once they are durable.
    /// After a failure the next call overwrites what this one has written.
    fn append(&mut self, lines: Vec<u8>) -> Result<FilePosition, StoreError> {
        let shown = self.path.display();
        let trouble = |error: io::Error| failed(format!("write {shown}"), &error);
        let bytes = match self.compression {
            Compression::None => lines,
            Compression::Zstd => compress(&lines).map_err(trouble)?,
        };
        let file = &mut self.file;
        let mut write = || {
            if file.stream_position()? != self.length || file.metadata()?.len() != self.length {
                file.set_len(self.length)?;
                file.seek(SeekFrom::Start(self.length))?;
            }
            file.write_all(&bytes)?;
            file.sync_data()
        };
        write().map_err(trouble)?;
        self.length += bytes.len() as u64;
        self.trail.push(&bytes);
        Ok(self.trail.position(self.length, &self.key))
    }
}

/// Opens the file and takes its lock. The lock belongs to the handle, so it is released when the
/// process ends.
fn open_locked(path: &Path) -> Result<File, StoreError> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // The file may hold personal data, so only this user may read it, as with the embedded store.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| failed(format!("open {shown}"), &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(error(
            ErrorKind::Busy,
            format!("{shown} is being written by another run or redrive; a file has one writer: wait for it"),
        )),
        Err(TryLockError::Error(error)) => Err(failed(format!("lock {shown}"), &error)),
    }
}

/// Compresses lines into one frame with a checksum.
fn compress(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::with_capacity(lines.len() / 4), ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(lines.len() as u64))?;
    encoder.write_all(lines)?;
    encoder.finish()
}

/// Syncs the directory: a new file is durable only if its directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Returns the records as lines.
fn lines(batch: &OutgoingBatch) -> Result<(Vec<u8>, Vec<Answer>), StoreError> {
    let outside =
        || error(ErrorKind::Internal, "a record of the batch is not UTF-8, or its range is outside of the batch");
    let mut out = Vec::with_capacity(batch.bytes.len() + batch.records.len() * 16);
    let mut outcomes = Vec::with_capacity(batch.records.len());
    for record in &batch.records {
        match &record.body {
            Body::Document(range) => {
                let document = batch.bytes.get(range.clone()).ok_or_else(outside)?;
                let start = out.len();
                out.extend_from_slice(document);
                if memchr::memchr2(b'\n', b'\r', document).is_some() {
                    // JSON allows both only between tokens and never inside a string, so a space
                    // can replace them.
                    out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
                }
                outcomes.push(Ok(Outcome::Delivered));
            }
            Body::Delete => {
                let id = batch.bytes.get(record.event_id.clone()).and_then(|id| std::str::from_utf8(id).ok());
                let time = rfc3339(record.time);
                write!(out, "{{\"subject_ref\":\"{}\",\"event_id\":", record.subject)
                    .map_err(|error| failed("write a line", &error))?;
                push_string(id.ok_or_else(outside)?, &mut out);
                write!(out, ",\"event_time\":\"{time}\",\"deleted\":true}}")
                    .map_err(|error| failed("write a line", &error))?;
                outcomes.push(Ok(Outcome::Deleted));
            }
        }
        out.push(b'\n');
    }
    Ok((out, outcomes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::{identity::Reference, record::Outgoing};
    use proptest::prelude::*;

    use super::*;

    fn options(dir: &Path, compression: Compression) -> FileSinkOptions {
        FileSinkOptions { path: dir.join("out.ndjson"), compression, key: FileKey::public() }
    }

    fn batch(ids: &[&str]) -> OutgoingBatch {
        let mut batch = OutgoingBatch::default();
        for id in ids {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(id.as_bytes());
            let event_id = start..batch.bytes.len();
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(format!("{{\"subject_ref\":\"{id}\"}}").as_bytes());
            let body = Body::Document(start..batch.bytes.len());
            let subject = Reference([1; 32]);
            batch.records.push(Outgoing { subject, event_id, version: 1, time: 0, offset: 0, expires: None, body });
        }
        batch
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn text(path: &Path, compression: Compression) -> String {
        let bytes = fs::read(path).unwrap();
        let bytes = match compression {
            Compression::None => bytes,
            Compression::Zstd => zstd::stream::decode_all(&bytes[..]).unwrap(),
        };
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn documents_and_deletions_become_lines() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), Compression::None);
        let mut sink = FileSink::new(options.clone()).unwrap();
        sink.restore(Restore::Continue(None)).unwrap();
        let mut batch = batch(&["a", "b\"c"]);
        batch.records[1].body = Body::Delete;
        let start = batch.bytes.len();
        batch.bytes.extend_from_slice(b"{\r\n \"x\": \"\\n\"\n}");
        batch.records.push(batch.records[0].clone());
        batch.records[2].body = Body::Document(start..batch.bytes.len());
        let outcomes = block_on(sink.write(&batch)).unwrap();
        assert_eq!(outcomes, [Ok(Outcome::Delivered), Ok(Outcome::Deleted), Ok(Outcome::Delivered)]);
        let lines = format!(
            "{{\"subject_ref\":\"a\"}}\n{{\"subject_ref\":\"{}\",\"event_id\":\"b\\\"c\",\
             \"event_time\":\"1970-01-01T00:00:00.000Z\",\"deleted\":true}}\n{{   \"x\": \"\\n\" }}\n",
            "01".repeat(32)
        );
        assert_eq!(text(&options.path, Compression::None), lines);
        assert_eq!(sink.mark().unwrap().offset, lines.len() as u64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A crash may leave any part of what was written after the last commit, or arbitrary
        /// bytes.
        #[test]
        fn a_file_cut_anywhere_after_its_mark_goes_on_from_its_mark(
            cut in 0.0f64..1.0,
            junk in prop::collection::vec(any::<u8>(), 0..40),
            zstd in any::<bool>(),
        ) {
            let compression = if zstd { Compression::Zstd } else { Compression::None };
            let dir = tempfile::tempdir().unwrap();
            let options = options(dir.path(), compression);
            let mut sink = FileSink::new(options.clone()).unwrap();
            sink.restore(Restore::Continue(None)).unwrap();
            block_on(sink.write(&batch(&["a", "b"]))).unwrap();
            let mark = sink.mark().unwrap();
            block_on(sink.write(&batch(&["lost"]))).unwrap();
            let end = sink.mark().unwrap().offset;
            drop(sink);

            let kept = mark.offset + ((end - mark.offset) as f64 * cut) as u64;
            let mut file = OpenOptions::new().write(true).open(&options.path).unwrap();
            file.set_len(kept).unwrap();
            file.seek(SeekFrom::End(0)).unwrap();
            file.write_all(&junk).unwrap();

            let mut sink = FileSink::new(options.clone()).unwrap();
            sink.restore(Restore::Continue(Some(mark))).unwrap();
            prop_assert_eq!(sink.mark(), Some(mark));
            block_on(sink.write(&batch(&["c"]))).unwrap();
            prop_assert_eq!(
                text(&options.path, compression),
                "{\"subject_ref\":\"a\"}\n{\"subject_ref\":\"b\"}\n{\"subject_ref\":\"c\"}\n"
            );
        }
    }

    #[test]
    fn a_write_that_failed_half_way_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), Compression::None);
        let mut sink = FileSink::new(options.clone()).unwrap();
        sink.restore(Restore::Continue(None)).unwrap();
        block_on(sink.write(&batch(&["a"]))).unwrap();
        sink.output.as_ref().unwrap().lock().unwrap().file.write_all(b"{\"half\":").unwrap();
        block_on(sink.write(&batch(&["b"]))).unwrap();
        assert_eq!(text(&options.path, Compression::None), "{\"subject_ref\":\"a\"}\n{\"subject_ref\":\"b\"}\n");
    }

    /// Returns the error of a sink that begins with `from`. The file must be unchanged.
    fn refusal(options: &FileSinkOptions, from: Restore) -> String {
        let before = fs::read(&options.path).unwrap();
        let error = FileSink::new(options.clone()).unwrap().restore(from).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Mismatch);
        assert_eq!(fs::read(&options.path).unwrap(), before);
        error.to_string()
    }

    #[test]
    fn a_file_that_is_not_recorded_as_written_is_never_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), Compression::None);
        fs::write(&options.path, "mine\n").unwrap();
        for from in [Restore::Continue(None), Restore::StartOver(None)] {
            let error = refusal(&options, from);
            assert!(error.contains("name another path") && !error.contains("--from-start"), "{error}");
        }
        // The sink has opened a file at this path before, and committed no line of it.
        let nothing = Trail::default().position(0, &options.key);
        // It has committed other lines. A version without fingerprints recorded the length alone.
        let mut trail = Trail::default();
        trail.push(b"ours\n");
        let lines = trail.position(5, &options.key);
        for mark in [nothing, lines, FilePosition { offset: 6, fingerprint: None }] {
            for from in [Restore::Continue(Some(mark)), Restore::StartOver(Some(mark))] {
                assert!(refusal(&options, from).contains("put it back"));
            }
        }
    }

    #[test]
    fn starting_over_empties_what_the_sink_wrote() {
        for compression in [Compression::None, Compression::Zstd] {
            let dir = tempfile::tempdir().unwrap();
            let options = options(dir.path(), compression);
            let mut sink = FileSink::new(options.clone()).unwrap();
            sink.restore(Restore::Continue(None)).unwrap();
            let opened = sink.mark();
            block_on(sink.write(&batch(&["a"]))).unwrap();
            let written = sink.mark();
            block_on(sink.write(&batch(&["not committed"]))).unwrap();
            drop(sink);
            let bytes = fs::read(&options.path).unwrap();
            let old = written.map(|mark| FilePosition { fingerprint: None, ..mark });
            for mark in [opened, written, old] {
                fs::write(&options.path, &bytes).unwrap();
                let mut sink = FileSink::new(options.clone()).unwrap();
                sink.restore(Restore::StartOver(mark)).unwrap();
                assert_eq!((sink.mark(), fs::read(&options.path).unwrap().len()), (opened, 0));
            }
            // The file is empty already.
            FileSink::new(options).unwrap().restore(Restore::StartOver(written)).unwrap();
        }
    }

    #[test]
    fn a_second_writer_is_refused_and_cuts_nothing_off() {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), Compression::None);
        let mut sink = FileSink::new(options.clone()).unwrap();
        sink.restore(Restore::Continue(None)).unwrap();
        block_on(sink.write(&batch(&["a"]))).unwrap();
        let error = FileSink::new(options.clone()).err().unwrap();
        assert!(error.is_transient() && error.to_string().contains("one writer"), "{error}");
        assert_eq!(text(&options.path, Compression::None), "{\"subject_ref\":\"a\"}\n");
        drop(sink);
        FileSink::new(options).unwrap();
    }

    #[test]
    fn a_file_shorter_than_its_mark_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = FileSink::new(options(dir.path(), Compression::None)).unwrap();
        let mark = FilePosition { offset: 5, fingerprint: None };
        let error = sink.restore(Restore::Continue(Some(mark))).unwrap_err();
        assert!(error.kind == ErrorKind::Mismatch && error.to_string().contains("has 0 bytes"), "{error}");
    }

    #[test]
    fn what_can_t_be_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: PathBuf| {
            let options = FileSinkOptions { path, compression: Compression::None, key: FileKey::public() };
            FileSink::new(options).err().unwrap().to_string()
        };
        assert!(at(dir.path().to_owned()).contains("is no regular file"));
        assert!(at(dir.path().join("absent/out.ndjson")).contains("absent does not exist; make it"));
    }
}
