//! The person that an event is about: canonical identifiers, tokens, references.
//!
//! An identifier gets its canonical form here; the keys that derive a token from it are in
//! [`crate::keys`].

mod canonical;
mod domain;
mod hex;
mod rounded;
mod token;

pub use canonical::{CanonicalVersion, MAX_IDENTIFIER, NotCanonical, canonical};
pub(crate) use hex::push_quoted_hex;
pub use hex::{hex, push_hex, unhex};

pub(crate) use rounded::is_rounded;
pub use token::{NotHex, Reference, RootCheck, Token, TokenText, TokenTextError};
