//! Splits a file into lines, each a record.

use std::sync::Arc;

use lethe_core::{
    reason::Reason,
    record::{Incoming, IncomingBatch},
};

use crate::file::{CUT, source::window::Window};

/// The byte order mark at the start of some files, and of each line in files that were appended to
/// each other.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Splits a window into lines.
pub(crate) struct Lines {
    pub stream: Arc<str>,
    /// Timestamp of every record, in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// Maximum size of a line in bytes.
    pub max_bytes: usize,
}

impl Lines {
    /// Returns the next lines; `None` at the end, or if the input fails.
    pub(crate) fn next(&self, window: &mut Window, max: usize) -> Option<IncomingBatch> {
        window.refill();
        if window.offset() == 0 && window.peek(BOM.len()) == BOM {
            window.consume(BOM.len());
        }
        // How many bytes at the start of the window are known to hold no newline.
        let mut searched = 0;
        loop {
            let (taken, records) = self.whole_lines(window, max, searched);
            if !records.is_empty() {
                return Some(self.batch(window, taken, records));
            }
            window.consume(taken);
            searched = window.bytes().len();
            // One byte more than the longest line, for a carriage return before the newline.
            if searched > self.max_bytes + 1 {
                return self.giant(window);
            }
            if !window.extend() {
                return self.last_line(window);
            }
        }
    }

    /// Returns up to `max` lines that end inside the window, and how many bytes they and blank
    /// lines take.
    fn whole_lines(&self, window: &Window, max: usize, searched: usize) -> (usize, Vec<Incoming>) {
        let bytes = window.bytes();
        let mut records = Vec::new();
        let mut taken = 0;
        for newline in memchr::memchr_iter(b'\n', &bytes[searched..]) {
            let end = searched + newline;
            if let Some(record) = self.line(&bytes[taken..end], taken, window.offset()) {
                if records.is_empty() {
                    records.reserve(max.min(4096));
                }
                records.push(record);
            }
            taken = end + 1;
            if records.len() >= max {
                break;
            }
        }
        (taken, records)
    }

    /// Returns a line as a record; `None` if it is blank. `at` is its position in a batch that
    /// starts at `offset`.
    fn line(&self, line: &[u8], at: usize, offset: u64) -> Option<Incoming> {
        let offset = offset + at as u64;
        let too_large = line.strip_suffix(b"\r").unwrap_or(line).len() > self.max_bytes;
        let marked = if line.starts_with(BOM) { BOM.len() } else { 0 };
        let (line, at) = (&line[marked..], at + marked);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // The first byte of a record is a brace, so this check is enough for nearly all lines.
        let blank = line.first().is_none_or(u8::is_ascii_whitespace) && !too_large && line.trim_ascii().is_empty();
        if blank {
            return None;
        }
        let (length, unreadable) = if too_large { (self.cut(), Some(Reason::TooLarge)) } else { (line.len(), None) };
        Some(Incoming {
            headers: Vec::new(),
            value: Some(at..at + length),
            key: None,
            offset,
            timestamp: self.timestamp,
            unreadable,
        })
    }

    /// Returns how many bytes are kept of a line that is too long.
    fn cut(&self) -> usize {
        CUT.min(self.max_bytes)
    }

    /// Moves `taken` bytes of the window into a batch, with one copy for all lines.
    fn batch(&self, window: &mut Window, taken: usize, records: Vec<Incoming>) -> IncomingBatch {
        let bytes = window.bytes()[..taken].to_vec();
        window.consume(taken);
        IncomingBatch {
            stream: Arc::clone(&self.stream),
            incarnation: Arc::default(),
            bytes,
            records,
            next_offset: window.offset(),
        }
    }

    /// Returns the last line of the input, which has no newline. After a read error, and in a file
    /// that grows, it may be incomplete, so nothing is returned.
    fn last_line(&self, window: &mut Window) -> Option<IncomingBatch> {
        if !window.at_end() {
            return None;
        }
        let rest = window.bytes().len();
        let record = self.line(window.bytes(), 0, window.offset());
        match record {
            Some(record) => Some(self.batch(window, rest, vec![record])),
            None => {
                window.consume(rest);
                None
            }
        }
    }

    /// Returns the start of a line that exceeds the maximum as a record. The rest of the line is
    /// skipped. Returns `None` if the line may be incomplete.
    fn giant(&self, window: &mut Window) -> Option<IncomingBatch> {
        let offset = window.offset();
        let bytes = window.bytes()[..self.cut()].to_vec();
        if !skip_line(window) {
            return None;
        }
        let record = Incoming {
            headers: Vec::new(),
            value: Some(0..bytes.len()),
            key: None,
            offset,
            timestamp: self.timestamp,
            unreadable: Some(Reason::TooLarge),
        };
        Some(IncomingBatch {
            stream: Arc::clone(&self.stream),
            incarnation: Arc::default(),
            bytes,
            records: vec![record],
            next_offset: window.offset(),
        })
    }
}

/// Skips all bytes up to and including the next newline, or up to the end. Returns false if the line
/// may be incomplete: a read failed, or the file grows.
pub(crate) fn skip_line(window: &mut Window) -> bool {
    loop {
        if let Some(newline) = memchr::memchr(b'\n', window.bytes()) {
            window.consume(newline + 1);
            return true;
        }
        window.consume(window.bytes().len());
        if !window.extend() {
            return window.at_end();
        }
    }
}
