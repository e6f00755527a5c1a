//! The one walk over an event's bytes: checks that they are JSON, checks the schema, finds what the
//! engine reads, and notes what may leave. It changes nothing and writes nothing; what it leaves on
//! the [`Tape`] are ranges of the input.

#[cfg(test)]
mod differential;
mod keys;
mod tape;
mod walker;

pub(crate) use tape::{Act, Found, Item, Tape};
pub(crate) use walker::walk;

/// Objects and arrays inside each other, at most.
pub const MAX_DEPTH: u32 = 100;
