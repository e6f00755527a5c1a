//! Files as a source: they are read one after the other, in the order of their names.
//!
//! A source of files that may grow ([`FileEnd::Grows`]) looks for new files and new lines each time
//! it is read after its end. A file that did not change since is not opened.

mod cells;
mod csv;
mod encoding;
pub(crate) mod input;
mod last;
pub(crate) mod ndjson;
mod pattern;
mod start;
pub(crate) mod window;

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use lethe_core::{engine::MAX_EVENT, keys::FileKey, record::IncomingBatch};
use lethe_crds::profile_pipeline::{CsvColumn, FileFormat};

use crate::{
    ErrorKind, FilePosition, Source, StoreError,
    file::{
        fault::{error, mismatch},
        source::{
            input::Input,
            pattern::{Found, Stamp},
            start::Current,
        },
    },
};

/// How long a file may end in the middle of a line before that is logged.
const PATIENCE: Duration = Duration::from_secs(10);

/// What follows the end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEnd {
    /// Nothing: a last line without a line end is a record.
    Final,
    /// Perhaps more bytes: only terminated lines are records.
    Grows,
}

/// The timestamps of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// The file's modification time.
    Modified,
    /// None: the events have times of their own.
    Absent,
}

/// Options of the source.
#[derive(Clone, Debug)]
pub struct FileSourceOptions {
    /// A path, a glob, or `-` for standard input.
    pub path: String,
    /// Format of the events.
    pub format: FileFormat,
    /// Separator of CSV cells.
    pub delimiter: u8,
    /// How CSV columns are converted.
    pub columns: Vec<CsvColumn>,
    /// Where to resume, by file name. Other files are read from their start, and so is a file that
    /// is not the one of which the position was stored. Standard input and pipes are always read
    /// from their start.
    pub resume: BTreeMap<String, FilePosition>,
    /// What follows the end of a file. Standard input and pipes end when their writers do.
    pub end: FileEnd,
    /// Maximum size of an event in bytes. A longer one becomes a record `TooLarge`.
    pub max_event_bytes: usize,
    /// The timestamps of records.
    pub timestamps: Timestamps,
    /// Modification time of what is no regular file, in milliseconds since 1970.
    pub now: i64,
    /// The key for fingerprints of files.
    pub key: FileKey,
}

impl FileSourceOptions {
    /// Returns options that read files from their start to their end.
    pub fn new(path: impl Into<String>, format: FileFormat, now: i64) -> Self {
        Self {
            path: path.into(),
            format,
            delimiter: b',',
            columns: Vec::new(),
            resume: BTreeMap::new(),
            end: FileEnd::Final,
            max_event_bytes: MAX_EVENT,
            timestamps: Timestamps::Modified,
            now,
            key: FileKey::public(),
        }
    }
}

/// A source that reads files.
pub struct FileSource {
    options: FileSourceOptions,
    /// What is known of each file, by name.
    files: BTreeMap<String, Known>,
    waiting: VecDeque<Found>,
    current: Option<Current>,
    /// The position after the last batch.
    position: Option<FilePosition>,
    replaced: Vec<String>,
    /// Whether all files were read to their end.
    at_end: bool,
    total: Option<u64>,
    raw: Arc<AtomicU64>,
    /// The error of a damaged file. Every later read returns it again.
    broken: Option<String>,
}

/// What is known of a file.
#[derive(Default)]
struct Known {
    /// The position up to which it was read. `None`: it is read from its start.
    position: Option<FilePosition>,
    /// Its state when it was last read to its end.
    read: Option<Stamp>,
    /// Its state when it was last found to be shorter than before, and how often it was.
    shrunk: Option<(Stamp, u8)>,
    /// Since when it ends in the middle of a line.
    unterminated: Option<Instant>,
}

/// Returns the names of the files that a path matches now.
pub fn matches(path: &str) -> Vec<String> {
    let found = pattern::find(path, 0).unwrap_or_default();
    found.into_iter().filter(|file| file.stamp.is_some()).map(|file| file.name).collect()
}

impl FileSource {
    /// Finds the files and checks that they can be read.
    pub fn open(options: FileSourceOptions) -> Result<Self, StoreError> {
        let delimiter = options.delimiter;
        if options.format == FileFormat::Csv && (!delimiter.is_ascii() || b"\"\r\n\0".contains(&delimiter)) {
            return Err(mismatch("a delimiter of CSV is one ASCII character, but no quote and no end of a line"));
        }
        let found = pattern::find(&options.path, options.now)?;
        // Check this now and not after an hour of reading the files before it.
        for file in found.iter().filter(|file| file.stamp.is_some()) {
            let mut first = Vec::with_capacity(encoding::MAGIC);
            let mut input = Input::open(file, &Arc::default())?;
            // Damage is reported when the file is read.
            if input.by_ref().take(encoding::MAGIC as u64).read_to_end(&mut first).is_ok() {
                encoding::check(&file.name, &first)?;
            }
        }
        let known = |position: &FilePosition| Known { position: Some(*position), ..Known::default() };
        let files = options.resume.iter().map(|(name, position)| (name.clone(), known(position))).collect();
        let mut source = Self {
            options,
            files,
            waiting: VecDeque::new(),
            current: None,
            position: None,
            replaced: Vec::new(),
            at_end: false,
            total: None,
            raw: Arc::new(AtomicU64::new(0)),
            broken: None,
        };
        source.list(found);
        Ok(source)
    }

