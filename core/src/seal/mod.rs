//! Sealing: a value that only its subject's key opens, and that is the same bytes each time its
//! event is read (law 3).
//!
//! AES-256-GCM-SIV with a nonce made of the event id, the path and the value by a key derived from
//! the subject's. What is authenticated is the envelope's version, the space, the token and the
//! declared path: nothing that a rename of a pipeline, sink, table or store changes.

mod cipher;
mod letter;
mod text;

pub use cipher::{OpenError, Scratch, SealContext, SealError, SubjectCipher};
pub use text::{BadClass, class_of};

/// Class of a subject's key that seals dead letters.
pub const DEAD_LETTER_CLASS: &str = "dead-letter";
/// Class of the key of a day, for dead letters whose subject can't be read.
pub const DAY_CLASS: &str = "day";
