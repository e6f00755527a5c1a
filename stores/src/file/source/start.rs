//! Opens a file where it is to be read: after what an earlier run has read, if it is still the same
//! file.

use std::sync::{Arc, atomic::AtomicU64};

use lethe_core::{keys::FileKey, record::IncomingBatch};
use lethe_crds::profile_pipeline::FileFormat;

use super::{
    FileEnd, FileSource, Timestamps, csv::Rows, encoding, failure, input::Input, ndjson::Lines, pattern::Found,
    window::Window,
};
use crate::{ErrorKind, FilePosition, StoreError, file::fault::error};

/// How often a file that became shorter is looked at again before it is taken for another one: it
/// may be a copy that is being written.
const LOOKS: u8 = 10;

/// The file that is being read.
pub(super) struct Current {
    pub(super) found: Found,
    pub(super) window: Window,
    format: Format,
    incarnation: Option<Arc<str>>,
    /// The offset at which an earlier run took the last line for a whole one. Records that end
    /// before it were delivered.
    grown_from: Option<u64>,
}

enum Format {
    Ndjson(Lines),
    Csv(Box<Rows>),
}

impl Current {
    /// Returns the next records; `None` at the end, or if the input fails.
    pub(super) fn next(&mut self, max: usize, key: &FileKey) -> Option<IncomingBatch> {
        let mut batch = loop {
            // A batch of one record ends where the record ends.
            let max = if self.grown_from.is_some() { 1 } else { max };
            let batch = match &mut self.format {
                Format::Ndjson(lines) => lines.next(&mut self.window, max),
                Format::Csv(rows) => rows.next(&mut self.window, max),
            }?;
            if self.grown_from.is_none_or(|offset| batch.next_offset > offset) {
                break batch;
            }
        };
        self.grown_from = None;
        if self.found.stamp.is_some() {
            // The first record of a CSV file follows its header.
            let lines = if matches!(self.format, Format::Csv(_)) { 2 } else { 1 };
            let incarnation =
                self.incarnation.get_or_insert_with(|| self.window.trail().incarnation(lines, key).into());
            batch.incarnation = Arc::clone(incarnation);
        }
        Some(batch)
    }

    /// Returns the position after the last batch; `None` if the file can't be continued there.
    pub(super) fn position(&self, key: &FileKey) -> Option<FilePosition> {
        self.found.stamp.map(|_| self.window.trail().position(self.window.offset(), key))
    }
}

impl FileSource {
    /// Opens a file where it is to be read. Returns `None` if that can't be decided yet.
    pub(super) fn start(&mut self, found: &Found) -> Result<Option<Current>, StoreError> {
        let known = self.files.get(&found.name).filter(|_| found.stamp.is_some());
        let position = known.and_then(|known| known.position).filter(|position| position.offset > 0);
        let Some(position) = position else { return self.start_at(found, 0) };
        let Some(mut current) = self.start_at(found, position.offset)? else {
            return if self.may_be_a_copy(found) { Ok(None) } else { self.start_replaced(found) };
        };
        if !current.window.trail().fits(position, &self.options.key) {
            return self.start_replaced(found);
        }
        self.files.entry(found.name.clone()).or_default().shrunk = None;
        if current.window.trail().is_at_line_start() {
            return Ok(Some(current));
        }
        // An earlier run took the last line as it was. It may have become a longer one.
        match current.window.peek(2) {
            [] | [b'\n', ..] | [b'\r', b'\n'] => Ok(Some(current)),
            [b'\r'] if self.options.end == FileEnd::Final => Ok(Some(current)),
            [b'\r'] => Ok(None),
            _ => {
                let whole = self.start_at(found, 0)?;
                Ok(whole.map(|whole| Current { grown_from: Some(position.offset), ..whole }))
            }
        }
    }

    /// Opens a file at an offset. Returns `None` if the file ends before it.
    fn start_at(&self, found: &Found, offset: u64) -> Result<Option<Current>, StoreError> {
        let options = &self.options;
        let max_bytes = options.max_event_bytes;
        let timestamp = match options.timestamps {
            Timestamps::Modified => Some(found.modified),
            Timestamps::Absent => None,
        };
        let stream: Arc<str> = Arc::from(found.name.as_str());
        let grows = found.stamp.is_some() && options.end == FileEnd::Grows;
        let from_start =
            |raw: &Arc<AtomicU64>| Ok::<_, StoreError>(Window::new(Input::open(found, raw)?).growing(grows));
        let at_offset = || match Window::at(Input::open(found, &self.raw)?, offset) {
            Ok(window) => Ok(window.map(|window| window.growing(grows))),
            Err(failed) => Err(error(ErrorKind::Refused, failure(&found.name, 0, &failed))),
        };
        let (window, format) = match options.format {
            FileFormat::Ndjson if offset == 0 => {
                let mut window = from_start(&self.raw)?;
                encoding::check(&found.name, window.peek(encoding::MAGIC))?;
                window.refill();
                encoding::check_line_ends(&found.name, window.bytes())?;
                (Some(window), Format::Ndjson(Lines { stream, timestamp, max_bytes }))
            }
            FileFormat::Ndjson => {
                let window = at_offset()?;
                let head = window.as_ref().map_or(&[][..], |window| window.trail().head());
                encoding::check(&found.name, head)?;
                (window, Format::Ndjson(Lines { stream, timestamp, max_bytes }))
            }
            FileFormat::Csv => {
                let mut rows = Box::new(Rows::new(stream, timestamp, max_bytes, options.delimiter));
                // Reading the header of a file that is resumed does not count as progress.
                let counter = if offset == 0 { Arc::clone(&self.raw) } else { Arc::default() };
                let mut window = from_start(&counter)?;
                encoding::check(&found.name, window.peek(encoding::MAGIC))?;
                rows.read_header(&mut window, &options.columns)?;
                // The offset may be inside the header. Rows start after it.
                let window = if offset > window.offset() { at_offset()? } else { Some(window) };
                (window, Format::Csv(rows))
            }
        };
        Ok(window.map(|window| Current { found: found.clone(), window, format, incarnation: None, grown_from: None }))
    }

    /// Starts another file of a name that was read before.
    fn start_replaced(&mut self, found: &Found) -> Result<Option<Current>, StoreError> {
        tracing::warn!(file = found.name, "the file is another one than before: it is read from its start");
        let known = self.files.entry(found.name.clone()).or_default();
        (known.position, known.shrunk) = (None, None);
        self.replaced.push(found.name.clone());
        self.start_at(found, 0)
    }

    /// Returns whether a file that is shorter than before may become the same one again. It is
    /// another one once it stops changing.
    fn may_be_a_copy(&mut self, found: &Found) -> bool {
        let Some((known, stamp)) = self.files.get_mut(&found.name).zip(found.stamp) else { return false };
        if self.options.end == FileEnd::Final || known.read.is_none() {
            return false;
        }
        let looks = match known.shrunk {
            Some((before, _)) if before == stamp => LOOKS,
            Some((_, looks)) => looks + 1,
            None => 0,
        };
        known.shrunk = Some((stamp, looks));
        looks < LOOKS
    }
}
