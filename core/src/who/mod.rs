//! Who an event is about: canonical identifiers, tokens, references.

mod token;

pub use token::{Reference, Token};
