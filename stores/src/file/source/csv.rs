//! Converts rows of a CSV file to JSON objects.

use std::sync::Arc;

use lethe_core::{
    json::{is_number, push_string},
    reason::Reason,
    record::{Incoming, IncomingBatch},
};
use lethe_crds::profile_pipeline::{CsvCell, CsvColumn};

use crate::{
    ErrorKind, StoreError,
    file::{
        CUT,
        fault::{error, mismatch},
        source::{
            cells::{Cell, Scan, scan},
            encoding,
            ndjson::{BOM, skip_line},
            window::Window,
        },
    },
};

/// Size of the JSON in bytes at which a batch is full.
const BATCH: usize = 1024 * 1024;

/// How a column is converted.
struct Column {
    /// `"key":`, as JSON.
    key: Vec<u8>,
    cell: CsvCell,
}

/// Splits a window into rows.
pub(crate) struct Rows {
    pub stream: Arc<str>,
    /// Timestamp of every record, in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// Maximum size of a row in bytes.
    pub max_bytes: usize,
    pub delimiter: u8,
    columns: Vec<Column>,
    cells: Vec<Cell>,
}

impl Rows {
    /// Creates a reader of rows. Its header is not read yet.
    pub(crate) fn new(stream: Arc<str>, timestamp: Option<i64>, max_bytes: usize, delimiter: u8) -> Self {
        Self { stream, timestamp, max_bytes, delimiter, columns: Vec::new(), cells: Vec::new() }
    }

    /// Reads the header at the start of a file. A file that is empty, or that grows and holds no
    /// whole header yet, has no rows. Errors do not quote the header, because it may be a row of
    /// data.
    pub(crate) fn read_header(&mut self, window: &mut Window, declared: &[CsvColumn]) -> Result<(), StoreError> {
        let name = Arc::clone(&self.stream);
        let wrong = |what: &str| mismatch(format!("the header of {name} {what}"));
        window.refill();
        if window.peek(BOM.len()) == BOM {
            window.consume(BOM.len());
        }
        let (length, next) = loop {
            match scan(window.bytes(), window.at_end(), self.delimiter, &mut self.cells) {
                Scan::Row { length, next } => break (length, next),
                Scan::Blank { next: 0 } => return Ok(()),
                Scan::Blank { next } => window.consume(next),
                Scan::Malformed => return Err(wrong("can't be read: a quote in it has no other")),
                Scan::More if memchr::memchr(b'\n', window.bytes()).is_none() && has_rows(window.bytes()) => {
                    return Err(encoding::lone_returns(&name));
                }
                Scan::More if window.bytes().len() > self.max_bytes => {
                    return Err(wrong("is longer than any event may be; is this a CSV file?"));
                }
                // The read error is reported when rows are read.
                Scan::More if !window.extend() && !window.at_end() => return Ok(()),
                Scan::More => {}
            }
        };
        let row = &window.bytes()[..length];
        if self.cells.iter().any(|cell| !cell.is_quoted(row) && cell.bytes(row).contains(&b'\r')) {
            return Err(encoding::lone_returns(&name));
        }
        let row = std::str::from_utf8(row)
            .map_err(|_| error(ErrorKind::Input, format!("the header of {name} is no UTF-8; convert the file")))?;
        let written: Vec<String> = self.cells.iter().map(|cell| cell.text(row).into_owned()).collect();
        // Blanks around a name are invisible in a table and in a manifest. In quotes they are meant.
        let names = self.cells.iter().zip(&written).map(|(cell, written)| {
            if cell.is_quoted(row.as_bytes()) { written.as_str() } else { written.trim_matches([' ', '\t']) }
        });
        let headers: Vec<String> = names.map(str::to_owned).collect();
        window.consume(next);
        if let Some(empty) = headers.iter().position(String::is_empty) {
            return Err(wrong(&format!("gives column {} no name", empty + 1)));
        }
        if let Some((first, second)) = twins(&headers) {
            return Err(wrong(&format!("gives columns {first} and {second} the same name")));
        }
        for column in declared {
            if !headers.contains(&column.header) && !written.contains(&column.header) {
                return Err(wrong(&format!("lacks the declared column {}", column.header)));
            }
        }
        let rule = |(header, written): (&String, &String)| {
            declared.iter().find(|column| column.header == *header || column.header == *written)
        };
        let rules: Vec<Option<&CsvColumn>> = headers.iter().zip(&written).map(rule).collect();
        let keys: Vec<&str> = headers
            .iter()
            .zip(&rules)
            .map(|(header, rule)| rule.and_then(|rule| rule.key.as_deref()).unwrap_or(header))
            .collect();
        if let Some((first, second)) = twins(&keys) {
            return Err(mismatch(format!("columns {first} and {second} of {name} become the same key of the event")));
        }
        self.columns = keys
            .iter()
            .zip(&rules)
            .map(|(key, rule)| {
                let mut text = Vec::with_capacity(key.len() + 3);
                push_string(key, &mut text);
                text.push(b':');
                Column { key: text, cell: rule.and_then(|rule| rule.cell).unwrap_or(CsvCell::Text) }
            })
            .collect();
        Ok(())
    }

