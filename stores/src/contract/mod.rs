//! What every store offers, as far as it can: the traits, their types, and the error of all of them.

mod dead_letters;
mod error;
mod probe;
mod records;
mod sink;
mod source;
mod vault;

pub use dead_letters::{DeadLetters, Letter, LetterKey};
pub(crate) use error::Fault;
pub use error::{ErrorKind, StoreError};
pub use probe::Probe;
pub use records::{Records, StoredRecord};
pub use sink::{Answer, Sink};
pub use source::Source;
pub use vault::{
    Bookkeeping, DayKey, DayKeys, KeyCheck, KeyEntry, KeyRow, MasterKeys, Place, Progress, SubjectKeys, SubjectWant,
    Vault,
};

/// Whether an absent table, topic or collection is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Create it where the manifest allows it.
    Make,
    /// Read only: nothing is created or changed.
    Look,
}
