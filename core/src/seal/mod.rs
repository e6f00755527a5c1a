//! Sealing: a value that only its subject's key opens, and that has the same bytes each time its
//! event is read, so that a replay changes nothing.
//!
//! AES-256-GCM-SIV with a nonce that is derived from the event id and the audience by a subkey of
//! the subject's key, once for all values of an event. The version of the envelope, the audience,
//! the space, the token and the declared path are authenticated: nothing that changes when a
//! pipeline, sink, table or store is renamed.

mod cipher;
mod letter;
mod text;

pub use cipher::{EventNonce, OpenError, Scratch, SealContext, SealError, SubjectCipher};
pub use letter::LetterContext;
pub use text::{BadClass, class_of};

/// Class of a subject's key that seals dead letters.
pub const DEAD_LETTER_CLASS: &str = "dead-letter";
/// Class of the key of a day, for dead letters whose subject cannot be read.
pub const DAY_CLASS: &str = "day";
