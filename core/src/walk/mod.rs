//! The single pass over an event's bytes: it checks that they are JSON, checks the schema, finds
//! what the engine reads, and records which values may be written. It changes nothing and writes
//! nothing; the [`Tape`] holds ranges of the input.

mod keys;
mod tape;
#[cfg(test)]
mod tests;
mod walker;

pub(crate) use tape::{Act, Found, Item, Tape};
pub(crate) use walker::walk;

/// Objects and arrays inside each other, at most.
pub const MAX_DEPTH: u32 = 100;
