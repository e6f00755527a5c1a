//! Splits a CSV row into cells, as specified by RFC 4180.
//!
//! It is stricter than most readers about quotes: a cell that starts with a quote must end with
//! one. A stray quote would otherwise swallow valid rows up to the next quote.

use std::{borrow::Cow, ops::Range};

/// A cell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Its bytes, without the enclosing quotes.
    range: Range<usize>,
    /// Whether it holds doubled quotes.
    doubled: bool,
}

impl Cell {
    /// Returns the text of the cell. `row` is the text of its row.
    pub(crate) fn text<'a>(&self, row: &'a str) -> Cow<'a, str> {
        let text = row.get(self.range.clone()).unwrap_or_default();
        if self.doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) }
    }

    /// Returns the bytes of the cell. `row` is the bytes of its row.
    pub(crate) fn bytes<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        row.get(self.range.clone()).unwrap_or_default()
    }

    /// Returns true if the cell is in quotes. `row` is the bytes of its row.
    pub(crate) fn is_quoted(&self, row: &[u8]) -> bool {
        self.range.start.checked_sub(1).is_some_and(|at| row.get(at) == Some(&b'"'))
    }

    /// Returns true if the cell has no text.
    pub(crate) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

/// The result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A row.
    Row {
        /// Length of the row in bytes, without the line ending.
        length: usize,
        /// Offset of the next row.
        next: usize,
    },
    /// A blank line.
    Blank {
        /// Offset of the next row.
        next: usize,
    },
    /// Not a row: a quote is not closed, or is closed in the middle of a cell.
    Malformed,
    /// More bytes are needed to decide.
    More,
}

/// Splits the row at the start of `bytes` into `cells`. `whole` means that no bytes follow.
pub(crate) fn scan(bytes: &[u8], whole: bool, delimiter: u8, cells: &mut Vec<Cell>) -> Scan {
    cells.clear();
    match bytes {
        [b'\n', ..] => return Scan::Blank { next: 1 },
        [b'\r', b'\n', ..] => return Scan::Blank { next: 2 },
        [] | [b'\r'] if whole => return Scan::Blank { next: bytes.len() },
        _ => {}
    }
    let mut at = 0;
    loop {
        let quoted = bytes.get(at) == Some(&b'"');
        let (cell, end) = if quoted {
            let Some((cell, end)) = quoted_cell(bytes, at) else {
                return if whole { Scan::Malformed } else { Scan::More };
            };
            (cell, end)
        } else {
            let end = memchr::memchr2(delimiter, b'\n', &bytes[at..]).map_or(bytes.len(), |found| at + found);
            (Cell { range: at..end, doubled: false }, end)
        };
        cells.push(cell);
        match &bytes[end..] {
            [byte, ..] if *byte == delimiter => at = end + 1,
            [b'\n', ..] => {
                let length = if quoted { end } else { without_return(bytes, cells, end) };
                return Scan::Row { length, next: end + 1 };
            }
            [b'\r', b'\n', ..] => return Scan::Row { length: end, next: end + 2 },
            [] | [b'\r'] if !whole => return Scan::More,
            [] => {
                let length = if quoted { end } else { without_return(bytes, cells, end) };
                return Scan::Row { length, next: end };
            }
            [b'\r'] => return Scan::Row { length: end, next: end + 1 },
            _ => return Scan::Malformed,
        }
    }
}

/// Returns the cell whose opening quote is at `at`, and its end. Returns `None` if the closing
/// quote is missing, or if it may be the first of a doubled quote.
fn quoted_cell(bytes: &[u8], at: usize) -> Option<(Cell, usize)> {
    let mut from = at + 1;
    let mut doubled = false;
    loop {
        let quote = from + memchr::memchr(b'"', bytes.get(from..)?)?;
        if bytes.get(quote + 1) == Some(&b'"') {
            doubled = true;
            from = quote + 2;
        } else {
            return Some((Cell { range: at + 1..quote, doubled }, quote + 1));
        }
    }
}

/// Returns the end of a row whose last cell has no quotes. A carriage return before the newline is
/// removed from the cell.
fn without_return(bytes: &[u8], cells: &mut [Cell], end: usize) -> usize {
    match cells.last_mut() {
        Some(cell) if bytes[cell.range.clone()].ends_with(b"\r") => {
            cell.range.end -= 1;
            end - 1
        }
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// Returns all rows of a text; `None` if one is malformed.
    fn rows(text: &str) -> Option<Vec<Vec<String>>> {
        let (mut rest, mut rows, mut cells) = (text, Vec::new(), Vec::new());
        while !rest.is_empty() {
            let next = match scan(rest.as_bytes(), true, b',', &mut cells) {
                Scan::Row { next, .. } => {
                    rows.push(cells.iter().map(|cell| cell.text(rest).into_owned()).collect());
                    next
                }
                Scan::Blank { next } => next,
                Scan::Malformed => return None,
                Scan::More => panic!("nothing comes after these bytes"),
            };
            rest = &rest[next..];
        }
        Some(rows)
    }

    /// Returns the rows as the csv crate reads them.
    fn theirs(text: &str) -> Vec<Vec<String>> {
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_back(
            table in prop::collection::vec(prop::collection::vec("[a,\"\n\r é]{0,5}", 2..4), 0..5),
            crlf in any::<bool>(),
        ) {
            let terminator = if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
            let mut writer = ::csv::WriterBuilder::new().flexible(true).terminator(terminator).from_writer(Vec::new());
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(rows(&text), Some(table));
        }

        #[test]
        fn any_text_that_is_csv_is_read_as_the_csv_crate_reads_it(text in "([a,\"\n]|\r\n){0,12}") {
            if let Some(rows) = rows(&text) {
                prop_assert_eq!(rows, theirs(&text));
            }
        }

        #[test]
        fn more_bytes_never_change_an_earlier_answer(text in "([a,\"\n]|\r\n){0,12}", cut in 0usize..12) {
            let cut = cut.min(text.len());
            let (mut early, mut late) = (Vec::new(), Vec::new());
            let early_answer = scan(&text.as_bytes()[..cut], false, b',', &mut early);
            if early_answer != Scan::More {
                prop_assert_eq!(early_answer, scan(text.as_bytes(), true, b',', &mut late));
                prop_assert_eq!(early, late);
            }
        }
    }
}
