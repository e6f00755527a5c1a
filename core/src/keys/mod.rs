//! Keys: the ring of a Secret, and the keys of each subject, wrapped by a master key.
//!
//! Nothing here draws random bytes or reads a Secret: a caller passes both in. No key has a `Debug`
//! or a `Display`, and no error shows a value.

mod check;
mod mac;
mod name;
mod pseudonym;
pub(crate) mod ring;
mod wrapped;

pub use check::KeyRingMismatch;
pub use name::{KeyName, NotAKeyName};
pub use pseudonym::FileKey;
pub use ring::{KeyRing, KeyRingError};
pub use wrapped::{DataKey, WrapContext, WrapError, WrappedKey};

pub(crate) use mac::{MacKey, subkey};
pub(crate) use name::index as audience_index;