    /// Opens one file for the records before `end`: at most the last `records` if the file can be
    /// read from any line on, or else all of them.
    pub fn open_before(options: FileSourceOptions, name: &str, end: u64, records: usize) -> Result<Self, StoreError> {
        let mut options =
            FileSourceOptions { path: name.to_owned(), end: FileEnd::Final, resume: BTreeMap::new(), ..options };
        if options.format == FileFormat::Ndjson
            && let [found] = pattern::find(name, options.now)?.as_slice()
            && found.stamp.is_some()
            && let Some(mut file) = Input::open(found, &Arc::default())?.into_plain()
        {
            let offset = last::start_of_last(&mut file, end, records)
                .map_err(|error| self::error(ErrorKind::Refused, failure(name, 0, &error)))?;
            options.resume.insert(name.to_owned(), FilePosition { offset, fingerprint: None });
        }
        Self::open(options)
    }

    /// Sets the files to read next: those that are not known to be unchanged.
    fn list(&mut self, found: Vec<Found>) {
        self.total = found.iter().map(|file| Some(file.stamp?.bytes)).sum();
        let known = |file: &Found| self.files.get(&file.name).and_then(|known| known.read);
        let (unchanged, changed): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|file| file.stamp.is_some() && file.stamp == known(file));
        self.waiting = changed.into();
        self.raw.store(unchanged.iter().filter_map(|file| Some(file.stamp?.bytes)).sum(), Ordering::Relaxed);
        self.at_end = false;
    }

    /// Looks for files that are new or were changed. Standard input has nothing after its end.
    fn look_again(&mut self) -> Result<(), StoreError> {
        let found = match pattern::find(&self.options.path, self.options.now) {
            // A file may be absent for a moment while it is replaced.
            Err(error) if error.kind == ErrorKind::Mismatch => Vec::new(),
            other => other?,
        };
        self.list(found.into_iter().filter(|file| file.name != "-").collect());
        for (name, known) in &mut self.files {
            if known.unterminated.is_some_and(|since| since.elapsed() > PATIENCE) {
                known.unterminated = None;
                tracing::warn!(
                    file = name,
                    "the file ends in the middle of a line: it is read when it is complete, or by a run with --until-end"
                );
            }
        }
        Ok(())
    }

    /// Remembers that the current file was read to its end.
    fn finish(&mut self, current: &Current, in_line: bool) {
        if current.found.stamp.is_none() {
            return;
        }
        let known = self.files.entry(current.found.name.clone()).or_default();
        known.read = current.found.stamp;
        known.unterminated = in_line.then(|| known.unterminated.unwrap_or_else(Instant::now));
    }

    fn broken(&self) -> Option<StoreError> {
        let message = self.broken.clone()?;
        Some(error(ErrorKind::Refused, message))
    }
}

impl Source for FileSource {
    fn next_batch(&mut self, max: usize) -> Result<Option<IncomingBatch>, StoreError> {
        if let Some(error) = self.broken() {
            return Err(error);
        }
        let grows = self.options.end == FileEnd::Grows;
        if self.at_end {
            if !grows {
                return Ok(None);
            }
            self.look_again()?;
        }
        loop {
            let Some(mut current) = self.current.take() else {
                let Some(found) = self.waiting.front().cloned() else {
                    self.at_end = true;
                    return Ok(None);
                };
                // The file is removed from the list only once it is open, so a later call tries it
                // again.
                self.current = self.start(&found)?;
                self.waiting.pop_front();
                continue;
            };
            if let Some(batch) = current.next(max.max(1), &self.options.key) {
                self.position = current.position(&self.options.key);
                if let Some(position) = self.position {
                    self.files.entry(current.found.name.clone()).or_default().position = Some(position);
                }
                self.current = Some(current);
                return Ok(Some(batch));
            }
            match current.window.take_failure() {
                // The writer has not finished a part of a compressed file.
                Some(error) if grows && error.kind() == io::ErrorKind::UnexpectedEof => self.finish(&current, true),
                Some(error) => {
                    self.broken = Some(failure(&current.found.name, current.window.offset(), &error));
                    return Err(self.broken().unwrap_or_else(|| mismatch("a file failed")));
                }
                None => self.finish(&current, !current.window.bytes().trim_ascii().is_empty()),
            }
        }
    }

    fn position(&self) -> Option<FilePosition> {
        self.position
    }

    fn take_replaced(&mut self) -> Vec<String> {
        std::mem::take(&mut self.replaced)
    }

    fn total_bytes(&self) -> Option<u64> {
        self.total
    }

    fn bytes_read(&self) -> u64 {
        self.raw.load(Ordering::Relaxed)
    }
}

fn failure(name: &str, offset: u64, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "its compressed data ends too early; fetch the file again".to_owned(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            "its compressed data is damaged; fetch the file again".to_owned()
        }
        _ => error.to_string(),
    };
    format!("failed to read {name} after byte {offset} (uncompressed): {what}")
}