    /// Returns the next rows; `None` at the end, or if the input fails.
    pub(crate) fn next(&mut self, window: &mut Window, max: usize) -> Option<IncomingBatch> {
        window.refill();
        let mut bytes = Vec::new();
        let mut records: Vec<Incoming> = Vec::new();
        while records.len() < max && bytes.len() < BATCH {
            // Files that were appended to each other have marks in the middle.
            if window.bytes().first() == BOM.first()
                && (records.is_empty() || window.bytes().len() >= BOM.len())
                && window.peek(BOM.len()) == BOM
            {
                window.consume(BOM.len());
            }
            let scanned = scan(window.bytes(), window.at_end(), self.delimiter, &mut self.cells);
            // Whether a row is too long is decided by its first bytes, so the result does not
            // depend on where the window ends.
            let (start, offset) = (bytes.len(), window.offset());
            let unreadable = match scanned {
                Scan::Blank { next: 0 } => break,
                Scan::Blank { next } => {
                    window.consume(next);
                    continue;
                }
                Scan::Row { length, next } if length <= self.max_bytes => {
                    let unreadable = self.row(&window.bytes()[..length], &mut bytes).err();
                    window.consume(next);
                    unreadable
                }
                Scan::More if window.bytes().len() <= self.max_bytes + 2 => {
                    // Return the rows so far before waiting for more bytes.
                    if !records.is_empty() || (!window.extend() && !window.at_end()) {
                        break;
                    }
                    continue;
                }
                // The line may be incomplete, so it is taken only as the first record of a batch.
                Scan::Row { .. } | Scan::Malformed | Scan::More if !records.is_empty() => break,
                Scan::Row { .. } | Scan::Malformed | Scan::More => match self.bad_line(window, &mut bytes) {
                    Some(reason) => Some(reason),
                    None => break,
                },
            };
            records.push(Incoming {
                headers: Vec::new(),
                value: Some(start..bytes.len()),
                key: None,
                offset,
                timestamp: self.timestamp,
                unreadable,
            });
        }
        (!records.is_empty()).then(|| IncomingBatch {
            stream: Arc::clone(&self.stream),
            incarnation: Arc::default(),
            bytes,
            records,
            next_offset: window.offset(),
        })
    }

    /// Writes a row as a JSON object. If it can't be one, writes it unchanged and returns the
    /// reason.
    fn row(&self, row: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        if self.cells.len() != self.columns.len() {
            out.extend_from_slice(row);
            return Err(Reason::RowLength);
        }
        let Ok(text) = std::str::from_utf8(row) else {
            out.extend_from_slice(row);
            return Err(Reason::InvalidUtf8);
        };
        out.push(b'{');
        let mut separator: &[u8] = b"";
        for (cell, column) in self.cells.iter().zip(&self.columns) {
            if cell.is_empty() {
                continue;
            }
            out.extend_from_slice(separator);
            separator = b",";
            out.extend_from_slice(&column.key);
            let value = cell.text(text);
            match column.cell {
                CsvCell::Number if is_number(&value) => out.extend_from_slice(value.as_bytes()),
                CsvCell::Boolean if value.eq_ignore_ascii_case("true") => out.extend_from_slice(b"true"),
                CsvCell::Boolean if value.eq_ignore_ascii_case("false") => out.extend_from_slice(b"false"),
                CsvCell::Text | CsvCell::Number | CsvCell::Boolean => push_string(&value, out),
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Takes one line unchanged if no row can be read, because the following rows may be valid.
    /// Returns `None` if the line may be incomplete.
    fn bad_line(&self, window: &mut Window, out: &mut Vec<u8>) -> Option<Reason> {
        let bytes = window.bytes();
        let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let (kept, reason) = if line.len() > self.max_bytes {
            (CUT.min(self.max_bytes), Reason::TooLarge)
        } else {
            (line.len(), Reason::NotCsv)
        };
        out.extend_from_slice(&line[..kept]);
        skip_line(window).then_some(reason)
    }
}

/// Returns whether bytes without a newline hold a carriage return between other bytes.
fn has_rows(bytes: &[u8]) -> bool {
    memchr::memchr(b'\r', bytes).is_some_and(|at| at + 1 < bytes.len()) && !bytes.contains(&b'"')
}

/// Returns the positions, counted from 1, of two equal texts.
fn twins<T: AsRef<str>>(texts: &[T]) -> Option<(usize, usize)> {
    let mut seen = std::collections::BTreeMap::new();
    texts
        .iter()
        .enumerate()
        .find_map(|(index, text)| seen.insert(text.as_ref(), index + 1).map(|first| (first, index + 1)))
}
