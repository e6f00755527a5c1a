//! A sliding window over an input: the bytes that were read and not yet consumed.

use std::io::{self, Read};

use crate::file::{source::input::Input, trail::Trail};

/// Initial size of a window in bytes.
const SIZE: usize = 1024 * 1024;

/// The bytes of an input that were read and not yet consumed.
pub(crate) struct Window {
    input: Input,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    trail: Trail,
    /// Whether the input may grow after its end, so that its last line may be incomplete.
    grows: bool,
    end_of_input: bool,
    failure: Option<io::Error>,
}

impl Window {
    /// Creates a window at the start of an input.
    pub(crate) fn new(input: Input) -> Self {
        Self {
            input,
            buffer: vec![0; SIZE],
            start: 0,
            end: 0,
            offset: 0,
            trail: Trail::default(),
            grows: false,
            end_of_input: false,
            failure: None,
        }
    }

    /// Creates a window at `offset`. Returns `None` if the input ends before it.
    pub(crate) fn at(mut input: Input, offset: u64) -> io::Result<Option<Self>> {
        let Some(trail) = input.move_to(offset)? else { return Ok(None) };
        Ok(Some(Self { offset, trail, ..Self::new(input) }))
    }

    /// Sets whether the input may grow after its end.
    pub(crate) fn growing(self, grows: bool) -> Self {
        Self { grows, ..self }
    }

    /// Returns what lies before the window.
    pub(crate) const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Returns the bytes in the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns the offset of the first byte in the window.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the first bytes in the window, fewer than `count` only if no more follow.
    pub(crate) fn peek(&mut self, count: usize) -> &[u8] {
        while self.bytes().len() < count && self.extend() {}
        let bytes = self.bytes();
        &bytes[..bytes.len().min(count)]
    }

    /// Returns true if the input has ended, so that no bytes will ever follow the window.
    pub(crate) const fn at_end(&self) -> bool {
        self.end_of_input && !self.grows
    }

    /// Returns the read error and clears it. No bytes follow after it.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Removes `count` bytes from the front.
    pub(crate) fn consume(&mut self, count: usize) {
        self.trail.push(&self.buffer[self.start..self.start + count]);
        self.start += count;
        self.offset += count as u64;
        debug_assert!(self.start <= self.end);
    }

    /// Refills the window if it is at most half full. Reads until it is full, or for a live input
    /// only what is available.
    pub(crate) fn refill(&mut self) {
        if self.end - self.start <= self.buffer.len() / 2 {
            let live = self.input.live;
            self.close_up();
            // Don't wait for more bytes of a live input while some are available.
            while (!live || self.start == self.end) && self.end - self.start < self.buffer.len() && self.read() {}
        }
    }

    /// Reads more bytes and grows a full buffer. Returns false if no more bytes follow.
    pub(crate) fn extend(&mut self) -> bool {
        if self.end - self.start == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        self.read()
    }

    /// Moves the bytes in the window to the front of the buffer.
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
