//! Who an event is about: canonical identifiers, tokens, references.
//!
//! An identifier is brought to one form here; the keys that make a token of it are in
//! [`crate::keys`].

mod canonical;
mod hex;
mod token;

pub use canonical::{MAX_IDENTIFIER, NotCanonical, canonical};
pub(crate) use hex::push_quoted_hex;
pub use hex::{hex, push_hex, unhex};
pub use token::{NotHex, Reference, RootCheck, Token, TokenText, TokenTextError};
