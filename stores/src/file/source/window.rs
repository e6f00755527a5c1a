//! A sliding window over an input: what is read and not yet given out.

use std::io;

use crate::file::source::input::Input;

/// Bytes a window holds to begin with.
const SIZE: usize = 1024 * 1024;

/// What is read of an input and not yet consumed.
pub(crate) struct Window {
    input: Input,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    end_of_input: bool,
    failure: Option<io::Error>,
}

impl Window {
    /// A window at `offset`, where `input` stands.
    pub(crate) fn new(input: Input, offset: u64) -> Self {
        Self { input, buffer: vec![0; SIZE], start: 0, end: 0, offset, end_of_input: false, failure: None }
    }

    /// What is there.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Offset of the first byte that is there.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the input has ended, so that what is there is all.
    pub(crate) const fn at_end(&self) -> bool {
        self.end_of_input
    }

    /// Takes the failure after which nothing more comes.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Leaves `count` bytes behind.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
        debug_assert!(self.start <= self.end);
    }

    /// Fills up: a file's window until it is full, a live one by what has come. A no-op when more
    /// than half is there.
    pub(crate) fn refill(&mut self) {
        if self.end - self.start <= self.buffer.len() / 2 {
            let live = self.input.live;
            self.close_up();
            // A live input that has something to give is not asked for more.
            while (!live || self.start == self.end) && self.end - self.start < self.buffer.len() && self.read() {}
        }
    }

    /// Reads more behind what is there; grows when it is full. False when nothing more comes.
    pub(crate) fn extend(&mut self) -> bool {
        if self.end - self.start == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        self.read()
    }

    /// Moves what is there to the front of the buffer.
    fn close_up(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }

    fn read(&mut self) -> bool {
        if self.end_of_input || self.failure.is_some() {
            return false;
        }
        if self.start > 0 && (self.start == self.end || self.end == self.buffer.len()) {
            self.close_up();
        }
        match self.input.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.end_of_input = true,
            Ok(count) => {
                self.end += count;
                return true;
            }
            Err(error) => self.failure = Some(error),
        }
        false
    }
}
