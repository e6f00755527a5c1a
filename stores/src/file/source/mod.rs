//! Files as a source: they are read one after the other, in the order of their names.

mod cells;
mod csv;
pub(crate) mod input;
pub(crate) mod ndjson;
mod pattern;
pub(crate) mod window;

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    vec,
};

use lethe_core::record::IncomingBatch;
use lethe_crds::profile_pipeline::{CsvColumn, FileFormat};

use crate::{
    ErrorKind, Source, StoreError,
    file::{
        fault::{error, mismatch},
        source::{csv::Rows, input::Input, ndjson::Lines, pattern::Found, window::Window},
    },
};

/// Default of the maximum size of an event: 1 MiB, as in Kafka.
const MAX_EVENT_BYTES: usize = 1024 * 1024;

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
    /// Where to resume, by file name, as an offset of uncompressed bytes. Other files are read from
    /// their start. Standard input and pipes are always read from their start.
    pub resume: BTreeMap<String, u64>,
    /// Maximum size of an event in bytes. A longer one becomes a record `TooLarge`.
    pub max_event_bytes: usize,
    /// Timestamp of records that do not come from a regular file, in milliseconds since 1970.
    pub now: i64,
}

impl FileSourceOptions {
    /// Returns options that read files from their start.
    pub fn new(path: impl Into<String>, format: FileFormat, now: i64) -> Self {
        Self {
            path: path.into(),
            format,
            delimiter: b',',
            columns: Vec::new(),
            resume: BTreeMap::new(),
            max_event_bytes: MAX_EVENT_BYTES,
            now,
        }
    }
}

/// A source that reads files.
pub struct FileSource {
    options: FileSourceOptions,
    waiting: vec::IntoIter<Found>,
    current: Option<Current>,
    total: Option<u64>,
    raw: Arc<AtomicU64>,
    /// The error of a damaged file. Every later read returns it again.
    broken: Option<String>,
}

/// The file that is being read.
struct Current {
    window: Window,
    format: Format,
}

enum Format {
    Ndjson(Lines),
    Csv(Box<Rows>),
}

impl FileSource {
    /// Finds the files and checks that they can be read.
    pub fn open(options: FileSourceOptions) -> Result<Self, StoreError> {
        let delimiter = options.delimiter;
        if options.format == FileFormat::Csv && (!delimiter.is_ascii() || b"\"\r\n\0".contains(&delimiter)) {
            return Err(mismatch("a delimiter of CSV is one ASCII character, but no quote and no end of a line"));
        }
        let files = pattern::find(&options.path, options.now)?;
        let total = files.iter().map(|file| file.bytes).sum();
        let raw = Arc::new(AtomicU64::new(0));
        Ok(Self { options, waiting: files.into_iter(), current: None, total, raw, broken: None })
    }

    fn start(&self, found: &Found) -> Result<Current, StoreError> {
        let options = &self.options;
        let stream: Arc<str> = Arc::from(found.name.as_str());
        let offset = match found.bytes {
            Some(_) => options.resume.get(&found.name).copied().unwrap_or(0),
            None => 0,
        };
        let (timestamp, max_bytes) = (found.modified, options.max_event_bytes);
        match options.format {
            FileFormat::Ndjson => {
                let window = Window::new(Input::open(found, offset, &self.raw)?, offset);
                Ok(Current { window, format: Format::Ndjson(Lines { stream, timestamp, max_bytes }) })
            }
            FileFormat::Csv => {
                let mut rows = Box::new(Rows::new(stream, timestamp, max_bytes, options.delimiter));
                // Reading the header of a file that is resumed does not count as progress.
                let counter = if offset == 0 { Arc::clone(&self.raw) } else { Arc::default() };
                let mut window = Window::new(Input::open(found, 0, &counter)?, 0);
                rows.read_header(&mut window, &options.columns)?;
                if offset > 0 {
                    // The offset may be inside the header. Rows start after it.
                    let offset = offset.max(window.offset());
                    window = Window::new(Input::open(found, offset, &self.raw)?, offset);
                }
                Ok(Current { window, format: Format::Csv(rows) })
            }
        }
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
        loop {
            let Some(current) = &mut self.current else {
                let Some(found) = self.waiting.as_slice().first() else { return Ok(None) };
                // The file is removed from the list only once it is open, so a later call tries it
                // again.
                self.current = Some(self.start(found)?);
                self.waiting.next();
                continue;
            };
            let batch = match &mut current.format {
                Format::Ndjson(lines) => lines.next(&mut current.window, max.max(1)),
                Format::Csv(rows) => rows.next(&mut current.window, max.max(1)),
            };
            if batch.is_some() {
                return Ok(batch);
            }
            if let Some(error) = current.window.take_failure() {
                let name = match &current.format {
                    Format::Ndjson(lines) => &lines.stream,
                    Format::Csv(rows) => &rows.stream,
                };
                self.broken = Some(failure(name, current.window.offset(), &error));
                return Err(self.broken().unwrap_or_else(|| mismatch("a file failed")));
            }
            self.current = None;
        }
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
