//! Why an event was rejected: codes without values, safe to show anywhere.

use std::{fmt, sync::Arc};

/// Writes the list once: what a reason means is what the reference says of it.
macro_rules! reasons {
    ($(#[doc = $meaning:literal] $name:ident,)*) => {
        /// Why an event was rejected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// Every reason, in the order they are shown.
            pub const ALL: [Reason; [$(stringify!($name)),*].len()] = [$(Reason::$name),*];

            /// Its code in counters, the dead letter and status.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Reason::$name => stringify!($name),)*
                }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Reason::$name => $meaning.trim_ascii(),)*
                }
            }
        }
    };
}

reasons! {
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// The bytes are not JSON.
    NotJson,
    /// JSON, but no object.
    NotAnObject,
    /// Larger than the largest event taken, as it came or as it would go.
    TooLarge,
    /// Nested deeper than the deepest event taken.
    TooDeep,
    /// A key stands twice in one object.
    DuplicateKey,
    /// A number that no 64-bit float can hold.
    NumberOutOfRange,
    /// A CSV row with fewer or more cells than the header.
    RowLength,
    /// A CSV row that can't be read.
    NotCsv,
    /// The schema doesn't allow it.
    SchemaViolation,
    /// It holds a field that isn't declared, and the pipeline rejects those.
    UndeclaredField,
    /// A field has a name that Lethe writes itself.
    ReservedName,
    /// No event id, or none that is a string or an integer.
    IdInvalid,
    /// No event time, or none that can be read.
    TimeInvalid,
    /// The event's time lies too far after the record's own.
    TimeAhead,
    /// The sequence is no integer.
    SequenceInvalid,
    /// No subject, or none that can be brought to its canonical form.
    SubjectInvalid,
    /// A value can't be cleaned as declared.
    CleanFailed,
    /// A value can't be protected as declared.
    ProtectFailed,
    /// A sink's store can't take the record (a column's type, a unique index, a size); the others have it.
    SinkRefused,
}

/// A rejection: why, by which rule, and where. The place is made of declared segments only, any
/// other is `*`; the rule is a word of the schema or the manifest. Neither holds personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The rule that was broken: a schema keyword (`maxLength`), a step (`Email`), a protection;
    /// `shape` where a list, a text or an object stands in place of what holds a protected field.
    pub rule: Option<&'static str>,
    /// Where, as a JSON Pointer of declared segments.
    pub path: Option<Arc<str>>,
}

impl Rejection {
    /// A rejection of the event as a whole.
    pub const fn whole(reason: Reason) -> Self {
        Self { reason, rule: None, path: None }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.code())?;
        if let Some(rule) = self.rule {
            write!(f, " ({rule})")?;
        }
        if let Some(path) = &self.path {
            write!(f, " at {path}")?;
        }
        Ok(())
    }
}
