//! Where a stream goes: bytes, or any other target of records.

use std::{
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use super::{Generator, Pace, Record};

/// Bytes that are buffered before they are written.
const CHUNK: usize = 256 * 1024;
/// The longest line is far shorter than this, so that a chunk never grows.
const ROOM: usize = 64 * 1024;
/// How often progress is reported.
const REPORT: Duration = Duration::from_millis(120);
/// Records between two readings of the clock for that.
const CLOCK_EVERY: u64 = 256;

/// A target of records.
pub trait Target {
    /// Takes a record; it may be buffered.
    fn write(&mut self, record: &Record) -> Result<(), TargetError>;

    /// Writes what is buffered, because no record follows for a while.
    fn flush(&mut self) -> Result<(), TargetError>;

    /// Writes what is buffered and waits until it is stored: no record follows.
    fn finish(&mut self) -> Result<(), TargetError>;
}

/// Why a target takes no more records.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A file or a pipe.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A store.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Store(#[from] lethe_stores::StoreError),
}

/// Writes a line for each record, in large chunks.
pub struct Lines<W> {
    to: W,
    chunk: Vec<u8>,
}

impl<W: Write> Lines<W> {
    /// Writes lines to a file or a pipe.
    pub fn new(to: W) -> Self {
        Self { to, chunk: Vec::with_capacity(CHUNK + ROOM) }
    }
}

impl<W: Write> Target for Lines<W> {
    fn write(&mut self, record: &Record) -> Result<(), TargetError> {
        self.chunk.extend_from_slice(&record.value);
        self.chunk.push(b'\n');
        if self.chunk.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), TargetError> {
        self.to.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(self.to.flush()?)
    }

    fn finish(&mut self) -> Result<(), TargetError> {
        self.flush()
    }
}

/// Writes a whole stream to a target, at a pace if there is one. Now and then `progress` gets the
/// number of lines written so far.
pub fn pour(
    generator: &mut Generator,
    target: &mut dyn Target,
    mut pace: Option<Pace>,
    mut progress: impl FnMut(u64),
) -> Result<(), TargetError> {
    let started = Instant::now();
    let mut reported = Duration::ZERO;
    let mut record = Record::default();
    while generator.next_record(&mut record) {
        if let Some(pace) = &mut pace {
            while let Err(wait) = pace.take(started.elapsed()) {
                target.flush()?;
                // No longer than until the next report of progress.
                thread::sleep(wait.min(REPORT));
                report(generator, started, &mut reported, &mut progress);
            }
        }
        target.write(&record)?;
        if generator.summary().lines.is_multiple_of(CLOCK_EVERY) {
            report(generator, started, &mut reported, &mut progress);
        }
    }
    target.finish()
}

fn report(generator: &Generator, started: Instant, reported: &mut Duration, progress: &mut impl FnMut(u64)) {
    let now = started.elapsed();
    if now >= *reported + REPORT {
        *reported = now;
        progress(generator.summary().lines);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{GenerateOptions, Kind};

    /// Counts the calls.
    #[derive(Default)]
    struct Memory {
        written: u64,
        flushes: u64,
        finished: bool,
    }

    impl Target for Memory {
        fn write(&mut self, record: &Record) -> Result<(), TargetError> {
            assert!(!record.key.is_empty() && !record.value.is_empty() && record.timestamp > 0);
            self.written += 1;
            Ok(())
        }

        fn flush(&mut self) -> Result<(), TargetError> {
            self.flushes += 1;
            Ok(())
        }

        fn finish(&mut self) -> Result<(), TargetError> {
            self.finished = true;
            Ok(())
        }
    }

    #[test]
    fn lines_are_what_the_generator_makes() {
        let options = GenerateOptions { not_json: 0.2, ..GenerateOptions::new(Kind::Clickstream, 2_000) };
        let mut generator = Generator::new(options.clone()).unwrap();
        let mut expected = Vec::new();
        while generator.next_into(&mut expected) {}
        let mut written = Vec::new();
        pour(&mut Generator::new(options).unwrap(), &mut Lines::new(&mut written), None, |_| ()).unwrap();
        assert_eq!(written, expected);
    }

    #[test]
    fn a_pace_holds_records_back_and_leaves_none_buffered_while_it_waits() {
        let mut generator = Generator::new(GenerateOptions::new(Kind::Account, 41)).unwrap();
        let mut memory = Memory::default();
        let started = Instant::now();
        pour(&mut generator, &mut memory, Some(Pace::new(200_000)), |_| ()).unwrap();
        assert!(started.elapsed() >= Duration::from_millis(200));
        assert!(memory.written == 41 && memory.flushes >= 20 && memory.finished);
    }
}
